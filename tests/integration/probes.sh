#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# probes.sh DOCUMENT LIBRARY...: the libraries have each probe of the document's table, with as many
# arguments, and no other.
set -eu

document=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! readelf --version >/dev/null 2>&1; then
	echo "skipped: readelf is missing"
	exit 77
fi

# "| `library:name` | when | a, b, c |"  =>  "library:name 3"
awk -F' *[|] *' '/^[|] `/ { gsub("`", "", $2); print $2, split($4, parts, ", ") }' "$document" |
	sort >"$work/documented"

# Provider: library / Name: name / ... / Arguments: 8@%rax 8@%rbx
LC_ALL=C readelf -nW "$@" 2>"$work/log" | awk '
	/Provider: / { library = $NF }
	/Name: / { name = $NF }
	$1 == "Arguments:" { gsub(" [+] | [*] ", "+"); print library ":" name, NF - 1 }' |
	sort -u >"$work/built"

if ! [ -s "$work/documented" ] || ! diff "$work/documented" "$work/built"; then
	echo "FAILED: the probes of the document (<) are not those of the libraries (>)"
	cat "$work/log"
	exit 1
fi
echo "$(wc -l <"$work/built") probes, as documented"
