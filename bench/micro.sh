#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# The micro benchmarks beside other allocators, as a table of ratios:
#
#   bench/micro.sh BUILD [OPTION OF XV_BENCH...]
#
# Runs xv_bench once, and once more for each malloc that is preloaded, and with a swap file; what
# is not there is left out. Options go to xv_bench, and stand behind these:
#
#   --benchmark_repetitions=3, in random order, of at least 0.1 seconds each
#   --sizes=pid:N     of a Perl process that keeps text files; /usr/bin where there is no Perl
#   --trace=FILE      of the malloc of a shorter run of that program
#
# --benchmark_filter=^pair/ selects rows. The JSON goes to BUILD/bench/micro.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=${1:?usage: bench/micro.sh BUILD [OPTION OF XV_BENCH...]}
shift
case " $* " in *' --help '*) exec "$build/bin/xv_bench" --help ;; esac
out=$build/bench/micro
mkdir -p "$out"
rm -f "$out"/*.json
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { echo "micro.sh: $*" >&2; }

# A Perl that keeps the words and lines of text files. The same files and seed: the same
# process, but for its addresses. The second run lasts as long as descriptor 3 is open.
keep_text() { # keep_text BYTES
	exec perl "$here/heap.pl" "$1" /usr/share /usr/include "$here/../src" >"$work/ready"
}

if command -v perl >/dev/null; then
	export PERL_HASH_SEED=0
	(XV_TRACE=$work/trace LD_PRELOAD=$build/bin/record_malloc.so keep_text 1000000 </dev/null)
	mkfifo "$work/end"
	exec 3<>"$work/end"
	keep_text 16000000 <"$work/end" 3>&- &
	until grep -q ready "$work/ready" || ! kill -0 $!; do sleep 0.1; done
	set -- --sizes=pid:$! --trace="$(echo "$work"/trace.*)" "$@"
else
	say "no Perl: sizes of the pages of /usr/bin, and no recorded program"
fi

bench() { "$build/bin/xv_bench" "$@"; }

run() { # run NAME OPTION...: one process, its JSON in $out
	name=$1
	shift
	say "$name"
	bench --benchmark_repetitions=3 --benchmark_enable_random_interleaving=true \
		--benchmark_min_time=0.1 "$@" --benchmark_out="$out/$name.json" >"$work/log" 2>&1 || {
		cat "$work/log" >&2
		exit 1
	}
	grep 'ERROR OCCURRED' "$work/log" | sort -u >"$work/errors"
	[ ! -s "$work/errors" ] || say "these rows are missing: $(cat "$work/errors")"
}

run xv_bench "$@"
for name in jemalloc mimalloc tcmalloc; do
	if "$build/bin/xv_bench" --allocator=$name --benchmark_list_tests=true "$@" 2>"$work/why" | grep -q /; then
		run "$name" --allocator=$name "$@"
	else
		grep 'no allocator' "$work/why" >&2 || : # else the filter selects none of its rows
	fi
done
overload=^tiers/plain/overload
if XV_BENCH_GROUP=- bench --benchmark_list_tests=true "$@" | grep -q "$overload"; then
	bench() { sh "$here/swap.sh" "$build/bin/xv_bench" "$@"; }
	# The kernel may end a process whose pages it cannot swap out fast enough.
	if ! sh "$here/swap.sh" true 2>"$work/why"; then
		say "no row with a swap file: $(cat "$work/why")"
	elif ! (run swap "$@" --benchmark_filter="$overload"); then
		say "no row with a swap file"
	fi
fi
awk -f "$here/micro_table.awk" "$out"/*.json
say "results are in $out"
