# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of the pool. xv_pool_test_support holds what they share (the model and the
# fault tests use it too); it sees public headers only.
set(support ${PROJECT_SOURCE_DIR}/tests/support)
add_library(xv_pool_test_support OBJECT
	${support}/fault_provider.c
	${support}/pool_fixture.c
	${support}/providers.c
	${support}/shadow.c)
xv_layer(xv_pool_test_support SEES xvmalloc)
target_include_directories(xv_pool_test_support PRIVATE ${support})
target_link_libraries(xv_pool_test_support PRIVATE PkgConfig::XV_CMOCKA)

foreach(name IN ITEMS
		alloc
		bad_use
		create
		figures
		fit
		hardening
		limits
		map
		memory
		overflow
		peek
		pointer
		quarantine
		realloc
		shared
		walk
		zeros)
	xv_add_test(NAME test_pool_${name}
		SOURCES test_pool_${name}.c $<TARGET_OBJECTS:xv_pool_test_support>)
endforeach()

find_package(Threads REQUIRED)
xv_add_test(NAME test_pool_threads
	SOURCES test_pool_threads.c $<TARGET_OBJECTS:xv_pool_test_support>
	LIBS xvmalloc::xvmalloc Threads::Threads)

# White box: the pool's folder.
xv_add_test(NAME test_pool_walk_threads SOURCES test_pool_walk_threads.c
	LIBS xvmalloc::xvmalloc Threads::Threads)

xv_add_test(NAME test_pool_check
	SOURCES test_pool_check.c $<TARGET_OBJECTS:xv_pool_test_support>
	INCLUDES ${PROJECT_SOURCE_DIR}/src/core/pool ${PROJECT_SOURCE_DIR}/src/core/object
		${PROJECT_SOURCE_DIR}/src/core/heap ${PROJECT_SOURCE_DIR}/src/platform
	LIBS xv_whitebox)

# The library is in the program, where the linker can put the test in between.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
	xv_add_test(NAME test_pool_copies
		SOURCES test_pool_copies.c LIBS xv_whitebox Threads::Threads)
	target_link_options(test_pool_copies PRIVATE LINKER:--wrap=pthread_mutex_unlock)
endif()

# One instruction after the other, of code to which no sanitizer, emulator or counter adds its own.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64"
		AND CMAKE_SIZEOF_VOID_P EQUAL 8 AND NOT CMAKE_CROSSCOMPILING AND NOT XV_SANITIZE
		AND NOT XV_TEST_LAUNCHER AND NOT XV_COVERAGE)
	xv_add_test(NAME test_pool_lock_none SOURCES test_pool_lock_none.c)
endif()

xv_add_test(NAME test_pool_small SOURCES test_pool_small.c)
xv_add_test(NAME test_pool_os_page
	SOURCES test_pool_os_page.c
	LIBS xv_whitebox
	INCLUDES ${PROJECT_SOURCE_DIR}/src/provider ${PROJECT_SOURCE_DIR}/src/platform)
if(UNIX)
	xv_add_test(NAME test_pool_lives SOURCES test_pool_lives.c)
	xv_add_test(NAME test_pool_untaken SOURCES test_pool_untaken.c)
endif()
