/* SPDX-License-Identifier: MIT */
/*
 * slab.h - small objects of one size (VMAs, tree nodes, ...), carved from frames.
 */
#ifndef MMK_SRC_SLAB_H
#define MMK_SRC_SLAB_H

#include "page.h"
#include <mmkit/port/cpu.h>

/* This CPU's stack of free objects of one cache: no lock, no shared line. */
#define MMK_SLAB_MAGAZINE 14

struct MMK_CACHE_ALIGNED mmk_slab_cpu {
    uint32_t count;
    void *object[MMK_SLAB_MAGAZINE];
};

struct mmk_slab_cache {
    const char *name;
    uint32_t size;               /* c: bytes, multiple of 16, at most half a page */
    uint32_t per_frame;          /* c */
    uint32_t inverse;            /* c: divides by size; slab.c */
    struct mmk_slab_cache *next; /* c: all caches, for draining */

    /* A line that changes apart from one that is only read. S: the lock below. */
    MMK_CACHE_ALIGNED struct mmk_spinlock lock;
    uint32_t empty;                /* S: frames in partial of which no object is out */
    struct mmk_a32 frames;         /* S to write: all frames of the cache */
    struct mmk_list partial, full; /* S: frames with, without a free object */

    struct mmk_slab_cpu cpu[MMK_MAX_CPUS];
};

/* Before first use, and again after mmk_shutdown(). => not concurrent with anything */
void mmk_slab_cache_init(struct mmk_slab_cache *cache, const char *name, size_t size);

/*
 * An object with undefined content, 16-byte aligned. flags: MMK_ALLOC_NOWAIT, MMK_ALLOC_ZERO.
 * => NULL: no memory; may sleep unless MMK_ALLOC_NOWAIT
 */
void *mmk_slab_alloc(struct mmk_slab_cache *cache, unsigned flags);

/* => any context where frames may be allocated */
void mmk_slab_free(struct mmk_slab_cache *cache, void *object);

/*
 * Magazines of `cpu` back to their frames, in all caches; frames without objects are freed.
 * => `cpu` is this CPU, or is not inside mmkit; any context where frames may be allocated
 */
void mmk_slab_drain_cpu(unsigned cpu);
uint64_t mmk_slab_cached(
    unsigned cpu); /* objects in that CPU's magazines. => it is not inside mmkit */

/* Forgets every cache (they are static; mmk_init registers them anew). */
void mmk_slab_init(void);

uint64_t mmk_slab_frames(void); /* frames in use by all caches */

/* Checks lists, counts and magazines; panics if they disagree. => nothing else runs */
void mmk_slab_check(void);

#endif
