#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
"""How many small faults the tests find.

Makes one small change to a source of a layer (see changes.py), builds the tests of that layer in
a copy of the tree, and runs them until one fails: 30 s of CPU time at most. Tests that found much
for their time come first. What no test finds survives, and is listed.

A change that does not compile is not counted, nor is one that compiles with -O2 and without
assertions to the same object code: another one is drawn. The sample depends on the seed and the
sources alone. Each kind of change has the same share of it, as long as there are enough of a kind.
"""

import argparse
import difflib
import glob
import hashlib
import json
import os
import resource
import sys
import threading
from collections import Counter

import changes
from build import SKIPPED, Tree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# name: folder, its tests, tests left out, least percentage that must be caught
LAYERS = {
    "heap": ("src/core/heap", r"^test_heap", r"^$", 90),
    "object": ("src/core/object", r"^test_object", r"^$", 90),
    "pool": ("src/core/pool", r"^test_(pool_|compact|owner|pieces|large|split|high_pages|"
                              r"model$|model_density|fault$|fault_compact)", r"^$", 80),
    "ramz": ("src/ramz", r"^test_(ramz_|codec|model_ramz|fault_ramz)", r"zram|cli", 90),
    "nbdkit": ("src/nbdkit", r"^test_nbdkit_|^nbd_(file|control)$", r"^$", 80),
}
# Tests of these names come first for a change of a file, beside those that are named like it.
NEAR = {"age": "tiers", "recompress": "tiers", "train": "tiers", "dictionary": "tiers",
        "writeback": "backing", "open": "checkpoint", "save": "file", "load": "file",
        "least": "room", "slot": "store", "object": "store", "page_io": "store",
        "range": "store", "budget": "limits", "source": "limits", "objects": "alloc",
        "access": "copies", "whole": "walk", "saver": "file", "rescue": "file"}
SLOWER = 4  # times that a test may take with a change
MAKE_S = 0.2  # about what it takes to link a test

DOES_NOT_COMPILE = "do not compile"
NO_EFFECT = "without effect"


def say(*words, **options):
    print(*words, flush=True, **options)


# ---- drawing ----


def candidates(tree, folder):
    found = []
    for path in sorted(glob.glob(os.path.join(tree.source, folder, "*.[ch]"))):
        name = os.path.relpath(path, tree.source)
        if name in tree.commands or name.endswith(".h"):
            found += changes.changes(name, tree.read(name))
    return found


def order(found, seed):
    """All changes in the order in which they are drawn: the kinds in turn. It is hardly another
    one when a few lines of the sources are."""
    def lot(change):
        return hashlib.sha256(repr((seed, changes.name_of(change))).encode()).digest()

    kinds = [sorted((change for change in found if change.kind == kind), key=lot, reverse=True)
             for kind in changes.KINDS]
    while any(kinds):
        for group in kinds:
            if group:
                yield group.pop()


# ---- one layer ----


