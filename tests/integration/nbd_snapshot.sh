#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_snapshot.sh PLUGIN HELPERS: images of a disk that is written to meanwhile, from memory and from
# its backing file; and a server that is killed while it makes one.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 120 "$@"
needs cmp
show_seed

mib=1048576
answers() { ask disk "$1" >"$dir/answer" && grep -q '"ok": true' "$dir/answer" || fail "'$1' is refused: $(cat "$dir/answer")"; }

# is_whole FILE FROM TO: an image of one moment at which these rounds were written
is_whole() {
	serve image file="$1"
	timeout 60 "$helpers/nbd_client" "$dir/image.sock" moment "$2" "$3" >"$dir/check" ||
		fail "${1##*/}: $(cat "$dir/check")"
	kill -KILL "$server_pid" # it must not save
	wait "$server_pid" 2>/dev/null
	rm "$1"
}

serve disk size=16M file="$dir/disk.ramz"
disk_pid=$server_pid
scatters disk
turn=0
while [ $turn -lt 6 ]; do
	turn=$((turn + 1))
	if [ $turn -eq 4 ]; then
		answers "backing $((64 * mib)) $dir/backing"
		answers writeback
	fi
	before=$(round)
	ask disk "snapshot $dir/second" >"$dir/answer2" &
	second=$!
	answers "snapshot $dir/first"
	wait $second
	grep -q '"ok": true' "$dir/answer2" || fail "two at once: $(cat "$dir/answer2")"
	after=$(($(round) + 1))
	is_whole "$dir/first" "$before" "$after"
	is_whole "$dir/second" "$before" "$after"
done
kill -0 $writer 2>/dev/null || fail "the client has ended: $(tail -n 1 "$dir/written")"
kill $writer
wait $writer 2>/dev/null
[ "$(field disk count)" -eq 0 ] || fail "a snapshot was counted as a save"

# Killed while it makes one: the older image is whole.
answers "snapshot $dir/kept"
cp "$dir/kept" "$dir/copy"
(while ask disk "snapshot $dir/kept"; do :; done) >/dev/null 2>&1 &
asks=$!
writing() { ls "$dir"/kept.*ramz-tmp; }
awaits 20 writing >/dev/null || fail "no snapshot is under way"
kill -KILL "$disk_pid"
wait "$disk_pid" 2>/dev/null
wait $asks
before=$(round)
serve image file="$dir/kept"
timeout 60 "$helpers/nbd_client" "$dir/image.sock" moment "$before" $((before + 1)) || fail "the kept image is torn"
writing >/dev/null 2>&1 && fail "what was begun is left: $(writing)"
finish
