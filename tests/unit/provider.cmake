# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Unit tests of the providers. The white-box ones see src/provider too.
set(provider_support
	${PROJECT_SOURCE_DIR}/tests/support/fault_provider.c
	${PROJECT_SOURCE_DIR}/tests/support/providers.c)
set(provider_whitebox
	LIBS xv_whitebox
	INCLUDES ${PROJECT_SOURCE_DIR}/src/provider ${PROJECT_SOURCE_DIR}/src/platform)

xv_add_test(NAME test_provider_page_bitmap
	SOURCES test_provider_page_bitmap.c
	${provider_whitebox})
xv_add_test(NAME test_provider_all
	SOURCES test_provider_all.c ${provider_support})
xv_add_test(NAME test_provider_grains
	SOURCES test_provider_grains.c ${provider_support}
	${provider_whitebox})
xv_add_test(NAME test_provider_grains_kinds
	SOURCES test_provider_grains_kinds.c
	${provider_whitebox})
xv_add_test(NAME test_provider_mmap
	SOURCES test_provider_mmap.c
	${provider_whitebox})
xv_add_test(NAME test_provider_highmem
	SOURCES test_provider_highmem.c)
xv_add_test(NAME test_provider_buffer
	SOURCES test_provider_buffer.c)
xv_add_test(NAME test_provider_fault
	SOURCES test_provider_fault.c ${provider_support})
xv_add_test(NAME test_provider_threads
	SOURCES test_provider_threads.c ${provider_support}
	LIBS xvmalloc::xvmalloc Threads::Threads)
xv_add_test(NAME test_provider_hold
	SOURCES test_provider_hold.c
	LIBS xv_whitebox Threads::Threads
	INCLUDES ${PROJECT_SOURCE_DIR}/src/provider ${PROJECT_SOURCE_DIR}/src/platform)
# Valgrind runs one thread at a time and looks for leaks in each of its hundred processes, which
# end in the middle of their work.
if(NOT XV_TEST_LAUNCHER)
	xv_add_test(NAME test_provider_fork
		SOURCES test_provider_fork.c ${provider_support}
		LIBS xvmalloc::xvmalloc Threads::Threads)
endif()
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
	xv_add_test(NAME test_provider_errors
		SOURCES test_provider_errors.c ${provider_support})
	foreach(part IN ITEMS locked refused refused_grains window)
		xv_add_test(NAME test_provider_${part}
			SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_provider_${part}.c)
	endforeach()
endif()
# Sanitizers and valgrind have a malloc of their own.
include(CheckFunctionExists)
check_function_exists(__libc_malloc XV_HAVE_LIBC_MALLOC)
if(XV_HAVE_LIBC_MALLOC AND NOT XV_SANITIZE AND NOT XV_TEST_LAUNCHER)
	xv_add_test(NAME test_provider_no_malloc SOURCES test_provider_no_malloc.c)
endif()
if(WIN32)
	xv_add_test(NAME test_provider_windows SOURCES test_provider_windows.c)
endif()
