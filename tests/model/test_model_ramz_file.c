/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The model test of saved files. Processes are killed while they save, and what is there afterwards
 * must be the version that was complete, or the one under way; and threads of several processes
 * save, hold and load one path at random, beside a table of when each version was begun and
 * complete: what is loaded must be one version, whole, and no older than one that was complete
 * before.
 *
 * XV_SEED and XV_OPS choose another run. May call: public headers.
 */
#define _GNU_SOURCE

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "file_fixture.h"

enum { PROCESSES = 3, THREADS = 3, VERSIONS_MAX = 1 << 16 };

/* Of one version, in ticks of the shared clock; 0 = not yet. */
struct version {
	_Atomic uint64_t begun;
	_Atomic uint64_t complete;
	_Atomic bool refused;
};

struct shared {
	_Atomic uint64_t clock;
	_Atomic uint64_t versions; /* given out */
	_Atomic uint64_t holders;
	_Atomic uint64_t faults;
	_Atomic uint64_t busy;
	_Atomic uint64_t done;
	struct version version[VERSIONS_MAX];
};

static struct shared *shared;
static char path[FIXTURE_PATH_BYTES];

static int begin(void **state)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED || fixture_begin(state) != 0)
		return -1;
	fixture_path(path, "disk");
	atomic_store(&shared->clock, 1);
	atomic_store(&shared->versions, 1);
	return 0;
}

static int end(void **state)
{
	(void)munmap(shared, sizeof(*shared));
	return fixture_end(state);
}

static uint64_t tick(void)
{
	return atomic_fetch_add(&shared->clock, 1);
}

static bool fault_if(bool is, const char *what, uint64_t version)
{
	if (is) {
		atomic_fetch_add(&shared->faults, 1);
		print_error("%s: version %lld\n", what, (long long)version);
	}
	return is;
}

/* ---- killed while saving ---- */

static void save_until_killed(uint64_t seed)
{
	struct ramz *store = fixture_store(1);
	struct ramz_file *file = NULL;
	bool holds = random_below(&seed, 2) == 0;

	if (holds && ramz_file_open(&file, path, 0, NULL) != 0)
		_exit(1);
	for (;;) {
		uint64_t version = atomic_load(&shared->done) + 1;
		int err;

		fixture_fill(store, version);
		atomic_store(&shared->versions, version);
		err = holds ? ramz_file_save(file, store, NULL, NULL)
			    : ramz_save_file(store, path, NULL, NULL);
		if (err != 0)
			_exit(1);
		atomic_store(&shared->done, version);
	}
}

static void a_killed_process_leaves_one_version_and_no_lock(void **state)
{
	uint64_t seed = environment_number("XV_SEED", 11);
	uint64_t ops = test_repeats("XV_OPS", 60);

	(void)state;
	print_message("XV_SEED=%llu\n", (unsigned long long)seed);
	for (uint64_t i = 0; i < ops; i++) {
		struct timespec moment = {.tv_nsec = (long)random_below(&seed, 30000000)};
		struct ramz_file *file;
		uint64_t version;
		int status;
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0)
			save_until_killed(seed);
		(void)nanosleep(&moment, NULL);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		file = fixture_open(path);
		version = fixture_held_version(file);
		if (version != atomic_load(&shared->done) &&
		    version != atomic_load(&shared->versions))
			fail_msg("version %lld, complete is %lld", (long long)version,
				 (long long)atomic_load(&shared->done));
		atomic_store(&shared->done, version);
		assert_int_equal(fixture_count(".ramz-tmp"), 0);
		ramz_file_close(file);
	}
	print_message("%llu versions\n", (unsigned long long)atomic_load(&shared->done));
}

/* ---- many at once ---- */

struct worker {
	uint64_t seed;
	uint64_t ops;
	bool holds; /* some of them hold the file at times */
	struct ramz *store;
};

/* A version that was loaded by a call that began at `since`. */
static void judge(uint64_t version, uint64_t since)
{
	uint64_t count = atomic_load(&shared->versions), complete;

	if (fault_if(version == UINT64_MAX || version >= count, "torn", version))
		return;
	complete = version == 0 ? 1 : atomic_load(&shared->version[version].complete);
	(void)fault_if(atomic_load(&shared->version[version].refused), "a refused save", version);
	if (complete == 0)
		return; /* it has the name, and its saver does not know yet */
	for (uint64_t i = 1; i < count; i++) {
		uint64_t other = atomic_load(&shared->version[i].complete);

		if (fault_if(other != 0 && other < since &&
				     atomic_load(&shared->version[i].begun) > complete,
			     "stale", version))
			return;
	}
}

