#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# The disk (nbdkit-ramz-plugin) beside nbdkit's memory plugin, sparse and zstd, and kernel
# zram through its device: the same fio jobs on each, in one run, and the memory that each
# holds for the same contents.
#
#   bench/disk.sh [OPTION...] [BUILD]    a build tree; build/release if none is named
#
#   --rounds N       all jobs on all disks so many times (default 5)
#   --jobs REGEX     only jobs that match, such as 'rand.* 4k 1 1': the words are fio's rw
#                    and bs, queue depth, connections
#   --disks REGEX    only disks whose names match, such as 'ramz-zstd$|sparse'
#   --quick          disks of 64 MiB in place of 256, one round: whether it works
#
# Every disk is filled with a tar of /usr/bin by nbdcopy (zram's by dd). Then every write has
# pages of that file, drawn at random from a fixed seed, those of one request being neighbours
# in it (disk_content.c, put before fio): no zeros and no repeated pages but those that the file
# has. So each disk holds real data at any time.
#
# Each disk has a server of its own, all at the same time; the jobs go from one disk to the next,
# so that what else the machine does meets all of them. Of the rounds the one with the most requests
# per second is taken. zram is there where there are the module and root.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/release
size=256
rounds=5
jobs=.
disks=.

die() {
	echo "disk.sh: $*" >&2
	exit 1
}

while [ $# -gt 0 ]; do
	case $1 in
	--rounds)
		case ${2-} in '' | *[!0-9]* | 0*) die "$1 takes a number above 0, not '${2-}'" ;; esac
		rounds=$2
		shift
		;;
	--jobs | --disks)
		[ $# -gt 1 ] || die "$1 needs a value"
		eval "${1#--}=\$2"
		shift
		;;
	--quick)
		size=64
		rounds=1
		;;
	-h | --help)
		sed -n '/^# The disk/,/^set -eu/{/^set/d; s/^# \{0,1\}//; p}' "$0"
		exit
		;;
	-*) die "no option $1; see $0 --help" ;;
	*) build=$1 ;;
	esac
	shift
done

for command in nbdkit nbdcopy fio "${CC:-cc}"; do
	command -v "$command" >/dev/null || {
		echo "disk.sh: no command $command (Debian: apt-get install nbdkit libnbd-bin fio gcc)" >&2
		exit 77
	}
done
fio --enghelp | grep -qw nbd || die "this fio has no ioengine nbd"
plugin=$build/bin/nbdkit-ramz-plugin.so
[ -r "$plugin" ] || die "no $plugin: build it first, with nbdkit's headers" \
	"(Debian: nbdkit-plugin-dev; cmake --preset release && cmake --build --preset release)"

work=$(mktemp -d)
servers=
zram=

# Whatever the end is: servers and the device that were made here go, and nothing else.
cleanup() {
	trap '' INT TERM
	for server in $servers; do kill "$server" 2>/dev/null || :; done
	if [ -n "$zram" ]; then
		echo 1 >"/sys/block/zram$zram/reset" || :
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			echo "$zram" 2>/dev/null >/sys/class/zram-control/hot_remove && break
			sleep 0.2
		done
	fi
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"${CC:-cc}" -std=gnu11 -O2 -fPIC -shared "$root/bench/disk_content.c" -o "$work/content.so" -ldl

{ tar -C / -chf - usr/bin 2>/dev/null || :; } | head -c "${size}M" >"$work/content"
bytes=$(($(wc -c <"$work/content") / 65536 * 65536))
truncate -s "$bytes" "$work/content"

# ---- the disks ----------------------------------------------------------------------

# Lines "NAME KIND PARAMETER...". The memory plugin compresses 32 KiB at a time,
# so that there is also one of ours that does.
{
	echo "ramz-lz4 ramz codec=lz4"
	echo "ramz-zstd ramz codec=zstd"
	echo "ramz-zstd-32K ramz codec=zstd page=32K"
	echo "sparse memory allocator=sparse"
	echo "memory-zstd memory allocator=zstd"
} | awk -v disks="$disks" '$1 ~ disks' >"$work/disks"

rss() { awk '/^RssAnon/ { print $2 * 1024 }' "/proc/$1/status"; }

serve() { # serve NAME KIND PARAMETER...
	name=$1
	kind=$2
	shift 2
	case $kind in
	ramz) set -- "$plugin" "size=$bytes" "$@" ;;
	*) set -- memory "size=$bytes" "$@" ;;
	esac
	nbdkit -f -U "$work/$name.sock" -P "$work/$name.pid" "$@" 2>"$work/$name.log" &
	servers="$servers $!"
	for _ in $(seq 100); do
		[ -s "$work/$name.pid" ] && return
		sleep 0.05
	done
	die "no server: $(cat "$work/$name.log")"
}

