#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_save_every.sh PLUGIN HELPERS: a server that saves every so often: only what has changed,
# again after a failure, and never less than a whole image, also when it is killed while it saves.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 120 "$@"
needs prlimit

client() { timeout 60 "$helpers/nbd_client" "$dir/$server.sock" "$@"; }
checked() { client check "$1" "$2" >check.out || fail "$what: $(cat check.out)"; }
saved() { ask disk stat | grep -q '"stale": *false'; }
saves() { [ "$(field disk count)" -ge "$1" ]; }
failed() { [ "$(field disk failures)" -ge "$1" ]; }
killed() {
	kill -KILL "$server_pid"
	wait "$server_pid" 2>/dev/null
}

cd "$dir" || exit 1
server=disk

# ---- what has changed -----------------------------------------------------------------------

what="nothing changed"
serve disk size=8M file=kept save-every=0.005
awaits 20 saves 1 || fail "a new disk is not saved"
inode=$(stat -c %i kept)
sleep 2 # several times over
[ "$(field disk count)" -eq 1 ] || fail "saved again, though nothing was changed"
[ "$(stat -c %i kept)" = "$inode" ] || fail "saved again, though nothing was changed"

what="something changed"
client write 1 1 >/dev/null || fail "$what: write"
awaits 20 saved || fail "$what: not saved"
cp kept copy
server=copy
serve copy file=copy
checked 1 1
end_server "$server_pid" copy
server=disk
server_pid=$(cat disk.pid)

what="a save that fails"
cp kept was
prlimit --pid "$server_pid" --fsize=1000:unlimited
client write 2 2 >/dev/null || fail "$what: write"
awaits 20 failed 2 || fail "$what: not counted, or not tried again"
grep -q 'file=.*could not be saved: .* tried again when save-every= has passed' disk.log ||
	fail "$what: not told: $(cat disk.log)"
ask disk stat | grep -q '"last_error": *"' || fail "$what: no last_error"
cmp kept was || fail "$what: the old file is not as it was"
prlimit --pid "$server_pid" --fsize=unlimited:unlimited
awaits 20 saved || fail "$what: not saved when it could be"
ask disk stat | grep -q '"last_error": *null' || fail "$what: last_error stays"

what="killed at rest"
killed
serve disk file=kept
checked 2 2
inode=$(stat -c %i kept)
end_server "$server_pid" disk
[ "$(stat -c %i kept)" = "$inode" ] || fail "$what: saved at the end, though nothing was changed"

# ---- killed while it saves ------------------------------------------------------------------

writing() { ls kept.*ramz-tmp >/dev/null 2>&1; }
round=2
turn=0
while [ "$turn" -lt 10 ]; do
	turn=$((turn + 1))
	what="killed while it saves, turn $turn"
	serve disk file=kept save-every=0.001
	ls kept.*ramz-tmp >/dev/null 2>&1 && fail "$what: the temporary file of a dead server stays"
	low=$((round + 1))
	client write "$low" "$low" >/dev/null || fail "$what: write"
	awaits 20 saved || fail "$what: not saved"
	client write $((low + 1)) 1000000 >write.out 2>&1 &
	writer=$!
	undo "kill $writer 2>/dev/null"
	tries=0
	until writing || [ "$tries" -eq 2000 ]; do tries=$((tries + 1)); done
	killed
	awaits 20 is_gone "$writer" || fail "$what: the client hangs"
	# shellcheck disable=SC2046 # words
	set -- $(grep stopped write.out)
	[ $# -eq 3 ] || die "$what: $(tail -n 1 write.out)"
	serve disk file=kept
	checked "$low" "$2"
	client write "$2" "$2" >/dev/null || fail "$what: write"
	round=$2
	end_server "$server_pid" disk
done
serve disk file=kept
checked "$round" "$round"
end_server "$server_pid" disk
finish
