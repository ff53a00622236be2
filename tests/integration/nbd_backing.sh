#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_backing.sh PLUGIN HELPERS: the commands about unused pages, on a served disk: idle, recompress
# and writeback by hand, and a backing file that comes and goes while clients work.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 180 "$@"
needs nbdcopy cmp mkfifo
show_seed

mib=1048576
make_text $((24 * mib)) >"$dir/text"
url() { echo "nbd+unix:///?socket=$dir/$1.sock"; }

# answers NAME COMMAND: with ok; the answer is in $dir/answer
answers() {
	ask "$1" "$2" >"$dir/answer"
	grep -q '"ok": true' "$dir/answer" || fail "'$2' is refused: $(cat "$dir/answer")"
}

# refused NAME WORDS COMMAND
refused() {
	ask "$1" "$3" >"$dir/answer"
	grep -q "\"ok\": false.*$2" "$dir/answer" || fail "'$3' is answered: $(cat "$dir/answer")"
}

answered() { grep -o "\"$1\": *[0-9]*" "$dir/answer" | head -n 1 | grep -o '[0-9]*$'; }

same_as_written() {
	timeout 60 nbdcopy "$(url "$1")" "$dir/back" && cmp -n $((24 * mib)) "$dir/text" "$dir/back"
}

# ---- by hand: older, into a tier ----------------------------------------------------------

serve disk size=32M warm=lz4:9 file="$dir/disk.ramz"
disk_pid=$server_pid
timeout 60 nbdcopy "$dir/text" "$(url disk)" || die "nbdcopy in"
answers disk idle
grep -q '"ages": \[0, 6144, 0' "$dir/answer" || fail "idle: $(cat "$dir/answer")"
answers disk 'recompress age=2'
[ "$(answered recompressed)" -eq 0 ] || fail "pages of age 1 were taken for 2: $(cat "$dir/answer")"
answers disk 'recompress warm age=1 max-pages=1000'
[ "$(answered recompressed)" -eq 1000 ] || fail "not 1000 pages: $(cat "$dir/answer")"
answers disk 'recompress age=1'
[ "$(answered recompressed)" -eq 5144 ] || fail "not the other pages: $(cat "$dir/answer")"
[ "$(answered held_bytes_after)" -lt "$(answered held_bytes_before)" ] || fail "nothing is saved: $(cat "$dir/answer")"
refused disk 'no cold tier' 'recompress cold'
same_as_written disk || fail "recompressed pages are not what was written"

# ---- a file that cannot be one ---------------------------------------------------------------

cp "$dir/text" "$dir/precious"
mkfifo "$dir/fifo"
serve other size=1M backing="$dir/others" backing-size=8M
refused other 'has a backing file already' "backing $mib $dir/second"
[ ! -e "$dir/second" ] || fail "a file is made that is not used"
refused disk 'no backing file; give it one' writeback
refused disk 'it holds other data' "backing $((8 * mib)) $dir/precious"
cmp "$dir/text" "$dir/precious" || fail "another file was overwritten"
refused disk 'neither a regular file' "backing $mib $dir/fifo"
refused disk 'another process has it' "backing $((8 * mib)) $dir/others"
refused disk "the disk's own file" "backing $((8 * mib)) $dir/disk.ramz"
refused disk "the disk's own file" "backing $((8 * mib)) $dir/./disk.ramz"
refused disk 'directory is not there' "backing $((8 * mib)) $dir/none/b"
refused disk 'neither a regular file' "backing $((8 * mib)) $dir"
refused disk 'may not make or change it' "backing $((8 * mib)) /sys/backing"
refused disk '1M at least' "backing 1000 $dir/new"
refused disk '1T at most' "backing $((2 << 40)) $dir/new"
refused disk 'a file needs its size' "backing 0 $dir/new"
[ ! -e "$dir/new" ] || fail "a file is made that is not used"
refused disk 'say backing' 'backing 1048576 new'
answers disk 'backing none' # there is none
ln "$dir/disk.ramz" "$dir/link" 2>/dev/null && {
	refused disk "own file\|another process" "backing $((8 * mib)) $dir/link"
	rm "$dir/link"
}
end_server "$server_pid" other

# ---- one that can be, under a client ---------------------------------------------------------

answers disk "backing $((64 * mib)) $dir/backing"
refused disk 'has a backing file already' "backing $((64 * mib)) $dir/backing"
held=$(field disk held_bytes)
answers disk 'writeback age=1 max-pages=100'
[ "$(answered pages)" -eq 0 ] || fail "pages that were just read are not young: $(cat "$dir/answer")"
answers disk 'writeback min-bytes=raw'
[ "$(answered pages)" -eq 0 ] || fail "text is not raw: $(cat "$dir/answer")"
answers disk 'writeback max-pages=100'
[ "$(answered pages)" -eq 100 ] || fail "not 100 pages: $(cat "$dir/answer")"
answers disk writeback
[ "$(answered pages)" -eq 6044 ] || fail "not all the other pages: $(cat "$dir/answer")"
[ "$(field disk pages_backed)" -eq 6144 ] || fail "not all pages are on the file"
[ "$(field disk held_bytes)" -lt $((held / 4)) ] || fail "$(field disk held_bytes) bytes are held of $held"
same_as_written disk || fail "pages on the file are not what was written"
refused disk 'left as it was' "save $dir/backing"
refused disk 'left as it was' "snapshot $dir/backing"
answers disk "snapshot $dir/moment"
same_as_written disk || fail "pages on the file have changed"
answers disk "backing none"
[ "$(field disk pages_backed)" -eq 0 ] || fail "pages are left on a file that was taken away"
same_as_written disk || fail "pages that came back are not what was written"
rm "$dir/backing"
same_as_written disk || fail "pages were on a file that was taken away"
# ---- comes and goes while a client writes -------------------------------------------------------

