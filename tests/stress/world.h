/* SPDX-License-Identifier: MIT */
/*
 * world.h - what the threads of the stress of address spaces share: where the areas lie, what a
 * word says, and what is known of whom. The areas are described at the head of mm.c.
 */
#ifndef WORLD_H
#define WORLD_H

#include "slots.h"

#include <mmkit/port/atomic.h>

#define GB1 ((mmk_vaddr_t)1 << 30)

/* own: clusters of pages, some in neighbouring tables, some far apart; pairs go round. */
#define OWN_CLUSTERS 6
#define OWN_PAGES    16                                   /* in a cluster */
#define OWN_COUNT    (OWN_CLUSTERS * OWN_PAGES / THREADS) /* pages of one thread: whole pairs */

/* words: four kinds, a quarter of the pages each. */
#define WORD_KEEP     0 /* private anonymous, never dropped */
#define WORD_DROP     1
#define WORD_KEEP_SHM 2 /* shared memory, mapped twice */
#define WORD_DROP_SHM 3
#define WORD_KINDS    4
#define WORD_EACH     6
#define WORD_PAGES    (WORD_KINDS * WORD_EACH)
#define WORD_BASE     (BASE + MB2 - WORD_EACH * PAGE) /* crosses into the next table */
#define WORD_ALIAS    (BASE + 6 * GB1)
/* WORD_DROP: a table each, on both sides of a 1 GiB boundary, so that tables come and go. */
#define LONE (BASE + 13 * GB1 - WORD_EACH / 2 * MB2)

/* mixed: two views, one around a 1 GiB boundary, one beside own pages. */
#define MIXED_PAGES 64
#define MIXED_FAR   (BASE + 8 * GB1 - MIXED_PAGES / 2 * PAGE)
#define MIXED_NEAR  (BASE + 1 * GB1 + MB2 - MIXED_PAGES / 2 * PAGE)

#define FILE_PAGES   32
#define FILE_PRIVATE (BASE + 2 * GB1 + MB2 - FILE_PAGES / 2 * PAGE)
#define FILE_SHARED  (BASE + 9 * GB1)

#define HEAP_PAGES  40
#define HEAP        (BASE + 10 * GB1 + MB2 - HEAP_PAGES / 2 * PAGE)
#define STACK_PAGES 48
#define STACK_TOP   (BASE + 11 * GB1 + STACK_PAGES / 2 * PAGE)

/* A word: kind, page, thread, whether written in a child, number. Never zero. */
enum kind { KIND_OWN = 1, KIND_WORD, KIND_MIXED, KIND_FILE, KIND_HEAP, KIND_STACK };

static uint64_t stamp(enum kind kind, uint64_t page, unsigned thread, bool child, uint32_t number)
{
    return (uint64_t)kind << 60 | page << 40 | (uint64_t)thread << 36 | (uint64_t)child << 32 |
           number;
}

#define STAMP_ID(word)     ((word) >> 40)
#define STAMP_CHILD(word)  ((word) >> 32 & 1)
#define STAMP_NUMBER(word) ((uint32_t)(word))

enum own_map { OWN_NONE, OWN_ANON, OWN_SHARED, OWN_PRIVATE };

/* What a thread knows of one of its pages in one address space. */
struct own_page {
    enum own_map map;
    unsigned prot;
    bool copied;     /* OWN_PRIVATE: has a copy, `value` is in it */
    bool maybe_zero; /* after MADV_FREE */
    bool locked;     /* not OWN_PRIVATE: locking would copy */
    uint64_t value;
};

struct thread {
    unsigned id;
    uint32_t forks;                 /* as last seen */
    uint32_t number;                /* of its last word */
    struct own_page own[OWN_COUNT]; /* in the parent */
    struct own_page *here;          /* of the address space that it is in */
    struct own_page *other;         /* while in a child: the parent's */
    struct mmk_object *file;        /* its own, for own pages */
    uint64_t file_word[OWN_COUNT];
    bool file_maybe_zero[OWN_COUNT]; /* stored beyond the end of what is kept on a disk: anybody's
                                        write-back cuts it */
    uint64_t file_size;              /* bytes */
    /* Odd threads' files are kept on a disk, of which this is the word in use of each page. */
    struct mmk_a64 disk_word[OWN_CLUSTERS * OWN_PAGES];
};

/* What a round is about. All at once hides what needs quiet around it, or many at one place. */
enum mode { MODE_ALL, MODE_CALM, MODE_TABLES, MODE_FILE, MODES };

static struct {
    struct mmk_group *group; /* of all address spaces */
    struct mmk_mm *mm;
    struct mmk_object *words; /* shared memory */
    struct mmk_object *shm;   /* of the mixed area */
    struct mmk_object *disk;  /* of the mixed area, with operations */
    struct mmk_object *file;  /* changes its size */
    struct mmk_a32 completed[WORD_PAGES][THREADS];
    struct mmk_a32 forks;
    pthread_mutex_t file_lock; /* only tried: a CPU does not wait for the host */
    struct thread thread[THREADS];
    enum mode mode; /* changes at quiet points */
} world;

static __thread struct thread *self;

/* Zero, or a word of this page. */
static void check_identity(uint64_t word, enum kind kind, uint64_t page, mmk_vaddr_t addr)
{
    if (word != 0 && STAMP_ID(word) != STAMP_ID(stamp(kind, page, 0, false, 0)))
        fail("%llx holds %016llx, a word of another page", (unsigned long long)addr,
             (unsigned long long)word);
}

static void touch(bool write, enum kind kind, uint64_t page, mmk_vaddr_t addr, unsigned may)
{
    uint64_t word;

    if (write)
        store(addr, stamp(kind, page, self->id, false, ++self->number), may);
    else if (load(addr, &word, may))
        check_identity(word, kind, page, addr);
}

/* punch_hole of files whose content comes back. */
static int punch_nothing(struct mmk_object *object, uint64_t offset, uint64_t length)
{
    (void)object;
    (void)offset;
    (void)length;
    return 0;
}

#endif
