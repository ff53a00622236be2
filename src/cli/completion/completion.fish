# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Completion of ramz and xvfrag in fish: commands and options, as their own --help lists them. It is
# installed under the name of each, by which it knows which one is meant.

function __xvmalloc_commands --description 'ramz: its commands'
    set -l words (commandline -opc)
    $words[1] --help 2>/dev/null | string replace -rf '^  ([a-z]+)  +' '$1\t'
end

function __xvmalloc_options --argument-names count --description 'options of the first COUNT words'
    set -l words (commandline -opc)
    set -l command $words[1..$count]
    $command --help 2>/dev/null |
        string replace -rf '^  (?:-h, )?(--[a-z-]+)(?: [A-Z]+)?  +' '$1\t'
end

switch (status basename)
    case ramz.fish
        complete -c ramz -n __fish_use_subcommand -f -a '(__xvmalloc_commands)'
        complete -c ramz -n 'not __fish_use_subcommand' -a '(__xvmalloc_options 2)'
    case xvfrag.fish
        complete -c xvfrag -a '(__xvmalloc_options 1)'
end
