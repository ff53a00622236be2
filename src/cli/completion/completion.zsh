#compdef ramz xvfrag
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Completion of ramz and xvfrag in zsh: commands and options, as their own --help lists them.

local -a command=($words[1]) choices

if [[ $service == ramz ]]; then
	if ((CURRENT == 2)); then
		choices=(${(f)"$($command --help | sed -n 's/^  \([a-z][a-z]*\)  */\1:/p')"})
		_describe command choices
		return
	fi
	command+=($words[2])
fi
if [[ $words[CURRENT] != -* ]]; then
	_files
	return
fi
choices=(${(f)"$($command --help 2>/dev/null |
	sed -n 's/^  \(-h, \)\{0,1\}\(--[a-z-]*\)\( [A-Z][A-Z]*\)\{0,1\}  */\2:/p')"})
_describe option choices
