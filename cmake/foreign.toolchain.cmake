# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Programs that do not run as they are where they are built. XV_FOREIGN says for what:
#
#   arm64, armhf, s390x, riscv64   another processor, by clang and Debian's cross libraries
#                                  (libc6-dev-*-cross, libgcc-12-dev-*-cross, binutils-*);
#                                  tests run in qemu-user
#   musl                           this processor with another C library, by musl-gcc
#
# `.ci/foreign-libs` puts the libraries into build/foreign. gcc's cross compilers would do too, but
# cannot be installed beside gcc-multilib.
set(XV_FOREIGN "" CACHE STRING "arm64, armhf, s390x, riscv64 or musl")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES XV_FOREIGN)

set(triple_arm64 aarch64-linux-gnu)
set(triple_armhf arm-linux-gnueabihf)
set(triple_s390x s390x-linux-gnu)
set(triple_riscv64 riscv64-linux-gnu)
set(triple ${triple_${XV_FOREIGN}})
get_filename_component(libraries ${CMAKE_CURRENT_LIST_DIR}/../build/foreign/${XV_FOREIGN} ABSOLUTE)
set(CMAKE_C_FLAGS_INIT "-isystem ${libraries}/usr/include")

# XV_TEST_LAUNCHER is the emulator unless told otherwise.
set(CMAKE_SYSTEM_NAME Linux)
if(triple)
	string(REGEX REPLACE "-.*" "" CMAKE_SYSTEM_PROCESSOR ${triple})
	set(CMAKE_C_COMPILER clang)
	set(CMAKE_C_COMPILER_TARGET ${triple})
	set(CMAKE_LIBRARY_ARCHITECTURE ${triple})
	set(CMAKE_CROSSCOMPILING_EMULATOR qemu-${CMAKE_SYSTEM_PROCESSOR} -L /usr/${triple})
	if(XV_FOREIGN STREQUAL "armhf")
		string(APPEND CMAKE_C_FLAGS_INIT " -march=armv7-a -mfpu=vfpv3-d16")
	else()
		# qemu takes memory for each page of address space: a provider reserves 64 GiB.
		list(APPEND CMAKE_CROSSCOMPILING_EMULATOR -R 4G)
	endif()
else()
	set(CMAKE_C_COMPILER musl-gcc)
	# The kernel's headers, behind those of musl.
	string(APPEND CMAKE_C_FLAGS_INIT " -idirafter /usr/include -idirafter "
		/usr/include/${CMAKE_HOST_SYSTEM_PROCESSOR}-linux-gnu)
endif()

set(CMAKE_FIND_ROOT_PATH ${libraries})
foreach(what IN ITEMS LIBRARY INCLUDE PACKAGE)
	set(CMAKE_FIND_ROOT_PATH_MODE_${what} ONLY)
endforeach()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${libraries})
set(directories lib/${triple}/pkgconfig lib/pkgconfig share/pkgconfig)
list(TRANSFORM directories PREPEND ${libraries}/usr/)
list(JOIN directories ":" directories)
set(ENV{PKG_CONFIG_LIBDIR} ${directories})
