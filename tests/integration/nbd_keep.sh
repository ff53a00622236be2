#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_keep.sh PLUGIN HELPERS: a disk that is kept in its backing file: over an end, over a kill, and
# with saves on the way; and what is refused.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 180 "$@"
needs nbdcopy cmp
show_seed

mib=1048576
for name in one two; do
	make_text $((16 * mib)) >"$dir/$name"
	printf %s "$name" | dd of="$dir/$name" bs=1 seek=5000 conv=notrunc 2>/dev/null
done
cmp -s "$dir/one" "$dir/two" && die "both texts are the same"

put() {
	timeout 60 nbdcopy "$dir/$1" "$uri" || die "nbdcopy in"
}

is() {
	timeout 60 nbdcopy "$uri" "$dir/back" && cmp -n $((16 * mib)) "$dir/$1" "$dir/back"
}

# ---- over an end ------------------------------------------------------------------------

serve kept size=16M hard-limit=8M backing="$dir/disk" backing-size=64M backing-keep=true
put one
[ "$(field kept stale)" = true ] || fail "a written disk is not stale"
end_server "$server_pid" kept
serve kept backing="$dir/disk" backing-keep=true hard-limit=8M
is one || fail "the disk is not what it was at the end"
[ "$(field kept size_bytes)" = $((16 * mib)) ] || fail "its size is not kept"
[ "$(field kept stale)" = false ] || fail "a disk that was opened is stale"

# ---- over a kill: the last save, and nothing of what came after ---------------------------

put two
ask kept save | grep -q '"ok": true' || fail "save: $(ask kept save)"
put one
kill -9 "$server_pid"
wait "$server_pid" 2>/dev/null
serve kept backing="$dir/disk" backing-keep=true hard-limit=8M
is two || fail "after a kill it is not what was saved last"

# ---- while it is served: a save elsewhere, and the file is not taken away ------------------

ask kept "snapshot $dir/copy" | grep -q '"ok": true' || fail "snapshot"
ask kept "save $dir/copy" | grep -q 'there is a file' || fail "a save over a file is not refused"
[ "$(find "$dir" -name 'copy*' | wc -l)" = 1 ] || fail "a refused save leaves a file"
ask kept "backing none" | grep -q 'is kept in it' || fail "backing none: $(ask kept 'backing none')"
end_server "$server_pid" kept
serve copy backing="$dir/copy" backing-keep=true
is two || fail "the copy is not the disk"
end_server "$server_pid" copy

# ---- killed at any moment, with saves on the way: one moment, and not before the last save ----

round() { sed -n '$s/^round //p' "$dir/written"; }
begun() { grep -q 'round 1' "$dir/written"; }
turn=0
while [ $turn -lt "${XV_KILLS:-4}" ]; do
	turn=$((turn + 1))
	serve killed size=16M hard-limit=5M backing="$dir/killed" backing-size=96M backing-keep=true \
		cold=zstd:3
	timeout 100 "$helpers/nbd_client" "$dir/killed.sock" scatter 1 1000000 >"$dir/written" 2>&1 &
	writer=$!
	awaits 60 begun || die "the client does not write: $(cat "$dir/written")"
	ask killed save >"$dir/answer"
	before=1
	for _ in 1 2 3; do
		now=$(round)
		ask killed save >"$dir/answer"
		if grep -q '"ok": true' "$dir/answer"; then
			before=$now
		else
			grep -q 'memory ran short' "$dir/answer" || fail "save: $(cat "$dir/answer")"
		fi
	done
	(while ask killed save; do :; done) >/dev/null 2>&1 &
	asks=$!
	sleep "0.$((turn % 10))"
	kill -9 "$server_pid"
	wait "$server_pid" $asks $writer 2>/dev/null
	after=$(($(round) + 1))
	serve killed backing="$dir/killed" backing-keep=true
	timeout 60 "$helpers/nbd_client" "$dir/killed.sock" moment "$before" "$after" >"$dir/check" ||
		fail "after kill $turn: $(cat "$dir/check")"
	end_server "$server_pid" killed
	rm "$dir/killed"
done

# ---- what is refused is left as it is --------------------------------------------------------

# refused WORDS KEY...: a start in the background fails with these words
refused() {
	words=$1
	shift
	LD_PRELOAD=${XV_NBDKIT_PRELOAD-} timeout 30 nbdkit -P "$dir/bad.pid" -U "$dir/bad.sock" \
		"$plugin" "$@" >"$dir/bad.log" 2>&1 && fail "it starts with $*"
	grep -q "$words" "$dir/bad.log" || fail "with $* it said: $(cat "$dir/bad.log")"
}

cp "$dir/disk" "$dir/before"
refused 'it holds a disk' size=16M backing="$dir/disk"
refused 'would cut it' size=8M backing="$dir/disk" backing-keep=true
refused 'smaller than it was' backing="$dir/disk" backing-size=4M backing-keep=true
refused 'leave one of them out' backing="$dir/disk" backing-keep=true file="$dir/other"
refused 'no backing=' size=8M backing-keep=true
cmp "$dir/disk" "$dir/before" || fail "a refused start changed the file"
printf 'xxxxxxxx' | dd of="$dir/disk" bs=1 seek=4096 conv=notrunc 2>/dev/null
printf 'xxxxxxxx' | dd of="$dir/disk" bs=1 seek=$((4096 + 131072)) conv=notrunc 2>/dev/null
refused 'superblocks of the checkpoint are damaged' backing="$dir/disk" backing-keep=true
