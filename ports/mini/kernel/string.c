/* SPDX-License-Identifier: MIT */
/*
 * string.c - the four functions of C that mmkit and the compiler call. In assembly: a loop in C may
 * be turned into a call of the function that it is.
 */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    return memmove(to, from, size);
}

/* Forwards, unless that would overwrite what is still to be read. */
void *memmove(void *to, const void *from, size_t size)
{
    unsigned char *next = to;
    const unsigned char *next_from = from;

    if ((uintptr_t)to - (uintptr_t)from >= size) {
        __asm__ volatile("rep movsb" : "+D"(next), "+S"(next_from), "+c"(size) : : "memory");
        return to;
    }
    next += size - 1;
    next_from += size - 1;
    __asm__ volatile("std\n\trep movsb\n\tcld"
                     : "+D"(next), "+S"(next_from), "+c"(size)
                     :
                     : "memory");
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    void *end = to;

    __asm__ volatile("rep stosb" : "+D"(end), "+c"(size) : "a"(byte) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *left = a, *right = b;

    for (; size > 0; size--, left++, right++) {
        if (*left != *right)
            return *left < *right ? -1 : 1;
    }
    return 0;
}
