/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * sqlite_bench.c: one database three times: in SQLite's own memory, as a file, and in a store.
 *
 *	apt-cache dumpavail | sqlite_bench EXTENSION DIRECTORY
 *
 * The database has a row for each paragraph of a Debian Packages file (of one architecture: the
 * first one's and "all"), and indexes on name and on section, name. File and store have a cache of
 * a tenth of the pages. Queries take a random name. The three are asked in turn, several times, and
 * the least time of the processor counts: other programs on the machine do not.
 *
 * Owns DIRECTORY/sqlite_bench.db, which it removes. May call: SQLite. One thread.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sqlite3.h>

enum { ROUNDS = 5, QUERIES = 50000, LINE_BYTES = 1 << 16, FIELDS = 8, KINDS = 3 };

static const char *const field_names[FIELDS] = {"Package",    "Section", "Version", "Architecture",
						"Maintainer", "Size",    "Depends", "Description"};

struct contender {
	const char *name;
	sqlite3 *db;
	int64_t memory_bytes; /* of SQLite and the store */
	double query_us;      /* in one transaction */
	double single_us;     /* each in its own */
	double scan_ms;
};

static void die(sqlite3 *db, const char *what)
{
	fprintf(stderr, "sqlite_bench: %s: %s\n", what, db != NULL ? sqlite3_errmsg(db) : "failed");
	exit(1);
}

static void run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		die(db, sql);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		die(db, sql);
	return statement;
}

static int64_t number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement = prepare(db, sql);
	int64_t value =
		sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;

	sqlite3_finalize(statement);
	return value;
}

static double cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* ---- the database ---- */

/* A paragraph: the fields that have columns, and the lines of all others. */
struct paragraph {
	char *field[FIELDS];
	sqlite3_str *rest;
	sqlite3_str *open; /* of the field of the last line; NULL = rest */
	int open_field;
};

static void paragraph_close_field(struct paragraph *p)
{
	if (p->open != NULL)
		p->field[p->open_field] = sqlite3_str_finish(p->open);
	p->open = NULL;
}

static void paragraph_line(struct paragraph *p, const char *line)
{
	size_t length = strcspn(line, ":");

	if (line[0] == ' ' || line[0] == '\t') {
		sqlite3_str_appendf(p->open != NULL ? p->open : p->rest, "\n%s", line);
		return;
	}
	paragraph_close_field(p);
	for (int i = 0; i < FIELDS; i++) {
		if (strncmp(line, field_names[i], length) != 0 || field_names[i][length] != 0)
			continue;
		p->open = sqlite3_str_new(NULL);
		p->open_field = i;
		sqlite3_str_appendall(p->open, line + length + 1 + strspn(line + length + 1, " "));
		return;
	}
	sqlite3_str_appendf(p->rest, "\n%s", line);
}

static void paragraph_insert(struct paragraph *p, sqlite3_stmt *insert, char first[64])
{
	char *rest = sqlite3_str_finish(p->rest);
	const char *processor = p->field[3] != NULL ? p->field[3] : "all";

	if (first[0] == 0 && strcmp(processor, "all") != 0)
		(void)snprintf(first, 64, "%s", processor);
	if (p->field[0] != NULL &&
	    (strcmp(processor, "all") == 0 || strcmp(processor, first) == 0)) {
		for (int i = 0; i < FIELDS; i++)
			sqlite3_bind_text(insert, i + 1, p->field[i], -1, SQLITE_STATIC);
		sqlite3_bind_text(insert, FIELDS + 1, rest, -1, SQLITE_STATIC);
		if (sqlite3_step(insert) != SQLITE_DONE)
			die(sqlite3_db_handle(insert), "insert");
		sqlite3_reset(insert);
	}
	sqlite3_free(rest);
	for (int i = 0; i < FIELDS; i++)
		sqlite3_free(p->field[i]);
}

static void database_fill(sqlite3 *db)
{
	static char line[LINE_BYTES];
	sqlite3_stmt *insert = prepare(db, "INSERT INTO package VALUES(NULL,?,?,?,?,?,?,?,?,?)");
	struct paragraph p = {.rest = NULL};
	char first[64] = "";

	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = 0;
		if (p.rest == NULL) {
			p = (struct paragraph){.rest = sqlite3_str_new(NULL)};
		}
		if (line[0] != 0) {
			paragraph_line(&p, line);
			continue;
		}
		paragraph_close_field(&p);
		paragraph_insert(&p, insert, first);
		p.rest = NULL;
	}
	if (p.rest != NULL) {
		paragraph_close_field(&p);
		paragraph_insert(&p, insert, first);
	}
	sqlite3_finalize(insert);
}

static void database_make(const char *path)
{
	sqlite3 *db;

	(void)remove(path);
	if (sqlite3_open(path, &db) != SQLITE_OK)
		die(db, path);
	run(db,
	    "PRAGMA journal_mode=off; PRAGMA page_size=4096; BEGIN; "
	    "CREATE TABLE package(id INTEGER PRIMARY KEY, name TEXT, section TEXT, version TEXT, "
	    "architecture TEXT, maintainer TEXT, size INTEGER, depends TEXT, description TEXT, "
	    "rest TEXT)");
	database_fill(db);
	run(db, "CREATE INDEX by_name ON package(name); "
		"CREATE INDEX by_section ON package(section, name); COMMIT; "
		"PRAGMA journal_mode=delete");
	sqlite3_close(db);
}

/* ---- the three ---- */

static void load_extension(const char *extension)
{
	sqlite3 *db;
	char *error = NULL;

	if (sqlite3_open(":memory:", &db) != SQLITE_OK)
		die(db, "SQLite");
	sqlite3_enable_load_extension(db, 1);
	if (sqlite3_load_extension(db, extension, NULL, &error) != SQLITE_OK) {
		fprintf(stderr, "sqlite_bench: %s\n", error);
		exit(1);
	}
	sqlite3_close(db);
}

