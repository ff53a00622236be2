# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# The test of the C++ headers, where there is a C++ compiler. A toolchain file names C's alone.
if(CMAKE_TOOLCHAIN_FILE)
	return()
endif()
include(CheckLanguage)
check_language(CXX)
if(NOT CMAKE_CXX_COMPILER)
	return()
endif()
enable_language(CXX)

add_executable(test_cxx ${CMAKE_CURRENT_LIST_DIR}/test_cxx.cc)
xv_layer(test_cxx)
target_link_libraries(test_cxx PRIVATE xvmalloc::xvmalloc Threads::Threads)
# A C header may have a struct and a function of one name.
set_source_files_properties(test_cxx.cc PROPERTIES COMPILE_OPTIONS -Wno-shadow)
set_target_properties(test_cxx PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
add_test(NAME test_cxx COMMAND ${XV_TEST_LAUNCHER} $<TARGET_FILE:test_cxx>)
xv_set_test_properties(test_cxx)
