#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# xvfrag_cli.sh XVFRAG PLUGIN_DIR: the command line of xvfrag. Each check prints a
# line when it fails; all are made. JSON is looked at with Python where that is there.
set -u
xvfrag=${1:?usage: xvfrag_cli.sh XVFRAG PLUGIN_DIR}
plugins=${2:?usage: xvfrag_cli.sh XVFRAG PLUGIN_DIR}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0

fail() {
	echo "FAILED: $*"
	failures=$((failures + 1))
}

# run ARGUMENT...: standard output to $dir/out, standard error to $dir/err, $status.
run() {
	"$xvfrag" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	status=$?
}

expect_status() { # expect_status STATUS WHAT
	[ "$status" -eq "$1" ] || {
		fail "$2: exit status $status, not $1"
		sed 's/^/    /' "$dir/err"
	}
}

expect_out() { # expect_out PATTERN WHAT
	grep -Eq -- "$1" "$dir/out" || fail "$2: no '$1' on standard output"
}

expect_err() { # expect_err PATTERN WHAT
	grep -Eq -- "$1" "$dir/err" || fail "$2: no '$1' on standard error: $(head -c 300 "$dir/err")"
}

refused() { # refused STATUS PATTERN ARGUMENT...: that status, one line that matches
	want=$1
	pattern=$2
	shift 2
	run "$@"
	expect_status "$want" "xvfrag $*"
	expect_err "^xvfrag: .*$pattern" "xvfrag $*"
	[ "$(wc -l <"$dir/err")" -eq 1 ] || fail "xvfrag $*: more than one line of error"
	[ -s "$dir/out" ] && fail "xvfrag $*: something on standard output"
	return 0
}

# ---- completion -----------------------------------------------------------------------

completes() { # completes "WORD..." "COMPLETION...": after the words, the last one cut off
	# shellcheck disable=SC2016
	got=$(cd "$dir" && bash -uc '
		. "$1" || exit 1
		read -ra COMP_WORDS <<<"$3"
		[[ $3 == *" " ]] && COMP_WORDS+=("")
		COMP_WORDS[0]=$2
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_xvfrag xvfrag
		echo "${COMPREPLY[*]-}"' bash "$completion" "$absolute" "$1" 2>&1)
	[ "$got" = "$2" ] || fail "completion of '$1': '$got', not '$2'"
}

if command -v bash >/dev/null; then
	completion=$(cd "$(dirname "$0")/../../src/cli/xvfrag" && pwd)/xvfrag.bash
	absolute=$(cd "$(dirname "$xvfrag")" && pwd)/$(basename "$xvfrag")
	: >"$dir/input"
	completes 'xvfrag --ma' '--max-input --map'
	completes 'xvfrag --allocator xvmalloc-n' 'xvmalloc-nosplit'
	completes 'xvfrag --allocator = tl' 'tlsf'
	completes 'xvfrag --codec z' 'zstd'
	completes 'xvfrag --seed 1' ''
	completes 'xvfrag --json inp' 'input'
	completes 'xvfrag inp' 'input'
fi

# Sizes with a spread like that of compressed pages; same-filled and raw ones too.
awk 'BEGIN { srand(7); for (i = 0; i < 4000; i++) {
	x = rand(); print x < 0.02 ? 0 : x < 0.1 ? 4096 : int(40 + 3000 * rand()) } }' >"$dir/sizes"

printf 'a 1 100\na 2 200\na 3 300\nf 1\nf 3\na 4 50\n' >"$dir/trace"

# ---- help, version, list ------------------------------------------------------

run --help
expect_status 0 --help
for option in allocator threads codec max-input objects seed timeout json plot map record \
	list version; do
	expect_out "--$option" --help
done
awk 'length($0) > 90 { exit 1 }' "$dir/out" || fail "--help: a line of more than 90 columns"
run --version
expect_status 0 --version
expect_out '^xvfrag [0-9]+\.[0-9]+\.[0-9]+$' --version
run --list
expect_status 0 --list
for name in xvmalloc xvmalloc-nosplit xvmalloc-keyed xvmalloc-hardened xvmalloc-heap ideal glibc jemalloc mimalloc tcmalloc tlsf zram slub slob \
	plugin:PATH; do
	expect_out "^  $name " --list
