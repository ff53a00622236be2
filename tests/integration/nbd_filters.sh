#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_filters.sh PLUGIN HELPERS: nbdkit's filters before the disk: errors at random, delays
# that change the order of requests, a policy of block sizes, multi-conn, all of them at
# once.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 100 "$@"
needs nbdinfo nbdcopy qemu-io cmp
for filter in error delay blocksize-policy multi-conn; do
	nbdkit --filter=$filter --dump-plugin null >/dev/null 2>&1 || skip "nbdkit has no filter $filter"
done
show_seed
make_mixed 16 "$dir/mixed"

round_trip() { # round_trip WHAT: in and out
	timeout 60 nbdcopy --connections=4 --requests=32 "$dir/mixed" "$uri" || fail "$1: nbdcopy in"
	rm -f "$dir/out"
	timeout 60 nbdcopy --connections=4 --requests=32 "$uri" "$dir/out" || fail "$1: nbdcopy out"
	cmp "$dir/mixed" "$dir/out" || fail "$1: other contents"
}

io() { timeout 30 qemu-io -f raw "$uri" -c "$1" >"$dir/io.out" 2>&1; }

# The filter fails requests while its file is there, and nothing else changes.
serve_options="--filter=error"
serve error size=16M error-rate=30% error=EIO error-file="$dir/errors"
round_trip "error filter, no errors"
: >"$dir/errors"
failed=0
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	io "read 0 64k" || failed=$((failed + 1))
	io "write -s $dir/mixed 0 64k" || failed=$((failed + 1))
	io "discard 64k 0" || failed=$((failed + 1))
done
rm "$dir/errors"
[ "$failed" -gt 0 ] || fail "error filter: no request failed"
rm -f "$dir/out"
timeout 60 nbdcopy "$uri" "$dir/out" && cmp "$dir/mixed" "$dir/out" || fail "error filter: contents have changed"
[ "$(field error failed_writes)" -eq 0 ] || fail "error filter: errors of the store's own"
end_server "$server_pid" error

serve_options="--filter=delay -t 8"
serve delay size=16M delay-read=3ms delay-write=5ms delay-zero=1ms delay-trim=1ms
round_trip "delay filter"
end_server "$server_pid" delay

serve_options="--filter=blocksize-policy"
serve policy size=16M blocksize-minimum=4096 blocksize-preferred=64K blocksize-maximum=1M \
	blocksize-error-policy=error
timeout 20 nbdinfo --json "$uri" | grep -q '"block_size_minimum": 4096' || fail "blocksize-policy filter: nbdinfo"
round_trip "blocksize-policy filter"
end_server "$server_pid" policy

for mode in disable emulate plugin; do
	serve_options="--filter=multi-conn"
	serve "conn-$mode" size=16M multi-conn-mode=$mode
	timeout 20 nbdinfo --can multi-conn "$uri"
	can=$?
	[ "$mode:$can" = disable:2 ] || [ "$mode:$can" = emulate:0 ] || [ "$mode:$can" = plugin:0 ] ||
		fail "multi-conn filter, $mode: nbdinfo --can multi-conn has status $can"
	round_trip "multi-conn filter, $mode"
	end_server "$server_pid" "conn-$mode"
done

serve_options="-t 8 --filter=multi-conn --filter=delay --filter=blocksize-policy --filter=error"
serve all size=16M multi-conn-mode=emulate delay-read=1ms delay-write=2ms blocksize-minimum=512 \
	error-rate=100% error-file="$dir/errors"
round_trip "all filters"
# Not with a sanitizer, with which nbdkit hangs in exit() after this, whatever the plugin.
if [ -z "${XV_NBDKIT_PRELOAD-}" ]; then
	: >"$dir/errors"
	timeout 60 nbdcopy "$dir/mixed" "$uri" 2>/dev/null && fail "all filters: a copy that cannot be"
	rm "$dir/errors"
	round_trip "all filters, after errors"
fi
end_server "$server_pid" all
finish
