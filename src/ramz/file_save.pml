/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file_save.pml: a model of one save (file_save.c, rule L10 of file_impl.h) for spin: the system
 * may stop between any two steps, and have written what it likes of what was not synchronised.
 *
 * Proved: after a stop the name leads to the old file or the new one, whole; to the new one if the
 * save told success; to the old one if it never gave the name. If there was no file, an empty one
 * may be there instead of the old one. A save that failed before the rename leaves no temporary, if
 * the system goes on.
 *
 * The disk: each half of the new file, and the directory, has a form in memory and one on the disk.
 * The system may write any of them at any time, in any order; fsync writes one of them and waits.
 *
 * mutants: NO_FSYNC RENAME_BEFORE_FSYNC NO_DIRECTORY_FSYNC WRITE_IN_PLACE FAILED_WRITE_IS_KEPT
 */
mtype = { NOTHING, OLD, EMPTY, NEW } /* what the name leads to */

bool half[2]      /* of the new file: in memory */
bool half_disk[2] /* on the disk */
mtype name = NOTHING
mtype name_disk = NOTHING
mtype before = NOTHING /* what the save began with */
bool temporary
bool told_success
bool renamed
bool ended
bool stopped

/* The system writes what it likes. */
active proctype disk()
{
end:
	do
	:: !stopped && half[0] -> half_disk[0] = true
	:: !stopped && half[1] -> half_disk[1] = true
	:: atomic { !stopped && name_disk != name -> name_disk = name }
	:: stopped -> break
	od
}

/* The power goes at any moment, or never. */
active proctype power()
{
	if
	:: skip -> goto done
	:: atomic {
		stopped = true;
		assert(name_disk != NEW || (half_disk[0] && half_disk[1]));
		assert(!told_success || name_disk == NEW);
		assert(renamed || name_disk == before || (before == NOTHING && name_disk == EMPTY))
	   }
	fi;
done:
	skip
}

inline write_half(i)
{
	if
	:: half[i] = true
	:: failed = true /* no room, or an error */
	fi
}

inline fsync_file()
{
#ifdef NO_FSYNC
	skip
#else
	if
	:: atomic {
		half_disk[0] = half[0];
		half_disk[1] = half[1]
	   }
	:: failed = true
	fi
#endif
}

inline rename_to_name()
{
	if
	:: atomic {
		name = NEW;
		temporary = false;
		renamed = true
	   }
	:: failed = true
	fi
}

proctype save()
{
	bool failed;

	temporary = true;
#ifdef WRITE_IN_PLACE
	rename_to_name();
#endif
	write_half(0);
	if
	:: !failed -> write_half(1)
	:: else
	fi;
#ifdef FAILED_WRITE_IS_KEPT
	failed = false;
#endif
#ifdef RENAME_BEFORE_FSYNC
	if
	:: !failed -> rename_to_name(); fsync_file()
	:: else
	fi;
#else
	if
	:: !failed -> fsync_file()
	:: else
	fi;
#ifndef WRITE_IN_PLACE
	if
	:: !failed -> rename_to_name()
	:: else
	fi;
#endif
#endif
	if
	:: failed -> temporary = false
	:: else ->
#ifndef NO_DIRECTORY_FSYNC
		if
		:: name_disk = name
		:: failed = true /* told, though the file has the name */
		fi;
#endif
		told_success = !failed
	fi;
	assert(!temporary);
	ended = true
}

init {
	if
	:: atomic { name = OLD; name_disk = OLD; before = OLD }
	:: name = EMPTY /* made by the save's lock, and perhaps not on the disk */
	fi;
	run save()
}
