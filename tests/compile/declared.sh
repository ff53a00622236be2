#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# declared.sh HEADER...: the names that headers declare with XV_API, sorted.
set -eu
grep -hv '^#' "$@" | tr '\n' ' ' | sed 's|/\*|\n/*|g; s|\*/|*/\n|g' | grep -v '^/\*' | tr '\n' ' ' |
	grep -o 'XV_API [^(;]*([^;]*;' | sed 's/(.*//; s/.*[ *]//' | sort -u
