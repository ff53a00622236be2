/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * subject_raw.c: the codec alone as a subject; see subject.h. Locking: none, each thread
 * has a context and a buffer of its own.
 */
#include "subject.h"

#include <stdlib.h>
#include <string.h>

struct raw_form {
	size_t offset;  /* in forms */
	uint32_t bytes; /* XVF_INPUT_PAGE_BYTES: the page itself, not in forms */
};

struct subject_raw {
	const struct rzc_scene *scene;
	void *contexts[64]; /* by thread; scene->threads of them */
	uint8_t *buffers;   /* a page a thread */
	struct raw_form *form;
	uint8_t *forms;
	size_t forms_bytes;
};

static int raw_compress(const struct subject_raw *s, unsigned thread, uint32_t n)
{
	uint8_t *dst = s->buffers + (size_t)thread * XVF_INPUT_PAGE_BYTES;

	return s->scene->codec->codec->compress(s->contexts[thread], rzc_scene_page(s->scene, n),
						XVF_INPUT_PAGE_BYTES, dst, rzc_codec_room());
}

static int raw_write(void *self, unsigned thread, uint32_t slot, uint32_t n)
{
	const struct subject_raw *s = self;
	int bytes = raw_compress(s, thread, n);

	(void)slot;
	if (bytes == 0)
		memcpy(s->buffers + (size_t)thread * XVF_INPUT_PAGE_BYTES,
		       rzc_scene_page(s->scene, n), XVF_INPUT_PAGE_BYTES);
	return bytes < 0 ? bytes : 0;
}

static int raw_read(void *self, unsigned thread, uint32_t slot, uint32_t n, uint8_t *dst)
{
	const struct subject_raw *s = self;
	const struct raw_form *form = &s->form[n];

	(void)slot;
	if (form->bytes == XVF_INPUT_PAGE_BYTES) {
		memcpy(dst, rzc_scene_page(s->scene, n), XVF_INPUT_PAGE_BYTES);
		return 0;
	}
	return s->scene->codec->codec->decompress(s->contexts[thread], s->forms + form->offset,
						  form->bytes, dst, XVF_INPUT_PAGE_BYTES);
}

static int raw_clear(void *self)
{
	(void)self;
	return 0;
}

static void raw_destroy(void *self)
{
	struct subject_raw *s = self;

	for (unsigned i = 0; i < s->scene->threads; i++) {
		if (s->contexts[i] != NULL)
			s->scene->codec->codec->context_destroy(s->contexts[i]);
	}
	free(s->buffers);
	free(s->form);
	free(s->forms);
	free(s);
}

static bool raw_make_contexts(struct subject_raw *s)
{
	const struct rzc_codec *codec = s->scene->codec;

	for (unsigned i = 0; i < s->scene->threads; i++) {
		s->contexts[i] = codec->codec->context_create(XVF_INPUT_PAGE_BYTES, codec->level);
		if (s->contexts[i] == NULL) {
			xvf_error("no memory for a context of codec %s", codec->label);
			return false;
		}
	}
	return true;
}

/* What reading starts from: the compressed form of each page of the sample. */
static bool raw_make_forms(struct subject_raw *s)
{
	size_t used = 0;

	s->form = xvf_calloc(s->scene->count, sizeof(*s->form));
	for (uint32_t n = 0; n < s->scene->count; n++) {
		int bytes = raw_compress(s, 0, n);

		if (bytes < 0) {
			xvf_error("codec %s failed: %s", s->scene->codec->label, strerror(-bytes));
			return false;
		}
		s->form[n].offset = used;
		s->form[n].bytes = bytes > 0 ? (uint32_t)bytes : XVF_INPUT_PAGE_BYTES;
		if (bytes == 0)
			continue;
		s->forms = xvf_grow(s->forms, &s->forms_bytes, used + (size_t)bytes, 1);
		memcpy(s->forms + used, s->buffers, (size_t)bytes);
		used += (size_t)bytes;
	}
	return true;
}

int rzc_subject_raw(struct rzc_subject *subject, const struct rzc_scene *scene)
{
	struct subject_raw *s = xvf_calloc(1, sizeof(*s));

	s->scene = scene;
	s->buffers = xvf_calloc(scene->threads, XVF_INPUT_PAGE_BYTES);
	if (!raw_make_contexts(s) || !raw_make_forms(s)) {
		raw_destroy(s);
		return XVF_FAILED;
	}
	*subject = (struct rzc_subject){
		.self = s,
		.write = raw_write,
		.read = raw_read,
		.clear = raw_clear,
		.destroy = raw_destroy,
	};
	return 0;
}
