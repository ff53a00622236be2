#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# xvfrag_cli.sh XVFRAG PLUGIN_DIR: the command line of xvfrag. Each check prints a
# line when it fails; all are made. Works without jansson, jq and Python: JSON is
# looked at with grep, and with Python as well where that is there.
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

# Sizes with a spread like that of compressed pages; same-filled and raw ones too.
awk 'BEGIN { srand(7); for (i = 0; i < 4000; i++) {
	x = rand(); print x < 0.02 ? 0 : x < 0.1 ? 4096 : int(40 + 3000 * rand()) } }' >"$dir/sizes"

# ---- help, version, list ------------------------------------------------------

run --help
expect_status 0 --help
for option in allocator codec level seed objects max-input timeout sizes \
	trace record json csv plot list quiet version threads cross frontier; do
	expect_out "--$option" --help
done
awk 'length($0) > 90 { exit 1 }' "$dir/out" || fail "--help: a line of more than 90 columns"
run --version
expect_status 0 --version
expect_out '^xvfrag [0-9]+\.[0-9]+\.[0-9]+$' --version
run --list
expect_status 0 --list
for name in xvmalloc xvmalloc-nosplit xvmalloc-keyed xvmalloc-heap ideal glibc jemalloc mimalloc tcmalloc tlsf zram slub slob \
	plugin:PATH lz4; do
	expect_out "^  $name " --list
done
expect_out '^  xvmalloc:NAME=VALUE' --list

# ---- mistakes on the command line: status 2, cause and fix in one line --------

refused 2 'no option --frobnicate.*--help' --frobnicate
refused 2 'option --seed needs a value' --seed
refused 2 "no codec 'deflate' in this build; it has: lz4" --codec deflate
refused 2 '--level takes a whole number' --level fast
refused 2 '--seed takes' --seed -1
refused 2 '--objects takes' --objects 1
refused 2 '--timeout takes' --timeout 0
refused 2 '--max-input takes' --max-input 12
refused 2 "no allocator 'dlmalloc'; there are: xvmalloc" --allocator ideal,dlmalloc
refused 2 "no allocator ''" --allocator ''
refused 2 "cannot read plugin '.*/none.so': No such file" --allocator "plugin:$dir/none.so"
refused 2 'give one$' --sizes "$dir/sizes" --trace "$dir/sizes"
refused 2 'take the place of INPUT' --sizes "$dir/sizes" /usr/bin
refused 2 '--csv=FILE' --csv out.csv
refused 2 '--record writes' --sizes "$dir/sizes" --record "$dir/x"
refused 2 'only one of' --json - --csv
for number in 0 65 two -1 ''; do
	refused 2 "--threads takes a number of threads, 1 to 64, not '$number'" --threads "$number"
done
refused 2 '--cross .*; add --threads 2' --cross
refused 2 '--cross .*; add --threads 2' --cross --threads 1
for file in x x.pdf .png dir.png/x .dat; do
	refused 2 "--frontier takes a file that ends in .png, .svg or .dat, not '$file'" --frontier "$file"
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
refused 1 "$dir/bad:2: expected one size" --sizes "$dir/bad"
refused 1 "cannot open $dir/nothing" --sizes "$dir/nothing"
printf 'a 1 10\nf 2\n' >"$dir/bad"
refused 1 "$dir/bad:2: no object 2 is live" --trace "$dir/bad"
refused 1 "cannot write $dir/no/such" --record "$dir/no/such" --allocator ideal /bin/sh

# ---- a run: table ------------------------------------------------------------------

run --sizes "$dir/sizes" --allocator ideal,glibc
expect_status 0 'table'
expect_out '^allocator +fill +churn +free50 +refill +free90' 'table'
expect_out '^ideal +1\.000 +1\.000 +1\.000 +1\.000 +1\.000' 'table'
expect_out '^glibc +[0-9]+\.[0-9]{3} ' 'table'
expect_out '4000 pages of 4096' 'table'
[ -s "$dir/err" ] && fail "table: something on standard error: $(cat "$dir/err")"

run --sizes "$dir/sizes" --allocator xvmalloc:page=16K
expect_status 0 'xvmalloc'
expect_out '^xvmalloc:page=16K +1\.[0-9]{3} ' 'xvmalloc'

# Compaction: its columns, and a second table under the first.
run --sizes "$dir/sizes" --allocator xvmalloc,xvmalloc-nosplit
expect_status 0 'compaction'
expect_out '^allocator +fill +churn \+compact +free50 \+compact +refill +free90 \+compact ' 'compaction'
expect_out '^xvmalloc( +[1-9]\.[0-9]{3}){8} ' 'compaction'
expect_out '^xvmalloc-nosplit +1\.[0-9]{3} +1\.[0-9]{3} +- ' 'compaction'
expect_out '^\+compact +after +split +then +freed KiB moved/freed +steps' 'compaction'
for phase in churn free50 free90; do
	expect_out "^xvmalloc +$phase( +[0-9]+\\.[0-9]%){2} +[0-9]+ +[0-9.]+ +[0-9]+ +" 'compaction'
