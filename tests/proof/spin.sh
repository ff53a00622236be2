#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Checks a model with spin, all its states:
#
#   spin.sh MODEL.pml
#
# The model must have no error. Its head names mutants ("mutants: A B"): each, defined as a macro,
# breaks one step of the code it models, and must be found. "checks: OPTION..." are options of the
# checker. Exit status 77 when spin or a C compiler is missing.
set -eu

model=$1
cc=${CC:-cc}
for tool in spin "$cc"; do
	command -v "$tool" >/dev/null || {
		echo "skipped: $tool is missing (Debian: apt-get install spin gcc)"
		exit 77
	}
done
model=$(realpath "$model")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

line() { # line WORD: what follows it in the head of the model
	sed -n "s/^ \* $1: //p" "$model"
}

# A formula is about endless lives: the checker then looks for cycles as well.
search=
safety=-DSAFETY
if grep -q '^ltl' "$model"; then
	search=-a
	safety=
fi

errors() { # errors [MACRO]: the number of errors
	cp "$model" model.pml
	rm -f pan
	# shellcheck disable=SC2046,SC2086 # options
	spin ${1:+-D"$1"} -a model.pml >out 2>&1 &&
		"$cc" -O1 -w $safety -o pan pan.c >>out 2>&1 &&
		./pan $search $(line checks) -m500000 -w24 >>out 2>&1 || true
	if ! grep -q 'errors: ' out || grep -q 'rror: \(max search\|out of\)\|syntax error' out; then
		cat out >&2
		echo broken
		return
	fi
	sed -n 's/.*errors: \([0-9]*\).*/\1/p' out
}

found=$(errors)
grep -E 'errors:|states, stored|depth reached|elapsed' out
[ "$found" = 0 ] || {
	[ ! -f model.pml.trail ] || spin -t -p -g model.pml | tail -n 80
	echo "$model: $found errors"
	exit 1
}
for mutant in $(line mutants); do
	case $(errors "$mutant") in
	0 | broken)
		echo "$mutant: not found"
		exit 1
		;;
	esac
	echo "$mutant: found"
done
