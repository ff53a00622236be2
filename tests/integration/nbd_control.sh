#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_control.sh PLUGIN HELPERS: the control socket of a real server: looking while a save is under
# way and other clients say nothing; a reset while somebody is connected; two servers that take one
# socket at the same moment, where a killed one left its own; a server that is ended during a save.
# The library below makes fsync wait for a file, so a save lasts for as long as the test wants.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 120 "$@"
needs nbdcopy qemu-io cmp
show_seed

mib=1048576
gate=$helpers/fsync_gate.so
[ -r "$gate" ] || skip "no $gate"

# answers NAME COMMAND: with ok
answers() { ask "$1" "$2" | grep -q '"ok": true'; }

# ---- a save that is under way -------------------------------------------------------

make_mixed 8 "$dir/mixed"
export XV_FSYNC_GATE="$dir/gate"
XV_NBDKIT_PRELOAD="${XV_NBDKIT_PRELOAD:+$XV_NBDKIT_PRELOAD:}$gate"
serve disk size=64M file="$dir/disk.ramz"
timeout 60 nbdcopy "$dir/mixed" "$uri" || fail "nbdcopy in"
: >"$dir/gate" # fsync waits while it is there
undo "rm -f '$dir/gate'"
ask disk "save $dir/copy.ramz" >"$dir/save.out" &
saved=$!
awaits 20 test -e "$dir/gate.reached" || die "the save does not come to its fsync"
# shellcheck disable=SC2034 # three of them
for silent in 1 2 3; do
	"$helpers/unix_ask" "$dir/disk.ctl" >/dev/null 2>&1 &
	undo "kill $! 2>/dev/null"
done
for command in stat 'limit - -' 'codec lz4' 'state 0 100' reset-peak; do
	answers disk "$command" || fail "'$command' during a save"
done
ask disk trim >"$dir/trim.out" &
trimmed=$!
timeout 20 nbdcopy "$dir/mixed" "$uri" || fail "the disk during a save"
[ ! -s "$dir/save.out" ] || fail "the save has ended: $(cat "$dir/save.out")"
[ ! -s "$dir/trim.out" ] || fail "a trim was done beside a save: $(cat "$dir/trim.out")"

# ---- ended during it: the save is completed, the trim is not begun ------------------

kill -TERM "$server_pid"
wait $trimmed
grep -q 'the server is ending' "$dir/trim.out" || fail "trim at the end: $(cat "$dir/trim.out")"
kill -0 "$server_pid" || fail "the server ended in the middle of a save"
rm "$dir/gate"
wait $saved
grep -q '"ok": true' "$dir/save.out" || fail "the save at the end: $(cat "$dir/save.out")"
awaits 30 is_gone "$server_pid" || fail "the server does not end"
wait "$server_pid" || fail "the server ended with status $?"
unset XV_FSYNC_GATE
serve again file="$dir/copy.ramz"
timeout 60 nbdcopy "$uri" "$dir/out" || fail "nbdcopy out"
cmp -n $((8 * mib)) "$dir/mixed" "$dir/out" || fail "the save that the end met is not the disk"

# ---- every counter ------------------------------------------------------------------

ask again stat >"$dir/again.stat"
header=$(dirname "$0")/../../include/ramz/stats.h
sed -n '/^struct ramz_stats {/,/^};/s/^\t\(struct \)\{0,1\}[a-z0-9_]* \([a-z_0-9]*\);.*/\2/p' "$header" >"$dir/fields"
[ "$(wc -l <"$dir/fields")" -gt 40 ] || fail "no fields of ramz_stats in $header"
while read -r name; do
	grep -q "\"$name\": " "$dir/again.stat" || fail "stat does not tell $name"
done <"$dir/fields"

# ---- reset --------------------------------------------------------------------------

mkfifo "$dir/io"
qemu-io -f raw "$uri" <"$dir/io" >/dev/null 2>&1 &
io=$!
exec 9>"$dir/io"
connected() { [ "$(field again clients)" -eq 1 ]; }
awaits 20 connected || fail "no client is counted"
stored=$(field again pages_stored)
ask again reset | grep -q '1 client is connected' || fail "a disk in use can be reset"
[ "$(field again pages_stored)" -eq "$stored" ] || fail "a reset that was refused dropped pages"
answers again 'reset force' || fail "reset force"
[ "$(field again pages_stored)" -eq 0 ] || fail "pages are left after a reset"
exec 9>&-
wait $io
end_server "$server_pid" again

# ---- two at once --------------------------------------------------------------------

round=0
twin1=
twin2=
while [ $round -lt 10 ]; do
	round=$((round + 1))
	for twin in 1 2; do
		LD_PRELOAD=${XV_NBDKIT_PRELOAD-} setsid nbdkit -f --exit-with-parent -U "$dir/twin$twin.sock" \
			"$plugin" size=1M stats="$dir/twin.ctl" >"$dir/twin$twin.log" 2>&1 &
		eval "twin$twin=\$!"
		undo "kill_server $!"
	done
	one_is_gone() { is_gone "$twin1" || is_gone "$twin2"; }
	awaits 20 one_is_gone || { fail "round $round: both serve one socket"; break; }
	left=$twin1
	gone=2
	if is_gone "$twin1"; then
		left=$twin2
		gone=1
	fi
	grep -q "stats=$dir/twin.ctl: a running server, process $left, has this socket" "$dir/twin$gone.log" ||
		fail "round $round: the loser said: $(cat "$dir/twin$gone.log")"
	[ "$(field twin pid)" -eq "$left" ] || fail "round $round: the winner does not answer"
	kill -KILL "$left"
	wait "$left" 2>/dev/null
	rm -f "$dir/twin1.sock" "$dir/twin2.sock"
done
finish
