#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Instructions of a pair of xv_free and xv_malloc, counted by callgrind, with 1,000 to
# 1,000,000 live objects:
#
#   bench/instructions.sh [BUILD]    a build tree; build/release if none is named
#
# Of each run the instructions inside run_pairs of instructions.c, with all that it calls,
# are counted and divided by the number of pairs. Fill and warm-up run under callgrind
# too, but are not counted. The counts repeat exactly with the same compiler. System calls
# count as one instruction. Exit status 1 when a column is not flat within 15%, 77 when
# callgrind is not there. keyed, whole and split are said in instructions.c. Takes a few minutes, nearly all for the last line, which needs
# some 2 GB of memory.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$root/build/release}
pairs=${PAIRS:-20000}
lives=${LIVES:-1000 10000 100000 1000000}

command -v valgrind >/dev/null || {
	echo "instructions.sh: valgrind is missing (Debian: apt-get install valgrind)" >&2
	exit 77
}
library=$(find "$build" -name libxvmalloc.a 2>/dev/null | head -n 1)
[ -n "$library" ] || {
	echo "instructions.sh: no libxvmalloc.a in $build: build it first" \
		"(cmake --preset release && cmake --build --preset release)" >&2
	exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${CC:-cc}" -std=c11 -O2 -g -I"$root/include" "$root/bench/instructions.c" "$library" \
	-lpthread -o "$work/instructions"

count() { # count KIND LIVE: instructions of a pair
	valgrind --tool=callgrind --callgrind-out-file="$work/out" --toggle-collect=run_pairs \
		"$work/instructions" "$1" "$2" "$pairs" 2>"$work/err" || {
		cat "$work/err" >&2
		exit 1
	}
	awk -v pairs="$pairs" '/^(summary|totals):/ { n = $2 } END { printf "%.0f", n / pairs }' \
		"$work/out"
}

kinds='keyed whole split'
printf '%14s %10s %10s %10s\n' 'live objects' $kinds
for live in $lives; do
	printf '%14d' "$live"
	for kind in $kinds; do
		printf ' %10d' "$(count "$kind" "$live")"
	done
	echo
done | tee "$work/table"

awk -v kinds="$kinds" '{ for (i = 2; i <= NF; i++) {
		if (NR == 1 || $i < low[i]) low[i] = $i
		if ($i > high[i]) high[i] = $i
	} }
	END { split(kinds, name, " ")
		for (i = 2; i <= NF; i++) {
			over = 100 * (high[i] / low[i] - 1)
			printf "%s: most is %.1f%% above least\n", name[i - 1], over
			bad += over > 15
		}
		exit bad > 0 }' "$work/table"
