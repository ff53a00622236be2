#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_file.sh PLUGIN HELPERS: whose a saved file is, what may be one, and what it keeps.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 120 "$@"
needs setpriv

client() { "$helpers/nbd_client" "$dir/$1.sock" "$2" "$3" "$4"; }

# refused NAME PATTERN PARAMETER...: a server that does not start, and says why in one line
refused() {
	refused_name=$1
	pattern=$2
	shift 2
	rm -f "$dir/$refused_name.log"
	try_serve "$refused_name" "$@" # the number of the process is written before the last checks
	awaits 10 is_gone "$server_pid" || fail "served, not refused: $*"
	grep -Eq -- "$pattern" "$dir/$refused_name.log" ||
		fail "$*: no '$pattern' in: $(cat "$dir/$refused_name.log")"
	[ "$(wc -l <"$dir/$refused_name.log")" -eq 1 ] || fail "$*: not one line: $(cat "$dir/$refused_name.log")"
}

save_refused() { # save_refused PATH PATTERN
	ask disk "save $1" >"$dir/answer"
	grep -q '"ok": *false' "$dir/answer" || fail "save $1 was not refused: $(cat "$dir/answer")"
	grep -Eq "$2" "$dir/answer" || fail "save $1: no '$2' in: $(cat "$dir/answer")"
}

# ---- one server, however it is spelled ------------------------------------------------

cd "$dir" || exit 1
mkdir sub
serve disk size=1M file=sub/disk
disk_pid=$server_pid
ln -s sub/disk link
ln -s sub away
for path in sub/disk ./sub//disk "$dir/sub/../sub/disk" link away/disk; do
	refused other "held by process $disk_pid \(nbdkit\)" size=1M file="$path"
done
client disk write 1 1 >/dev/null || fail "write"
[ -s sub/disk ] && fail "there is a saved file already: the next check says nothing"
for path in sub/disk sub//disk ./link away/disk; do
	inode=$(stat -c %i sub/disk)
	client disk write 2 2 >/dev/null || fail "write"
	ask disk "save $dir/$path" >answer
	grep -q '"ok": *true' answer || fail "save $path: $(cat answer)"
	[ "$(stat -c %i sub/disk)" != "$inode" ] || fail "save $path did not replace the disk's file"
	grep -q '"stale": *false' <<-END || fail "save $path was taken for another file"
		$(ask disk stat)
	END
done
[ -L link ] || fail "the link was replaced"

# Everything that is not a file, and the file of another server.
mkfifo fifo
ln sub/disk hard
cp sub/disk copy
ln copy copy2
# Not the machine's own null: what does not refuse it would replace that.
mknod null c 1 3 2>/dev/null || mkfifo null
save_refused "$dir/fifo" FIFO
save_refused "$dir/disk.sock" socket
save_refused "$dir/sub" directory
save_refused "$dir/null" 'device|FIFO'
[ ! -f null ] || fail "a device was replaced"
save_refused "$dir/copy" '2 links'
save_refused "$dir/hard" '2 links' # of our own
rm hard
serve second size=1M file=second
second_pid=$server_pid
save_refused "$dir/second" "held by process $second_pid"
end_server "$second_pid" second
ask disk "save $dir/second" | grep -q '"ok": *true' || fail "nobody holds it any more"
end_server "$disk_pid" disk
for path in fifo sub null copy; do
	refused other "file=.*(FIFO|directory|device|2 links)" size=1M file="$path"
done

# ---- saved, and there again --------------------------------------------------------------

serve disk file=link
client disk check 2 2 || fail "not what was saved"
end_server "$server_pid" disk

# Links are followed, also one that leads to nothing yet; the mode is kept.
chmod 640 sub/disk
serve disk file=link
client disk write 3 3 >/dev/null
end_server "$server_pid" disk
[ "$(stat -c %a sub/disk)" = 640 ] || fail "the mode was not kept"
[ -L link ] || fail "the link was replaced at the end"
ln -s sub/new dangling
serve disk file=dangling size=1M
client disk write 4 4 >/dev/null
end_server "$server_pid" disk
[ -f sub/new ] && [ -L dangling ] || fail "a link to nothing was not followed"

# In the background nbdkit is in another directory.
nbdkit -U "$dir/back.sock" -P "$dir/back.pid" "$plugin" file=sub/new stats="$dir/back.ctl" 2>back.log ||
	fail "in the background: $(cat back.log)"
undo "kill \$(cat '$dir/back.pid') 2>/dev/null"
awaits 20 test -S "$dir/back.ctl" || die "no server in the background"
refused other "held by process $(cat back.pid) \(nbdkit\)" size=1M file=sub/new
client back write 5 5 >/dev/null
kill "$(cat back.pid)"
awaits 20 is_gone "$(cat back.pid)" || fail "the server in the background does not end"
serve disk file=sub/new
client disk check 5 5 || fail "a relative path was not saved in the background"
end_server "$server_pid" disk

