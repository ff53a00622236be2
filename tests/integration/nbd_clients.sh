#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_clients.sh PLUGIN HELPERS: the disk as nbdinfo, nbdcopy, qemu-img and qemu-io see it:
# what it says of itself; the map of an empty, a sparse and a full disk; copies in and out
# that are compared; requests of any alignment, discards and zeroes.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 120 "$@"
needs nbdinfo nbdcopy qemu-img qemu-io cmp
show_seed

mib=1048576
map() { timeout 20 nbdinfo --map "$uri" | awk '{ print $1, $2, $3 }' >"$dir/map"; }

expect_map() { # expect_map WHAT "OFFSET LENGTH TYPE"...: types are NBD's: 0 data, 3 hole and zero
	what=$1
	shift
	map
	printf '%s\n' "$@" | cmp -s - "$dir/map" || {
		fail "map of $what"
		printf '%s\n' "$@" | diff - "$dir/map"
	}
}

io() { # io COMMAND...: of qemu-io, all of them; 1 when one fails
	for command; do
		printf '%s\n' "$command"
	done >"$dir/io"
	timeout 60 qemu-io -f raw -t writeback "$uri" <"$dir/io" >"$dir/io.out" 2>&1
	status=$?
	# With its commands from a file qemu-io tells of failures in its output only.
	grep -Ei 'failed|error|invalid|mismatch' "$dir/io.out" && return 1
	return $status
}

copied_out() { # copied_out FILE WHAT: the disk's contents are the file's
	rm -f "$dir/out"
	timeout 60 nbdcopy --synchronous "$uri" "$dir/out" || fail "$2: nbdcopy out"
	cmp "$1" "$dir/out" || fail "$2: not what was copied in"
}

# ---- what it says of itself ---------------------------------------------------------

serve first size=64M codec=lz4 page=4K
[ "$(timeout 20 nbdinfo --size "$uri")" -eq $((64 * mib)) ] || fail "nbdinfo --size"
for can in read write flush fua trim zero fast-zero multi-conn cache; do
	timeout 20 nbdinfo --can "$can" "$uri" || fail "the disk cannot: $can"
