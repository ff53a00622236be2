/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/unique_handle.hpp: an object of a pool that is freed with its handle, for C++17 and
 * later.
 *
 *	xv::unique_handle note(pool, 100);
 *	int err = xv_write(pool, note.get(), 0, text, 100);
 */
#ifndef XVMALLOC_UNIQUE_HANDLE_HPP
#define XVMALLOC_UNIQUE_HANDLE_HPP

#include <cstddef>
#include <new>
#include <utility>

#include <xvmalloc/pool.h>

namespace xv
{

/* Owns an object of a pool, or nothing. The pool must outlive it. It is moved, not copied. One
 * thread at a time may use it. The object has no owner (xvmalloc/owner.h), so compaction leaves its
 * handle as it is. */
class unique_handle
{
      public:
	/* Owns nothing. */
	unique_handle() noexcept = default;

	/* Allocate an object of size bytes, as xv_malloc. Throws std::bad_alloc for each of its
	 * errors. */
	unique_handle(xv_pool *pool, std::size_t size) : pool_(pool)
	{
		if (xv_malloc(pool, size, &handle_) != 0)
			throw std::bad_alloc();
	}

	unique_handle(unique_handle &&other) noexcept : pool_(other.pool_), handle_(other.release())
	{
	}

	unique_handle &operator=(unique_handle &&other) noexcept
	{
		if (this != &other) {
			reset();
			pool_ = other.pool_;
			handle_ = other.release();
		}
		return *this;
	}

	/* Frees the object. */
	~unique_handle()
	{
		reset();
	}

	/* XV_NULL_HANDLE if it owns nothing. */
	xv_handle get() const noexcept
	{
		return handle_;
	}

	explicit operator bool() const noexcept
	{
		return handle_ != XV_NULL_HANDLE;
	}

	/* Give the object away: the caller frees it. */
	xv_handle release() noexcept
	{
		return std::exchange(handle_, XV_NULL_HANDLE);
	}

	/* Free the object, and own nothing. */
	void reset() noexcept
	{
		if (handle_ != XV_NULL_HANDLE)
			(void)xv_free(pool_, release());
	}

	/* Change the size, as xv_realloc. Throws std::bad_alloc for each of its errors; the object
	 * is then as before. */
	void resize(std::size_t size)
	{
		if (xv_realloc(pool_, &handle_, size) != 0)
			throw std::bad_alloc();
	}

      private:
	xv_pool *pool_ = nullptr;
	xv_handle handle_ = XV_NULL_HANDLE;
};

} // namespace xv

#endif
