#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_full.sh PLUGIN HELPERS [raw|ext4]: the limit of a disk is reached. The client sees "no
# space left on device", everything that was written is there, and discards make room again
# (raw). A filesystem that is being written when it happens tells the writer, can be
# unmounted and checked, and has lost nothing of what was there before (ext4).
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
part=${3-raw}
bounded 100 "$@"
mib=1048576
limit=$((12 * mib))

full_disk() {
	[ "$(field disk hard_limit_bytes)" -eq $limit ] || fail "the limit is not the one asked for"
	# Threads' contexts are never refused: a full disk can be read.
	[ "$(field disk held_bytes)" -le $((limit + $(field disk thread_bytes))) ] ||
		fail "more is held than the limit"
	[ "$(field disk hard_limit_hits)" -gt 0 ] || fail "no write was refused"
}

if [ "$part" = raw ]; then
	needs qemu-io nbdcopy cmp
	head -c $((6 * mib)) /dev/urandom >"$dir/first"
	head -c $((16 * mib)) /dev/urandom >"$dir/second"
	serve disk size=256M hard-limit=$limit codec=lz4
	timeout 60 nbdcopy "$dir/first" "$uri" || fail "6 MiB of noise under a limit of 12 MiB"
	timeout 60 qemu-io -f raw -t writeback "$uri" -c "write -s $dir/second 100M 16M" >"$dir/out" 2>&1
	grep -q 'No space left on device' "$dir/out" || fail "16 MiB more: $(cat "$dir/out")"
	full_disk
	timeout 60 nbdcopy "$uri" "$dir/out" || fail "a full disk cannot be read"
	cmp -n $((6 * mib)) "$dir/first" "$dir/out" || fail "what was there before is not intact"
	# What was taken of the second part is right as well: each page is whole or absent.
	dd if="$dir/out" of="$dir/taken" bs=1M skip=100 count=16 2>/dev/null
	cmp -l "$dir/taken" "$dir/second" | awk '$2 != 0 { wrong = 1 } END { exit wrong }' ||
		fail "a write that was refused left bytes that nobody wrote"

	timeout 60 qemu-io -f raw "$uri" -c "write -P 7 100M 4k" -c "read -P 7 100M 4k" >"$dir/out" 2>&1 ||
		fail "a page with less in it: $(cat "$dir/out")"
	timeout 60 qemu-io -f raw -d unmap "$uri" -c "discard 100M 16M" >"$dir/out" 2>&1 || fail "discard of a full disk"
	timeout 60 qemu-io -f raw "$uri" -c "write -s $dir/second 100M 4M" >"$dir/out" 2>&1 ||
		fail "after the discard there is no room: $(cat "$dir/out")"
	timeout 60 nbdcopy "$uri" "$dir/out" || fail "nbdcopy"
	dd if="$dir/out" of="$dir/taken" bs=1M skip=100 count=4 2>/dev/null
	cmp -n $((4 * mib)) "$dir/taken" "$dir/second" || fail "4 MiB after the discard"
	end_server "$server_pid" disk
	finish
fi

limit=$((24 * mib))
needs_loop mkfs.ext4 e2fsck fstrim sha256sum tar
serve disk size=256M hard-limit=$limit codec=lz4 checksum=true
attach disk
timeout 60 mkfs.ext4 -q -O ^has_journal "$loop" || die "mkfs.ext4"
timeout 60 tune2fs -j -J size=4 "$loop" >"$dir/tune" 2>&1 || die "tune2fs: $(cat "$dir/tune")"
mounted -t ext4 -o errors=remount-ro "$loop"
head -c $((6 * mib)) /dev/urandom >"$dir/mnt/noise"
seed=1 make_text $((6 * mib)) >"$dir/mnt/text"
(cd "$dir/mnt" && sha256sum noise text) >"$dir/sums"
sync -f "$dir/mnt"

LC_ALL=C timeout 60 dd if=/dev/urandom of="$dir/mnt/big" bs=1M count=100 conv=fsync 2>"$dir/dd" &&
	fail "100 MiB of noise were taken under a limit of 24 MiB"
cat "$dir/dd"
grep -Eq 'No space left on device|Input/output error|Read-only file system' "$dir/dd" ||
	fail "the writer was not told: $(cat "$dir/dd")"
full_disk
(cd "$dir/mnt" && sha256sum --quiet -c "$dir/sums") || fail "files there before, on the full disk"
timeout 60 umount "$dir/mnt" || die "umount of the full filesystem"
timeout 60 e2fsck -fn "$loop" >"$dir/fsck" 2>&1
[ $? -le 4 ] || fail "e2fsck cannot run: $(tail -n 5 "$dir/fsck")"

# With more room it can be repaired, and nothing of what was there before is lost.
ask disk "limit - $((4 * limit))" >"$dir/out" || fail "the command limit"
timeout 60 e2fsck -fy "$loop" >"$dir/fsck" 2>&1
[ $? -le 1 ] || fail "e2fsck cannot repair it: $(tail -n 5 "$dir/fsck")"
timeout 60 e2fsck -fn "$loop" >"$dir/fsck" 2>&1 || fail "not clean after a repair: $(tail -n 5 "$dir/fsck")"
detach disk
attach disk
mounted -t ext4 "$loop"
(cd "$dir/mnt" && sha256sum --quiet -c "$dir/sums") || fail "files there before, after the repair"
rm -f "$dir/mnt/big"
sync -f "$dir/mnt"
fstrim "$dir/mnt" || fail "fstrim"
head -c $((6 * mib)) /dev/urandom >"$dir/mnt/more" && sync -f "$dir/mnt" || fail "there is no room after the repair"
timeout 60 umount "$dir/mnt" || die "umount"
detach disk
end_server "$server_pid" disk
finish
