#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# consumer.sh SOURCE_DIR BUILD_DIR [ramz] [xvfrag]: what users of an installed libxvmalloc
# do; the names say what was built beside it. CC, CXX (none), CFLAGS and CMAKE name the tools.
set -eu
source=${1:?usage: consumer.sh SOURCE_DIR BUILD_DIR}
build=${2:?usage: consumer.sh SOURCE_DIR BUILD_DIR}
parts=" $* "
: "${CC:=cc}" "${CXX:=none}" "${CFLAGS:=}" "${CMAKE:=cmake}"
export CC CFLAGS
here=$source/tests/consumer
has() { # has PART
	case $parts in *" $1 "*) return 0 ;; esac
	return 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

step() { # step WHAT COMMAND...: run it; show its output only when it fails
	what=$1
	shift
	if "$@" >"$work/log" 2>&1; then
		echo "ok: $what"
	else
		echo "FAILED: $what"
		cat "$work/log"
		exit 1
	fi
}

refused() { # refused WHAT TEXT COMMAND...: it must fail, and say TEXT
	what=$1
	text=$2
	shift 2
	if "$@" >"$work/log" 2>&1; then
		echo "FAILED: $what: it succeeded"
		exit 1
	fi
	if ! grep -q "$text" "$work/log"; then
		echo "FAILED: $what: it does not say \"$text\":"
		cat "$work/log"
		exit 1
	fi
	echo "ok: refused: $what"
}

# Installed in one place, then moved: nothing may remember the first.
step "install" "$CMAKE" --install "$build" --prefix "$work/first"
mv "$work/first" "$work/moved"
libdir=$(cd "$work/moved" && dirname "$(dirname "$(find . -name xvmalloc.pc)")")
libdir=$work/moved/${libdir#./}
export LD_LIBRARY_PATH="$libdir"
kind=static other=shared
if [ -n "$(find "$libdir" -name libxvmalloc.so)" ]; then
	kind=shared other=static
fi
if grep -rlF -e "$source" -e "$build" -e "$work/first" "$libdir/cmake" "$libdir/pkgconfig"; then
	echo "FAILED: the files above name the build's directories"
	exit 1
fi

step "headers compile as installed" \
	env CXX=none sh "$source/tests/compile/headers.sh" "$work/moved/include"

package() { # package NAME OPTION...: configure the find_package project
	name=$1
	shift
	"$CMAKE" -S "$here/package" -B "$work/$name" -DCMAKE_PREFIX_PATH="$work/moved" "$@"
}

step "find_package: configure" package plain
step "find_package: build" "$CMAKE" --build "$work/plain"
step "find_package: run" "$work/plain/use_xvmalloc"
if has ramz; then
	step "find_package of ramz: configure" package ramz -DUSE_RAMZ=ON
	step "find_package of ramz: build" "$CMAKE" --build "$work/ramz"
	step "find_package of ramz: run" "$work/ramz/use_ramz"
	# A system without the codec libraries: pkg-config finds none.
	step "find_package without the codecs: configure" \
		package no_codecs -DPKG_CONFIG_EXECUTABLE=/bin/false
	[ $kind = shared ] || refused "find_package of ramz without the codecs" "ramz needs what pkg-config" \
		package no_ramz -DUSE_RAMZ=ON -DPKG_CONFIG_EXECUTABLE=/bin/false
fi

step "find_package of $kind libraries" package kind -DKIND=$kind
refused "find_package of $other libraries" "installed without its $other libraries" \
	package other -DKIND=$other

export PKG_CONFIG_PATH="$libdir/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
pc_program() { # pc_program PACKAGE PROGRAM: build with pkg-config's flags, and run
	static=
	[ -n "$(find "$libdir" -name "lib$1.so")" ] || static=--static
	# shellcheck disable=SC2046,SC2086 # lists of options
	"$CC" $CFLAGS ${3--std=c11} "$here/$2.c" -o "$work/$2" $(pkg-config --cflags --libs $static "$1") &&
		"$work/$2"
}
if command -v pkg-config >/dev/null; then
	step "pkg-config: build and run" pc_program xvmalloc use_xvmalloc
	! has ramz || step "pkg-config of ramz: build and run" pc_program ramz use_ramz
	if [ "$CXX" != none ]; then
		CC=$CXX step "C++: build and run" pc_program xvmalloc use_xvmalloc "-x c++ -std=c++11"
	fi
fi
if has xvfrag; then
	step "the installed xvfrag starts" "$work/moved/bin/xvfrag" --help
	step "its man page is there" find "$work/moved" -name xvfrag.1 -exec test -s {} \;
fi

for by_hand in OFF ON; do
	step "subproject (add_subdirectory: $by_hand): configure" "$CMAKE" -S "$here/subproject" \
		-B "$work/subproject$by_hand" -DXVMALLOC_DIR="$source" -DBY_HAND=$by_hand
done
step "subproject: build" "$CMAKE" --build "$work/subprojectOFF" --target use_xvmalloc
step "subproject: run" "$work/subprojectOFF/use_xvmalloc"

if command -v meson >/dev/null && [ -z "${CMAKE_TOOLCHAIN_FILE-}" ]; then
	mkdir -p "$work/meson/subprojects"
	cp "$here/meson/meson.build" "$here"/use_*.c "$work/meson"
	cp "$source/cmake/xvmalloc.wrap" "$work/meson/subprojects"
	ln -s "$source" "$work/meson/subprojects/xvmalloc"
	step "Meson: configure" meson setup "$work/meson/build" "$work/meson"
	step "Meson: build and run" meson test -C "$work/meson/build"
fi
