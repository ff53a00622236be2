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
add_test(NAME completion
	COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/completion.sh $<TARGET_FILE:ramz_cli> $<TARGET_FILE:xvfrag>)
xv_set_test_properties(completion LABELS integration)

# The subcommands about served disks, against stand-ins for the server and for nbdkit, and
# with nbdkit itself.
add_executable(fake_control integration/fake_control.c)
xv_layer(fake_control)
target_compile_definitions(fake_control PRIVATE _GNU_SOURCE)
add_test(NAME ramz_control
	COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/ramz_control.sh
		$<TARGET_FILE:ramz_cli> $<TARGET_FILE:fake_control>)
xv_set_test_properties(ramz_control LABELS integration)
add_test(NAME ramz_serve
	COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/ramz_serve.sh
		$<TARGET_FILE:ramz_cli> $<TARGET_FILE:fake_control>)
xv_set_test_properties(ramz_serve LABELS integration)
add_test(NAME ramz_prometheus
	COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/ramz_prometheus.sh
		$<TARGET_FILE:ramz_cli> $<TARGET_FILE:fake_control> ${PROJECT_SOURCE_DIR}/docs)
xv_set_test_properties(ramz_prometheus LABELS integration)
# A plugin with a sanitizer needs its library before nbdkit's others, which ramz does not know
# of: such plugins are tested without it (nbd.cmake).
if(TARGET nbdkit_ramz_plugin AND NOT XV_SANITIZE)
	add_test(NAME ramz_serve_nbdkit
		COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/ramz_serve.sh
			$<TARGET_FILE:ramz_cli> $<TARGET_FILE:fake_control>
			$<TARGET_FILE:nbdkit_ramz_plugin>)
	xv_set_test_properties(ramz_serve_nbdkit LABELS integration)
	add_test(NAME ramz_prometheus_nbdkit
		COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/ramz_prometheus.sh
			$<TARGET_FILE:ramz_cli> $<TARGET_FILE:fake_control> ${PROJECT_SOURCE_DIR}/docs
			$<TARGET_FILE:nbdkit_ramz_plugin>)
	xv_set_test_properties(ramz_prometheus_nbdkit LABELS integration)
	if(XV_HAVE_ZSTD)
		# A short form of what .ci/run soak does for an hour.
		add_test(NAME ramz_soak COMMAND sh -c
			"command -v python3 >/dev/null || { echo 'skipped: no command python3'; exit 77; }; exec python3 \"$0\" \"$@\""
			${PROJECT_SOURCE_DIR}/tests/soak/soak.py $<TARGET_FILE:ramz_cli> --seconds 60)
		xv_set_test_properties(ramz_soak LABELS integration slow TIMEOUT 400)
	endif()
endif()
