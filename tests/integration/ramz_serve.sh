#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# ramz_serve.sh RAMZ FAKE_CONTROL [PLUGIN]: ramz serve. Without PLUGIN against a stand-in
# for nbdkit, which notes its command line and does what each check wants; with PLUGIN the
# real one, skipped (77) where it or nbdkit is missing. Each check prints a line when it
# fails; all are made.
set -u
ramz=${1:?usage: ramz_serve.sh RAMZ FAKE_CONTROL [PLUGIN]}
fake=${2:?usage: ramz_serve.sh RAMZ FAKE_CONTROL [PLUGIN]}
plugin=${3-}
case $ramz in /*) ;; *) ramz=$PWD/$ramz ;; esac
case $fake in /*) ;; *) fake=$PWD/$fake ;; esac
dir=$(mktemp -d) || exit 1
end() {
	# Every server that this test started left its number here.
	for file in "$dir"/run/ramz/*.pid "$dir"/*.pid; do
		[ -f "$file" ] && kill "$(cat "$file")" 2>/dev/null
	done
	rm -rf "$dir"
}
trap end EXIT
# shellcheck source=tests/support/ramz.sh
. "$(dirname "$0")/../support/ramz.sh"

XDG_RUNTIME_DIR=$dir/run
export XDG_RUNTIME_DIR
mkdir -m 700 "$dir/run" "$dir/answers" "$dir/bin"
sockets=$dir/run/ramz

gone() { # gone PROCESS: wait for its end, up to 20 s
	for _ in $(seq 1000); do
		kill -0 "$1" 2>/dev/null || return 0
		# Ended with all its threads, though nobody has taken note of it.
		grep -qs ') Z' "/proc/$1/stat" && [ "$(ls "/proc/$1/task" | wc -l)" -le 1 ] && return 0
		sleep 0.02
	done
	fail "process $1 did not end"
}

stop() { # stop NAME [SIGNAL]: end its server
	process=$(cat "$sockets/$1.pid")
	kill ${2-} "$process" && gone "$process"
}

twins() { # twins ARGUMENT...: two servers of one name at once: one wins, the other names it
	"$ramz" serve --name twin "$@" >"$dir/twin1" 2>&1 &
	first=$!
	"$ramz" serve --name twin "$@" >"$dir/twin2" 2>&1 &
	second=$!
	won=0
	wait $first && won=$((won + 1))
	wait $second && won=$((won + 1))
	[ $won -eq 1 ] || fail "round $round: $won of two servers of one name won"
	cat "$dir/twin1" "$dir/twin2" | grep -q "'twin' is served already: .* end its server (kill [0-9]" ||
		fail "round $round: the loser said $(cat "$dir/twin1" "$dir/twin2")"
}

# ---- the real nbdkit ------------------------------------------------------------------

if [ -n "$plugin" ]; then
	command -v nbdkit >/dev/null || {
		echo "skipped: there is no nbdkit (Debian: apt-get install nbdkit)"
		exit 77
	}
	# What is wrong with a parameter only the plugin says, and the user sees it.
	wrong() { # wrong PATTERN ARGUMENT...
		said=$1
		shift
		complains 1 'nbdkit did not start; see its message above' serve --plugin "$plugin" "$@"
		grep -Eq -- "^nbdkit: error: $said" "$dir/err" || fail "serve $*: $(cat "$dir/err")"
		[ ! -e "$sockets/ramz.pid" ] || fail "serve $*: the process's file is left"
	}
	wrong 'memlimit=: the ramz plugin has no such parameter; it has .* hard-limit' memlimit=1G
	wrong 'size=2G: size= is given twice; give it once' 1G 2G
	wrong 'size=0: give a size above 0' 0
	wrong 'hard-limit=1X: .*a size is a number' 1G hard-limit=1X
	wrong 'hard-limit= of 4096 bytes .*: the least that works is hard-limit=[0-9]' 1G hard-limit=4K
	wrong 'soft-limit= is above hard-limit=' 1G soft-limit=2G hard-limit=1G
	wrong 'codec=deflate: there is no such codec; there are lz4' codec=deflate
	wrong 'codec=lz4:99: levels of lz4 are' codec=lz4:99
	wrong 'page=2K: a page has 4K' page=2K
	wrong 'provider=disk: it is mmap, highmem or huge' provider=disk
	wrong 'save-every=x: give the minutes' --file f --save-every x
	wrong 'save-every=: there is no file=' --save-every 5
	wrong 'file=: a path is missing' --file ''
	wrong 'stats=/tmp/x: stats= is given twice' -- stats=/tmp/x
	# A message of nbdkit's own.
	complains 1 'nbdkit did not start' serve --plugin "$plugin" checksum=maybe

	file=$dir/disk.ramz
	runs serve 64M --plugin "$plugin" codec=lz4 hard-limit=32M --file "$file"
	says '^64 MiB in pages of 4 KiB, lz4 level 1; process [0-9]+, up 0:00:[0-9]+$'
	says "^disk +nbd\+unix:///\?socket=$sockets/ramz.nbd$"
	refused 1 "'ramz' is served already: .* end its server .kill [0-9]+" serve 64M --plugin "$plugin"
	runs serve 16M --plugin "$plugin" --name second codec=none page=64K checksum=true dedup=true
	says '^16 MiB in pages of 64 KiB, none '
	refused 1 'several disks are served; say which with --name: ramz second' stat
	stop second
	runs stat
	says '^stored +0 pages'
	says '^hard limit +32 MiB'
	if command -v nbdcopy >/dev/null; then
		head -c 8388608 "$ramz" >"$dir/image" # a program, cut or not
		truncate -s 8M "$dir/image"
		nbdcopy "$dir/image" "nbd+unix:///?socket=$sockets/ramz.nbd" || fail 'nbdcopy in'
		runs stat
		says '^stored +[1-9][0-9]* pages'
		says '^written +[1-9][0-9]* pages +0 failed; p50 '
		runs stat --zram
		says '^mm_stat +[1-9][0-9]* +[1-9]'
	fi
	runs stat --json
	says '"format": 1'
	runs limit --soft 8M --hard none
	says '^soft 8 MiB, hard none$'
	runs limit --hard 24M
	says '^soft 8 MiB, hard 24 MiB$'
	refused 1 'the soft limit, .* is above the hard one' limit --soft 1G
	runs codec zstd 2>/dev/null
	runs codec lz4:-5
	says '^lz4 level -5$'
	runs codec
	says '^lz4 level -5$'
	refused 1 'codec deflate: there is no such codec; there are lz4' codec deflate
	refused 1 'codec lz4:99: levels of lz4 are' codec lz4:99
	runs compact 64K
	says '^moved '
	runs compact
	runs trim
	says '^gave back '
	runs state
	if command -v nbdcopy >/dev/null; then
		says '^ +0  (same|compressed|raw) '
		runs stat --zram
		stored=$(awk '/^mm_stat/ { print $2 / 4096 }' "$dir/out")
		runs state
		[ "$(wc -l <"$dir/out")" -eq "$stored" ] || fail "state: not the $stored pages stored"
		sort -u "$dir/out" | wc -l | grep -qx "$stored" || fail 'state: a page is told twice'
	fi
	runs stat --reset-peak
	runs save "$dir/copy.ramz"
	says "^saved to $dir/copy.ramz, "
	[ -s "$dir/copy.ramz" ] || fail 'save: no file'
	runs save
	says "^saved to $file, "
	refused 1 'No such file' save "$dir/no/such"
	if command -v qemu-io >/dev/null; then # somebody is connected: not emptied below him
		mkfifo "$dir/io"
		qemu-io -f raw "nbd+unix:///?socket=$sockets/ramz.nbd" <"$dir/io" >/dev/null 2>&1 &
		io=$!
		exec 9>"$dir/io"
		for _ in $(seq 500); do
			runs stat
			grep -Eq '^clients +[1-9]' "$dir/out" && break
			sleep 0.02
		done
		refused 1 'reset: 1 client is connected, .*ramz reset --force' reset --yes
		runs stat
		command -v nbdcopy >/dev/null && says '^stored +[1-9]'
		exec 9>&-
		wait $io
	fi
	stop ramz
	[ -s "$file" ] || fail 'the file was not saved at the end'
	runs serve --plugin "$plugin" --file "$file"
	if command -v nbdcopy >/dev/null; then
		nbdcopy "nbd+unix:///?socket=$sockets/ramz.nbd" "$dir/back" || fail 'nbdcopy out'
		cmp -n 8388608 "$dir/image" "$dir/back" || fail 'contents did not come back'
	fi
	stop ramz -9
	refused 1 'nobody listens on .*ramz.ctl' stat
	runs serve --plugin "$plugin" --file "$file" -- --threads=2
	stop ramz
	# Two at once, where a killed server left its sockets: one wins, the other names it.
	for round in 1 2 3 4 5 6 7 8 9 10; do
		twins 1M --plugin "$plugin"
		runs stat --name twin
		stop twin -9
	done

	# Ended and served again at once: refused, or waited for, and what was written last is there.
	if command -v nbdcopy >/dev/null; then
		run serve --plugin "$plugin" --file "$file"
		for turn in 1 2 3 4 5; do
			head -c 4096 /dev/urandom | dd of="$dir/image" conv=notrunc 2>/dev/null
			nbdcopy "$dir/image" "nbd+unix:///?socket=$sockets/ramz.nbd" || fail 'nbdcopy in'
			kill "$(cat "$sockets/ramz.pid")"
			for _ in $(seq 1000); do
				run serve --plugin "$plugin" --file "$file"
				grep -q 'is served already' "$dir/err" || break
				sleep 0.02
			done
			[ "$status" -eq 0 ] || fail "turn $turn: not served again: $(cat "$dir/err")"
			nbdcopy "nbd+unix:///?socket=$sockets/ramz.nbd" "$dir/back" || fail 'nbdcopy out'
			cmp -n 8388608 "$dir/image" "$dir/back" || fail "turn $turn: not what was written last"
		done
		stop ramz
	fi

	# In the foreground its status is nbdkit's, which is that of the last save.
	if command -v prlimit >/dev/null && command -v nbdcopy >/dev/null; then
		mkdir "$dir/fallback"
		for status in 0 1; do
			rm -f "$sockets/ramz.pid"
			"$ramz" serve --foreground --plugin "$plugin" --file "$file" --save-every 60 \
				save-fallback="$dir/fallback" >/dev/null 2>"$dir/err" &
			server=$!
			for _ in $(seq 1000); do
				"$ramz" stat >/dev/null 2>&1 && break
				sleep 0.02
			done
			nbdcopy "$dir/image" "nbd+unix:///?socket=$sockets/ramz.nbd" || fail 'nbdcopy in'
			[ "$status" -eq 0 ] || prlimit --pid "$server" --fsize=1000:unlimited
			kill "$server"
			wait "$server"
			[ $? -eq "$status" ] || fail "serve --foreground: not status $status"
		done
		grep -q "all of the disk is in $dir/fallback/disk.ramz" "$dir/err" ||
			fail "a save that failed: $(cat "$dir/err")"
	fi
	# On a port with keys only those come in who have one.
	if command -v psktool >/dev/null && command -v nbdinfo >/dev/null && nbdkit --dump-config |
		grep -q '^tls=yes'; then
		for who in alice eve; do
			psktool -u $who -p "$dir/$who" >/dev/null 2>&1 && chmod 600 "$dir/$who" || fail psktool
		done
		port=$((20000 + $$ % 10000))
		runs serve 16M --plugin "$plugin" --name keys --port $port --tls-psk "$dir/alice"
		uri=$(sed -n 's/^disk *//p' "$dir/out")
		[ "$(nbdinfo --size "$uri")" = 16777216 ] || fail "no disk at $uri"
		nbdinfo "nbd://localhost:$port" >/dev/null 2>&1 && fail 'somebody without a key came in'
		nbdinfo "nbds://eve@localhost:$port/?tls-psk-file=$dir/eve" >/dev/null 2>&1 &&
			fail 'somebody with another key came in'
		stop keys
	fi

	head -c 1000 "$file" >"$dir/torn.ramz"
	complains 1 'nbdkit did not start; see its message above' serve --plugin "$plugin" --file "$dir/torn.ramz"
	[ "$(wc -c <"$dir/torn.ramz")" -eq 1000 ] || fail 'a damaged file was changed'
	runs serve --plugin "$plugin" --file "$file"
	runs reset --yes
	says '^emptied; held '
	runs stat
	says '^stored +0 pages'
	stop ramz
	runs serve --plugin "$plugin" --file "$file" # emptied is what was saved
	runs stat
	says '^stored +0 pages'
	stop ramz
	finish
