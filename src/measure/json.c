/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * json.c: common parts of the JSON forms; see json.h. Locking: none.
 */
#include "json.h"

#include <stdlib.h>

json_t *xvm_json_count(uint64_t value)
{
	return json_integer((json_int_t)value);
}

json_t *xvm_json_count_if(bool there, uint64_t value)
{
	return there ? xvm_json_count(value) : json_null();
}

json_t *xvm_json_real_if(bool there, double value)
{
	return there ? json_real(value) : json_null();
}

json_t *xvm_json_text(const char *text)
{
	json_t *value = json_string(text);
	char *ascii;

	if (value != NULL)
		return value;
	ascii = xvm_strdup(text);
	for (char *c = ascii; *c != '\0'; c++) {
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	}
	value = json_string(ascii);
	free(ascii);
	return value;
}

json_t *xvm_json_root(const char *schema)
{
	json_t *root = json_object();

	json_object_set_new(root, "schema", json_string(schema));
	json_object_set_new(root, "machine", xvm_json_machine());
	return root;
}

json_t *xvm_json_input(const struct xvm_input *input)
{
	json_t *o = json_object();

	json_object_set_new(o, "input", xvm_json_text(input->name));
	json_object_set_new(o, "page_bytes", xvm_json_count(XVM_INPUT_PAGE_BYTES));
	json_object_set_new(o, "available_pages", xvm_json_count(input->available));
	json_object_set_new(o, "pages", xvm_json_count(input->pages.count));
	json_object_set_new(o, "same_filled_pages", xvm_json_count(xvm_input_same_filled(input)));
	return o;
}

int xvm_json_write(json_t *root, const char *path)
{
	FILE *out = xvm_output_open(path);

	if (out == NULL) {
		json_decref(root);
		return XVM_FAILED;
	}
	(void)json_dumpf(root, out, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	json_decref(root);
	fputc('\n', out);
	return xvm_output_close(out, path);
}
