/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_sqlite_torture.c: random transactions whose store refuses calls at random moments, also
 * while they are rolled back. What SQLite said was done must be there, and nothing else: a database
 * in SQLite's own memory goes beside. (Not with a journal in SQLite's memory: SQLite drops it when
 * a rollback fails.)
 *
 * The linker puts the functions here between the adapter and ramz. XV_TEST_SEED repeats a run.
 */
#include <stdatomic.h>
#include <unistd.h>

#include <ramz/ramz.h>

#include "test_sqlite_support.h"

enum { ROUNDS = 400, ROWS = 300 };

/* ---- faults ---- */

static atomic_int fault_after; /* calls that succeed before */
static atomic_int fault_calls; /* that then fail; 0 = none do */
static atomic_int fault_error;
static atomic_int faults;

static int fault(void)
{
	if (fault_calls == 0 || fault_after-- > 0)
		return 0;
	fault_calls--;
	faults++;
	return fault_error;
}

static void fault_plan(uint64_t *random)
{
	fault_error = random_below(random, 2) == 0 ? -XV_ENOMEM : -XV_ENOSPC;
	fault_after = (int)random_below(random, 1 << random_below(random, 12));
	fault_calls = 1 + (int)random_below(random, 4);
}

static void fault_end(void)
{
	fault_calls = 0;
}

#define FAULTY(name, parameters, arguments)                                                        \
	int __real_##name parameters;                                                              \
	int __wrap_##name parameters;                                                              \
	int __wrap_##name parameters                                                               \
	{                                                                                          \
		int err = fault();                                                                 \
		return err != 0 ? err : __real_##name arguments;                                   \
	}

FAULTY(ramz_write, (struct ramz * s, uint64_t at, const void *src, size_t bytes, size_t *done),
       (s, at, src, bytes, done))
FAULTY(ramz_write_page, (struct ramz * s, uint64_t page, const void *src), (s, page, src))
FAULTY(ramz_read, (struct ramz * s, uint64_t at, void *dst, size_t bytes), (s, at, dst, bytes))
FAULTY(ramz_read_page, (struct ramz * s, uint64_t page, void *dst), (s, page, dst))

/* ---- transactions ---- */

static void change(uint64_t *random, char sql[256])
{
	unsigned row = (unsigned)random_below(random, ROWS);
	unsigned char letter = (unsigned char)('a' + random_below(random, 26));
	unsigned long noise = (unsigned long)random_next(random);

	switch (random_below(random, 5)) {
	case 0:
		(void)snprintf(sql, 256, "DELETE FROM t WHERE a BETWEEN %u AND %u", row, row + 20);
		break;
	case 1:
		(void)snprintf(sql, 256, "UPDATE t SET b = b || '%c' WHERE a %% 7 = %u", letter,
			       row % 7);
		break;
	case 2:
		(void)snprintf(sql, 256, "UPDATE t SET b = substr(b, 1, 100) || '%lx' WHERE a > %u",
			       noise, row);
		break;
	default:
		(void)snprintf(sql, 256, "REPLACE INTO t VALUES(%u, printf('%%.*c%lx', %u, '%c'))",
			       row, noise, row * 20, letter);
	}
}

static int apply(sqlite3 *db, char changes[][256], size_t count)
{
	int code = try_sql(db, "BEGIN");

	for (size_t i = 0; code == SQLITE_OK && i < count; i++)
		code = try_sql(db, changes[i]);
	if (code == SQLITE_OK)
		code = try_sql(db, "COMMIT");
	return code;
}

static void assert_same(sqlite3 *db, sqlite3 *model)
{
	static const char all[] = "SELECT count(*) || '/' || total(length(b)) || '/' || "
				  "total(a * length(b) + unicode(substr(b, -1))) FROM t";
	char expected[256];

	(void)snprintf(expected, sizeof(expected), "%s", text_of(model, all));
	assert_string_equal(text_of(db, all), expected);
}

/* A rollback that fails is made up for by the next one who reads. */
static void give_up(sqlite3 *db, int code)
{
	if (code != SQLITE_FULL && code != SQLITE_NOMEM && code != SQLITE_IOERR)
		fail_msg("%s", sqlite3_errmsg(db));
	if (!sqlite3_get_autocommit(db))
		(void)try_sql(db, "ROLLBACK");
	fault_end();
	if (!sqlite3_get_autocommit(db))
		run_sql(db, "ROLLBACK");
}

static void torture(const char *mode, uint64_t *random)
{
	sqlite3 *db = open_db("file:/torture?vfs=ramz"), *model = open_db(":memory:");
	static const char table[] =
		"CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE INDEX i ON t(b)";
	uint64_t rounds = test_repeats("XV_TEST_ROUNDS", ROUNDS);
	int failed = 0;
	char sql[64];

	(void)snprintf(sql, sizeof(sql), "PRAGMA journal_mode=%s", mode);
	run_sql(db, sql);
	run_sql(db, "PRAGMA cache_size=10; PRAGMA wal_autocheckpoint=50");
	run_sql(db, table);
	run_sql(model, table);
	for (uint64_t round = 0; round < rounds; round++) {
		char changes[8][256];
		size_t count = 1 + random_below(random, 8);
		int code;

		for (size_t i = 0; i < count; i++)
			change(random, changes[i]);
		fault_plan(random);
		code = apply(db, changes, count);
		if (code == SQLITE_OK)
			assert_int_equal(apply(model, changes, count), SQLITE_OK);
		else
			give_up(db, code);
		fault_end();
		failed += code != SQLITE_OK;
		assert_same(db, model);
		if (round % 16 == 0)
			check_integrity(db);
	}
	check_integrity(db);
	print_message("%s: %d of %u transactions failed, %d faults\n", mode, failed,
		      (unsigned)rounds, (int)faults);
	assert_true(failed > (int)rounds / 20);
	sqlite3_close(db);
	sqlite3_close(model);
}

static void rollbacks_bring_back_what_was(void **state)
{
	static const char *const modes[] = {"delete", "truncate", "persist", "wal"};
	uint64_t seed = environment_number("XV_TEST_SEED", 20);

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	for (size_t mode = 0; mode < sizeof(modes) / sizeof(*modes); mode++)
		torture(modes[mode], &seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rollbacks_bring_back_what_was)};

	return cmocka_run_group_tests(tests, vfs_setup, NULL);
}
