/* SPDX-License-Identifier: MIT */
/*
 * content.h - what a page must hold, as a list of stamps over a base.
 *
 * A page starts as zeros or as a page of a file, and then gets stamps: 8-byte values that occur
 * nowhere else, one per recorded write. A content is the newest stamp, with what lies below it;
 * NULL is a page of zeros. Contents never change while more than one owner sees them, so that
 * parent and child of a fork share one, exactly as long as mmkit shares the frame.
 *
 * Invariants:
 *  1. references = contents right above + owners (page slots, objects' pages).
 *  2. frames = page slots that own it; the pool counts the contents with frames > 0: the frames
 *     that private memory takes.
 *  3. Along a list each stamp hides older ones at its own offset.
 */
#ifndef CONTENT_H
#define CONTENT_H

#include <stddef.h>
#include <stdint.h>

/* Its fields are for content.c and the inlines here. */
struct content {
    uint32_t references;
    uint32_t frames;
    uint32_t offset; /* of the stamp; or says that this is a page of a file: a base */
    uint32_t unused;
    uint64_t value; /* the stamp, or the file's seed */
    union {
        struct content *below; /* of a stamp: owned */
        uint64_t index;        /* of a base */
    };
};

struct content_pool {
    struct content *free;
    struct content_block *blocks;
    uint64_t frames; /* contents that at least one slot owns */
    uint64_t exist;  /* contents in use */
};

enum { CONTENT_WORDS = 512 }; /* 8-byte words in a page */

void content_pool_init(struct content_pool *pool);
void content_pool_destroy(struct content_pool *pool);

/* The base of page `index` of the file whose identity hashes to `seed`. => one reference */
struct content *content_of_file(struct content_pool *pool, uint64_t seed, uint64_t index);

static inline void content_get(struct content *content)
{
    if (content != NULL)
        content->references++;
}

void content_put(struct content_pool *pool, struct content *content);

/* A page slot becomes, or ceases to be, an owner of the frame with this content; not for NULL. */
static inline void content_frame_get(struct content_pool *pool, struct content *content)
{
    pool->frames += content->frames++ == 0;
}

static inline void content_frame_put(struct content_pool *pool, struct content *content)
{
    pool->frames -= --content->frames == 0;
}

/*
 * Writes `value` at byte `offset` (a multiple of 8). The caller's reference to `content` becomes
 * its reference to the answer; frame ownership is not moved.
 */
struct content *content_stamp(struct content_pool *pool, struct content *content, unsigned offset,
                              uint64_t value);

uint64_t content_word(const struct content *content, unsigned offset);
void content_fill(const struct content *content, uint64_t words[CONTENT_WORDS]);

/* What files hold. */
uint64_t content_file_word(uint64_t seed, uint64_t index, unsigned word);
void content_file_fill(uint64_t seed, uint64_t index, uint64_t words[CONTENT_WORDS]);

#endif
