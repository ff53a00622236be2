#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# tools.sh TOOL PROGRAM: each fault of tools_faults.c, before and after compaction moved the
# objects, and in hardened pools, is reported by memcheck or by the address sanitizer, at the place
# of the fault. A program without fault is left alone.
set -eu

tool=$1
program=$2
report=$(mktemp)
trap 'rm -f "$report"' EXIT
failed=0

if [ "$tool" = memcheck ] && ! valgrind --version >/dev/null 2>&1; then
	echo "skipped: valgrind is missing"
	exit 77
fi

run() { # run FAULT [HOW]: its report; returns 0 without report, 99 with one
	if [ "$tool" = memcheck ]; then
		leaks=no
		case $1 in none | leak) leaks=full ;; esac
		valgrind --num-callers=20 --leak-check=$leaks --errors-for-leak-kinds=definite,possible \
			--error-exitcode=99 "$program" "$@" >"$report" 2>&1
	else
		ASAN_OPTIONS=exitcode=99 "$program" "$@" >"$report" 2>&1
	fi
}

complain() {
	echo "FAILED: $*"
	sed 's/^/    /' "$report" | head -n 40
	failed=1
}

says() { # says TEXT FAULT [HOW]
	grep -q -- "$1" "$report" || complain "the report of $2 ${3-} does not say '$1'"
}

fault() { # fault FAULT HOW MEMCHECK-TEXT ASAN-TEXT [MEMCHECK-TEXT...]: the tool says the text
	name=$1
	how=$2
	text=$3
	[ "$tool" = memcheck ] || text=$4
	shift 4
	[ "$text" != - ] || return 0
	code=0
	run "$name" ${how:+"$how"} || code=$?
	[ $code -eq 99 ] || complain "$name $how ended with $code, not with a report"
	says "$text" "$name" "$how"
	[ "$name" = leak ] || says " $name " "$name" "$how"
	[ "$tool" = memcheck ] || return 0
	for text; do says "$text" "$name" "$how"; done
}

none() {
	code=0
	run none "$@" || code=$?
	[ $code -eq 0 ] || complain "a program without fault ended with $code"
	! grep -q 'Mempool' "$report" || complain "memcheck was told what cannot be"
}

for how in '' moved hardened moved,hardened; do none ${how:+"$how"}; done
poisoned=use-after-poison
for how in '' moved hardened; do
	fault read_freed "$how" 'Invalid read of size 1' $poisoned \
		'50 bytes inside a block of size 100 free' 'by .*: make_object'
	fault write_freed "$how" 'Invalid write of size 1' $poisoned \
		'99 bytes inside a block of size 100 free' 'by .*: make_object'
	fault read_behind "$how" 'Invalid read of size 1' $poisoned \
		'0 bytes after a block of size 100 .*client-defined' 'by .*: make_object'
	fault write_behind "$how" 'Invalid write of size 1' $poisoned \
		'0 bytes after a block of size 100 .*client-defined' 'by .*: make_object'
	fault write_before "$how" 'Invalid write of size 1' $poisoned
	fault read_shortened "$how" 'Invalid read of size 1' $poisoned \
		'0 bytes after a block of size 50 .*client-defined'
	fault read_reset "$how" 'Invalid read of size 1' $poisoned
	fault write_from_freed "$how" 'Unaddressable byte(s) found' heap-use-after-free \
		'0 bytes inside a block of size 100 free'
	fault use_undefined "$how" 'depends on uninitialised value' -
	fault leak "$how" '100 bytes in 1 blocks are definitely lost' - 'by .*: make_object'
done
fault read_old_place moved 'Invalid read of size 1' $poisoned \
	'50 bytes inside a block of size 100 free' 'by .*: xv_compact'
exit $failed
