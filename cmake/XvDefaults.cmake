# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# How every target of this project is compiled: initial values of target
# properties. They hold inside this project only, also when it is a subproject.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
# Static libraries too: they are linked into plugins (shared objects).
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(PROJECT_IS_TOP_LEVEL)
	set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
	get_property(is_multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
	if(NOT is_multi_config AND NOT CMAKE_BUILD_TYPE)
		set_property(CACHE CMAKE_BUILD_TYPE PROPERTY VALUE RelWithDebInfo)
	endif()
endif()

# One truth about the version: the header's. The build must say the same.
set(header_version "")
foreach(part IN ITEMS MAJOR MINOR PATCH)
	file(STRINGS ${PROJECT_SOURCE_DIR}/include/xvmalloc/base.h line
		REGEX "^#define XV_VERSION_${part} [0-9]+$")
	string(REGEX REPLACE ".* " "" number "${line}")
	list(APPEND header_version ${number})
endforeach()
list(JOIN header_version "." header_version)
if(NOT header_version VERSION_EQUAL PROJECT_VERSION)
	message(FATAL_ERROR "include/xvmalloc/base.h says version ${header_version}, "
		"CMakeLists.txt says ${PROJECT_VERSION}: make them equal")
endif()
