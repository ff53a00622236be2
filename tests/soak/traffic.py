# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
"""A client of a served disk that knows what its part of the disk must hold.

Words:
    event    one page that one request changes; the pages of a request change in order
    log      the events since the last save that counts, and `base`, the pages before them
    moment   how many events of the log an image of the disk has: its first `moment` ones

A client does one request at a time, so the disk is always what the log says, up to the pages of
the request under way. Its thread alone changes the shadow and appends to the log; others read the
log under `lock`.
"""
import errno
import random
import threading
import time

import nbd

PAGE = 4096
FOREVER = float("inf")


class Event:
    """began, ended: between these times the disk changed."""

    __slots__ = ("page", "sum", "began", "ended")

    def __init__(self, page, value, began):
        self.page = page
        self.sum = value
        self.began = began
        self.ended = FOREVER


class Wrong(Exception):
    """The disk does not hold what it must."""


def page_sums(data):
    return [hash(bytes(data[at:at + PAGE])) for at in range(0, len(data), PAGE)]


class Contents:
    """Data as disks have it: pieces of real files, noise, zeros, repeated words."""

    def __init__(self, chance, paths, limit=24 << 20):
        self.chance = chance
        self.real = bytearray()
        for path in paths:
            try:
                with open(path, "rb") as file:
                    self.real += file.read(1 << 20)
            except OSError:
                continue
            if len(self.real) >= limit:
                break
        if len(self.real) < 1 << 20:
            self.real += b"".join(b"%d: entry %x of the table\n" % (i, i * 7919)
                                  for i in range(50000))

    def take(self, length):
        kind = self.chance.random()
        if kind < 0.65 and length < len(self.real):
            at = self.chance.randrange(len(self.real) - length)
            return self.real[at:at + length]
        if kind < 0.80:
            return self.chance.randbytes(length)
        if kind < 0.90:
            return bytes(length)
        return (self.chance.randbytes(8) * (length // 8 + 1))[:length]


class Client:
    """Works on `size` bytes of the disk from `start` on, in a thread, until it is told to end."""

    def __init__(self, name, start, size, contents, chance):
        self.name = name
        self.start = start
        self.size = size
        self.contents = contents
        self.chance = chance
        self.lock = threading.Lock()
        self.shadow = bytearray(size)
        self.base = page_sums(self.shadow)
        self.log = []
        self.ended = 0  # events of the log that ended
        self.first = 0  # number of the log's first event
        self.counts = {}
        self.bytes_written = self.bytes_read = 0
        self.hot = 0
        self.path = self.disk = self.thread = self.problem = None
        self.told_to_end = threading.Event()
        self.dying = threading.Event()

    def begin(self, path):
        """Work on the disk that is served at this socket."""
        self.path = path
        self.told_to_end.clear()
        self.dying.clear()
        self.thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self.thread.start()

    def end(self):
        self.told_to_end.set()
        self.thread.join()

    def will_die(self):
        """The server is about to end: errors are no problem from now on."""
        self.dying.set()

    # ---- moments: numbers of events from the beginning of the client on ----

    def least_moment(self):
        """What ended is in every image that begins now."""
        with self.lock:
            return self.first + self.ended

    def most_moment(self):
        """Nothing later is in an image that is complete now."""
        with self.lock:
            return self.first + len(self.log)

    def forget_before(self, moment):
        """No image of an earlier moment will be looked at."""
        with self.lock:
            count = moment - self.first
            for event in self.log[:count]:
                self.base[event.page] = event.sum
            del self.log[:count]
            self.first = moment
            self.ended -= count

    def moments_of(self, data, allowed):
        """The moments, in order, of which `data` may be an image: those in one of the allowed ranges
        (least, most) alone. Raises Wrong where there is none."""
        with self.lock:
            versions = {}
            for index, event in enumerate(self.log):
                versions.setdefault(event.page, []).append((index, event.sum))
            found = page_sums(data)
            wrong = [0] * (len(self.log) + 2)  # differences: pages that are wrong at a moment
            example = None
            for page, value in enumerate(found):
                begin, now = 0, self.base[page]
                for index, later in versions.get(page, ()):
                    if now != value:
                        wrong[begin] += 1
                        wrong[index + 1] -= 1
                    begin, now = index + 1, later
                if now != value:
                    wrong[begin] += 1
                    example = page if page not in versions else example
            moments, total, best = [], 0, None
            for index in range(len(self.log) + 1):
                total += wrong[index]
                if best is None or total < best[0]:
                    best = (total, index)
                moment = self.first + index
                if total == 0 and any(least <= moment <= most for least, most in allowed):
                    moments.append(moment)
            if not moments:
                raise Wrong(f"{self.name}: an image of no moment in {allowed}: from {self.first} to "
                            f"{self.first + len(self.log)} the best is {self.first + best[1]}, where "
                            f"{best[0]} pages are wrong; a page that never changed and is wrong: {example}")
            return moments

    def times_of(self, moments):
        """When the disk was as at one of these moments, at the widest."""
        with self.lock:
            least, most = moments[0] - self.first, moments[-1] - self.first
            began = self.log[least - 1].began if least > 0 else 0
            ended = self.log[most].ended if most < len(self.log) else FOREVER
            return began, ended

    def adopt(self, data):
        """The disk is this now."""
        with self.lock:
            self.shadow = bytearray(data)
            self.base = page_sums(data)
            self.first += len(self.log)
            self.log = []
            self.ended = 0

    # ---- requests ----

    def _count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def _begin_change(self, at, new):
        """Into the shadow and the log, before the server hears of it. Returns the bytes of whole
        pages as they were, for _settle."""
        first, end = at // PAGE, (at + len(new) + PAGE - 1) // PAGE
        with self.lock:
            before = bytes(self.shadow[first * PAGE:end * PAGE])
            self.shadow[at:at + len(new)] = new
            now = time.monotonic()
            for page in range(first, end):
                self.log.append(Event(page, hash(bytes(self.shadow[page * PAGE:(page + 1) * PAGE])),
                                      now))
        return first, before

    def _end_change(self):
        with self.lock:
            now = time.monotonic()
            for event in self.log[self.ended:]:
                event.ended = now
            self.ended = len(self.log)

    def _settle(self, first, before, why):
        """A change of which a part may have been refused: each page is as it was, or as it was to be."""
        after = self.disk.request(nbd.READ, self.start + first * PAGE, len(before))
        with self.lock:
            events = self.log[self.ended:]
            for index, event in enumerate(events):
                page = slice(index * PAGE, (index + 1) * PAGE)
                if hash(bytes(after[page])) == event.sum:
                    continue
                if after[page] != before[page]:
                    raise Wrong(f"{self.name}: page {event.page} is neither old nor new after {why}")
                self.shadow[event.page * PAGE:(event.page + 1) * PAGE] = before[page]
                event.sum = hash(bytes(before[page]))

    def _change(self, kind, at, new, flags=0, data=b""):
        first, before = self._begin_change(at, new)
        try:
            self.disk.request(kind, self.start + at, len(new), flags, data)
            if kind == nbd.TRIM and (at % PAGE or len(new) % PAGE):
                self._settle(first, before, "a trim")
        except nbd.Refused as error:
            if kind == nbd.ZERO and flags & nbd.FAST_ZERO and error.number == errno.EOPNOTSUPP:
                self._count("no fast zero")
            elif error.number == errno.ENOSPC:
                self._count("no space")
            else:
                raise
            self._settle(first, before, str(error))
        self._end_change()

    def _place(self, length):
        """Most of the time in a fifth of the disk, which moves."""
        room = self.size - length
        if self.chance.random() < 0.002:
            self.hot = self.chance.randrange(self.size)
        if self.chance.random() < 0.8:
            return (self.hot + self.chance.randrange(self.size // 5)) % room
        return self.chance.randrange(room)

    def _write(self, aligned, length):
        at = self._place(length)
        if aligned:
            at -= at % PAGE
        new = self.contents.take(length)
        self._change(nbd.WRITE, at, new, self.chance.choice((0, 0, nbd.FUA)), new)
        self.bytes_written += length

    def _drop(self, kind):
        length = self.chance.choice((1, 4, 16, 64)) * PAGE
        at = self._place(length)
        if self.chance.random() < 0.8:
            at -= at % PAGE
        else:
            length -= self.chance.randrange(PAGE)
        flags = self.chance.choice((0, nbd.NO_HOLE, nbd.FAST_ZERO)) if kind == nbd.ZERO else 0
        self._change(kind, at, bytes(length), flags)

    def _read(self, length):
        at = self._place(length)
        data = self.disk.request(nbd.READ, self.start + at, length)
        self.bytes_read += length
        if data != self.shadow[at:at + length]:
            wrong = [page for page in range(at // PAGE, (at + length - 1) // PAGE + 1)
                     if data[max(0, page * PAGE - at):(page + 1) * PAGE - at] !=
                     self.shadow[max(at, page * PAGE):min(at + length, (page + 1) * PAGE)]]
            raise Wrong(f"{self.name}: a read at {self.start + at} of {length} bytes: pages {wrong[:8]} "
                        f"are not what was written")

    def step(self):
        kind = self.chance.random()
        if kind < 0.30:
            self._write(True, self.chance.choice((1, 1, 1, 2, 4, 16)) * PAGE)
            self._count("write")
        elif kind < 0.305:
            self._write(True, 256 * PAGE)
            self._count("write")
        elif kind < 0.42:
            self._write(False, self.chance.randrange(1, 10000))
            self._count("part write")
        elif kind < 0.83:
            self._read(self.chance.choice((100, PAGE, PAGE, PAGE, 16 * PAGE)))
            self._count("read")
        elif kind < 0.84:
            self._read(256 * PAGE)
            self._count("read")
        elif kind < 0.90:
            self._drop(nbd.TRIM)
            self._count("trim")
        elif kind < 0.96:
            self._drop(nbd.ZERO)
            self._count("zero")
        elif kind < 0.98:
            self.disk.request(nbd.FLUSH)
            self._count("flush")
        elif kind < 0.999:
            self.disk.request(nbd.CACHE, self.start, PAGE)
            self._count("cache")
        else:
            self.disk.close()
            self.disk = nbd.Disk(self.path)
            self._count("connect")

    def read_all(self, disk=None):
        """This client's part of the disk, or of another one."""
        disk = disk or nbd.Disk(self.path)
        step = min(self.size, 1 << 20)
        data = b"".join(disk.request(nbd.READ, self.start + at, step)
                        for at in range(0, self.size, step))
        disk.close()
        return data

    def _run(self):
        try:
            self.disk = nbd.Disk(self.path)
            while not self.told_to_end.is_set():
                self.step()
        except (nbd.Gone, nbd.Refused) as error:
            if not self.dying.is_set():
                self.problem = f"{self.name}: {error}"
        except Wrong as error:
            self.problem = str(error)
        except Exception as error:  # what else a mistake of this script may be: shown, not lost
            self.problem = f"{self.name}: {error!r}"
        finally:
            if self.disk is not None:
                self.disk.close()
