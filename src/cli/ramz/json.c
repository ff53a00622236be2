/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * json.c: common parts of the JSON forms; see json.h. Locking: none.
 */
#include "json.h"

bool rzc_json_available(void)
{
	return RAMZ_CLI_HAVE_JANSSON;
}

#if RAMZ_CLI_HAVE_JANSSON

#include <stdlib.h>

#include <xvmalloc/base.h>

#include "machine.h"
#include "report.h"

json_t *rzc_json_count(uint64_t value)
{
	return json_integer((json_int_t)value);
}

json_t *rzc_json_real_if(bool there, double value)
{
	return there ? json_real(value) : json_null();
}

json_t *rzc_json_text(const char *text)
{
	json_t *value = json_string(text);
	char *ascii;

	if (value != NULL)
		return value;
	ascii = xvf_strdup(text);
	for (char *c = ascii; *c != '\0'; c++) {
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	}
	value = json_string(ascii);
	free(ascii);
	return value;
}

static json_t *json_machine(void)
{
	struct xvf_machine m;
	json_t *o = json_object();

	xvf_machine_read(&m);
	json_object_set_new(o, "os", rzc_json_text(m.os));
	json_object_set_new(o, "kernel", rzc_json_text(m.kernel));
	json_object_set_new(o, "cpu", rzc_json_text(m.cpu));
	json_object_set_new(o, "cores", rzc_json_count(m.cores));
	json_object_set_new(o, "mem_bytes", rzc_json_count(m.mem_bytes));
	json_object_set_new(o, "page_bytes", rzc_json_count(m.page_bytes));
	json_object_set_new(o, "libc", rzc_json_text(m.libc));
	json_object_set_new(o, "version", rzc_json_text(xv_version()));
	json_object_set_new(o, "date", rzc_json_text(m.date));
	return o;
}

json_t *rzc_json_root(const char *schema)
{
	json_t *root = json_object();

	json_object_set_new(root, "schema", json_string(schema));
	json_object_set_new(root, "machine", json_machine());
	return root;
}

json_t *rzc_json_input(const struct rzc_input *input)
{
	json_t *o = json_object();

	json_object_set_new(o, "input", rzc_json_text(input->name));
	json_object_set_new(o, "page_bytes", rzc_json_count(XVF_INPUT_PAGE_BYTES));
	json_object_set_new(o, "available_pages", rzc_json_count(input->available));
	json_object_set_new(o, "pages", rzc_json_count(input->pages.count));
	json_object_set_new(o, "same_filled_pages", rzc_json_count(rzc_input_same_filled(input)));
	return o;
}

int rzc_json_write(json_t *root, const char *path)
{
	FILE *out = xvf_report_open(path);

	if (out == NULL) {
		json_decref(root);
		return XVF_FAILED;
	}
	(void)json_dumpf(root, out, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	json_decref(root);
	fputc('\n', out);
	return xvf_report_close(out, path);
}

#endif
