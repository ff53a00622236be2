#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# ramz_cli.sh RAMZ: the command line of ramz. Each check prints a line when it fails; all are
# made. JSON is looked at with grep, and with Python as well where that is there.
set -u
ramz=${1:?usage: ramz_cli.sh RAMZ}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
# shellcheck source=tests/support/ramz.sh
. "$(dirname "$0")/../support/ramz.sh"

# Text that compresses, noise that does not, and zeros.
{
	awk 'BEGIN { srand(7); for (i = 0; i < 20000; i++) printf "%d line %x of text\n", i, rand() * 1e6 }'
	head -c 65536 /dev/urandom
	head -c 40960 /dev/zero
} >"$dir/input"
pages=$(wc -c <"$dir/input" | awk '{ print int(($1 + 4095) / 4096) }')

# ---- help, version ----------------------------------------------------------------

commands='serve stat state compact trim idle recompress writeback backing limit codec save snapshot resize reset estimate'
runs --help
for command in $commands; do
	says "^  $command +[a-z(]"
done
runs estimate --help
says "^Usage: ramz estimate"
for option in codec seconds max-input json; do
	says "^  --$option"
done
awk 'length($0) > 90 { exit 1 }' "$dir/out" || fail "estimate --help: a line of more than 90 columns"
runs --version
says '^ramz [0-9]+\.[0-9]+\.[0-9]+$'

# ---- the man page and the completion, beside the sources --------------------------

sources=$(dirname "$0")/../../src/cli/ramz
for command in $commands; do
	"$ramz" "$command" --help >"$dir/out" 2>&1 || fail "$command --help"
	grep -q "^\\.It Cm $command\( \|\$\)" "$sources/ramz.1" || fail "ramz.1 has no command $command"
	options=$(sed -n 's/^  \(--[a-z-]*\).*/\1/p' "$dir/out")
	for option in $options; do
		grep -q "^\.It Fl ${option#-}\( \|$\)" "$sources/ramz.1" ||
			fail "ramz.1 has no option $option, which ramz $command --help names"
	done
done
[ -n "$options" ] || fail 'no options of a command were seen'
if command -v man >/dev/null; then
	man --warnings -l "$sources/ramz.1" >/dev/null 2>"$dir/err" || fail 'man cannot show ramz.1'
	[ -s "$dir/err" ] && fail "ramz.1: $(head -n 3 "$dir/err")"
fi

