#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# ramz_control.sh RAMZ FAKE_CONTROL: the subcommands that ask a served disk, against a
# server that answers what each check wants (fake_control.c). Each check prints a line when
# it fails; all are made.
set -u
ramz=${1:?usage: ramz_control.sh RAMZ FAKE_CONTROL}
fake=${2:?usage: ramz_control.sh RAMZ FAKE_CONTROL}
case $ramz in /*) ;; *) ramz=$PWD/$ramz ;; esac
dir=$(mktemp -d) || exit 1
servers=
end() {
	for server in $servers; do kill "$server" 2>/dev/null; done
	rm -rf "$dir"
}
trap end EXIT
# shellcheck source=tests/support/ramz.sh
. "$(dirname "$0")/../support/ramz.sh"
asks='stat state compact trim idle recompress writeback backing limit codec save'

XDG_RUNTIME_DIR=$dir/run
export XDG_RUNTIME_DIR
mkdir -m 700 "$dir/run" "$dir/run/ramz" "$dir/answers" "$dir/slow"
sockets=$dir/run/ramz
answers=$dir/answers

serve() { # serve SOCKET DIRECTORY [DELAY_MS]: $server is its process
	server=$("$fake" "$@") || {
		echo "FAILED: the fake server did not start"
		exit 1
	}
	servers="$servers $server"
}

asked() { # asked LINE: the last request that came
	[ "$(tail -n 1 "$answers/log")" = "$1" ] ||
		fail "the server was asked '$(tail -n 1 "$answers/log")', not '$1'"
}

answer() { # answer COMMAND TEXT: what the server says from now on, as one line
	printf '%s\n' "$2" >"$answers/$1"
}

shown() { # shown LINES: wait until they are on standard output
	for _ in $(seq 1000); do
		[ "$(wc -l <"$dir/out")" -ge "$1" ] && return
		sleep 0.02
	done
	fail "stat --watch: $(cat "$dir/out" "$dir/err")"
}

watched() { # watched LINES: the same, and then end $watch
	shown "$1"
	kill "$watch"
	wait "$watch" 2>/dev/null
}

watch() { # watch ARGUMENT...: ramz stat with these, in the background
	: >"$dir/out" # what was there is not its
	"$ramz" stat "$@" >"$dir/out" 2>"$dir/err" &
	watch=$!
}

watches() { # watches LINES ARGUMENT...: the same, until it has shown so much
	want=$1
	shift
	watch "$@"
	watched "$want"
}

# answer_stat READS WRITES PID: counters that name their places.
answer_stat() {
	answer stat '{"ok": true, "format": 1, "pid": '"$3"', "size_bytes": 1073741824,
		"page_bytes": 4096, "codec": "zstd", "level": -3, "soft_limit_bytes": 268435456,
		"hard_limit_bytes": 536870912, "file": "/srv/disk.ramz", "clients": 3, "uptime_seconds": 3725,
		"stats": {"size_bytes": 1073741824, "page_bytes": 4096,
		"pages_stored": 1000, "pages_same_filled": 100, "pages_compressed": 850,
		"pages_raw": 50, "pages_zero": 60, "pages_good_compress": 700, "pages_shared": 30,
		"stored_bytes": 1500000, "checksum_bytes": 0, "held_bytes": 1638400,
		"slot_table_bytes": 20480, "dedup_bytes": 1024, "thread_bytes": 30720,
		"store_bytes": 10240, "soft_limit_bytes": 268435456, "hard_limit_bytes": 536870912,
		"reads": '"$1"', "writes": '"$2"', "failed_reads": 3, "failed_writes": 4,
		"invalid_io": 5, "notify_free": 6, "absent_reads": 7, "same_writes": 8,
		"raw_writes": 9, "dedup_hits": 10, "retries": 11, "deferred_frees": 12,
		"bad_pages": 13, "soft_limit_hits": 14, "hard_limit_hits": 15,
		"compact_steps": 16, "compact_moved_bytes": 17408, "compact_freed_bytes": 18432,
		"compact_refused": 19, "contexts": 2,
		"ramzswap": {"num_reads": 101, "num_writes": 102, "failed_reads": 103,
		"failed_writes": 104, "invalid_io": 105, "notify_free": 106, "pages_zero": 107,
		"good_compress_pct": 80, "pages_expand_pct": 5, "pages_stored": 108,
		"pages_used": 109, "orig_data_size": 4096000, "compr_data_size": 1500000,
		"mem_used_total": 1577000, "bdev_num_reads": 0, "bdev_num_writes": 0},
		"mm_stat": {"orig_data_size": 201, "compr_data_size": 202, "mem_used_total": 203,
		"mem_limit": 204, "mem_used_max": 205, "same_pages": 206, "pages_compacted": 207,
		"huge_pages": 208, "huge_pages_since": 209},
		"bd_stat": {"bd_count": 401, "bd_reads": 402, "bd_writes": 403},
		"io_stat": {"failed_reads": 301, "failed_writes": 302, "invalid_io": 303,
		"notify_free": 304}, "pool": {"held_bytes": 1577000}},
		"read_latency": {"p50_ns": 850, "p99_ns": 1234, "p99_99_ns": 56789, "count": 10},
		"write_latency": {"p50_ns": 0, "p99_ns": 0, "p99_99_ns": 0, "count": 0}}'
	tr -d '\n\t' <"$answers/stat" >"$answers/line"
	echo >>"$answers/line"
	mv "$answers/line" "$answers/stat" # at once: it may be read just now
}

# ---- mistakes on the command line: status 2, cause and fix in one line ------------

for command in $asks snapshot resize; do
	runs $command --help
	says "^Usage: ramz $command"
	says '^  --name NAME .*  '
	awk 'length($0) > 90 { exit 1 }' "$dir/out" || fail "$command --help: a line of more than 90 columns"
	refused 2 "ramz $command has no option --frobnicate.*ramz $command --help" $command --frobnicate
	refused 2 "ramz $command has no option -q" $command -q
	refused 2 'option --name needs a value' $command --name
	refused 2 "'a/b' cannot be a disk's name: 1 to 32 letters" $command --name a/b
	refused 2 "'' cannot be a disk's name" $command --name ''
	refused 2 "'[.]x' cannot be a disk's name" $command --name .x
	refused 2 'cannot be a disk' $command --name aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
	refused 2 '--name and --socket are two ways to say which disk' $command --name a --socket b
	refused 2 "--timeout SECONDS is a whole number from 0 to 86400, not 'x'" $command --timeout x
done
refused 2 "'1' is more than ramz stat takes; see ramz stat --help" stat 1
refused 2 "'x' is more than ramz trim takes" trim x
refused 2 "'x' is more than ramz reset takes" reset --yes x
refused 2 'ramz reset drops all that the disk holds: give --yes if you mean that' reset
refused 2 'ramz reset drops all that the disk holds: give --yes' reset --force --name a
refused 2 'ramz stat has no option --yes' stat --yes
runs reset --help
says '^Usage: ramz reset --yes '
awk 'length($0) > 90 { exit 1 }' "$dir/out" || fail 'reset --help: a line of more than 90 columns'
refused 2 "'3' is more than ramz state takes" state 1 2 3
for number in -- -1 x 1.5 ''; do
	refused 2 'FIRST is the number of a page, from 0 on, not ' state -- "$number"
	refused 2 'COUNT is a number of pages, from 1 on, not ' state -- 1 "$number"
done
refused 2 "COUNT is a number of pages, from 1 on, not '0'" state 0 0
refused 2 "'2M' is more than ramz compact takes" compact 1M 2M
refused 2 "'b' is more than ramz save takes" save a b
refused 2 "'1' is more than ramz codec takes" codec lz4 1
refused 2 "'512M' is more than ramz limit takes" limit 512M
for number in 0 86401 1.5 -1 ''; do
	refused 2 "--watch SECONDS is a whole number from 1 to 86400, not '$number'" stat --watch "$number"
done
refused 2 '--zram and --json are two forms' stat --zram --json
refused 2 "--soft takes bytes, such as 512M or 1.5G, not '5X'" limit --soft 5X
refused 2 "--hard takes bytes, such as 512M or 1.5G, not ''" limit --hard ''
for bytes in 0 some 1.5 ''; do
	refused 2 "ramz compact takes bytes.*not '$bytes'" compact "$bytes"
done
refused 2 "'2' is more than ramz codec takes" codec lz4:1 2
refused 2 "'' is no codec: give NAME or NAME:LEVEL" codec ''
refused 2 "'lz4 1' is no codec" codec 'lz4 1'
refused 2 'a path with an end of line' save "a
b"
refused 2 'a path is empty' save ''
refused 2 "'1' is more than ramz idle takes" idle 1
refused 2 "'hot' is no tier: give warm or cold" recompress hot
refused 2 "'cold' is more than ramz recompress takes" recompress warm cold
refused 2 "'warm' is more than ramz writeback takes" writeback warm
for command in recompress writeback; do
	for number in 128 -1 x 1.5 ''; do
		refused 2 "--age N is a whole number from 0 to 127, not '$number'" $command --age "$number"
	done
	refused 2 '--max-pages N is a whole number from 1 ' $command --max-pages 0
	for bytes in 1.5 1GB rawer ''; do
		refused 2 "--min-bytes takes bytes.*not '$bytes'" $command --min-bytes "$bytes"
	done
done
refused 2 "ramz idle has no option --age" idle --age 1
refused 2 "'x' is more than ramz backing takes" backing file 1M x
for bytes in 0 some -1 1GB ''; do
	refused 2 "ramz backing takes bytes.*not '$bytes'" backing -- file "$bytes"
done
refused 2 'a path is empty' backing ''
refused 2 'a path with an end of line' backing "a
b"
refused 2 'ramz snapshot needs the path of a file; see ramz snapshot --help' snapshot
refused 2 'a path is empty' snapshot ''
refused 2 "'b' is more than ramz snapshot takes" snapshot a b
refused 2 'ramz resize needs the new size; see ramz resize --help' resize
for bytes in 0 some -1 1GB ''; do
	refused 2 "ramz resize takes bytes.*not '$bytes'" resize -- "$bytes"
done
refused 2 "'2M' is more than ramz resize takes" resize 1M 2M

# ---- which disk? ------------------------------------------------------------------

# root's second directory is not the test's.
if [ -z "$(find "/run/ramz" "/tmp/ramz-$(id -u)" -name '*.ctl' 2>/dev/null)" ]; then
	for command in $asks; do
		refused 1 "no disk is served .there is no socket of it in $sockets or /.*: start one with ramz serve" $command
	done
fi
refused 1 "no disk none is served .*: start one with ramz serve" stat --name none
refused 1 "there is no control socket $dir/none: start the disk" stat --socket "$dir/none"
: >"$dir/file"
refused 1 "$dir/file is not a socket: give the control socket" stat --socket "$dir/file"
refused 1 'is too long: go to its directory' stat --socket \
	"/$(awk 'BEGIN { for (i = 0; i < 107; i++) printf "x" }')"

answer_stat 1 2 4711
serve "$sockets/one.ctl" "$answers"
one=$server
runs stat
runs stat --name one
runs stat --socket "$sockets/one.ctl"
(cd "$sockets" && "$ramz" stat --socket one.ctl >/dev/null 2>&1) || fail 'a relative socket'
serve "$sockets/two.ctl" "$answers"
for command in $asks; do
	refused 1 'several disks are served; say which with --name: one two' $command
done
runs stat --name two
kill -9 "$server" # two is dead: its socket is still there
wait_dead() {
	while kill -0 "$1" 2>/dev/null && ! grep -qs ') Z' "/proc/$1/stat"; do sleep 0.01; done
}
wait_dead "$server"
runs stat
refused 1 "nobody listens on $sockets/two.ctl: its server has ended.*ramz serve" stat --name two
rm "$sockets/two.ctl"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$dir" "$dir/run" "$sockets"
	chmod 600 "$sockets/one.ctl"
	setpriv --reuid=65534 --clear-groups "$ramz" stat --socket "$sockets/one.ctl" >"$dir/out" 2>"$dir/err"
	if ! grep -q "cannot execute\|failed to execute\|Permission denied" "$dir/err"; then
		grep -q "^ramz: no permission for .*another user's disk; run ramz as that user" "$dir/err" ||
			fail "another user's socket: $(cat "$dir/err")"
	fi
	chmod 700 "$sockets"
fi

# ---- whose server? nothing is sent to another user's --------------------------------

sent() { cat "${1:-$answers}/log" 2>/dev/null | wc -l; }

before=$(sent)
for mode in 755 720 702; do
	chmod $mode "$sockets"
	for command in $asks; do
		refused 1 "$sockets is not a directory of yours alone .chmod 700.: make it so" $command
		refused 1 "$sockets is not a directory of yours alone" $command --name one
	done
done
chmod 700 "$sockets"
mkdir "$dir/real"
mv "$sockets"/* "$dir/real"
rmdir "$sockets"
chmod 700 "$dir/real"
ln -s "$dir/real" "$sockets" # a link is not the directory that it leads to
refused 1 "$sockets is not a directory of yours alone" stat --name one
refused 1 "$sockets is not a directory of yours alone" stat
rm "$sockets"
mkdir -m 700 "$sockets"
mv "$dir/real"/* "$sockets"
[ "$(sent)" -eq "$before" ] || fail 'a server in a foreign directory was asked'
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	chown 65534 "$sockets"
	for command in $asks; do
		refused 1 "$sockets is not a directory of yours alone" $command
		refused 1 "$sockets is not a directory of yours alone" $command --name one
	done
	chown 0 "$sockets"
	[ "$(sent)" -eq "$before" ] || fail 'a server in a foreign directory was asked'
	# Another user's server, whose socket has come into the user's own directory.
	chmod 755 "$dir"
	mkdir "$dir/foreign"
	cp "$fake" "$dir/foreign/fake"
	cp "$ramz" "$dir/foreign/ramz"
	cp "$answers/stat" "$dir/foreign/stat"
	chown -R 65534 "$dir/foreign"
	as_other() { setpriv --reuid=65534 --clear-groups "$@"; }
	if other=$(as_other "$dir/foreign/fake" "$dir/foreign/ctl" "$dir/foreign" 2>/dev/null); then
		servers="$servers $other"
		mv "$dir/foreign/ctl" "$sockets/theirs.ctl"
		for command in $asks; do
			refused 1 "theirs.ctl is a server of another user .number 65534., so nothing was asked" \
				$command --name theirs
			chown 0 "$sockets/theirs.ctl"
			refused 1 "theirs.ctl is a server of another user .number 65534., so nothing was asked" \
				$command --name theirs
			chown 65534 "$sockets/theirs.ctl"
		done
		[ "$(sent "$dir/foreign")" -eq 0 ] || fail "another user's server was asked"
		runs stat --socket "$sockets/theirs.ctl" # as root, who named it
		[ "$(sent "$dir/foreign")" -eq 1 ] || fail 'root cannot ask a server that he names'
		mv "$sockets/theirs.ctl" "$dir/foreign/ctl"
		as_other "$dir/foreign/ramz" stat --socket "$dir/foreign/ctl" >"$dir/out" 2>"$dir/err" ||
			fail "the user's own server: $(cat "$dir/err")"
		# A server of a third user, open to all.
		chmod 777 "$dir/foreign"
		other=$(setpriv --reuid=65533 --clear-groups "$dir/foreign/fake" "$dir/foreign/third" "$dir/foreign")
		servers="$servers $other"
		chmod 666 "$dir/foreign/third"
		before=$(sent "$dir/foreign")
		as_other "$dir/foreign/ramz" stat --socket "$dir/foreign/third" >"$dir/out" 2>"$dir/err"
		grep -q 'is a server of another user .number 65533., so nothing was asked' "$dir/err" ||
			fail "a third user's server: $(cat "$dir/err")"
		[ "$(sent "$dir/foreign")" -eq "$before" ] || fail "a third user's server was asked"
	fi
fi

# ---- stat ---------------------------------------------------------------------------

runs stat
asked stat
says '^disk +1 GiB in pages of 4 KiB, zstd level -3; process 4711, up 1:02:05$'
says '^file +/srv/disk.ramz$'
says '^stored +1000 pages +3.91 MiB$'
says '^  same-filled +100 pages +400 KiB +10.0%$'
says '^  compressed +850 pages +3.32 MiB +85.0%$'
says '^  raw +50 pages +200 KiB +5.0%$'
says '^  shared +30 pages +120 KiB +3.0%$'
says '^held +1.56 MiB '
says '^  pool +1.50 MiB$'
says '^  pool, most +205 B  since'
says '^clients +3 connected$'
says '^  slot table +20 KiB'
says '^  other +41 KiB '
says '^ratio +2.50 '
says '^soft limit +256 MiB +0.6% of it held; passed 14 times$'
says '^hard limit +512 MiB +0.3% of it held; refused 15 times$'
says '^read +1 pages +3 failed; p50 850 ns, p99 1.23 us, p99.99 56.8 us$'
says '^written +2 pages +4 failed$'
says '^discarded +6 pages$'
says '^DAMAGED +13 reads$'
says '^compaction +moved 17 KiB, gave back 18 KiB$'
awk 'length($0) > 100 { print; exit 1 }' "$dir/out" || fail "stat: a line of more than 100 columns"

answer reset-peak '{"ok": true, "held_bytes": 1}'
runs stat --reset-peak
asked reset-peak
says '^stored +1000 pages'
watches 4 --watch 1 --reset-peak --zram
[ "$(tail -n 4 "$answers/log" | tr '\n' ' ')" = 'stat reset-peak stat reset-peak ' ] ||
	fail 'stat --watch --reset-peak: not after each sample'
answer reset-peak '{"ok": false, "error": "no such command"}'
complains_after() { # as complains, with something on standard output
	run "$@"
	[ "$status" -eq 1 ] || fail "ramz $*: exit status $status, not 1"
	grep -q '^ramz: no such command$' "$dir/err" || fail "ramz $*: $(cat "$dir/err")"
}
complains_after stat --reset-peak

runs stat --zram
says '^mm_stat +201 +202 +203 +204 +205 +206 +207 +208 +209$'
says '^io_stat +301 +302 +303 +304$'
says '^bd_stat +401 +402 +403$'
[ "$(wc -l <"$dir/out")" -eq 3 ] || fail "stat --zram: not three lines"

runs stat --json
tr -d '\n ' <"$dir/out" >"$dir/got"
tr -d '\n ' <"$answers/stat" | cmp -s - "$dir/got" || fail "stat --json is not the server's document"

# Live: the counters go up between the lines. 30,000 reads and 7,000 writes in 3 s.
watch --watch 3
shown 2
answer_stat 30001 7002 4711
watched 3
says '^ +stored +held +ratio +same% +raw% +reads/s +writes/s '
says '^ 3.91 MiB  1.56 MiB +2.50 +10.0 +5.0 +- +- +- +850 ns +1.23 us +- +-$'
tail -n 1 "$dir/out" | awk '{ exit !($8 > 9000 && $8 < 10500 && $9 > 2000 && $9 < 2450 && $10 == 0) }' ||
	fail "stat --watch: wrong rates: $(tail -n 1 "$dir/out")"
watches 2 --watch 1 --json
[ "$(grep -c '^{"ok":true,.*}$' "$dir/out")" -eq 2 ] || fail 'stat --watch --json: not a line each'
watches 4 --watch=1 --zram
[ "$(grep -c '^mm_stat' "$dir/out")" -eq 2 ] || fail 'stat --watch --zram: not two samples'
# Another server: no rates against the old one's counters.
watch --watch 5
shown 2
answer_stat 90000 90000 4712
watched 3
tail -n 1 "$dir/out" | grep -Eq '5.0 +- +- +- ' || fail "stat --watch: rates over two servers"
answer_stat 1 2 4711

# On a terminal it is a screen, of which what fits is shown.
if command -v script >/dev/null; then
	answer stat '{"ok": true, "format": 1, "pid": 1, "codec": "lz4", "level": 1, "uptime_seconds": 0,
		"clients": 2, "ages": [600, 300, 0, 100, 0, 0, 0, 0], "tiers": [{"tier": 1, "codec": "zstd", "pages": 250}],
		"stats": {"size_bytes": 1073741824, "page_bytes": 4096, "pages_stored": 1000, "pages_same_filled": 100,
		"pages_compressed": 850, "pages_raw": 50, "held_bytes": 1638400, "hard_limit_bytes": 16384000,
		"reads": 0, "writes": 5, "bad_pages": 13, "notify_free": 0},
		"write_latency": {"count": 3, "sum_ns": 99, "buckets": [[56, 3]]}, "read_latency": {"count": 0}}'
	tr -d '\n\t' <"$answers/stat" >"$answers/line" && echo >>"$answers/line" && mv "$answers/line" "$answers/stat"
	screen() { # screen ROWS COLUMNS COMMAND: the last screen that ramz stat --watch drew
		script -qec "stty rows $1 cols $2; { sleep 1.5; $3; } & timeout 4 '$ramz' stat --watch 1" \
			/dev/null </dev/null >"$dir/screen" 2>&1
		tr -d '\r' <"$dir/screen" | awk '{ if (sub(/.*\033\[H\033\[J/, "")) text = ""; text = text $0 "\n" }
			END { printf "%s", text }' >"$dir/out"
	}
	screen 40 100 "sed -i 's/\"reads\": 0/\"reads\": 700/' $answers/stat"
	says '^1 GiB in pages of 4 KiB, lz4 level 1; process 1, up 0:00:00$'
	says '^3.91 MiB stored in 1.56 MiB, ratio 2.50, 10.0% of the hard limit of 15.6 MiB; clients: 2$'
	says '^DAMAGED: 13 reads$'
	says '^  read +[0-9]+   [_#]*#[_#]*$'
	says '^  written +0   _+$'
	says '^  held +1.56 MiB   #+$'
	says '^  (read|write) +-$'
	grep -Eq '^  write +p50' "$dir/out" && fail 'times of writes before the last screen'
	says '^  compressed +850 +85.0%  #{34}$'
	says '^  raw +50 +5.0%  ##$'
	says '^  tier 1 +250 +25.0%  #{10} zstd$'
	says '^  0 +600 +60.0%  #{24}$'
	says '^  4-7 +100 +10.0%  ####$'
	grep -Eq '^  (shared|2-3) ' "$dir/out" && fail 'a bar of nothing'
	screen 5 20 :
	[ "$(wc -l <"$dir/out")" -eq 4 ] || fail "a screen of 5 rows has $(wc -l <"$dir/out") lines"
	awk 'length($0) > 20 { exit 1 }' "$dir/out" || fail 'a screen of 20 columns has a longer line'
fi

answer stat '{"ok": true, "format": 2, "stats": {"page_bytes": 4096}}'
refused 1 'is newer than this ramz .format 2, not 1.: use the ramz that came with it' stat
answer stat '{"ok": true, "format": 1}'
refused 1 'has no statistics: is it a ramz disk' stat
answer_stat 1 2 4711

# ---- compact, trim, limit, codec, save ------------------------------------------------

answer compact '{"ok": true, "moved_bytes": 1048576, "moved_blocks": 9, "freed_bytes": 2097152,
"refused": 0, "pinned_pages": 0, "more": false, "held_bytes_before": 8388608, "held_bytes_after": 6291456}'
tr -d '\n' <"$answers/compact" >"$answers/line" && echo >>"$answers/line" && mv "$answers/line" "$answers/compact"
runs compact
asked compact
says '^moved 1 MiB, gave back 2 MiB; held 8 MiB, now 6 MiB$'
[ "$(wc -l <"$dir/out")" -eq 1 ] || fail 'compact: more than one line'
runs compact 16M
asked 'compact 16777216'
answer compact '{"ok": true, "more": true}'
runs compact 4096
asked 'compact 4096'
says '^there is more to move'

answer trim '{"ok": true, "given_back_bytes": 12288}'
runs trim
asked trim
says '^gave back 12 KiB$'

answer reset '{"ok": true, "held_bytes_before": 8388608, "held_bytes_after": 65536}'
runs reset --yes
asked reset
says '^emptied; held 8 MiB, now 64 KiB$'
runs reset --yes --force
asked 'reset force'

# Pages are asked for some at a time, from where the last answer ended.
answer state '{"ok": true, "pages": 262144, "page_bytes": 4096, "next": null, "state": [
[0, "same", 0, null, 0], [7, "compressed", 1234, "lz4", 2], [262143, "raw", 4096, null, 1]]}'
tr -d '\n' <"$answers/state" >"$answers/line" && echo >>"$answers/line" && mv "$answers/line" "$answers/state"
runs state
asked 'state 0 4096'
says '^ +0  same +0  -'
says '^ +7  compressed +1234  lz4 +2 share it$'
says '^ +262143  raw +4096  -'
[ "$(wc -l <"$dir/out")" -eq 3 ] || fail 'state: not three lines'
runs state 0 8
asked 'state 0 8'
says '^ +7  compressed +1234  lz4 '
[ "$(wc -l <"$dir/out")" -eq 2 ] || fail 'state 0 8: a page behind the eighth is told'
runs state 7 100000
asked 'state 7 4096'
answer state '{"ok": true, "pages": 99, "page_bytes": 4096, "next": 5, "state": [[4, "raw", 4096, null, 1]]}'
runs state 0 9 # a server that always says 5: the client does not ask for ever
[ "$(tail -n 2 "$answers/log" | tr '\n' ' ')" = 'state 0 9 state 5 4 ' ] || fail "state: asked $(tail -n 2 "$answers/log")"

answer limit '{"ok": true, "soft_limit_bytes": 0, "hard_limit_bytes": 2147483648}'
runs limit
asked 'limit - -'
says '^soft none, hard 2 GiB$'
runs limit --hard 2G
asked 'limit - 2147483648'
runs limit --soft none --hard 1t
asked 'limit 0 1099511627776'
runs limit --soft=0
asked 'limit 0 -'
runs limit --soft 2G --hard 1G # the server knows what goes together
asked 'limit 2147483648 1073741824'

answer codec '{"ok": true, "codec": "lz4", "level": -5}'
runs codec lz4
asked 'codec lz4'
says '^lz4 level -5$'
runs codec lz4:-5
asked 'codec lz4:-5'
runs codec
asked stat
says '^zstd level -3$'

answer save '{"ok": true, "file": "/srv/disk.ramz", "file_bytes": 5242880}'
runs save
asked save
says '^saved to /srv/disk.ramz, 5 MiB$'
runs save /srv/other.ramz
asked 'save /srv/other.ramz'
(cd "$answers" && "$ramz" save 'a name with  blanks' >/dev/null 2>&1) || fail 'save to a relative path'
asked "save $(cd "$answers" && pwd)/a name with  blanks"

answer idle '{"ok": true, "ages": [5, 6, 7, 0, 0, 0, 0, 8]}'
runs idle
asked idle
says '^pages by age: 0: 5, 1: 6, 2-3: 7, 64[+]: 8$'
answer idle '{"ok": true, "ages": [0, 0, 0, 0, 0, 0, 0, 0, 9]}'
runs idle
says '^pages by age: none$'

answer recompress '{"ok": true, "tier": "cold", "tried": 30, "recompressed": 20, "saved_bytes": 20480, "damaged": 0,
"held_bytes_before": 8388608, "held_bytes_after": 6291456}'
tr -d '\n' <"$answers/recompress" >"$answers/line" && echo >>"$answers/line" && mv "$answers/line" "$answers/recompress"
runs recompress
asked recompress
says '^20 of 30 pages that were tried went into the cold tier, and saved 20 KiB; held 8 MiB, now 6 MiB$'
[ "$(wc -l <"$dir/out")" -eq 1 ] || fail 'recompress: more than one line'
runs recompress cold
asked 'recompress cold'
runs recompress --min-bytes 2K warm --age 3 --max-pages 1000
asked 'recompress warm age=3 max-pages=1000 min-bytes=2048'
runs recompress --min-bytes raw --age 0
asked 'recompress min-bytes=raw'

answer writeback '{"ok": true, "pages": 20, "form_bytes": 20480, "written_bytes": 262144, "damaged": 2, "held_bytes_before": 8388608, "held_bytes_after": 6291456}'
runs writeback
asked writeback
says '^20 pages of 20 KiB went to the backing file, with 256 KiB written; held 8 MiB, now 6 MiB$'
says '^passed over 2 damaged pages$'
runs writeback --age=127 --min-bytes=raw
asked 'writeback age=127 min-bytes=raw'

answer backing '{"ok": true, "backing": {"pages": 7, "live_bytes": 10240, "segments": 256, "free_segments": 128}}'
runs backing /dev/none
asked 'backing 0 /dev/none'
says '^backing file of 64 MiB, 32 MiB free; 7 pages of 10 KiB on it$'
(cd "$answers" && "$ramz" backing 'a name' 1G >/dev/null 2>&1) || fail 'backing with a relative path'
asked "backing 1073741824 $(cd "$answers" && pwd)/a name"
(cd "$answers" && "$ramz" backing none 1M >/dev/null 2>&1) || fail 'a backing file with the name none'
asked "backing 1048576 $(cd "$answers" && pwd)/none"
answer backing '{"ok": true, "backing": null}'
runs backing none
asked 'backing none'
says '^no backing file$'
runs backing
asked stat
says '^no backing file$'

answer snapshot '{"ok": true, "file": "/srv/moment.ramz", "file_bytes": 5242880}'
runs snapshot /srv/moment.ramz
asked 'snapshot /srv/moment.ramz'
says '^saved to /srv/moment.ramz, 5 MiB$'
(cd "$answers" && "$ramz" snapshot 'a name' >/dev/null 2>&1) || fail 'snapshot to a relative path'
asked "snapshot $(cd "$answers" && pwd)/a name"

answer resize '{"ok": true, "size_bytes_before": 1048576, "size_bytes": 2147483648, "pages_dropped": 0, "clients": 3}'
runs resize 2G
asked 'resize 2147483648'
says '^was 1 MiB, now 2 GiB$'
says '^clients connected now .3. see it when they connect again$'
[ "$(wc -l <"$dir/out")" -eq 2 ] || fail 'resize: not two lines'
answer resize '{"ok": true, "size_bytes_before": 1048576, "size_bytes": 4096, "pages_dropped": 255, "clients": 0}'
runs resize --force 4096
asked 'resize 4096 force'
says '^dropped 255 pages behind the new end$'
[ "$(wc -l <"$dir/out")" -eq 2 ] || fail 'resize: not two lines'

# ---- what a server may answer -----------------------------------------------------------

for command in stat state compact trim idle recompress writeback 'backing none' limit 'codec lz4' save 'snapshot x' 'resize 1M' 'reset --yes'; do
	set -- $command # with what it needs to ask for itself
	file=$answers/$1
	answer "$1" '{"ok": false, "error": "disk full: free some", "errno": 28}'
	refused 1 'disk full: free some$' "$@"
	answer "$1" '{"ok": false}'
	refused 1 'the server refuses, and does not say why' "$@"
	for garbage in 'hello' '[]' '{"ok": 1}' '{}' '{"ok": true' 'null' ''; do
		answer "$1" "$garbage"
		refused 1 "the answer of .*one.ctl is not one of a ramz disk" "$@"
	done
	printf '\377\000\376\n' >"$file"
	refused 1 'is not one of a ramz disk' "$@"
	printf '{"ok": true' >"$file"
	refused 1 'the answer of .*one.ctl is cut off after 11 bytes' "$@"
	: >"$file"
	refused 1 'one.ctl closed without an answer' "$@"
	printf 'NBDMAGICIHAVEOPT\000\003' >"$file"
	refused 1 "one.ctl is a disk's own socket: give the control socket" "$@"
done
head -c 3000000 /dev/zero | tr '\0' x >"$answers/stat"
refused 1 'answers with more than 1048576 bytes' stat
answer_stat 1 2 4711

cp "$answers/stat" "$dir/slow"
answer any '{"ok": true}'
cp "$answers/any" "$dir/slow"
serve "$sockets/slow.ctl" "$dir/slow" 1400
for command in stat save; do
	refused 1 'no answer from .*slow.ctl in time: .*--timeout SECONDS waits longer' \
		$command --name slow --timeout 1
done
kill -STOP "$server" # takes no calls: the kernel does, until its queue is full
refused 1 'no answer from .*slow.ctl in time' limit --name slow --timeout 1
kill -CONT "$server"
runs stat --name slow --timeout 20
# How far it is, on a terminal and nowhere else.
: >"$dir/slow/stat.now"
: >"$dir/disk.0123456789abcdef.ramz-tmp"
head -c 2048 /dev/zero >"$dir/disk.0123456789abcdef.ramz-tmp"
run recompress --name slow
grep -q 'pages tried' "$dir/err" && fail 'progress where there is no terminal'
if command -v script >/dev/null; then
	shows() { # shows PATTERN ARGUMENT...
		pattern=$1
		shift
		script -qec "'$ramz' $* --name slow" /dev/null </dev/null >"$dir/screen" 2>&1
		tr '\r' '\n' <"$dir/screen" | grep -Eq -- "$pattern" || fail "$*: not shown: $pattern: $(cat -v "$dir/screen")"
	}
	shows 'recompress: 0 of 1000 pages tried, 1 s$' recompress
	shows 'compact: 0 B moved, 1 s$' compact
	shows 'writeback: 0 pages written, 1 s$' writeback
	shows 'trim, 1 s$' trim
	shows "save: 2 KiB of about 1.43 MiB, 1 s$" save "$dir/disk"
fi
rm "$dir/slow/stat.now"
"$ramz" stat --name slow --timeout 20 >"$dir/out" 2>"$dir/err" & # stopped while it waits, and continued
waits=$!
sleep 0.3
kill -STOP $waits
kill -CONT $waits
wait $waits || fail "stopped and continued: $(cat "$dir/err")"
kill "$server"
kill -9 "$one"
wait_dead "$one"
for command in $asks; do
	refused 1 'nobody listens on .*one.ctl: its server has ended' $command --name one
done

finish
