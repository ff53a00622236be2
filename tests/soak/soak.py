#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
"""soak.py RAMZ [--seconds N] [--seed N] [--keep-files]: a served disk under mixed traffic.

RAMZ is the program `ramz`, with the plugin beside it. Two clients read, write, trim and zero their
halves of one disk and check all that they read. Meanwhile limits move, the store is compacted and
trimmed, pages are recompressed and written back, the codec changes, the disk grows, snapshots are
taken and read back, and the disk is saved, every minute.

Half of the time the disk is kept in file=, with a backing file that comes and goes; the other half
it is kept in its backing file (backing-keep=). Each half begins with short lives of the server,
which end by kill -9, with and without a save under way, or by SIGTERM under traffic. A disk that is
started again must be the image of one moment, the same for both clients, within its last completed
save, page for page. After SIGTERM it must hold all that was answered. A long life follows, in which
memory, descriptors and threads of the server must not grow.

Prints a table of figures. Exit status: 0 passed, 1 failed, 77 cannot run here.
"""
import argparse
import glob
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True  # not into the source tree
import nbd
from server import Server, median, quarter
from traffic import Client, Contents, Wrong

MIB = 1 << 20
DISK_BYTES = 64 * MIB
DISK_BYTES_MAX = 80 * MIB

# The server may refuse these, by the limits that are given to it.
REFUSALS = {
    "save": r"memory ran short|hard limit leaves no room",
    "snapshot": r"memory ran short|hard limit leaves no room",
    "limit": r"least",
    "backing": r"leaves no room",
    "writeback": r"full|No space",
    "resize": r"leaves no room",
    "codec": r"leaves no room|No space",
    "recompress": r"leaves no room",
}

# A life shorter than this says nothing: buffers come with long requests, one thread after the other.
LIFE_SECONDS_MIN = 900
# What a server may hold more, beside the store, at the end of a life than in its middle.
GROWTH_BYTES_MAX = 4 * MIB


class Figures:
    """What the table at the end says."""

    def __init__(self):
        self.counts = {}
        self.lives = []
        self.problems = []

    def count(self, what, number=1):
        self.counts[what] = self.counts.get(what, 0) + number

    def problem(self, text):
        print(f"FAILED: {text}", flush=True)
        self.problems.append(text)


