# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of pools with several shards.
find_package(Threads REQUIRED)
foreach(name IN ITEMS shards shards_realloc shards_whole)
	xv_add_test(NAME test_pool_${name}
		SOURCES test_pool_${name}.c
			$<TARGET_OBJECTS:xv_density_test_support>
			$<TARGET_OBJECTS:xv_pool_test_support>
		LIBS xvmalloc::xvmalloc Threads::Threads)
endforeach()
xv_add_test(NAME test_pool_shards_threads
	SOURCES test_pool_shards_threads.c ${PROJECT_SOURCE_DIR}/tests/support/providers.c
	LIBS xvmalloc::xvmalloc Threads::Threads)
xv_add_test(NAME test_pool_shards_stress SOURCES test_pool_shards_stress.c
	LIBS xvmalloc::xvmalloc Threads::Threads TIMEOUT 300)

# The library is in the program, where the linker can put the test in between.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
	xv_add_test(NAME test_pool_leave_threads
		SOURCES test_pool_leave_threads.c LIBS xv_whitebox Threads::Threads)
	target_link_options(test_pool_leave_threads PRIVATE
		LINKER:--wrap=pthread_mutex_lock,--wrap=pthread_mutex_trylock
		LINKER:--wrap=pthread_mutex_unlock,--wrap=xvi_cpu_now)
endif()
