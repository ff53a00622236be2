#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# headers.sh INCLUDE_DIR: each public header compiles alone, and included twice, as
# C11 and as C++11, C++17 and C++20, without a warning; those of C++ as the last two. CC, CXX (or "none") and CFLAGS
# name the compilers.
set -eu
include=${1:?usage: headers.sh INCLUDE_DIR}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
count=0

compile() { # compile HEADER LANGUAGE COMPILER OPTION...
	header=$1
	language=$2
	shift 2
	if ! "$@" -Wall -Wextra -pedantic -Werror -fsyntax-only -I"$include" \
		"$work/alone.$language" >"$work/log" 2>&1; then
		echo "$header does not compile alone ($*):"
		cat "$work/log"
		failed=1
	fi
}

if [ "$CXX" = none ]; then
	echo "no C++ compiler: the headers are compiled as C only"
fi
for file in "$include"/*/*.h; do
	header=${file#"$include"/}
	count=$((count + 1))
	# Each header of the libraries brings base.h and errors.h; a plugin's is for no library.
	value='XV_VERSION_MAJOR + XV_EINVAL'
	case $header in
	*/xvfrag_plugin.h) value=0 ;;
	*/errors.h) value=XV_EINVAL ;;
	esac
	printf '#include <%s>\n#include <%s>\nint alone(void);\nint alone(void) { return %s; }\n' \
		"$header" "$header" "$value" | tee "$work/alone.c" >"$work/alone.cc"
	# shellcheck disable=SC2086 # CFLAGS is a list
	compile "$header" c "$CC" $CFLAGS -std=c11
	if [ "$CXX" != none ]; then
		for standard in c++11 c++17 c++20; do
			# shellcheck disable=SC2086
			compile "$header" cc "$CXX" $CFLAGS -std=$standard
		done
	fi
done
if [ "$CXX" != none ]; then
	for file in "$include"/*/*.hpp; do
		header=${file#"$include"/}
		count=$((count + 1))
		printf '#include <%s>\n#include <%s>\n' "$header" "$header" >"$work/alone.cc"
		for standard in c++17 c++20; do
			# shellcheck disable=SC2086
			compile "$header" cc "$CXX" $CFLAGS -std=$standard
		done
	done
fi
[ "$count" -gt 0 ] || { echo "no headers in $include" && exit 1; }
echo "$count headers"
exit $failed
