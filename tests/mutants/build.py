# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
"""A copy of the tree that is changed, built and tested.

Owns: the copy, its build directory, the objects compiled to compare them, the processes of
tests. May call: git, cmake, ctest, the compiler. One thread uses one Tree.
"""

import glob
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time
from collections import namedtuple

SKIPPED = 77
SCRIPT_TARGETS = ["nbdkit_ramz_plugin", "nbd_client", "unix_ask", "swap_pages", "fsync_gate"]
# Swapped arguments of other types are no mutants: they do not compile. What a change leaves
# undefined is not 0 by luck.
OPTIONS = ["-DCMAKE_BUILD_TYPE=Debug", "-DXV_DEBUG=2", "-DXV_BUILD_EXAMPLES=OFF",
           "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
           "-DCMAKE_C_FLAGS_DEBUG=-O1 -ftrivial-auto-var-init=pattern "
           "-Werror=int-conversion -Werror=incompatible-pointer-types"]

WORK = "@WORK@"  # a worker's folder, in commands

# cpu_s and wall_s: what the test took without a change.
Test = namedtuple("Test", "name command environment targets cpu_s wall_s")


class Tree:
    def __init__(self, root, work, log):
        self.work = work
        self.source = os.path.join(work, "tree")
        self.build = os.path.join(work, "build")
        self.scratch = os.path.join(work, "scratch")
        self.log = log
        self.originals = {}
        self.included = {}
        os.makedirs(self.source, exist_ok=True)
        os.makedirs(self.scratch, exist_ok=True)
        names = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"],
                               check=True, capture_output=True, text=True).stdout.split("\0")
        self._copy(root, [name for name in names if name])

    def _copy(self, root, names):
        """What changed since the last time is copied, so that little is built again."""
        for name in names:
            there, here = os.path.join(root, name), os.path.join(self.source, name)
            if not os.path.isfile(there):
                continue
            with open(there, "rb") as file:
                content = file.read()
            if os.path.isfile(here):
                with open(here, "rb") as file:
                    if file.read() == content:
                        continue
            os.makedirs(os.path.dirname(here), exist_ok=True)
            with open(here, "wb") as file:
                file.write(content)
            shutil.copymode(there, here)

    # ---- files ----

    def read(self, path):
        with open(os.path.join(self.source, path), encoding="utf-8") as file:
            return file.read()

    def write(self, path, text):
        with open(os.path.join(self.source, path), "w", encoding="utf-8") as file:
            file.write(text)

    # ---- building ----

    def _run(self, command, **options):
        # What another worker compiled need not be compiled again.
        environment = dict(os.environ, CCACHE_BASEDIR=self.work,
                           CCACHE_NOHASHDIR="1")
        with open(self.log, "ab") as log:
            return subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                  env=environment, **options).returncode == 0

    def configure(self):
        command = ["cmake", "-S", self.source, "-B", self.build] + OPTIONS
        if not os.path.exists(os.path.join(self.build, "CMakeCache.txt")) and \
                shutil.which("ninja"):
            command += ["-G", "Ninja"]
        if shutil.which("ccache"):
            command.append("-DCMAKE_C_COMPILER_LAUNCHER=ccache")
        if not self._run(command):
            raise SystemExit(f"cmake failed; see {self.log}")
        self._read_commands()

    def make(self, targets):
        """Whether the targets could be built."""
        return self._run(["cmake", "--build", self.build, "--target"] + targets)

    def _read_commands(self):
        """How each source is compiled."""
        self.commands = {}
        with open(os.path.join(self.build, "compile_commands.json"), encoding="utf-8") as file:
            entries = json.load(file)
        for entry in entries:
            path = os.path.relpath(entry["file"], self.source)
            if path.startswith("src/"):
                self.commands.setdefault(path, entry["command"])

    # ---- comparing object code ----

    def _users(self, path):
        """The sources that a change of this file changes, the nearest first. Headers have
        different names, so their folders need not be known."""
        if path in self.commands:
            return [path]
        if not self.included:
            for name in glob.glob(os.path.join(self.source, "src", "**", "*.[ch]"), recursive=True):
                name = os.path.relpath(name, self.source)
                self.included[name] = {os.path.basename(header) for header in re.findall(
                    r'^#include "([^"]+)"', self.read(name), re.M)}
        found = {path}
        while True:
            names = {os.path.basename(name) for name in found}
            more = {name for name, headers in self.included.items() if headers & names} - found
            if not more:
                break
            found |= more
        return sorted((name for name in found if name in self.commands),
                      key=lambda name: (os.path.dirname(name) != os.path.dirname(path), name))

    def _object(self, path):
        """A digest of the object that a source compiles to without assertions, or None."""
        out = os.path.join(self.scratch, "compared.o")
        command = re.sub(r"(^\S*ccache )|( -o \S+)|( -g\S*)", " ", self.commands[path])
        command = re.sub(r"XV_DEBUG=\d", "XV_DEBUG=0", command)
        command += f" -O2 -o {out}"
        if not self._run(command, shell=True, cwd=self.build):
            return None
        with open(out, "rb") as file:
            return hashlib.sha256(file.read()).digest()

    def is_same(self, path, original, changed):
        """Whether a change of this file makes no difference to any object code. Leaves the
        original in place."""
        for user in self._users(path):
            self.write(path, original)
            if user not in self.originals:
                self.originals[user] = self._object(user)
            self.write(path, changed)
            if self._object(user) != self.originals[user]:
                break
        else:
            user = None
        self.write(path, original)
        return user is None

    # ---- tests ----

    def tests(self, pattern, leave_out):
        """The tests whose names match, as ctest has them."""
        shown = subprocess.run(["ctest", "--test-dir", self.build, "--show-only=json-v1"],
                               check=True, capture_output=True, text=True).stdout
        found = []
        for test in json.loads(shown)["tests"]:
            properties = {item["name"]: item["value"] for item in test["properties"]}
            if not re.search(pattern, test["name"]) or re.search(leave_out, test["name"]) or \
                    "slow" in properties.get("LABELS", ()) or "command" not in test:
                continue
            environment = dict(item.split("=", 1) for item in properties.get("ENVIRONMENT", ()))
            command = [word.replace(self.work, WORK) for word in test["command"]]
            found.append(Test(test["name"], command, environment,
                              self._targets(test["command"][0]), 0, 0))
        return found

    def command(self, test):
        """A test's command, which may have been found by another worker, in this tree."""
        return [word.replace(WORK, self.work) for word in test.command]

    def _targets(self, program):
        return [os.path.basename(program)] if program.startswith(self.build) else SCRIPT_TARGETS

    def targets(self, pattern, leave_out):
        """What tests of these names need. ctest does not show what is not built yet."""
        found = set()
        for path in glob.glob(os.path.join(self.build, "tests/**/CTestTestfile.cmake"),
                              recursive=True):
            with open(path, encoding="utf-8") as file:
                added = re.findall(r'^add_test\(\[?=*\[?([\w.-]+)\]?=*\]? "([^"]+)"', file.read(),
                                   re.M)
            for name, program in added:
                if re.search(pattern, name) and not re.search(leave_out, name):
                    found.update(self._targets(program))
        return sorted(found)

    def run(self, test, cpu_limit_s, wall_limit_s, idle_limit_s):
        """Run a test. Returns (exit code or "timeout" or "idle", CPU seconds, seconds)."""
        scratch = os.path.join(self.scratch, "tmp")
        shutil.rmtree(scratch, ignore_errors=True)
        os.makedirs(scratch)
        environment = dict(os.environ, TMPDIR=scratch, **test.environment)
        limit = int(cpu_limit_s) + 1

        def limits():
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        start = time.monotonic()
        with open(os.path.join(self.scratch, "output"), "wb") as output:
            process = subprocess.Popen(self.command(test), stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=output, env=environment, cwd=scratch,
                                       start_new_session=True, preexec_fn=limits)
            code, usage = self._wait(process, start + wall_limit_s, idle_limit_s)
        return code, usage.ru_utime + usage.ru_stime, time.monotonic() - start

    def output(self):
        """The end of what the last test wrote."""
        with open(os.path.join(self.scratch, "output"), "rb") as file:
            return file.read()[-1000:].decode(errors="replace")

    def times(self):
        """What the tests took when they were first run here without a change."""
        try:
            with open(os.path.join(self.scratch, "times.json"), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def keep_times(self, times):
        with open(os.path.join(self.scratch, "times.json"), "w", encoding="utf-8") as file:
            json.dump(times, file)

    @staticmethod
    def _wait(process, deadline, idle_limit_s):
        """Wait for a test until the deadline, or until it was idle for so long, as in a deadlock.
        Then end it and its children."""
        code = None
        used = 0
        busy_at = looked_at = time.monotonic()
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid != 0:
                break
            now = time.monotonic()
            if now - looked_at > 1:
                looked_at = now
                before, used = used, ticks(process.pid)
                if used != before:
                    busy_at = now
            if code is None and (now > deadline or now - busy_at > idle_limit_s):
                code = "timeout" if now > deadline else "idle"
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.01)
        process.returncode = os.waitstatus_to_exitcode(status)
        if code is None:
            code = process.returncode
        try:
            os.killpg(process.pid, signal.SIGKILL)  # what it left running
        except ProcessLookupError:
            pass
        return code, usage


def ticks(session):
    """The CPU time of the processes of a session so far, in the kernel's ticks."""
    total = 0
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                words = file.read().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(words[3]) == session:
            total += int(words[11]) + int(words[12])
    return total
