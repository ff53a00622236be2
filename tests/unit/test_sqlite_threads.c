/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_sqlite_threads.c: connections in several threads on one database, while its pages are packed
 * and it is saved.
 */
#include <pthread.h>
#include <unistd.h>

#include "test_sqlite_support.h"

enum { THREADS = 4, ACCOUNTS = 2000, TRANSFERS = 150, WAIT_MS = 60000 };

static const char uri[] = "file:/threads?vfs=ramz";

static void *transfer(void *argument)
{
	uint64_t random = (uint64_t)(uintptr_t)argument,
		 count = test_repeats("XV_TEST_ROUNDS", TRANSFERS);
	sqlite3 *db = open_db(uri);
	char sql[256];

	sqlite3_busy_timeout(db, WAIT_MS);
	run_sql(db, "PRAGMA cache_size=10");
	for (uint64_t i = 0; i < count; i++) {
		(void)snprintf(
			sql, sizeof(sql),
			"BEGIN IMMEDIATE; UPDATE t SET b = b - %u WHERE a = %u; "
			"UPDATE t SET b = b + %u, c = hex(randomblob(100)) WHERE a = %u; COMMIT",
			(unsigned)i, (unsigned)random_below(&random, ACCOUNTS) + 1, (unsigned)i,
			(unsigned)random_below(&random, ACCOUNTS) + 1);
		run_sql(db, sql);
		if (i % 10 == 0)
			assert_int_equal(number_of(db, "SELECT sum(b) FROM t"), 0);
	}
	sqlite3_close(db);
	return NULL;
}

static void *pack_and_save(void *argument)
{
	sqlite3 *db = open_db(uri);
	char path[64], sql[128];

	sqlite3_busy_timeout(db, WAIT_MS);
	(void)snprintf(sql, sizeof(sql), "PRAGMA ramz_save='%s'", temporary_path(path, "threads"));
	for (int i = 0; i < 5; i++) {
		run_sql(db, "PRAGMA ramz_pack");
		run_sql(db, sql);
		(void)snprintf(argument, 128, "file:/threads%d?vfs=ramz&load=%s", i, path);
		sqlite3_close(db);
		db = open_db(argument);
		assert_int_equal(number_of(db, "SELECT sum(b) FROM t"), 0);
		check_integrity(db);
		sqlite3_close(db);
		db = open_db(uri);
	}
	sqlite3_close(db);
	remove(path);
	return NULL;
}

static void run_threads(const char *mode)
{
	sqlite3 *db = open_db(uri);
	pthread_t thread[THREADS], saver;
	char sql[64], text[128];

	(void)snprintf(sql, sizeof(sql), "PRAGMA journal_mode=%s", mode);
	run_sql(db, sql);
	run_sql(db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b, c); "
		    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2000) "
		    "INSERT INTO t SELECT i, 0, hex(randomblob(50)) FROM n");
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, transfer, (void *)(i + 1)), 0);
	assert_int_equal(pthread_create(&saver, NULL, pack_and_save, text), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	pthread_join(saver, NULL);
	assert_int_equal(number_of(db, "SELECT sum(b) FROM t"), 0);
	check_integrity(db);
	sqlite3_close(db);
}

static void transfers_keep_the_sum_with_a_journal(void **state)
{
	(void)state;
	run_threads("delete");
}

static void transfers_keep_the_sum_with_a_wal(void **state)
{
	(void)state;
	run_threads("wal");
}

/* Threads that open and close it: it begins and ends while others ask for it. */
static void *open_and_close(void *argument)
{
	(void)argument;
	for (int i = 0; i < 100; i++) {
		sqlite3 *db = open_db("file:/lives?vfs=ramz");

		sqlite3_busy_timeout(db, WAIT_MS);
		run_sql(db, "CREATE TABLE IF NOT EXISTS t(a); INSERT INTO t VALUES(1)");
		assert_true(number_of(db, "SELECT count(*) FROM t") > 0);
		sqlite3_close(db);
	}
	return NULL;
}

static void database_lives_as_long_as_a_connection(void **state)
{
	pthread_t thread[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, open_and_close, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transfers_keep_the_sum_with_a_journal),
		cmocka_unit_test(transfers_keep_the_sum_with_a_wal),
		cmocka_unit_test(database_lives_as_long_as_a_connection),
	};

	return cmocka_run_group_tests(tests, vfs_setup, NULL);
}
