#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_resize.sh PLUGIN HELPERS: a disk that becomes larger and smaller while it is served: what its
# clients see, old and new; what is in its file; a server that is killed in the middle.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 120 "$@"
needs nbdinfo nbdcopy cmp
show_seed

mib=1048576
client() { timeout 60 "$helpers/nbd_client" "$dir/disk.sock" "$@"; }
size_of() { timeout 20 nbdinfo --size "nbd+unix:///?socket=$dir/$1.sock"; }
has_clients() { [ "$(field disk clients)" -eq "$1" ]; }

# is_size BYTES: for a new client, in `stat` and in `state`
is_size() {
	[ "$(size_of disk)" -eq "$1" ] || fail "a client sees $(size_of disk) bytes, not $1"
	[ "$(field disk size_bytes)" -eq "$1" ] || fail "stat tells $(field disk size_bytes), not $1"
	ask disk 'state 0 1' | grep -q "\"pages\": $(($1 / 4096))," || fail "state: $(ask disk 'state 0 1')"
}

# A client that has ended is counted for a moment longer: both are asked again for a while.
asked() { # asked COMMAND WORDS
	ask disk "$1" >"$dir/answer"
	grep -q "$2" "$dir/answer"
}

# refused WORDS COMMAND
refused() { awaits 20 asked "$2" "\"ok\": false.*$1" || fail "'$2' is answered: $(cat "$dir/answer")"; }

answers() { awaits 20 asked "$1" '"ok": true' || fail "'$1' is refused: $(cat "$dir/answer")"; }

# ---- larger, under a client ---------------------------------------------------------------

serve disk size=4M file="$dir/disk.ramz"
is_size $((4 * mib))
# It knows 4 MiB, and writes all of them over and over.
timeout 60 "$helpers/nbd_client" "$dir/disk.sock" write 1 400 >"$dir/written" 2>&1 &
writer=$!
awaits 20 grep -q 'round 1' "$dir/written" || die "the client does not write"
for size in 8 16 12 1024; do
	if [ $size -eq 12 ]; then
		refused 'client is connected' "resize $((size * mib))"
	else
		answers "resize $((size * mib))"
	fi
done
is_size $((1024 * mib))
refused 'client is connected' "resize $((4 * mib)) force"
kill -0 $writer 2>/dev/null || fail "the client has ended: $(tail -n 1 "$dir/written")"
rounds=$(wc -l <"$dir/written")
goes_on() { [ "$(wc -l <"$dir/written")" -gt $((rounds + 2)) ]; }
awaits 20 goes_on || fail "the client does not go on with its size: $(tail -n 1 "$dir/written")"
kill $writer
wait $writer 2>/dev/null
awaits 20 has_clients 0 || fail "a client that has ended is counted"

# ---- smaller ------------------------------------------------------------------------------

answers "resize $((5 * mib))" # nothing was written there
is_size $((5 * mib))
client write 500 500 >/dev/null || fail "the new size cannot be written"
refused "1024 pages behind the new end hold data.*least size that keeps all is $((5 * mib))" "resize $mib"
is_size $((5 * mib))
answers "resize $mib force"
is_size $mib
client check 500 500 || fail "what lies before the new end has changed"
answers "resize $((2 * mib))"
timeout 20 nbdcopy "nbd+unix:///?socket=$dir/disk.sock" "$dir/out" || fail nbdcopy
head -c $mib /dev/zero >"$dir/zeros"
tail -c $mib "$dir/out" | cmp - "$dir/zeros" || fail "what was dropped has come back"

# Clients that come and go beside it never read behind an end.
coming() {
	while [ ! -e "$dir/enough" ]; do
		timeout 20 nbdcopy "nbd+unix:///?socket=$dir/disk.sock" null: || echo "FAILED: $?"
	done
}
coming >"$dir/coming.log" 2>&1 &
comes=$!
turn=0
resized=0
while [ $turn -lt 100 ]; do
	turn=$((turn + 1))
	ask disk "resize $(((1 + turn % 2 * 15) * mib)) force" | grep -q '"ok": true' && resized=$((resized + 1))
done
: >"$dir/enough"
wait $comes
[ ! -s "$dir/coming.log" ] || fail "clients that came meanwhile: $(sort "$dir/coming.log" | uniq -c | head)"
[ $resized -gt 10 ] || fail "resized only $resized times of 100"

# ---- two at once ----------------------------------------------------------------------------

for turn in 1 2 3 4 5; do
	asking=
	for size in 1 2 3 4 5 6; do
		ask disk "resize $((size * mib)) force" >"$dir/at_once.$turn$size" &
		asking="$asking $!"
	done
	# shellcheck disable=SC2086 # numbers
	wait $asking
done
cat "$dir"/at_once.* | grep -v '"ok": true' && fail "resizes at once are refused"
ask disk 'resize 1 force' | grep -q '"size_bytes": 4096' || fail "a byte is not a page"
client check 500 500 || fail "the first page has changed"

# ---- in the file ----------------------------------------------------------------------------

answers "resize $((6 * mib))"
end_server "$server_pid" disk
serve disk file="$dir/disk.ramz"
is_size $((6 * mib))
grep -q '"stale": false' "$dir/disk.stat" || fail "a disk that was just loaded is stale"
answers "resize $((7 * mib))"
field disk clients >/dev/null
grep -q '"stale": true' "$dir/disk.stat" || fail "a new size is nothing to save"
answers save
field disk clients >/dev/null
grep -q '"stale": false' "$dir/disk.stat" || fail "a new size stays stale"

# A killed server: the size that was saved last.
(while ask disk "resize $((64 * mib))" && ask disk "resize $mib"; do :; done) >/dev/null 2>&1 &
resizer=$!
sleep 0.3
kill -KILL "$server_pid"
wait "$server_pid" 2>/dev/null
wait $resizer
serve disk file="$dir/disk.ramz"
is_size $((7 * mib))
end_server "$server_pid" disk

# ---- at a limit -----------------------------------------------------------------------------

serve disk size=8M hard-limit=2M
client write 1 1 >"$dir/stopped" && fail "the limit does not hold"
grep -q '^stopped 1' "$dir/stopped" || fail "the client says: $(cat "$dir/stopped")"
awaits 20 has_clients 0 || fail "a client is left"
refused 'hard limit leaves no room' "resize $((8 << 40))"
is_size $((8 * mib))
answers 'limit - 0'
answers "resize $((8 << 40))"
is_size $((8 << 40))
refused 'at most' "resize $((1 << 50))"
answers 'resize 4096 force'
client check 1 1 || fail "the first page has changed at the limit"
end_server "$server_pid" disk
finish
