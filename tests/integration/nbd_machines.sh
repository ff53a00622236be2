#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_machines.sh PLUGIN HELPERS RAMZ: memory of other machines, as docs/other-machines.md has it.
# Three network namespaces on a bridge serve a disk each, with keys; a fourth joins two of them by
# btrfs raid1 over nbdfuse and loop devices. One machine is killed, and then a link is cut, while
# files are written. What was written is right after each, a third disk takes the place of the lost
# one, and a scrub finds nothing. Needs root.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
ramz=${3:?usage: sh nbd_machines.sh PLUGIN HELPERS RAMZ}
bounded 240 "$@"
needs_loop ip nsenter mkfs.btrfs btrfs wipefs psktool sha256sum
grep -qw btrfs /proc/filesystems || modprobe -q btrfs || skip "this kernel has no btrfs"
nbdkit --dump-config | grep -q '^tls=yes' || skip "this nbdkit has no TLS"
show_seed

space=xv$$ # the namespaces' names begin with it

in_space() { # in_space WHICH COMMAND...: in the network of that machine, with the mounts of all
	which=$1
	shift
	nsenter --net="/run/netns/$space$which" "$@"
}

make_space() { # make_space WHICH: with the network's loopback device
	undo "ip netns del $space$1 2>/dev/null"
	ip netns add "$space$1" 2>"$dir/ip" || skip "no network namespaces: $(cat "$dir/ip")"
	in_space "$1" ip link set lo up
}

make_machine() { # make_machine NUMBER: a namespace with the address 10.0.0.NUMBER, on the bridge
	make_space "$1"
	ip -n "$space$1" link add eth0 type veth peer name "port$1" netns "${space}b" &&
		ip -n "$space$1" address add "10.0.0.$1/24" dev eth0 &&
		ip -n "$space$1" link set eth0 up &&
		ip -n "${space}b" link set "port$1" master bridge up ||
		die "no network for machine $1"
}

serve_machine() { # serve_machine NUMBER
	mkdir -m 700 "$dir/machine$1"
	undo "kill_pid '$dir/machine$1/ramz/ramz.pid'"
	XDG_RUNTIME_DIR=$dir/machine$1 in_space "$1" "$ramz" serve 300M --plugin "$plugin" --port 10809 \
		--tls-psk "$dir/keys" -- --ipaddr="10.0.0.$1" >"$dir/serve$1.log" 2>&1 ||
		die "machine $1 does not serve"
}

kill_pid() {
	[ ! -s "$1" ] || kill -KILL "$(cat "$1")" 2>/dev/null
}

# attach_machine NUMBER: its disk as a loop device of the client (machine 9), $loop
attach_machine() {
	mkdir -p "$dir/disk$1.fuse"
	undo "end_disk $1"
	in_space 9 setsid nbdfuse "$dir/disk$1.fuse/disk" [ nbdkit --exit-with-parent nbd \
		hostname="10.0.0.$1" tls=require tls-username=client tls-psk="$dir/keys" ] \
		>>"$dir/fuse$1.log" 2>&1 &
	awaits 20 test -s "$dir/disk$1.fuse/disk" || die "nbdfuse of machine $1"
	loop=$(losetup -f --show --direct-io=on "$dir/disk$1.fuse/disk") || die "losetup failed"
}

end_disk() {
	end_loops "disk$1"
	if is_mounted "$dir/disk$1.fuse"; then umount -l "$dir/disk$1.fuse"; fi
}

write_file() { # write_file NAME MIB: on the filesystem, and its sum beside the test
	make_mixed "$2" "$dir/source"
	(cd "$dir" && sha256sum <source | sed "s/-/$1/" >>sums)
	timeout 60 dd if="$dir/source" of="$dir/mnt/$1" bs=1M conv=fsync 2>"$dir/dd" ||
		fail "$1 cannot be written: $(cat "$dir/dd")"
}

check_files() { # check_files WHEN: all files are right, read from the disks and not from memory
	while read -r sum name; do
		timeout 60 dd if="$dir/mnt/$name" bs=1M iflag=direct 2>/dev/null | sha256sum |
			grep -q "^$sum " || fail "$1: $name is not what was written"
	done <"$dir/sums"
}

check_scrub() { # check_scrub WHEN: both copies of everything are right
	timeout 100 btrfs scrub start -B "$dir/mnt" >"$dir/scrub" 2>&1 || fail "$1: btrfs scrub"
	grep -q 'no errors found' "$dir/scrub" || fail "$1: $(cat "$dir/scrub")"
}

has_errors() { # has_errors DEVICE: the filesystem noticed that the device is lost
	[ "$(btrfs device stats "$1" | awk '{ sum += $2 } END { print sum }')" -gt 0 ]
}

replace() { # replace NUMBER DEVICE: device NUMBER of the filesystem by this one
	wipefs -qa "$2"
	timeout 100 btrfs replace start -Bfr "$1" "$2" "$dir/mnt" >"$dir/replace" 2>&1 ||
		die "btrfs replace: $(cat "$dir/replace")"
}

seconds() { cut -d. -f1 /proc/uptime; }

make_space b
ip -n "${space}b" link add bridge up type bridge || skip "no bridge in a namespace"
for machine in 1 2 3 9; do make_machine $machine; done
in_space 9 sh -c 'echo 4 >/proc/sys/net/ipv4/tcp_retries2'
psktool -u client -p "$dir/keys" >/dev/null 2>&1 && chmod 600 "$dir/keys" || die psktool
for machine in 1 2 3; do serve_machine $machine; done
attach_machine 1
first=$loop
attach_machine 2
second=$loop
mkfs.btrfs -q -d raid1 -m raid1 "$first" "$second" >"$dir/mkfs" 2>&1 || die "mkfs.btrfs: $(cat "$dir/mkfs")"
btrfs device scan "$first" "$second" >/dev/null
mounted -t btrfs -o "device=$first,device=$second" "$first"
write_file before 24
check_files 'with all machines'
check_scrub 'with all machines'

# ---- a machine is killed ----------------------------------------------------------------

( sleep 0.3; kill_pid "$dir/machine1/ramz/ramz.pid" ) &
write_file killed 40
wait $!
check_files 'after a machine was killed'
has_errors "$first" || fail 'the filesystem did not notice that a machine was killed'
attach_machine 3
third=$loop
replace 1 "$third"
check_files 'with the third machine in its place'
check_scrub 'with the third machine in its place'
has_errors "$third" && fail 'errors on the new disk'

# ---- a link is cut ----------------------------------------------------------------------

begin=$(seconds)
( sleep 0.3; ip -n "${space}b" link set port2 down ) &
write_file cut 40
wait $!
echo "with a link cut, 40 MiB took $(($(seconds) - begin)) s"
check_files 'after a link was cut'
has_errors "$second" || fail 'the filesystem did not notice that a link was cut'
timeout 100 umount "$dir/mnt" || die umount
end_disk 1
end_disk 2
mounted -t btrfs -o degraded "$third"
check_files 'mounted with one disk'
ip -n "${space}b" link set port2 up
attach_machine 2
replace 2 "$loop"
check_files 'with the second machine back'
check_scrub 'with the second machine back'
timeout 100 umount "$dir/mnt" || die umount
finish
