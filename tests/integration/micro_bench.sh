#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# micro_bench.sh BIN_DIR: the micro benchmarks run, briefly, and the table of their results says
# what they wrote. Nothing is said about how fast anything is.
set -u
bin=${1:?usage: micro_bench.sh BIN_DIR}
here=$(cd "$(dirname "$0")/../../bench" && pwd)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0

fail() {
	echo "FAILED: $*"
	failures=$((failures + 1))
}

bench() { # bench OPTION...: standard output and error in $dir/out
	"$bin/xv_bench" --sizes="$here" --benchmark_min_time=0.01 "$@" >"$dir/out" 2>&1
}

refused() { # refused REASON OPTION...
	reason=$1
	shift
	bench "$@" && fail "taken: $*"
	grep -q "$reason" "$dir/out" || fail "$*: no word of '$reason': $(cat "$dir/out")"
}

# ---- wrong command lines and inputs ----

refused 'no-such-option' --no-such-option
refused 'no benchmark matches' --benchmark_filter=nosuchrow
refused "expected 'a ID SIZE'" --trace="$here/README.md"
refused 'no allocator nosuch' --allocator=nosuch
refused 'no allocator xvmalloc:shards=x' --allocator=xvmalloc:shards=x

for _ in $(seq 100); do head -c 4096 "$here/instructions.c"; done >"$dir/1"
head -c 1048576 /dev/zero >"$dir/0"
for count in 0 1; do
	bench --pages="$dir/$count" --benchmark_filter='^store/ramz/read/lz4$'
	grep -q "has $count different pages" "$dir/out" || fail "$count pages, repeated, were given to a store"
done

# ---- a program recorded, with threads and without ----

XV_TRACE="$dir/trace" LD_PRELOAD="$bin/record_malloc.so" \
	awk '{ a[NR] = $0 "x" NR } END { for (i in a) n += length(a[i]); print n }' "$here"/*.c >"$dir/out" 2>&1 ||
	fail "a recorded program failed: $(cat "$dir/out")"
XV_TRACE="$dir/threads" LD_PRELOAD="$bin/record_malloc.so" "$bin/xv_bench" --sizes="$here" \
	--benchmark_min_time=0.01 --benchmark_filter='(threads|remote)/glibc/' >"$dir/out" 2>&1 ||
	fail "a recorded program with threads failed: $(cat "$dir/out")"
for trace in "$dir"/threads.* "$dir"/trace.*; do
	bench --trace="$trace" --benchmark_filter='^trace/tlsf' ||
		fail "$trace cannot be replayed: $(cat "$dir/out")"
done

# ---- every part once, and the table ----

filter='^(pair/.*/live:1000$|trace/|page/|(threads|remote)/xvmalloc/|(put|get|resize)/.*/live:1000'
filter="$filter|(fill|compact|resize)/xvmalloc/|store/(ramz|raw|zram)/.*/lz4)"
bench --pages=/usr/bin --trace="$trace" --benchmark_filter="$filter" --benchmark_repetitions=2 \
	--benchmark_out="$dir/result.json" || fail "the benchmarks ended with status $?"
grep 'ERROR OCCURRED' "$dir/out" && fail "a benchmark failed"
# Pages enough for a device of some segments. XV_BENCH_GROUP: a file for the number of the process.
cat /usr/bin/* 2>/dev/null | head -c 12582912 >"$dir/pages"
: >"$dir/group"
XV_BENCH_GROUP=$dir/group bench --pages="$dir/pages" --benchmark_filter='^tiers/' \
	--benchmark_out="$dir/tiers.json" || fail "the benchmarks of tiers ended with status $?"
grep 'ERROR OCCURRED' "$dir/out" && fail "a benchmark of tiers failed"
bench --allocator=xvmalloc:page=4K --benchmark_filter='^pair/.*/live:1000' \
	--benchmark_out="$dir/one.json" || fail "one allocator alone: $(cat "$dir/out")"
awk -f "$here/micro_table.awk" "$dir/result.json" "$dir/one.json" "$dir/tiers.json" >"$dir/table" ||
	fail "the results cannot be read"

row() { # row LABEL ALLOCATOR REST: regular expressions
	awk -v label="$1" '/^[^ ]/ { on = $1 == label } on' "$dir/table" | grep -Eq "^  $2 +[0-9.]+ +$3" ||
		fail "no row $1 $2 in the table"
}
row pair/page/live:1000 xvmalloc '[0-9.]+ +[0-9.]+ \(1.40.*\) +[0-9.]+ \(1.10'
row pair/page/live:1000 xvmalloc:page=4K '- +[0-9.]+ +[0-9.]+'
row pair/page/live:1000 tlsf '[0-9.]+ +- +[0-9.]+'
row trace xvmalloc-heap '[0-9.]+ +[0-9.]+ \(2.00'
row remote/page/threads:2 xvmalloc '[0-9.]+'
row compact/page/live:37000 xvmalloc '[0-9.]+'
row store/overwrite/lz4/threads:2 ramz '[0-9.]+ +[0-9.]+ .* [0-9.]+$'
row store/read/lz4 ramz '[0-9.]+ +[0-9.]+ \(1.12'
row tiers/memory/cold ramz '- +[0-9.]+ \(0.90.*\) +([0-9.]+ \(0.65|-)'
row tiers/written/space:1.5 ramz '- +[0-9.]+ \(1.85'
row tiers/overload plain '-'
echo '{"context": {}}' >"$dir/bad.json"
awk -f "$here/micro_table.awk" "$dir/bad.json" 2>"$dir/out" && fail "a result without benchmarks was taken"
grep -q "no results of xv_bench" "$dir/out" || fail "a bad result: no reason"

[ "$failures" -eq 0 ] && echo "all as expected"
exit "$((failures > 0))"