timeout 120 "$helpers/nbd_client" "$dir/disk.sock" write 1 1000000 >"$dir/written" 2>&1 &
writer=$!
writes() { grep -q 'round 1' "$dir/written"; }
awaits 60 writes || die "the client does not write"
turn=0
while [ $turn -lt 5 ]; do
	turn=$((turn + 1))
	answers disk "backing $((64 * mib)) $dir/backing"
	asking=
	for command in writeback 'writeback age=1' 'recompress warm' idle 'writeback min-bytes=100' compact \
		"snapshot $dir/moment" "resize $(((32 + turn) * mib))"; do # at once
		ask disk "$command" >"$dir/at_once.${#asking}" &
		asking="$asking $!"
	done
	# shellcheck disable=SC2086 # numbers
	wait $asking
	grep -h '"ok": false' "$dir"/at_once.* && fail "turn $turn: a command beside others is refused"
	answers disk 'backing none'
done
kill -0 $writer 2>/dev/null || fail "the client has ended: $(tail -n 1 "$dir/written")"
kill $writer
wait $writer 2>/dev/null
round=$(grep -c round "$dir/written")
sed -n '$s/^round //p' "$dir/written" >"$dir/round"
head -c $((32 * mib)) /dev/zero >"$dir/back" # room for it
answers disk "resize $((32 * mib)) force"
timeout 60 "$helpers/nbd_client" "$dir/disk.sock" check "$round" $((round + 1)) || fail "pages are lost"
end_server "$disk_pid" disk
serve disk file="$dir/disk.ramz"
timeout 60 "$helpers/nbd_client" "$dir/disk.sock" check "$round" $((round + 1)) || fail "pages are not in the file"
end_server "$server_pid" disk

# ---- at the limit ----------------------------------------------------------------------------

limit=$((held / 2))
serve full size=32M hard-limit=$limit
timeout 60 "$helpers/nbd_client" "$dir/full.sock" write 1 1 >/dev/null && fail "the data fits"
refused full 'leaves no room for its table and buffers' "backing $((64 * mib)) $dir/backing"
answers full "limit - $((limit + mib))"
answers full "backing $((64 * mib)) $dir/backing"
answers full "limit - $limit"
timeout 60 nbdcopy "$dir/text" "$(url full)" || fail "a write is refused in spite of a backing file: $(ask full stat)"
[ "$(field full held_bytes)" -le $limit ] || fail "the limit was passed"
same_as_written full || fail "pages at the limit are not what was written"
refused full 'hard limit leaves no room.*ramz limit' 'backing none'
same_as_written full || fail "pages are lost with a file that could not be taken away"
answers full 'limit - 0'
answers full 'backing none'
same_as_written full || fail "pages that came back are not what was written"
end_server "$server_pid" full

# ---- back at the age at which they went ---------------------------------------------------------

serve aged size=32M backing="$dir/backing" backing-size=64M backing-after=0.005
timeout 60 nbdcopy "$dir/text" "$(url aged)" || die "nbdcopy in"
all_backed() { [ "$(field aged pages_backed)" -eq 6144 ]; }
awaits 60 all_backed || fail "pages do not go to the file: $(ask aged stat)"
answers aged 'backing none'
same_as_written aged || fail "pages that came back are not what was written"
answers aged "backing $((64 * mib)) $dir/backing"
awaits 60 all_backed || fail "pages do not go to a file that was given by hand"

# ---- on a file system that is full --------------------------------------------------------------

if [ "$(id -u)" -eq 0 ] && mkdir "$dir/small" && mount -t tmpfs -o size=2m tmpfs "$dir/small" 2>/dev/null; then
	undo "umount '$dir/small'"
	answers aged 'backing none'
	answers aged 'limit - 0'
	answers aged "backing $((64 * mib)) $dir/small/backing"
	refused aged "file system is full" writeback
	same_as_written aged || fail "pages are lost on a full file system"
	answers aged 'backing none'
	answers aged "backing $((64 * mib)) $dir/backing"
fi

# ---- killed in the middle --------------------------------------------------------------------

(while ask aged 'backing none' && ask aged "backing $((64 * mib)) $dir/backing"; do :; done) >/dev/null 2>&1 &
changes=$!
sleep 0.5
kill -KILL "$server_pid"
wait "$server_pid" 2>/dev/null
wait $changes
serve aged size=32M
answers aged "backing $((64 * mib)) $dir/backing" # the dead one's: nothing in it means anything
timeout 60 nbdcopy "$dir/text" "$(url aged)" || die "nbdcopy in"
answers aged writeback
same_as_written aged || fail "pages on a dead server's file are not what was written"
end_server "$server_pid" aged
finish
