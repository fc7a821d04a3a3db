/* SPDX-License-Identifier: MIT */
/* sharing_found.h - the lines that two CPUs have used in a pair's runs, one of them to write. */
#ifndef SIMULATE_SHARING_FOUND_H
#define SIMULATE_SHARING_FOUND_H

#include "sharing_name.h"

enum { SHARING_LINES = 48, SHARING_KEY = 4 * SHARING_NAME + 16, SHARING_TEXT = 256 };

struct sharing_line {
    char key[SHARING_KEY];     /* a field that one writes and the other uses; or two beside each
                                  other in a line */
    char cpu[2][SHARING_TEXT]; /* what each does there: "writes mmap_lock (mmk_fault)" */
    bool interrupt;            /* by interrupts that one sends the other; else not shared */
    bool table;                /* it is a leaf table's */
};

struct sharing_found {
    struct sharing_line line[SHARING_LINES]; /* by key, each once */
    size_t count;
    bool more; /* than there is room for */
};

/* Adds what was noted since lines_begin(). => the machine is as the pair has left it */
void sharing_look(struct sharing_found *found);

#endif
