/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_sqlite.c: SQLite's databases in a store: their lives, journals, files and limits.
 */
#include <unistd.h>

#include <ramz/ramz.h>

#include "test_sqlite_support.h"

static const char fill[] =
	"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<%d) "
	"INSERT INTO t SELECT i, hex(randomblob(50)) || 'some text of row ' || i FROM n";

static void fill_table(sqlite3 *db, int rows)
{
	char sql[256];

	run_sql(db, "CREATE TABLE IF NOT EXISTS t(a INTEGER PRIMARY KEY, b)");
	(void)snprintf(sql, sizeof(sql), fill, rows);
	run_sql(db, sql);
}

/* ---- names ---- */

static void database_is_shared_by_connections_and_ends_with_the_last(void **state)
{
	sqlite3 *one = open_db("file:/shared?vfs=ramz"), *two;

	(void)state;
	fill_table(one, 10);
	two = open_db("file:/shared?vfs=ramz");
	assert_int_equal(number_of(two, "SELECT count(*) FROM t"), 10);
	sqlite3_close(one);
	assert_int_equal(number_of(two, "SELECT count(*) FROM t"), 10);
	sqlite3_close(two);
	one = open_db("file:/shared?vfs=ramz");
	assert_int_equal(number_of(one, "SELECT count(*) FROM sqlite_schema"), 0);
	sqlite3_close(one);
	assert_int_equal(try_open(&one, "file:/shared?vfs=ramz&mode=rw"), SQLITE_CANTOPEN);
}

static void names_without_the_vfs_are_files(void **state)
{
	char path[64], sql[128];
	sqlite3 *db = open_db("file:/names?vfs=ramz"), *copy;

	(void)state;
	fill_table(db, 500);
	(void)snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", temporary_path(path, "into"));
	run_sql(db, sql);
	assert_int_equal(access(path, F_OK), 0);
	copy = open_db(path);
	assert_int_equal(number_of(copy, "SELECT count(*) FROM t"), 500);
	sqlite3_close(copy);
	copy = open_db("file:/copy?vfs=ramz");
	run_sql(db, "VACUUM INTO 'file:/copy?vfs=ramz'");
	assert_int_equal(number_of(copy, "SELECT count(*) FROM t"), 500);
	check_integrity(copy);
	sqlite3_close(copy);
	sqlite3_close(db);
	remove(path);
}

static void name_of_a_file_is_refused_with_a_reason(void **state)
{
	char path[64], uri[192];
	sqlite3 *db = open_db(temporary_path(path, "taken"));

	(void)state;
	fill_table(db, 10);
	sqlite3_close(db);
	(void)snprintf(uri, sizeof(uri), "file:%s?vfs=ramz", path);
	assert_int_equal(try_open(&db, uri), SQLITE_CANTOPEN);
	assert_non_null(strstr(sqlite_log, "give load=PATH"));
	(void)snprintf(uri, sizeof(uri), "file:%s?vfs=ramz&load=%s", path, path);
	db = open_db(uri);
	assert_int_equal(number_of(db, "SELECT count(*) FROM t"), 10);
	sqlite3_close(db);
	remove(path);
}

/* ---- journals ---- */

static void try_journal(const char *mode, int page_bytes)
{
	sqlite3 *db = open_db("file:/journal?vfs=ramz");
	char sql[96];

	(void)snprintf(sql, sizeof(sql), "PRAGMA page_size=%d; PRAGMA cache_size=10;", page_bytes);
	run_sql(db, sql);
	(void)snprintf(sql, sizeof(sql), "PRAGMA journal_mode=%s", mode);
	assert_string_equal(text_of(db, sql), mode);
	fill_table(db, 2000);
	assert_int_equal(number_of(db, "PRAGMA page_size"), page_bytes);
	run_sql(db, "BEGIN; UPDATE t SET b = b || 'more'; DELETE FROM t WHERE a % 3 = 0; ROLLBACK");
	assert_int_equal(number_of(db, "SELECT count(*) FROM t WHERE b NOT LIKE '%more'"), 2000);
	check_integrity(db);
	run_sql(db, "BEGIN; DELETE FROM t WHERE a % 2 = 0; SAVEPOINT s; DELETE FROM t; "
		    "ROLLBACK TO s; COMMIT; VACUUM");
	assert_int_equal(number_of(db, "SELECT count(*) FROM t"), 1000);
	check_integrity(db);
	sqlite3_close(db);
}

