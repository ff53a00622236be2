#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_filesystem.sh PLUGIN HELPERS ext2|ext4|xfs: a filesystem on the disk, by nbdfuse and a
# loop device: a tree of real files unpacked, all of it read again after everything was
# detached and attached anew, fstrim that gives memory back, and a clean check at the end.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
type=${3:?usage: sh nbd_filesystem.sh PLUGIN HELPERS ext2|ext4|xfs}
bounded 150 "$@"
needs_loop "mkfs.$type" fstrim tar sha256sum
[ "$type" != xfs ] || needs xfs_repair
grep -qw "$type" /proc/filesystems || skip "this kernel has no $type"
size=384M # the smallest xfs is 300 MiB

# Up to 40 MB of headers or whatever else there is of real files.
tree_of_files() {
	find -L /usr/include /usr/share -xdev -type f -size -2000k -printf '%s %p\n' 2>/dev/null |
		sort -k 2 | awk '{ sum += $1; if (sum > 40e6) exit; sub(/^[0-9]* /, ""); print }'
}

check_tree() { # check_tree WHAT: the sums of all files are right
	(cd "$dir/mnt/tree" && sha256sum --quiet -c "$dir/sums") >"$dir/check" 2>&1 ||
		fail "$1: $(wc -l <"$dir/check") files differ: $(head -n 2 "$dir/check")"
}

check_filesystem() {
	case $type in
	xfs) timeout 60 xfs_repair -n "$loop" >"$dir/fsck" 2>&1 ;;
	*) timeout 60 e2fsck -fn "$loop" >"$dir/fsck" 2>&1 ;;
	esac || fail "the filesystem is not clean: $(tail -n 5 "$dir/fsck")"
}

unmount() { timeout 60 umount "$dir/mnt" || die "umount"; }

tree_of_files >"$dir/files"
tar -C / -chf "$dir/tree.tar" -T "$dir/files" 2>/dev/null
tree_bytes=$(wc -c <"$dir/tree.tar")
[ "$tree_bytes" -gt 2000000 ] || skip "fewer than 2 MB of files in /usr/include and /usr/share"

serve disk size=$size codec=lz4 checksum=true
attach disk
timeout 60 "mkfs.$type" -q "$loop" >"$dir/mkfs" 2>&1 || die "mkfs.$type: $(cat "$dir/mkfs")"
empty=$(field disk held_bytes)

mounted -t "$type" "$loop"
mkdir "$dir/mnt/tree"
timeout 60 tar -C "$dir/mnt/tree" -xf "$dir/tree.tar" || die "tar -x"
(cd "$dir/mnt/tree" && find . -type f -print0 | xargs -0 sha256sum) >"$dir/sums"
mkdir "$dir/sources"
tar -C "$dir/sources" -xf "$dir/tree.tar"
(cd "$dir/sources" && sha256sum --quiet -c "$dir/sums") >"$dir/check" 2>&1 ||
	fail "what was unpacked on the disk differs from what was unpacked elsewhere"
unmount
full=$(field disk held_bytes)
echo "$type: $(wc -l <"$dir/sums") files, $tree_bytes bytes; held: $empty empty, $full with them"
[ "$full" -lt "$tree_bytes" ] || fail "$full bytes held for $tree_bytes bytes of text"
check_filesystem

# Everything off, so that nothing is left in a cache of the kernel.
detach disk
attach disk
mounted -t "$type" -o ro "$loop"
check_tree "after all was attached anew"
unmount

mounted -t "$type" "$loop"
check_tree "mounted to write"
# Nine files of ten go.
awk 'NR % 10 { print substr($0, 67) }' "$dir/sums" | tr '\n' '\0' |
	(cd "$dir/mnt/tree" && xargs -0 rm -f)
awk 'NR % 10 == 0' "$dir/sums" >"$dir/sums.left"
mv "$dir/sums.left" "$dir/sums"
# A file is gone when the journal has it, and when a thread of XFS has been there. The journal and
# the inodes stay: with thousands of small files they are a seventh of all.
gives_back() {
	timeout 60 sync -f "$dir/mnt"
	timeout 60 fstrim "$dir/mnt" || die "fstrim"
	ask disk trim >/dev/null || fail "the command trim"
	left=$(field disk held_bytes)
	[ $((left - empty)) -lt $(((full - empty) / 3)) ]
}
awaits 10 gives_back ||
	fail "fstrim does not give back: $empty empty, $full full, $left now"
echo "$type: $left held after rm and fstrim; $(field disk notify_free) pages were discarded"
unmount
detach disk
attach disk
check_filesystem
mounted -t "$type" -o ro "$loop"
check_tree "what was not removed"
unmount
[ "$(field disk failed_reads)" -eq 0 ] || fail "failed reads"
[ "$(field disk failed_writes)" -eq 0 ] || fail "failed writes"
detach disk
end_server "$server_pid" disk
finish
