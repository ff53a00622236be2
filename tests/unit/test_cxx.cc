/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_cxx.cc: the C++ headers: std::pmr containers over a pool, and handles with a life.
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <memory_resource>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <xvmalloc/memory_resource.hpp>
#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>
#include <xvmalloc/unique_handle.hpp>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);       \
			std::exit(1);                                                              \
		}                                                                                  \
	} while (0)

#define CHECK_THROWS(expression, type)                                                             \
	do {                                                                                       \
		bool thrown = false;                                                               \
		try {                                                                              \
			expression;                                                                \
		} catch (const type &) {                                                           \
			thrown = true;                                                             \
		}                                                                                  \
		CHECK(thrown);                                                                     \
	} while (0)

namespace
{

/* What a pool cannot give, counted. */
struct counting_resource : std::pmr::memory_resource {
	std::size_t live = 0, calls = 0;

	void *do_allocate(std::size_t bytes, std::size_t alignment) override
	{
		live++;
		calls++;
		return std::pmr::new_delete_resource()->allocate(bytes, alignment);
	}

	void do_deallocate(void *memory, std::size_t bytes, std::size_t alignment) override
	{
		live--;
		std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
	}

	bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
	{
		return this == &other;
	}
};

struct fixture {
	xv_provider *provider = nullptr;
	xv_pool *pool = nullptr;

	explicit fixture(uint32_t page_bytes = 0, uint64_t limit_bytes = 0, uint32_t alignment = 0)
	{
		xv_provider_mmap_options provider_options;
		xv_pool_options options;

		xv_provider_mmap_options_init(&provider_options);
		provider_options.page_bytes = page_bytes;
		CHECK(xv_provider_mmap_create(&provider, &provider_options) == 0);
		xv_pool_options_init(&options);
		options.limit_bytes = limit_bytes;
		options.alignment = alignment;
		CHECK(xv_pool_create(&pool, provider, &options) == 0);
	}

	fixture(const fixture &) = delete;
	fixture &operator=(const fixture &) = delete;

	~fixture()
	{
		CHECK(objects() == 0);
		CHECK(xv_pool_check(pool, XV_CHECK_DEEP, nullptr) == 0);
		xv_pool_destroy(pool);
		xv_provider_mmap_destroy(provider);
	}

