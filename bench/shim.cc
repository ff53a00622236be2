/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * shim.cc: see shim.h. A micro_run is a benchmark::State under another name. May call
 * Google Benchmark; nothing else of the project. Locking: none of its own. O(1).
 */
#include "shim.h"

#include <benchmark/benchmark.h>

namespace
{

benchmark::State &state_of(micro_run *run)
{
	return *reinterpret_cast<benchmark::State *>(run);
}

} // namespace

void micro_register(const char *name, micro_body *body, void *context, unsigned threads,
		    unsigned iterations)
{
	benchmark::internal::Benchmark *bench =
		benchmark::RegisterBenchmark(name, [body, context](benchmark::State &state) {
			body(reinterpret_cast<micro_run *>(&state), context);
		});

	if (threads > 1)
		bench->Threads(static_cast<int>(threads))->UseRealTime();
	if (iterations > 0)
		bench->Iterations(iterations);
}

void micro_parse(int *argc, char **argv)
{
	benchmark::Initialize(argc, argv);
}

size_t micro_run_selected(void)
{
	size_t count = benchmark::RunSpecifiedBenchmarks();

	benchmark::Shutdown();
	return count;
}

bool micro_keep_running(micro_run *run, uint64_t batch)
{
	return state_of(run).KeepRunningBatch(static_cast<benchmark::IterationCount>(batch));
}

unsigned micro_thread(micro_run *run)
{
	return static_cast<unsigned>(state_of(run).thread_index());
}

unsigned micro_threads(micro_run *run)
{
	return static_cast<unsigned>(state_of(run).threads());
}

void micro_fail(micro_run *run, const char *message)
{
	state_of(run).SkipWithError(message);
}

void micro_pause(micro_run *run)
{
	state_of(run).PauseTiming();
}

void micro_resume(micro_run *run)
{
	state_of(run).ResumeTiming();
}

void micro_counter(micro_run *run, const char *name, double value)
{
	state_of(run).counters[name] = benchmark::Counter(value, benchmark::Counter::kAvgThreads);
}
