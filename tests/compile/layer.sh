#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# layer.sh HEADER DIR;DIR;...: with these include directories, those of a layer's
# target, <xvmalloc/errors.h> is found and HEADER is not.
set -eu
header=${1:?usage: layer.sh HEADER DIRECTORIES}
directories=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

set --
old_ifs=$IFS
IFS=';'
for directory in $directories; do
	set -- "$@" "-I$directory"
done
IFS=$old_ifs

try() { # try HEADER OPTION...: does it compile?
	printf '#include <%s>\nint layer;\n' "$1" >"$work/layer.c"
	shift
	# shellcheck disable=SC2086 # CFLAGS is a list
	LC_ALL=C "$CC" ${CFLAGS-} -std=c11 -fsyntax-only "$@" "$work/layer.c" 2>"$work/log"
}

if ! try xvmalloc/errors.h "$@"; then
	echo "the layer does not even see xvmalloc/errors.h, so this test says nothing:"
	cat "$work/log"
	exit 1
fi
if try "$header" "$@"; then
	echo "the layer can include <$header>, which lies above it or inside another: $*"
	exit 1
fi
if ! grep -q "$header.*\(No such file\|not found\)" "$work/log"; then
	echo "<$header> was found, and failed for another reason:"
	cat "$work/log"
	exit 1
fi
echo "<$header> is out of reach, as it should be"