done
timeout 20 nbdinfo --is rotational "$uri" && fail "the disk says that it is rotational"
timeout 20 nbdinfo --json "$uri" >"$dir/info" || fail "nbdinfo --json"
grep -Eq '"block_size_minimum": 1,' "$dir/info" || fail "smallest request: $(grep block_size "$dir/info")"
grep -Eq '"block_size_preferred": 4096,' "$dir/info" || fail "preferred request: $(grep block_size "$dir/info")"
LD_PRELOAD=${XV_NBDKIT_PRELOAD-} nbdkit "$plugin" --dump-plugin >"$dir/dump" || fail "nbdkit --dump-plugin"
# nbdkit before 1.34 ends when a client hangs up while several requests are at work.
threads=$(nbdkit --dump-config | awk -F= '
	$1 == "version_minor" { print $2 < 34 ? "serialize_requests" : "parallel" }')
for line in "thread_model=$threads" 'magic_config_key=size' 'ramz_version=[0-9]+\.[0-9]+\.[0-9]+' 'ramz_codecs=lz4( .*)?' \
	'ramz_page_bytes=4096 8192 16384 32768 65536' 'ramz_stats=(yes|no)'; do
	grep -Eqx "$line" "$dir/dump" || fail "nbdkit --dump-plugin prints no $line"
done

# ---- the map ------------------------------------------------------------------------

expect_map "an empty disk" "0 $((64 * mib)) 3"
head -c 65536 /dev/urandom >"$dir/noise"
io "write -s $dir/noise 1M 64k" "write -s $dir/noise 5248000 100" "write -s $dir/noise 67108863 1" ||
	fail "writes for the map"
# Pages are 4 KiB; one byte and a hundred of them take a page each.
expect_map "a sparse disk" "0 $mib 3" "$mib 65536 0" "$((mib + 65536)) $((5246976 - mib - 65536)) 3" \
	"5246976 4096 0" "5251072 $((64 * mib - 4096 - 5251072)) 3" \
	"$((64 * mib - 4096)) 4096 0"
io "discard 1M 64k" "discard 5M 64k" "discard 67104768 4k" || fail "discards for the map"
expect_map "a disk of which all was discarded" "0 $((64 * mib)) 3"
io "write -P 0 1M 64k" "write -P 0x5a 2M 64k" || fail "same-filled pages"
timeout 20 nbdinfo --map --totals "$uri" >"$dir/totals" || fail "nbdinfo --map --totals"
awk '$3 == 0 { data = $1 } $3 != 0 { zero += $1 } END { exit !(data == 65536 && zero == 67043328) }' \
	"$dir/totals" || fail "zeros are no data, and pages of 0x5a are: $(cat "$dir/totals")"

# Every second page of many: more than what fits into one answer of the server.
awk 'BEGIN { for (i = 0; i < 20000; i++) print "write -q -P " 1 + i % 255 " " 8192 * i " 4k" }' >"$dir/checkers"
serve checkers size=160M codec=lz4 page=4K
timeout 60 qemu-io -f raw "$uri" <"$dir/checkers" >"$dir/io.out" 2>&1 || fail "every second page"
map
awk '$1 != at || $3 != (NR % 2 ? 0 : 3) { wrong = 1 } NR < 40000 && $2 != 4096 { wrong = 1 } { at += $2 }
	END { exit wrong || NR != 40000 || at != 160 * 1048576 }' "$dir/map" ||
	fail "map of a disk of which every second page is written: $(wc -l <"$dir/map") parts"

serve odd size=10486272 # 10 MiB and a sector: whole pages are made of it
odd=$((10486272 + 3584))
expect_map "an empty disk of a size that is no number of pages" "0 $odd 3"
head -c $odd /dev/urandom >"$dir/odd"
timeout 60 nbdcopy "$dir/odd" "$uri" || fail "nbdcopy onto an odd disk"
expect_map "a full disk" "0 $odd 0"
copied_out "$dir/odd" "an odd disk"

# ---- nbdcopy ------------------------------------------------------------------------

make_mixed 48 "$dir/mixed"
serve second size=48M codec=lz4 checksum=true
timeout 60 nbdcopy --connections=4 --requests=64 "$dir/mixed" "$uri" || fail "nbdcopy in, four connections"
copied_out "$dir/mixed" "nbdcopy"
[ "$(field second held_bytes)" -lt $((40 * mib)) ] || fail "48 MiB, of which 12 are zeros and 12 text: all held"
other=$uri
serve third size=48M codec=zstd page=16K
timeout 60 nbdcopy "$other" "$uri" || fail "nbdcopy from disk to disk"
copied_out "$dir/mixed" "nbdcopy from disk to disk"
io "discard 0 48M" || fail "discard of all"
expect_map "zstd, all discarded" "0 $((48 * mib)) 3"

# ---- qemu-img -----------------------------------------------------------------------

timeout 60 qemu-img convert -f raw -O qcow2 "$dir/mixed" "$dir/mixed.qcow2" || fail "qemu-img convert to a file"
timeout 60 qemu-img convert -n -m 8 -W -f qcow2 -O raw "$dir/mixed.qcow2" "$uri" || fail "qemu-img convert in"
timeout 60 qemu-img compare -f qcow2 -F raw "$dir/mixed.qcow2" "$uri" >"$dir/compare" ||
	fail "qemu-img compare: $(cat "$dir/compare")"
timeout 60 qemu-img convert -f raw -O raw "$uri" "$dir/out" || fail "qemu-img convert out"
cmp "$dir/mixed" "$dir/out" || fail "qemu-img convert: not what was copied in"
io "write -P 1 30000001 1" || fail "a byte for qemu-img compare"
timeout 60 qemu-img compare -f qcow2 -F raw "$dir/mixed.qcow2" "$uri" >"$dir/compare" &&
	fail "qemu-img compare does not see a byte"

# ---- qemu-io: patterns, alignment, discard, zeroes ----------------------------------

serve fourth size=32M codec=lz4 page=4K
io "write -P 0xa1 0 4k" "write -P 0xa2 4095 2" "read -P 0xa1 0 4095" "read -P 0xa2 4095 2" \
	"read -P 0 4097 4095" || fail "two bytes over the edge of a page"
io "write -P 0xb1 1000001 3000003" "read -P 0xb1 1000001 3000003" "read -P 0 1000000 1" \
	"read -P 0 4000004 1" || fail "an unaligned write of many pages"
io "write -P 0xb2 1000003 1" "read -P 0xb1 1000001 2" "read -P 0xb2 1000003 1" \
	"read -P 0xb1 1000004 3000000" || fail "a byte in it"
io "write -z 1200001 100001" "read -P 0 1200001 100001" "read -P 0xb1 1300002 1000" \
	"read -P 0xb1 1200000 1" || fail "unaligned zeroes"
io "write -zu 1500001 100001" "read -P 0 1500001 100001" "read -P 0xb1 1600002 1000" \
	"read -P 0xb1 1500000 1" || fail "unaligned zeroes that may be holes"
io "write -zun 1720000 100001" "read -P 0 1720000 100001" "read -P 0xb1 1820001 1000" ||
	fail "fast zeroes"
io "write -f -P 0xc1 8M 1M" "read -P 0xc1 8M 1M" "flush" || fail "a write with FUA"
io "discard 8M 1M" "read -P 0 8M 1M" || fail "an aligned discard"
io "write -P 0xd1 16M 64k" "discard 16777217 65534" "read -P 0xd1 16M 1" "read -P 0xd1 16842751 1" ||
	fail "an unaligned discard took bytes that it does not have"
io "read -P 0 16781312 57344" || fail "an unaligned discard left whole pages that it has"
io "write -P 0xe1 33554431 1" "read -P 0xe1 33554431 1" || fail "the last byte"
io "write -P 0xe1 33554431 2" >/dev/null && fail "a write past the end was taken"
io "aio_write -P 1 20M 1M" "aio_write -P 2 21M 1M" "aio_write -P 3 22M 1M" "aio_write -P 4 23M 1M" \
	"aio_flush" "read -P 1 20M 1M" "read -P 2 21M 1M" "read -P 3 22M 1M" "read -P 4 23M 1M" ||
	fail "several requests at once"

# Everything discarded: memory comes back to (nearly) what an empty disk takes.
io "write -s $dir/mixed 0 32M" || fail "32 MiB at once"
full=$(field fourth held_bytes)
io "discard 0 32M" || fail "32 MiB discarded at once"
ask fourth trim >/dev/null || fail "the command trim"
left=$(field fourth held_bytes)
[ "$full" -gt $((12 * mib)) ] || fail "32 MiB of which 16 are noise: $full bytes held"
[ "$left" -lt $((2 * mib)) ] || fail "nothing is left, and $left bytes are held"

for name in first checkers odd second third fourth; do
	end_server "$(cat "$dir/$name.pid")" "$name"
done
finish