class Disk:
    """The served disk over all lives of its server, and its two clients."""

    def __init__(self, ramz, directory, kept, chance, figures):
        self.ramz = ramz
        self.directory = directory
        self.kept = kept  # "file" or "backing"
        self.chance = chance
        self.figures = figures
        self.path = os.path.join(directory, "disk." + kept)
        self.spill = os.path.join(directory, "spill")
        self.snapshots = 0
        self.has_spill = self.was_saved = False
        self.server = None
        self.size = self.size_saved = DISK_BYTES
        half = DISK_BYTES // 2
        paths = glob.glob("/usr/bin/*") + glob.glob("/usr/include/*.h")
        chance.shuffle(paths)
        contents = Contents(random.Random(chance.random()), paths)
        self.clients = [Client(f"client {number}", number * half, half, contents,
                               random.Random(chance.random())) for number in range(2)]
        self.saved = [(0, 0) for _ in self.clients]  # moments that the last save may be of
        self.counters = {}

    # ---- lives ----

    def _arguments(self, path):
        new = not os.path.exists(path) or (path == self.path and not self.was_saved)
        words = ["codec=lz4", "warm=lz4:9", "warm-after=0.1", "cold=zstd:3", "cold-after=0.3"]
        if self.chance.random() < 0.5:
            words.append("dedup=true")
        if self.kept == "file":
            words += ["--file", path]
        else:
            words += ["backing=" + path, "backing-keep=true", "backing-after=1"]
            if new:
                words.append(f"backing-size={6 * DISK_BYTES}")
        if new:
            words += [str(DISK_BYTES), "checksum=true"]
        return words + ["--", "--exit-with-parent"]

    def begin(self):
        self.server = Server(self.ramz, self.directory, "disk", self._arguments(self.path))
        self.has_spill = False
        self.counters = {}
        if os.path.exists(self.spill):
            os.remove(self.spill)
        self.check_files()

    def begin_clients(self):
        for client in self.clients:
            client.begin(self.server.socket)

    def end_clients(self):
        for client in self.clients:
            client.end()

    def kill(self):
        """The server dies under its clients, at times while it saves."""
        saving, begun, saved = None, None, self.saved
        if self.chance.random() < 0.6:
            begun = [client.least_moment() for client in self.clients]
            saving = threading.Thread(target=self.save)
            saving.start()
            time.sleep(self.chance.random() * 0.8)
        for client in self.clients:
            client.will_die()
        self.server.kill()
        if saving is not None:
            saving.join()
        self.end_clients()
        self.figures.count("kills" if saving is None else "kills in a save")
        ranges = [[saved] for saved in self.saved]
        if begun is not None and self.saved is saved:  # its answer never came; it may be complete
            for number, client in enumerate(self.clients):
                ranges[number].append((max(begun[number], client.first), client.most_moment()))
        self._after_end()
        self.begin()
        self.check_contents(self.server, ranges, "after a kill", adopt=True)
        size = nbd.Disk(self.server.socket).size_bytes
        if not self.size_saved <= size <= self.size:
            self.figures.problem(f"after a kill the disk has {size} bytes, not {self.size_saved} to "
                                 f"{self.size}")
        self.size = size

    def end(self):
        """The server is told to end under its clients, and is started again."""
        for client in self.clients:
            client.will_die()
        status = self.server.end()
        if status != 0:
            self.figures.problem(f"the server ended with status {status}")
        self.end_clients()
        self.figures.count("ends")
        self.was_saved = True
        ranges = [[(client.least_moment(), client.most_moment())] for client in self.clients]
        self._after_end()
        self.check_files()
        self.begin()
        self.check_contents(self.server, ranges, "after an end", adopt=True)
        size = nbd.Disk(self.server.socket).size_bytes
        if size != self.size:
            self.figures.problem(f"after an end the disk has {size} bytes, not {self.size}")

    def _after_end(self):
        for line in self.server.unexpected():
            self.figures.problem(f"in the log: {line}")

    # ---- what must hold ----

    def check_contents(self, server, ranges, when, adopt=False):
        """Both halves are images of one moment."""
        times = []
        for client, allowed in zip(self.clients, ranges):
            data = client.read_all(nbd.Disk(server.socket))
            try:
                times.append(client.times_of(client.moments_of(data, allowed)))
            except Wrong as error:
                self.figures.problem(f"{when}: {error}")
            if adopt:
                client.adopt(data)
        if len(times) == 2 and max(times[0][0], times[1][0]) > min(times[0][1], times[1][1]):
            self.figures.problem(f"{when}: the two halves are of two moments: {times}")
        self.figures.count("images checked")
        if adopt:
            self.saved = [(client.first, client.first) for client in self.clients]

    def check_files(self):
        """Nothing is left behind."""
        known = {os.path.basename(self.path), "spill", "run", "disk.log", "image.log"}
        for name in os.listdir(self.directory):
            if name not in known and not name.startswith("disk."):
                self.figures.problem(f"a file is left: {name}")
            if "ramz-tmp" in name:
                self.figures.problem(f"a temporary file is left: {name}")

    def check_stat(self):
        """Numbers that no traffic of these clients explains."""
        stat = self.server.stat()
        store = stat["stats"]
        zero = {name: store[name] for name in ("failed_reads", "invalid_io", "bad_pages")}
        if stat["backing"]:
            zero.update({"backing " + name: stat["backing"][name]
                         for name in ("failed_reads", "failed_writes", "damaged")})
        for name, value in zero.items():
            if value:
                self.figures.problem(f"stat: {name} is {value}")
        if store["pages_stored"] * store["page_bytes"] > store["size_bytes"] > DISK_BYTES_MAX:
            self.figures.problem(f"stat: {store['pages_stored']} pages in {store['size_bytes']} bytes")
        counters = {name: store[name] for name in ("reads", "writes", "notify_free", "retries",
                                                   "compact_moved_bytes", "recompressed")}
        for name, value in counters.items():
            if value < self.counters.get(name, 0):
                self.figures.problem(f"stat: {name} went from {self.counters[name]} to {value}")
        if "busy" not in stat:
            self.counters = counters

    def check_rest(self):
        """Without clients the numbers are exact."""
        store = self.server.stat()["stats"]
        kinds = sum(store[name] for name in ("pages_same_filled", "pages_compressed", "pages_raw"))
        if kinds != store["pages_stored"]:
            self.figures.problem(f"stat: {kinds} pages by kind, {store['pages_stored']} stored")
        zero = bytes(4096)
        filled = sum(client.shadow[at:at + 4096] != zero
                     for client in self.clients for at in range(0, client.size, 4096))
        if filled > store["pages_stored"]:
            self.figures.problem(f"stat: {store['pages_stored']} pages stored, {filled} hold data")

    def check_clients(self):
        for client in self.clients:
            if client.problem:
                raise Wrong(client.problem)
        if self.server.process.poll() is not None:
            raise Wrong(f"the server ended with status {self.server.process.returncode}")

    # ---- commands ----

    def command(self, *words):
        """True: it was done. A refusal that the limits explain is counted."""
        answer, complaint = self.server.command(*words)
        if answer is not None:
            self.figures.count("ramz " + words[0])
            return True
        if self.clients[0].dying.is_set():
            return False
        if words[0] in REFUSALS and re.search(REFUSALS[words[0]], complaint):
            self.figures.count(f"ramz {words[0]}, refused")
        else:
            self.figures.problem(f"ramz {' '.join(words)}: {complaint}")
        return False

    def save(self):
        least = [client.least_moment() for client in self.clients]
        size = self.size
        if not self.command("save"):
            return
        self.saved = [(begun, client.most_moment()) for begun, client in zip(least, self.clients)]
        self.size_saved = size
        self.was_saved = True
        for client, begun in zip(self.clients, least):
            client.forget_before(begun)

    def snapshot(self):
        """Taken under traffic, and read back from a server of its own."""
        self.snapshots += 1
        path = os.path.join(self.directory, f"disk.snapshot{self.snapshots}")
        least = [client.least_moment() for client in self.clients]
        if not self.command("snapshot", path):
            return
        ranges = [[(begun, client.most_moment())] for begun, client in zip(least, self.clients)]
        image = Server(self.ramz, self.directory, "image", self._arguments(path))
        self.check_contents(image, ranges, "a snapshot")
        if image.end() != 0:
            self.figures.problem("the snapshot's server ended with an error")
        for line in image.unexpected():
            self.figures.problem(f"in the snapshot's log: {line}")
        os.remove(path)

    def limit(self):
        held = self.server.stat()["stats"]["held_bytes"]
        hard = "none"
        if self.chance.random() < 0.75:
            hard = str(int(held * self.chance.uniform(0.5, 1.4)))
        soft = "none" if hard == "none" else str(int(int(hard) * 0.8))
        self.command("limit", "--hard", hard, "--soft", soft)

    def backing(self):
        if self.kept == "backing":
            return
        if self.has_spill:
            self.command("limit", "--hard", "none", "--soft", "none")
            if self.command("backing", "none"):
                self.has_spill = False
                os.remove(self.spill)
        elif self.command("backing", self.spill, str(2 * DISK_BYTES)):
            self.has_spill = True

    def writeback(self):
        if self.has_spill or self.kept == "backing":
            self.command("writeback", "--age", str(self.chance.choice((0, 1, 2))),
                         "--max-pages", str(self.chance.choice((100, 2000))))

    def recompress(self):
        self.command("recompress", self.chance.choice(("warm", "cold")),
                     "--age", str(self.chance.choice((0, 1, 2))),
                     "--max-pages", str(self.chance.choice((100, 2000))))

    def resize(self):
        if self.size < DISK_BYTES_MAX and self.command("resize", str(self.size + MIB)):
            self.size += MIB

    def step(self):
        """One thing that an administrator may do at any time."""
        todo = [(20, self.limit), (10, self.writeback), (10, self.recompress), (8, self.backing),
                (2, self.snapshot), (1, self.resize),
                (8, lambda: self.command("compact")),
                (4, lambda: self.command("compact", "1M")),
                (5, lambda: self.command("trim")),
                (8, lambda: self.command("idle")),
                (3, lambda: self.command("state", "0", "2000")),
                (5, lambda: self.command("codec", self.chance.choice(("lz4", "lz4:-5", "zstd:1")))),
                (5, lambda: self.command("stat"))]
        self.chance.choices([call for _, call in todo], [weight for weight, _ in todo])[0]()

    def live(self, seconds):
        """Traffic and commands for so long, and a save every minute, or three times."""
        until = time.monotonic() + seconds
        every = min(60, seconds / 3)
        save_at = time.monotonic() + every
        while time.monotonic() < until:
            self.check_clients()
            self.check_stat()
            if time.monotonic() >= save_at:
                self.save()
                save_at = time.monotonic() + every
            self.step()
            time.sleep(self.chance.random())
        self.check_clients()

    def measure(self, seconds):
        """The server did not grow in a long life."""
        samples = self.server.samples
        if len(samples) < 8:
            return
        # Each of nbdkit's threads takes a buffer when a long request first comes to it.
        warm_up = (samples[-1].at - samples[0].at) / 2
        first, last = quarter(samples, 0, warm_up), quarter(samples, 3, warm_up)
        if not first or not last:
            return
        row = {name: (median(first, name), median(last, name))
               for name in ("rss", "held", "beside", "files", "threads")}
        row["seconds"] = seconds
        row["kept"] = self.kept
        self.figures.lives.append(row)
        if seconds < LIFE_SECONDS_MIN:
            return
        growth = row["beside"][1] - row["beside"][0]
        if growth > GROWTH_BYTES_MAX:
            self.figures.problem(f"kept in {self.kept}: the server grew by {growth / MIB:.1f} MiB "
                                 f"beside the store")
        for name in ("files", "threads"):
            if row[name][1] > row[name][0] + 1:
                self.figures.problem(f"kept in {self.kept}: {name} went from {row[name][0]:.0f} to "
                                     f"{row[name][1]:.0f}")

    def run(self, seconds):
        """Short lives for a third of the time, then a long one."""
        life = max(6, min(75, seconds / 3 / 4))
        until = time.monotonic() + seconds
        short_until = time.monotonic() + seconds / 3
        self.begin()
        while time.monotonic() < short_until:
            self.begin_clients()
            self.live(life)
            self.chance.choice((self.kill, self.kill, self.end))()
        self.begin_clients()
        long = max(10, until - time.monotonic())
        self.live(long)
        self.measure(long)
        self.kill()
        self.begin_clients()
        self.live(6)
        self.end_clients()
        self.check_clients()
        self.check_rest()
        self.end()
        self.server.end()
        self._after_end()
        for client in self.clients:
            for name, number in client.counts.items():
                self.figures.count(name, number)
            self.figures.count("MiB written", client.bytes_written // MIB)
            self.figures.count("MiB read and compared", client.bytes_read // MIB)


def show(figures, seconds, seed):
    print(f"\n{seconds:.0f} s, seed {seed}")
    for name in sorted(figures.counts):
        print(f"{name:28} {figures.counts[name]:10}")
    print("\nmedians of the first and the last quarter of the second half of a long life")
    print(f"{'kept in':10}{'s':>6}{'RSS MiB':>16}{'held MiB':>16}{'RSS - held':>16}"
          f"{'descriptors':>14}{'threads':>12}")
    for row in figures.lives:
        mib = [[value / MIB for value in row[name]] for name in ("rss", "held", "beside")]
        print(f"{row['kept']:10}{row['seconds']:6.0f}"
              + "".join(f"{pair[0]:8.1f}{pair[1]:8.1f}" for pair in mib)
              + f"{row['files'][0]:7.0f}{row['files'][1]:7.0f}"
              + f"{row['threads'][0]:6.0f}{row['threads'][1]:6.0f}")


def main():
    parser = argparse.ArgumentParser(description="a served disk under mixed traffic")
    parser.add_argument("ramz")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("XV_SEED", random.randrange(1 << 24))))
    parser.add_argument("--keep-files", action="store_true")
    options = parser.parse_args()
    if shutil.which("nbdkit") is None:
        print("skipped: no command nbdkit (Debian: apt-get install nbdkit)")
        return 77
    print(f"XV_SEED={options.seed}", flush=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    chance = random.Random(options.seed)
    figures = Figures()
    began = time.monotonic()
    disk = None
    for kept in ("file", "backing"):
        directory = tempfile.mkdtemp(prefix="xv-soak.")
        os.mkdir(os.path.join(directory, "run"), 0o700)
        try:
            disk = Disk(options.ramz, directory, kept, chance, figures)
            disk.run(options.seconds / 2)
        except Wrong as error:
            figures.problem(str(error))
        finally:
            if disk and disk.server and disk.server.process.poll() is None:
                disk.server.kill()
            if figures.problems and disk and disk.server:
                print("the end of the log:", "".join(disk.server.log_lines()[-10:]))
            if not options.keep_files:
                shutil.rmtree(directory)
    show(figures, time.monotonic() - began, options.seed)
    print(f"\n{len(figures.problems)} problems" if figures.problems else "\nall checks passed")
    return 1 if figures.problems else 0


if __name__ == "__main__":
    sys.exit(main())
