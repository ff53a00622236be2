# shellcheck shell=sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd.sh: what the tests of the disk (tests/integration/nbd_*.sh) have in common. A test is
#
#   sh nbd_WHAT.sh PLUGIN HELPERS [VARIANT]
#
# PLUGIN is nbdkit-ramz-plugin.so, HELPERS the directory of the programs that are built for
# these tests, and a test begins with
#
#   . "$(dirname "$0")/../support/nbd.sh"
#   bounded SECONDS "$@"
#   needs COMMAND...
#
# It has a directory of its own, $dir, in which everything is that it makes. Whatever a test
# starts, mounts or attaches it tells undo() about, before if possible, and at its end, however that
# comes, the commands told are run, the last first. Nothing else is ever touched.
# Exit status: 0 passed, 1 failed, 77 skipped.
#
# Environment: XV_SEED, the seed of what is random; XV_TIME_FACTOR, how much slower than
# usual the tests run; XV_NBDKIT_PRELOAD, a library that the server needs before all others.
set -u

plugin=${1:?usage: sh "$0" PLUGIN HELPERS [VARIANT]}
helpers=${2:?usage: sh "$0" PLUGIN HELPERS [VARIANT]}
PATH=$PATH:/usr/sbin:/sbin
failures=0
undo_list=
serve_options= # of nbdkit, for the next serve
serve_under=   # a command before nbdkit, for the next serve

# ---- beginning and end --------------------------------------------------------------

# bounded SECONDS ARGUMENT...: run this test again, from its beginning, with so much time.
# timeout ends the clients; servers have groups of their own, and end with undo_list.
bounded() {
	[ -n "${XV_BOUNDED-}" ] && {
		unset XV_BOUNDED
		begin
		return
	}
	seconds=$(($1 * ${XV_TIME_FACTOR:-1}))
	shift
	if ! command -v timeout >/dev/null; then skip "no command timeout"; fi
	XV_BOUNDED=1 exec timeout -k 40 "$seconds" sh "$0" "$@"
}

begin() {
	dir=$(mktemp -d "${TMPDIR:-/tmp}/xv-nbd.XXXXXX") || exit 1
	trap 'ending $?' EXIT
	trap 'echo "FAILED: out of time, or interrupted"; exit 1' INT TERM HUP
}

undo() { undo_list="$*
$undo_list"; }

# A directory on which something is still mounted is left alone.
ending() {
	trap '' INT TERM HUP
	if [ "$1" -ne 0 ] && [ "$1" -ne 77 ]; then show_logs; fi
	eval "$undo_list"
	rm -rf --one-file-system "$dir"
}

show_logs() {
	for log in "$dir"/*.log; do
		[ -s "$log" ] || continue
		echo "---- ${log##*/}"
		tail -n 20 "$log"
	done
}

skip() {
	echo "skipped: $*"
	exit 77
}

fail() {
	echo "FAILED: $*"
	failures=$((failures + 1))
}

die() {
	fail "$@"
	exit 1
}

finish() {
	[ "$failures" -eq 0 ] || {
		echo "$failures checks failed"
		exit 1
	}
	echo "all checks passed"
	exit 0
}

package_of() { # package_of COMMAND: Debian's name of what brings it
	case $1 in
	nbdinfo | nbdcopy | nbdfuse) echo libnbd-bin ;;
	qemu-img | qemu-io) echo qemu-utils ;;
	mkfs.ext* | e2fsck) echo e2fsprogs ;;
	mkfs.xfs | xfs_repair) echo xfsprogs ;;
	mkfs.btrfs | btrfs) echo btrfs-progs ;;
	psktool) echo gnutls-bin ;;
	ip) echo iproute2 ;;
	losetup | swapon | mkswap | mount) echo mount util-linux ;;
	*) echo "$1" ;;
	esac
}

# A plugin that nbdkit cannot load is a failure, but for one of another architecture.
plugin_can_be_used() {
	LD_PRELOAD=${XV_NBDKIT_PRELOAD-} nbdkit "$plugin" --dump-plugin >"$dir/dump" 2>&1 || {
		if grep -q 'wrong ELF class' "$dir/dump"; then skip "the plugin is for another architecture"; fi
		die "nbdkit cannot load the plugin: $(cat "$dir/dump")"
	}
	grep -qx ramz_stats=yes "$dir/dump" ||
		skip "the plugin was built without jansson, so that nothing can be asked of it"
}

