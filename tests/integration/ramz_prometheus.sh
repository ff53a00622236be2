#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# ramz_prometheus.sh RAMZ FAKE_CONTROL DOCS [PLUGIN]: ramz stat --prometheus, and the dashboard and
# the page in DOCS that name its metrics. Without PLUGIN against a server that answers what each
# check wants (fake_control.c); with PLUGIN against nbdkit, skipped (77) where it is missing. Each
# check prints a line when it fails; all are made.
set -u
ramz=${1:?usage: ramz_prometheus.sh RAMZ FAKE_CONTROL DOCS [PLUGIN]}
fake=${2:?usage: ramz_prometheus.sh RAMZ FAKE_CONTROL DOCS [PLUGIN]}
docs=${3:?usage: ramz_prometheus.sh RAMZ FAKE_CONTROL DOCS [PLUGIN]}
plugin=${4-}
dir=$(mktemp -d) || exit 1
servers=
end() {
	for server in $servers; do kill "$server" 2>/dev/null; done
	for file in "$dir"/run/ramz/*.pid; do
		[ -f "$file" ] && kill "$(cat "$file")" 2>/dev/null
	done
	rm -rf "$dir" "/run/ramz-xv$$"
}
trap end EXIT
# shellcheck source=tests/support/ramz.sh
. "$(dirname "$0")/../support/ramz.sh"

XDG_RUNTIME_DIR=$dir/run
export XDG_RUNTIME_DIR
mkdir -m 700 "$dir/run" "$dir/run/ramz" "$dir/answers"
sockets=$dir/run/ramz

# Is FILE in the format? HELP and TYPE stand before a metric, its series together, each once, a
# counter's name ends with _total and no other's, and a histogram's buckets do not fall.
check_format() { # check_format FILE
	awk '
		function wrong(text) { print "line " NR ": " text ": " $0; bad = 1 }
		/^# HELP ramz_[a-z_]* [A-Z1].*[.]$/ { if ($3 in helped) wrong("twice"); helped[$3] = 1; last = $3; next }
		/^# TYPE ramz_[a-z_]* (gauge|counter|histogram)$/ {
			if ($3 != last) wrong("not behind its HELP")
			if (($4 == "counter") != ($3 ~ /_total$/)) wrong("not named for its type")
			type = $4
			next
		}
		!/^ramz_[a-z_]*([{]([a-z]+="([^"\\]|\\["\\n])*",?)+[}])? -?[0-9][0-9.e+-]*$/ { wrong("no sample"); next }
		{
			name = $0
			sub(/[{ ].*/, "", name)
			series = $0
			sub(/ [^ ]*$/, "", series)
			if (series in seen) wrong("twice")
			seen[series] = 1
			if (type == "histogram") sub(/_(bucket|sum|count)$/, "", name)
			if (name != last) wrong("not behind its HELP and TYPE")
			if (/_bucket[{]/) {
				disk = $0
				sub(/,le=.*/, "", disk)
				if (disk == before && $NF + 0 < below + 0) wrong("a bucket with less than the one below")
				before = disk
				below = $NF
			}
		}
		END { exit bad || NR == 0 }' "$1" || fail "$1 is not in the format"
	if command -v promtool >/dev/null; then
		promtool check metrics <"$1" >"$dir/promtool" 2>&1 || fail "promtool: $(head -n 5 "$dir/promtool")"
		[ ! -s "$dir/promtool" ] || fail "promtool: $(head -n 5 "$dir/promtool")"
	else
		echo "not checked by promtool, which is not there (Debian: apt-get install prometheus)"
	fi
}