	uint64_t objects() const
	{
		xv_pool_stats stats;

		xv_pool_get_stats(pool, &stats);
		return stats.objects;
	}
};

void containers_live_in_the_pool()
{
	fixture f;
	counting_resource upstream;
	xv::pool_resource resource(f.pool, &upstream);
	std::pmr::map<int, std::pmr::string> map(&resource);
	std::pmr::list<std::pmr::vector<int>> list(&resource);

	for (int i = 0; i < 5000; i++) {
		map.emplace(i, std::string(static_cast<std::size_t>(i % 200), 'x') +
				       std::to_string(i));
		list.emplace_back(static_cast<std::size_t>(i % 50), i);
	}
	CHECK(upstream.calls == 0);
	CHECK(f.objects() > 10000);
	for (int i = 0; i < 5000; i += 2)
		map.erase(i);
	for (const auto &[key, text] : map)
		CHECK(text.compare(static_cast<std::size_t>(key % 200), std::string::npos,
				   std::to_string(key)) == 0);
	int expected = 0;
	for (const auto &vector : list) {
		for (int value : vector)
			CHECK(value == expected);
		expected++;
	}
}

void what_fits_no_page_is_upstream()
{
	fixture f(4096);
	counting_resource upstream;
	xv::pool_resource resource(f.pool, &upstream);

	{
		std::pmr::vector<int> vector(&resource);

		for (int i = 0; i < 100000; i++)
			vector.push_back(i);
		CHECK(upstream.live == 1);
		for (int i = 0; i < 100000; i++)
			CHECK(vector[static_cast<std::size_t>(i)] == i);
	}
	CHECK(upstream.live == 0);
	void *wide = resource.allocate(100, 512);
	CHECK(upstream.live == 1 && reinterpret_cast<uintptr_t>(wide) % 512 == 0);
	resource.deallocate(wide, 100, 512);
	CHECK(upstream.live == 0);
}

/* Each size at each alignment: the pool gives what fits() says, at any alignment of its own. */
void all_that_fits_is_given_and_aligned()
{
	for (uint32_t own : {4U, 8U, 16U}) {
		fixture f(4096, 0, own);
		counting_resource upstream;
		xv::pool_resource resource(f.pool, &upstream);
		std::size_t largest = 0;

		for (std::size_t alignment = 1; alignment <= 512; alignment *= 2) {
			for (std::size_t bytes = 0; bytes <= 4200; bytes += bytes < 64 ? 1 : 7) {
				std::size_t before = upstream.calls;
				void *memory = resource.allocate(bytes, alignment);
				bool fits = resource.fits(bytes, alignment);

				CHECK(reinterpret_cast<uintptr_t>(memory) % alignment == 0);
				CHECK((upstream.calls == before) == fits);
				std::memset(memory, 0xee, bytes);
				resource.deallocate(memory, bytes, alignment);
				if (fits && bytes > largest)
					largest = bytes;
			}
		}
		CHECK(largest > 4000);
		CHECK(!resource.fits(SIZE_MAX, 1) && !resource.fits(1, SIZE_MAX / 2 + 1));
		CHECK(upstream.live == 0);
	}
}

void full_pool_throws_and_does_not_go_upstream()
{
	fixture f(0, 1 << 20);
	counting_resource upstream;
	xv::pool_resource resource(f.pool, &upstream);

	{
		std::pmr::list<std::pmr::string> list(&resource);

		CHECK_THROWS(for (;;) list.emplace_back(1000, 'x'), std::bad_alloc);
		CHECK(list.size() > 500);
		CHECK(upstream.calls == 0);
		list.pop_front();
		list.emplace_back(1000, 'y');
		/* To the last byte: then not even a resource can be made. */
		std::vector<void *> small;
		CHECK_THROWS(for (;;) small.push_back(resource.allocate(1, 1)), std::bad_alloc);
		CHECK_THROWS(xv::pool_resource{f.pool}, std::invalid_argument);
		for (void *memory : small)
			resource.deallocate(memory, 1, 1);
	}
}

int follow(void *, uint32_t, xv_handle, xv_handle)
{
	return 0;
}

/* Most objects go, and those that stay would be moved together if they had owners. */
void compaction_leaves_objects_alone()
{
	static const xv_owner_ops ops = {follow};
	xv_provider *provider;
	xv_pool_options options;
	xv_pool *pool;
	xv_compact_report report;

	CHECK(xv_provider_mmap_create(&provider, nullptr) == 0);
	xv_pool_options_init(&options);
	options.flags = XV_POOL_OWNERS;
	options.owner_ops = &ops;
	CHECK(xv_pool_create(&pool, provider, &options) == 0);
	{
		xv::pool_resource resource(pool);
		std::pmr::list<int> list(&resource);
		std::vector<xv::unique_handle> handles;

		for (int i = 0; i < 20000; i++) {
			list.push_back(i);
			handles.emplace_back(pool, sizeof(i));
			CHECK(xv_write(pool, handles.back().get(), 0, &i, sizeof(i)) == 0);
			if (i % 100 != 0) {
				list.pop_front();
				handles.back().reset();
			}
		}
		do {
			CHECK(xv_compact(pool, 0, &report) == 0 && report.moved_blocks == 0);
		} while (report.more);
		int value = 20000 - static_cast<int>(list.size());
		for (int kept : list)
			CHECK(kept == value++);
		for (int i = 0; i < 20000; i += 100)
			CHECK(xv_read(pool, handles[static_cast<std::size_t>(i)].get(), 0, &value,
				      sizeof(value)) == 0 &&
			      value == i);
	}
	xv_pool_destroy(pool);
	xv_provider_mmap_destroy(provider);
}

void resources_of_one_pool_are_equal()
{
	fixture f, other;
	counting_resource upstream;
	xv::pool_resource one(f.pool), two(f.pool), three(other.pool), four(f.pool, &upstream);

	CHECK(one == two);
	CHECK(one != three);
	CHECK(one != four);
	CHECK(one != *std::pmr::new_delete_resource());
	CHECK(one.pool() == f.pool && one.upstream() == std::pmr::new_delete_resource());
	/* Memory passes from a container to an equal one without a copy. */
	std::pmr::vector<int> from(100, 7, &one);
	const int *place = from.data();
	std::pmr::vector<int> to(&two);
	to = std::move(from);
	CHECK(to.data() == place);
}

void pools_without_addresses_are_refused()
{
	xv_provider *provider;
	xv_provider_highmem_options options;
	xv_pool *pool;
	fixture f;

	xv_provider_highmem_options_init(&options);
	CHECK(xv_provider_highmem_create(&provider, &options) == 0);
	CHECK(xv_pool_create(&pool, provider, nullptr) == 0);
	CHECK_THROWS(xv::pool_resource{pool}, std::invalid_argument);
	CHECK_THROWS(xv::pool_resource{nullptr}, std::invalid_argument);
	CHECK_THROWS((xv::pool_resource{f.pool, nullptr}), std::invalid_argument);
	xv_pool_destroy(pool);
	xv_provider_highmem_destroy(provider);
}

void threads_share_a_resource()
{
	fixture f;
	xv::pool_resource resource(f.pool);
	std::vector<std::thread> threads;

	for (int i = 0; i < 4; i++)
		threads.emplace_back([&resource, i] {
			std::pmr::unordered_map<int, std::pmr::string> map(&resource);

			for (int n = 0; n < 3000; n++) {
				map[n % 500].assign(static_cast<std::size_t>(n % 300),
						    static_cast<char>('a' + i));
				CHECK(map[n % 500].find_first_not_of(static_cast<char>('a' + i)) ==
				      std::string::npos);
			}
		});
	for (auto &thread : threads)
		thread.join();
}

void handles_free_their_objects()
{
	fixture f;
	char text[100];

	{
		xv::unique_handle one(f.pool, 100), none;

		CHECK(one && !none && none.get() == XV_NULL_HANDLE);
		CHECK(xv_write(f.pool, one.get(), 0, "hello", 6) == 0);
		CHECK(f.objects() == 1);
		xv::unique_handle two = std::move(one);
		CHECK(!one && two && f.objects() == 1);
		two.resize(5000);
		CHECK(xv_object_size(f.pool, two.get()) == 5000);
		CHECK(xv_read(f.pool, two.get(), 0, text, 6) == 0 && !std::strcmp(text, "hello"));
		CHECK_THROWS(two.resize(SIZE_MAX), std::bad_alloc);
		CHECK(xv_object_size(f.pool, two.get()) == 5000);
		one = xv::unique_handle(f.pool, 10);
		CHECK(f.objects() == 2);
		one = std::move(two);
		CHECK(f.objects() == 1);
		xv::unique_handle &same = one;
		one = std::move(same);
		CHECK(one && f.objects() == 1);
		xv_handle taken = one.release();
		CHECK(!one && xv_free(f.pool, taken) == 0);
		one.reset();
		CHECK_THROWS((one = xv::unique_handle(f.pool, 0)), std::bad_alloc);
		CHECK(!one);
		one = xv::unique_handle(f.pool, 1);
	}
	CHECK(f.objects() == 0);
}

} /* namespace */

#define RUN(test) test()

int main()
{
	RUN(containers_live_in_the_pool);
	RUN(what_fits_no_page_is_upstream);
	RUN(all_that_fits_is_given_and_aligned);
	RUN(full_pool_throws_and_does_not_go_upstream);
	RUN(compaction_leaves_objects_alone);
	RUN(resources_of_one_pool_are_equal);
	RUN(pools_without_addresses_are_refused);
	RUN(threads_share_a_resource);
	RUN(handles_free_their_objects);
	return 0;
}
