/* SPDX-License-Identifier: MIT */
/* progress.c - see progress.h. */
#include "progress.h"

#include <stdint.h>
#include <stdio.h>

enum { WIDTH = 50 };

void progress_begin(struct progress *progress, size_t total, bool shown)
{
    progress->total = total;
    progress->shown = shown;
    progress->step = total / 200 + 1;
    progress->next = shown ? 0 : SIZE_MAX;
}

void progress_draw(struct progress *progress, size_t done)
{
    int filled = (int)(done * WIDTH / progress->total);

    fprintf(stderr, "\r[%.*s%*s] %3zu %%", filled,
            "##################################################", WIDTH - filled, "",
            done * 100 / progress->total);
    fflush(stderr);
    progress->next = done + progress->step;
}

void progress_end(struct progress *progress)
{
    if (progress->shown) {
        fprintf(stderr, "\r%*s\r", WIDTH + 8, "");
        fflush(stderr);
    }
}