/* The file's, or UINT64_MAX. */
static int load(struct ramz_file *file, uint64_t *version)
{
	struct ramz_reason reason = {.text = ""};
	struct ramz_options options;
	struct ramz *store;
	int err;

	fixture_options(&options);
	*version = UINT64_MAX;
	err = file != NULL ? ramz_file_load(&store, &options, NULL, 0, file, &reason)
			   : ramz_load_file(&store, &options, NULL, 0, path, &reason);
	if (err == -ENOENT || err == -XV_EBUSY)
		return err;
	if (fault_if(err != 0, reason.text, UINT64_MAX))
		return err;
	*version = fixture_version(store);
	ramz_destroy(store);
	return 0;
}

static uint64_t save(struct worker *worker, struct ramz_file *file)
{
	uint64_t number = atomic_fetch_add(&shared->versions, 1);
	struct version *version = &shared->version[number];
	struct ramz_reason reason = {.text = ""};
	int err;

	fixture_fill(worker->store, number);
	atomic_store(&version->begun, tick());
	err = file != NULL ? ramz_file_save(file, worker->store, NULL, &reason)
			   : ramz_save_file(worker->store, path, NULL, &reason);
	if (err == 0) {
		atomic_store(&version->complete, tick());
		return number;
	}
	atomic_store(&version->refused, true);
	if (err == -XV_EBUSY && worker->holds)
		atomic_fetch_add(&shared->busy, 1);
	else
		(void)fault_if(true, reason.text, number);
	return number;
}

static void hold(struct worker *worker)
{
	uint64_t since = tick(), version, saved;
	struct ramz_file *file;
	int err = ramz_file_open(&file, path, (uint32_t)random_below(&worker->seed, 30), NULL);

	if (err == -XV_EBUSY) {
		atomic_fetch_add(&shared->busy, 1);
		return;
	}
	if (fault_if(err != 0, "open", 0))
		return;
	(void)fault_if(atomic_fetch_add(&shared->holders, 1) != 0, "two holders", 0);
	if (load(file, &version) == 0)
		judge(version, since);
	for (uint64_t i = random_below(&worker->seed, 3); i > 0; i--) {
		saved = save(worker, file);
		(void)fault_if(load(file, &version) != 0 || version != saved,
			       "a held file was replaced", version);
	}
	atomic_fetch_sub(&shared->holders, 1);
	ramz_file_close(file);
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	uint64_t version;

	for (uint64_t i = 0; i < worker->ops && atomic_load(&shared->faults) == 0; i++) {
		uint64_t since = tick();

		switch (random_below(&worker->seed, worker->holds ? 3 : 2)) {
		case 0:
			(void)save(worker, NULL);
			break;
		case 1:
			switch (load(NULL, &version)) {
			case 0:
				judge(version, since);
				break;
			case -XV_EBUSY:
				(void)fault_if(!worker->holds, "a load is refused", 0);
				break;
			default:
				break;
			}
			break;
		default:
			hold(worker);
		}
	}
	return NULL;
}

static void run_process(uint64_t seed, uint64_t ops, bool holds)
{
	struct worker worker[THREADS];
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++) {
		worker[i] = (struct worker){.seed = seed + (uint64_t)i * 7919,
					    .ops = ops,
					    .holds = holds,
					    .store = fixture_store(1)};
		if (pthread_create(&thread[i], NULL, work, &worker[i]) != 0)
			_exit(2);
	}
	for (int i = 0; i < THREADS; i++) {
		(void)pthread_join(thread[i], NULL);
		ramz_destroy(worker[i].store);
	}
	_exit(0);
}

static void run(bool holds)
{
	uint64_t seed = environment_number("XV_SEED", 12);
	uint64_t ops = test_repeats("XV_OPS", 60);
	pid_t child[PROCESSES];

	print_message("XV_SEED=%llu\n", (unsigned long long)seed);
	if (ops > VERSIONS_MAX / (PROCESSES * THREADS * 3))
		ops = VERSIONS_MAX / (PROCESSES * THREADS * 3);
	for (int i = 0; i < PROCESSES; i++) {
		child[i] = fork();
		assert_true(child[i] >= 0);
		if (child[i] == 0)
			run_process(seed + (uint64_t)i * 104729, ops, holds);
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(child[i], &status, 0), child[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	assert_int_equal(atomic_load(&shared->faults), 0);
	judge(fixture_file_version(path), tick());
	assert_int_equal(atomic_load(&shared->faults), 0);
	assert_int_equal(fixture_count(""), 1);
	print_message("%llu versions, %llu times busy\n",
		      (unsigned long long)atomic_load(&shared->versions),
		      (unsigned long long)atomic_load(&shared->busy));
}

/* Where nobody holds the file every save and every load succeeds. */
static void saves_and_loads_at_once_all_complete(void **state)
{
	(void)state;
	run(false);
}

static void holders_savers_and_loaders_do_not_mix(void **state)
{
	(void)state;
	run(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_killed_process_leaves_one_version_and_no_lock,
						begin, end),
		cmocka_unit_test_setup_teardown(saves_and_loads_at_once_all_complete, begin, end),
		cmocka_unit_test_setup_teardown(holders_savers_and_loaders_do_not_mix, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
