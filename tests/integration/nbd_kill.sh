#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_kill.sh PLUGIN HELPERS: the server is killed under its clients. They get errors and do
# not hang; a server that is started again on the saved file has what was saved. Then what
# else may happen to a saved file and to the sockets that a dead server leaves.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 120 "$@"
needs nbdcopy qemu-io cmp
show_seed
mib=1048576

same() { # same FILE WHAT: the disk has the contents of the file
	rm -f "$dir/out"
	timeout 60 nbdcopy "$uri" "$dir/out" || fail "$2: nbdcopy"
	cmp "$1" "$dir/out" || fail "$2: other contents"
}

make_mixed 32 "$dir/mixed"
cp "$dir/mixed" "$dir/changed"
printf 'changed after it was saved' | dd of="$dir/changed" bs=1 seek=$((5 * mib + 17)) conv=notrunc 2>/dev/null

# ---- killed -------------------------------------------------------------------------

serve disk size=32M codec=lz4 checksum=true file="$dir/saved"
timeout 60 nbdcopy "$dir/mixed" "$uri" || fail "nbdcopy in"
ask disk save >"$dir/answer" || fail "the command save: $(cat "$dir/answer")"
grep -q '"ok": *true' "$dir/answer" || fail "the command save: $(cat "$dir/answer")"
cp "$dir/saved" "$dir/saved.copy"
timeout 60 nbdcopy "$dir/changed" "$uri" || fail "nbdcopy in, after it was saved"
same "$dir/changed" "before the kill"

# Clients that have requests under way and would go on for a minute.
clients=
client() { # client NAME COMMAND...
	name=$1
	shift
	timeout -k 1 90 "$@" >"$dir/$name.client" 2>&1 &
	clients="$clients $name:$!"
}
set --
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	set -- "$@" -c 'write -q -P 5 4M 1M' -c 'read -q 0 8M'
done
client qemu sh -c 'while qemu-io -f raw "$@"; do :; done; exit 3' sh "$uri" "$@"
client copy sh -c "while nbdcopy --connections=2 '$uri' null:; do :; done; exit 3"
if command -v fio >/dev/null && fio --enghelp 2>/dev/null | grep -qw nbd; then
	client fio sh -c "cd '$dir' && fio --name=kill --ioengine=nbd --uri='$uri' --rw=randrw --bs=4k \
		--iodepth=16 --size=16M --time_based --runtime=60 || exit 3"
fi
if [ "$(id -u)" -eq 0 ] && [ -c /dev/fuse ] && command -v nbdfuse >/dev/null; then
	mkdir "$dir/disk.fuse"
	undo "end_fuse disk"
	setsid nbdfuse "$dir/disk.fuse/disk" "$uri" >"$dir/disk.fuse.log" 2>&1 &
	fuse_pid=$!
	awaits 20 test -s "$dir/disk.fuse/disk" || fail "nbdfuse: $(cat "$dir/disk.fuse.log")"
	client dd sh -c "while cat '$dir/disk.fuse/disk' >/dev/null; do :; done; exit 3"
fi
sleep 1
for client in $clients; do
	is_gone "${client#*:}" && fail "client ${client%:*} was not running: $(tail -n 3 "$dir/${client%:*}.client")"
done
kill -KILL "$server_pid"
wait "$server_pid" 2>/dev/null
for client in $clients; do
	awaits 20 is_gone "${client#*:}" || fail "client ${client%:*} hangs after the server was killed"
	wait "${client#*:}"
	status=$?
	[ "$status" -eq 3 ] || fail "client ${client%:*} was told of no error: status $status: \
$(tail -n 3 "$dir/${client%:*}.client")"
done
cmp "$dir/saved" "$dir/saved.copy" || fail "the saved file is not what it was"

# ---- started again ------------------------------------------------------------------

[ -S "$dir/disk.ctl" ] || fail "a killed server should have left its socket: the next check says nothing"
serve disk size=32M codec=lz4 checksum=true file="$dir/saved"
same "$dir/mixed" "started again"
[ "$(field disk pid)" -eq "$server_pid" ] || fail "the control socket is not this server's"
if try_serve other size=1M stats="$dir/disk.ctl"; then fail "a socket that is in use was taken away"; fi
uri="nbd+unix:///?socket=$dir/disk.sock"
disk_pid=$(cat "$dir/disk.pid")
[ "$(field disk size_bytes)" -eq $((32 * mib)) ] || fail "the control socket is another server's"

# A clean end saves, and removes its socket.
timeout 60 nbdcopy "$dir/changed" "$uri" || fail "nbdcopy in"
end_server "$disk_pid" disk
[ -e "$dir/disk.ctl" ] && fail "a clean end left its control socket"
serve disk size=32M codec=zstd file="$dir/saved"
same "$dir/changed" "after a clean end, with another codec"
end_server "$server_pid" disk

# A damaged file is refused, with its name, and stays as it is.
cp "$dir/saved" "$dir/damaged"
printf 'x' | dd of="$dir/damaged" bs=1 seek=$(($(wc -c <"$dir/saved") / 2)) conv=notrunc 2>/dev/null
cp "$dir/damaged" "$dir/damaged.copy"
if try_serve damaged size=32M file="$dir/damaged"; then fail "a damaged file was taken"; fi
grep -q "$dir/damaged" "$dir/damaged.log" || fail "a damaged file: $(cat "$dir/damaged.log")"
awaits 10 is_gone "$server_pid"
cmp "$dir/damaged" "$dir/damaged.copy" || fail "a damaged file was written"
finish