fi

# ---- a stand-in for nbdkit --------------------------------------------------------------

cat >"$dir/bin/nbdkit" <<END
#!/bin/sh
printf '%s\n' "\$@" >"$dir/line"
read -r mode <"$dir/mode"
for word in "\$@"; do
	case \$word in
	--pidfile=*) pidfile=\${word#*=} ;;
	stats=*) stats=\${word#*=} ;;
	--foreground) echo foreground; exit 7 ;;
	esac
done
case \$mode in
refuse) echo "nbdkit: error: because" >&2; exit 1 ;;
signal) kill -KILL \$\$ ;;
vanish) exit 0 ;;
slow) sleep 1000 & echo \$! >"\$pidfile"; exit 0 ;;
load) head -c 4096 "$dir/big" >/dev/null; sleep 1.6 ;;
die) sleep 1000 & echo \$! >"\$pidfile"; ( sleep 0.2; kill \$! ) & exit 0 ;;
esac
"$fake" "\$stats" "$dir/answers" >"\$pidfile"
END
chmod +x "$dir/bin/nbdkit"
PATH=$dir/bin:$PATH
echo work >"$dir/mode"
printf '%s\n' '{"ok": true, "format": 1, "pid": 4711, "codec": "lz4", "level": 1, "uptime_seconds": 0,
"stats": {"size_bytes": 1073741824, "page_bytes": 4096}}' | tr -d '\n' >"$dir/answers/stat"
echo >>"$dir/answers/stat"