done
grep -Eq '^xvmalloc-nosplit +churn' "$dir/out" && fail "compaction: xvmalloc-nosplit compacts"
awk '!/pages of 4096/ && length($0) > 120 { exit 1 }' "$dir/out" || fail "table: a line of more than 120 columns"

# Held bytes against the resident set. A sanitizer has a resident set of its own.
grep -q '__[at]san_init' "$xvfrag" && limit=1000000000 || limit=65536
for provider in mmap highmem buffer; do
	run --sizes "$dir/sizes" --allocator xvmalloc:provider=$provider --csv
	expect_status 0 "xvmalloc on $provider"
	expect_out ',xvmalloc:provider=.*,free90\+compact,' "xvmalloc on $provider"
	[ $provider = mmap ] || continue # the others' pages are not, or stay, resident
	awk -F, -v limit="$limit" 'NR > 1 && ($8 > $7 * 1.01 + limit || $8 < $7 * 0.99 - 65536) {
		print "    held", $7, "resident", $8, "after", $4; bad = 1 } END { exit bad }' \
		"$dir/out" || fail "xvmalloc on $provider: held bytes are not what is resident"
done

# ---- a run: CSV, and the same run twice --------------------------------------------

counts() { # requested and held bytes of each phase
	seed=$1
	shift
	run --sizes "$dir/sizes" --allocator ideal,slub --csv --seed "$seed" "$@"
	expect_status 0 'csv'
	cut -d, -f3-7 "$dir/out"
}
counts 5 >"$dir/first"
counts 5 >"$dir/second"
counts 6 >"$dir/third"
counts 5 --threads 3 --cross | grep '^ideal' >"$dir/threads"
cmp -s "$dir/first" "$dir/second" || fail "csv: the same seed gave other numbers"
grep '^ideal' "$dir/first" | cmp -s - "$dir/threads" || fail "csv: threads changed what is live"
cmp -s "$dir/first" "$dir/third" && fail "csv: another seed gave the same numbers"
expect_out '^input,codec,allocator,phase,live_objects,requested_bytes,held_bytes,' csv
[ "$(wc -l <"$dir/out")" -eq 11 ] || fail "csv: not a header and 2 * 5 rows"
awk -F, 'NF != 25 { exit 1 }' "$dir/out" || fail "csv: a row without 25 columns"
run --sizes "$dir/sizes" --allocator "plugin:$plugins/xvfrag_plugin_NONE.so" --csv
expect_out ',split_share,moved_bytes,freed_bytes,longest_step_ns,p99_step_ns,threads,cross,guarded,ops_per_s' csv
expect_out ',bad,churn,.*,0\.2[0-9]+,,,,,1,0,0,[1-9]' csv
expect_out ',bad,churn\+compact,.*,3,0,[0-9.e+]+,,,,,0\.2[0-9]+,3000,0,[0-9]+,[0-9]+,1,0,0,.?$' csv

# ---- a run: JSON ---------------------------------------------------------------------

check_json='
import json, sys
d = json.load(open(sys.argv[1]))
assert d["schema"] == "xvfrag/1"
m = d["machine"]
for k in "os kernel cpu cores mem_bytes page_bytes libc version date".split():
    assert m[k], k
keys = ("input codec allocator phase live_objects requested_bytes held_bytes "
        "rss_bytes overhead ops ns_per_op p50_ns p99_ns p9999_ns max_ns split_share "
        "moved_bytes freed_bytes longest_step_ns p99_step_ns threads cross guarded "
        "ops_per_s").split()
phases = [r["phase"] for r in d["results"]]
assert phases == ["fill", "churn", "free50", "refill", "free90"] * 2, phases
for r in d["results"]:
    for k in keys:
        assert k in r, k
    assert r["threads"] == 1 and r["cross"] is False and r["guarded"] is False
    assert abs(r["overhead"] - r["held_bytes"] / r["requested_bytes"]) < 1e-4
    if r["allocator"] == "glibc":
        assert r["held_bytes"] == r["rss_bytes"] > r["requested_bytes"]
        assert 0 < r["p50_ns"] <= r["p99_ns"] <= r["p9999_ns"] <= r["max_ns"]
        assert 0 < r["ns_per_op"] <= r["max_ns"]
        # By the clock, with filling: no faster than the operations alone.
        assert 0 < r["ops_per_s"] < 1.3e9 / r["ns_per_op"]
    else:
        assert r["rss_bytes"] is None and r["ns_per_op"] is None
        assert r["held_bytes"] == r["requested_bytes"]