static void every_journal_and_page_size_works(void **state)
{
	static const char *const modes[] = {"delete", "truncate", "persist", "wal", "memory"};
	static const int sizes[] = {512, 4096, 16384, 65536};

	(void)state;
	for (size_t mode = 0; mode < sizeof(modes) / sizeof(*modes); mode++)
		for (size_t size = 0; size < sizeof(sizes) / sizeof(*sizes); size++)
			try_journal(modes[mode], sizes[size]);
}

static void journal_takes_nothing_when_it_is_over(void **state)
{
	sqlite3 *db = open_db("file:/over?vfs=ramz");

	(void)state;
	fill_table(db, 1000);
	assert_int_equal(number_of(db, "PRAGMA ramz_stat=journal_bytes"), 0);
	run_sql(db, "BEGIN; UPDATE t SET b = 'x'");
	assert_true(number_of(db, "PRAGMA ramz_stat=journal_bytes") > 0);
	run_sql(db, "COMMIT");
	assert_int_equal(number_of(db, "PRAGMA ramz_stat=journal_bytes"), 0);
	assert_int_equal(number_of(db, "PRAGMA ramz_stat=pages"),
			 number_of(db, "PRAGMA page_count"));
	sqlite3_close(db);
}

static void wal_begins_anew_and_drops_its_old_frames(void **state)
{
	sqlite3 *db = open_db("file:/anew?vfs=ramz");

	(void)state;
	run_sql(db, "PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0");
	fill_table(db, 3000);
	assert_true(number_of(db, "PRAGMA ramz_stat=wal_bytes") > 300000);
	run_sql(db, "PRAGMA wal_checkpoint; INSERT INTO t VALUES(9999, 'x')");
	assert_true(number_of(db, "PRAGMA ramz_stat=wal_bytes") < 20000);
	assert_int_equal(number_of(db, "SELECT count(*) FROM t"), 3001);
	check_integrity(db);
	sqlite3_close(db);
}

/* ---- locks ---- */

static void readers_and_a_writer_keep_to_the_locks(void **state)
{
	sqlite3 *reader = open_db("file:/locks?vfs=ramz"), *writer;

	(void)state;
	fill_table(reader, 10);
	writer = open_db("file:/locks?vfs=ramz");
	run_sql(reader, "BEGIN; SELECT * FROM t");
	run_sql(writer, "BEGIN; INSERT INTO t VALUES(11, 'x')");
	assert_int_equal(try_sql(reader, "INSERT INTO t VALUES(12, 'y')"), SQLITE_BUSY);
	assert_int_equal(try_sql(writer, "COMMIT"), SQLITE_BUSY);
	run_sql(reader, "COMMIT");
	run_sql(writer, "COMMIT");
	assert_int_equal(number_of(reader, "SELECT count(*) FROM t"), 11);
	run_sql(writer, "BEGIN EXCLUSIVE");
	assert_int_equal(try_sql(reader, "SELECT * FROM t"), SQLITE_BUSY);
	run_sql(writer, "ROLLBACK");
	run_sql(reader, "SELECT * FROM t");
	sqlite3_close(reader);
	sqlite3_close(writer);
}

static void wal_readers_keep_their_moment(void **state)
{
	sqlite3 *reader = open_db("file:/moment?vfs=ramz"), *writer;

	(void)state;
	run_sql(reader, "PRAGMA journal_mode=wal");
	fill_table(reader, 100);
	writer = open_db("file:/moment?vfs=ramz");
	run_sql(reader, "BEGIN");
	assert_int_equal(number_of(reader, "SELECT count(*) FROM t"), 100);
	run_sql(writer, "DELETE FROM t; PRAGMA wal_checkpoint");
	assert_int_equal(number_of(reader, "SELECT count(*) FROM t"), 100);
	assert_int_equal(try_sql(reader, "DELETE FROM t"), SQLITE_BUSY);
	run_sql(reader, "COMMIT");
	assert_int_equal(number_of(reader, "SELECT count(*) FROM t"), 0);
	sqlite3_close(reader);
	sqlite3_close(writer);
}

