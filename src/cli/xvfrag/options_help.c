/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * options_help.c: what --help prints. Keep it, options.c and xvfrag.1 in step.
 */
#include <stdio.h>

#include "options.h"

static const char options_help_use[] =
	"Usage: xvfrag [OPTION...] [INPUT...]\n"
	"Compare how much memory allocators hold for the same objects.\n"
	"\n"
	"The pages of INPUT are compressed, and their sizes drive a life cycle: fill, churn\n"
	"(each object overwritten 4 times on average), free50, refill, free90; an allocator\n"
	"that can compact does so after churn, free50 and free90. The table has a row for\n"
	"each allocator: held bytes / requested bytes at the end of each phase.\n"
	"\n"
	"INPUT\n"
	"  FILE, DIRECTORY       pages of files; default: the C library's directory, /usr/bin\n"
	"  pid:N                 anonymous pages of process N\n"
	"  --sizes FILE          instead: object sizes, one a line (0: no object)\n"
	"  --trace FILE          instead: operations, 'a ID SIZE' and 'f ID', or 'M SIZE' and\n"
	"                        'F INDEX'\n"
	"  --max-input BYTES     most of each INPUT, spread evenly over it (64M)\n"
	"  --objects N           so many objects: a sample, or the input repeated\n"
	"\n";

static const char options_help_run[] =
	"RUN\n"
	"  --allocator LIST      names from --list, or plugin:PATH; comma-separated (all);\n"
	"                        xvmalloc:shards=1:lock=spin sets what is named\n"
	"  --threads N           at once, 1 to 64, the objects dealt out among them (1)\n"
	"  --cross               objects are freed by another thread than made them\n"
	"  --codec NAME          lz4, lzo, zstd or none, where built in (lz4)\n"
	"  --level N             of the codec (its default)\n"
	"  --seed N              of everything random (1)\n"
	"  --timeout SECONDS     for one allocator on one input (300)\n"
	"\n"
	"OUTPUT\n"
	"  --json FILE           results as JSON; - is standard output, without the table\n"
	"  --csv[=FILE]          the same as CSV; without FILE to standard output\n"
	"  --plot DIR            SVG plots, through gnuplot\n"
	"  --frontier FILE       overhead against time, who is on the frontier, and xvmalloc\n"
	"                        at several settings of its knob; FILE.png, .svg or .dat\n"
	"  --record FILE         the sizes of INPUT's pages, in the form --sizes reads\n"
	"  --quiet               no progress and no notes\n"
	"  --list                allocators and codecs, and whether they can run here\n"
	"  -h, --help            this\n"
	"  -V, --version         version\n"
	"\n"
	"Exit status: 0, 1 when the run could not be done, 2 when the command line is wrong.\n"
	"See xvfrag(1) for what each number means.\n";

void xvf_options_help(void)
{
	fputs(options_help_use, stdout);
	fputs(options_help_run, stdout);
}
