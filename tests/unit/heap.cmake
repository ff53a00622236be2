# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of the heap alone: they see its folder, and what it sees, and link nothing above it.
set(heap_check_sources heap_damages.c) # what only that one needs
foreach(name IN ITEMS heap heap_check heap_fit heap_model heap_sound)
	xv_add_test(NAME test_${name}
		SOURCES test_${name}.c ${${name}_sources}
			${PROJECT_SOURCE_DIR}/tests/support/heap_source.c $<TARGET_OBJECTS:xv_heap>
		INCLUDES ${PROJECT_SOURCE_DIR}/src/core/heap ${PROJECT_SOURCE_DIR}/src/platform
			${XV_STAGE_DIR}/xvmalloc
		LIBS xv_assertions)
endforeach()
