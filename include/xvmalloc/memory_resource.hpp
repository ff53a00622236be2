/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/memory_resource.hpp: a std::pmr::memory_resource over a pool, for C++17 and later.
 *
 *	xv::pool_resource resource(pool);
 *	std::pmr::map<int, std::pmr::string> map(&resource);
 *
 * The pool's provider must have a base address (mmap, buffer), since containers keep pointers. The
 * objects have no owner, so compaction does not move them. Costs are those of the pool's calls.
 */
#ifndef XVMALLOC_MEMORY_RESOURCE_HPP
#define XVMALLOC_MEMORY_RESOURCE_HPP

#include <cassert>
#include <cstddef>
#include <memory_resource>
#include <new>
#include <stdexcept>

#include <xvmalloc/pool.h>

namespace xv
{

/*
 * Memory of a pool. The resource owns neither the pool nor the upstream resource; both must outlive
 * it. Any thread may use it at any time if the pool has a lock and the upstream resource allows it.
 * Two resources are equal if they have the same pool and the same upstream resource.
 */
class pool_resource : public std::pmr::memory_resource
{
      public:
	/* Largest alignment of the pool's objects, in bytes. Above it memory is upstream's. */
	static constexpr std::size_t max_alignment = 256;

	/*
	 * upstream gives what no page of the pool can hold: see fits. Throws std::invalid_argument
	 * if the pool or upstream is null, or if the pool does not give the address of an object of
	 * one byte: its provider has no base address, or it has no memory.
	 */
	explicit pool_resource(xv_pool *pool, std::pmr::memory_resource *upstream =
						      std::pmr::new_delete_resource())
	    : pool_(pool), upstream_(upstream), page_bytes_(page_bytes_of(pool))
	{
		void *probe = xv_alloc(pool, 1);

		if (probe == nullptr || upstream == nullptr) {
			xv_release(pool, probe);
			throw std::invalid_argument(
				"xv::pool_resource: give an upstream resource, and a pool with "
				"memory over a provider with a base address");
		}
		xv_release(pool, probe);
	}

	pool_resource(const pool_resource &) = delete;
	pool_resource &operator=(const pool_resource &) = delete;

	xv_pool *pool() const noexcept
	{
		return pool_;
	}

	std::pmr::memory_resource *upstream() const noexcept
	{
		return upstream_;
	}

	/* Does the pool give this memory? Otherwise the upstream resource does: an alignment above
	 * max_alignment, or more bytes than always fit into a page at that alignment. */
	bool fits(std::size_t bytes, std::size_t alignment) const noexcept
	{
		return alignment <= max_alignment && bytes <= page_bytes_ &&
		       2 * aligned(alignment) + edge_bytes <= page_bytes_ - bytes;
	}

      private:
	static constexpr std::size_t edge_bytes = 16; /* see xv_malloc_aligned */

	static std::size_t page_bytes_of(xv_pool *pool)
	{
		xv_pool_stats stats;

		xv_pool_get_stats(pool, &stats);
		return stats.page_bytes;
	}

	/* For which the bound of xv_malloc_aligned is told. */
	static std::size_t aligned(std::size_t alignment) noexcept
	{
		return alignment < edge_bytes ? edge_bytes : alignment;
	}

	/* Throws std::bad_alloc when the pool is full: it does not go on upstream, which would pass
	 * the pool's limit. */
	void *do_allocate(std::size_t bytes, std::size_t alignment) override
	{
		void *memory;

		if (!fits(bytes, alignment))
			return upstream_->allocate(bytes, alignment);
		memory = xv_alloc_aligned(pool_, bytes != 0 ? bytes : 1, alignment);
		if (memory == nullptr)
			throw std::bad_alloc();
		return memory;
	}

	void do_deallocate(void *memory, std::size_t bytes, std::size_t alignment) override
	{
		int err;

		if (!fits(bytes, alignment)) {
			upstream_->deallocate(memory, bytes, alignment);
			return;
		}
		err = xv_release(pool_, memory);
		/* -XV_EBADMSG: its page is closed (see hardening). */
		assert(err == 0 || err == -XV_EBADMSG);
		(void)err;
	}

	bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
	{
		const auto *resource = dynamic_cast<const pool_resource *>(&other);

		return resource != nullptr && resource->pool_ == pool_ &&
		       *resource->upstream_ == *upstream_;
	}

	xv_pool *pool_;
	std::pmr::memory_resource *upstream_;
	std::size_t page_bytes_;
};

} // namespace xv

#endif
