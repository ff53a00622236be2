# shellcheck shell=sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# ramz.sh: what the tests of the command ramz (tests/integration/ramz_*.sh) have in common. A
# test sets $ramz, the program, and $dir, a directory of its own, and then sources this. Each
# check prints a line when it fails; all are made, and finish() tells the outcome.
failures=0
status=0

fail() {
	echo "FAILED: $*"
	failures=$((failures + 1))
}

# run ARGUMENT...: standard output to $dir/out, standard error to $dir/err, $status.
run() {
	"${ramz:?}" "$@" >"${dir:?}/out" 2>"$dir/err" </dev/null
	status=$?
}

runs() { # runs ARGUMENT...: well, and without a word on standard error
	run "$@"
	[ "$status" -eq 0 ] || fail "ramz $*: exit status $status: $(head -c 300 "$dir/err")"
	[ ! -s "$dir/err" ] || fail "ramz $*: on standard error: $(head -c 300 "$dir/err")"
}

says() { # says PATTERN: a line of the last run's standard output
	grep -Eq -- "$1" "$dir/out" || fail "no '$1' on standard output: $(head -c 500 "$dir/out")"
}

complains() { # complains STATUS PATTERN ARGUMENT...: that status, a last line that matches
	want=$1
	pattern=$2
	shift 2
	run "$@"
	[ "$status" -eq "$want" ] || fail "ramz $*: exit status $status, not $want"
	tail -n 1 "$dir/err" | grep -Eq -- "^ramz: .*$pattern" ||
		fail "ramz $*: no '$pattern' on standard error: $(head -c 300 "$dir/err")"
	[ ! -s "$dir/out" ] || fail "ramz $*: something on standard output"
}

refused() { # refused STATUS PATTERN ARGUMENT...: the same, and nothing else is said
	complains "$@"
	[ "$(wc -l <"$dir/err")" -eq 1 ] || fail "ramz $3 ...: not one line of error"
}

finish() {
	[ "$failures" -eq 0 ] || {
		echo "$failures checks failed"
		exit 1
	}
	echo "all checks passed"
	exit 0
}
