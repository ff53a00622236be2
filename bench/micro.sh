#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# The micro benchmarks, beside other allocators, as a table of ratios:
#
#   bench/micro.sh [--build=DIR] [--rounds=N] [--quick] [--pairs] [--all] [--out=DIR]
#                  [--store] [--sizes=FILE] [--pages=NAME] [--program=COMMAND]
#
#   --rounds=N         3 if not given: each round runs xvmalloc, TLSF and the C library's
#                      malloc in one process, and each other malloc preloaded into one
#                      more, so that noise of the machine meets all; the least counts
#   --quick            one round, short: to see whether a change is worth a real run
#   --pairs            only the rows of pairs, without threads, latencies and memory: some
#                      ten seconds a round
#   --store            the compressed page store alone, beside its codec and kernel zram: about
#                      a minute a round
#   --all              then everything there is, once, without a comparison
#   --out=DIR          where the JSON goes; DIR of the build, bench/micro, if not given
#   --sizes=FILE       sizes of the mix "page", one a line; else pages of a Perl process
#   --pages=NAME       pages for the store: of a file, a directory or pid:N; /usr/bin
#   --program=COMMAND  whose use of malloc is recorded; else the same Perl program
#
# Other mallocs that are not installed are left out. Takes about a minute a round.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$here/../build/release
rounds=3
min_time=0.1
out=
sizes=
program=
everything=
pairs=
store=
pages=/usr/bin

for argument; do
	value=${argument#*=}
	case $argument in
	--build=*) build=$value ;;
	--rounds=*) rounds=$value ;;
	--quick)
		rounds=1
		min_time=0.02
		;;
	--pairs) pairs=yes ;;
	--store) store=yes ;;
	--all) everything=yes ;;
	--out=*) out=$value ;;
	--sizes=*) sizes=$value ;;
	--pages=*) pages=$value ;;
	--program=*) program=$value ;;
	-h | --help)
		sed -n '/^#   /s/^#   //p' "$0"
		exit 0
		;;
	*)
		echo "micro.sh: no option $argument; --help lists them" >&2
		exit 2
		;;
	esac
done

case $rounds in
'' | *[!0-9]* | 0)
	echo "micro.sh: --rounds needs a number from 1 on, not '$rounds'" >&2
	exit 2
	;;
esac
bench=$build/bin/xv_bench
[ -x "$bench" ] || {
	echo "micro.sh: no $bench: build it (./run bench --micro does)" >&2
	exit 1
}
: "${out:=$build/bench/micro}"
mkdir -p "$out"
rm -f "$out"/*.json
work=$(mktemp -d)
heap_pid=
trap '[ -z "$heap_pid" ] || kill "$heap_pid"; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { echo "micro.sh: $*" >&2; }

# A Perl that keeps the words and lines of text files is the process whose pages and whose
# malloc are looked at. The same files and seed: the same process, but for its addresses.
heap() { # heap BYTES VARIABLE=VALUE...
	bytes=$1
	shift
	exec env PERL_HASH_SEED=0 "$@" perl "$here/heap.pl" "$bytes" /usr/share /usr/include "$here/../src"
}

record_sizes() {
	mkfifo "$work/in"
	(heap 16000000) <"$work/in" >"$work/ready" 2>/dev/null &
	heap_pid=$!
	exec 3>"$work/in"
	while kill -0 "$heap_pid" 2>/dev/null && ! grep -q ready "$work/ready"; do sleep 0.1; done
	"$bench" --pages=pid:"$heap_pid" --write-sizes="$work/sizes"
	exec 3>&-
	wait "$heap_pid" || true
	heap_pid=
}

record_program() {
	set -- XV_TRACE="$work/trace" LD_PRELOAD="$build/bin/record_malloc.so"
	if [ -n "$program" ]; then
		env "$@" sh -c "exec $program" >/dev/null </dev/null || say "$program failed"
	elif command -v perl >/dev/null; then
		(heap 1000000 "$@") >/dev/null </dev/null || say "perl failed"
	fi
	# Of the processes that ran, the one that did most.
	find "$work" -name 'trace.*' -exec ls -S {} + | head -n 1
}

if [ -n "$sizes" ]; then
	cp "$sizes" "$work/sizes"
elif command -v perl >/dev/null; then
	say "taking the sizes of compressed pages from a process"
	record_sizes || say "could not read the pages of a process"
fi
[ -s "$work/sizes" ] || {
	say "no Perl: pages of the files in /usr/share instead of a process's"
	"$bench" --pages=/usr/share --write-sizes="$work/sizes"
}
trace=$(record_program)
set -- --sizes="$work/sizes" --pages="$pages" --benchmark_min_time="$min_time" --benchmark_out_format=json
[ -z "$trace" ] || set -- "$@" --trace="$trace"
cp "$work/sizes" "$out/page.sizes"

find_library() { # find_library NAME: print the path of a shared object
	for directory in /usr/lib/*-linux-gnu /usr/lib64 /usr/lib /usr/local/lib; do
		for file in "$directory"/"$1".so.*; do
			[ ! -e "$file" ] || {
				echo "$file"
				return
			}
		done
	done
}

result() { # result NAME LIBRARY FILTER OPTION...: one process, its JSON in $out
	name=$1
	library=$2
	filter=$3
	shift 3
	LD_PRELOAD=$library "$bench" "$@" --benchmark_filter="$filter" \
		--benchmark_out="$out/$name.json" >"$work/log" 2>&1 || {
		cat "$work/log" >&2
		exit 1
	}
	! grep 'ERROR OCCURRED' "$work/log" >&2 || say "rows above are missing"
}

peers() { # peers NAME FILTER OPTION...: the same of each other malloc there is
	name=$1
	filter=$2
	shift 2
	for peer in libjemalloc libmimalloc libtcmalloc_minimal; do
		path=$(find_library "$peer")
		[ -z "$path" ] || result "${peer#lib}.$name" "$path" "$filter" "$@"
	done
}

ours='pair/.*/(page|small|recorded)/live:(1000|37000)$|(put|latency|threads|remote)/.*/page|trace/|store/'
theirs='(pair|put|latency|trace|threads|remote)/malloc(/(page|small|recorded).*)?$'
if [ -n "$pairs" ]; then
	ours='pair/(xvmalloc(|-nosplit|-keyed|-nolock|-heap)|tlsf|malloc)/'
	ours="$ours(page|small|recorded)/live:(1000|37000)$"
	theirs='pair/malloc/(page|small|recorded)/live:(1000|37000)$'
fi
[ -z "$store" ] || ours=store/
round=1
while [ "$round" -le "$rounds" ]; do
	say "round $round of $rounds"
	result "glibc.$round" '' "^($ours)" "$@"
	[ -n "$store" ] || peers "$round" "^$theirs" "$@"
	round=$((round + 1))
done
# Memory does not depend on the machine's load: once.
if [ -z "$pairs$store" ]; then
	say "held bytes"
	result glibc.held '' '^held/' "$@"
	peers held '^held/malloc' "$@"
fi

"$build/bin/xv_ratios" "$out"/*.json
if [ -n "$everything" ]; then
	say "everything, once"
	"$bench" "$@" --benchmark_out="$out/all.json"
fi
say "results are in $out"
