/* SPDX-License-Identifier: MIT */
/*
 * host_alloc.h - the tool's own memory, from the host. A tool without memory cannot even report
 * properly, so these never fail: they say so and end the process with status 2.
 */
#ifndef HOST_ALLOC_H
#define HOST_ALLOC_H

#include <stddef.h>

/* Says that the host has no memory left, and ends the process with status 2. */
_Noreturn void host_alloc_failed(void);

/* `count` objects of `size` bytes, zeroed. => the caller frees it */
void *host_alloc(size_t count, size_t size);

/*
 * Makes room for one more element in an array that doubles: returns the array, moved or not.
 * => *capacity is updated; what is new is not zeroed
 */
void *host_grow(void *array, size_t count, size_t *capacity, size_t size);

#endif
