# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# The interface targets that carry compile options, and the functions that say
# which layer a target belongs to.
#
#   xv_warnings      the house's warnings; errors when XV_WERROR is on
#   xv_instrument    sanitizers and coverage, as configured; empty otherwise
#   xv_assertions    XV_DEBUG and the tools (XV_TOOLS), for the libraries and the tests that
#                    see inside them
#   xv_reads_headers for layers that read memory which is hidden from the program (xvi_tools.h)
#   xv_probes        the header of static probes, and whether there are any
#   xv_layer()       a target's place: which staged headers it sees
#   xv_library()     a public library: where users of it find its headers

include(CheckIncludeFile)

include(CheckIncludeFile)

add_library(xv_warnings INTERFACE)
target_compile_options(xv_warnings INTERFACE
	-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef
	$<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes;-Wmissing-prototypes>
	$<$<BOOL:${XV_WERROR}>:-Werror>
)

add_library(xv_instrument INTERFACE)
# Files of more than 2 GiB on 32-bit systems; nothing changes on 64-bit ones.
target_compile_definitions(xv_instrument INTERFACE _FILE_OFFSET_BITS=64)
if(XV_SANITIZE)
	set(flags -fsanitize=${XV_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
	target_compile_options(xv_instrument INTERFACE ${flags})
	target_link_options(xv_instrument INTERFACE ${flags})
endif()
if(XV_COVERAGE)
	# Threads count too.
	target_compile_options(xv_instrument INTERFACE --coverage -fprofile-update=atomic)
	target_link_options(xv_instrument INTERFACE --coverage)
endif()

add_library(xv_assertions INTERFACE)
target_compile_definitions(xv_assertions INTERFACE XV_DEBUG=${XV_DEBUG})

add_library(xv_reads_headers INTERFACE)
if(XV_TOOLS)
	check_include_file(valgrind/memcheck.h XV_HAVE_MEMCHECK)
	if(XV_HAVE_MEMCHECK)
		set(XV_TOOLS_TOLD memcheck)
		target_compile_definitions(xv_assertions INTERFACE XVI_TOOLS_VALGRIND=1)
	endif()
	if(XV_SANITIZE MATCHES "address")
		set(XV_TOOLS_TOLD asan)
		target_compile_definitions(xv_assertions INTERFACE XVI_TOOLS_ASAN=1)
		target_compile_options(xv_reads_headers INTERFACE -fno-sanitize=address)
	endif()
endif()

# Static probes, for tracers.
add_library(xv_probes INTERFACE)
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/layers/probe)
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/src/platform/xvi_probe.h
	${PROJECT_BINARY_DIR}/layers/probe/xvi_probe.h SYMBOLIC COPY_ON_ERROR)
target_include_directories(xv_probes INTERFACE ${PROJECT_BINARY_DIR}/layers/probe)
check_include_file(sys/sdt.h XV_HAVE_SDT)
if(XV_HAVE_SDT)
	target_compile_definitions(xv_probes INTERFACE XVI_PROBES=1)
endif()

# Staged headers: one include directory per layer, holding that layer's public
# headers alone. include/ itself is on nobody's path, so a layer cannot reach up.
set(XV_STAGE_DIR ${PROJECT_BINARY_DIR}/layers)
foreach(layer IN ITEMS xvmalloc ramz)
	file(MAKE_DIRECTORY ${XV_STAGE_DIR}/${layer})
	file(CREATE_LINK ${PROJECT_SOURCE_DIR}/include/${layer} ${XV_STAGE_DIR}/${layer}/${layer}
		SYMBOLIC COPY_ON_ERROR)
endforeach()

# xv_layer(<target> [SEES <layer>...]): compile target by the house's rules. It sees
# the public headers of the named layers, beside its own sources.
function(xv_layer target)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SEES")
	foreach(layer IN LISTS arg_SEES)
		target_include_directories(${target} PRIVATE
			$<BUILD_INTERFACE:${XV_STAGE_DIR}/${layer}>)
	endforeach()
	target_link_libraries(${target} PRIVATE
		$<BUILD_INTERFACE:xv_warnings> $<BUILD_INTERFACE:xv_instrument>)
endfunction()

# xv_library(<target> HEADERS <layer>): a library for others, with a version; shared, it exports
# what <target>.map says.
function(xv_library target)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "HEADERS" "")
	target_include_directories(${target} INTERFACE
		$<BUILD_INTERFACE:${XV_STAGE_DIR}/${arg_HEADERS}>
		$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
	target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:xv_instrument>)
	set_target_properties(${target} PROPERTIES
		VERSION ${PROJECT_VERSION}
		SOVERSION ${PROJECT_VERSION_MAJOR})
	get_target_property(type ${target} TYPE)
	if(type STREQUAL "SHARED_LIBRARY" AND UNIX AND NOT APPLE)
		set(map ${PROJECT_SOURCE_DIR}/cmake/${target}.map)
		target_link_options(${target} PRIVATE LINKER:--version-script=${map})
		set_target_properties(${target} PROPERTIES LINK_DEPENDS ${map})
	endif()
endfunction()