static void copy_into(sqlite3 *to, const char *path)
{
	sqlite3 *from;
	sqlite3_backup *backup;

	if (sqlite3_open(path, &from) != SQLITE_OK)
		die(from, path);
	backup = sqlite3_backup_init(to, "main", from, "main");
	if (backup == NULL || sqlite3_backup_step(backup, -1) != SQLITE_DONE)
		die(to, "backup");
	sqlite3_backup_finish(backup);
	sqlite3_close(from);
}

static void contender_open(struct contender *c, const char *uri, const char *path, int64_t pages)
{
	int64_t before = sqlite3_memory_used();
	char sql[64];

	if (sqlite3_open_v2(uri, &c->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI,
			    NULL) != SQLITE_OK)
		die(c->db, uri);
	if (strcmp(uri, ":memory:") == 0)
		copy_into(c->db, path);
	else {
		(void)snprintf(sql, sizeof(sql), "PRAGMA cache_size=%lld", (long long)pages / 10);
		run(c->db, sql);
	}
	/* The cache fills. */
	run(c->db, "SELECT sum(length(rest)) FROM package");
	c->memory_bytes = sqlite3_memory_used() - before;
}

/* ---- measured ---- */

static double queries_us(sqlite3 *db, char **names, int64_t rows, int count)
{
	sqlite3_stmt *query = prepare(db, "SELECT version, section FROM package WHERE name=?");
	uint64_t random = 1;
	double begin = cpu_us(), end;

	for (int i = 0; i < count; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
		sqlite3_bind_text(query, 1, names[(random >> 33) % (uint64_t)rows], -1,
				  SQLITE_STATIC);
		if (sqlite3_step(query) != SQLITE_ROW)
			die(db, "a name is missing");
		sqlite3_reset(query);
	}
	end = cpu_us();
	sqlite3_finalize(query);
	return (end - begin) / count;
}

static void keep_least(double *least, double value)
{
	if (*least == 0 || value < *least)
		*least = value;
}

static void contender_measure(struct contender *c, char **names, int64_t rows)
{
	double begin;

	run(c->db, "BEGIN");
	keep_least(&c->query_us, queries_us(c->db, names, rows, QUERIES));
	run(c->db, "COMMIT");
	keep_least(&c->single_us, queries_us(c->db, names, rows, QUERIES / 4));
	begin = cpu_us();
	run(c->db, "SELECT sum(size) FROM package");
	keep_least(&c->scan_ms, (cpu_us() - begin) / 1e3);
}

static char **names_read(sqlite3 *db, int64_t rows)
{
	char **names = calloc((size_t)rows + 1, sizeof(*names));
	sqlite3_stmt *all = prepare(db, "SELECT name FROM package");

	for (int64_t i = 0; names != NULL && i < rows && sqlite3_step(all) == SQLITE_ROW; i++)
		names[i] = sqlite3_mprintf("%s", sqlite3_column_text(all, 0));
	sqlite3_finalize(all);
	return names;
}

static void report(const struct contender c[KINDS], int64_t rows, int64_t pages)
{
	printf("%lld rows, %lld pages of 4096 bytes, SQLite %s\n\n", (long long)rows,
	       (long long)pages, sqlite3_libversion());
	printf("%-10s %14s %18s %18s %14s\n", "", "memory, MiB", "query, us", "autocommit, us",
	       "scan, ms");
	for (int i = 0; i < KINDS; i++)
		printf("%-10s %7.1f (%.3f) %11.2f (%.2f) %11.2f (%.2f) %8.1f (%.2f)\n", c[i].name,
		       (double)c[i].memory_bytes / 1048576,
		       (double)c[i].memory_bytes / (double)c[0].memory_bytes, c[i].query_us,
		       c[i].query_us / c[1].query_us, c[i].single_us,
		       c[i].single_us / c[1].single_us, c[i].scan_ms, c[i].scan_ms / c[0].scan_ms);
	printf("\nIn brackets: memory and scan as parts of :memory:, queries of the file.\n");
}

int main(int argc, char **argv)
{
	struct contender c[KINDS] = {{.name = ":memory:"}, {.name = "file"}, {.name = "ramz"}};
	char path[1024], uri[1200];
	int64_t pages, rows;
	char **names;

	if (argc != 3) {
		fprintf(stderr, "usage: apt-cache dumpavail | sqlite_bench EXTENSION DIRECTORY\n");
		return 2;
	}
	(void)snprintf(path, sizeof(path), "%s/sqlite_bench.db", argv[2]);
	(void)snprintf(uri, sizeof(uri), "file:/bench?vfs=ramz&load=%s", path);
	load_extension(argv[1]);
	database_make(path);
	contender_open(&c[1], path, path, 1);
	pages = number(c[1].db, "PRAGMA page_count");
	rows = number(c[1].db, "SELECT count(*) FROM package");
	sqlite3_close(c[1].db);
	contender_open(&c[0], ":memory:", path, pages);
	contender_open(&c[1], path, path, pages);
	contender_open(&c[2], uri, path, pages);
	(void)number(c[2].db, "PRAGMA ramz_pack");
	names = names_read(c[0].db, rows);
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < KINDS; i++)
			contender_measure(&c[i], names, rows);
	c[2].memory_bytes += number(c[2].db, "PRAGMA ramz_stat=held_bytes");
	report(c, rows, pages);
	(void)remove(path);
	for (int i = 0; i < KINDS; i++)
		sqlite3_close(c[i].db);
	for (int64_t i = 0; i < rows; i++)
		sqlite3_free(names[i]);
	free(names);
	return 0;
}
