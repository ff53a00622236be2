#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# promises.sh: promises.py over this tree; skipped (77) without Python.
command -v python3 >/dev/null || { echo "skipped: no python3" && exit 77; }
exec python3 "$(dirname "$0")/promises.py"
