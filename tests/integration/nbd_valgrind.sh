#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_valgrind.sh PLUGIN HELPERS: the server under Valgrind, from its start to a clean end:
# all kinds of requests, several connections, the control socket, a file that is saved and
# loaded. No error, and nothing lost but what is nbdkit's own (support/nbdkit.supp).
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 150 "$@"
needs valgrind nbdcopy qemu-io nbdinfo cmp
[ -z "${XV_NBDKIT_PRELOAD-}" ] || skip "a sanitizer is in the plugin"
# Newer debug information than Valgrind can read: clang 14's, for Valgrind 3.19.
valgrind -q nbdkit "$plugin" --dump-plugin >"$dir/valgrind" 2>&1
if grep -q 'debuginfo reader' "$dir/valgrind"; then skip "valgrind cannot read the plugin's debug information"; fi
show_seed
make_mixed 4 "$dir/mixed"

visit() { # visit NAME PARAMETER...: a server's whole life
	name=$1
	serve_under="valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,possible
		--errors-for-leak-kinds=definite,possible --keep-debuginfo=yes --num-callers=30
		--suppressions=$(dirname "$0")/../support/nbdkit.supp"
	serve "$@" size=4M file="$dir/$name.saved"
	timeout 60 nbdcopy --connections=3 "$dir/mixed" "$uri" || fail "$name: nbdcopy in"
	timeout 60 nbdcopy "$uri" "$dir/out" && cmp "$dir/mixed" "$dir/out" || fail "$name: other contents"
	timeout 60 qemu-io -f raw -d unmap "$uri" -c 'write -P 3 1001 5000' -c 'read 0 1M' -c 'write -z 9000 9000' \
		-c 'write -zu 100k 64k' -c 'discard 1M 100k' -c 'flush' >"$dir/io.out" 2>&1 ||
		fail "$name: $(cat "$dir/io.out")"
	timeout 60 nbdinfo --map "$uri" >"$dir/map" || fail "$name: nbdinfo --map"
	for command in stat compact trim "limit 8388608 -" "codec none" save nonsense "save relative/path"; do
		ask "$name" "$command" >"$dir/answer" || fail "$name: no answer to: $command"
	done
	end_server "$server_pid" "$name"
	grep -q '^==' "$dir/$name.log" && fail "$name: $(grep '^==' "$dir/$name.log" | head -n 30)"
}

visit lz4 codec=lz4 checksum=true dedup=true
visit zstd codec=zstd page=16K
cp "$dir/lz4.saved" "$dir/loaded.saved"
visit loaded codec=none hard-limit=64M soft-limit=1M
finish
