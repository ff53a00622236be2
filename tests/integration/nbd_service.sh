#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_service.sh PLUGIN HELPERS RAMZ UNIT: the systemd unit of a disk. systemd-analyze finds no fault
# and little exposure; and a disk that is served under what the unit asks for (support/sandbox.py)
# does all requests and all commands, saves, and starts again, with no system call but the unit's.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 120 "$@"
ramz=$3
support=$(dirname "$0")/../support
soak=$(dirname "$0")/../soak
unit=$dir/ramz@test.service

needs systemd-analyze python3 strace
[ "$(id -u)" -eq 0 ] || skip "a sandbox as systemd makes it needs root"
sed "s,@bindir@/ramz,$ramz," "$4" >"$unit"

# ---- the unit ---------------------------------------------------------------------------

systemd-analyze verify --man=no "$unit" >"$dir/verify" 2>&1 || fail "verify: $(cat "$dir/verify")"
[ ! -s "$dir/verify" ] || fail "verify: $(cat "$dir/verify")"
systemd-analyze security --offline=yes --threshold=40 --no-pager "$unit" >"$dir/security" 2>&1 ||
	fail "it is exposed: $(tail -n 1 "$dir/security")"

# ---- the disk in it ---------------------------------------------------------------------

mkdir "$dir/run" "$dir/lib"
chmod 755 "$dir"
control=$dir/run/ramz-test/disk.ctl
state=$dir/lib/ramz/test

is_served() { is_gone "$server_pid" || "$ramz" stat --socket "$control" >/dev/null 2>&1; }

# starts OPTION...: the service, with these in place of the unit's own
starts() {
	setsid strace -f -qq -o "$dir/trace" python3 "$support/sandbox.py" "$unit" "$dir" "$@" \
		>>"$dir/disk.log" 2>&1 &
	server_pid=$!
	undo "kill_server $server_pid"
	awaits 30 is_served
	is_gone "$server_pid" && {
		grep -q '^sandbox: ' "$dir/disk.log" && skip "$(grep '^sandbox: ' "$dir/disk.log")"
		die "the service does not start: $(tail -n 5 "$dir/disk.log")"
	}
	pid=$(cat "$dir/run/ramz-test/disk.ramz.pid")
}

stops() { # it saves, and strace's status is the server's
	kill "$pid"
	ended "$server_pid" disk
	calls
}

# calls: what the server asked the system for, after the sandbox was complete
python3 "$support/sandbox.py" --calls "$unit" >"$dir/allowed" || skip "the unit's system calls cannot be listed"
calls() {
	sed -n "\\,execve(\"$ramz\",,\$p" "$dir/trace" |
		sed -n 's/^[0-9]* *\(<\.\.\. \)\{0,1\}\([a-z][a-z0-9_]*\)[( ].*/\2/p' | sort -u >"$dir/made"
	[ "$(wc -l <"$dir/made")" -gt 20 ] || die "no system calls in the trace: $(tail -n 3 "$dir/trace")"
	sort "$dir/allowed" | comm -23 "$dir/made" - >"$dir/refused"
	[ ! -s "$dir/refused" ] || fail "system calls that the unit refuses: $(tr '\n' ' ' <"$dir/refused")"
	sort -u "$dir/made" "$dir/all_made" -o "$dir/all_made" 2>/dev/null || cp "$dir/made" "$dir/all_made"
}

commanded() {
	command=$1
	shift
	timeout 60 "$ramz" "$command" --socket "$control" "$@" >"$dir/out" 2>&1
}

# A client that has ended is counted for a moment longer, and stands in the way of some.
does() { # does COMMAND...: on the disk, by root
	awaits 5 commanded "$@" || fail "ramz $*: $(cat "$dir/out")"
}

