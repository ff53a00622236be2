# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of pools with several shards.
find_package(Threads REQUIRED)
foreach(name IN ITEMS shards shards_whole)
	xv_add_test(NAME test_pool_${name}
		SOURCES test_pool_${name}.c
			$<TARGET_OBJECTS:xv_density_test_support>
			$<TARGET_OBJECTS:xv_pool_test_support>
		LIBS xvmalloc::xvmalloc Threads::Threads)
endforeach()
xv_add_test(NAME test_pool_shards_threads
	SOURCES test_pool_shards_threads.c ${PROJECT_SOURCE_DIR}/tests/support/providers.c
	LIBS xvmalloc::xvmalloc Threads::Threads)

# The same tests of the pool that is to take this one's place.
foreach(name IN ITEMS shards shards_whole)
	xv_add_test(NAME test_second_pool_${name}
		SOURCES test_pool_${name}.c
			$<TARGET_OBJECTS:xv_density_test_support>
			$<TARGET_OBJECTS:xv_pool_test_support>
		LIBS xvmalloc_second)
endforeach()
xv_add_test(NAME test_second_pool_shards_threads
	SOURCES test_pool_shards_threads.c ${PROJECT_SOURCE_DIR}/tests/support/providers.c
	LIBS xvmalloc_second)
foreach(name IN ITEMS shards shards_whole shards_threads)
	target_compile_definitions(test_second_pool_${name} PRIVATE XV_TEST_SECOND)
endforeach()
xv_add_test(NAME test_pool_threads_second SOURCES test_pool_threads_second.c
	LIBS xvmalloc_second TIMEOUT 300)
