#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
"""Tests of mutants.py: each kind of change on a sample, and what is left alone."""

import sys

sys.dont_write_bytecode = True

import signal
import tempfile
import unittest
from collections import Counter
from itertools import islice

import build
import changes
import mutants

SAMPLE = r"""
/* if (a < b) in a comment */
#define LIMIT (1 << 2)
static_assert(LIMIT == 4, "a < b");
enum { MOST_PAGES = 8 };
static const int table[] = {1, 2, 3};

static int grow(struct pool *pool, uint32_t pages)
{
	int err = take(pool, 3);

	XVI_ASSERT(pages <= MOST_PAGES);
	if (pages > pool->most)
		return -1;
	pool->pages += pages;
	pool->steps++;
	*pool->place = "a == b";
	tell(pool,
	     pages);
	pthread_mutex_lock(&pool->lock);
	pool->at = atomic_load(&pool->next);
	(void)pthread_mutex_unlock(&pool->lock);
	for (uint32_t i = 0; i < pages; i++)
		(void)touch(pool, i);
	return err == 0x10;
}
"""


def made(kind):
    """(the first changed line, what it became) of all changes of a kind."""
    before = SAMPLE.split("\n")
    found = []
    for change in changes.changes("sample.c", SAMPLE):
        if change.kind == kind:
            after = changes.apply(SAMPLE, change).split("\n")
            lines = [(a.strip(), b.strip()) for a, b in zip(before, after) if a != b]
            assert len(before) == len(after)  # no line has moved
            found.append(lines[0])
    return found


class Changes(unittest.TestCase):
    def test_comparisons_get_their_neighbour(self):
        self.assertEqual(made("comparison"), [
            ("if (pages > pool->most)", "if (pages >= pool->most)"),
            ("for (uint32_t i = 0; i < pages; i++)", "for (uint32_t i = 0; i <= pages; i++)"),
            ("return err == 0x10;", "return err != 0x10;"),
        ])

    def test_numbers_and_bounds_go_up_and_down_by_one(self):
        found = made("off by one")
        self.assertIn(("int err = take(pool, 3);", "int err = take(pool, 4);"), found)
        self.assertIn(("int err = take(pool, 3);", "int err = take(pool, 2);"), found)
        self.assertIn(("return -1;", "return -0;"), found)
        self.assertIn(("if (pages > pool->most)", "if (pages > (pool->most - 1))"), found)
        self.assertIn(("for (uint32_t i = 0; i < pages; i++)",
                       "for (uint32_t i = 1; i < pages; i++)"), found)
        self.assertIn(("return err == 0x10;", "return err == 0xf;"), found)

    def test_updates_and_calls_without_result_go(self):
        self.assertEqual(made("dropped update"), [
            ("pool->pages += pages;", ";"),
            ("pool->steps++;", ";"),
            ('*pool->place = "a == b";', ";"),
            ("tell(pool,", ";"),
            ("pool->at = atomic_load(&pool->next);", ";"),
            ("(void)touch(pool, i);", ";"),
        ])

    def test_checks_are_forced_to_either_side(self):
        self.assertEqual(made("dropped check"), [
            ("if (pages > pool->most)", "if ((pages > pool->most) && 0)"),
            ("if (pages > pool->most)", "if ((pages > pool->most) || 1)"),
        ])

    def test_neighbouring_arguments_are_swapped(self):
        self.assertEqual(made("swapped arguments"), [
            ("int err = take(pool, 3);", "int err = take(3, pool);"),
            ("tell(pool,", "tell(pages,"),
            ("(void)touch(pool, i);", "(void)touch(i, pool);"),
        ])

    def test_locks_go_alone_and_in_pairs_and_atomics_get_weaker(self):
        self.assertEqual(made("removed lock"), [
            ("pthread_mutex_lock(&pool->lock);", ";"),
            ("(void)pthread_mutex_unlock(&pool->lock);", ";"),
            ("pthread_mutex_lock(&pool->lock);", ";"),
            ("pool->at = atomic_load(&pool->next);",
             "pool->at = atomic_load_explicit(&pool->next, memory_order_relaxed);"),
        ])

    def test_comments_declarations_assertions_and_strings_stay(self):
        body = SAMPLE.index("int err")
        assertion = SAMPLE.index("XVI_ASSERT")
        string = SAMPLE.index('"a == b"')
        for change in changes.changes("sample.c", SAMPLE):
            self.assertGreaterEqual(change.start, body)
            self.assertFalse(assertion <= change.start < SAMPLE.index("\n", assertion))
            self.assertFalse(string <= change.start < string + 8)