/* Across a database on a disk and one in memory, in either order. */
static void transaction_spans_databases(void **state)
{
	char path[64], uri[192];
	const char *memory = "file:/tmp/spans?vfs=ramz", *file;
	sqlite3 *db;

	(void)state;
	(void)snprintf(uri, sizeof(uri), "file:%s?vfs=unix", temporary_path(path, "spans"));
	file = uri;
	for (int order = 0; order < 2; order++) {
		char sql[256];

		db = open_db(order == 0 ? memory : file);
		(void)snprintf(sql, sizeof(sql), "ATTACH '%s' AS other",
			       order == 0 ? file : memory);
		run_sql(db, sql);
		run_sql(db, "CREATE TABLE main.m(x); CREATE TABLE other.o(x)");
		run_sql(db, "BEGIN; INSERT INTO m VALUES(1); INSERT INTO o VALUES(1); COMMIT");
		run_sql(db, "BEGIN; INSERT INTO m VALUES(2); INSERT INTO o VALUES(2); ROLLBACK");
		assert_int_equal(number_of(db, "SELECT count(*) FROM m"), 1);
		assert_int_equal(number_of(db, "SELECT count(*) FROM o"), 1);
		run_sql(db, "DROP TABLE m; DROP TABLE o");
		sqlite3_close(db);
	}
	remove(path);
}

/* ---- files ---- */

static void save_to(sqlite3 *db, const char *path)
{
	char sql[128];

	(void)snprintf(sql, sizeof(sql), "PRAGMA ramz_save='%s'", path);
	run_sql(db, sql);
}

static void saved_database_is_loaded_again(void **state)
{
	static const char *const modes[] = {"delete", "wal"};
	char path[64], uri[128], sql[64];

	(void)state;
	for (int mode = 0; mode < 2; mode++) {
		sqlite3 *db = open_db("file:/saved?vfs=ramz");

		(void)snprintf(sql, sizeof(sql), "PRAGMA journal_mode=%s", modes[mode]);
		run_sql(db, sql);
		fill_table(db, 3000);
		run_sql(db, "PRAGMA ramz_pack");
		save_to(db, temporary_path(path, "saved"));
		sqlite3_close(db);
		(void)snprintf(uri, sizeof(uri), "file:/again?vfs=ramz&load=%s", path);
		db = open_db(uri);
		assert_int_equal(number_of(db, "SELECT count(*) FROM t"), 3000);
		assert_string_equal(text_of(db, "PRAGMA journal_mode"), modes[mode]);
		check_integrity(db);
		sqlite3_close(db);
	}
	remove(path);
}

/* The cache spills, so that pages of the transaction are in the database when it is saved. */
static void transaction_that_runs_during_a_save_is_not_in_it(void **state)
{
	char path[64], uri[192];
	sqlite3 *db = open_db("file:/during?vfs=ramz");

	(void)state;
	fill_table(db, 3000);
	run_sql(db, "PRAGMA cache_size=10; BEGIN; UPDATE t SET b = 'changed'");
	save_to(db, temporary_path(path, "during"));
	run_sql(db, "COMMIT");
	sqlite3_close(db);
	(void)snprintf(uri, sizeof(uri), "file:/before?vfs=ramz&load=%s", path);
	db = open_db(uri);
	assert_int_equal(number_of(db, "SELECT count(*) FROM t WHERE b = 'changed'"), 0);
	assert_int_equal(number_of(db, "SELECT count(*) FROM t"), 3000);
	check_integrity(db);
	sqlite3_close(db);
	remove(path);
}

/* What another connection does when a save has begun, and its image is not made yet. */
static sqlite3 *between;

int __real_ramz_save_file(struct ramz *store, const char *path, uint64_t *bytes,
			  struct ramz_reason *reason);
int __wrap_ramz_save_file(struct ramz *store, const char *path, uint64_t *bytes,
			  struct ramz_reason *reason);

