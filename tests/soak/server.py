# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
"""A disk that `ramz serve` serves, and what is seen of its process."""
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import threading
import time

# Lines of the server's log that tell of what the soak does to it: limits that are too low.
LOG_EXPECTED = re.compile(r"no space: the disk holds|warning: the disk holds|"
                          r"is saved now|a server that is ending|cannot be saved: memory ran short|"
                          r"memory ran short")


class Sample:
    """What the process held at one time."""

    def __init__(self, at, rss, held, files, threads):
        self.at = at
        self.rss = rss
        self.held = held
        self.beside = rss - held
        self.files = files
        self.threads = threads


class Server:
    """One process; `directory` has its sockets in run/ and its log."""

    def __init__(self, ramz, directory, name, arguments):
        self.name = name
        self.ramz = ramz
        self.environment = dict(os.environ, XDG_RUNTIME_DIR=os.path.join(directory, "run"))
        self.socket = os.path.join(directory, "run", "ramz", name + ".nbd")
        self.control = os.path.join(directory, "run", "ramz", name + ".ctl")
        self.log_path = os.path.join(directory, name + ".log")
        self.log_from = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        self.samples = []
        self.problem = None
        self.began = time.monotonic()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [ramz, "serve", "--name", name, "--foreground", *arguments],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=log)
        self._await()
        self.sampler = threading.Thread(target=self._sample, daemon=True)
        self.sampled_enough = threading.Event()
        self.sampler.start()

    def _await(self):
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                self.stat()
                return
            except (OSError, ValueError):
                time.sleep(0.05)
        self.process.kill()
        raise RuntimeError(f"the server does not start: {''.join(self.log_lines()[-5:])}")

    # ---- control ----

    def stat(self):
        """The answer to `stat`."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
            asked.settimeout(120)
            asked.connect(self.control)
            asked.sendall(b"stat\n")
            answer = b""
            while not answer.endswith(b"\n"):
                part = asked.recv(65536)
                if not part:
                    raise ValueError("no answer")
                answer += part
        return json.loads(answer)

    def command(self, *words):
        """Run `ramz WORDS...` on this disk. Returns what it printed, or None and what it complained of."""
        done = subprocess.run([self.ramz, *words, "--name", self.name], env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=500, check=False)
        if done.returncode == 0:
            return done.stdout, ""
        return None, done.stderr.strip() or f"exit status {done.returncode}"

    # ---- samples ----

    def _sample(self):
        pid = self.process.pid
        while not self.sampled_enough.wait(1):
            try:
                with open(f"/proc/{pid}/status", encoding="ascii") as file:
                    status = dict(line.split(":", 1) for line in file if ":" in line)
                stat = self.stat()
                self.samples.append(Sample(
                    time.monotonic(), int(status["VmRSS"].split()[0]) * 1024,
                    stat["stats"]["held_bytes"], len(os.listdir(f"/proc/{pid}/fd")),
                    int(status["Threads"])))
            except (OSError, ValueError, KeyError):
                if not self.sampled_enough.is_set() and self.process.poll() is None:
                    continue
                return

    # ---- the end ----

    def kill(self):
        """As a crash is: nothing is saved."""
        self.sampled_enough.set()
        self.process.kill()
        self.process.wait()

    def end(self):
        """As `kill PID` does. Returns the exit status."""
        self.sampled_enough.set()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=300)

    def log_lines(self):
        """Lines since this process began."""
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            log.seek(self.log_from)
            return log.readlines()

    def unexpected(self):
        """Lines of the log that tell of errors."""
        return [line.strip() for line in self.log_lines() if not LOG_EXPECTED.search(line)]


def quarter(samples, number, warm_up):
    """Samples of the first (0) to the last (3) quarter of the time behind the warm-up."""
    begin = samples[0].at + warm_up
    length = (samples[-1].at - begin) / 4
    return [sample for sample in samples
            if begin + number * length <= sample.at <= begin + (number + 1) * length]


def median(samples, name):
    return statistics.median(getattr(sample, name) for sample in samples)
