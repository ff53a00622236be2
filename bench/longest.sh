#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# The longest step of each call of a pool, in instructions: docs/bound.md has the table.
#
#   bench/longest.sh [BUILD]
#
# BUILD is a build tree with the benchmarks, build/release if none is named. Exit status 77 when
# callgrind is not there.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$root/build/release}
command -v valgrind >/dev/null || {
	echo "longest.sh: valgrind is missing (Debian: apt-get install valgrind)" >&2
	exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

LD_BIND_NOW=1 valgrind --tool=callgrind --instr-atstart=no --collect-atstart=no \
	--combine-dumps=yes --dump-line=no --callgrind-out-file="$work/out" \
	"$build/bin/xv_longest" >"$work/err" 2>&1 || {
	cat "$work/err" >&2
	exit 1
}
awk '
	/^desc: Trigger: / { row = $0; sub(/^desc: Trigger: (Client Request: )?/, "", row) }
	/^(summary|totals):/ && row !~ /^Program|^$/ {
		if (row == "nothing") own = $2
		else if (!(row in most)) { name[++count] = row; most[row] = $2 }
		else if ($2 > most[row]) most[row] = $2
		row = ""
	}
	END { for (i = 1; i <= count; i++) printf "%-56s %8d\n", name[i], most[name[i]] - own }
' "$work/out"
