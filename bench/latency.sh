#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# The latency bound: the most instructions that one malloc, free, split malloc or
# compaction step took, in states made to be bad for it (latency.c makes them), beside
# TLSF and the C library's malloc in the same states and in their own:
#
#   bench/latency.sh [BUILD]    a build tree; build/release if none is named
#
# callgrind counts each operation by itself. The counts repeat exactly with the same
# compiler and C library; a system call is one instruction. Rows "of random pairs" are
# the mean of 1,000, and under it their maximum. Exit status 1 when something failed, 77
# when callgrind or its header is not there. Takes a minute or two.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$root/build/release}
columns='embedded default keyed split tlsf glibc'

command -v valgrind >/dev/null || {
	echo "latency.sh: valgrind is missing (Debian: apt-get install valgrind)" >&2
	exit 77
}
printf '#include <valgrind/callgrind.h>\n' | "${CC:-cc}" -x c -fsyntax-only - 2>/dev/null || {
	echo "latency.sh: no header valgrind/callgrind.h (Debian: apt-get install valgrind)" >&2
	exit 77
}
library=$(find "$build" -name libxvmalloc.a 2>/dev/null | head -n 1)
[ -n "$library" ] || {
	echo "latency.sh: no libxvmalloc.a in $build: build it first" \
		"(cmake --preset release && cmake --build --preset release)" >&2
	exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tlsf=$root/src/measure/allocators
# -z now: names of shared objects are looked up at the start, not in a call that is counted.
# Names of shared objects are looked up at the start, and not by the first call that is counted.
"${CC:-cc}" -std=c11 -O2 -g -I"$root/include" -I"$tlsf" "$root/bench/latency.c" "$tlsf/tlsf.c" \
	"$library" -Wl,-z,now -lpthread -o "$work/latency"

# On one processor, so that a pool with a shard for each always uses the same one.
pin=
if command -v taskset >/dev/null; then
	pin="taskset -c $(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')"
fi

# The parts of one file: "desc: Trigger: Client Request: ROW", then "totals: COUNT".
count() { # count COLUMN: lines "COLUMN;ROW;COUNT", an operation each
	# shellcheck disable=SC2086 # a command and its options
	$pin valgrind --tool=callgrind --collect-atstart=no --combine-dumps=yes --dump-line=no \
		--callgrind-out-file="$work/out" "$work/latency" "$1" >"$work/err" 2>&1 || {
		cat "$work/err" >&2
		exit 1
	}
	awk -v column="$1" '
		/^desc: Trigger: / { row = $0; sub(/^desc: Trigger: (Client Request: )?/, "", row) }
		/^(summary|totals):/ && row != "" { print column ";" row ";" $2; row = "" }
	' "$work/out"
}

for column in $columns; do
	count "$column"
done >"$work/counts"

# What is counted of the counting itself is in the row "nothing", and is taken off.
awk -F ';' -v columns="$columns" '
	$2 == "nothing" { own[$1] = $3; next }
	$2 ~ /^Program/ { next }
	{
		n = $3 - own[$1]
		if (!($2 in seen)) { seen[$2] = 1; rows[++row_count] = $2 }
		if (!(($1, $2) in most) || n > most[$1, $2]) most[$1, $2] = n
		sum[$1, $2] += n
		times[$1, $2]++
	}
	function line(label, row, mean,    i, key) {
		printf "%-38s", label
		for (i = 1; i <= column_count; i++) {
			key = name[i] SUBSEP row
			if (!(key in most)) printf "%10s", "-"
			else printf "%10d", mean ? sum[key] / times[key] : most[key]
		}
		print ""
	}
	END {
		column_count = split(columns, name, " ")
		printf "%-38s", "instructions, at most"
		for (i = 1; i <= column_count; i++) printf "%10s", name[i]
		print ""
		for (r = 1; r <= row_count; r++) {
			if (rows[r] ~ /random/) line(rows[r] ", mean", rows[r], 1)
			line(rows[r] (rows[r] ~ /random/ ? ", most" : ""), rows[r], 0)
		}
	}' "$work/counts"
