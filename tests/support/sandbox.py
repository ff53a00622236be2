#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
"""sandbox.py UNIT DIR [OPTION...]: run the service ramz@NAME.service without systemd.

UNIT is its file, whose ExecStart= is run, with the options in place of its own RAMZ_OPTIONS. Of it
these are applied, by the system's own means:

    ProtectSystem=strict, InaccessiblePaths=     a mount namespace, in which all is read-only;
                                                 DIR/run and DIR/lib are /run and /var/lib
    RuntimeDirectory=, StateDirectory=           made in those; they alone can be written
    DynamicUser=                                 user and group 65534, no capability
    UMask=, LimitMEMLOCK=, NoNewPrivileges=
    PrivateNetwork=                              a network namespace
    SystemCallFilter=, SystemCallErrorNumber=,   a seccomp filter, with the sets that
    RestrictAddressFamilies=,                    systemd-analyze lists
    MemoryDenyWriteExecute=

sandbox.py --calls UNIT: print the names of the system calls that the unit allows.

Needs root, libseccomp and systemd-analyze. Exit status of a failure here: 125.
"""
import ctypes
import ctypes.util
import errno
import os
import resource
import socket
import subprocess
import sys

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY, SYS_mount_setattr = -100, 0x8000, 1, 442
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
NOBODY = 65534

libc = ctypes.CDLL(None, use_errno=True)
libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong,
                       ctypes.c_void_p)
libc.prctl.argtypes = (ctypes.c_int,) + (ctypes.c_ulong,) * 4


def checked(what, result):
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


# ---- the unit ----


def read_unit(path):
    """Values by key, of [Service] alone; an empty value takes those before it back."""
    values, section = {}, ""
    with open(path, encoding="utf-8") as unit:
        for line in unit:
            line = line.strip()
            if line.startswith("["):
                section = line
            elif section == "[Service]" and "=" in line and line[0] not in "#;":
                key, _, value = line.partition("=")
                values.setdefault(key, []).append(value)
                if not value:
                    values[key] = []
    return values


def call_sets():
    """Names by set, as systemd has them; a set's may be sets."""
    listed = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True,
                            check=True, env=dict(os.environ, SYSTEMD_PAGER=""))
    sets, names = {}, []
    for line in listed.stdout.splitlines():
        if line.startswith("@"):
            names = sets.setdefault(line.strip(), [])
        elif line.startswith("    ") and line.strip()[0] != "#":
            names.append(line.strip())
    return sets


def allowed_calls(unit):
    sets = call_sets()

    def members(name):
        return set().union(*map(members, sets[name])) if name[0] == "@" else {name}

    calls = members("@default") | {"execve", "exit", "exit_group"}
    for value in unit["SystemCallFilter"]:
        for name in value.lstrip("~").split():
            calls = calls - members(name) if value.startswith("~") else calls | members(name)
    return calls


def command_of(unit, instance, options):
    environment = dict(value.strip('"').split("=", 1) for value in unit["Environment"])
    words = []
    for word in unit["ExecStart"][-1].split():
        words += ((options or environment["RAMZ_OPTIONS"].split())
                  if word == "$RAMZ_OPTIONS" else [word])
    return [word.replace("%t", "/run").replace("%S", "/var/lib").replace("%i", instance)
            for word in words]


# ---- what it asks for ----


class MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


def mount_attributes(path, flags, **attributes):
    value = MountAttributes(**attributes)
    checked(path, libc.syscall(SYS_mount_setattr, AT_FDCWD, path.encode(), flags,
                               ctypes.byref(value), ctypes.c_size_t(ctypes.sizeof(value))))


def bind(source, target):
    checked(target, libc.mount(source.encode(), target.encode(), None, MS_BIND, None))


