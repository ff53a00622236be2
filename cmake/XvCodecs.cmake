# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# What ramz is built with. The lz4 library and the header of xxhash are required; lzo2
# and zstd are used where they are found. Without the required ones there is no ramz and
# no front end, and libxvmalloc is built all the same.
#
# Sets XV_HAVE_RAMZ, XV_HAVE_LZO, XV_HAVE_ZSTD and XV_XXHASH_INCLUDE_DIR, and makes the
# targets PkgConfig::XV_LZ4, PkgConfig::XV_LZO and PkgConfig::XV_ZSTD of those found.
set(XV_HAVE_RAMZ FALSE)
foreach(codec IN ITEMS LZ4 LZO ZSTD)
	set(XV_HAVE_${codec} FALSE)
endforeach()

find_package(PkgConfig QUIET)
if(NOT PKG_CONFIG_FOUND)
	message(NOTICE "ramz and the programs are left out: pkg-config was not found "
		"(Debian: apt-get install pkg-config liblz4-dev)")
	return()
endif()

foreach(codec IN ITEMS LZ4=liblz4 LZO=lzo2 ZSTD=libzstd)
	string(REPLACE "=" ";" codec ${codec})
	list(POP_FRONT codec name package)
	pkg_check_modules(XV_${name} QUIET IMPORTED_TARGET ${package})
	if(XV_${name}_FOUND)
		set(XV_HAVE_${name} TRUE)
	endif()
endforeach()

if(NOT XV_HAVE_LZ4)
	message(NOTICE "ramz and the programs are left out: the lz4 library was not found "
		"(Debian: apt-get install liblz4-dev)")
	return()
endif()
# Only its header is used, so nothing is linked.
find_path(XV_XXHASH_INCLUDE_DIR xxhash.h)
if(NOT XV_XXHASH_INCLUDE_DIR)
	message(NOTICE "ramz and the programs are left out: xxhash.h was not found "
		"(Debian: apt-get install libxxhash-dev)")
	return()
endif()
set(XV_HAVE_RAMZ TRUE)
if(NOT XV_HAVE_LZO)
	message(STATUS "codec lzo is left out: no lzo2 library (Debian: liblzo2-dev)")
endif()
if(NOT XV_HAVE_ZSTD)
	message(STATUS "codec zstd is left out: no zstd library (Debian: libzstd-dev)")
endif()
