#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# A cache of small values beside redis-server: the memory that each takes for the same keys and
# values, and the time of the cache's own calls. bench/README.md has the table.
#
#   bench/values.sh [BUILD [CODEC [LEVEL [DICTIONARY_BYTES]]]]
#
# BUILD is a build tree with the benchmarks, build/release if none is named. The values are made of
# what `apt-cache dumpavail` tells of packages, as JSON and as HTML, and sessions with random tokens.
# Exit status 77 when redis-server or apt-cache is not there.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$root/build/release}
[ $# -eq 0 ] || shift
for tool in redis-server redis-cli apt-cache; do
	command -v $tool >/dev/null || {
		echo "values.sh: $tool is missing (Debian: apt-get install redis-server)" >&2
		exit 77
	}
done
work=$(mktemp -d)
trap 'redis-cli -s "$work/socket" shutdown nosave >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
export LC_ALL=C # lengths are bytes

# Lines of name, version, section, architecture, size, maintainer, summary, depends.
apt-cache dumpavail | awk '
	function say() {
		if (name != "" && (arch == "amd64" || arch == "all") && !(name in seen)) {
			seen[name] = 1
			gsub(/[\\"\t<>&]/, "", all[8])
			printf "%s", name
			for (i = 2; i <= 8; i++) printf "\t%s", substr(all[i], 1, 120)
			print ""
		}
		name = arch = ""; split("", all)
	}
	/^$/ { say(); next }
	/^[A-Z]/ {
		field = $1; value = $0; sub(/^[^:]*: */, "", value); gsub(/[\\"\t<>&]/, "", value)
		if (field == "Package:") name = value
		else if (field == "Version:") all[2] = value
		else if (field == "Section:") all[3] = value
		else if (field == "Architecture:") { arch = value; all[4] = value }
		else if (field == "Size:") all[5] = value
		else if (field == "Maintainer:") all[6] = value
		else if (field == "Description:" || field == "Description-en:") all[7] = value
		else if (field == "Depends:") all[8] = value
	}
	END { say() }' >"$work/packages"

awk -F'\t' '{
	printf "pkg:%s\t{\"name\":\"%s\",\"version\":\"%s\",\"section\":\"%s\",\"arch\":\"%s\",", $1, $1, $2, $3, $4
	printf "\"size\":%s,\"maintainer\":\"%s\",\"summary\":\"%s\",\"depends\":\"%s\"}\n", $5 + 0, $6, $7, $8
}' "$work/packages" >"$work/json"
awk -F'\t' '{
	printf "page:/p/%s\t<article class=\"package\"><h2><a href=\"/p/%s\">%s</a> <small>%s</small></h2>", $1, $1, $1, $2
	printf "<p class=\"summary\">%s</p><dl><dt>Section</dt><dd>%s</dd><dt>Architecture</dt><dd>%s</dd>", $7, $3, $4
	printf "<dt>Size</dt><dd>%s bytes</dd><dt>Maintainer</dt><dd>%s</dd></dl></article>\n", $5, $6
}' "$work/packages" >"$work/html"
awk -F'\t' 'BEGIN { srand(1) }
	function hex(n,   s) { s = ""; while (n-- > 0) s = s substr("0123456789abcdef", 1 + int(rand() * 16), 1); return s }
	{
	printf "session:%s\tuser_id|i:%d;csrf|s:32:\"%s\";lang|s:2:\"%s\";", hex(32), 1 + int(rand() * 1e6), hex(32), rand() < 0.7 ? "en" : "de"
	printf "last_seen|i:%d;cart|a:1:{i:0;s:%d:\"%s\";}theme|s:5:\"%s\";\n", 1.7e9 + int(rand() * 1e7), length($1), $1, rand() < 0.5 ? "light" : "dark_"
}' "$work/packages" >"$work/session"

used() { redis-cli -s "$work/socket" info memory | tr -d '\r' | sed -n 's/^used_memory://p'; }

redis() { # redis FILE: the bytes by which used_memory grows
	redis-server --port 0 --unixsocket "$work/socket" --save '' --dir "$work" >/dev/null 2>&1 &
	until redis-cli -s "$work/socket" ping >/dev/null 2>&1; do sleep 0.1; done
	before=$(used)
	awk -F'\t' '{
		printf "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", length($1), $1, length($2), $2
	}' "$1" | redis-cli -s "$work/socket" --pipe >/dev/null
	after=$(used)
	redis-cli -s "$work/socket" shutdown nosave >/dev/null 2>&1 || true
	wait
	echo $((after - before))
}

for kind in json html session; do
	echo "== $kind"
	bytes=$(redis "$work/$kind")
	"$build/bin/xv_values" "$work/$kind" "$@" | tee "$work/out"
	awk -v redis="$bytes" '/^held_bytes/ && !held { held = $2 }
		END { printf "redis used_memory grew by %d: the cache holds %.3f of it\n", redis, held / redis }' "$work/out"
done
