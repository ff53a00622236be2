#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_tiers.sh PLUGIN HELPERS: a disk whose unused pages go into the warm and the cold tier; one whose
# data does not fit under its hard limit without them; tiers and dictionaries saved and loaded.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 180 "$@"
needs nbdcopy cmp
show_seed
LD_PRELOAD=${XV_NBDKIT_PRELOAD-} nbdkit "$plugin" --dump-plugin 2>/dev/null |
	grep -q '^ramz_codecs=.*zstd' || skip "no zstd in this build"

mib=1048576
make_text $((24 * mib)) >"$dir/text"

# pages_in NAME TIER: pages that are in it
pages_in() {
	ask "$1" stat | grep -o "{\"tier\": $2[^}]*}" | grep -o '"pages": [0-9]*' | grep -o '[0-9]*$'
}

same_as_written() {
	timeout 60 nbdcopy "$uri" "$dir/back" && cmp -n $((24 * mib)) "$dir/text" "$dir/back"
}

# ---- by age ---------------------------------------------------------------------------

serve aged size=32M warm=lz4:9 warm-after=0.005 cold=zstd:3 cold-after=0.02 file="$dir/aged.ramz"
timeout 60 nbdcopy "$dir/text" "$uri" || die "nbdcopy in"
full=$(field aged held_bytes)
all_cold() { [ "$(pages_in aged 2)" -ge 6000 ]; }
awaits 60 all_cold || fail "pages do not go into the cold tier: $(ask aged stat)"
[ "$(field aged held_bytes)" -lt $((full * 9 / 10)) ] ||
	fail "cold pages hold $(field aged held_bytes) of $full"
same_as_written || fail "cold pages are not what was written"
end_server "$server_pid" aged

# What was saved is in its tiers again, and goes on without the parameters.
serve again file="$dir/aged.ramz"
[ "$(pages_in again 2)" -ge 1 ] || fail "no page is in the cold tier after a load"
ask again stat | grep -q '"running": true' || fail "the policy does not run after a load"
same_as_written || fail "loaded cold pages are not what was written"
end_server "$server_pid" again

# ---- a limit below what the data takes as it is written ----------------------------------

# A write waits a bounded time for room, in which a slow program, or one beside much other work, may
# make too little. One request at a time: nbdkit may fail when others are under way at an error.
copied() {
	tries=$((4 * ${XV_TIME_FACTOR:-1}))
	until timeout 120 nbdcopy --connections=1 --requests=1 "$dir/text" "$uri"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return
	done
}

serve limited size=32M hard-limit=$((full * 3 / 4)) cold=zstd:8
copied || fail "a write was refused: $(ask limited stat)"
[ "$(field limited held_bytes)" -le $((full * 3 / 4)) ] || fail "the limit was passed"
[ "$(pages_in limited 2)" -gt 0 ] || fail "no page is in the cold tier at the limit"
same_as_written || fail "pages at the limit are not what was written"
end_server "$server_pid" limited

# ---- a quarter of the data in memory, the rest on a file -----------------------------------

serve backed size=32M hard-limit=$((full / 4)) backing="$dir/backing" backing-size=64M
copied || fail "a write was refused: $(ask backed stat)"
[ "$(field backed held_bytes)" -le $((full / 4)) ] || fail "the limit was passed"
[ "$(field backed pages_backed)" -gt 1000 ] || fail "few pages are on the file"
same_as_written || fail "pages on the file are not what was written"
LD_PRELOAD=${XV_NBDKIT_PRELOAD-} timeout 30 nbdkit -U - "$plugin" size=1M backing="$dir/backing" \
	backing-size=64M --run true >"$dir/twice.log" 2>&1 && fail "two disks have one file"
grep -q 'another process has it' "$dir/twice.log" || fail "the second said: $(cat "$dir/twice.log")"
end_server "$server_pid" backed

# ---- what is wrong with a backing file is told before the fork, and the file is kept ---------

cp "$dir/text" "$dir/precious"
refuses_start 'holds other data' size=1M backing="$dir/precious" backing-size=8M
cmp "$dir/text" "$dir/precious" || fail "another file was overwritten"
refuses_start 'a file needs its size' size=1M backing="$dir/new"
refuses_start '1T at most' size=1M backing="$dir/new" backing-size=2T
refuses_start 'no warm=' size=1M warm-after=5
refuses_start 'no warm=, cold= or backing=' size=1M pressure=5
for percent in 0 101 x 5x ''; do
	refuses_start '1 to 100' size=1M cold=zstd pressure="$percent"
done

# ---- what the policy did is told ------------------------------------------------------------

if [ -r /proc/pressure/memory ]; then
	serve pressed size=16M cold=zstd pressure=100%
	ask pressed stat | grep -q '"pressure": [0-9]' || fail "no pressure: $(ask pressed stat)"
	ask pressed stat | grep -q '"pressures": 0' || fail "pressure of 100%: $(ask pressed stat)"
	end_server "$server_pid" pressed
else
	refuses_start 'leave pressure= out' size=1M cold=zstd pressure=10
fi
finish
