#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# promises.py [--table | --update] [TREE]: what each sentence of a public header and man page
# promises, and which test would fail if that were broken. README.md here says how a list is kept.
#
# Without an option: a line of counts for each document; status 1 and a line for each fault if a
# sentence is not in its list, a list has what is in no document, a test is not there, or more
# promises than a list states have no test. --table also prints each promise with its tests.
# --update writes the lists anew: known sentences keep what is said of them, new ones get "?".
import hashlib
import pathlib
import re
import sys

sys.dont_write_bytecode = True
import sentences

QUOTE = 72  # characters of a sentence in a list


def documents(tree):
    yield from sorted(tree.glob("include/*/*.h"))
    yield from sorted(tree.glob("include/*/*.hpp"))
    yield from sorted(tree.glob("src/**/*.1"))


def list_of(tree, document):
    name = document.name.replace(".", "_")
    if document.suffix in (".h", ".hpp"):
        name = f"{document.parent.name}_{name}"
    return tree / "tests" / "promises" / f"{name}.list"


def sentences_of(document):
    """{key: (about, sentence)} in the order of the document."""
    find = sentences.of_header if document.suffix in (".h", ".hpp") else sentences.of_man_page
    found = {}
    for about, sentence in find(document.read_text(encoding="utf-8")):
        key = hashlib.sha256(f"{about}\n{sentence}".encode()).hexdigest()[:8]
        found[key] = (about, sentence)
    return found


def quote(sentence):
    return sentence if len(sentence) <= QUOTE else sentence[: QUOTE - 3].rstrip() + "..."


# ---- lists ----

ENTRY = re.compile(r"^([0-9a-f]{8}) (.*) => (.*)$")


def read_list(path):
    """({key: what is said}, promises that may be without a test, faults)."""
    said, allowed, faults = {}, 0, []
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    for number, line in enumerate(lines, 1):
        entry = ENTRY.match(line)
        limit = re.match(r"^without a test: ([0-9]+)$", line)
        if entry and entry.group(1) in said:
            faults.append(f"{path.name}:{number}: {entry.group(1)} is there twice")
        elif entry:
            said[entry.group(1)] = entry.group(3).strip()
        elif limit:
            allowed = int(limit.group(1))
        elif line.strip() and not re.match(r"[#\[]", line):
            faults.append(f"{path.name}:{number}: not an entry: {line}")
    return said, allowed, faults


def write_list(path, document, found, said, allowed):
    lines = [f"# What {document} promises. README.md here says how to keep this list.",
             f"without a test: {allowed}"]
    section = None
    for key, (about, sentence) in found.items():
        if about != section:
            lines += ["", f"[{about}]"]
            section = about
        lines.append(f"{key} {quote(sentence)} => {said.get(key, '?')}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


# ---- tests ----

class Tests:
    """The names of tests, as the sources have them: functions that a C program runs, and the
    titles of a script's parts ("# ---- title ----")."""

    def __init__(self, tree):
        self.files = {}
        for path in tree.glob("tests/**/*"):
            if path.suffix in (".c", ".cc", ".sh"):
                self.files[path.stem] = path
        self.names = {}

    def of_program(self, program):
        if program not in self.names:
            text = self.files[program].read_text(encoding="utf-8")
            if self.files[program].suffix == ".sh":
                # A script in one part is one test, "all".
                names = set(re.findall(r"^# ---- (.*?) -+$", text, flags=re.M)) or {"all"}
            else:
                names = set(re.findall(r"(?:\w*test\w*|[A-Z][A-Z_]*)\(\s*(\w+)", text))
                names &= set(re.findall(r"^(?:static )?void (\w+)\(", text, flags=re.M))
            self.names[program] = names
        return self.names[program]

    def fault(self, name):
        """What is wrong with the name of a test, or None."""
        program, colon, test = name.partition(": ")
        if not colon or program not in self.files:
            return f"no program of this name under tests/: {name}"
        if test not in self.of_program(program):
            return f"{self.files[program].name} has no such test: {test}"
        return None


# ---- the whole ----

class Count:
    def __init__(self):
        self.sentences = self.explain = self.tested = self.without = 0

    def add(self, other):
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def line(self, name):
        return (f"{name:42} {self.sentences:5} sentences, {self.tested + self.without:4} promise: "
                f"{self.tested:4} with tests, {self.without:3} without")


def check(document, tree, tests, table):
    found = sentences_of(document)
    path = list_of(tree, document)
    said, allowed, faults = read_list(path)
    name = document.relative_to(tree)
    count = Count()
    for key, (about, sentence) in found.items():
        entry = said.get(key, "?")
        count.sentences += 1
        if entry == "?":
            faults.append(f"{name}: [{about}] is new or has changed: \"{sentence}\"\n"
                          f"\tRun tests/promises/promises.py --update, and in "
                          f"{path.name}, at {key}, put the tests that fail when it is "
                          "broken (program: test), \"explains\" if it promises nothing, or \"none: "
                          "reason\".")
        elif entry == "explains":
            count.explain += 1
        elif re.match(r"none: \S", entry):
            count.without += 1
        else:
            count.tested += 1
            for test in entry.split("; "):
                fault = tests.fault(test)
                if fault:
                    faults.append(f"{path.name}: {key}: {fault}")
        if table and entry != "explains":
            print(f"{name} [{about}] {sentence}\n\t{entry}")
    faults += [f"{path.name}: {key}: {name} has no such sentence any more; "
               "--update drops it" for key in said if key not in found]
    if count.without > allowed:
        faults.append(f"{path.name}: {count.without} promises have no test, "
                      f"{allowed} may: write the test")
    return count, faults


def main(arguments):
    options = [a for a in arguments if a.startswith("--")]
    places = [a for a in arguments if not a.startswith("--")]
    if len(places) > 1 or any(o not in ("--table", "--update") for o in options):
        print("usage: promises.py [--table | --update] [TREE]", file=sys.stderr)
        return 2
    tree = pathlib.Path(places[0] if places else __file__ + "/../../..").resolve()
    tests, total, faults, lists = Tests(tree), Count(), [], set()
    for document in documents(tree):
        lists.add(list_of(tree, document))
        if "--update" in options:
            said, allowed, _ = read_list(list_of(tree, document))
            write_list(list_of(tree, document), document.relative_to(tree), sentences_of(document), said,
                       allowed)
            continue
        count, found = check(document, tree, tests, "--table" in options)
        print(count.line(str(document.relative_to(tree))))
        total.add(count)
        faults += found
    faults += [f"{path.name}: there is no such document"
               for path in sorted((tree / "tests" / "promises").glob("*.list")) if path not in lists]
    if "--update" not in options:
        print(total.line("all"))
    for fault in faults:
        print(f"FAILED: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