class Layer:
    """Draws changes for several workers, and collects what became of them."""

    def __init__(self, name, arguments):
        self.name = name
        self.folder, self.pattern, self.leave_out, self.least = LAYERS[name]
        self.seed = f"{arguments.seed} {name}"
        self.count = arguments.count
        self.again = arguments.again
        self.seconds = arguments.seconds
        self.save = os.path.join(arguments.work, f"{name}.json")
        self.saved = self.read_saved() if arguments.resume or arguments.again else {}
        self.known = {name: result for name, result in self.saved.items()
                      if result["caught_by"] or not arguments.again}
        self.lock = threading.Lock()
        self.queue = None
        self.results = []
        self.left_out = Counter()
        self.blamed = None
        self.caught = Counter()  # by test and file, and by test and None
        for result in self.known.values():
            self.count_catch(result)

    def read_saved(self):
        """The results of an earlier run, by the names of their changes."""
        if not os.path.exists(self.save):
            return {}
        with open(self.save, encoding="utf-8") as file:
            return {changes.name_of(changes.Change(*result["change"])): result
                    for result in json.load(file)}

    def draw(self, tree):
        """The next change, or None."""
        with self.lock:
            if self.queue is None:
                found = candidates(tree, self.folder)
                self.queue = self.earlier(found) if self.again else order(found, self.seed)
                self.drawn = 0
            if self.drawn >= self.count and not self.again:
                return None
            self.drawn += 1
            return next(self.queue, None)

    def earlier(self, found):
        """The changes of an earlier run, if they still can be made."""
        there = {changes.name_of(change): change for change in found}
        for name, result in list(self.saved.items()):
            if name in there:
                yield there[name]
            else:
                say(f"gone: {result['place']}")

    def discard(self, why):
        with self.lock:
            self.left_out[why] += 1
            self.drawn -= 1

    def record(self, tree, change, caught_by, how):
        """Of a test that failed, the end of what it wrote is kept."""
        text = tree.read(change.path)
        changed = changes.apply(text, change)
        place = f"{change.path}:{changes.line_of(text, change)}"
        diff = "".join(difflib.unified_diff(text.splitlines(True), changed.splitlines(True),
                                            change.path, change.path, n=1))
        self.add({"place": place, "change": change, "diff": diff, "caught_by": caught_by,
                  "how": how, "output": tree.output() if caught_by else ""})

    def count_catch(self, result):
        for path in (result["change"][0], None):
            self.caught[(result["caught_by"], path)] += 1

    def add(self, result):
        name = changes.name_of(changes.Change(*result["change"]))
        with self.lock:
            self.results.append(result)
            if name not in self.known:
                self.count_catch(result)
            result["first"] = self.saved.get(name, {"first": result["caught_by"]})["first"]
            fate = f"{result['caught_by']} {result['how']}" if result["caught_by"] else "SURVIVED"
            say(f"{self.name} {len(self.results):3} {result['place']}: {result['change'][1]}: "
                f"{fate}")
            self.saved[name] = result
            with open(self.save + ".new", "w", encoding="utf-8") as file:
                json.dump(list(self.saved.values()), file, indent=1)
            os.replace(self.save + ".new", self.save)


def measure(tree, layer):
    """The layer's tests with their times, the quickest first."""
    tests = []
    targets = tree.targets(layer.pattern, layer.leave_out)
    if not targets or not tree.make(targets):
        raise SystemExit(f"{layer.name}: its tests cannot be built; see {tree.log}")
    times = tree.times()
    for test in tree.tests(layer.pattern, layer.leave_out):
        if test.name not in times:
            times[test.name] = tree.run(test, 120, 300, 300)
            tree.keep_times(times)
        code, cpu_s, wall_s = times[test.name]
        if code == 0:
            tests.append(test._replace(cpu_s=cpu_s, wall_s=wall_s))
        elif code != SKIPPED:
            raise SystemExit(f"{layer.name}: {test.name} fails without a change ({code})")
    return sorted(tests, key=lambda test: test.cpu_s + test.wall_s)


def tests_for(path, tests, seconds, caught):
    """The tests for a change of this file: those near it and the quickest of the others, so many
    CPU seconds in all. What caught the most for its time comes first."""
    stem = os.path.splitext(os.path.basename(path))[0]
    words = [stem.split("_")[0], NEAR.get(stem, stem)]
    near = [test for test in tests if any(word in test.name for word in words)]
    chosen = []
    total = 0
    for test in near + [test for test in tests if test not in near]:
        if total + test.cpu_s <= seconds:
            total += test.cpu_s
            chosen.append(test)

    def gain(test):
        chance = 0.1 + 0.1 * caught[(test.name, None)] + caught[(test.name, path)] + \
            (test in near)
        return chance / (MAKE_S + test.cpu_s + test.wall_s)

    return sorted(chosen, key=gain, reverse=True)


def run_test(tree, test):
    """Run a test with a change. Returns how it failed, or 0."""
    code, _, _ = tree.run(test, 2 + SLOWER * test.cpu_s, 60 + SLOWER * test.wall_s,
                          5 + test.wall_s)
    return 0 if code == SKIPPED else code


def try_tests(tree, tests):
    """Build and run the tests. Returns the one that failed or None, and how. A test may fail
    once because the machine has much else to do."""
    for test in tests:
        if not tree.make(test.targets):
            return None, DOES_NOT_COMPILE
        how = run_test(tree, test)
        if how == 1:
            how = run_test(tree, test)
        if how != 0:
            return test.name, how
    return None, None


