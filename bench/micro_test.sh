#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# micro_test.sh BIN_DIR RECORDER: the micro benchmarks run, briefly, and what they write can
# be read. Nothing is said about how fast anything is.
set -u
bin=${1:?usage: micro_test.sh BIN_DIR RECORDER}
recorder=${2:?usage: micro_test.sh BIN_DIR RECORDER}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0

fail() {
	echo "FAILED: $*"
	failures=$((failures + 1))
}

bench() { # bench OPTION...: standard output and error in $dir/out
	"$bin/xv_bench" --sizes="$dir/sizes" --benchmark_min_time=0.01 "$@" >"$dir/out" 2>&1
}

awk 'BEGIN { srand(7); for (i = 0; i < 4000; i++) {
	x = rand(); print x < 0.02 ? 0 : x < 0.1 ? 4096 : int(40 + 3000 * rand()) } }' >"$dir/sizes"

# ---- wrong command lines ----

bench --seed=none && fail "--seed=none was taken"
grep -q "needs a number" "$dir/out" || fail "--seed=none: no reason"
bench --no-such-option && fail "an unknown option was taken"
bench --benchmark_filter=nosuchrow && fail "a filter that matches nothing was taken"
bench --trace="$dir/sizes" && fail "a file that is no trace was taken"
grep -q "no trace" "$dir/out" || fail "a file that is no trace: no reason"

# ---- a program recorded and replayed ----

# Text to sort, so that there is something to allocate.
XV_TRACE="$dir/trace" LD_PRELOAD="$recorder" sh -c "awk '{ a[NR] = \$0 \"x\" NR }
	END { for (i in a) n += length(a[i]); print n }' '$dir/sizes'" >"$dir/recorded" 2>&1 ||
	fail "a recorded program failed: $(cat "$dir/recorded")"
trace=$(find "$dir" -name 'trace.*' -exec ls -S {} + | head -n 1)
[ -s "$trace" ] || fail "nothing was recorded"

# ---- no pages to give to a store ----

head -c 1048576 /dev/zero >"$dir/zeros"
bench --pages="$dir/zeros" --benchmark_filter='^store/read/ramz/lz4$'
grep -q 'has 0 different pages' "$dir/out" || fail "pages of zeros were given to a store"
head -c 4096 "$dir/sizes" >"$dir/page"
for _ in $(seq 100); do cat "$dir/page"; done >"$dir/repeats"
bench --pages="$dir/repeats" --benchmark_filter='^store/read/ramz/lz4$'
grep -q 'has 1 different pages' "$dir/out" || fail "a repeated page was given to a store"

# ---- every part once, and the result ----

# A thousand objects where there is a choice; the long parts (fill, compaction, memory of
# 37,000 objects) for one allocator each.
filter='^(pair/.*/page/live:1000$|pair/(xvmalloc-heap|tlsf)/recorded/live:1000$|trace/'
filter="$filter|page/|window/|threads/xvmalloc/page|remote/xvmalloc/page|held/tlsf/small"
filter="$filter|fill/tlsf/small|size/xvmalloc/|map/xvmalloc-nosplit/|compact/xvmalloc/"
filter="$filter|store/(write|overwrite|read|compact)/(ramz|raw|zram)/lz4)"
bench --pages=/usr/bin --trace="$trace" --benchmark_filter="$filter" --benchmark_out="$dir/result.json" ||
	fail "the benchmarks ended with status $?"
grep 'ERROR OCCURRED' "$dir/out" && fail "a benchmark failed"
for row in pair/xvmalloc/page pair/tlsf/page pair/malloc/page pair/nothing/page \
	trace/xvmalloc-heap page/mmap window/highmem threads/xvmalloc/page/real_time/threads:2 \
	remote/xvmalloc/page/real_time/threads:2 held/tlsf/small compact/xvmalloc \
	store/write/ramz/lz4 store/overwrite/ramz/lz4/real_time/threads:2 store/read/raw/lz4 \
	store/compact/ramz/lz4; do
	grep -q "\"name\": \"$row" "$dir/result.json" || fail "no $row in the result"
done

"$bin/xv_ratios" "$dir/result.json" >"$dir/table" || fail "the result cannot be read"
grep -Eq '^page, 1,000: xvmalloc / TLSF +[0-9]' "$dir/table" || fail "no ratio in the table"
grep -Eq '^overwrite lz4, 2 threads +[0-9.]+ +[0-9.]+ ' "$dir/table" || fail "no times of the store"
grep -Eq '^read, lz4: ramz / raw codec +[0-9.]+  <= 1.12 ' "$dir/table" || fail "no ratio of the store"
echo '{"context": {}}' >"$dir/bad.json"
"$bin/xv_ratios" "$dir/bad.json" 2>"$dir/out" && fail "a result without benchmarks was taken"
grep -q "no result of xv_bench" "$dir/out" || fail "a bad result: no reason"

[ "$failures" -eq 0 ] && echo "all as expected"
exit "$((failures > 0))"