# Has every metric a series?
check_complete() { # check_complete FILE
	for name in $(sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' "$1"); do
		grep -Eq "^$name(_count)?[{ ]" "$1" || fail "$name has no series"
	done
}

# ---- the real nbdkit ------------------------------------------------------------------

if [ -n "$plugin" ]; then
	command -v nbdkit >/dev/null || {
		echo "skipped: there is no nbdkit (Debian: apt-get install nbdkit)"
		exit 77
	}
	runs serve 64M --name all --plugin "$plugin" --file "$dir/disk.ramz" hard-limit=32M soft-limit=16M \
		warm=lz4:9 backing="$dir/backing" backing-size=64M
	if command -v nbdcopy >/dev/null; then
		head -c 4194304 "$ramz" >"$dir/image"
		truncate -s 4M "$dir/image"
		nbdcopy "$dir/image" "nbd+unix:///?socket=$sockets/all.nbd" || fail nbdcopy
	fi
	runs stat --prometheus --name all
	check_format "$dir/out"
	check_complete "$dir/out"
	says '^ramz_size_bytes[{]disk="all"[}] 67108864$'
	says '^ramz_hard_limit_bytes[{]disk="all"[}] 33554432$'
	says '^ramz_unsaved[{]disk="all"[}] 1$'
	says '^ramz_backing_size_bytes[{]disk="all"[}] 67108864$'
	says '^ramz_policy_running[{]disk="all"[}] 1$'
	says '^ramz_tier_pages[{]disk="all",tier="1"[}] 0$'
	if command -v nbdcopy >/dev/null; then
		says '^ramz_page_writes_total[{]disk="all"[}] [1-9]'
		says '^ramz_write_seconds_count[{]disk="all"[}] [1-9]'
		says '^ramz_write_seconds_sum[{]disk="all"[}] [0-9.e-]*[1-9]'
		sum=$(awk '/^ramz_held_part_bytes/ { sum += $NF } /^ramz_held_bytes/ { sum -= $NF } END { print sum }' "$dir/out")
		[ "$sum" -eq 0 ] || fail "the parts are $sum bytes more than what is held"
		pages=$(awk '/^ramz_pages/ { sum += $NF } /^ramz_age_pages/ { sum -= $NF } END { print sum }' "$dir/out")
		[ "$pages" -eq 0 ] || fail "by form there are $pages pages more than by age"
	fi
	# Every metric that the documents name is there.
	for name in $(grep -oh 'ramz_[a-z_]*[a-z]' "$docs/grafana.json" "$docs/monitoring.md" | sort -u); do
		grep -Eq "^$name(\{| )" "$dir/out" || grep -q "^# TYPE $name histogram" "$dir/out" ||
			fail "docs: no metric $name"
	done
	process=$(cat "$sockets/all.pid")
	kill "$process"
	while kill -0 "$process" 2>/dev/null; do sleep 0.05; done # it saves into the directory
	finish
fi

# ---- mistakes on the command line -------------------------------------------------------

refused 2 '--prometheus is a form, as --zram and --json are' stat --prometheus --json
refused 2 '--prometheus is a form, as --zram and --json are' stat --prometheus --zram
refused 2 '--prometheus shows counters as they are, once' stat --prometheus --watch 1
refused 2 '--prometheus shows counters as they are, once' stat --prometheus --reset-peak
refused 2 '--output is the file of --prometheus' stat --output "$dir/x"
refused 2 'ramz compact has no option --prometheus' compact --prometheus
refused 1 'no disk none is served' stat --prometheus --name none

# ---- the documents ------------------------------------------------------------------------

# The dashboard's queries and the alert are such as Prometheus takes.
if command -v python3 >/dev/null; then
	{
		python3 - "$docs/grafana.json" <<-'END' || fail 'docs/grafana.json is not read'
			import json, sys
			print("groups:\n- name: documents\n  rules:")
			queries = [target["expr"] for panel in json.load(open(sys.argv[1]))["panels"] for target in panel["targets"]]
			for number, query in enumerate(queries):
			    query = query.replace("$disk", ".*").replace("$__rate_interval", "5m")
			    print(f"  - record: query_{number}\n    expr: {json.dumps(query)}")
		END
		sed -n '/^- alert/,/^```/{/^```/d; s/^/  /; p}' "$docs/monitoring.md"
	} >"$dir/rules.yml"
	grep -q 'alert: RamzDiskDown' "$dir/rules.yml" || fail 'docs/monitoring.md has no alert'
	if command -v promtool >/dev/null; then
		promtool check rules "$dir/rules.yml" >"$dir/promtool" 2>&1 || fail "the documents: $(cat "$dir/promtool")"
	fi
fi

# ---- all disks ------------------------------------------------------------------------------

serve() { # serve SOCKET: $server is its process
	server=$("$fake" "$1" "$dir/answers") || {
		echo "FAILED: the fake server did not start"
		exit 1
	}
	servers="$servers $server"
}

# root's other disks are not the test's.
mine() { grep -E '^#|disk="(one|two|twin)"' "$dir/out" >"$dir/mine"; }

printf '%s\n' '{"ok": true, "format": 1, "pid": 4711, "codec": "zstd", "level": -3, "uptime_seconds": 60,
"clients": 3, "stats": {"page_bytes": 4096, "size_bytes": 1048576, "held_bytes": 12345, "reads": 18446744073,
"pool": {"held_bytes": 77}, "pages_raw": 50}, "policy": {"running": true, "wait_ns": 1500000000, "pressure": 1234},
"backing": {"segments": 4, "free_segments": 1}, "ages": [1, 2, 3, 4, 5, 6, 7, 8], "tiers": [
{"tier": 1, "pages": 11, "dictionary_bytes": 100}, {"tier": 2, "pages": 22, "dictionary_bytes": 0}],
"saves": {"stale": false, "last_at": 1700000000}, "read_latency": {"count": 9, "sum_ns": 2500,
"buckets": [[7, 1], [55, 2], [56, 4], [279, 2]]}}' | tr -d '\n' >"$dir/answers/stat"
echo >>"$dir/answers/stat"
serve "$sockets/one.ctl"
serve "$sockets/two.ctl"
two=$server
runs stat --prometheus
check_format "$dir/out"
says '^ramz_disks [2-9]'
for disk in one two; do
	says "^ramz_up[{]disk=\"$disk\"[}] 1$"
	says "^ramz_info[{]disk=\"$disk\",codec=\"zstd\",level=\"-3\"[}] 1$"
	says "^ramz_page_reads_total[{]disk=\"$disk\"[}] 18446744073$"
	says "^ramz_held_part_bytes[{]disk=\"$disk\",part=\"pool\"[}] 77$"
	says "^ramz_pages[{]disk=\"$disk\",form=\"raw\"[}] 50$"
	says "^ramz_tier_pages[{]disk=\"$disk\",tier=\"2\"[}] 22$"
	says "^ramz_age_pages[{]disk=\"$disk\",age=\"16\"[}] 6$"
	says "^ramz_backing_size_bytes[{]disk=\"$disk\"[}] 1048576$"
	says "^ramz_policy_wait_seconds_total[{]disk=\"$disk\"[}] 1[.]5$"
	says "^ramz_policy_pressure_ratio[{]disk=\"$disk\"[}] 0[.]1234$"
	says "^ramz_policy_running[{]disk=\"$disk\"[}] 1$"
	says "^ramz_unsaved[{]disk=\"$disk\"[}] 0$"
	says "^ramz_last_save_timestamp_seconds[{]disk=\"$disk\"[}] 1700000000$"
