/* SPDX-License-Identifier: MIT */
/*
 * content.c - see content.h.
 *
 * Rejected: a copy of every page. It is simpler, but doubles the memory of a replay and costs a
 * page copy per fault, which would drown what the replay measures.
 */
#include "content.h"

#include "host_alloc.h"

#include <mmkit/port/annotate.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BASE = UINT32_MAX >> 1, BLOCK_CONTENTS = 2047 };

struct content_block {
    struct content_block *next;
    struct content contents[BLOCK_CONTENTS];
};

static MMK_COLD void add_block(struct content_pool *pool)
{
    struct content_block *block = host_alloc(1, sizeof(*block));
    unsigned i;

    block->next = pool->blocks;
    pool->blocks = block;
    for (i = 0; i < BLOCK_CONTENTS; i++) {
        block->contents[i].below = pool->free;
        pool->free = &block->contents[i];
    }
}

void content_pool_init(struct content_pool *pool)
{
    memset(pool, 0, sizeof(*pool));
}

void content_pool_destroy(struct content_pool *pool)
{
    struct content_block *block = pool->blocks;

    while (block != NULL) {
        struct content_block *next = block->next;

        free(block);
        block = next;
    }
    content_pool_init(pool);
}

/* => what it lies on is the caller's to set */
static struct content *content_create(struct content_pool *pool, uint32_t offset, uint64_t value)
{
    struct content *content;

    if (pool->free == NULL)
        add_block(pool);
    content = pool->free;
    pool->free = content->below;
    pool->exist++;
    content->references = 1;
    content->frames = 0;
    content->offset = offset;
    content->value = value;
    return content;
}

static void content_free(struct content_pool *pool, struct content *content)
{
    pool->exist--;
    content->below = pool->free;
    pool->free = content;
}

static bool is_base(const struct content *content)
{
    return content->offset == BASE;
}

struct content *content_of_file(struct content_pool *pool, uint64_t seed, uint64_t index)
{
    struct content *content = content_create(pool, BASE, seed);

    content->index = index;
    return content;
}

void content_put(struct content_pool *pool, struct content *content)
{
    while (content != NULL && --content->references == 0) {
        struct content *below = is_base(content) ? NULL : content->below;

        content_free(pool, content);
        content = below;
    }
}

/*
 * Takes out what a new stamp at `offset` will hide, as far down as the list is the caller's alone.
 * Without it a page written once per fork would grow a list as long as there are forks.
 */
static struct content *drop_hidden(struct content_pool *pool, struct content *head, unsigned offset)
{
    struct content **link = &head;

    while (*link != NULL && (*link)->references == 1 && !is_base(*link)) {
        struct content *content = *link;

        if (content->offset == offset) {
            *link = content->below;
            content_free(pool, content);
        } else {
            link = &content->below;
        }
    }
    return head;
}

struct content *content_stamp(struct content_pool *pool, struct content *content, unsigned offset,
                              uint64_t value)
{
    struct content *stamp;

    if (content != NULL)
        content = drop_hidden(pool, content, offset);
    stamp = content_create(pool, offset, value);
    stamp->below = content;
    return stamp;
}

/* A cheap mixer: bijective in each argument, so that no two words of a page, and no two pages
 * at one word, are equal by construction; those of two files differ but for chance. */
uint64_t content_file_word(uint64_t seed, uint64_t index, unsigned word)
{
    uint64_t x = seed + index * CONTENT_WORDS + word;

    x *= 0x9e3779b97f4a7c15;
    x ^= x >> 32;
    return x * 0xd6e8feb86659fd93;
}

void content_file_fill(uint64_t seed, uint64_t index, uint64_t words[CONTENT_WORDS])
{
    unsigned word;

    for (word = 0; word < CONTENT_WORDS; word++)
        words[word] = content_file_word(seed, index, word);
}

uint64_t content_word(const struct content *content, unsigned offset)
{
    for (; content != NULL; content = content->below) {
        if (is_base(content))
            return content_file_word(content->value, content->index, offset / 8);
        if (content->offset == offset)
            return content->value;
    }
    return 0;
}

static const struct content *find_base(const struct content *content)
{
    while (content != NULL && !is_base(content))
        content = content->below;
    return content;
}

void content_fill(const struct content *content, uint64_t words[CONTENT_WORDS])
{
    const struct content *base = find_base(content);
    uint64_t seen[CONTENT_WORDS / 64] = {0};

    if (base != NULL)
        content_file_fill(base->value, base->index, words);
    else
        memset(words, 0, CONTENT_WORDS * sizeof(words[0]));
    for (; content != base; content = content->below) {
        unsigned word = content->offset / 8;
        uint64_t bit = (uint64_t)1 << (word % 64);

        if ((seen[word / 64] & bit) == 0) {
            seen[word / 64] |= bit;
            words[word] = content->value;
        }
    }
}