live = [r["live_objects"] for r in d["results"]][:5]
n = live[0]
assert live == [n, n, n - n // 2, n, n - n * 9 // 10], live
'
check_compaction_json='
import json, sys
rows = json.load(open(sys.argv[1]))["results"]
for r in rows:
    assert 0 <= r["split_share"] <= 1, r
    compact = r["phase"].endswith("+compact")
    for k in "moved_bytes freed_bytes longest_step_ns p99_step_ns".split():
        assert (r[k] is not None) == compact, (k, r)
    assert (r["p50_ns"] is None) == compact and (r["max_ns"] is None) == compact, r
    if compact:
        assert r["ops"] >= 1 and r["longest_step_ns"] >= r["p99_step_ns"] > 0, r
phases = [r["phase"] for r in rows if r["phase"].endswith("+compact")]
assert phases == ["churn+compact", "free50+compact", "free90+compact"], phases
'
check_threads_json='
import json, sys
d = json.load(open(sys.argv[1]))
assert d["options"]["threads"] == 2 and d["options"]["cross"] is True
guarded = {"ideal": True, "glibc": False, "tlsf": True, "xvmalloc": False}
for r in d["results"]:
    assert r["threads"] == 2 and r["cross"] is True
    assert r["guarded"] is guarded.pop(r["allocator"], r["guarded"]), r
assert not guarded, guarded
'
run --sizes "$dir/sizes" --allocator ideal,glibc --json -
if [ "$status" -eq 2 ]; then
	expect_err 'built without JSON; install jansson' 'json without jansson'
else
	expect_status 0 json
	expect_out '"schema": "xvfrag/1"' json
	if command -v python3 >/dev/null; then
		python3 -c "$check_json" "$dir/out" || fail "json: see above"
		run --sizes "$dir/sizes" --allocator xvmalloc --json -
		python3 -c "$check_compaction_json" "$dir/out" || fail "json of compaction: see above"
		run --sizes "$dir/sizes" --allocator ideal,glibc,tlsf,xvmalloc --threads 2 --cross --json -
		python3 -c "$check_threads_json" "$dir/out" || fail "json of threads: see above"
	fi
	run --sizes "$dir/sizes" --allocator ideal --json "$dir/j" --csv="$dir/c"
	expect_status 0 'json and csv to files'
	expect_out '^ideal' 'json and csv to files'
	{ [ -s "$dir/j" ] && [ -s "$dir/c" ]; } || fail "json and csv: files not written"
fi

# ---- threads -------------------------------------------------------------------------

run --sizes "$dir/sizes" --allocator xvmalloc,glibc,tlsf,ideal,zram --threads 4
expect_status 0 threads
expect_out '^4 threads\. Mops/s: ' threads
expect_out '^allocator .* ns/op +p99\.99 +Mops/s$' threads
expect_out '^xvmalloc( +[1-9]\.[0-9]{3}){8} +[0-9]+ +[0-9]+ +[0-9]+\.[0-9]{2}$' threads
expect_out '^glibc +[1-9]' threads
expect_out '^tlsf\* +1\.' threads
expect_out '^ideal\*( +1\.000){2} +- +1\.000 .* - +- +-$' threads
expect_out '^not run: zram: .*leave out --threads' threads
awk '!/pages of 4096/ && length($0) > 120 { exit 1 }' "$dir/out" || fail "threads: a line of more than 120 columns"
run --sizes "$dir/sizes" --allocator glibc,tlsf
grep -Eq 'Mops|\*' "$dir/out" && fail "one thread: the table speaks of threads"
run --sizes "$dir/sizes" --allocator glibc --threads 2 --cross
expect_out "^2 threads, freeing each other's objects\. " cross
for plugin in NONE:1 THREADS:0; do # a mutex where the plugin does not say that it needs none
	run --sizes "$dir/sizes" --allocator "plugin:$plugins/xvfrag_plugin_${plugin%:*}.so" --threads 2 --csv
	expect_status 0 "threads, plugin $plugin"
	expect_out ",bad,churn,.*,2,0,${plugin#*:},[1-9]" "threads, plugin $plugin"
done
run --sizes "$dir/sizes" --allocator "plugin:$plugins/xvfrag_plugin_REFUSE.so,ideal" --threads 8 --cross --objects 6000
expect_out 'FAILED: alloc of [0-9]+ bytes failed: Cannot allocate memory' 'threads, plugin REFUSE'
expect_out '^ideal\* +1\.000' 'threads, plugin REFUSE'

# ---- settings of xvmalloc, and the frontier --------------------------------------------

run --sizes "$dir/sizes" --csv \
	--allocator xvmalloc:shards=1,xvmalloc-nosplit:lock=spin,xvmalloc:lock=none,xvmalloc
expect_status 0 settings
for name in xvmalloc:shards=1 xvmalloc-nosplit:lock=spin xvmalloc:lock=none xvmalloc; do
	expect_out ",$name,free90," settings
done

run --sizes "$dir/sizes" --allocator xvmalloc,xvmalloc-nosplit,xvmalloc-keyed,glibc,ideal \
	--frontier "$dir/it's.svg"
expect_status 0 frontier
expect_out '^frontier +ns/op overhead$' frontier
for name in xvmalloc xvmalloc-nosplit xvmalloc-keyed glibc; do
	expect_out "^$name +[0-9]+\\.[0-9] +[1-9]\\.[0-9]{3}  (on it|behind [xg])" frontier
	grep -Eq "^\"$name\" [0-9.]+ [0-9.]+ ([0-9.]+|\?)\$" "$dir/it's.dat" ||
		fail "frontier: no line of $name in its data"
done
expect_out '  on it$' frontier
grep -q '^"ideal"' "$dir/it's.dat" && fail "frontier: ideal has no times"
if command -v gnuplot >/dev/null; then
	grep -q '<svg' "$dir/it's.svg" || fail "frontier: no SVG drawn"
	[ -s "$dir/err" ] && fail "frontier: $(cat "$dir/err")"
	run --sizes "$dir/sizes" --allocator glibc --frontier "$dir/f.png"
	expect_status 0 'frontier as PNG'
	[ -s "$dir/err" ] && fail "frontier of one: $(cat "$dir/err")"
	head -c 8 "$dir/f.png" | grep -q PNG || fail "frontier: no PNG drawn"
	grep -q xvmalloc "$dir/f.dat" && fail "frontier: xvmalloc where it was not asked for"
fi
run --sizes "$dir/sizes" --allocator glibc,tlsf --threads 2 --frontier "$dir/only.dat" --csv
expect_status 0 'frontier as data'
expect_out ',glibc,' 'frontier as data'
[ -s "$dir/only.dat" ] || fail "frontier: no data written"
[ -e "$dir/only.gp" ] && fail "frontier: a script where only data was asked for"
run --sizes "$dir/sizes" --allocator ideal --frontier "$dir/none.svg"
expect_status 0 'frontier of nobody'
expect_err 'no allocator has both times and an overhead' 'frontier of nobody'
run --sizes "$dir/sizes" --allocator ideal --frontier "$dir/no/such.png"
expect_status 1 'frontier into nowhere'
expect_err 'cannot write .*/no/such.dat: No such file' 'frontier into nowhere'

# ---- files, recording, traces ------------------------------------------------------

run --allocator ideal --record "$dir/recorded" /bin/sh
expect_status 0 record
run --sizes "$dir/recorded" --allocator ideal
expect_status 0 'sizes as recorded'
pages=$(wc -c <"$(readlink -f /bin/sh)" | awk '{ print int(($1 + 4095) / 4096) }')
[ "$(wc -l <"$dir/recorded")" -eq "$pages" ] || fail "record: not a line for each of $pages pages"

printf 'M 100\nM 200\nM 300\nF 0\nF 0\nM 50\n' >"$dir/trace"
run --trace "$dir/trace" --allocator ideal,zram --csv
expect_status 0 trace
expect_out ',ideal,peak,3,600,600,' trace
expect_out ',ideal,end,2,250,250,' trace
expect_err 'not run: zram: ' trace

# This shell: a process just started may not have two pages of its own yet.
run --allocator ideal "pid:$$"
expect_status 0 'pid'
expect_out "^pid:$$: [0-9]+ pages" 'pid'

# ---- plugins, good and bad: a row, and a run that goes on ---------------------------

with_plugin() { # with_plugin FAULT [ARGUMENT...]
	fault=$1
	shift
	run --sizes "$dir/sizes" --objects 4000 --allocator "plugin:$plugins/xvfrag_plugin_$fault.so,ideal" "$@"
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
run --sizes "$dir/sizes" --allocator "plugin:$plugins/xvfrag_plugin_CHATTY.so" --csv --objects 6000
expect_status 0 'plugin CHATTY'
grep -q json "$dir/out" && fail "plugin CHATTY: what it prints is in the CSV"
run --sizes "$dir/sizes" --allocator "plugin:$plugins/xvfrag_plugin_REFUSE.so" --objects 6000
expect_status 1 'nothing but failures'
expect_err 'no allocator gave a result' 'nothing but failures'

[ "$failures" -eq 0 ] || {
	echo "$failures checks failed"
	exit 1
}
echo "all checks passed"
