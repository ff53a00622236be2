/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * mailbox.pml: a model of the mailbox of a shard (shard.c) for spin: threads leave handles there
 * while the shard's lock is taken, and others free them under the lock.
 *
 * Proved, for two threads that free two objects and one, and a third that allocates all the time, with 3 places
 * and 2 tries: an object is freed at most once, and under the lock; a place is given to one handle;
 * a handle that was left is freed in the end, if the shard's threads go on (weak fairness).
 *
 * The model leaves out the count `busy` (a thread may or may not look at the lock here) and the
 * page table. Names are those of the C code.
 *
 * checks: -f
 * mutants: PUT_IN_TWO_STEPS READ_WITHOUT_LOCK NO_SWEEP
 */
#define MAIL_HANDLES 3
#define MAIL_TRIES 2
#define MAIL_SWEEP_TURNS 3
#define SENDERS 2
#define OBJECTS 3 /* handles 1 .. 3; 0 is XV_NULL_HANDLE */

byte handle[MAIL_HANDLES]
byte next
byte mail_at
byte polls
bool locked
bool left[OBJECTS + 1]
bool freed[OBJECTS + 1]

inline lock_acquire()
{
	atomic { !locked -> locked = true }
}

inline lock_release()
{
	locked = false
}

inline object_free(h)
{
	assert(locked && !freed[h]);
	freed[h] = true
}

inline mail_read()
{
	turn = 0;
	do
	:: turn < MAIL_HANDLES ->
		atomic {
			got = handle[mail_at];
			handle[mail_at] = 0
		}
		if
		:: got == 0 -> break
		:: else
		fi;
		mail_at = (mail_at + 1) % MAIL_HANDLES;
		object_free(got);
		turn++
	:: else -> break
	od
}

inline mail_read_all()
{
	polls = 0;
	all = 0;
	do
	:: all < MAIL_HANDLES ->
		mail_at = all;
		if
		:: handle[mail_at] != 0 -> mail_read()
		:: else
		fi;
		all++
	:: else -> break
	od;
	mail_at = next % MAIL_HANDLES
}

/* A thread that frees objects 1 and 2 of the shard, or 3. */
active [SENDERS] proctype sender()
{
	byte mine = 2 * _pid + 1, last = 2 + _pid;
	byte i, start, turn, got;
	bool done;

	do
	:: mine > last -> break
	:: else ->
		done = false;
		if
		:: skip /* the lock is free, or the mailbox is not looked at: free it there */
		:: start = next;
			i = start;
			do
			:: !done && i < start + MAIL_TRIES ->
#ifdef PUT_IN_TWO_STEPS
				if
				:: handle[i % MAIL_HANDLES] == 0 ->
					handle[i % MAIL_HANDLES] = mine;
					done = true
#else
				if
				:: atomic {
					handle[i % MAIL_HANDLES] == 0 ->
					handle[i % MAIL_HANDLES] = mine;
					left[mine] = true
					};
					done = true
#endif
				:: else
				fi;
				if
				:: done -> left[mine] = true; next = i + 1
				:: else
				fi;
				i++
			:: else -> break
			od
		fi;
		if
		:: done
		:: else ->
			lock_acquire();
			if
			:: handle[mail_at] != 0 -> mail_read()
			:: else
			fi;
			object_free(mine);
			lock_release()
		fi;
		mine++
	od
}

/* A thread at home in the shard that allocates: it polls the next handle, and at times all. */
active proctype home()
{
	byte turn, got, all;

	do
	::
#ifndef READ_WITHOUT_LOCK
		lock_acquire();
#endif
		polls++;
		if
#ifdef NO_SWEEP
		:: polls >= MAIL_SWEEP_TURNS -> polls = 0
#else
		:: polls >= MAIL_SWEEP_TURNS -> mail_read_all()
#endif
		:: polls < MAIL_SWEEP_TURNS && handle[mail_at] != 0 -> mail_read()
		:: else
		fi;
#ifndef READ_WITHOUT_LOCK
		lock_release()
#endif
	od
}

ltl left_is_freed {
	[] ((left[1] -> <> freed[1]) && (left[2] -> <> freed[2]) &&
	    (left[3] -> <> freed[3]))
}
