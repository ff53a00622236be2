#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_end.sh PLUGIN HELPERS: the end of a server: what a client was told is written is in the
# file, whoever is connected and however it ends; and where a save fails it is elsewhere, and the
# exit status says so.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 120 "$@"
needs prlimit nbdcopy

client() { timeout 60 "$helpers/nbd_client" "$dir/disk.sock" "$@"; }
checked() { client check "$1" "$2" ${3+"$3"} >check.out || fail "$what: $(cat check.out)"; }

# stays MODE: a client that connects and does not go by itself, $stays_pid
stays() {
	: >stays.out
	timeout 60 "$helpers/nbd_client" "$dir/disk.sock" "$1" >stays.out 2>&1 &
	stays_pid=$!
	undo "kill $stays_pid 2>/dev/null"
	awaits 20 grep -q ready stays.out || fail "the client does not connect: $(cat stays.out)"
}

cd "$dir" || exit 1

# ---- clients that stay --------------------------------------------------------------------

round=0
for signal in TERM INT HUP QUIT; do
	for mode in idle $([ $signal = TERM ] && echo deaf); do
		what="SIG$signal, a client that is $mode"
		serve disk size=8M file=kept
		[ "$round" -eq 0 ] || checked "$round" "$round"
		round=$((round + 1))
		client write "$round" "$round" >/dev/null || fail "$what: write"
		stays $mode
		end_server "$server_pid" disk 0 $signal
		awaits 20 is_gone "$stays_pid" || fail "$what: it was not told"
	done
done
what="nothing changed"
inode=$(stat -c %i kept)
serve disk file=kept
checked "$round" "$round"
stays idle
end_server "$server_pid" disk
[ "$(stat -c %i kept)" = "$inode" ] || fail "saved, though nothing was changed"

# Clients that use up the descriptors: the last save has some of its own.
# A connection takes three, or one where nbdkit works on one request of it at a time: with one of
# these limits none is left.
used_up() { grep -q 'Too many open files' disk.log; }
for limit in 46 47 48; do
	what="clients that use up $limit descriptors"
	serve disk file=kept
	round=$((round + 1))
	client write "$round" "$round" >/dev/null || fail "$what: write"
	prlimit --pid "$server_pid" --nofile=$limit:$limit
	for _ in $(seq 48); do
		timeout 60 "$helpers/nbd_client" "$dir/disk.sock" idle >/dev/null 2>&1 &
		undo "kill $! 2>/dev/null"
	done
	awaits 20 used_up || fail "$what: they do not"
	end_server "$server_pid" disk
	rm -f disk.log
done
serve disk file=kept
checked "$round" "$round"
end_server "$server_pid" disk

