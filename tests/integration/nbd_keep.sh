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

# What it is given is kept too, without a write.
end_server "$server_pid" kept
serve kept size=20M backing="$dir/disk" backing-keep=true hard-limit=8M
end_server "$server_pid" kept
serve kept backing="$dir/disk" backing-keep=true hard-limit=8M
[ "$(field kept size_bytes)" = $((20 * mib)) ] || fail "a larger size is not kept"
is one || fail "the disk is not what it was before it grew"

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
ask kept "limit - $mib" >/dev/null # far below what is held
ask kept "snapshot $dir/copy2" | grep -q 'hard limit leaves no room.*ramz limit' ||
	fail "a snapshot that finds no memory: $(ask kept "snapshot $dir/copy2")"
ask kept "limit - $((8 * mib))" >/dev/null
ask kept "backing none" | grep -q 'is kept in it' || fail "backing none: $(ask kept 'backing none')"
end_server "$server_pid" kept
serve copy backing="$dir/copy" backing-keep=true
is two || fail "the copy is not the disk"
end_server "$server_pid" copy

# ---- killed at any moment, with saves on the way: one moment, and not before the last save ----

turn=0
while [ $turn -lt "${XV_KILLS:-4}" ]; do
	turn=$((turn + 1))
	serve killed size=16M hard-limit=5M backing="$dir/killed" backing-size=96M backing-keep=true \
		cold=zstd:3
	scatters killed
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

cp "$dir/disk" "$dir/before"
refuses_start 'it holds a disk' size=16M backing="$dir/disk"
refuses_start 'would cut it' size=8M backing="$dir/disk" backing-keep=true
refuses_start 'smaller than it was' backing="$dir/disk" backing-size=4M backing-keep=true
refuses_start 'leave one of them out' backing="$dir/disk" backing-keep=true file="$dir/other"
refuses_start 'no backing=' size=8M backing-keep=true
cmp "$dir/disk" "$dir/before" || fail "a refused start changed the file"
printf 'xxxxxxxx' | dd of="$dir/disk" bs=1 seek=4096 conv=notrunc 2>/dev/null
printf 'xxxxxxxx' | dd of="$dir/disk" bs=1 seek=$((4096 + 131072)) conv=notrunc 2>/dev/null
refuses_start 'superblocks of the checkpoint are damaged' backing="$dir/disk" backing-keep=true