int __wrap_ramz_save_file(struct ramz *store, const char *path, uint64_t *bytes,
			  struct ramz_reason *reason)
{
	if (between != NULL) {
		run_sql(between, "BEGIN; UPDATE t SET b = 'changed'");
		assert_int_equal(sqlite3_db_cacheflush(between), SQLITE_OK);
	}
	return __real_ramz_save_file(store, path, bytes, reason);
}

static void image_of_a_save_has_the_journal_of_its_pages(void **state)
{
	char path[64], uri[192];
	sqlite3 *db;

	(void)state;
	for (int rows = 1000; rows < 1200; rows += 100) {
		db = open_db("file:/image?vfs=ramz");
		fill_table(db, rows);
		between = open_db("file:/image?vfs=ramz");
		save_to(db, temporary_path(path, "image"));
		sqlite3_close(between);
		between = NULL;
		sqlite3_close(db);
		(void)snprintf(uri, sizeof(uri), "file:/of image?vfs=ramz&load=%s", path);
		db = open_db(uri);
		assert_int_equal(number_of(db, "SELECT count(*) FROM t WHERE b <> 'changed'"),
				 rows);
		check_integrity(db);
		sqlite3_close(db);
	}
	remove(path);
}

static void database_of_a_file_holds_it(void **state)
{
	char path[64], uri[128], second[128];
	sqlite3 *db, *other;

	(void)state;
	(void)snprintf(uri, sizeof(uri), "file:/held?vfs=ramz&file=%s",
		       temporary_path(path, "held"));
	db = open_db(uri);
	fill_table(db, 100);
	(void)snprintf(second, sizeof(second), "file:/second?vfs=ramz&file=%s", path);
	assert_int_equal(try_open(&other, second), SQLITE_BUSY);
	assert_non_null(strstr(sqlite_log, path));
	other = open_db(uri);
	sqlite3_close(other);
	assert_int_equal(try_open(&other, "file:/held?vfs=ramz&file=/tmp/x"), SQLITE_CANTOPEN);
	assert_non_null(strstr(sqlite_log, "give the same file="));
	run_sql(db, "PRAGMA ramz_save; DELETE FROM t");
	sqlite3_close(db);
	db = open_db(uri);
	assert_int_equal(number_of(db, "SELECT count(*) FROM t"), 100);
	sqlite3_close(db);
	remove(path);
}

static void what_another_connection_gives_is_what_was_given_first(void **state)
{
	static const char *const others[] = {"limit=1M", "limit=abc", "limit=64m", "load=/nowhere"};
	static const char first[] = "file:/first?vfs=ramz&limit=64M";
	sqlite3 *db = open_db(first), *other;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char uri[128], told[64];

		(void)snprintf(uri, sizeof(uri), "file:/first?vfs=ramz&%s", others[i]);
		(void)snprintf(told, sizeof(told), "give the same %.*s",
			       (int)(strchr(others[i], '=') + 1 - others[i]), others[i]);
		assert_int_equal(try_open(&other, uri), SQLITE_CANTOPEN);
		assert_non_null(strstr(sqlite_log, told));
	}
	other = open_db(first);
	sqlite3_close(other);
	other = open_db("file:/first?vfs=ramz");
	sqlite3_close(other);
	sqlite3_close(db);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(try_open(&other, i == 0 ? "file:/absent?vfs=ramz&mode=rw"
							 : "file:/absent?vfs=ramz&mode=ro"),
				 SQLITE_CANTOPEN);
		assert_non_null(strstr(sqlite_log, "/absent: no such database is open"));
	}
}

static void ordinary_databases_are_loaded_with_their_wal(void **state)
{
	char path[64], uri[128], sql[96];
	sqlite3 *disk = open_db(temporary_path(path, "ordinary")), *db;

	(void)state;
	run_sql(disk, "PRAGMA page_size=8192; PRAGMA journal_mode=wal");
	fill_table(disk, 1000);
	(void)snprintf(uri, sizeof(uri), "file:/of disk?vfs=ramz&load=%s", path);
	db = open_db(uri);
	assert_int_equal(number_of(db, "SELECT count(*) FROM t"), 1000);
	assert_int_equal(number_of(db, "PRAGMA page_size"), 8192);
	check_integrity(db);
	(void)snprintf(sql, sizeof(sql), "PRAGMA ramz_save='%s'", path);
	assert_int_equal(try_sql(db, sql), SQLITE_CANTOPEN);
	assert_non_null(strstr(sqlite3_errmsg(db), "VACUUM INTO"));
	sqlite3_close(db);
	(void)snprintf(uri, sizeof(uri), "file:/x?vfs=ramz&file=%s", path);
	assert_int_equal(try_open(&db, uri), SQLITE_NOTADB);
	assert_non_null(strstr(sqlite_log, "give it as load="));
	run_sql(disk, "PRAGMA wal_checkpoint(truncate)");
	sqlite3_close(disk);
	remove(path);
}