done
expect_out '^  xvmalloc:NAME=VALUE' --list

# ---- mistakes on the command line: status 2, cause and fix in one line --------

refused 2 'no option --frobnicate' --frobnicate
refused 2 'option --seed needs a value' --seed
refused 2 "no codec 'deflate' in this build; it has: lz4" --codec deflate
refused 2 'a level is a whole number' --codec zstd:fast
refused 2 '--codec takes one codec' --codec lz4,none
refused 2 '--seed N is a whole number' --seed -1
refused 2 '--objects N is a whole number' --objects 1
refused 2 '--timeout SECONDS is' --timeout 0
refused 2 '--max-input takes' --max-input 12
refused 2 "no allocator 'dlmalloc'; there are: xvmalloc" --allocator ideal,dlmalloc
refused 2 "no allocator ''" --allocator ''
refused 2 "cannot read plugin '.*/none.so': No such file" --allocator "plugin:$dir/none.so"
refused 2 'only one of' --json - --record -
for number in 0 65 two -1 ''; do
	refused 2 "--threads N is a whole number from 1 to 64, not '$number'" --threads "$number"
done
refused 2 "xvmalloc:shards=65: shards takes 0 to 64, not '65'" --allocator ideal,xvmalloc:shards=65
refused 2 "xvmalloc-nosplit:shards=x: shards takes" --allocator xvmalloc-nosplit:shards=x
refused 2 "'speed' is no setting: write NAME=VALUE.*shards, lock" --allocator xvmalloc:speed=9
refused 2 "xvmalloc:lock=none: lock=none is for one thread: .*--threads 2" --threads 2 \
	--allocator xvmalloc:lock=none
refused 2 "glibc takes no settings: leave out ':shards=1'" --allocator glibc:shards=1

# ---- inputs that are no good: status 1 ------------------------------------------

refused 1 '/nonexistent: No such file' /nonexistent
refused 1 'neither a regular file nor a directory' /dev/null
refused 1 "'pid:x' is no process" pid:x
refused 1 'no process 4194305' pid:4194305
: >"$dir/empty"
refused 1 'no pages that can be read' "$dir/empty"
head -c 65536 /dev/zero >"$dir/zeros"
refused 1 'all 16 pages of .* are same-filled' "$dir/zeros"
printf '100\nabc\n' >"$dir/bad"
refused 1 "$dir/bad:2: expected one size" "sizes:$dir/bad"
refused 1 "cannot open $dir/nothing" "sizes:$dir/nothing"
printf 'a 1 10\nf 2\n' >"$dir/bad"
refused 1 "$dir/bad:2: no object 2 is live" "trace:$dir/bad"
refused 1 "cannot write $dir/no/such" --record "$dir/no/such" --allocator ideal /bin/sh

# ---- a run: table ------------------------------------------------------------------

run "sizes:$dir/sizes" --allocator ideal,glibc
expect_status 0 'table'
expect_out '^allocator +fill +churn +free50 +refill +free90' 'table'
expect_out '^ideal +1\.000 +1\.000 +1\.000 +1\.000 +1\.000' 'table'
expect_out '^glibc +[0-9]+\.[0-9]{3} ' 'table'
expect_out '4000 pages of 4096' 'table'
[ -s "$dir/err" ] && fail "table: something on standard error: $(cat "$dir/err")"

run "sizes:$dir/sizes" --allocator xvmalloc:page=16K
expect_status 0 'xvmalloc'
expect_out '^xvmalloc:page=16K +1\.[0-9]{3} ' 'xvmalloc'

# Compaction: its columns, and a second table under the first.
run "sizes:$dir/sizes" --allocator xvmalloc,xvmalloc-nosplit
expect_status 0 'compaction'
expect_out '^allocator +fill +churn \+compact +free50 \+compact +refill +free90 \+compact ' 'compaction'
expect_out '^xvmalloc( +[1-9]\.[0-9]{3}){8} ' 'compaction'
expect_out '^xvmalloc-nosplit +1\.[0-9]{3} +1\.[0-9]{3} +- ' 'compaction'
expect_out '^\+compact +after +split +then +freed KiB moved/freed +steps' 'compaction'
for phase in churn free50 free90; do
	expect_out "^xvmalloc +$phase( +[0-9]+\\.[0-9]%){2} +[0-9]+ +[0-9.]+ +[0-9]+ +" 'compaction'
