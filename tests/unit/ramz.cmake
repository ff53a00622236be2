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
		threads sparse)
	xv_add_test(NAME test_ramz_${name}
		SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_ramz_${name}.c
		LIBS xvmalloc::ramz)
endforeach()
target_link_libraries(test_ramz_threads PRIVATE Threads::Threads)
target_link_libraries(test_ramz_limit PRIVATE Threads::Threads)
target_include_directories(test_ramz_dedup PRIVATE ${XV_XXHASH_INCLUDE_DIR})
target_link_libraries(test_ramz_file_hold PRIVATE Threads::Threads)

# The kernel's zram as the oracle.
if(TARGET xvfrag_allocators)
	xv_add_test(NAME test_ramz_notify_zram
		SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_ramz_notify_zram.c
		LIBS xvfrag_allocators xvmalloc::ramz)
	set_tests_properties(test_ramz_notify_zram PROPERTIES RESOURCE_LOCK zram)
endif()