ran() { # ran WORD...: nbdkit's command line has these words, in this order
	for word in "$@"; do
		echo "$word"
	done >"$dir/want"
	grep -Fx -f "$dir/want" "$dir/line" | cmp -s - "$dir/want" ||
		fail "nbdkit was run as: $(tr '\n' ' ' <"$dir/line"), without: $*"
}

ran_without() { # ran_without PATTERN
	if grep -Eq -- "$1" "$dir/line"; then fail "nbdkit was run with $1"; fi
}

runs serve --help
says '^Usage: ramz serve '
awk 'length($0) > 90 { exit 1 }' "$dir/out" || fail "serve --help: a line of more than 90 columns"

# ---- mistakes on the command line ----

refused 2 'ramz serve has no option --frobnicate' serve --frobnicate
refused 2 'option --file needs a value' serve --file
for port in 0 65536 x; do
	refused 2 "--port N is a whole number from 1 to 65535, not '$port'" serve --port "$port"
done
refused 2 "'a b' cannot be a disk's name" serve --name 'a b'
refused 2 '--name and --socket are two ways to say which disk' serve --socket s --name n
refused 2 '--tls-psk is for a disk on a port: give --port N too' serve --tls-psk keys
[ -e "$sockets" ] && fail 'a mistake made the directory'
[ -e "$dir/line" ] && fail 'a mistake ran nbdkit'

