#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# docs/overhead.sh [INPUT]: draws docs/overhead.svg, the picture of README.md, from the pages of
# /usr/bin or of INPUT. Needs the build `release`, gnuplot, and for zram's bars root.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
pictures=$(mktemp -d)
trap 'rm -rf "$pictures"' EXIT
"$root/build/release/bin/xvfrag" --plot "$pictures" "${1:-/usr/bin}"
cp "$pictures/overhead-1.svg" "$root/docs/overhead.svg"
