/* SPDX-License-Identifier: MIT */
/* grown.h - a list gets room for more, or the process ends. */
#ifndef SIMULATE_GROWN_H
#define SIMULATE_GROWN_H

#include <stdio.h>
#include <stdlib.h>

/* As realloc(), but => not NULL; without memory it says so, and exits with 2 */
static inline void *grown(void *list, size_t size)
{
    list = realloc(list, size);
    if (!list) {
        fputs("mmkit simulate: no memory\n", stderr);
        exit(2);
    }
    return list;
}

#endif
