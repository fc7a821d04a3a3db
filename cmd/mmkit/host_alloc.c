/* SPDX-License-Identifier: MIT */
/* host_alloc.c - see host_alloc.h. */
#include "host_alloc.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void host_alloc_failed(void)
{
    fputs("mmkit: the host has no memory left\n", stderr);
    exit(2);
}

void *host_alloc(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL)
        host_alloc_failed();
    return memory;
}

void *host_grow(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity == 0 ? 16 : *capacity * 2;
    array = reallocarray(array, *capacity, size);
    if (array == NULL)
        host_alloc_failed();
    return array;
}
