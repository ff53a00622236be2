# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of what the programs measure with (src/measure), and of xvfrag (src/cli/xvfrag).
if(NOT TARGET xvfrag_lib)
	return()
endif()

foreach(part IN ITEMS base histogram input sizes trace workload)
	xv_add_test(NAME test_measure_${part}
		SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_measure_${part}.c
		LIBS xv_measure)
	target_compile_definitions(test_measure_${part} PRIVATE _GNU_SOURCE)
endforeach()

foreach(part IN ITEMS replay report)
	xv_add_test(NAME test_xvfrag_${part}
		SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_xvfrag_${part}.c
		LIBS xvfrag_lib)
	target_compile_definitions(test_xvfrag_${part} PRIVATE _GNU_SOURCE)
endforeach()