def own_directories(unit, directory, instance):
    """Made, and given to the user; by their paths in the sandbox."""
    paths = []
    for key, above, inside in (("RuntimeDirectory", "run", "/run"), ("StateDirectory", "lib", "/var/lib")):
        for name in unit.get(key, []):
            name = name.replace("%i", instance)
            path = os.path.join(directory, above, name)
            os.makedirs(path, exist_ok=True)
            for at in (os.path.join(directory, above), os.path.dirname(path)):
                os.chmod(at, 0o755)
            os.chmod(path, int(unit[key + "Mode"][-1], 8))
            for below in [path] + [os.path.join(path, file) for file in os.listdir(path)]:
                os.chown(below, NOBODY, NOBODY)
            paths.append(os.path.join(inside, name))
    return paths


def change_mounts(unit, directory, writable, program):
    checked("unshare", libc.unshare(CLONE_NEWNS | (CLONE_NEWNET if unit.get("PrivateNetwork") == ["yes"] else 0)))
    checked("/", libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    bind(os.path.join(directory, "run"), "/run")
    bind(os.path.join(directory, "lib"), "/var/lib")
    for path in writable:
        bind(path, path)
    for path in " ".join(unit.get("InaccessiblePaths", [])).split():
        # The tree that is tested may lie in one.
        if os.path.isdir(path) and not program.startswith(path + "/"):
            checked(path, libc.mount(b"none", path.encode(), b"tmpfs", 0, b"mode=000"))
    if unit.get("ProtectSystem") == ["strict"]:
        mount_attributes("/", AT_RECURSIVE, set=MOUNT_ATTR_RDONLY)
        for path in writable + ["/dev", "/proc", "/sys"]:
            mount_attributes(path, 0, clear=MOUNT_ATTR_RDONLY)


def become_nobody(unit):
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    most = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]  # more may not be ours to give
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (most, most) if "LimitMEMLOCK" in unit else (0, most))
    os.umask(int(unit.get("UMask", ["0022"])[-1], 8))
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    checked("no_new_privs", libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


class Compare(ctypes.Structure):
    """struct scmp_arg_cmp"""
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64),
                ("b", ctypes.c_uint64)]


def load_filter(unit, calls):
    equal, masked = 4, 7
    allow, refuse = 0x7FFF0000, 0x00050000
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    seccomp.seccomp_rule_add_array.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int,
                                               ctypes.c_uint, ctypes.c_void_p)
    error = getattr(errno, unit["SystemCallErrorNumber"][-1])
    rules = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(refuse | error)))

    def add(name, *comparisons):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        array = (Compare * len(comparisons))(*comparisons)
        # Names of other machines have no number.
        if number >= 0 and seccomp.seccomp_rule_add_array(rules, allow, number, len(comparisons),
                                                          array) != 0:
            raise OSError(f"no rule for {name}")

    write_exec = ([("mmap", 2, 6), ("mprotect", 2, 4), ("pkey_mprotect", 2, 4)]
                  if unit.get("MemoryDenyWriteExecute") == ["yes"] else [])
    special = {name for name, _, _ in write_exec} | {"socket"}
    for name in calls - special:
        add(name)
    # What is allowed is said value by value, since a filter has no order.
    for name, argument, bits in write_exec:
        for value in range(bits + 1):
            if value & bits == value != bits:
                add(name, Compare(argument, masked, bits, value))
    for family in unit["RestrictAddressFamilies"][-1].split():
        add("socket", Compare(0, equal, int(getattr(socket, family)), 0))
    if seccomp.seccomp_load(rules) != 0:
        raise OSError("the kernel takes no seccomp filter")


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--calls":
        print("\n".join(sorted(allowed_calls(read_unit(sys.argv[2])))))
        return
    unit, directory = read_unit(sys.argv[1]), sys.argv[2]
    instance = os.path.basename(sys.argv[1]).partition("@")[2].removesuffix(".service")
    command = command_of(unit, instance, sys.argv[3:])
    calls = allowed_calls(unit)  # while systemd-analyze can still be run
    writable = own_directories(unit, directory, instance)
    change_mounts(unit, directory, writable, command[0])
    become_nobody(unit)
    load_filter(unit, calls)
    os.execv(command[0], command)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        sys.exit(125)
