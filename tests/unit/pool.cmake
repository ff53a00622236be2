# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of the pool. xv_pool_test_support holds what they share (the model and the
# fault tests use it too); it sees public headers only. The white-box ones also see
# src/core.
set(support ${PROJECT_SOURCE_DIR}/tests/support)
add_library(xv_pool_test_support OBJECT
	${support}/fault_provider.c
	${support}/pool_fixture.c
	${support}/providers.c
	${support}/shadow.c)
xv_layer(xv_pool_test_support SEES xvmalloc)
target_include_directories(xv_pool_test_support PRIVATE ${support})
target_link_libraries(xv_pool_test_support PRIVATE PkgConfig::XV_CMOCKA)

set(pool_whitebox
	LIBS xv_whitebox
	INCLUDES ${PROJECT_SOURCE_DIR}/src/core ${PROJECT_SOURCE_DIR}/src/platform)

foreach(name IN ITEMS
		alloc
		bad_use
		create
		limits
		map
		memory
		peek
		pointer
		realloc
		shared
		walk)
	xv_add_test(NAME test_pool_${name}
		SOURCES test_pool_${name}.c $<TARGET_OBJECTS:xv_pool_test_support>)
endforeach()

xv_add_test(NAME test_pool_check
	SOURCES test_pool_check.c check_damages.c ${support}/pool_blocks.c
		$<TARGET_OBJECTS:xv_pool_test_support>
	${pool_whitebox})

foreach(name IN ITEMS fit merge)
	xv_add_test(NAME test_pool_${name}
		SOURCES test_pool_${name}.c ${support}/pool_blocks.c
			$<TARGET_OBJECTS:xv_pool_test_support>
		${pool_whitebox})
endforeach()

xv_add_test(NAME test_pool_threads
	SOURCES test_pool_threads.c $<TARGET_OBJECTS:xv_pool_test_support>
	LIBS xvmalloc::xvmalloc Threads::Threads)

xv_add_test(NAME test_block SOURCES test_block.c ${pool_whitebox})
xv_add_test(NAME test_free_list SOURCES test_free_list.c ${pool_whitebox})
xv_add_test(NAME test_tables
	SOURCES test_tables.c ${support}/pool_blocks.c $<TARGET_OBJECTS:xv_pool_test_support>
	${pool_whitebox})

# The same tests of the pool that is to take this one's place.
foreach(name IN ITEMS
		pool_alloc
		pool_bad_use
		pool_create
		pool_limits
		pool_map
		pool_memory
		pool_peek
		pool_pointer
		pool_realloc
		pool_shared
		pool_threads
		pool_walk)
	xv_add_test(NAME test_second_${name}
		SOURCES test_${name}.c $<TARGET_OBJECTS:xv_pool_test_support>
		LIBS xvmalloc_second)
	target_compile_definitions(test_second_${name} PRIVATE XV_TEST_SECOND)
endforeach()