completes() { # completes "WORD..." "COMPLETION...": after the words, the last one cut off
	# shellcheck disable=SC2016
	got=$(cd "$dir" && XDG_RUNTIME_DIR=$dir bash -uc '
		. "$1" || exit 1
		ramz=$2
		read -ra COMP_WORDS <<<"$3"
		[[ $3 == *" " ]] && COMP_WORDS+=("")
		COMP_WORDS[0]=$ramz
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_ramz ramz
		echo "${COMPREPLY[*]-}"' bash "$completion" "$absolute" "$1" 2>&1)
	[ "$got" = "$2" ] || fail "completion of '$1': '$got', not '$2'"
}

if command -v bash >/dev/null; then
	completion=$(cd "$sources" && pwd)/ramz.bash
	absolute=$(cd "$(dirname "$ramz")" && pwd)/$(basename "$ramz")
	mkdir "$dir/ramz"
	: >"$dir/ramz/file.ctl" # no socket
	completes 'ramz s' 'serve stat state save snapshot'
	completes 'ramz ' "$commands --help --version"
	completes 'ramz serve --sa' '--save-every'
	completes 'ramz serve --f' '--file --foreground'
	completes 'ramz serve --file = inp' 'input'
	completes 'ramz serve --file inp' 'input'
	completes 'ramz serve --tls-psk inp' 'input'
	completes 'ramz stat --output inp' 'input'
	completes 'ramz stat --p' '--prometheus'
	completes 'ramz estimate --codec z' 'zstd'
	completes 'ramz estimate --json inp' 'input'
	completes 'ramz estimate in' 'input'
	completes 'ramz estimate --seconds 1' ''
	completes 'ramz codec l' 'lz4 lzo'
	completes 'ramz stat --name no-such' ''
	completes 'ramz reset --y' '--yes'
	completes 'ramz recompress w' 'warm'
	completes 'ramz backing inp' 'input'
	completes 'ramz writeback --min-bytes 1' ''
	completes 'ramz nothing ' ''
fi

# ---- mistakes on the command line: status 2, cause and fix in one line ------------

refused 2 'a command is missing; ramz --help lists them'
refused 2 "no command 'mkfs'; ramz --help lists them" mkfs
refused 2 "no command '--frobnicate'" --frobnicate
refused 2 "ramz estimate has no option --frobnicate.*ramz estimate --help" estimate --frobnicate
refused 2 'option --codec needs a value' estimate --codec
refused 2 "no codec 'deflate' in this build; it has: lz4" estimate --codec lz4,deflate
refused 2 "no codec ''" estimate --codec lz4,
refused 2 "a level is a whole number.*not 'x'" estimate --codec lz4:x
refused 2 'codec lz4 has levels -?[0-9]+ to 12, not 99; give it as in' estimate --codec lz4:99
refused 2 '--seconds N is a whole number from 1 to 1000000' estimate --seconds 0
refused 2 '--max-input takes bytes' estimate --max-input 12
refused 2 '--codec takes up to 16' estimate \
	--codec "$(awk 'BEGIN { for (i = 0; i < 16; i++) printf "lz4,"; print "lz4" }')"

# ---- inputs and outputs that are no good: status 1 --------------------------------

: >"$dir/empty"
mkdir "$dir/nothing"
refused 1 "cannot read input /nonexistent: No such file.*a file, a directory or pid:N" estimate /nonexistent
refused 1 'neither a regular file nor a directory' estimate /dev/null
refused 1 "'pid:x' is no process: write pid:" estimate pid:x
refused 1 'no process 4194305' estimate pid:4194305
refused 1 'no pages that can be read: give a file' estimate "$dir/empty"
refused 1 'no pages that can be read' estimate "$dir/nothing"

# ---- estimate -----------------------------------------------------------------------

runs estimate "$dir/input"
says "^$dir/input: $pages pages of 4096 bytes, [0-9.]+ MiB; sampled"
for form in 'hot lz4' 'warm lz4:9'; do
	says "^$form(\+dict)? +[1-9]\.[0-9]{2} +[0-9.]+ +[0-9.]+ +[0-9.]+% +[0-9.]+ +[0-9.]+\$"
done
says '^same-filled +[1-9][0-9.]*% #'
says '^ *0 - 255 +[0-9.]+%'
says '^3840 - 4095 +[0-9.]+%'
says '^raw +[1-9][0-9.]*% #'
# The shares of a codec's column come to all pages.
runs estimate --codec lz4 "$dir/input"
says "^$dir/input: $pages pages of 4096 bytes, [0-9.]+ MiB\$"
awk '/^same-filled/, /^raw/ { for (i = 1; i <= NF; i++) if ($i ~ /%$/) sum += $i }
	END { exit !(sum > 99 && sum < 101) }' "$dir/out" || fail "estimate: the histogram is not all pages"

runs estimate --codec none "$dir/input"
says '^hot none +1\.[0-9]{2} .* -?[0-9.]+% '
runs estimate --codec lz4 --max-input 64K "$dir/input"
says "^$dir/input: $pages pages .*; sampled: estimated from (1[0-9]|[1-9]) pages spread evenly"
head -c 65536 /dev/zero >"$dir/zeros"
echo one >"$dir/one"
runs estimate --codec lz4 "$dir/zeros"
says '^hot lz4 +- +0\.0 '
run estimate --codec lz4 --seconds 1 "pid:$$" # which may note how pages were read
[ "$status" -eq 0 ] || fail "estimate of a process: $(cat "$dir/err")"
runs estimate "$dir/input" "$dir/zeros" "$dir/one"
says "^$dir/zeros: 16 pages"

# ---- JSON ---------------------------------------------------------------------------

check_estimate='
import json, sys
d = json.load(open(sys.argv[1]))
assert d["schema"] == "ramz-estimate/1" and d["machine"]["kernel"]
pages = int(sys.argv[2])
assert [r["codec"] for r in d["results"]] == ["lz4", "none"]
for r in d["results"]:
    assert r["form"] == "hot" and r["dictionary_bytes"] == 0
    assert r["write_us"] > 0 and r["read_us"] > 0
    assert r["pages"] == pages and r["sampled"] is False
    assert r["original_bytes"] == pages * 4096
    assert abs(r["saved"] - (1 - r["held_bytes"] / r["original_bytes"])) < 1e-3
    shares = r["same_filled_share"] + r["raw_share"] + sum(r["size_class_share"])
    assert r["codec"] == "none" or abs(shares - 1) < 1e-3, shares
    assert len(r["size_class_share"]) * r["size_class_bytes"] == 4096
lz4, none = d["results"]
assert lz4["saved"] > 0.3 and none["saved"] < 0.2, (lz4["saved"], none["saved"])
assert abs(none["same_filled_share"] - 10 / pages) < 1e-3
'
check_forms='
import json, sys
rows = json.load(open(sys.argv[1]))["results"]
forms = [(r["form"], r["codec"], r["level"]) for r in rows]
assert forms in ([("hot", "lz4", 1), ("warm", "lz4", 9)],
                 [("hot", "lz4", 1), ("warm", "lz4", 9), ("cold", "zstd", 8)]), forms
for before, r in zip(rows, rows[1:]):
    assert r["compressed_bytes"] < before["compressed_bytes"], rows
    # Dictionaries count; there are none without zstd.
    assert (r["dictionary_bytes"] > 0) == (len(rows) == 3), rows
    assert r["held_bytes"] > r["compressed_bytes"] + r["dictionary_bytes"], rows
    # Pages to train on are left out, and the histogram shows the forms in the tier alone.
    assert r["sampled"] and r["pages"] < rows[0]["original_bytes"] / 4096, rows
    assert abs(r["same_filled_share"] + r["raw_share"] + sum(r["size_class_share"]) - 1) < 1e-3, r
'
runs estimate --codec lz4:-3 --json - "$dir/input"
says '^ "schema": "ramz-estimate/1"'
runs estimate --codec lz4,none --json "$dir/estimate.json" "$dir/input"
says '^hot lz4 '
# A page has few of 400 phrases twice, and all of them are in a dictionary.
awk 'BEGIN {
	srand(5)
	for (i = 0; i < 400; i++) for (n = 0; n < 5; n++) phrase[i] = phrase[i] sprintf("%x", 2e9 * rand())
	for (i = 0; i < 80000; i++) print i, phrase[int(400 * rand())]
}' >"$dir/phrases"
runs estimate --json "$dir/forms.json" "$dir/phrases"
run estimate --codec lz4 --json "$dir/no/such" "$dir/input"
[ "$status" -eq 1 ] && grep -q "^ramz: cannot write $dir/no/such: No such file" "$dir/err" ||
	fail "json into nowhere: $(cat "$dir/err")"
if command -v python3 >/dev/null; then
	python3 -c "$check_estimate" "$dir/estimate.json" "$pages" || fail "estimate --json: see above"
	python3 -c "$check_forms" "$dir/forms.json" || fail "forms of estimate --json: see above"
fi

finish
