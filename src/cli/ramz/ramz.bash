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
		[[ $socket == /* && -S $socket ]] && basename "$socket" .ctl
	done
}

_ramz_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_ramz_words() { # _ramz_words WORD CHOICES
	mapfile -t COMPREPLY < <(compgen -W "$2" -- "$1")
}

_ramz() {
	local ramz=${COMP_WORDS[0]} command=${COMP_WORDS[1]}
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	# bash cuts --option=value into three words.
	[[ $word == = ]] && word=
	[[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD - 2]}
	if ((COMP_CWORD == 1)); then
		_ramz_words "$word" "$("$ramz" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p') --help --version"
		return
	fi
	case $command:$before in
	*:--codec) _ramz_words "$word" 'lz4 lzo zstd none' ;;
	*:--name) _ramz_words "$word" "$(_ramz_names)" ;;
	*:--file | *:--tls-psk | *:--output | *:--socket | *:--plugin | estimate:--json) _ramz_files "$word" ;;
	*:--port | *:--save-every | *:--timeout | *:--watch | *:--soft | *:--hard | *:--age | *:--min-bytes | *:--max-pages | *:--seconds | \
		*:--max-input) ;;
	*)
		if [[ $word == -* ]]; then
			_ramz_words "$word" "$("$ramz" "$command" --help 2>/dev/null |
				sed -n 's/^  \(-h, \)\{0,1\}\(--[a-z-]*\).*/\2/p')"
		elif [[ $command == codec ]]; then
			_ramz_words "$word" 'lz4 lzo zstd none'
		elif [[ $command == recompress ]]; then
			_ramz_words "$word" 'warm cold'
		elif [[ $command == save || $command == snapshot || $command == backing || $command == estimate ]]; then
			_ramz_files "$word"
		fi
		;;
	esac
}

complete -F _ramz ramz
