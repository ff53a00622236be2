# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Installation: libraries, headers, the CMake package, pkg-config files, programs
# and their man pages. Everything may be moved after it was installed.
include(CMakePackageConfigHelpers)

set(XV_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/xvmalloc)
set(XV_PKGCONFIG_DIR ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Static and shared libraries may be installed into one place, from two build trees: each has an
# export set of its own. The pkg-config file is that of the tree installed last; of a shared library
# it serves both.
set(kind static)
if(BUILD_SHARED_LIBS)
	set(kind shared)
endif()

# xv_install_library(<target>): library, headers and export set of a layer.
function(xv_install_library target)
	set(set ${target}-${kind}-targets)
	install(TARGETS ${target} EXPORT ${set}
		RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
		LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
		ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
	install(EXPORT ${set} NAMESPACE xvmalloc:: DESTINATION ${XV_CMAKE_DIR})
	install(DIRECTORY include/${target} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
		FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
endfunction()

# xv_install_pkgconfig(<target> <what it is> [USES <package>...] [REQUIRES <package>...]
#                      [LIBS <flag>...]): <target>.pc, with the prefix told from its own
# place. USES: packages of its public headers; REQUIRES and LIBS: what its code uses.
function(xv_install_pkgconfig name description)
	cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "USES;REQUIRES;LIBS")
	set(requires ${arg_USES})
	set(private_requires "")
	set(libs "-L\${libdir}" -l${name})
	set(private_libs "")
	set(pc_prefix ${CMAKE_INSTALL_PREFIX})
	if(NOT IS_ABSOLUTE ${XV_PKGCONFIG_DIR})
		file(RELATIVE_PATH up /${XV_PKGCONFIG_DIR} /)
		string(REGEX REPLACE "/$" "" up ${up})
		set(pc_prefix "\${pcfiledir}/${up}")
	endif()
	foreach(dir IN ITEMS LIBDIR INCLUDEDIR)
		if(IS_ABSOLUTE ${CMAKE_INSTALL_${dir}})
			set(pc_${dir} ${CMAKE_INSTALL_${dir}})
		else()
			set(pc_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
		endif()
	endforeach()
	# What a static library uses is for its user to link; a shared one brings it.
	get_target_property(type ${name} TYPE)
	if(type STREQUAL "STATIC_LIBRARY")
		list(APPEND requires ${arg_REQUIRES})
		list(APPEND libs ${arg_LIBS})
	else()
		list(APPEND private_requires ${arg_REQUIRES})
		list(APPEND private_libs ${arg_LIBS})
	endif()
	foreach(line IN ITEMS requires private_requires)
		list(JOIN ${line} ", " pc_${line})
	endforeach()
	foreach(line IN ITEMS libs private_libs)
		list(JOIN ${line} " " pc_${line})
	endforeach()
	configure_file(cmake/package.pc.in ${name}.pc @ONLY)
	install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${XV_PKGCONFIG_DIR})
endfunction()

xv_install_library(xvmalloc)
xv_install_pkgconfig(xvmalloc "the allocator" LIBS -pthread)

set(XV_RAMZ_PACKAGES "") # of the codec libraries, as <prefix>=<pkg-config name>
if(TARGET ramz)
	set(XV_RAMZ_PACKAGES XV_LZ4=liblz4)
	if(XV_HAVE_LZO AND RAMZ_LZO)
		list(APPEND XV_RAMZ_PACKAGES XV_LZO=lzo2)
	endif()
	if(XV_HAVE_ZSTD)
		list(APPEND XV_RAMZ_PACKAGES XV_ZSTD=libzstd)
	endif()
	list(TRANSFORM XV_RAMZ_PACKAGES REPLACE "^.*=" "" OUTPUT_VARIABLE packages)
	xv_install_library(ramz)
	xv_install_pkgconfig(ramz "the page store" USES "xvmalloc = ${PROJECT_VERSION}"
		REQUIRES ${packages})
endif()

if(TARGET xvfrag)
	install(TARGETS xvfrag RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
	install(FILES src/cli/xvfrag/xvfrag.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
	install(FILES src/cli/xvfrag/xvfrag.bash RENAME xvfrag
		DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
	# fish looks for a command's own file.
	foreach(program IN ITEMS ramz xvfrag)
		install(FILES src/cli/completion/completion.fish RENAME ${program}.fish
			DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
	endforeach()
	install(FILES src/cli/completion/completion.zsh RENAME _ramz
		DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
endif()

configure_package_config_file(cmake/xvmalloc-config.cmake.in xvmalloc-config.cmake
	INSTALL_DESTINATION ${XV_CMAKE_DIR}
	NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/xvmalloc-config-version.cmake
	COMPATIBILITY SameMinorVersion)
install(FILES
	${PROJECT_BINARY_DIR}/xvmalloc-config.cmake
	${PROJECT_BINARY_DIR}/xvmalloc-config-version.cmake
	DESTINATION ${XV_CMAKE_DIR})
