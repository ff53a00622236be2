# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of ramz (src/ramz).
if(NOT TARGET ramz)
	return()
endif()

xv_add_test(NAME test_codec SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_codec.c
	LIBS xvmalloc::ramz)
