#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# exports.sh HEADER_DIR LIBRARY.so: the library exports what the headers declare with XV_API, all of
# it and nothing else, each name with a version.
set -eu
headers=${1:?usage: exports.sh HEADER_DIR LIBRARY.so}
library=${2:?usage: exports.sh HEADER_DIR LIBRARY.so}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sh "$(dirname "$0")/declared.sh" "$headers"/*.h >"$work/declared"
nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' >"$work/names"
if grep -v '@@' "$work/names"; then
	echo "the names above have no version"
	exit 1
fi
sed 's/@.*//' "$work/names" | sort -u >"$work/exported"
[ -s "$work/declared" ] || { echo "no XV_API in $headers" && exit 1; }
if ! diff "$work/declared" "$work/exported"; then
	echo "declared (<) and exported (>) names differ"
	exit 1
fi
echo "$(wc -l <"$work/declared") names"
