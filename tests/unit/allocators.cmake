# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests of the allocators that are compared (src/measure/allocators).

if(NOT TARGET xv_measure)
	return()
endif()

foreach(part IN ITEMS memory models registry tlsf zram)
	xv_add_test(NAME test_allocators_${part}
		SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_allocators_${part}.c
		LIBS xv_measure)
endforeach()

# One device at a time, so that a test can tell what was left behind.
set_tests_properties(test_allocators_zram PROPERTIES RESOURCE_LOCK zram)

# Plugins, good and bad, for the loader to take or to refuse.
add_library(test_plugin_example MODULE ${PROJECT_SOURCE_DIR}/examples/plugin_malloc.c)
set(plugin_targets test_plugin_example)
foreach(fault IN ITEMS NO_SYMBOL ABI NAME ALLOC READ HELD NONE)
	add_library(test_plugin_${fault} MODULE
		${CMAKE_CURRENT_SOURCE_DIR}/test_allocators_bad_plugin.c)
	target_compile_definitions(test_plugin_${fault} PRIVATE PLUGIN_FAULT_${fault}=1)
	list(APPEND plugin_targets test_plugin_${fault})
endforeach()
foreach(plugin IN LISTS plugin_targets)
	xv_layer(${plugin} SEES xvmalloc)
	set_target_properties(${plugin} PROPERTIES
		PREFIX "" SUFFIX ".so"
		LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/plugins)
endforeach()

target_compile_definitions(test_allocators_registry PRIVATE
	PLUGIN_DIRECTORY="${CMAKE_CURRENT_BINARY_DIR}/plugins")
add_dependencies(test_allocators_registry ${plugin_targets})