# All requests that a client may make; it checks what it reads.
requests() {
	PYTHONPATH=$soak PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 - "$dir/run/ramz-test/disk" <<-'END' || fail "requests"
		import os, sys, nbd
		disk = nbd.Disk(sys.argv[1])
		data = os.urandom(4096) + b"text " * 20000
		disk.request(nbd.WRITE, 1000, len(data), nbd.FUA, data)
		disk.request(nbd.WRITE, 1 << 20, len(data), 0, data)
		disk.request(nbd.FLUSH)
		disk.request(nbd.CACHE, 0, 4096)
		disk.request(nbd.TRIM, 4096, 4096)
		disk.request(nbd.ZERO, 8192, 8192, nbd.NO_HOLE)
		disk.request(nbd.ZERO, 16384, 4096, nbd.FAST_ZERO)
		assert disk.request(nbd.READ, 1 << 20, len(data)) == data
		assert disk.request(nbd.READ, 4096, 16384) == bytes(16384)
		disk.close()
	END
}
holds() {
	PYTHONPATH=$soak PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 - "$dir/run/ramz-test/disk" <<-'END' || fail "$1: other contents"
		import sys, nbd
		data = nbd.Disk(sys.argv[1]).request(nbd.READ, (1 << 20) + 4096, 100000)
		assert data == b"text " * 20000
	END
}

starts # as the unit is
requests
does stat
# Nobody but root, and the service itself, comes to its sockets.
if command -v setpriv >/dev/null; then
	for socket in disk disk.ctl; do
		[ -S "$dir/run/ramz-test/$socket" ] || fail "there is no $socket"
		LC_ALL=C setpriv --reuid=65533 --regid=65533 --clear-groups \
			stat "$dir/run/ramz-test/$socket" >"$dir/out" 2>&1 && fail "another user can reach $socket"
		grep -q 'Permission denied' "$dir/out" || fail "another user at $socket: $(cat "$dir/out")"
	done
fi
stops
[ -s "$state/disk.ramz" ] || fail "it was not saved"
! grep -q EROFS "$dir/trace" || fail "it wants to write elsewhere: $(grep -m 1 EROFS "$dir/trace")"

starts --file /var/lib/ramz/test/disk.ramz hard-limit=32M warm=lz4:9 cold=zstd:3 save-every=0.01 \
	dedup=true warm-after=0.01 stats-file=/var/lib/ramz/test/stats
holds "started again"
requests
command -v nbdinfo >/dev/null && {
	timeout 60 nbdinfo --map "nbd+unix:///?socket=$dir/run/ramz-test/disk" >"$dir/out" || fail "a map: $(cat "$dir/out")"
}
for command in stat state compact trim idle recompress limit codec save; do does $command; done
does backing /var/lib/ramz/test/backing 64M
does writeback
does backing
does backing none
does limit --hard 16M
does codec zstd:3
does snapshot /var/lib/ramz/test/snapshot
does resize 1T
does stat --json
requests
holds "all commands later"
timeout 60 "$ramz" snapshot --socket "$control" /var/tmp/xv-snapshot >"$dir/out" 2>&1 && fail "it wrote outside its directories"
does reset --yes
stops
[ -s "$state/stats" ] || fail "no statistics at the end"

for options in 'provider=highmem' 'provider=huge' 'backing=/var/lib/ramz/test/kept backing-size=64M backing-keep=true'; do
	# shellcheck disable=SC2086 # several
	starts 32M $options
	requests
	does compact
	stops
done
if [ -r /proc/pressure/memory ]; then
	starts 32M cold=zstd pressure=20
	requests
	stops
fi
# It locks all of the process in memory.
if grep -q "locked memory *unlimited" /proc/self/limits; then
	starts 32M -- --swap
	requests
	stops
fi
# Where the state directory is full, nothing else takes the last save: /tmp and /var/tmp are not there.
if mount -t tmpfs -o size=1m,mode=755 none "$dir/lib" 2>/dev/null; then
	undo "umount -l '$dir/lib'"
	starts
	PYTHONPATH=$soak PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 -c '
import os, sys, nbd
for i in range(32): nbd.Disk(sys.argv[1]).request(nbd.WRITE, i << 17, 1 << 17, 0, os.urandom(1 << 17))
' "$dir/run/ramz-test/disk" || fail "4 MiB of noise"
	kill "$pid"
	not_saved() { grep -q 'could not be saved\|is not saved' "$dir/disk.log"; }
	awaits 30 not_saved || fail "a full state directory: $(tail -n 3 "$dir/disk.log")"
	kill "$pid" # which gives it up
	wait "$server_pid" && fail "the service ended with 0, though the disk was not saved"
	[ ! -s "$state/disk.ramz" ] || fail "a save that had no room is there"
fi
echo "system calls: $(tr '\n' ' ' <"$dir/all_made")"
finish
