# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# SQLite's shell with the extension. A sanitizer's library is not in that program.
if(TARGET ramzvfs AND NOT XV_SANITIZE AND NOT XV_COVERAGE AND NOT XV_TEST_LAUNCHER)
	add_test(NAME sqlite_shell COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/sqlite_shell.sh
		$<TARGET_FILE:ramzvfs> $<TARGET_FILE:sqlite_bench>)
	xv_set_test_properties(sqlite_shell LABELS integration TIMEOUT 120)
endif()