done
# Buckets 7 and 55 are below 512 ns, 56 begins there, 279 is the last one.
says '^ramz_read_seconds_bucket[{]disk="one",le="5[.]12e-07"[}] 3$'
says '^ramz_read_seconds_bucket[{]disk="one",le="1[.]024e-06"[}] 7$'
says '^ramz_read_seconds_bucket[{]disk="one",le="2[.]147483648"[}] 7$'
says '^ramz_read_seconds_bucket[{]disk="one",le="[+]Inf"[}] 9$'
says '^ramz_read_seconds_sum[{]disk="one"[}] 2[.]5e-06$'
grep -q '^ramz_page_writes_total{disk="one"}' "$dir/out" && fail 'a series of what the server does not tell'
runs stat --prometheus --name two
says '^ramz_disks 1$'
grep -q 'disk="one"' "$dir/out" && fail '--name two: another disk is there'

# A server that was killed: up 0, the others as they are, and the status is 0.
kill -9 "$two"
while kill -0 "$two" 2>/dev/null && ! grep -qs ') Z' "/proc/$two/stat"; do sleep 0.01; done
run stat --prometheus
[ "$status" -eq 0 ] || fail "with a dead server: status $status"
grep -q "^ramz: nobody listens on $sockets/two.ctl" "$dir/err" || fail "with a dead server: $(cat "$dir/err")"
says '^ramz_up[{]disk="one"[}] 1$'
says '^ramz_up[{]disk="two"[}] 0$'
mine
grep -v '^ramz_up' "$dir/mine" | grep -q 'disk="two"' && fail 'counters of a dead server'
check_format "$dir/out"

# Root sees the services' disks too, which are another user's.
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null && mkdir "/run/ramz-xv$$"; then
	cp "$fake" "$dir/answers/fake"
	chmod 755 "$dir"
	chown -R 65534 "$dir/answers" "/run/ramz-xv$$"
	server=$(setpriv --reuid=65534 --clear-groups "$dir/answers/fake" "/run/ramz-xv$$/disk.ctl" "$dir/answers")
	servers="$servers $server"
	run stat --prometheus
	says "^ramz_up[{]disk=\"/run/ramz-xv$$/disk.ctl\"[}] 1$"
	check_format "$dir/out"
fi

# ---- labels -------------------------------------------------------------------------------

odd="$dir/a\"b\\c
d$(printf '\377')"
serve "$odd"
runs stat --prometheus --socket "$odd"
check_format "$dir/out"
grep -Fq "ramz_up{disk=\"$dir/a\\\"b\\\\c\\nd?\"} 1" "$dir/out" || fail "an odd label: $(grep ramz_up "$dir/out")"

# ---- a file -------------------------------------------------------------------------------

echo old >"$dir/ramz.prom"
chmod 600 "$dir/ramz.prom"
ln "$dir/ramz.prom" "$dir/old"
runs stat --prometheus --name one --output "$dir/ramz.prom"
[ ! -s "$dir/out" ] || fail '--output: something on standard output'
check_format "$dir/ramz.prom"
[ "$(stat -c %a "$dir/ramz.prom")" = 644 ] || fail "--output: its reader is another user"
[ "$(cat "$dir/old")" = old ] || fail '--output: the old file was written to'
refused 1 'cannot write .*/none/x[.].*: No such file' stat --prometheus --name one --output "$dir/none/x"
mkdir "$dir/directory.prom"
refused 1 'cannot write .*/directory.prom: .*; what was there is left' stat --prometheus --name one \
	--output "$dir/directory.prom"
[ "$(find "$dir" -name '*.prom.*')" = '' ] || fail 'a temporary file is left'
finish
