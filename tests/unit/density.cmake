# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of split objects, large objects, owners and compaction. xv_density_test_support
# is what they share with the model and the fault test; it sees public headers only.
set(support ${PROJECT_SOURCE_DIR}/tests/support)
add_library(xv_density_test_support OBJECT ${support}/density.c)
xv_layer(xv_density_test_support SEES xvmalloc)
target_include_directories(xv_density_test_support PRIVATE ${support})
target_link_libraries(xv_density_test_support PRIVATE PkgConfig::XV_CMOCKA)

foreach(name IN ITEMS compact high_pages large owner pieces pool_promises split)
	xv_add_test(NAME test_${name}
		SOURCES test_${name}.c
			$<TARGET_OBJECTS:xv_density_test_support>
			$<TARGET_OBJECTS:xv_pool_test_support>)
endforeach()

find_package(Threads REQUIRED)
xv_add_test(NAME test_compact_threads
	SOURCES test_compact_threads.c ${support}/providers.c
	LIBS xvmalloc::xvmalloc Threads::Threads)
