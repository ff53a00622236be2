#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# promises_script.sh: promises.py over a small tree whose list is whole, and after each fault that
# it must find.
set -eu
command -v python3 >/dev/null || { echo "skipped: no python3" && exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failures=0

# A header with two promises and a sentence that explains, and a test of one promise.
make_tree() {
	mkdir -p "$dir/tree/include/lib" "$dir/tree/tests/promises" "$dir/tree/src/cli"
	printf '/*\n * lib/a.h: a library.\n */\n#ifndef A_H\n#define A_H\n\n%s\n%s\n%s\n#endif\n' \
		'/* Never fails. O(1 .. 2). */' 'int call(void);' 'struct s {};' >"$dir/tree/include/lib/a.h"
	printf '.Sh NAME\n.Nm tool\n.Sh FILES\n.Nm\nwrites\n.Pa file .\n' >"$dir/tree/src/cli/tool.1"
	printf 'static void it_works(void **state)\n\tcmocka_unit_test(it_works),\n' >"$dir/tree/tests/test_a.c"
	printf '# ---- files ----------\n' >"$dir/tree/tests/tool.sh"
	python3 "$here/promises.py" --update "$dir/tree"
	list=$dir/tree/tests/promises/lib_a_h.list # the one that checks change
	sed -i 's/\(a library.* => \).*/\1explains/; s/\(Never.* => \).*/\1test_a: it_works/
		s/\(O(1.* => \).*/\1none: no time/; s/^without.*/without a test: 1/' "$list"
	sed -i 's/\(tool writes file.* => \).*/\1tool: files/' "$dir/tree/tests/promises/tool_1.list"
}

check() { # check STATUS PATTERN WHAT
	status=0
	python3 "$here/promises.py" "$dir/tree" >"$dir/out" || status=$?
	if [ "$status" -ne "$1" ] || ! grep -q -- "$2" "$dir/out"; then
		echo "FAILED: $3: status $status, not $1, or no '$2' in:"
		cat "$dir/out"
		failures=$((failures + 1))
	fi
	rm -rf "$dir/tree"
	cp -R "$dir/whole" "$dir/tree"
}

make_tree
cp -R "$dir/tree" "$dir/whole"
check 0 '^all  *4 sentences,  *3 promise:  *2 with tests,  *1 without$' 'a list that is whole'
sed -i 's/Never fails/Seldom fails/' "$dir/tree/include/lib/a.h"
check 1 'a.h: \[call\] is new or has changed: "Seldom fails."' 'a sentence that changed'
sed -i 's/Never fails/Seldom fails/' "$dir/tree/include/lib/a.h"
check 1 'lib_a_h.list: .* has no such sentence any more' 'an entry that is stale'
sed -i 's/call(void)/other(void)/' "$dir/tree/include/lib/a.h"
check 1 'a.h: \[other\] is new or has changed' 'a promise of another function'
sed -i 's/writes/reads/' "$dir/tree/src/cli/tool.1"
check 1 'tool.1: \[FILES\] is new or has changed: "tool reads file."' 'a sentence of a man page'
sed -i 's/it_works,/it_worked,/; s/cmocka_unit_test(it_works/(it_works/' "$dir/tree/tests/test_a.c"
check 1 'test_a.c has no such test: it_works' 'a test that is not run'
rm "$dir/tree/tests/tool.sh"
check 1 'no program of this name under tests/: tool: files' 'a program that is gone'
sed -i 's/^without.*/without a test: 0/' "$list"
check 1 '1 promises have no test, 0 may' 'a promise more without a test'
sed -i '/Never/p' "$list"
check 1 'is there twice' 'an entry that is there twice'
rm "$dir/tree/include/lib/a.h"
check 1 'lib_a_h.list: there is no such document' 'a list without a document'
exit $((failures > 0))