memory() { # memory NAME KIND: bytes for the contents
	case $2 in
	zram) awk '{ print $3 }' "/sys/block/zram$zram/mm_stat" ;;
	*) echo $(($(rss "$(cat "$work/$1.pid")") - $(cat "$work/$1.empty"))) ;;
	esac
}

add_zram() {
	echo "zram-lz4" | grep -Eq "$disks" || return 0
	if [ "$(id -u)" -ne 0 ] || ! [ -r /sys/class/zram-control/hot_add ]; then
		echo "kernel zram is left out: it needs root and the zram module" >&2
		return
	fi
	zram=$(cat /sys/class/zram-control/hot_add)
	echo lz4 2>/dev/null >"/sys/block/zram$zram/comp_algorithm" || {
		echo "kernel zram is left out: it has no lz4" >&2
		return
	}
	echo "$bytes" >"/sys/block/zram$zram/disksize"
	echo "zram-lz4 zram" >>"$work/disks"
}

fill() { # fill NAME KIND
	case $2 in
	zram) dd if="$work/content" of="/dev/zram$zram" bs=1M oflag=direct 2>"$work/dd" ;;
	*)
		rss "$(cat "$work/$1.pid")" >"$work/$1.empty"
		nbdcopy "$work/content" "nbd+unix:///?socket=$work/$1.sock"
		;;
	esac
}

while read -r name kind parameters; do
	# shellcheck disable=SC2086 # parameters are words
	serve "$name" "$kind" $parameters
done <"$work/disks"
add_zram
while read -r name kind _; do
	fill "$name" "$kind" </dev/null
	echo "$name filled $(memory "$name" "$kind")"
done <"$work/disks" >"$work/memory"

# ---- the jobs -----------------------------------------------------------------------

grep -E "$jobs" >"$work/jobs" <<END || die "no job matches '$jobs'"
randwrite 4k 1 1
randwrite 4k 16 1
randwrite 4k 16 2
randread 4k 1 1
randread 4k 16 1
randread 4k 16 2
write 64k 1 1
write 64k 16 1
read 64k 1 1
read 64k 16 1
END

# run_job NAME KIND RW BS DEPTH CONNECTIONS: a line "... IOPS MEAN-US P99-US"
run_job() {
	case $2 in
	zram) set -- "$@" --ioengine=libaio --direct=1 --filename="/dev/zram$zram" ;;
	*) set -- "$@" --ioengine=nbd --uri="nbd+unix:///?socket=$work/$1.sock" ;;
	esac
	key="$1 $3 $4 $5 $6"
	rw=$3
	bs=$4
	depth=$5
	connections=$6
	shift 6
	(cd "$work" && LD_PRELOAD="$work/content.so" XV_CONTENT="$work/content" timeout 60 \
		fio --name=job "$@" --rw="$rw" --bs="$bs" --iodepth="$depth" --numjobs="$connections" \
		--size="$bytes" --norandommap --random_generator=tausworthe64 --scramble_buffers=0 \
		--time_based --runtime=1 --group_reporting --thread \
		--lat_percentiles=1 --clat_percentiles=0 \
		--output-format=terse --terse-version=3) >"$work/fio" 2>"$work/fio.err" ||
		die "fio $key: $(tail -n 3 "$work/fio.err" "$work/fio")"
	# Terse output: the read half begins at field 6, the write half at 47.
	awk -F ';' -v key="$key" '$1 == 3 {
		from = $8 > 0 ? 6 : 47
		for (i = from + 12; i < from + 32; i++)
			if ($i ~ /^99\.0+%=/) { p99 = $i; sub(/.*=/, "", p99) }
		if ($5 != 0) exit 1
		print key, $(from + 2), $(from + 34), p99
		found = 1
	} END { exit !found }' "$work/fio" || die "fio $key: $(head -n 3 "$work/fio")"
}

[ -s "$work/disks" ] || die "no disk matches '$disks'"
for round in $(seq "$rounds"); do
	echo "round $round of $rounds" >&2
	while read -r rw bs depth connections; do
		while read -r name kind _; do
			run_job "$name" "$kind" "$rw" "$bs" "$depth" "$connections" </dev/null
		done <"$work/disks"
	done <"$work/jobs"
done >"$work/results"

# Each page was written over many times; what a page holds is still a page of the file.
while read -r name kind _; do
	echo "$name overwritten $(memory "$name" "$kind")"
done <"$work/disks" >>"$work/memory"

awk -v bytes="$bytes" -v rounds="$rounds" -v kernel="$(uname -sr)" -v cpus="$(getconf _NPROCESSORS_ONLN)" \
	-f "$root/bench/disk_table.awk" "$work/disks" "$work/jobs" "$work/memory" "$work/results"
