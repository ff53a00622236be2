# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of the modules of xvfrag (src/cli/xvfrag).
if(NOT TARGET xvfrag_lib)
	return()
endif()

foreach(part IN ITEMS common deal frontier histogram input replay sizes trace workload)
	xv_add_test(NAME test_xvfrag_${part}
		SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_xvfrag_${part}.c
		LIBS xvfrag_lib)
	target_compile_definitions(test_xvfrag_${part} PRIVATE _GNU_SOURCE)
endforeach()