class Order(unittest.TestCase):
    def setUp(self):
        self.found = changes.changes("sample.c", SAMPLE)

    def test_a_seed_repeats_its_sample(self):
        self.assertEqual(list(mutants.order(self.found, "1 a")),
                         list(mutants.order(self.found, "1 a")))
        self.assertNotEqual(list(mutants.order(self.found, "1 a")),
                            list(mutants.order(self.found, "2 a")))

    def test_the_kinds_take_turns_and_nothing_is_lost(self):
        kinds = [change.kind for change in islice(mutants.order(self.found, "1"), 6)]
        self.assertEqual(kinds, list(changes.KINDS))
        self.assertEqual(sorted(mutants.order(self.found, "1")), sorted(self.found))

    def test_lines_that_come_or_go_leave_the_others_in_their_order(self):
        longer = SAMPLE.replace("\tint err", "\tstart(pool);\n\tint err")
        added = [change for change in changes.changes("sample.c", longer)
                 if "start" not in change.place]
        self.assertEqual(*[[changes.name_of(change) for change in mutants.order(found, "1")]
                           for found in (self.found, added)])

    def test_changes_of_equal_lines_have_different_names(self):
        twice = changes.changes("sample.c", SAMPLE.replace("\tpool->steps++;",
                                                           "\tpool->steps++;\n" * 2))
        self.assertEqual(len(twice), len({changes.name_of(change) for change in twice}))


class Workers(unittest.TestCase):
    def test_each_runs_the_programs_of_its_own_tree(self):
        trees = []
        for work in ("/w/0", "/w/1"):
            trees.append(build.Tree.__new__(build.Tree))
            trees[-1].work = work
        test = build.Test("test_a", [build.WORK + "/build/test_a"], {}, ["test_a"], 0, 0)
        self.assertEqual(trees[0].command(test), ["/w/0/build/test_a"])
        self.assertEqual(trees[1].command(test), ["/w/1/build/test_a"])


class Runs(unittest.TestCase):
    def run_command(self, *command):
        with tempfile.TemporaryDirectory() as scratch:
            tree = build.Tree.__new__(build.Tree)
            tree.work = tree.scratch = scratch
            return tree.run(build.Test("test_a", command, {}, [], 0, 0), 1, 60, 3)[0]

    def test_what_waits_for_ever_is_ended_early(self):
        self.assertEqual(self.run_command("sleep", "50"), "idle")

    def test_what_runs_for_ever_is_not_idle(self):
        said = self.run_command("sh", "-c", "while :; do :; done")
        self.assertIn(said, (-signal.SIGXCPU, "timeout"))  # which, is the machine's load

    def test_what_ends_tells_its_code(self):
        self.assertEqual(self.run_command("sh", "-c", "exit 7"), 7)


class Choice(unittest.TestCase):
    tests = [build.Test(name, [], {}, [], cpu_s, cpu_s) for name, cpu_s in
             (("test_quick", 0.1), ("test_page", 2), ("test_other", 3), ("test_long", 20))]

    def names(self, caught, seconds=30):
        return [test.name for test in
                mutants.tests_for("src/a/page.c", self.tests, seconds, Counter(caught))]

    def test_near_and_quick_ones_come_first(self):
        self.assertEqual(self.names({}), ["test_page", "test_quick", "test_other", "test_long"])

    def test_what_caught_much_comes_before(self):
        self.assertEqual(self.names({("test_other", "src/a/page.c"): 3})[0], "test_other")

    def test_what_takes_too_long_is_left_out(self):
        self.assertEqual(self.names({}, 5.2), ["test_page", "test_quick", "test_other"])
        self.assertEqual(self.names({}, 3), ["test_page", "test_quick"])


if __name__ == "__main__":
    unittest.main()
