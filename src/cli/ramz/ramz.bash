# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Completion of the command ramz in bash. Options are those that the command's own --help
# lists, names those of the disks that are served. Needs nothing but bash; compopt, where
# there is one.

# Names of served disks: of the control sockets in the directories of ramz(1).
_ramz_names() {
	local socket
	for socket in "${XDG_RUNTIME_DIR:+$XDG_RUNTIME_DIR/ramz/}"*.ctl \
		/run/ramz/*.ctl "/tmp/ramz-$EUID/"*.ctl; do
		[[ $socket == /* && -S $socket ]] || continue
		socket=${socket##*/}
		echo "${socket%.ctl}"
	done
}

# _ramz_options [COMMAND]: its long options.
_ramz_options() {
	"${COMP_WORDS[0]}" "$@" --help 2>/dev/null |
		sed -n 's/^  \(-h, \)\{0,1\}\(--[a-z-]*\).*/\2/p'
}

_ramz_commands() {
	"${COMP_WORDS[0]}" --help 2>/dev/null | sed -n '/^COMMAND/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

_ramz_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_ramz_words() { # _ramz_words WORD CHOICES
	mapfile -t COMPREPLY < <(compgen -W "$2" -- "$1")
}

# _ramz_value OPTION WORD: complete its value; false where it takes none.
_ramz_value() {
	case $1 in
	--codec) _ramz_words "$2" 'lz4 lzo zstd none' ;;
	--provider) _ramz_words "$2" 'mmap highmem huge' ;;
	--page) _ramz_words "$2" '4K 8K 16K 32K 64K' ;;
	--soft | --hard) _ramz_words "$2" 'none' ;;
	--name) _ramz_words "$2" "$(_ramz_names)" ;;
	--file | --socket | --plugin) _ramz_files "$2" ;;
	--json) # a value, or a form of stat and of state
		[[ ${COMP_WORDS[1]} != stat* ]] && _ramz_files "$2"
		;;
	--level | --memlimit | --softlimit | --port | --seconds | --max-input | --watch | --count | --timeout) COMPREPLY=() ;;
	*) return 1 ;;
	esac
}

_ramz() {
	local word=${COMP_WORDS[COMP_CWORD]}
	local before=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	# bash cuts --option=value into three words.
	[[ $word == = ]] && word=
	[[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD - 2]}
	if ((COMP_CWORD == 1)); then
		_ramz_words "$word" "$(_ramz_commands) help --help --version"
	elif _ramz_value "$before" "$word"; then
		return
	elif [[ $word == -* ]]; then
		_ramz_words "$word" "$(_ramz_options "${COMP_WORDS[1]}")"
	else
		case ${COMP_WORDS[1]} in
		codec) _ramz_words "$word" 'lz4 lzo zstd none' ;;
		help) ((COMP_CWORD == 2)) && _ramz_words "$word" "$(_ramz_commands)" ;;
		save | estimate) _ramz_files "$word" ;;
		esac
	fi
}

complete -F _ramz ramz
