# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of the object layer over the heap: they see the two folders, and what those see, and
# link nothing above them.
foreach(name IN ITEMS object object_check object_compact object_handles object_hardened object_model
		object_overwritten)
	xv_add_test(NAME test_${name}
		SOURCES test_${name}.c ${PROJECT_SOURCE_DIR}/tests/support/heap_source.c
			$<TARGET_OBJECTS:xv_object> $<TARGET_OBJECTS:xv_heap>
		INCLUDES ${PROJECT_SOURCE_DIR}/src/core/object ${PROJECT_SOURCE_DIR}/src/core/heap
			${PROJECT_SOURCE_DIR}/src/platform ${XV_STAGE_DIR}/xvmalloc
		LIBS xv_assertions)
endforeach()
