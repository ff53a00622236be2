# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Completion of xvfrag in bash. Options are those that xvfrag --help lists, allocators those of
# xvfrag --list. Needs nothing but bash; compopt, where there is one.

_xvfrag() {
	local xvfrag=${COMP_WORDS[0]} choices=
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	# bash cuts --option=value into three words.
	[[ $word == = ]] && word=
	[[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD - 2]}
	case $before in
	--allocator) choices=$("$xvfrag" --list | sed -n 's/^  \([a-z][a-z-]*\)  *[^ ].*/\1/p') ;;
	--codec) choices='lz4 lzo zstd none' ;;
	--threads | --max-input | --objects | --seed | --timeout) return ;;
	*)
		if [[ $word == -* ]]; then
			choices=$("$xvfrag" --help | sed -n 's/^  \(-h, \)\{0,1\}\(--[a-z-]*\).*/\2/p')
		else
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$word")
			return
		fi
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

complete -F _xvfrag xvfrag
