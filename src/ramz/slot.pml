/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * slot.pml: a model of one slot (slot.c, compact.c, object.c; the rules are in store_impl.h) for
 * spin: its entry with the lock bit, and hazard words.
 *
 * Proved, for two threads that each read the page or write a part of it, and compaction that moves
 * the object twice: nobody uses an object that is free or made anew; an object is freed once; no
 * write of a part is lost; in the end one object is left. The memory of a freed object is used
 * again at once, so a handle comes back for another object.
 *
 * The entry is a handle, and LOCK more while it is locked. Each step is one atomic instruction of
 * C11 in sequentially consistent order, as in the C code. Calls of the pool are under its lock,
 * which compaction has from the copy to the end of the owner's call. Objects that wait to be freed
 * are tried again until they are.
 *
 * mutants: NO_SECOND_LOOK NO_HAZARD_CHECK MOVES_PROTECTED NO_LOCK_BIT SWAP_WITHOUT_VIEW
 * mutants: FREES_BEFORE_SWAP FILLS_WITHOUT_LOCK
 */
#define OBJECTS 4 /* handles 1 .. 4; 0 is none */
#define LOCK 8
#define THREADS 2
#define MOVES 2
#define GARBAGE 9

byte entry = 1
byte hazard[THREADS]
byte uses[THREADS] /* the object that a thread has protected: nothing in C */
bool live[OBJECTS + 1]
byte content[OBJECTS + 1]
bool pool_locked
byte writes
byte done

inline pool_malloc(h)
{
	if
	:: !live[1] -> h = 1
	:: !live[2] -> h = 2
	:: !live[3] -> h = 3
	:: !live[4] -> h = 4
	fi;
	live[h] = true
}

inline pool_free(h)
{
	assert(live[h] && uses[0] != h && uses[1] != h);
	live[h] = false;
	content[h] = GARBAGE
}

inline view_drop()
{
	atomic { uses[me] = 0; hazard[me] = 0 }
}

/* rzi_view_take */
inline view_take()
{
	do
	:: h = entry;
		if
		:: h >= LOCK
		:: else ->
			hazard[me] = h;
#ifdef NO_SECOND_LOOK
			uses[me] = h;
			break
#else
			if
			:: atomic { entry == h -> uses[me] = h }; break
			:: else -> hazard[me] = 0
			fi
#endif
		fi
	od
}

/* Each reads the page, or adds 1 to what it has: the read, the change and the swap of a write of a
 * part. */
proctype thread(byte me)
{
	byte h, value, made;
	bool replaced;

again:
	view_take();
	assert(live[h] && content[h] <= 2);
	value = content[h] + 1;
	if
	:: view_drop(); goto end /* a read */
	:: skip
	fi;
#ifdef SWAP_WITHOUT_VIEW
	view_drop();
#endif
	atomic { !pool_locked -> pool_malloc(made) };
#ifdef FILLS_WITHOUT_LOCK
	content[made] = value;
#else
	atomic { !pool_locked -> content[made] = value }; /* xv_write */
#endif
	value = 0;
#ifdef FREES_BEFORE_SWAP
	view_drop();
	atomic { !pool_locked -> pool_free(h) };
#endif
	/* slot_replace */
	do
	:: atomic { entry == h -> entry = made; writes++ }; replaced = true; break
	:: entry != h && entry != h + LOCK -> replaced = false; break
	od;
	view_drop();
	if
	:: replaced
	:: else ->
		atomic { !pool_locked -> pool_free(made); made = 0; h = 0 };
		goto again
	fi;
	made = 0;
	replaced = false;
	/* rzi_object_free, now or later: one hazard word after the other */
#ifndef FREES_BEFORE_SWAP
#ifndef NO_HAZARD_CHECK
	do
	:: hazard[0] != h ->
		if
		:: hazard[1] != h -> break
		:: else
		fi
	od;
#endif
	atomic { !pool_locked -> pool_free(h) };
#endif
end:
	atomic { h = 0; value = 0; done++ }
}

/* block_move, and compact_relocated: the pool's lock is taken. */
inline move()
{
	atomic {
		if
		:: live[1] -> from = 1
		:: live[2] -> from = 2
		:: live[3] -> from = 3
		:: live[4] -> from = 4
		fi;
		pool_malloc(to);
		content[to] = content[from]
	};
	refused = (entry != from);
#ifdef NO_LOCK_BIT
	refused = refused || hazard[0] == from;
	refused = refused || hazard[1] == from;
	if
	:: atomic { !refused && entry == from -> entry = to }
	:: else -> refused = true
	fi;
#else
	if
	:: refused
	:: else ->
		if
		:: atomic { entry == from -> entry = from + LOCK }
		:: else -> refused = true
		fi
	fi;
	if
	:: refused
	:: else ->
#ifndef MOVES_PROTECTED
		refused = (hazard[0] == from);
		refused = refused || (hazard[1] == from);
#endif
		if
		:: refused -> entry = from
		:: else -> entry = to
		fi
	fi;
#endif
	atomic {
		if
		:: refused -> pool_free(to)
		:: else -> pool_free(from)
		fi;
		from = 0;
		to = 0;
		refused = false
	}
}

proctype compaction()
{
	byte from, to, turns;
	bool refused;

	do
	:: turns < MOVES ->
		atomic { !pool_locked -> pool_locked = true; turns++ };
		if
		:: live[1] && live[2] && live[3] && live[4] /* no hole fits */
		:: else -> move()
		fi;
		pool_locked = false
	:: else -> break
	od;
	done++
}

/* When all are done. */
proctype end_check()
{
	done == THREADS + 1;
	assert(entry < LOCK && live[entry] && content[entry] == writes);
	assert(live[1] + live[2] + live[3] + live[4] == 1)
}

init {
	atomic {
		live[1] = true;
		run thread(0);
		run thread(1);
		run compaction();
		run end_check()
	}
}
