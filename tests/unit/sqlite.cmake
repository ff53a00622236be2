# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of SQLite's extension (adapters/sqlite), linked into the program that uses SQLite.
if(NOT TARGET ramzvfs_lib)
	return()
endif()

xv_add_test(NAME test_sqlite_codec SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_sqlite_codec.c
	LIBS ramzvfs_lib)
foreach(name IN ITEMS sqlite sqlite_threads sqlite_torture)
	xv_add_test(NAME test_${name} SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_${name}.c
		LABELS integration LIBS ramzvfs_lib Threads::Threads)
	target_compile_definitions(test_${name} PRIVATE _GNU_SOURCE)
endforeach()
# One test comes between the beginning of a save and its image.
target_link_options(test_sqlite PRIVATE LINKER:--wrap=ramz_save_file)
# The store refuses what the test wants it to.
target_link_options(test_sqlite_torture PRIVATE LINKER:--wrap=ramz_write,--wrap=ramz_write_page
	LINKER:--wrap=ramz_read,--wrap=ramz_read_page)
