/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * estimate_json.c: ramz estimate as JSON, schema "ramz-estimate/1" (ramz.1 has its fields).
 * Locking: none.
 */
#include "estimate.h"

static json_t *estimate_sizes(const struct rzc_estimate *e)
{
	json_t *list = json_array();

	for (unsigned c = 0; c < RZC_SIZE_CLASSES; c++)
		json_array_append_new(list, json_real(e->share[c]));
	return list;
}

static json_t *estimate_result(const struct xvm_input *input, const struct rzc_estimate *e)
{
	json_t *o = json_object();
	double ratio = rzc_density_ratio(&e->density);

	json_object_set_new(o, "input", xvm_json_text(input->name));
	json_object_set_new(o, "codec", json_string(e->codec->codec->name));
	json_object_set_new(o, "level", json_integer(e->codec->level));
	json_object_set_new(o, "pages", xvm_json_count(e->density.pages));
	json_object_set_new(o, "sampled", json_boolean(e->density.pages < input->available));
	json_object_set_new(o, "original_bytes", xvm_json_count((uint64_t)e->original_bytes));
	json_object_set_new(o, "compressed_bytes", xvm_json_count((uint64_t)e->compressed_bytes));
	json_object_set_new(o, "held_bytes", xvm_json_count((uint64_t)e->held_bytes));
	json_object_set_new(o, "ratio", xvm_json_real_if(ratio > 0, ratio));
	json_object_set_new(o, "saved", json_real(rzc_estimate_saved(e)));
	json_object_set_new(o, "write_us", json_real(e->density.write_us));
	json_object_set_new(o, "same_filled_share", json_real(e->same_filled_share));
	json_object_set_new(o, "raw_share", json_real(e->raw_share));
	json_object_set_new(o, "size_class_bytes",
			    xvm_json_count(XVM_INPUT_PAGE_BYTES / RZC_SIZE_CLASSES));
	json_object_set_new(o, "size_class_share", estimate_sizes(e));
	return o;
}

void rzc_estimate_json_add(json_t *root, const struct xvm_input *input,
			   const struct rzc_estimate *estimates, size_t count)
{
	json_array_append_new(json_object_get(root, "inputs"), xvm_json_input(input));
	for (size_t i = 0; i < count; i++)
		json_array_append_new(json_object_get(root, "results"),
				      estimate_result(input, &estimates[i]));
}
