# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# ramz as its users see it: the command line.
if(NOT TARGET ramz_cli)
	return()
endif()

add_test(NAME ramz_cli
	COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/ramz_cli.sh $<TARGET_FILE:ramz_cli>)
xv_set_test_properties(ramz_cli LABELS integration TIMEOUT 180)
add_test(NAME ramz_cli_zram
	COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/ramz_cli.sh $<TARGET_FILE:ramz_cli> zram)
xv_set_test_properties(ramz_cli_zram LABELS integration)
# Another test counts the zram devices of the machine.
set_tests_properties(ramz_cli ramz_cli_zram PROPERTIES RESOURCE_LOCK zram)
