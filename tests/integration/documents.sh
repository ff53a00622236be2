#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# documents.sh SOURCE_DIR BUILD_DIR: the documents say what is true of this tree.
#
#   - Every block of commands and of code is run, in order, in one shell for each file. It runs
#     in a copy of the source tree, where build/release is BUILD_DIR and HOME is empty.
#   - Links inside the tree lead somewhere.
#   - A word of the glossary is in the file that the glossary names for it.
#
# A block stands between lines of ```, the first of which names its language:
#
#   sh      run as it is; the first command that fails ends it
#   c       a whole program: compiled without a warning, linked, run
#   cmake   kept for a later block
#   text    not run: output, pictures
#
# An HTML comment on the line before a block says what else there is to know:
#
#   <!-- not run: REASON -->     a sh block that needs root, a network, or minutes
#   <!-- run if: COMMAND -->     a sh block that runs where the command succeeds
#   <!-- file: NAME -->          the block is first saved under that name
#
# CC and CFLAGS name the compiler. Exit status 77 where no block could run.
set -u
source=$(cd "${1:?usage: documents.sh SOURCE_DIR BUILD_DIR}" && pwd) || exit 1
build=$(cd "${2:?usage: documents.sh SOURCE_DIR BUILD_DIR}" && pwd) || exit 1
: "${CC:=cc}" "${CFLAGS:=}"
# By its path: the blocks have a cc of their own before it.
CC=$(command -v "$CC") || {
	echo "skipped: there is no C compiler"
	exit 77
}