# ---- nbdkit, the plugin, the file ----

env PATH=/nonexistent "$ramz" serve >"$dir/out" 2>"$dir/err" && fail 'served without nbdkit'
[ "$(cat "$dir/err")" = 'ramz: cannot run nbdkit, which serves the disk: No such file or directory: install it (Debian: apt-get install nbdkit)' ] ||
	fail "without nbdkit: $(cat "$dir/err")"
[ ! -e "$sockets/ramz.pid" ] || fail 'a server that did not start left its number'
cp "$ramz" "$dir/ramz" # away from the build tree, so no plugin is beside it
built=$ramz
ramz=$dir/ramz
runs serve
ran ramz # nbdkit looks for it
stop ramz
: >"$dir/nbdkit-ramz-plugin.so"
runs serve
ran "$dir/nbdkit-ramz-plugin.so"
stop ramz
ramz=$built
(cd "$dir" && "$ramz" serve --plugin my.so >/dev/null) || fail 'a relative plugin'
ran "$dir/my.so"
stop ramz
echo refuse >"$dir/mode"
complains 1 'nbdkit did not start; see its message above' serve
grep -qx 'nbdkit: error: because' "$dir/err" || fail "nbdkit's message is lost"
echo signal >"$dir/mode"
complains 1 'nbdkit ended by signal 9' serve
echo vanish >"$dir/mode"
refused 1 'nbdkit ended again at once; ramz serve --foreground shows why' serve
echo die >"$dir/mode"
refused 1 'nbdkit ended again at once' serve
echo slow >"$dir/mode"
refused 1 'the disk is not served after 1 s, so its server was told to end' serve --timeout 1
gone "$(cat "$sockets/ramz.pid")"
echo work >"$dir/mode"

