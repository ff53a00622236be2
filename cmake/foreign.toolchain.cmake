# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Programs that do not run as they are where they are built. XV_FOREIGN says for what:
#
#   arm64, armhf, s390x, riscv64   another processor, by clang and Debian's cross libraries
#                                  (libc6-dev-*-cross, libgcc-12-dev-*-cross, binutils-*);
#                                  tests run in qemu-user
#   musl                           this processor with another C library, by musl-gcc
#   windows                        64-bit Windows, by mingw-w64; tests run in wine
#
# `.ci/foreign-libs` puts the libraries into build/foreign. gcc's cross compilers would do too, but
# cannot be installed beside gcc-multilib.
set(XV_FOREIGN "" CACHE STRING "arm64, armhf, s390x, riscv64, musl or windows")
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
elseif(XV_FOREIGN STREQUAL "windows")
	set(CMAKE_SYSTEM_NAME Windows)
	set(CMAKE_SYSTEM_PROCESSOR x86_64)
	set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
	set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)
	# The formats of C11, and programs that need no library of the compiler beside them.
	string(APPEND CMAKE_C_FLAGS_INIT " -D__USE_MINGW_ANSI_STDIO=1")
	set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
	get_filename_component(CMAKE_CROSSCOMPILING_EMULATOR
		${CMAKE_CURRENT_LIST_DIR}/../.ci/wine-test ABSOLUTE)
else()
	set(CMAKE_C_COMPILER musl-gcc)
	# The kernel's headers, behind those of musl.
	string(APPEND CMAKE_C_FLAGS_INIT " -idirafter /usr/include -idirafter "
		/usr/include/${CMAKE_HOST_SYSTEM_PROCESSOR}-linux-gnu)
endif()

set(CMAKE_FIND_ROOT_PATH ${libraries})
if(CMAKE_SYSTEM_NAME STREQUAL "Windows")
	list(APPEND CMAKE_FIND_ROOT_PATH /usr/${CMAKE_SYSTEM_PROCESSOR}-w64-mingw32)
endif()
foreach(what IN ITEMS LIBRARY INCLUDE PACKAGE)
	set(CMAKE_FIND_ROOT_PATH_MODE_${what} ONLY)
endforeach()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${libraries})
set(directories lib/${triple}/pkgconfig lib/pkgconfig share/pkgconfig)
list(TRANSFORM directories PREPEND ${libraries}/usr/)
list(JOIN directories ":" directories)
set(ENV{PKG_CONFIG_LIBDIR} ${directories})