needs() { # needs COMMAND...: what is not there is a reason to skip
	for command in nbdkit "$@"; do
		command -v "$command" >/dev/null ||
			skip "no command $command (Debian: apt-get install $(package_of "$command"))"
	done
	[ -r "$plugin" ] || skip "no plugin $plugin: it is built where nbdkit's headers are"
	plugin_can_be_used
}

needs_loop() { # for attach
	[ "$(id -u)" -eq 0 ] || skip "loop devices and mounts need root"
	[ -c /dev/fuse ] || skip "no /dev/fuse"
	[ -c /dev/loop-control ] || skip "no /dev/loop-control"
	needs nbdfuse losetup mount "$@"
}

seed=${XV_SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
show_seed() { echo "XV_SEED=$seed"; }

# ---- servers ------------------------------------------------------------------------

# awaits SECONDS COMMAND...: until the command succeeds
awaits() {
	tries=$(($1 * 20 * ${XV_TIME_FACTOR:-1}))
	shift
	while [ "$tries" -gt 0 ]; do
		"$@" 2>/dev/null && return
		sleep 0.05
		tries=$((tries - 1))
	done
	return 1
}

is_gone() { ! kill -0 "$1" 2>/dev/null; }

# The number of the process is written before the control socket is there.
is_ready() { [ -s "$dir/$1.pid" ] && ask "$1" stat >/dev/null; }

ready_or_gone() { is_gone "$server_pid" || is_ready "$1"; }

# try_serve NAME PARAMETER...: a server whose socket is $dir/NAME.sock, whose control
# socket is $dir/NAME.ctl and whose output is in $dir/NAME.log. 1 if it does not start.
try_serve() {
	name=$1
	shift
	rm -f "$dir/$name.pid" "$dir/$name.sock"
	# shellcheck disable=SC2086 # options and a command with its own
	LD_PRELOAD=${XV_NBDKIT_PRELOAD-} setsid $serve_under nbdkit -f --exit-with-parent \
		-U "$dir/$name.sock" -P "$dir/$name.pid" $serve_options \
		"$plugin" stats="$dir/$name.ctl" "$@" >>"$dir/$name.log" 2>&1 &
	server_pid=$!
	undo "kill_server $server_pid"
	# shellcheck disable=SC2034 # for the tests
	uri="nbd+unix:///?socket=$dir/$name.sock"
	awaits 20 ready_or_gone "$name"
	[ -s "$dir/$name.pid" ]
}

serve() { try_serve "$@" || die "no server: $(tail -n 5 "$dir/$1.log")"; }

# ended PID NAME [STATUS]: it ends by itself, with that status (0)
ended() {
	awaits 30 is_gone "$1" || {
		fail "server $2 does not end"
		kill -KILL "$1"
	}
	wait "$1"
	status=$?
	[ "$status" -eq "${3:-0}" ] || fail "server $2 ended with status $status: $(tail -n 3 "$dir/$2.log")"
}

# end_server PID NAME [STATUS [SIGNAL]]: what nbdkit does at SIGTERM: a clean end
end_server() {
	kill -"${4:-TERM}" "$1" || fail "server $2 had ended by itself"
	ended "$1" "$2" "${3:-0}"
}

kill_server() {
	is_gone "$1" && return
	kill -TERM "$1"
	awaits 5 is_gone "$1" || kill -KILL "$1"
	wait "$1" 2>/dev/null
}

# scatters NAME: a client ($writer) writes rounds all over the disk, which "moment" can tell apart
scatters() {
	timeout 100 "$helpers/nbd_client" "$dir/$1.sock" scatter 1 1000000 >"$dir/written" 2>&1 &
	# shellcheck disable=SC2034 # the test ends it
	writer=$!
	awaits 60 scatters_begun || die "the client does not write: $(cat "$dir/written")"
}
scatters_begun() { grep -q 'round 1' "$dir/written"; }
round() { sed -n '$s/^round //p' "$dir/written"; } # the last one it finished

# refuses_start WORDS KEY...: a start in the background fails with these words
refuses_start() {
	words=$1
	shift
	LD_PRELOAD=${XV_NBDKIT_PRELOAD-} timeout 30 nbdkit -P "$dir/bad.pid" -U "$dir/bad.sock" \
		"$plugin" "$@" >"$dir/bad.log" 2>&1 && fail "it starts with $*"
	grep -q "$words" "$dir/bad.log" || fail "with $* it said: $(cat "$dir/bad.log")"
}

ask() { # ask NAME COMMAND: the one line that the control socket answers
	timeout 60 "$helpers/unix_ask" "$dir/$1.ctl" "$2"
}

# field NAME KEY: a number of `stat`; where a key is there more than once, the first
field() {
	ask "$1" stat >"$dir/$1.stat" || die "no answer on the control socket of $1"
	number=$(grep -o "\"$2\": *[0-9][0-9]*" "$dir/$1.stat" | head -n 1 | grep -o '[0-9]*$')
	[ -n "$number" ] || die "no $2 in: $(head -c 600 "$dir/$1.stat")"
	echo "$number"
}

# ---- a block device of the machine --------------------------------------------------

# attach NAME: the disk of that server as a loop device, $loop. Direct, or what is written
# would be read back from the kernel's cache of nbdfuse's file.
attach() {
	mkdir -p "$dir/$1.fuse"
	undo "end_fuse $1"
	setsid nbdfuse "$dir/$1.fuse/disk" "nbd+unix:///?socket=$dir/$1.sock" \
		>>"$dir/$1.fuse.log" 2>&1 &
	fuse_pid=$!
	awaits 20 test -s "$dir/$1.fuse/disk" || die "nbdfuse: $(cat "$dir/$1.fuse.log")"
	undo "end_loops $1"
	loop=$(losetup -f --show --direct-io=on "$dir/$1.fuse/disk") || die "losetup failed"
}

# Not by looking into it: that fails once the server is gone.
is_mounted() { grep -qF " $1 " /proc/mounts; }

loops_of() { losetup -nO NAME,BACK-FILE 2>/dev/null | awk -v file="$dir/$1.fuse/disk" '$2 == file { print $1 }'; }

has_no_loop() { [ -z "$(loops_of "$1")" ]; }

end_loops() {
	for device in $(loops_of "$1"); do losetup -d "$device"; done
}

end_fuse() {
	if is_mounted "$dir/$1.fuse"; then
		umount "$dir/$1.fuse" 2>/dev/null || umount -l "$dir/$1.fuse"
	fi
	[ -n "${fuse_pid-}" ] || return
	awaits 5 is_gone "$fuse_pid" || kill -KILL "$fuse_pid" 2>/dev/null
	wait "$fuse_pid" 2>/dev/null
}

detach() { # detach NAME: what attach made
	sync "$loop"
	losetup -d "$loop" || fail "losetup -d $loop"
	awaits 5 has_no_loop "$1" || fail "$loop is still there"
	umount "$dir/$1.fuse" || fail "nbdfuse cannot be unmounted"
	wait "$fuse_pid" || fail "nbdfuse ended with status $?"
}

mounted() { # mounted MOUNT-ARGUMENT... DEVICE: on $dir/mnt
	mkdir -p "$dir/mnt"
	undo "if is_mounted '$dir/mnt'; then umount '$dir/mnt' || umount -l '$dir/mnt'; fi"
	timeout 60 mount "$@" "$dir/mnt" || die "mount $*"
}

# ---- contents -----------------------------------------------------------------------

# make_text BYTES: lines that compress, and no two pages alike
make_text() {
	awk -v bytes="$1" -v seed="$seed" 'BEGIN {
		srand(seed)
		for (n = 0; n < bytes; n += length(line) + 1) {
			line = sprintf("%d: entry %x of the table, worth %d", n, rand() * 1e9, rand() * 1e4)
			print line
		}
	}' | head -c "$1"
}

# make_mixed MIB FILE: text, noise and zeros by turns of 64 KiB
make_mixed() {
	make_text 65536 >"$dir/mixed.text"
	: >"$2"
	turn=0
	while [ "$turn" -lt $(($1 * 4)) ]; do
		{
			echo "turn $turn of $seed"
			cat "$dir/mixed.text"
		} | head -c 65536
		head -c 131072 /dev/urandom
		head -c 65536 /dev/zero
		turn=$((turn + 1))
	done >>"$2"
}