# How much of the file is loaded, on a terminal and nowhere else.
head -c 102400 /dev/zero >"$dir/big"
echo load >"$dir/mode"
runs serve --file "$dir/big"
stop ramz
if command -v script >/dev/null; then
	script -qec "'$ramz' serve --file '$dir/big'" /dev/null </dev/null >"$dir/screen" 2>&1
	grep -Eq "loading $dir/big: [1-9][0-9.]* KiB of 100 KiB" "$dir/screen" || fail "loading: $(cat -v "$dir/screen")"
	[ ! -f "$sockets/ramz.pid" ] || kill "$(cat "$sockets/ramz.pid")"
	rm -f "$sockets/ramz.pid"
fi
echo work >"$dir/mode"

# ---- what nbdkit is told, and what the user is ----

runs serve
[ "$(stat -c %a "$sockets")" = 700 ] || fail "the directory's mode is not 700"
ran "--unix=$sockets/ramz.nbd" "--pidfile=$sockets/ramz.pid"
ran_without '^(size|file|save-every)='
ran_without '^--(foreground|port|ipaddr)'
says "^disk +nbd\+unix:///\?socket=$sockets/ramz.nbd$"
says "^  nbd-client -unix $sockets/ramz.nbd /dev/nbd0$"
says "^  mkdir -p $sockets/ramz.mnt && nbdfuse $sockets/ramz.mnt/disk 'nbd\+unix:///.socket=$sockets/ramz.nbd' &$"
says "^    until \[ -e $sockets/ramz.mnt/disk \]; do sleep 1; done; losetup -f --show $sockets/ramz.mnt/disk$"
says "^  qemu-system-x86_64 -drive 'file=nbd\+unix:///\?socket=$sockets/ramz.nbd,format=raw' "
says "^  kill $(cat "$sockets/ramz.pid")$"
ran "stats=$sockets/ramz.ctl"
says '^1 GiB in pages of 4 KiB, lz4 level 1; process 4711, up 0:00:00$'
says "^control +$sockets/ramz.ctl$"
says '^  ramz stat$'
refused 1 "'ramz' is served already: give this disk another --name or --socket, or end its server .kill $(cat "$sockets/ramz.pid")." serve
runs serve --name other 1G
ran 1G
says '^  ramz stat --name other$'
stop ramz
stop other -9
runs serve --name other # what was left behind does not matter
stop other

# All that the plugin takes goes to it as it is.
(cd "$dir" && "$ramz" serve 2T --file disk.ramz codec=lz4:-5 --save-every 0.5 what=ever -- --threads=4 \
	--filter=delay rdelay=1 >/dev/null) || fail 'parameters'
ran "stats=$sockets/ramz.ctl" file=disk.ramz save-every=0.5 2T codec=lz4:-5 what=ever --threads=4 \
	--filter=delay rdelay=1
stop ramz
runs serve --port 10809
ran --ipaddr=127.0.0.1 --port=10809
ran_without '^--unix'
says '^disk +nbd://localhost:10809$'
says '^  nbd-client localhost 10809 /dev/nbd0$'
stop ramz

runs serve --port 10809 --socket "$dir/p" # the files beside it, as a service has them
ran --ipaddr=127.0.0.1 --port=10809 "--pidfile=$dir/p.ramz.pid" "stats=$dir/p.ctl"
ran_without '^--unix'
says '^disk +nbd://localhost:10809$'
says "^  ramz stat --socket $dir/p.ctl$"
kill "$(cat "$dir/p.ramz.pid")"

