# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of the modules of the command ramz (src/cli/ramz).
if(NOT TARGET ramz_cli_lib)
	return()
endif()

xv_add_test(NAME test_ramz_cli_parts
	SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_ramz_cli_parts.c
	LIBS ramz_cli_lib)
target_compile_definitions(test_ramz_cli_parts PRIVATE _GNU_SOURCE)

xv_add_test(NAME test_ramz_cli_served
	SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_ramz_cli_served.c
	LIBS ramz_cli_lib)
target_compile_definitions(test_ramz_cli_served PRIVATE _GNU_SOURCE)
