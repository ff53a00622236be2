# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of the cache of values (src/values).
if(NOT TARGET ramz)
	return()
endif()

xv_add_test(NAME test_values SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_values.c LIBS xvmalloc::ramz)
foreach(name IN ITEMS time limit train threads damage)
	xv_add_test(NAME test_values_${name}
		SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_values_${name}.c
		LIBS xvmalloc::ramz Threads::Threads)
endforeach()

# The bytes of a record are not exported.
xv_add_test(NAME test_values_record
	SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_values_record.c
		${PROJECT_SOURCE_DIR}/src/values/record.c
	INCLUDES ${PROJECT_SOURCE_DIR}/src/values ${PROJECT_SOURCE_DIR}/src/ramz
	LIBS xvmalloc::ramz)
