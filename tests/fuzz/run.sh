#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# run.sh [-s SECONDS] [-d DIRECTORY] [NAME...]: run fuzzers, all by default, each for SECONDS (60)
# and as many at once as there are processors. Builds the preset fuzz first.
#
# DIRECTORY (build/fuzz/found) keeps what they find: NAME/ has the inputs that reached something new,
# with which the next run goes on; NAME.log and, for a fault, NAME-crash-... . Prints a line each:
# runs, edges reached of those there are, faults, and the time they took. Exit code 1 when there was
# a fault; 77 without clang.
set -u

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
programs=$root/build/fuzz/tests/fuzz
seconds=60
found=$root/build/fuzz/found
while getopts s:d: option; do
	case $option in
	s) seconds=$OPTARG ;;
	d) found=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))

if ! command -v clang >/dev/null; then
	echo "skipped: the fuzzers need clang"
	exit 77
fi
mkdir -p "$found" || exit 1
found=$(cd "$found" && pwd)
if ! { cd "$root" && cmake --preset fuzz && cmake --build --preset fuzz -j "$(nproc)"; } \
	>"$found/build.log" 2>&1; then
	tail -n 40 "$found/build.log"
	exit 1
fi
if (($# == 0)); then
	for program in "$programs"/fuzz_*; do
		[[ -x $program && -f $program ]] && set -- "$@" "${program##*/fuzz_}"
	done
fi

fuzz() { # fuzz NAME: its line in NAME.line
	local name=$1 log=$found/$1.log seeds=$root/tests/fuzz/corpus/$1
	mkdir -p "$found/$name"
	ASAN_OPTIONS=quarantine_size_mb=32:malloc_context_size=8 "$programs/fuzz_$name" \
		-max_total_time="$seconds" -max_len=4096 -len_control=20 \
		-timeout=60 -rss_limit_mb=3000 -close_fd_mask=1 -artifact_prefix="$found/$name-" \
		"$found/$name" "$seeds" >"$log" 2>&1
	local status=$?
	awk -v name="$name" -v status=$status '
		match($0, /\([0-9]+ inline/) { edges = substr($0, RSTART + 1, RLENGTH - 8) }
		match($0, /^#[0-9]+/) { runs = substr($0, 2, RLENGTH - 1) }
		match($0, /cov: [0-9]+/) { reached = substr($0, RSTART + 5, RLENGTH - 5) }
		/^SUMMARY/ { fault = $0 }
		END { printf "%-14s %10d runs  %6d of %6d edges  %s\n", name, runs, reached, edges,
			status == 0 ? "no fault" : fault != "" ? fault : "status " status }' "$log" \
		>"$found/$name.line"
	return $status
}

export -f fuzz
export root programs seconds found
printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" bash -c 'fuzz "$1" || exit 1' fuzz
result=$?
for name in "$@"; do cat "$found/$name.line"; done
exit $((result != 0))
