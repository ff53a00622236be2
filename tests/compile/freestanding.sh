#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# freestanding.sh SOURCE_DIR: the core over the buffer provider builds where there is
# no operating system. It is compiled without the system's headers, links without the
# C library against four memory functions, and needs no other symbol. On x86-64 Linux the
# program is run as well, and that of a Cortex-M in an emulated one (CC=arm-none-eabi-gcc,
# CFLAGS="-mcpu=cortex-m3 -mthumb").
set -eu
root=${1:?usage: freestanding.sh SOURCE_DIR}
here=$root/tests/compile
: "${CC:=cc}" "${CFLAGS:=}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The compiler's own headers (stdint.h, stddef.h ...) and no others.
own_headers=$("$CC" -print-file-name=include)
# And its own functions: 64-bit division on a 32-bit machine.
# shellcheck disable=SC2086 # CFLAGS is a list
own_library=$("$CC" $CFLAGS -print-libgcc-file-name)
nm=$("$CC" -print-prog-name=nm)
size=$("$CC" -print-prog-name=size)
# The processor asks for small code, and for a table of vectors at address 0; its memory is where
# the emulated board has it.
optimize=-O2
places=-Wl,-e,start
machine="$(uname -sm) $("$CC" $CFLAGS -dumpmachine)"
case $machine in *arm-none-eabi)
	optimize=-Os
	places="-Wl,-e,start,--section-start=.vectors=0,-Ttext=0x400,-Tdata=0x20000000"
	;;
esac
options="-std=c11 $optimize -ffreestanding -fno-stack-protector -fno-pie -nostdinc -DXV_FREESTANDING=1"
options="$options -Wall -Wextra -Wconversion -Wshadow -Wundef"
mkdir "$work/staged"
ln -s "$root/include/xvmalloc" "$work/staged/xvmalloc"

compile() { # compile FILE: to an object in the work directory
	# shellcheck disable=SC2086 # lists of options
	"$CC" $CFLAGS $options -isystem "$own_headers" -I"$work/staged" \
		-I"$root/src/platform" -I"$root/src/core/heap" -I"$root/src/core/object" -I"$root/src/core/pool" \
		-c "$1" -o "$work/$(basename "$(dirname "$1")")_$(basename "$1" .c).o"
}

for file in "$root"/src/core/*/*.c "$root"/src/handle_table/*.c \
	"$root"/src/platform/lock_none.c "$root"/src/provider/buffer.c "$root"/src/provider/page_bitmap.c; do
	compile "$file"
done

# What the objects need of the outside, when they have each other.
# shellcheck disable=SC2086
"$CC" $CFLAGS -nostdlib -r "$work"/*.o "$own_library" -o "$work/all.linked"
needed=$("$nm" -u "$work/all.linked" | sed 's/^ *[Uwv] *//' |
	grep -vxE 'mem(cpy|move|set|cmp)' || true)
if [ -n "$needed" ]; then
	echo "the freestanding core needs more than memcpy, memmove, memset and memcmp:"
	echo "$needed"
	exit 1
fi
rm "$work/all.linked"

# The parts of a program that come from the library: code and constants, variables.
library_size() {
	"$size" -t "$work"/*.o | awk 'END { print $1 " bytes of code, " $2 + $3 " of variables" }'
}

echo "the library: $(library_size)"
compile "$here/freestanding.c"
# shellcheck disable=SC2086
"$CC" $CFLAGS -nostdlib -static -no-pie $places "$work"/*.o "$own_library" -o "$work/freestanding"
echo "linked without the C library: $("$size" "$work/freestanding" |
	awk 'NR == 2 { print "text " $1 ", data " $2 ", bss " $3 }')"

case "$machine $CFLAGS" in
*-m32*) exit ;;
"Linux x86_64 x86_64-"*) set -- "$work/freestanding" ;;
*arm-none-eabi*)
	command -v qemu-system-arm >/dev/null || exit 0
	set -- timeout 60 qemu-system-arm -M mps2-an385 -nographic -semihosting -kernel "$work/freestanding"
	;;
*) exit ;;
esac
"$@" || { echo "the freestanding program failed: exit $?" && exit 1; }
echo "and it runs"
