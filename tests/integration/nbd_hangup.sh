#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_hangup.sh PLUGIN HELPERS: clients that go away while their requests are at work stop neither
# the server nor another client.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 100 "$@"
needs python3

serve disk size=16M
PYTHONPATH=$(dirname "$0")/../soak PYTHONDONTWRITEBYTECODE=1 timeout 90 python3 - "$dir/disk.sock" <<'END' || fail "see above"
import os, struct, sys, nbd

other = nbd.Disk(sys.argv[1])
data = os.urandom(1 << 20)
other.request(nbd.WRITE, 0, len(data), 0, data)
for times in range(300):
    rude = nbd.Disk(sys.argv[1])
    for cookie in range(30):  # the answers are more than a socket takes
        rude._put(struct.pack(">IHHQQI", 0x25609513, 0, nbd.READ, cookie, 0, len(data)))
    rude.socket.close()
    if times % 10 == 0:
        assert other.request(nbd.READ, 0, len(data)) == data
other.close()
END
end_server "$server_pid" disk
finish