static void what_cannot_be_loaded_is_told(void **state)
{
	char path[64], uri[192];
	FILE *file = fopen(temporary_path(path, "bad"), "w");
	sqlite3 *db;

	(void)state;
	assert_non_null(file);
	fputs("this is neither a database nor a store, but a long enough text", file);
	fclose(file);
	(void)snprintf(uri, sizeof(uri), "file:/bad?vfs=ramz&load=%s", path);
	assert_int_equal(try_open(&db, uri), SQLITE_NOTADB);
	assert_non_null(strstr(sqlite_log, path));
	(void)snprintf(uri, sizeof(uri), "file:/bad?vfs=ramz&load=%s.absent", path);
	assert_int_equal(try_open(&db, uri), SQLITE_CANTOPEN);
	assert_int_equal(try_open(&db, "file:/bad?vfs=ramz&limit=1KB"), SQLITE_CANTOPEN);
	assert_non_null(strstr(sqlite_log, "limit=1KB"));
	db = open_db("file:/bad?vfs=ramz");
	assert_int_equal(try_sql(db, "PRAGMA ramz_save"), SQLITE_ERROR);
	assert_int_equal(try_sql(db, "PRAGMA ramz_save='/nowhere/x'"), SQLITE_CANTOPEN);
	assert_int_equal(try_sql(db, "PRAGMA ramz_limit='many'"), SQLITE_ERROR);
	assert_int_equal(try_sql(db, "PRAGMA ramz_stat=x"), SQLITE_ERROR);
	assert_non_null(strstr(sqlite3_errmsg(db), "no value \"x\""));
	sqlite3_close(db);
	remove(path);
}

static void backup_goes_both_ways(void **state)
{
	sqlite3 *from = open_db("file:/from?vfs=ramz"), *heap = open_db(":memory:");
	sqlite3 *to = open_db("file:/to?vfs=ramz");
	sqlite3_backup *backup;

	(void)state;
	fill_table(from, 1000);
	backup = sqlite3_backup_init(heap, "main", from, "main");
	assert_int_equal(sqlite3_backup_step(backup, -1), SQLITE_DONE);
	assert_int_equal(sqlite3_backup_finish(backup), SQLITE_OK);
	backup = sqlite3_backup_init(to, "main", heap, "main");
	while (sqlite3_backup_step(backup, 5) == SQLITE_OK) {
	}
	assert_int_equal(sqlite3_backup_finish(backup), SQLITE_OK);
	assert_int_equal(number_of(to, "SELECT count(*) FROM t"), 1000);
	check_integrity(to);
	sqlite3_close(from);
	sqlite3_close(to);
	sqlite3_close(heap);
}

/* ---- limits and packing ---- */

static void full_database_keeps_what_it_has(void **state)
{
	static const char *const modes[] = {"delete", "wal"};

	(void)state;
	for (int mode = 0; mode < 2; mode++) {
		sqlite3 *db = open_db("file:/full?vfs=ramz&limit=2M");
		char sql[64];
		int64_t rows;

		(void)snprintf(sql, sizeof(sql), "PRAGMA journal_mode=%s; PRAGMA cache_size=10",
			       modes[mode]);
		run_sql(db, sql);
		fill_table(db, 1000);
		while (try_sql(db, "INSERT INTO t SELECT NULL, hex(randomblob(400)) FROM t "
				   "LIMIT 500") == SQLITE_OK) {
		}
		assert_int_equal(sqlite3_errcode(db), SQLITE_FULL);
		rows = number_of(db, "SELECT count(*) FROM t");
		assert_int_equal(rows % 500, 0);
		assert_int_equal(try_sql(db, "UPDATE t SET b = hex(randomblob(900))"), SQLITE_FULL);
		assert_int_equal(number_of(db, "SELECT count(*) FROM t"), rows);
		check_integrity(db);
		run_sql(db, "PRAGMA ramz_limit='64M'; UPDATE t SET b = hex(randomblob(900))");
		assert_int_equal(number_of(db, "PRAGMA ramz_limit"), 64 << 20);
		check_integrity(db);
		sqlite3_close(db);
	}
}

