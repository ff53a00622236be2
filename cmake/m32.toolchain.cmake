# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# 32-bit x86 programs on a 64-bit Debian: gcc-multilib, and the libraries' i386
# packages (liblz4-dev:i386, libcmocka-dev:i386, ...).
set(CMAKE_C_FLAGS_INIT -m32)
set(CMAKE_CXX_FLAGS_INIT -m32)
set(CMAKE_LIBRARY_ARCHITECTURE i386-linux-gnu)
# Only packages for this architecture: the other ones would be found, and not link.
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/i386-linux-gnu/pkgconfig:/usr/share/pkgconfig)