# ---- what is given wins, or is refused ---------------------------------------------------

codec() { ask disk stat | grep -o '"codec": "[a-z0-9]*", "level": -*[0-9]*'; }

serve disk size=1M codec=none file=kept checksum=true
client disk write 1 1 >/dev/null
end_server "$server_pid" disk
serve disk file=kept
[ "$(codec)" = '"codec": "none", "level": 0' ] || fail "the codec was not kept: $(codec)"
[ "$(field disk checksum_bytes)" -gt 0 ] || fail "the checksums were not kept"
end_server "$server_pid" disk
serve disk codec=lz4:-4 file=kept
[ "$(codec)" = '"codec": "lz4", "level": -4' ] || fail "the codec given did not win: $(codec)"
end_server "$server_pid" disk
serve disk file=kept
[ "$(codec)" = '"codec": "lz4", "level": -4' ] || fail "the codec given was not kept: $(codec)"
client disk check 1 1 || fail "other contents"
end_server "$server_pid" disk
refused disk 'pages of 4096 bytes; leave page= out' page=8K file=kept
refused disk 'leave checksum= out' checksum=false file=kept
refused disk 'size= would cut it' size=512K file=kept
refused disk 'levels of lz4 are' codec=lz4:1000 file=kept
refused disk 'no file= to save to' save-every=5
refused disk 'minutes between two saves, such as 10 or 0.5' save-every=x file=kept

# ---- rights ---------------------------------------------------------------------------------

refused disk 'No such file or directory' file=none/disk
refused disk 'save-fallback=.*No such file' file=kept save-fallback=none
if [ "$(id -u)" -eq 0 ]; then
	chmod 777 "$dir" # sockets
	mkdir closed open
	chown 65534 open
	cp kept closed/disk
	chmod 666 closed/disk
	serve_under="setpriv --reuid=65534 --regid=65534 --clear-groups"
	refused disk 'file=.*cannot be (created|written)|Permission denied' file=closed/new size=1M
	refused disk 'user 65534 may not write to it or to its directory' file=closed/disk
	serve_under=
	# nbdkit changes its user when the file is open already.
	serve_options="-u 65534"
	refused disk 'user 65534 may not write to it or to its directory' file=closed/disk
	refused disk 'file=.*Permission denied' file=closed/new size=1M
	[ ! -e closed/new ] || fail "a file was made for a user that may not save to it"
	serve disk file=open/new size=1M
	end_server "$server_pid" disk
	[ "$(stat -c %u open/new)" = 65534 ] || fail "a new file is not the user's"
	cp kept open/disk
	chown 65534 open/disk
	serve disk file=open/disk
	client disk write 9 9 >/dev/null
	end_server "$server_pid" disk
	serve_options=
	serve disk file=open/disk
	client disk check 9 9 || fail "the other user's save is not there"
	end_server "$server_pid" disk
fi

# ---- two at once -----------------------------------------------------------------------------

a=
b=
won() { [ -s "$dir/$1.pid" ]; }
one_is_gone() { is_gone "$a" || is_gone "$b"; }
for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	for which in a b; do
		rm -f "$which.pid" "$which.log"
		LD_PRELOAD=${XV_NBDKIT_PRELOAD-} setsid nbdkit -f --exit-with-parent -U "$dir/$round$which.sock" \
			-P "$dir/$which.pid" "$plugin" 1M file=kept >"$which.log" 2>&1 &
		eval "$which=\$!"
		undo "kill_server $!"
	done
	awaits 20 one_is_gone || fail "round $round: both serve"
	if is_gone "$a"; then winner=b loser=a winner_pid=$b; else winner=a loser=b winner_pid=$a; fi
	awaits 20 won "$winner" || fail "round $round: none serves: $(cat a.log b.log)"
	won "$loser" && fail "round $round: both served"
	grep -q "held by process $winner_pid (nbdkit)" "$loser.log" || fail "round $round: $(cat "$loser.log")"
	end_server "$winner_pid" "$winner"
done

# ---- the statistics at the end ---------------------------------------------------------------

echo mine >victim
ln -s victim stats.json
ln -s victim stats.json.tmp
refused disk 'stats-file=.*no regular file' size=1M stats-file=fifo
refused disk 'stats-file=.*no regular file' size=1M stats-file=null
refused disk 'stats-file=.*is the file of file=' file=kept stats-file=./sub/../kept
serve disk size=1M stats-file=other.json
ln -s victim other.json.tmp
end_server "$server_pid" disk
[ "$(cat victim)" = mine ] || fail "a link beside the statistics was followed"
grep -q '"pages_stored"' other.json || fail "no statistics"
serve disk size=1M stats-file=late.json
mkfifo late.json
end_server "$server_pid" disk 1
[ -p late.json ] || fail "a FIFO was replaced by the statistics"
grep -q 'stats-file=.*late.json' disk.log || fail "it was not told: $(cat disk.log)"
finish
