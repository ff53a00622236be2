#!/usr/bin/perl
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# heap.pl BYTES DIRECTORY...: a program with a heap, whose pages and use of malloc are measured.
#
# Reads text files below the directories, in the order of their names, up to BYTES of lines, and
# keeps every line, the lines of each file, and how often each word was seen. Then it says "ready"
# and waits until its input ends.
use strict;
use warnings;

my $most = shift;
my (%words, @lines, %files);
my $bytes = 0;

sub keep_file {
	my $path = shift;
	open my $in, '<', $path or return;
	while (my $line = <$in>) {
		chomp $line;
		$bytes += length $line;
		push @lines, $line;
		push @{$files{$path}}, $#lines;
		$words{$_}++ for $line =~ /\w+/g;
	}
}

sub keep_directory {
	my $path = shift;
	opendir my $dir, $path or return;
	for my $name (sort grep { !/^\./ } readdir $dir) {
		my $entry = "$path/$name";
		last if $bytes > $most;
		next if -l $entry;
		keep_directory($entry) if -d $entry;
		keep_file($entry) if -f $entry && -T $entry;
	}
}

keep_directory($_) for @ARGV;
$| = 1;
print "ready\n";
<STDIN>;