def work(tree, layer, tests):
    while (change := layer.draw(tree)) is not None:
        if changes.name_of(change) in layer.known:
            layer.add(layer.known[changes.name_of(change)])
            continue
        text = tree.read(change.path)
        changed = changes.apply(text, change)
        if tree.is_same(change.path, text, changed):
            layer.discard(NO_EFFECT)
            continue
        try:
            tree.write(change.path, changed)
            caught_by, how = try_tests(
                tree, tests_for(change.path, tests, layer.seconds, layer.caught))
        finally:
            tree.write(change.path, text)
        if how == DOES_NOT_COMPILE:
            layer.discard(how)
        else:
            layer.record(tree, change, caught_by, how)


def children_s():
    """The CPU time of all builds and tests so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_layer(name, arguments, trees):
    layer = Layer(name, arguments)
    tests = measure(trees[0], layer)
    for tree in trees[1:]:
        tree.make(tree.targets(layer.pattern, layer.leave_out))
    say(f"{name}: {len(tests)} tests of {sum(test.cpu_s for test in tests):.1f} s")
    before_s = children_s()
    threads = [threading.Thread(target=work, args=(tree, layer, tests)) for tree in trees]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    layer.cpu_s = children_s() - before_s
    # What such a test caught proves nothing.
    layer.blamed, _ = try_tests(trees[0], tests)
    return layer


# ---- the report ----


def percentage(results):
    return 100 * sum(bool(result["caught_by"]) for result in results) / max(len(results), 1)


def report(layers):
    """Print the survivors and a table. Returns whether each layer reached its percentage."""
    good = True
    for layer in layers:
        for result in layer.results:
            if not result["caught_by"]:
                say(f"\n{result['place']}: {result['change'][1]} survived\n{result['diff']}",
                    end="")
    for layer in layers:
        caught = Counter(result["caught_by"] for result in layer.results if result["caught_by"])
        reached = percentage(layer.results)
        good = good and reached >= layer.least and not layer.blamed
        say(f"\n{layer.name}: {len(layer.results)} mutants, {sum(caught.values())} caught, "
            f"{reached:.1f}% (wanted: {layer.least}%); left out: " +
            ", ".join(f"{n} {why}" for why, n in layer.left_out.items()) +
            f"; {layer.cpu_s:.0f} s of CPU time")
        for kind in changes.KINDS:
            of_kind = [result for result in layer.results if result["change"][1] == kind]
            if of_kind:
                say(f"  {kind:20} {len(of_kind):4} {percentage(of_kind):5.1f}%")
        if layer.blamed:
            say(f"  {layer.blamed} fails without a change too")
        say("  caught by " + ", ".join(f"{name} {n}" for name, n in caught.most_common()))
    return good


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layers", nargs="*", metavar="LAYER", default=list(LAYERS),
                        help=f"{', '.join(LAYERS)}; all of them unless told otherwise")
    parser.add_argument("--count", type=int, default=200, help="mutants for a layer (%(default)s)")
    parser.add_argument("--seed", default="1", help="which mutants are drawn (%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="trees at once (%(default)s)")
    parser.add_argument("--work", default=os.path.join(ROOT, "build", "mutants"),
                        help="folder of the copies and results (%(default)s)")
    parser.add_argument("--seconds", type=int, default=30,
                        help="CPU seconds of tests for a mutant (%(default)s)")
    parser.add_argument("--resume", action="store_true",
                        help="keep what earlier runs found of the same mutants")
    parser.add_argument("--again", action="store_true",
                        help="the last run's sample; try what survived it")
    arguments = parser.parse_args()
    for name in arguments.layers:
        if name not in LAYERS:
            parser.error(f"no layer {name}; there are {', '.join(LAYERS)}")
    return arguments


def main():
    arguments = parse()
    os.makedirs(arguments.work, exist_ok=True)
    trees = []
    for i in range(arguments.workers):
        work_dir = os.path.join(arguments.work, str(i))
        os.makedirs(work_dir, exist_ok=True)
        trees.append(Tree(ROOT, work_dir, os.path.join(work_dir, "log")))
        trees[-1].configure()
    return 0 if report([run_layer(name, arguments, trees) for name in arguments.layers]) else 1


if __name__ == "__main__":
    sys.exit(main())
