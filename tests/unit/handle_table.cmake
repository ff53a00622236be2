# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of the handle table. All but the checker's see public headers only.
set(handle_table_support
	${PROJECT_SOURCE_DIR}/tests/support/fault_provider.c
	${PROJECT_SOURCE_DIR}/tests/support/providers.c)

xv_add_test(NAME test_handle_table
	SOURCES test_handle_table.c ${handle_table_support})
xv_add_test(NAME test_handle_table_create
	SOURCES test_handle_table_create.c ${handle_table_support})
xv_add_test(NAME test_handle_table_check
	SOURCES test_handle_table_check.c ${handle_table_support}
	LIBS xv_whitebox
	INCLUDES ${PROJECT_SOURCE_DIR}/src/handle_table ${PROJECT_SOURCE_DIR}/src/platform)
xv_add_test(NAME test_handle_table_threads
	SOURCES test_handle_table_threads.c ${handle_table_support}
	LIBS xvmalloc::xvmalloc Threads::Threads)
xv_add_test(NAME test_handle_table_maps
	SOURCES test_handle_table_maps.c ${handle_table_support})
xv_add_test(NAME test_handle_table_fork
	SOURCES test_handle_table_fork.c ${handle_table_support}
	LIBS xvmalloc::xvmalloc Threads::Threads)
xv_add_test(NAME test_handle_table_figures
	SOURCES test_handle_table_figures.c ${handle_table_support})
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
	xv_add_test(NAME test_handle_table_waits
		SOURCES test_handle_table_waits.c LIBS xv_whitebox Threads::Threads)
	target_compile_definitions(test_handle_table_waits PRIVATE _GNU_SOURCE)
	target_link_options(test_handle_table_waits PRIVATE LINKER:--wrap=pthread_mutex_unlock)
endif()
