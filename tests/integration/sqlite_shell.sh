#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# sqlite_shell.sh EXTENSION BENCH: SQLite's own shell with the extension: the same SQL in memory and
# on a disk, files in and out, and a second process.
extension=${1:?usage: sqlite_shell.sh EXTENSION BENCH}
bench=${2:?usage: sqlite_shell.sh EXTENSION BENCH}
command -v sqlite3 >/dev/null || {
	echo "skipped: no command sqlite3 (Debian: apt-get install sqlite3)"
	exit 77
}

dir=$(mktemp -d) || exit 1
end() {
	exec 3>&-
	rm -rf "$dir"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
failures=0

fail() {
	echo "FAILED: $*"
	failures=$((failures + 1))
}

shell() { # shell NAME: the commands of standard input, on that database; into $dir/out
	sqlite3 -batch -bail -cmd ".load $extension" -cmd ".open '$1'" >"$dir/out" 2>&1
}

says() { # says PATTERN
	grep -Eq -- "$1" "$dir/out" || fail "no '$1' in: $(head -c 500 "$dir/out")"
}

# ---- the same ----
cat >"$dir/work.sql" <<'END'
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<20000)
INSERT INTO t SELECT i, printf('%016x%016x', i*7919, i*104729), 'row number ' || i FROM n;
CREATE INDEX by_b ON t(b);
CREATE VIEW v AS SELECT count(*) AS n FROM t;
BEGIN; DELETE FROM t WHERE a % 5 = 0; ROLLBACK;
BEGIN; UPDATE t SET c = upper(c) WHERE a % 3 = 0; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; COMMIT;
DELETE FROM t WHERE a BETWEEN 100 AND 300;
VACUUM;
PRAGMA integrity_check;
.sha3sum
END
for mode in delete truncate persist wal; do
	for name in "$dir/$mode.db" "file:$dir/$mode.memory?vfs=ramz"; do
		{
			echo "PRAGMA cache_size=20; PRAGMA synchronous=off; PRAGMA journal_mode=$mode;"
			cat "$dir/work.sql"
		} | shell "$name" || fail "$name: $(head -c 500 "$dir/out")"
		says '^ok$'
		mv "$dir/out" "$dir/out.$(echo "$name" | grep -c vfs=)"
	done
	cmp "$dir/out.0" "$dir/out.1" || fail "$mode: memory and disk differ"
	[ ! -e "$dir/$mode.memory" ] || fail "a database in memory has a file"
done

# ---- files ----
shell "file:/files?vfs=ramz&load=$dir/delete.db" <<END || fail "load: $(cat "$dir/out")"
SELECT n FROM v;
PRAGMA ramz_pack;
PRAGMA ramz_save='$dir/saved.ramz';
VACUUM INTO '$dir/into.db';
.backup $dir/backup.db
END
says '^19799$'
for file in into backup; do
	sqlite3 "$dir/$file.db" 'PRAGMA integrity_check; SELECT n FROM v' >"$dir/out" 2>&1
	says '^ok$'
	says '^19799$'
done
[ "$(stat -c %s "$dir/saved.ramz")" -lt "$(stat -c %s "$dir/into.db")" ] ||
	fail "the saved file is not the shorter one"
shell "file:/again?vfs=ramz&load=$dir/saved.ramz" <<'END' || fail "saved: $(cat "$dir/out")"
PRAGMA integrity_check;
SELECT n FROM v;
END
says '^ok$'
says '^19799$'
shell "file:/restored?vfs=ramz" <<END || fail "restore: $(cat "$dir/out")"
.restore $dir/into.db
SELECT n FROM v;
END
says '^19799$'

# ---- a second process ----
mkfifo "$dir/commands"
sqlite3 -batch -cmd ".load $extension" -cmd ".open 'file:/held?vfs=ramz&file=$dir/saved.ramz'" \
	<"$dir/commands" >"$dir/first" 2>&1 &
exec 3>"$dir/commands"
echo "DELETE FROM t WHERE a > 1000; PRAGMA ramz_save; SELECT 'is saved';" >&3
until grep -q 'is saved' "$dir/first"; do sleep 0.05; done
echo "SELECT 1;" | sqlite3 -batch -cmd ".log stdout" -cmd ".load $extension" \
	-cmd ".open 'file:/held?vfs=ramz&file=$dir/saved.ramz'" >"$dir/out" 2>&1
says "file=$dir/saved.ramz: .*process"
says 'database is locked'
exec 3>&-
wait
shell "file:/held?vfs=ramz&file=$dir/saved.ramz" <<'END' || fail "held: $(cat "$dir/out")"
SELECT n FROM v;
END
says '^799$'

# ---- mistakes ----
echo "SELECT 1;" | shell "file:$dir/into.db?vfs=ramz"
says 'unable to open'
echo "PRAGMA ramz_save='$dir/into.db';" | shell "file:/mistake?vfs=ramz" &&
	fail "an ordinary database was replaced"
says 'ordinary database, which a save does not replace'
echo "PRAGMA ramz_limit='1MB';" | shell "file:/mistake?vfs=ramz" && fail "1MB was taken"

# ---- the measurement ----
for package in one two three; do
	printf 'Package: %s\nSection: test\nVersion: 1\nSize: 5\nDescription: a\n b\nMD5sum: %s\n\n' \
		$package 0123456789abcdef0123456789abcdef
done | "$bench" "$extension" "$dir" >"$dir/out" 2>&1 || fail "bench: $(cat "$dir/out")"
says '^3 rows'
says '^ramz '

[ "$failures" -eq 0 ] || exit 1
