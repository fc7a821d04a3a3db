/* SPDX-License-Identifier: MIT */
/*
 * plain.c - the library's plain accesses: when memory is weak cells.c looks whether anything orders
 * them; and lines.c, on request, whose lines they are.
 *
 * The compiler notes them for us: the library is compiled with -fsanitize=thread, and linked with
 * this file in ThreadSanitizer's place, as Linux does it for KCSAN. Calls of memset and its like
 * are given other names when it is compiled.
 */
#include "lines.h"
#include "weak.h"

#include <string.h>

#define HERE __builtin_return_address(0)

#define DEFINE_NOTES(kind, note)                                                                   \
    void __tsan_##kind##1(void *at);                                                               \
    void __tsan_##kind##2(void *at);                                                               \
    void __tsan_##kind##4(void *at);                                                               \
    void __tsan_##kind##8(void *at);                                                               \
    void __tsan_##kind##16(void *at);                                                              \
    void __tsan_##kind##1(void *at)                                                                \
    {                                                                                              \
        note(at, 1, HERE);                                                                         \
    }                                                                                              \
    void __tsan_##kind##2(void *at)                                                                \
    {                                                                                              \
        note(at, 2, HERE);                                                                         \
    }                                                                                              \
    void __tsan_##kind##4(void *at)                                                                \
    {                                                                                              \
        note(at, 4, HERE);                                                                         \
    }                                                                                              \
    void __tsan_##kind##8(void *at)                                                                \
    {                                                                                              \
        note(at, 8, HERE);                                                                         \
    }                                                                                              \
    void __tsan_##kind##16(void *at)                                                               \
    {                                                                                              \
        note(at, 16, HERE);                                                                        \
    }

MMK_ALWAYS_INLINE void note_read(const void *at, size_t size, const void *where)
{
    if (fibers_weak)
        cell_plain_read((uintptr_t)at, size, where);
    if (mmk_unlikely(lines_noted))
        lines_note((uintptr_t)at, size, FIBERS_READ, where);
}

MMK_ALWAYS_INLINE void note_write(const void *at, size_t size, const void *where)
{
    if (fibers_weak)
        cell_plain_write((uintptr_t)at, size, where);
    if (mmk_unlikely(lines_noted))
        lines_note((uintptr_t)at, size, FIBERS_WRITE, where);
}

DEFINE_NOTES(read, note_read)
DEFINE_NOTES(write, note_write)
DEFINE_NOTES(unaligned_read, note_read)
DEFINE_NOTES(unaligned_write, note_write)

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_read_range(void *at, size_t size);
void __tsan_write_range(void *at, size_t size);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void)
{
}

void __tsan_read_range(void *at, size_t size)
{
    note_read(at, size, HERE);
}

void __tsan_write_range(void *at, size_t size)
{
    note_write(at, size, HERE);
}

/* ---- ranges ---------------------------------------------------------------------------------- */

/* By the name that the library's calls are given, and by the one that clang gives. */
#define DEFINE_MOVE(name)                                                                          \
    void *name(void *to, const void *from, size_t size);                                           \
    void *name(void *to, const void *from, size_t size)                                            \
    {                                                                                              \
        note_read(from, size, HERE);                                                               \
        note_write(to, size, HERE);                                                                \
        return memmove(to, from, size);                                                            \
    }

#define DEFINE_SET(name)                                                                           \
    void *name(void *to, int byte, size_t size);                                                   \
    void *name(void *to, int byte, size_t size)                                                    \
    {                                                                                              \
        note_write(to, size, HERE);                                                                \
        return memset(to, byte, size);                                                             \
    }

DEFINE_MOVE(fibers_memcpy)
DEFINE_MOVE(fibers_memmove)
DEFINE_MOVE(__tsan_memcpy)
DEFINE_MOVE(__tsan_memmove)
DEFINE_SET(fibers_memset)
DEFINE_SET(__tsan_memset)
