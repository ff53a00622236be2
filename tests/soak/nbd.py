# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
"""One connection to a served disk, on a Unix socket: one request at a time, simple replies."""
import os
import socket
import struct

READ, WRITE, DISCONNECT, FLUSH, TRIM, CACHE, ZERO = range(7)
FUA, NO_HOLE, FAST_ZERO = 1, 2, 16


class Refused(Exception):
    """The server answered with this error number."""

    def __init__(self, number):
        super().__init__(os.strerror(number))
        self.number = number


class Gone(Exception):
    """The connection ended."""


class Disk:
    """size_bytes is what the server says; everything raises Gone or Refused."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.cookie = 0
        try:
            self.socket.settimeout(120)
            self.socket.connect(path)
            if self._get(16) != b"NBDMAGICIHAVEOPT":
                raise Gone("no NBD server")
            self._get(2)
            # Fixed newstyle without padding; NBD_OPT_EXPORT_NAME, of no name.
            self._put(struct.pack(">I8sII", 3, b"IHAVEOPT", 1, 0))
            self.size_bytes = struct.unpack(">QH", self._get(10))[0]
        except OSError as error:
            self.socket.close()
            raise Gone(str(error)) from error

    def _get(self, count):
        data = bytearray(count)
        view = memoryview(data)
        while view:
            got = self.socket.recv_into(view)
            if got == 0:
                raise Gone("the server ended the connection")
            view = view[got:]
        return data

    def _put(self, data):
        self.socket.sendall(data)

    def request(self, kind, offset=0, length=0, flags=0, data=b""):
        """Returns what was read, for a read."""
        self.cookie += 1
        try:
            self._put(struct.pack(">IHHQQI", 0x25609513, flags, kind, self.cookie, offset, length))
            if data:
                self._put(data)
            magic, error, cookie = struct.unpack(">IIQ", self._get(16))
            if magic != 0x67446698 or cookie != self.cookie:
                raise Gone("the answer is to another request")
            if error:
                raise Refused(error)
            return self._get(length) if kind == READ else None
        except OSError as error:
            raise Gone(str(error)) from error

    def close(self):
        """Say that this is the end."""
        try:
            self._put(struct.pack(">IHHQQI", 0x25609513, 0, DISCONNECT, 0, 0, 0))
        except OSError:
            pass
        self.socket.close()
