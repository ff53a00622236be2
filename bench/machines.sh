#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Memory of another machine beside a local disk: the same fio jobs on a disk of this machine by a
# socket, and on one of another network namespace, over a link that tc tbf shapes to 10 and to
# 1 Gbit/s, with and without TLS. All is on one machine: the link bounds only what it is slower in.
#
#   bench/machines.sh [OPTION...] [BUILD]    a build tree; build/release if none is named
#
#   --seconds N      of each job (default 3)
#   --rounds N       all jobs so many times (default 3); of these the best counts
#
# Needs root, nbdkit, fio, iproute2 and psktool. With TLS, fio speaks to an nbdkit of the client's
# machine, as nbdfuse does in docs/other-machines.md.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/release
seconds=3
rounds=3

die() {
	echo "machines.sh: $*" >&2
	exit 1
}

while [ $# -gt 0 ]; do
	case $1 in
	--seconds | --rounds)
		case ${2-} in '' | *[!0-9]* | 0*) die "$1 takes a number above 0, not '${2-}'" ;; esac
		eval "${1#--}=\$2"
		shift
		;;
	-h | --help)
		sed -n '/^# Memory of/,/^set -eu/{/^set/d; s/^# \{0,1\}//; p}' "$0"
		exit
		;;
	-*) die "no option $1; see $0 --help" ;;
	*) build=$1 ;;
	esac
	shift
done
PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" -eq 0 ] || die "network namespaces need root"
for command in nbdkit fio ip tc nsenter psktool; do
	command -v "$command" >/dev/null ||
		die "no command $command (Debian: apt-get install nbdkit fio iproute2 gnutls-bin)"
done
ramz=$build/bin/ramz
[ -x "$ramz" ] && [ -e "$build/bin/nbdkit-ramz-plugin.so" ] ||
	die "no ramz and plugin in $build/bin: build them, or name a build tree"

work=$(mktemp -d)
here=xvb$$c  # the client's machine
there=xvb$$s # the server's
end() {
	for file in "$work"/*/ramz/*.pid "$work"/*.pid; do
		[ ! -s "$file" ] || kill "$(cat "$file")" 2>/dev/null || :
	done
	ip netns del "$here" 2>/dev/null || :
	ip netns del "$there" 2>/dev/null || :
	rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
inside() { # inside NAMESPACE COMMAND...
	space=$1
	shift
	nsenter --net="/run/netns/$space" "$@"
}

for space in "$here" "$there"; do
	ip netns add "$space"
	inside "$space" ip link set lo up
done
ip -n "$here" link add eth0 type veth peer name eth0 netns "$there"
ip -n "$here" address add 10.0.0.1/24 dev eth0
ip -n "$there" address add 10.0.0.2/24 dev eth0
for space in "$here" "$there"; do ip -n "$space" link set eth0 up; done

shape() { # shape RATE BURST: in both directions
	for space in "$here" "$there"; do
		inside "$space" tc qdisc replace dev eth0 root tbf rate "$1" burst "$2" latency 20ms
	done
}

psktool -u client -p "$work/keys" >/dev/null 2>&1
chmod 600 "$work/keys"
serve() { # serve NAME [ARGUMENT...]: on the server's machine
	mkdir -p "$work/run"
	chmod 700 "$work/run"
	XDG_RUNTIME_DIR=$work/run inside "$there" "$ramz" serve 256M --name "$@" >/dev/null
}
serve local
serve plain --port 10809 -- --ipaddr=10.0.0.2
serve tls --port 10810 --tls-psk "$work/keys" -- --ipaddr=10.0.0.2
inside "$here" nbdkit -U "$work/tls.nbd" -P "$work/tls.pid" nbd hostname=10.0.0.2 port=10810 \
	tls=require tls-username=client tls-psk="$work/keys"

# job URI RW BS DEPTH: to $work/job, as a line of read: MB/s, mean and 99th percentile in us
job() {
	inside "$here" fio --output-format=terse --terse-version=3 --name=job --ioengine=nbd --uri="$1" \
		--rw="$2" --bs="$3" --iodepth="$4" --size=192M --time_based --runtime="$seconds" \
		--refill_buffers --buffer_compress_percentage=60 --buffer_compress_chunk=4k \
		--percentile_list=50:99 >"$work/fio" 2>"$work/fio.err" || die "fio: $(cat "$work/fio.err")"
	# Fields 6 to 46 are of reads, 47 to 87 of writes.
	awk -F';' -v at="$(case $2 in *read) echo 5 ;; *) echo 46 ;; esac)" '/^3;/ {
		split($(at + 13), p50, "=")
		split($(at + 14), p99, "=")
		printf "%.0f %.0f %.0f\n", $(at + 2) / 1000 * 1.024, p50[2], p99[2]
	}' "$work/fio"
}

measure() { # measure ROW URI: one line for each job of this round
	for words in 'write 256k 16' 'read 256k 16' 'randwrite 4k 1' 'randread 4k 1'; do
		# shellcheck disable=SC2086 # three words
		echo "$1 $words $(job "$2" $words)" >>"$work/results"
	done
}

round=0
while [ "$round" -lt "$rounds" ]; do
	round=$((round + 1))
	echo "round $round of $rounds" >&2
	measure local "nbd+unix:///?socket=$work/run/ramz/local.nbd"
	for rate in 10 1; do
		shape "${rate}gbit" "$((rate * 500))kb"
		measure "$rate-Gbit/s" nbd://10.0.0.2:10809
		measure "$rate-Gbit/s-TLS" "nbd+unix:///?socket=$work/tls.nbd"
	done
done

awk '
	{
		row = $1
		name = row SUBSEP $2
		if (!(row in known)) { known[row] = 1; rows[++count] = row }
		if (!(name in best) || $4 == 16 && $5 > best[name] || $4 == 1 && $6 < best[name]) {
			best[name] = $4 == 16 ? $5 : $6
			tail[name] = $7
		}
	}
	END {
		printf "%-16s %12s %12s %18s %18s\n", "", "write", "read", "write 4 KiB", "read 4 KiB"
		printf "%-16s %12s %12s %18s %18s\n", "disk", "MB/s", "MB/s", "us p50 (p99)", "us p50 (p99)"
		for (i = 1; i <= count; i++) {
			row = rows[i]
			printf "%-16s %12d %12d %18s %18s\n", row, best[row, "write"], best[row, "read"],
				best[row, "randwrite"] " (" tail[row, "randwrite"] ")",
				best[row, "randread"] " (" tail[row, "randread"] ")"
		}
	}' "$work/results"