done
grep -Eq '^xvmalloc-nosplit +churn' "$dir/out" && fail "compaction: xvmalloc-nosplit compacts"
awk '!/pages of 4096/ && length($0) > 135 { exit 1 }' "$dir/out" || fail "table: a line of more than 135 columns"

# json EXPRESSION WHAT: true of the results d of the last run, made with --json -.
json() {
	command -v python3 >/dev/null || return 0
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1])); rows = d["results"]
assert eval(sys.argv[2]), [sys.argv[2]] + rows[:2]' "$dir/out" "$1" || fail "$2: see above"
}

# Held bytes against the resident set. A sanitizer has a resident set of its own.
grep -q '__[at]san_init' "$xvfrag" && limit=1000000000 || limit=65536
for provider in mmap highmem buffer; do
	run "sizes:$dir/sizes" --allocator xvmalloc:provider=$provider --json -
	expect_status 0 "xvmalloc on $provider"
	expect_out '"phase": "free90.compact"' "xvmalloc on $provider"
	[ $provider = mmap ] || continue # the others' pages are not, or stay, resident
	json "all(r['rss_bytes'] * 0.99 - $limit <= r['held_bytes'] <= r['rss_bytes'] * 1.01 + 65536
		for r in rows)" "xvmalloc on $provider: held bytes are what is resident"
done

# ---- the same run twice ----------------------------------------------------------------

counts() { # requested and held bytes of each phase
	seed=$1
	shift
	run "sizes:$dir/sizes" --json - --seed "$seed" "$@"
	expect_status 0 'the same twice'
	grep -E '"(allocator|phase|live_objects|requested_bytes|held_bytes)"' "$dir/out"
}
counts 5 --allocator ideal,slub >"$dir/first"
counts 5 --allocator ideal,slub >"$dir/second"
counts 6 --allocator ideal,slub >"$dir/third"
cmp -s "$dir/first" "$dir/second" || fail "the same seed gave other numbers"
cmp -s "$dir/first" "$dir/third" && fail "another seed gave the same numbers"
live() { # what is live, which threads do not change
	counts 5 --allocator glibc "$@" | grep -E 'live|requested'
}
live >"$dir/first"
live --threads 3 | cmp -s - "$dir/first" || fail "threads changed what is live"

# ---- a run: JSON ---------------------------------------------------------------------

check_json='
import json, sys
d = json.load(open(sys.argv[1]))
assert d["schema"] == "xvfrag/2"
for k in "os kernel cpu cores mem_bytes page_bytes huge_pages libc version date".split():
    assert d["machine"][k], k
assert d["options"] == {"seed": 1, "threads": 1}
keys = ("input allocator phase live_objects requested_bytes held_bytes rss_bytes overhead ops "
        "preempted_ops ns_per_op p50_ns p99_ns p9999_ns max_ns split_share moved_bytes "
        "freed_bytes longest_step_ns p99_step_ns behind ops_per_s").split()
for r in d["results"]:
    compact = r["phase"].endswith("+compact")
    assert sorted(keys) == sorted(r.keys())
    assert abs(r["overhead"] - r["held_bytes"] / r["requested_bytes"]) < 1e-4
    assert (r["split_share"] is not None) == (r["allocator"] == "xvmalloc")
    for k in "moved_bytes freed_bytes longest_step_ns p99_step_ns".split():
        assert (r[k] is not None) == compact, (k, r)
    if r["allocator"] == "ideal":
        assert r["rss_bytes"] is None and r["ns_per_op"] is None and r["behind"] is None
        assert r["held_bytes"] == r["requested_bytes"]
    elif compact:
        assert r["ops"] >= 1 and r["longest_step_ns"] >= r["p99_step_ns"] > 0, r
        assert r["p50_ns"] is None and r["max_ns"] is None
    else:
        assert 0 < r["p50_ns"] <= r["p99_ns"] <= r["p9999_ns"] <= r["max_ns"]
        assert 0 < r["ns_per_op"] <= r["max_ns"]
        # By the clock, with filling: no faster than the operations alone.
        assert 0 < r["ops_per_s"] < 1.3e9 / r["ns_per_op"]
    if r["allocator"] == "glibc":
        assert r["held_bytes"] == r["rss_bytes"] > r["requested_bytes"]
