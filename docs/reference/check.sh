#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# check.sh SOURCE_DIR PAGES_DIR: every public call has a manual page, man reads each without a
# warning, and doxygen the headers. What is not there is left out.
set -eu
source=${1:?usage: check.sh SOURCE_DIR PAGES_DIR}
pages=${2:?usage: check.sh SOURCE_DIR PAGES_DIR}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

for name in $(sh "$source/tests/compile/declared.sh" "$source"/include/*/*.h); do
	[ -s "$pages/$name.3" ] || {
		echo "no page for $name"
		failures=$((failures + 1))
	}
done

if command -v man >/dev/null && command -v groff >/dev/null; then
	mkdir "$work/man" && cp -r "$pages" "$work/man/man3"
	for page in "$work"/man/man3/*; do
		(cd "$work/man" && man --warnings -l "$page") 2>"$work/said" >"$work/shown" || true
		[ ! -s "$work/said" ] || {
			echo "$page: $(cat "$work/said")"
			failures=$((failures + 1))
		}
	done
fi

if command -v doxygen >/dev/null; then
	(cd "$source" && XV_VERSION=0 XV_OUTPUT=$work doxygen docs/reference/Doxyfile) || failures=$((failures + 1))
fi
[ $failures -eq 0 ]
