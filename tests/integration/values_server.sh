#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# values_server.sh SERVER: the example that speaks Redis' protocol, asked by redis-cli, driven by
# redis-benchmark, and sent what is no command.
set -eu
server=$1
for tool in redis-cli redis-benchmark; do
	command -v $tool >/dev/null || {
		echo "$tool is missing (Debian: apt-get install redis-tools)"
		exit 77
	}
done
work=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
"$server" 0 8 >"$work/out" 2>"$work/err" &
pid=$!

i=0
until port=$(sed -n 's/^port //p' "$work/out") && [ -n "$port" ]; do
	i=$((i + 1))
	if [ $i -gt 100 ]; then
		echo "the server did not start:"
		cat "$work/err"
		exit 1
	fi
	sleep 0.1
done

ask() { redis-cli -p "$port" "$@"; }

expect() { # expect ANSWER COMMAND...
	want=$1
	shift
	got=$(ask "$@" | tr -d '\r')
	# shellcheck disable=SC2254 # answers are patterns
	case $got in
	$want) ;;
	*)
		echo "$*: \"$got\" instead of \"$want\""
		exit 1
		;;
	esac
}

# ---- commands ----
expect PONG ping
expect hi echo hi
expect OK set one 1
expect 1 get one
expect "" get two
expect OK mset a 1 b 2 c 3
expect "1
2" mget a b
expect 2 exists a b nothing
expect -1 ttl a
expect OK set t v ex 100
expect "100" ttl t
expect 1 persist t
expect -1 ttl t
expect 1 expire t 50
expect 50 ttl t
expect 1 pexpire t 1
sleep 0.1
expect -2 ttl t
expect 2 del a b nothing
expect 2 dbsize
expect "*used_memory:*" info memory
expect "ERR*" set one
expect "ERR*" set one 1 ex 0
expect "ERR*" set one 1 later
expect "ERR*" expire one never
expect "ERR*" mset a 1 b
expect "ERR*" nonsense
expect "ERR*" set "" v
expect 1 get one

# ---- a client that is no client ----
# shellcheck disable=SC2016 # the dollar is the protocol's
printf '*1\r\n$999999999\r\n' | timeout 10 nc -q 1 127.0.0.1 "$port" >"$work/answer" 2>/dev/null || true
printf 'ping\r\n' | timeout 10 nc -q 1 127.0.0.1 "$port" >"$work/ping" 2>/dev/null || true
if command -v nc >/dev/null; then
	grep -q "^-ERR not a command" "$work/answer"
	grep -q "^+PONG" "$work/ping"
fi
expect PONG ping

# ---- load ----
redis-benchmark -p "$port" -q -t set,get,mset,ping -n 20000 -c 8 -P 4 -d 200 -r 20000 >"$work/bench" 2>&1 || {
	cat "$work/bench"
	exit 1
}
if grep -qi "error" "$work/bench"; then
	cat "$work/bench"
	exit 1
fi
ask info | tr -d '\r' >"$work/info"
awk -F: '/^used_memory:/ { used = $2 } /^maxmemory:/ { most = $2 } /^keys:/ { keys = $2 }
	END { if (used == 0 || used > most || keys < 10000) exit 1 }' "$work/info" || {
	cat "$work/info"
	exit 1
}
kill -0 "$pid"