work=$(mktemp -d) || exit 1
end() {
	for file in "$work"/*/run/ramz/*.pid; do
		[ -f "$file" ] && kill "$(cat "$file")" 2>/dev/null
	done
	rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

failures=0
fail() {
	echo "FAILED: $*"
	failures=$((failures + 1))
}

documents() { # print the documents, by their paths in the tree
	(cd "$source" && ls README.md CHANGELOG.md SECURITY.md ./*/README.md src/*/README.md \
		adapters/*/README.md docs/*.md) |
		sed 's,^\./,,'
}

# ---- blocks ----------------------------------------------------------------------------

# blocks NAME DIR: read a document; write its blocks to DIR, and what runs them to DIR/all.
blocks() {
	awk -v name="$1" -v dir="$2" '
		function quoted(text) {
			gsub(/\047/, "\047\\\047\047", text)
			return "\047" text "\047"
		}
		function wrong(text) {
			print "FAILED: " name ":" NR ": " text
			bad = 1
		}
		function add(text) { print text >(dir "/all") }
		function begin() {
			count += 1
			language = substr($0, 4)
			body = dir "/" count "." language
			start = NR
			printf "" >body
			if (language !~ /^(sh|c|cmake|text)$/)
				wrong("a block is sh, c, cmake or text, not \"" language "\"")
			if (mark != "" && mark !~ /^(not run|run if|file): ./)
				wrong("a mark is \"not run:\", \"run if:\" or \"file:\", not \"" mark "\"")
			if (language != "sh" && mark ~ /^(not run|run if)/)
				wrong("only a sh block is run on a condition")
			if (language == "cmake" && mark !~ /^file/)
				wrong("a cmake block has a name: <!-- file: NAME -->")
		}
		function finish() {
			close(body)
			at = quoted(name ":" start)
			value = quoted(substr(mark, index(mark, ": ") + 2))
			if (mark ~ /^file/)
				add("save " quoted(body) " " value)
			if (language == "sh" && mark ~ /^not run/)
				add("skip " at " " value)
			else if (language == "sh" && mark ~ /^run if/)
				add("if eval " value " >/dev/null 2>&1; then\ntake " at "\n. " quoted(body) \
					"\nelse skip " at " " value "; fi")
			else if (language == "sh")
				add("take " at "\n. " quoted(body))
			else if (language == "c")
				add("take " at "\nprogram " quoted(body))
			mark = ""
		}
		/^```/ {
			inside = !inside
			if (inside) begin(); else finish()
			next
		}
		inside { print >body; next }
		/^[ \t]+```/ { wrong("a block begins at the left margin") }
		/^(    |\t)/ && blank { wrong("an indented block: put it between lines of ```") }
		{ blank = $0 == "" }
		/^<!-- .* -->$/ && !/SPDX/ { mark = substr($0, 6, length($0) - 9); next }
		mark != "" { wrong("a mark stands on the line before its block"); mark = "" }
		END {
			if (inside)
				wrong("the last block has no end")
			exit bad
		}' "$source/$1"
}

# What the blocks of a document need: the source tree, a build of it, a compiler, a home.
prepare() { # prepare DIR
	mkdir -p "$1/bin" "$1/home" "$1/tree/build" "$1/blocks" && mkdir -m 700 "$1/run" &&
		(cd "$source" && cp -R README.md run CMakeLists.txt CMakePresets.json \
			adapters bench cmake examples include src "$1/tree") &&
		ln -s "$build" "$1/tree/build/release" &&
		printf '#!/bin/sh\nexec %s %s "$@"\n' "$CC" "$CFLAGS" >"$1/bin/cc" &&
		chmod +x "$1/bin/cc"
}

# The commands of DIR/blocks/all. $commands is theirs alone.
commands='
	take() { echo "run: $1"; }
	skip() { echo "not run: $1: $2"; }
	save() { mkdir -p "$(dirname "$2")" && cp "$1" "$2"; }
	program() {
		cc -std=c11 -O2 -Wall -Wextra -Werror "$1" -o "$1.out" $(
			PKG_CONFIG_PATH=$DOCUMENTS_STAGE/pkgconfig pkg-config --cflags --libs ramz xvmalloc)
		"$1.out"
	}
	. "$DOCUMENTS_BLOCKS/all"
'

run_blocks() { # run_blocks NAME
	dir=$work/$(echo "$1" | tr / _)
	prepare "$dir" || {
		fail "$1: no room for its blocks in $dir"
		return
	}
	blocks "$1" "$dir/blocks" || {
		fail "$1: its blocks cannot be read"
		return
	}
	[ -f "$dir/blocks/all" ] || return
	for block in "$dir"/blocks/*.sh; do
		[ ! -f "$block" ] || sh -n "$block" || fail "$1: a block is no shell script"
	done
	(cd "$dir/tree" && env HOME="$dir/home" PATH="$dir/bin:$dir/home/.local/bin:$build/bin:$PATH" \
		XDG_RUNTIME_DIR="$dir/run" LD_LIBRARY_PATH="$stage" DOCUMENTS_BLOCKS="$dir/blocks" \
		DOCUMENTS_STAGE="$stage" sh -euc "$commands" >"$dir/log" 2>&1 </dev/null) || {
		fail "$(sed -n 's/^run: //p' "$dir/log" | tail -n 1): the block ends with an error"
		tail -n 40 "$dir/log"
	}
	grep -E '^(not )?run: ' "$dir/log" | tee -a "$work/log"
}

cmake --install "$build" --prefix "$work/stage" >"$work/install" 2>&1 || {
	cat "$work/install"
	fail "the build tree cannot be installed: is all of it built?"
	exit 1
}
stage=$(dirname "$(dirname "$(find "$work/stage" -name xvmalloc.pc)")")
command -v pkg-config >/dev/null || {
	echo "skipped: pkg-config is missing"
	exit 77
}
for name in $(documents); do run_blocks "$name"; done

# ---- links and words -------------------------------------------------------------------

anchors() { # anchors FILE: its headings, as links name them
	sed -n 's/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

for name in $(documents); do
	for link in $(grep -o ']([^) ]*)' "$source/$name" | sed 's/^](//; s/)$//'); do
		case $link in *://*) continue ;; esac
		file=$source/$(dirname "$name")/${link%%#*}
		[ -n "${link%%#*}" ] || file=$source/$name
		[ -e "$file" ] || fail "$name: no file for the link $link"
		case $link in
		*'#'*) anchors "$file" | grep -qx -e "${link#*#}" ||
			fail "$name: no heading for the link $link" ;;
		esac
	done
done

# | **word**, **word** | what it is | [file](path) |
words=$(sed -n 's/^| \(\*\*.*\) | .* | .*](\([^)]*\)) |$/\2 \1/p' "$source/docs/glossary.md" |
	tr ' ' '~')
[ -n "$words" ] || fail "docs/glossary.md: no words"
for row in $words; do
	file=${row%%~*}
	for word in $(echo "${row#*~}" | grep -o '\*\*[^*]*\*\*' | tr -d '*'); do
		word=$(echo "$word" | tr '~' ' ')
		grep -qiF -e "$word" "$source/docs/$file" ||
			fail "docs/glossary.md: \"$word\" is not in $file"
	done
done

ran=$(grep -c '^run: ' "$work/log" 2>/dev/null)
echo "$ran blocks were run"
[ "$failures" -eq 0 ] || exit 1
[ "$ran" -gt 0 ] || exit 77
