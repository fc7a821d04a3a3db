/* SPDX-License-Identifier: MIT */
/*
 * pieces.h - data of programs in RAM, an aligned piece at a time.
 *
 * By relaxed atomics: programs may race, and that is no fault of the host's.
 */
#ifndef MACHINE_PIECES_H
#define MACHINE_PIECES_H

#include <mmkit/port/annotate.h>
#include <string.h>

#ifdef MACHINE_FIBERS
#include <mmkit/port/atomic.h>

/* fibers/memory.c: when memory is weak */
void fibers_note_program(const void *ram);
uint64_t fibers_program_load(const void *ram);
void fibers_program_store(void *ram, uint64_t word);

MMK_ALWAYS_INLINE void note_program(const void *ram)
{
    if (mmk_unlikely(fibers_weak))
        fibers_note_program(ram);
}

MMK_ALWAYS_INLINE uint64_t program_load(const void *ram)
{
    if (mmk_unlikely(fibers_weak))
        return fibers_program_load(ram);
    return __atomic_load_n((const uint64_t *)ram, __ATOMIC_RELAXED);
}

MMK_ALWAYS_INLINE void program_store(void *ram, uint64_t word)
{
    if (mmk_unlikely(fibers_weak))
        fibers_program_store(ram, word);
    else
        __atomic_store_n((uint64_t *)ram, word, __ATOMIC_RELAXED);
}
#else
MMK_ALWAYS_INLINE void note_program(const void *ram)
{
    (void)ram;
}

MMK_ALWAYS_INLINE uint64_t program_load(const void *ram)
{
    return __atomic_load_n((const uint64_t *)ram, __ATOMIC_RELAXED);
}

MMK_ALWAYS_INLINE void program_store(void *ram, uint64_t word)
{
    __atomic_store_n((uint64_t *)ram, word, __ATOMIC_RELAXED);
}
#endif

MMK_ALWAYS_INLINE void load_word(const void *ram, void *to)
{
    uint64_t word = program_load(ram);

    memcpy(to, &word, sizeof(word));
}

MMK_ALWAYS_INLINE void store_word(void *ram, const void *from)
{
    uint64_t word;

    memcpy(&word, from, sizeof(word));
    program_store(ram, word);
}

/* One naturally aligned piece: the widest that fits. Aligned words are never torn. */
static inline size_t load_piece(const void *ram, void *to, size_t size)
{
    uintptr_t at = (uintptr_t)ram;
    uint32_t half;
    uint16_t quarter;

    if (size >= 8 && at % 8 == 0) {
        load_word(ram, to);
        return 8;
    }
    note_program(ram);
    if (size >= 4 && at % 4 == 0) {
        half = __atomic_load_n((const uint32_t *)ram, __ATOMIC_RELAXED);
        memcpy(to, &half, 4);
        return 4;
    }
    if (size >= 2 && at % 2 == 0) {
        quarter = __atomic_load_n((const uint16_t *)ram, __ATOMIC_RELAXED);
        memcpy(to, &quarter, 2);
        return 2;
    }
    *(uint8_t *)to = __atomic_load_n((const uint8_t *)ram, __ATOMIC_RELAXED);
    return 1;
}

static inline size_t store_piece(void *ram, const void *from, size_t size)
{
    uintptr_t at = (uintptr_t)ram;
    uint32_t half;
    uint16_t quarter;

    if (size >= 8 && at % 8 == 0) {
        store_word(ram, from);
        return 8;
    }
    note_program(ram);
    if (size >= 4 && at % 4 == 0) {
        memcpy(&half, from, 4);
        __atomic_store_n((uint32_t *)ram, half, __ATOMIC_RELAXED);
        return 4;
    }
    if (size >= 2 && at % 2 == 0) {
        memcpy(&quarter, from, 2);
        __atomic_store_n((uint16_t *)ram, quarter, __ATOMIC_RELAXED);
        return 2;
    }
    __atomic_store_n((uint8_t *)ram, *(const uint8_t *)from, __ATOMIC_RELAXED);
    return 1;
}

/* Of `size` bytes at addr, those in addr's page. */
static inline size_t in_page(mmk_vaddr_t addr, size_t size)
{
    size_t left = (size_t)(MMK_PAGE_SIZE - (addr & (MMK_PAGE_SIZE - 1)));

    return size < left ? size : left;
}

#endif