phases = ["fill", "churn", "free50", "refill", "free90"]
assert [r["phase"] for r in d["results"]][:5] == phases
assert [r["phase"] for r in d["results"] if r["phase"].endswith("+compact")] == [
    "churn+compact", "free50+compact", "free90+compact"]
live = [r["live_objects"] for r in d["results"]][:5]
n = live[0]
assert live == [n, n, n - n // 2, n, n - n * 9 // 10], live
'
run "sizes:$dir/sizes" --allocator ideal,glibc,tlsf,xvmalloc --json -
expect_status 0 json
if command -v python3 >/dev/null; then
	python3 -c "$check_json" "$dir/out" || fail "json: see above"
fi
run "sizes:$dir/sizes" --allocator ideal --json "$dir/j"
expect_out '^ideal' 'json to a file'
grep -q '"schema": "xvfrag/2"' "$dir/j" || fail "json: no file written"

# ---- threads -------------------------------------------------------------------------

run "sizes:$dir/sizes" --allocator xvmalloc,glibc,tlsf,ideal,zram --threads 4
expect_status 0 threads
expect_out '^4 threads\. Mops/s: ' threads
expect_out '^allocator .* ns/op +p99\.99 +Mops/s  behind$' threads
expect_out '^xvmalloc( +[1-9]\.[0-9]{3}){8} +[0-9]+ +[0-9]+ +[0-9]+\.[0-9]{2}  [-a-z]+$' threads
expect_out '^glibc +[1-9]' threads
expect_out '^not run: (zram|tlsf|ideal): it takes one thread: leave out --threads' threads
awk '!/pages of 4096/ && length($0) > 135 { exit 1 }' "$dir/out" || fail "threads: a line of more than 135 columns"
run "sizes:$dir/sizes" --allocator glibc,tlsf
grep -q Mops "$dir/out" && fail "one thread: the table speaks of threads"
run "sizes:$dir/sizes" --allocator "glibc,plugin:$plugins/xvfrag_plugin_NONE.so,plugin:$plugins/xvfrag_plugin_THREADS.so" \
	--threads 2
expect_status 0 "threads, plugins"
expect_out '^bad +1\.' "threads, plugin that takes them"
expect_out '^not run: bad: it takes one thread' "threads, plugin that does not take them"

# ---- settings of xvmalloc, pictures ------------------------------------------------------

run "sizes:$dir/sizes" --allocator xvmalloc:shards=1,xvmalloc-nosplit:lock=spin,xvmalloc:lock=none,xvmalloc
expect_status 0 settings
for name in xvmalloc:shards=1 xvmalloc-nosplit:lock=spin xvmalloc:lock=none xvmalloc; do
	expect_out "^$name +1\\.[0-9]{3} .*  (-|xv[a-z:=0-9-]+)\$" settings
done

run "sizes:$dir/sizes" "trace:$dir/trace" --allocator all,xvmalloc:shards=1 --plot "$dir/it's" --map "$dir/map.svg"
expect_status 0 pictures
for name in xvmalloc glibc tlsf ideal xvmalloc:shards=1; do # a setting was named: it is drawn
	grep -q "title \"$name\"" "$dir/it's/xvfrag.gp" || fail "plot: no bars of $name"
done
grep -Eq 'title "(xvmalloc-|slub|slob)' "$dir/it's/xvfrag.gp" && fail "plot: rows that nobody named"
[ "$(grep -o "'#1f5fa8' title \"xvmalloc\"" "$dir/it's/xvfrag.gp" | wc -l)" -eq 2 ] ||
	fail "plot: xvmalloc has not one colour in both pictures"
grep -q 'before compaction.*' "$dir/map.svg" && grep -q '</svg>' "$dir/map.svg" || fail "map: no picture"
overhead() { grep -o 'overhead [0-9.]*' "$dir/map.svg" | sed -n "$1p" | cut -c10-; }
awk -v before="$(overhead 1)" -v after="$(overhead 2)" \
	'BEGIN { exit !(before > 1.2 && after > 1 && after < 1.1) }' || fail "map: compaction gains nothing"
if command -v gnuplot >/dev/null; then
	for picture in overhead-1 frontier-1 overhead-2 frontier-2; do
		grep -q '<svg' "$dir/it's/$picture.svg" || fail "plot: no $picture.svg"
	done
	[ -s "$dir/err" ] && fail "plot: $(cat "$dir/err")"
fi
run "sizes:$dir/sizes" --allocator ideal --plot "$dir/no/such"
expect_status 1 'pictures into nowhere'
expect_err 'cannot make directory .*/no/such: No such file' 'pictures into nowhere'
run "sizes:$dir/sizes" --allocator ideal --map "$dir/no/such.svg"
expect_status 1 'a map into nowhere'

# ---- files, recording, traces ------------------------------------------------------

run --allocator ideal --record "$dir/recorded" /bin/sh
expect_status 0 record
run "sizes:$dir/recorded" --allocator ideal
expect_status 0 'sizes as recorded'
pages=$(wc -c <"$(readlink -f /bin/sh)" | awk '{ print int(($1 + 4095) / 4096) }')
[ "$(wc -l <"$dir/recorded")" -eq "$pages" ] || fail "record: not a line for each of $pages pages"

run "trace:$dir/trace" --allocator ideal,zram --json -
expect_status 0 trace
json "[(r['phase'], r['live_objects'], r['held_bytes']) for r in rows] == [
	('peak', 3, 600), ('end', 2, 250)]" trace
