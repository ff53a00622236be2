# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of the modules of nbdkit's plugin (src/nbdkit), in which nbdkit is replaced by a few
# functions that remember what they were told.
if(NOT TARGET nbdkit_ramz_lib)
	return()
endif()

set(tests config disk extents listener path quit rescue)
get_target_property(definitions nbdkit_ramz_lib COMPILE_DEFINITIONS)
if("RZN_HAVE_JANSSON=1" IN_LIST definitions)
	list(APPEND tests command control stat tiers)
endif()
foreach(name IN LISTS tests)
	xv_add_test(NAME test_nbdkit_${name}
		SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_nbdkit_${name}.c
		LIBS nbdkit_ramz_lib)
	target_compile_definitions(test_nbdkit_${name} PRIVATE _GNU_SOURCE)
	xv_check_mutexes(test_nbdkit_${name})
endforeach()
foreach(call IN ITEMS setrlimit setrlimit64)
	target_link_options(test_nbdkit_rescue PRIVATE LINKER:--wrap=${call})
endforeach()
foreach(call IN ITEMS lstat lstat64 flock socket bind getsockopt)
	target_link_options(test_nbdkit_listener PRIVATE LINKER:--wrap=${call})
endforeach()
if(TARGET test_nbdkit_control)
	target_link_options(test_nbdkit_tiers PRIVATE LINKER:--wrap=ramz_resize)
	# The tests hold up a save and a trim for as long as they want.
	target_link_options(test_nbdkit_control PRIVATE LINKER:--wrap=rzn_file_save
		LINKER:--wrap=ramz_trim LINKER:--wrap=accept4 LINKER:--wrap=connect)
endif()
