# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# The disk as its users see it: nbdkit with the plugin, and the programs that speak NBD.
# What a test needs and does not find is a reason to skip it; see support/nbd.sh.
if(NOT TARGET nbdkit_ramz_plugin)
	return()
endif()

set(nbd_helpers_dir ${CMAKE_CURRENT_BINARY_DIR}/nbd_helpers)
foreach(helper IN ITEMS nbd_client unix_ask swap_pages)
	add_executable(${helper} ${PROJECT_SOURCE_DIR}/tests/support/${helper}.c)
	xv_layer(${helper})
	target_compile_definitions(${helper} PRIVATE _GNU_SOURCE)
	set_target_properties(${helper} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${nbd_helpers_dir})
endforeach()

add_library(fsync_gate MODULE ${PROJECT_SOURCE_DIR}/tests/support/fsync_gate.c)
xv_layer(fsync_gate)
target_compile_definitions(fsync_gate PRIVATE _GNU_SOURCE)
set_target_properties(fsync_gate PROPERTIES PREFIX "" SUFFIX .so
	LIBRARY_OUTPUT_DIRECTORY ${nbd_helpers_dir})

# The server is a program without sanitizers: their library must be there before it.
set(nbd_environment XV_TIME_FACTOR=${XV_TEST_TIMEOUT_FACTOR})
if(XV_SANITIZE)
	set(library libasan.so)
	if(XV_SANITIZE MATCHES thread)
		set(library libtsan.so)
	endif()
	execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=${library}
		OUTPUT_VARIABLE library OUTPUT_STRIP_TRAILING_WHITESPACE)
	if(NOT IS_ABSOLUTE ${library})
		message(NOTICE "The tests of the disk are left out: ${CMAKE_C_COMPILER} has no ${library}")
		return()
	endif()
	list(APPEND nbd_environment XV_NBDKIT_PRELOAD=${library}
		ASAN_OPTIONS=detect_leaks=0 # nbdkit has some of its own; nbd_valgrind knows them
	)
endif()

# nbd_test(<test> <script> <seconds> [VARIANT <word>...] [LABELS <label>...]): the script
# ends by itself after that time, so that it can put away what it has mounted.
function(nbd_test name script seconds)
	cmake_parse_arguments(PARSE_ARGV 3 arg "" "" "VARIANT;LABELS")
	add_test(NAME ${name} COMMAND sh ${PROJECT_SOURCE_DIR}/tests/integration/${script}.sh
		$<TARGET_FILE:nbdkit_ramz_plugin> ${nbd_helpers_dir} ${arg_VARIANT})
	math(EXPR timeout "${seconds} + 60")
	xv_set_test_properties(${name} LABELS integration ${arg_LABELS} TIMEOUT ${timeout})
	set_tests_properties(${name} PROPERTIES ENVIRONMENT "${nbd_environment}")
endfunction()

nbd_test(nbd_clients nbd_clients 120)
nbd_test(nbd_blkverify nbd_blkverify 90)
nbd_test(nbd_blkverify_long nbd_blkverify 600 VARIANT long LABELS slow)
nbd_test(nbd_fio nbd_fio 120)
nbd_test(nbd_fio_long nbd_fio 900 VARIANT long LABELS slow)
foreach(type IN ITEMS ext2 ext4 xfs)
	nbd_test(nbd_${type} nbd_filesystem 150 VARIANT ${type})
endforeach()
nbd_test(nbd_swap nbd_swap 240)
nbd_test(nbd_locked nbd_locked 100)
nbd_test(nbd_full_raw nbd_full 100 VARIANT raw)
nbd_test(nbd_full_ext4 nbd_full 100 VARIANT ext4)
# They start nbdkit in ways that leave a sanitizer's library out, and end it in ways that make
# libraries of nbdkit's hang under one.
if(NOT XV_SANITIZE)
	nbd_test(nbd_end nbd_end 120)
	nbd_test(nbd_hangup nbd_hangup 100)
	nbd_test(nbd_file nbd_file 120)
endif()
nbd_test(nbd_kill nbd_kill 120)
nbd_test(nbd_control nbd_control 120)
nbd_test(nbd_resize nbd_resize 120)
nbd_test(nbd_snapshot nbd_snapshot 120)
nbd_test(nbd_backing nbd_backing 180)
nbd_test(nbd_tiers nbd_tiers 180)
nbd_test(nbd_keep nbd_keep 180)
nbd_test(nbd_save_every nbd_save_every 120)
nbd_test(nbd_filters nbd_filters 100)
if(TARGET ramz_cli AND NOT XV_SANITIZE)
	nbd_test(nbd_service nbd_service 150 VARIANT $<TARGET_FILE:ramz_cli>
		${PROJECT_SOURCE_DIR}/src/cli/ramz/ramz@.service.in)
	nbd_test(nbd_machines nbd_machines 240 VARIANT $<TARGET_FILE:ramz_cli> LABELS slow)
	set_tests_properties(nbd_machines PROPERTIES RUN_SERIAL TRUE) # it waits for lost links
endif()
nbd_test(nbd_valgrind nbd_valgrind 150)
