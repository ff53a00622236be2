#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_swap.sh PLUGIN HELPERS: swap on the disk. A program's pages, of which each can be told
# from all others, go out to it and come back, twice over; then swapoff brings back what is
# still out. The program runs in a memory cgroup of its own that is smaller than what it
# uses, or, where no cgroup can be made, asks the kernel to page itself out.
# The server itself is outside of that limit: a server that can be swapped out to its own
# disk may wait for itself.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 240 "$@"
needs_loop mkswap swapon swapoff
[ -r /proc/swaps ] || skip "this kernel has no swap"
show_seed
program_mib=96
limit_mib=32

# make_cgroup: $cgroup, a new memory cgroup, and its limit; 1 where that cannot be had
make_cgroup() {
	if [ -w /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
		cgroup=/sys/fs/cgroup/memory/xv-nbd-$$
		limit_file=memory.limit_in_bytes
	elif grep -qw memory /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null; then
		cgroup=/sys/fs/cgroup/xv-nbd-$$
		limit_file=memory.high
	else
		return 1
	fi
	mkdir "$cgroup" 2>/dev/null || return 1
	undo "awaits 5 rmdir $cgroup"
	echo $((limit_mib * 1048576)) >"$cgroup/$limit_file" 2>/dev/null
}

swap_used() { awk -v device="$loop" '$1 == device { print $4 }' /proc/swaps; } # KiB

serve disk size=256M codec=lz4 checksum=true
attach disk
timeout 60 mkswap "$loop" >"$dir/mkswap" 2>&1 || die "mkswap: $(cat "$dir/mkswap")"
empty=$(field disk held_bytes)
on_swap() { grep -q "^$loop " /proc/swaps; }
undo "for _ in 1 2 3; do if on_swap; then timeout 20 swapoff $loop || sleep 1; fi; done"
timeout 60 swapon -p 32767 "$loop" 2>"$dir/swapon" || {
	grep -qi 'not permitted' "$dir/swapon" && skip "swapon is not permitted here"
	die "swapon: $(cat "$dir/swapon")"
}

verified_or_gone() { grep -q '^verified twice' "$dir/program" || is_gone "$program"; }

# start COMMAND...: the program, with COMMAND before it; it waits for a word behind fd 9
start() {
	rm -f "$dir/go"
	mkfifo "$dir/go"
	timeout $((200 * ${XV_TIME_FACTOR:-1})) "$@" "$helpers/swap_pages" $program_mib "$seed" <"$dir/go" >"$dir/program" 2>&1 &
	program=$!
	undo "is_gone $program || kill $program; awaits 5 is_gone $program" # before swapoff
	exec 9>"$dir/go"
	awaits 60 verified_or_gone
	grep -q '^verified twice' "$dir/program"
}

limited() { # limited MIB: in the cgroup, with so much
	echo $(($1 * 1048576)) >"$cgroup/$limit_file" || return 1
	how="limit of $1 MiB"
	start sh -c "echo \$\$ >$cgroup/cgroup.procs && exec \"\$@\"" sh && return
	# What it has to say is an error.
	[ ! -s "$dir/program" ] || die "the program: $(cat "$dir/program")"
	return 1
}

# The kernel kills what is over its limit while swap is too slow, as on a busy machine.
if make_cgroup; then
	limited $limit_mib || limited $((limit_mib * 3 / 2)) || limited $((limit_mib * 2)) ||
		skip "the kernel killed the program at its limit, three times: the machine is too busy"
else
	how="no cgroup: paged out by madvise"
	start env || die "the program: $(cat "$dir/program")"
fi

used=$(swap_used)
held=$(field disk held_bytes)
pages=$(field disk pages_stored)
echo "$how; program of $program_mib MiB: $used KiB in swap, $pages pages stored, $held bytes held"
[ "$used" -gt $((8 * 1024)) ] || fail "nearly nothing was swapped out"
[ "$pages" -gt $((8 * 256)) ] || fail "what was swapped out is not on the disk"
[ "$held" -gt "$empty" ] || fail "held bytes do not grow"
reads=$(field disk reads)
# What is paged out by madvise may come back from the kernel's cache.
[ -z "${cgroup-}" ] || [ "$reads" -gt $((8 * 256)) ] || fail "nothing was swapped in: $reads pages read"

# Without its limit the program has room for all that swapoff brings back.
[ -z "${cgroup-}" ] || echo $((8 * program_mib * 1048576)) >"$cgroup/$limit_file"
timeout 60 swapoff "$loop" || fail "swapoff"
trap '' PIPE
echo again >&9 || fail "the program has ended: $(cat "$dir/program")"
exec 9>&-
wait "$program" || fail "the program: $(cat "$dir/program")"
grep -q '^verified again' "$dir/program" || fail "the program: $(cat "$dir/program")"
[ "$(field disk failed_reads)" -eq 0 ] || fail "failed reads"
[ "$(field disk failed_writes)" -eq 0 ] || fail "failed writes"
detach disk
end_server "$server_pid" disk
finish
