# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Tests on Windows: what they need of POSIX beside the libraries, and which of them need more of it.
add_library(xv_windows_posix STATIC support/windows/posix.c)
xv_layer(xv_windows_posix)
target_include_directories(xv_windows_posix PUBLIC support/windows)
target_compile_options(xv_windows_posix PUBLIC -include posix.h)
# CMocka's output is that of C11, but its header tells the compiler of the system's formats.
target_compile_options(xv_windows_posix INTERFACE -Wno-format -Wno-format-extra-args)
target_link_options(xv_windows_posix INTERFACE LINKER:--wrap=free,-u,__wrap_free)
target_link_libraries(PkgConfig::XV_CMOCKA INTERFACE xv_windows_posix)

# Not built. They fork: test_handle_table_fork, test_pool_shards_threads, test_provider_fork. They ask
# the system what is in memory: test_pool_small, test_provider_mmap. The others are of saved files,
# backing files, control groups and priorities.
set(XV_TESTS_LEFT_OUT
	test_handle_table_fork
	test_model_ramz_file
	test_pool_shards_threads test_pool_small
	test_provider_fork test_provider_mmap
	test_ramz_backing_file test_ramz_file_calls test_ramz_file_hold test_ramz_file_place
	test_ramz_memory test_ramz_realtime
)
