#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Instructions, counted by callgrind: of a free and a malloc with 1,000 to 1,000,000 live objects,
# and at most of one call in states made to be bad for it; beside TLSF and the C library's malloc
# in the same states and in their own:
#
#   bench/instructions.sh [BUILD [LIVE...]]
#
# BUILD is a build tree with the benchmarks, build/release if none is named. The counts repeat
# exactly with the same compiler and C library. Exit status 1 when a pair is not flat within 15%
# over the counts of live objects, 77 when callgrind is not there. Takes two minutes.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$root/build/release}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- 1000 10000 100000 1000000
nolock=shards=1:lock=none

command -v valgrind >/dev/null || {
	echo "instructions.sh: valgrind is missing (Debian: apt-get install valgrind)" >&2
	exit 77
}
[ -x "$build/bin/xv_instructions" ] || {
	echo "instructions.sh: no $build/bin/xv_instructions: build it with -DXV_BUILD_BENCH=ON" >&2
	exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# On one processor, so that a pool with a shard for each always uses the same one.
pin=
if command -v taskset >/dev/null; then
	pin="taskset -c $(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')"
fi

# The parts of one file: "desc: Trigger: Client Request: ROW", then "totals: COUNT".
count() { # count ALLOCATOR LIVE...: lines "ALLOCATOR;COUNT;ROW[;CALLS]", a part each
	# shellcheck disable=SC2086 # a command and its options
	LD_BIND_NOW=1 $pin valgrind --tool=callgrind --instr-atstart=no --collect-atstart=no --combine-dumps=yes \
		--dump-line=no --callgrind-out-file="$work/out" "$build/bin/xv_instructions" "$@" \
		>"$work/err" 2>&1 || {
		cat "$work/err" >&2
		exit 1
	}
	awk -v name="$1" '
		/^desc: Trigger: / { row = $0; sub(/^desc: Trigger: (Client Request: )?/, "", row) }
		/^(summary|totals):/ && row !~ /^Program|^$/ { print name ";" $2 ";" row; row = "" }
	' "$work/out"
}

for allocator in xvmalloc xvmalloc:$nolock xvmalloc-keyed:$nolock \
	xvmalloc-nosplit:$nolock:provider=buffer tlsf glibc ideal; do
	count "$allocator" "$@"
done >"$work/counts"

# What is counted of the counting itself is in the row "nothing", and is taken off.
awk -F ';' '
	!($1 in column) { column[$1] = ++columns; print columns, $1 }
	$3 == "nothing" { own[$1] = $2; next }
	{
		row = $3 ($4 ? "" : ", most")
		n = $2 - own[$1]
		if ($4) n /= $4
		if (!(row in seen)) { seen[row] = 1; rows[++row_count] = row }
		if (n > most[column[$1], row]) most[column[$1], row] = n
		if ($4 && (!($1 in low) || n < low[$1])) low[$1] = n
		if ($4 && n > high[$1]) high[$1] = n
	}
	END {
		printf "\n%-46s", "instructions"
		for (i = 1; i <= columns; i++) printf "%9d", i
		for (r = 1; r <= row_count; r++) {
			printf "\n%-46s", rows[r]
			for (i = 1; i <= columns; i++) {
				if ((i SUBSEP rows[r]) in most) printf "%9.0f", most[i, rows[r]]
				else printf "%9s", "-"
			}
		}
		print ""
		for (name in low) {
			if (name ~ /^xvmalloc/ && high[name] > 1.15 * low[name]) {
				printf "%s: a pair takes %.0f to %.0f: not flat\n", name, low[name], high[name]
				bad = 1
			}
		}
		exit bad
	}' "$work/counts"