expect_err 'not run: zram: ' trace

# This shell: a process just started may not have two pages of its own yet.
run --allocator ideal "pid:$$"
expect_status 0 'pid'
expect_out "^pid:$$: [0-9]+ pages" 'pid'

# ---- plugins, good and bad: a row, and a run that goes on ---------------------------

with_plugin() { # with_plugin FAULT [ARGUMENT...]
	fault=$1
	shift
	run "sizes:$dir/sizes" --objects 4000 --allocator "plugin:$plugins/xvfrag_plugin_$fault.so,ideal" "$@"
	expect_status 0 "plugin $fault"
	expect_out '^ideal +1\.000 +1\.000' "plugin $fault"
}
with_plugin NONE
expect_out '^allocator +fill +churn +\+compact +free50 +\+compact +refill +free90 +\+compact' \
	'plugin NONE'
expect_out '^bad +1\.[0-9]+ +1\.[0-9]+ +1\.' 'plugin NONE'
expect_out '^bad +churn +2[0-9]\.[0-9]% +2[0-9]\.[0-9]% +0 +- +3 +[0-9]+\.[0-9] +[0-9]+\.[0-9] ' \
	'plugin NONE'
with_plugin SPOIL
expect_out 'FAILED: after churn\+compact an object of [0-9]+ bytes is not as it was written' \
	'plugin SPOIL'
with_plugin CRASH
expect_out 'FAILED: (killed by signal 11|exited with status [0-9]+).* in churn' 'plugin CRASH'
with_plugin HANG --timeout 5 # for ideal too, and for what comes before churn
expect_out 'FAILED: took more than 5 s.* in churn' 'plugin HANG'
with_plugin REFUSE
expect_out 'FAILED: alloc of [0-9]+ bytes failed: Cannot allocate memory' 'plugin REFUSE'
with_plugin OVERLAP
expect_out 'FAILED: after fill an object of [0-9]+ bytes is not as it was written' \
	'plugin OVERLAP'
run "sizes:$dir/sizes" --allocator "plugin:$plugins/xvfrag_plugin_CHATTY.so" --json - --objects 6000
expect_status 0 'plugin CHATTY'
grep -q '"not"' "$dir/out" && fail "plugin CHATTY: what it prints is in the JSON"
run "sizes:$dir/sizes" --allocator "plugin:$plugins/xvfrag_plugin_REFUSE.so" --objects 6000
expect_status 1 'nothing but failures'
expect_err 'no allocator gave a result' 'nothing but failures'

[ "$failures" -eq 0 ] || {
	echo "$failures checks failed"
	exit 1
}
echo "all checks passed"
