# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of ramz (src/ramz).
if(NOT TARGET ramz)
	return()
endif()

xv_add_test(NAME test_codec SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_codec.c
	LIBS xvmalloc::ramz)

foreach(name IN ITEMS store codecs counters limit dedup damage file file_format file_hold file_place
		threads sparse room contexts changing realtime tiers policy policy_thread backing backing_file
		backing_reused snapshot checkpoint checkpoint_power waiting edges counts file_calls null)
	xv_add_test(NAME test_ramz_${name}
		SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_ramz_${name}.c
		LIBS xvmalloc::ramz)
	xv_check_mutexes(test_ramz_${name})
endforeach()
foreach(name IN ITEMS waiting edges counts)
	target_link_libraries(test_ramz_${name} PRIVATE Threads::Threads)
	target_compile_definitions(test_ramz_${name} PRIVATE _GNU_SOURCE)
endforeach()
target_link_libraries(test_ramz_threads PRIVATE Threads::Threads)
target_link_libraries(test_ramz_limit PRIVATE Threads::Threads)
target_link_libraries(test_ramz_policy_thread PRIVATE Threads::Threads)
target_link_libraries(test_ramz_backing PRIVATE Threads::Threads)
target_compile_definitions(test_ramz_backing PRIVATE _GNU_SOURCE)
target_compile_definitions(test_ramz_backing_file PRIVATE _GNU_SOURCE)
target_compile_definitions(test_ramz_policy PRIVATE _GNU_SOURCE)
target_compile_definitions(test_ramz_policy_thread PRIVATE _GNU_SOURCE)
target_include_directories(test_ramz_dedup PRIVATE ${XV_XXHASH_INCLUDE_DIR})
target_include_directories(test_ramz_file_format PRIVATE ${XV_XXHASH_INCLUDE_DIR}
	${PROJECT_SOURCE_DIR}/src/ramz ${PROJECT_SOURCE_DIR}/tests/fuzz)
target_link_libraries(test_ramz_file_hold PRIVATE Threads::Threads)
target_link_libraries(test_ramz_snapshot PRIVATE Threads::Threads)
target_link_libraries(test_ramz_checkpoint PRIVATE Threads::Threads)
target_link_libraries(test_ramz_room PRIVATE Threads::Threads)
target_link_libraries(test_ramz_contexts PRIVATE Threads::Threads)
target_link_libraries(test_ramz_changing PRIVATE Threads::Threads)
target_link_libraries(test_ramz_realtime PRIVATE Threads::Threads)
target_compile_definitions(test_ramz_contexts PRIVATE _GNU_SOURCE)
target_compile_definitions(test_ramz_realtime PRIVATE _GNU_SOURCE)

get_target_property(type ramz TYPE)
if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND type STREQUAL "STATIC_LIBRARY")
	target_compile_definitions(test_ramz_sparse PRIVATE TEST_WRAPS_ALLOC)
	target_link_options(test_ramz_sparse PRIVATE LINKER:--wrap=rzi_aligned_alloc)
	target_compile_definitions(test_ramz_file_hold PRIVATE TEST_WRAPS_FLOCK)
	target_link_options(test_ramz_file_hold PRIVATE LINKER:--wrap=flock)
endif()

# What reads the system's files is not exported.
xv_add_test(NAME test_ramz_memory
	SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_ramz_memory.c
		${PROJECT_SOURCE_DIR}/src/ramz/machine_memory.c
	INCLUDES ${PROJECT_SOURCE_DIR}/src/ramz ${XV_STAGE_DIR}/ramz)
target_compile_definitions(test_ramz_memory PRIVATE _GNU_SOURCE)

# Nor is the account.
xv_add_test(NAME test_ramz_account
	SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_ramz_account.c
		${PROJECT_SOURCE_DIR}/src/ramz/memory.c
		${PROJECT_SOURCE_DIR}/src/ramz/platform$<$<BOOL:${WIN32}>:_windows>.c
	INCLUDES ${PROJECT_SOURCE_DIR}/src/ramz ${XV_STAGE_DIR}/ramz
	LIBS xvmalloc::xvmalloc Threads::Threads)

# Nor is what else it asks the system for; the linker puts the test in between.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
	xv_add_test(NAME test_ramz_platform
		SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_ramz_platform.c
			${PROJECT_SOURCE_DIR}/src/ramz/platform.c
		INCLUDES ${PROJECT_SOURCE_DIR}/src/ramz ${XV_STAGE_DIR}/ramz
		LIBS xvmalloc::xvmalloc Threads::Threads)
	target_link_options(test_ramz_platform PRIVATE LINKER:--wrap=sched_yield,--wrap=nanosleep)
endif()

if(TARGET xv_text)
	xv_add_test(NAME test_size_text SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_size_text.c
		LIBS xv_text)
endif()

# The kernel's zram as the oracle.
if(TARGET xv_measure)
	xv_add_test(NAME test_ramz_notify_zram
		SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_ramz_notify_zram.c
		LIBS xv_measure xvmalloc::ramz)
	set_tests_properties(test_ramz_notify_zram PROPERTIES RESOURCE_LOCK zram)
endif()