# A client that writes on and on: all that it had an answer to is there.
for _ in 1 2 3; do
	what="a client that writes"
	serve disk file=kept
	: >write.out
	client write $((round + 1)) 1000000 >write.out 2>&1 &
	writer=$!
	undo "kill $writer 2>/dev/null"
	awaits 20 grep -q round write.out || fail "$what: it does not begin"
	end_server "$server_pid" disk
	awaits 20 is_gone "$writer" || fail "$what: it was not told"
	# shellcheck disable=SC2046 # words
	set -- $(grep stopped write.out)
	[ $# -eq 3 ] || die "$what: $(tail -n 1 write.out)"
	serve disk file=kept
	checked $(($2 - 1)) "$2" "$3"
	client write "$2" "$2" >/dev/null || fail "$what: write"
	round=$2
	end_server "$server_pid" disk
done

# With --run, the command's end is the server's.
nbdkit -U - "$plugin" file=kept --run "'$helpers/nbd_client' \"\$unixsocket\" write $((round + 1)) $((round + 1))" \
	>run.log 2>&1 || fail "--run: $(cat run.log)"
round=$((round + 1))
what="--run"
serve disk file=kept
checked "$round" "$round"
end_server "$server_pid" disk

# ---- the next server ----------------------------------------------------------------------

# Large enough that the save can be met under way.
head -c 67108864 /dev/urandom >noise
serve disk size=80M codec=none file=big
saves() { ls big.*ramz-tmp >/dev/null 2>&1; }
met=0
for turn in 1 2 3 4 5 6 7 8 9 10; do
	what="the next server, turn $turn"
	[ "$turn" -eq 1 ] || cmp -s back expected || fail "$what: not the last contents"
	head -c 4096 /dev/urandom >>noise
	tail -c 67108864 noise >expected
	timeout 60 nbdcopy expected "$uri" || fail "$what: nbdcopy in"
	kill -TERM "$server_pid"
	awaits 20 saves
	kill -STOP "$server_pid"
	old_pid=$server_pid
	if saves; then
		met=1
		rm -f next.pid next.log
		LD_PRELOAD=${XV_NBDKIT_PRELOAD-} setsid nbdkit -f --exit-with-parent -U "$dir/next$turn.sock" \
			-P "$dir/next.pid" "$plugin" file=big >next.log 2>&1 &
		server_pid=$!
		undo "kill_server $server_pid"
		awaits 20 grep -q "held by process $old_pid (nbdkit), which is ending: waiting for it" next.log ||
			fail "$what: it does not say that it waits: $(cat next.log)"
		is_gone "$server_pid" && fail "$what: it does not wait: $(cat next.log)"
		# A second signal, and a third, while it saves.
		kill -TERM "$old_pid"
		kill -INT "$old_pid"
		kill -CONT "$old_pid"
		ended "$old_pid" disk
		awaits 20 test -s next.pid || fail "$what: it does not come: $(cat next.log)"
		uri="nbd+unix:///?socket=$dir/next$turn.sock"
	else
		kill -CONT "$old_pid"
		ended "$old_pid" disk
		serve disk file=big
	fi
	rm -f back
	timeout 60 nbdcopy "$uri" - | head -c 67108864 >back
	cmp -s back expected || fail "$what: not the last contents"
	[ "$met" -eq 0 ] || break
done
[ "$met" -eq 1 ] || fail "no save was met under way"
end_server "$server_pid" next
rm -f big noise expected back

# ---- saves that fail -----------------------------------------------------------------------

# rescued FILE: the log says where the contents are, and they are there
rescued() {
	place=$(sed -n "s/.*file=[^ ]* could not be saved: .* all of the disk is in \([^ ]*\) now.*/\1/p" disk.log)
	[ -n "$place" ] || die "$what: $(cat disk.log)"
	undo "rm -f '$place'"
	[ "$(stat -c %a "$place")" = 600 ] || fail "$what: the mode of $place"
	rm disk.log
	serve disk file="$place"
	checked "$1" "$1"
	end_server "$server_pid" disk
	rm -f disk.log
}

mkdir fallback
rm -f disk.log
what="a limit on the length of files"
serve disk size=4M file=limited save-fallback=fallback
client write 1 1 >/dev/null
end_server "$server_pid" disk
cp limited limited.was
rm -f disk.log
serve disk file=limited save-fallback=fallback
client write 2 2 >/dev/null
prlimit --pid "$server_pid" --fsize=100000:unlimited
ask disk save | grep -q '"ok": false' || fail "$what: the command save"
[ "$(field disk failures)" -eq 1 ] || fail "$what: failures are not counted"
stays idle
end_server "$server_pid" disk 1
case $(ls fallback) in limited.*) ;; *) fail "$what: not in the fallback: $(ls fallback)" ;; esac
rescued 2
cmp limited limited.was || fail "$what: the old file is not as it was"
serve disk file=limited
client write 2 2 >/dev/null
prlimit --pid "$server_pid" --fsize=100000:unlimited
end_server "$server_pid" disk 1
rescued 2
rm -rf fallback/*

what="no place for it"
serve disk file=limited save-fallback=fallback
client write 3 3 >/dev/null
mv fallback away
rm limited
mkdir limited
kill -TERM "$server_pid"
awaits 20 grep -q 'kept in memory for' disk.log || fail "$what: $(cat disk.log)"
rmdir limited
ended "$server_pid" disk
grep -q 'is saved now' disk.log || fail "$what: $(cat disk.log)"
rm -f disk.log
mv away fallback
serve disk file=limited save-fallback=fallback
checked 3 3
client write 4 4 >/dev/null
rmdir fallback
rm limited
mkdir limited
kill -TERM "$server_pid"
awaits 20 grep -q 'kept in memory for' disk.log || fail "$what: $(cat disk.log)"
end_server "$server_pid" disk 1
grep -q 'is lost' disk.log || fail "$what: it is not told: $(cat disk.log)"
rmdir limited

# full WHAT OPTIONS: a filesystem that has no room, or is read-only
if [ "$(id -u)" -eq 0 ] && mkdir small && mount -t tmpfs -o size=6M none small 2>/dev/null; then
	undo "umount '$dir/small'"
	what="a full filesystem"
	mkdir fallback
	rm -f disk.log
	serve disk size=4M codec=none file=small/disk save-fallback=fallback
	client write 1 1 >/dev/null
	ask disk save | grep -q '"ok": true' || fail "$what: save"
	cp small/disk was
	client write 2 2 >/dev/null
	stays idle
	end_server "$server_pid" disk 1
	cmp small/disk was || fail "$what: the old file is not as it was"
	[ "$(ls small)" = disk ] || fail "$what: left behind: $(ls small)"
	rescued 2
	what="a filesystem that became read-only"
	serve disk file=small/disk save-fallback=fallback
	client write 2 2 >/dev/null
	mount -o remount,ro small || fail "$what: remount"
	end_server "$server_pid" disk 1
	rescued 2
	if try_serve disk file=small/disk; then fail "$what: served, though it cannot be saved"; fi
	grep -q 'could not be saved' disk.log || fail "$what: $(cat disk.log)"
fi
finish
