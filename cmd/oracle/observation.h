/* SPDX-License-Identifier: MIT */
/*
 * observation.h - what can be seen of a process: what an operation answered, and the state after.
 *
 * Both executors fill the same structure; compare.c says where they have to agree. The state is
 * looked at without changing it: no page comes because it was looked at.
 */
#ifndef ORACLE_OBSERVATION_H
#define ORACLE_OBSERVATION_H

#include "op.h"
#include "window.h"

#include <string.h>

enum { MAPPINGS_MAX = 1024, WORDS = 4 };

/* Where in a page words are written and looked at: the first, which is also an instruction, those
   around the middle, where files may end, and the last. */
static const unsigned word_offsets[WORDS] = {0, 2040, 2048, 4088};

enum access {
    ACCESS_DONE,
    ACCESS_MAPERR, /* SIGSEGV, SEGV_MAPERR */
    ACCESS_ACCERR,
    ACCESS_BUS,
    ACCESS_OTHER, /* a signal that there should not be */
};

/* What memory holds, in a number: of a part, and of a page, by its words. */
static inline uint64_t hash_bytes(const uint8_t *bytes, uint64_t size)
{
    uint64_t hash = 0xcbf29ce484222325u, i;

    for (i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

static inline uint64_t hash_word(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

/* What one operation answered. */
struct outcome {
    int64_t result;                  /* of a call: -errno, or the value */
    enum access access;              /* READ, WRITE, EXEC */
    uint64_t word;                   /* READ; COPY_IN, DEBUG: hash_bytes() */
    unsigned pages;                  /* MINCORE, SWEEP: of `page` */
    uint8_t page[2 * ISLANDS_PAGES]; /* MINCORE: 0, 1, or 2: not written; SWEEP: enum access */
    uint64_t words[SWEEP_MAX];       /* SWEEP */
};

enum mapping_flag {
    MAPPING_SHARED = 1,
    /* these are seen in the long form only */
    MAPPING_LOCKED = 2,
    MAPPING_ONFAULT = 4,
    MAPPING_GROWSDOWN = 8,
    MAPPING_NORESERVE = 16,
    MAPPING_SEALED = 32,
    MAPPING_DONTFORK = 64,
    MAPPING_WIPEONFORK = 128,
};

struct mapping {
    uint64_t start, end;
    uint64_t object; /* 0: none; else what is mapped: an inode's number, an object's address */
    uint64_t offset;
    unsigned prot, flags;
};

enum page_flag {
    PAGE_KNOWN = 1,    /* something is mapped, and mincore was answered */
    PAGE_IN_CORE = 2,  /* mincore */
    PAGE_ZERO = 4,     /* Linux: the entry is the zero page's */
    PAGE_READABLE = 8, /* there is an entry, and the words are known */
};

/* What mappings count for, in bytes, in the window; but `locked' everywhere. */
struct sizes {
    uint64_t virt, data, stack, locked;
};

struct observation {
    bool full; /* mappings' flags are known, and hashes, and sizes */
    struct sizes sizes;
    uint64_t anonymous; /* entries of private anonymous memory in the window, in pages */
    uint8_t page[ISLANDS_PAGES];
    uint64_t words[ISLANDS_PAGES][WORDS], hash[ISLANDS_PAGES];
    unsigned mappings;
    struct mapping mapping[MAPPINGS_MAX];
};

/* Without the mappings that are not there. */
static inline void observation_copy(struct observation *to, const struct observation *from)
{
    memcpy(to, from,
           offsetof(struct observation, mapping) + from->mappings * sizeof(struct mapping));
}

#endif
