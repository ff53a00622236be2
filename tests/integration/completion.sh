#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# completion.sh RAMZ XVFRAG: completion of both in zsh and fish, where these are; ramz_cli.sh and
# xvfrag_cli.sh have bash.
ramz=${1:?usage: completion.sh RAMZ XVFRAG}
xvfrag=${2:?usage: completion.sh RAMZ XVFRAG}
sources=$(cd "$(dirname "$0")/../../src/cli/completion" && pwd) || exit 1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0
shells=0

mkdir "$dir/bin" "$dir/files"
ln -s "$(realpath "$ramz")" "$dir/bin/ramz" && ln -s "$(realpath "$xvfrag")" "$dir/bin/xvfrag" || exit 1
: >"$dir/files/input"

fish_offers() { # fish_offers LINE: what stands for its last word, a line each
	cp "$sources/completion.fish" "$dir/${1%% *}.fish" || return
	# shellcheck disable=SC2016
	HOME=$dir fish -N -c 'source $argv[1]; complete -C $argv[2]' "$dir/${1%% *}.fish" "$1" |
		sed 's/\t.*//'
}

# zsh completes in a terminal alone: its own functions are replaced by ones that print the choices.
zsh_offers() {
	# shellcheck disable=SC2016
	zsh -f -c '
		_describe() { print -rl -- ${${(P)2}%%:*} }
		_files() { print -rl -- *(N) }
		completes() { source $1 }
		service=${2%% *}
		words=(${(s: :)2})
		[[ $2 != *" " ]] || words+=("")
		CURRENT=$#words
		completes $1 | sed -n "/^${words[CURRENT]}/p"' zsh "$sources/completion.zsh" "$1"
}

offers() { # offers LINE WORD...: each shell has these words for the last one
	line=$1
	shift
	for shell in fish zsh; do
		command -v $shell >/dev/null || continue
		shells=$((shells + 1))
		got=$(cd "$dir/files" && PATH="$dir/bin:$PATH" "${shell}_offers" "$line" 2>&1 | sort | paste -sd' ' -)
		[ "$got" = "$*" ] || {
			echo "FAILED: $shell: '$line': '$got', not '$*'"
			failures=$((failures + 1))
		}
	done
}

offers 'ramz s' save serve snapshot stat state
offers 'ramz serve --f' --file --foreground
offers 'ramz reset --' --force --help --name --socket --timeout --yes
offers 'ramz serve --file inp' input
offers 'ramz nothing --'
offers 'xvfrag --ma' --map --max-input
offers 'xvfrag --allocator tlsf --v' --version
offers 'xvfrag inp' input

if [ "$shells" -eq 0 ]; then
	echo "skipped: neither fish nor zsh"
	exit 77
fi
[ "$failures" -eq 0 ]