# ---- a port with keys ----

printf 'alice b:0a1B\n\nbob:cdef\n' >"$dir/its keys"
chmod 600 "$dir/its keys"
(cd "$dir" && "$ramz" serve --port 10809 --tls-psk 'its keys' >"$dir/out") || fail 'keys'
ran --ipaddr=127.0.0.1 --port=10809 --tls=require "--tls-psk=$dir/its keys"
uri="nbds://alice%20b@localhost:10809/?tls-psk-file=$dir/its%20keys"
grep -Fqx "disk     $uri" "$dir/out" || fail "not the disk $uri: $(cat "$dir/out")"
grep -Fq "nbdfuse $sockets/ramz.mnt/disk [ nbdkit --exit-with-parent nbd hostname=localhost port=10809 \
tls=require tls-username='alice b' tls-psk='$dir/its keys' ] &" "$dir/out" || fail "nbdfuse: $(cat "$dir/out")"
grep -Eq 'nbd-client|qemu' "$dir/out" && fail 'told to attach it with what cannot use the key'
stop ramz
rm "$dir/line"
bad_keys() { # bad_keys PATTERN TEXT
	printf "$2" >"$dir/its keys"
	refused 1 "$1" serve --port 10809 --tls-psk "$dir/its keys"
}
bad_keys 'line 2 of .*/its keys is not NAME:KEY with a key in hex.*: make it with psktool' 'a:00\nb'
bad_keys 'line 1 of .* is not NAME:KEY' ':00\n'
bad_keys 'line 1 of .* is not NAME:KEY' 'a:\n'
bad_keys 'line 1 of .* is not NAME:KEY' 'a:012\n'
bad_keys 'line 1 of .* is not NAME:KEY' 'a:0g\n'
bad_keys 'there is no key in .*/its keys: make it with psktool' '\n'
echo a:00 >"$dir/its keys"
for mode in 604 602 660; do
	chmod $mode "$dir/its keys"
	refused 1 'everybody may read .*its keys and so use the disk.*: chmod 600' serve --port 10809 --tls-psk "$dir/its keys"
done
chmod 440 "$dir/its keys"
runs serve --port 10809 --tls-psk "$dir/its keys"
stop ramz
rm "$dir/line"
refused 1 'cannot read the keys in .*/none: No such file' serve --port 10809 --tls-psk "$dir/none"
refused 1 'is not a regular file: give a file of keys' serve --port 10809 --tls-psk "$dir"
[ -e "$dir/line" ] && fail 'nbdkit was run with a bad file of keys'

# Any path, as a shell and as a URI have it.
mkdir "$dir/it's, here"
runs serve --socket "$dir/it's, here/d.nbd"
ran "--unix=$dir/it's, here/d.nbd" "--pidfile=$dir/it's, here/d.nbd.ramz.pid"
says "^disk +nbd\+unix:///\?socket=$dir/it%27s%2C%20here/d.nbd$"
says "^  nbd-client -unix '$dir/it'.''s, here/d.nbd' /dev/nbd0$"
mv "$dir/it's, here/d.nbd.ramz.pid" "$dir/d.pid"
ran "stats=$dir/it's, here/d.nbd.ctl"
says "^  ramz stat --socket '$dir/it'.''s, here/d.nbd.ctl'$"
refused 1 "'$dir/it's, here/d.nbd' is served already" serve --socket "$dir/it's, here/d.nbd"
if command -v python3 >/dev/null; then # a socket of another kind is not what a server left
	python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
time.sleep(60)' "$dir/other" &
	other=$!
	until [ -S "$dir/other" ]; do sleep 0.05; done
	refused 1 "$dir/other is there already .*give another --socket PATH" serve --socket "$dir/other"
	kill $other
	[ -S "$dir/other" ] || fail "another program's socket is gone"
fi
: >"$dir/file"
refused 1 "$dir/file is there already .*: give another --socket PATH" serve --socket "$dir/file"
refused 1 'is longer than 107 bytes: give a shorter --socket PATH' serve --socket \
	"$dir/$(awk 'BEGIN { for (i = 0; i < 107; i++) printf "x" }')"

