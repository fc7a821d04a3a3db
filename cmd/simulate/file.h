/* SPDX-License-Identifier: MIT */
/*
 * file.h - a file of programs on the deterministic machine: what it has of a page is its first
 * word, and the rest is zeros. Its content is no memory that the machine knows, so it is told.
 */
#ifndef SIMULATE_FILE_H
#define SIMULATE_FILE_H

#include "world.h"

#include <mmkit/object.h>

enum { FILE_WORDS = 16 };

/* Reset by file_create(). */
struct file {
    uint64_t word[FILE_WORDS]; /* of each page, as it was written back last */
    bool unreadable;           /* reading it fails */
};

extern struct file file;

/* Its word of a page, while others may write it back. */
uint64_t file_word(uint64_t index);

/* Empty, of so many pages; of `file` there is one at a time. => with a reference; it succeeds */
struct mmk_object *file_create(unsigned pages);

#endif
