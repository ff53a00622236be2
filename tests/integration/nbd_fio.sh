#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_fio.sh PLUGIN HELPERS [long]: fio writes contents that carry their own checksum and
# reads them back: sequential, random, of block sizes from 512 bytes to 1 MiB by turns, with
# trims between, from one and from four connections. 70% of each buffer compresses.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
variant=${3-}
bounded "$([ "$variant" = long ] && echo 900 || echo 120)" "$@"
needs fio
fio --enghelp 2>/dev/null | grep -qw nbd || skip "this fio has no ioengine nbd"
show_seed
mib=$([ "$variant" = long ] && echo 256 || echo 24) # of each connection

fio_job() { # fio_job NAME OPTION...: 0 when fio found nothing wrong
	job=$1
	shift
	(cd "$dir" && timeout 300 fio --name="$job" --ioengine=nbd --uri="$uri" --size="${mib}M" \
		--verify=crc32c --verify_fatal=1 --verify_state_save=0 --serialize_overlap=1 \
		--buffer_compress_percentage=70 --refill_buffers --randseed="$seed" \
		--exitall_on_error "$@") >"$dir/$job.fio" 2>&1
	status=$?
	if [ "$status" -eq 0 ] && ! grep -Eq '(verify: bad|err= *[1-9])' "$dir/$job.fio"; then return; fi
	fail "fio $job: status $status"
	grep -E 'verify:|error|assert|err= *[1-9]' "$dir/$job.fio" | head -n 3
}

# All that the connections wrote was trimmed, piece by piece: a page is gone or zeros.
check_empty() { # check_empty CONNECTIONS
	left=$(($(field fio pages_stored) - $(field fio pages_zero)))
	[ "$left" -eq 0 ] || fail "$1 connections: $left pages are left after trims of all"
}

jobs() { # jobs PARAMETER...: all kinds of jobs on a disk of these parameters
	serve fio size=$((4 * mib))M "$@"
	for connections in 1 4; do
		# Each connection has a part of the disk for itself.
		set -- --numjobs=$connections --offset_increment=${mib}M --group_reporting
		fio_job "sequential-$connections" "$@" --rw=write --bs=64k --iodepth=8
		fio_job "random-$connections" "$@" --rw=randwrite --bs=4k --iodepth=16
		fio_job "mixed-$connections" "$@" --rw=randwrite --iodepth=8 --bs_unaligned \
			--bssplit=512/25:1536/15:4k/20:9k/15:64k/15:1M/10
		fio_job "read-write-$connections" "$@" --rw=randrw --bsrange=512-64k --iodepth=16
		[ "$(field fio pages_compressed)" -gt 0 ] || fail "nothing is compressed"
		fio_job "trim-write-$connections" "$@" --rw=randtrimwrite --bs=4k --iodepth=8
		fio_job "trim-$connections" "$@" --rw=randtrim --bs=4k --iodepth=16 --verify=0
		check_empty $connections
	done
	[ "$(field fio failed_reads)" -eq 0 ] || fail "failed reads"
	[ "$(field fio failed_writes)" -eq 0 ] || fail "failed writes"
	end_server "$server_pid" fio
}

jobs codec=lz4
[ "$variant" != long ] || {
	jobs codec=zstd checksum=true
	jobs codec=lz4 page=64K dedup=true
}
finish