# ---- the process's file: nothing of another program's is removed or written over ----

mkdir "$dir/x"
left_alone() { # left_alone PATH SUM: still what it was
	[ "$(ls -li "$1" && cat "$1")" = "$2" ] || fail "$1 was changed"
}
sleep 1000 &
other=$!
echo "$other" >"$dir/x/daemon.pid"
was=$(ls -li "$dir/x/daemon.pid" && cat "$dir/x/daemon.pid")
runs serve --socket "$dir/x/daemon"
left_alone "$dir/x/daemon.pid" "$was"
cp "$dir/x/daemon.ramz.pid" "$dir/x.pid"
refused 1 "served already: .* end its server .kill $(cat "$dir/x.pid")." serve --socket "$dir/x/daemon"
kill "$(cat "$dir/x.pid")" && gone "$(cat "$dir/x.pid")"
echo hello >"$dir/x/text.ramz.pid"
echo "$other" >"$dir/x/live.ramz.pid"
echo 12345 >"$dir/x/target"
ln -s target "$dir/x/link.ramz.pid"
echo 12345 >"$dir/x/hard.ramz.pid"
ln "$dir/x/hard.ramz.pid" "$dir/x/hard2"
mkfifo "$dir/x/fifo.ramz.pid"
mkdir "$dir/x/directory.ramz.pid"
for what in text live hard; do
	was=$(ls -li "$dir/x/$what.ramz.pid" && cat "$dir/x/$what.ramz.pid")
	run serve --socket "$dir/x/$what"
	[ "$status" -eq 1 ] || fail "served over $what.ramz.pid"
	grep -q "^ramz: $dir/x/$what.ramz.pid .*give another .*--socket" "$dir/err" ||
		fail "$what.ramz.pid: $(cat "$dir/err")"
	left_alone "$dir/x/$what.ramz.pid" "$was"
done
refused 1 "live.ramz.pid names process $other, which is no server of a disk" serve --socket "$dir/x/live"
refused 1 'link.ramz.pid: .*give another' serve --socket "$dir/x/link"
[ "$(cat "$dir/x/target")" = 12345 ] || fail 'the file behind a link was written'
refused 1 'fifo.ramz.pid.*give another' serve --socket "$dir/x/fifo"
refused 1 'directory.ramz.pid.*give another' serve --socket "$dir/x/directory"
kill "$other"
wait "$other" 2>/dev/null
runs serve --socket "$dir/x/live" # the number of nobody
cp "$dir/x/live.ramz.pid" "$dir/x.pid"
kill "$(cat "$dir/x.pid")" && gone "$(cat "$dir/x.pid")"
# A number that a process has got since is not that process's file.
touch -d '2001-01-01' "$dir/x/old"
echo $$ >"$dir/x/reused.ramz.pid"
touch -r "$dir/x/old" "$dir/x/reused.ramz.pid"
runs serve --socket "$dir/x/reused"
cp "$dir/x/reused.ramz.pid" "$dir/x.pid"
kill "$(cat "$dir/x.pid")" && gone "$(cat "$dir/x.pid")"
echo $$ >"$sockets/ramz.pid" # in the disks' own directory nobody else's number is
runs serve
stop ramz
echo refuse >"$dir/mode"
complains 1 'nbdkit did not start' serve
[ ! -e "$sockets/ramz.pid" ] || fail 'a server that did not start left its number'
echo work >"$dir/mode"

# ---- two at once: one wins, the other one names it ----

for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	twins
	stop twin -9
done

run serve --foreground
[ "$status" -eq 7 ] || fail "--foreground: nbdkit's exit status is not the command's"
says '^foreground$'
says '^To attach it'
ran --foreground

# ---- the directory ----

XDG_RUNTIME_DIR=$dir/none refused 1 "cannot make $dir/none/ramz for the sockets: No such file.*set XDG_RUNTIME_DIR" serve
chmod 755 "$sockets"
refused 1 "$sockets is not a directory of yours alone .chmod 700.: make it so" serve
chmod 700 "$sockets"

finish
