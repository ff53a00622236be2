#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# layer_paths.sh SOURCE_DIR: no source reaches around the staged include directories
# by a relative path, and the lower layers name no codec and no layer above.
set -eu
root=${1:?usage: layer_paths.sh SOURCE_DIR}
cd "$root"
failed=0

forbid() { # forbid WHAT PATTERN DIRECTORY...: no #include there matches
	what=$1
	pattern=$2
	shift 2
	for directory in "$@"; do
		[ -d "$directory" ] || continue
		if grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]$pattern" \
			--include='*.[ch]' "$directory"; then
			echo "  ^ $directory includes $what"
			failed=1
		fi
	done
}

codecs='(lz4|lzo|zstd|xxhash|jansson)'
system='(unistd|fcntl|pthread|sched|sys/|linux/|stdio|stdlib)'
forbid "a parent directory" '(\.\./)+(include|src|core|handle_table|provider|platform|ramz|cli)' \
	src include examples
forbid "a header of ramz" '(ramz/|rzi_)' src/core src/handle_table src/platform src/provider \
	include/xvmalloc
forbid "a codec" "$codecs" src/core src/handle_table src/platform src/provider include/xvmalloc \
	include/ramz
forbid "a header of the operating system" "$system" src/core src/handle_table include
exit $failed
