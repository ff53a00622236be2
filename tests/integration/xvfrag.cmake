# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# xvfrag as its users see it: the command line, and plugins that misbehave.
if(NOT TARGET xvfrag)
	return()
endif()

set(xvfrag_plugin_dir ${CMAKE_CURRENT_BINARY_DIR}/xvfrag_plugins)
foreach(fault IN ITEMS NONE THREADS SPOIL CRASH HANG OVERLAP CHATTY REFUSE)
	add_library(xvfrag_plugin_${fault} MODULE ${CMAKE_CURRENT_LIST_DIR}/xvfrag_bad_plugin.c)
	xv_layer(xvfrag_plugin_${fault} SEES xvmalloc)
	target_compile_definitions(xvfrag_plugin_${fault} PRIVATE BAD_${fault}=1)
	set_target_properties(xvfrag_plugin_${fault} PROPERTIES
		PREFIX "" SUFFIX ".so" LIBRARY_OUTPUT_DIRECTORY ${xvfrag_plugin_dir})
endforeach()

add_test(NAME xvfrag_cli
	COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/xvfrag_cli.sh $<TARGET_FILE:xvfrag>
		${xvfrag_plugin_dir})
xv_set_test_properties(xvfrag_cli LABELS integration TIMEOUT 120)
