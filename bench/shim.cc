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

const benchmark::State &state_of(const micro_run *run)
{
	return *reinterpret_cast<const benchmark::State *>(run);
}

void add_arguments(benchmark::internal::Benchmark *bench, const micro_entry &entry)
{
	std::vector<std::string> names;
	std::vector<int64_t> values;

	for (const micro_argument &argument : entry.argument) {
		if (argument.name == nullptr)
			break;
		names.emplace_back(argument.name);
		values.push_back(argument.value);
	}
	if (!names.empty())
		bench->ArgNames(names)->Args(values);
}

} // namespace

void micro_register(const micro_entry *entry)
{
	micro_body *body = entry->body;
	const void *context = entry->context;
	benchmark::internal::Benchmark *bench =
		benchmark::RegisterBenchmark(entry->name, [body, context](benchmark::State &state) {
			body(reinterpret_cast<micro_run *>(&state), context);
		});

	add_arguments(bench, *entry);
	if (entry->threads > 1)
		bench->Threads(static_cast<int>(entry->threads));
	if (entry->real_time)
		bench->UseRealTime();
	if (entry->manual_time)
		bench->UseManualTime();
	if (entry->iterations != 0)
		bench->Iterations(static_cast<benchmark::IterationCount>(entry->iterations));
}

bool micro_parse(int *argc, char **argv)
{
	benchmark::Initialize(argc, argv);
	return !benchmark::ReportUnrecognizedArguments(*argc, argv);
}

void micro_add_context(const char *key, const char *value)
{
	benchmark::AddCustomContext(key, value);
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

int64_t micro_argument_value(const micro_run *run, unsigned index)
{
	return state_of(run).range(index);
}

unsigned micro_thread(const micro_run *run)
{
	return static_cast<unsigned>(state_of(run).thread_index());
}

unsigned micro_threads(const micro_run *run)
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

void micro_set_seconds(micro_run *run, double seconds)
{
	state_of(run).SetIterationTime(seconds);
}

void micro_counter(micro_run *run, const char *name, double value)
{
	state_of(run).counters[name] = benchmark::Counter(value, benchmark::Counter::kAvgThreads);
}

void micro_items(micro_run *run, uint64_t items)
{
	state_of(run).SetItemsProcessed(static_cast<int64_t>(items));
}

void micro_bytes(micro_run *run, uint64_t bytes)
{
	state_of(run).SetBytesProcessed(static_cast<int64_t>(bytes));
}