/* What the transaction made short is long again after it, when the journal takes the room. */
static void rollback_has_room_at_the_limit(void **state)
{
	sqlite3 *db = open_db("file:/room?vfs=ramz&limit=2M");

	(void)state;
	run_sql(db, "PRAGMA cache_size=10; CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
	run_sql(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2000) "
		    "INSERT INTO t SELECT i, randomblob(600) FROM n");
	for (int i = 0; i < 3; i++) {
		run_sql(db, "BEGIN; UPDATE t SET b = zeroblob(600)");
		run_sql(db, "ROLLBACK");
		assert_int_equal(number_of(db, "SELECT count(*) FROM t WHERE b <> zeroblob(600)"),
				 2000);
		check_integrity(db);
	}
	/* The limit is one again. */
	assert_int_equal(try_sql(db, "INSERT INTO t SELECT NULL, randomblob(3000) FROM t"),
			 SQLITE_FULL);
	sqlite3_close(db);
}

static void packed_pages_take_less_and_read_the_same(void **state)
{
	sqlite3 *db = open_db("file:/packed?vfs=ramz");
	char sum[128];
	int64_t before;

	(void)state;
	fill_table(db, 20000);
	(void)snprintf(sum, sizeof(sum), "%s", text_of(db, "SELECT total(length(b)) FROM t"));
	before = number_of(db, "PRAGMA ramz_stat=stored_bytes");
	run_sql(db, "PRAGMA cache_size=10");
	assert_true(number_of(db, "PRAGMA ramz_pack") > 100);
	assert_true(number_of(db, "PRAGMA ramz_stat=stored_bytes") < before * 9 / 10);
	assert_string_equal(text_of(db, "SELECT total(length(b)) FROM t"), sum);
	check_integrity(db);
	sqlite3_close(db);
}

/* Without being asked. */
static void written_pages_are_packed_soon(void **state)
{
	sqlite3 *db = open_db("file:/soon?vfs=ramz");

	(void)state;
	fill_table(db, 2000);
	while (number_of(db, "PRAGMA ramz_stat=packed_pages") < 10)
		usleep(10000);
	check_integrity(db);
	sqlite3_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(database_is_shared_by_connections_and_ends_with_the_last),
		cmocka_unit_test(names_without_the_vfs_are_files),
		cmocka_unit_test(name_of_a_file_is_refused_with_a_reason),
		cmocka_unit_test(every_journal_and_page_size_works),
		cmocka_unit_test(journal_takes_nothing_when_it_is_over),
		cmocka_unit_test(wal_begins_anew_and_drops_its_old_frames),
		cmocka_unit_test(readers_and_a_writer_keep_to_the_locks),
		cmocka_unit_test(wal_readers_keep_their_moment),
		cmocka_unit_test(transaction_spans_databases),
		cmocka_unit_test(saved_database_is_loaded_again),
		cmocka_unit_test(transaction_that_runs_during_a_save_is_not_in_it),
		cmocka_unit_test(image_of_a_save_has_the_journal_of_its_pages),
		cmocka_unit_test(database_of_a_file_holds_it),
		cmocka_unit_test(what_another_connection_gives_is_what_was_given_first),
		cmocka_unit_test(ordinary_databases_are_loaded_with_their_wal),
		cmocka_unit_test(what_cannot_be_loaded_is_told),
		cmocka_unit_test(backup_goes_both_ways),
		cmocka_unit_test(full_database_keeps_what_it_has),
		cmocka_unit_test(rollback_has_room_at_the_limit),
		cmocka_unit_test(packed_pages_take_less_and_read_the_same),
		cmocka_unit_test(written_pages_are_packed_soon),
	};

	return cmocka_run_group_tests(tests, vfs_setup, NULL);
}
