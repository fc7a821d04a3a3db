/* SPDX-License-Identifier: MIT */
/* progress.h - a bar on stderr, for people. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

struct progress {
    size_t total, next, step;
    bool shown;
};

/* => shown: only when a person may be looking (stderr is a terminal) */
void progress_begin(struct progress *progress, size_t total, bool shown);
void progress_draw(struct progress *progress, size_t done);
void progress_end(struct progress *progress); /* wipes the bar */

static inline void progress_update(struct progress *progress, size_t done)
{
    if (done >= progress->next)
        progress_draw(progress, done);
}

#endif
