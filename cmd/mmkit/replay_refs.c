/* SPDX-License-Identifier: MIT */
/* replay_refs.c - see replay_refs.h. Pages are numbered as they come, found again by a hash. */
#include "replay_refs.h"

#include "host_alloc.h"
#include "replay.h"

#include <stdlib.h>

struct known {
    uint64_t owner, page;
    uint32_t number; /* from 1; 0: free */
};

struct numbers {
    struct refs *refs;
    struct known *table;
    size_t size; /* a power of two, twice the references */
};

static uint64_t hash(uint64_t owner, uint64_t page)
{
    uint64_t x = owner * 0x9e3779b97f4a7c15u ^ page * 0xbf58476d1ce4e5b9u;

    return x ^ x >> 29;
}

static void note(void *context, uint64_t owner, uint64_t page)
{
    struct numbers *numbers = context;
    size_t at = hash(owner, page) & (numbers->size - 1);

    while (numbers->table[at].number != 0 &&
           (numbers->table[at].owner != owner || numbers->table[at].page != page))
        at = (at + 1) & (numbers->size - 1);
    if (numbers->table[at].number == 0)
        numbers->table[at] = (struct known){owner, page, numbers->refs->pages + 1};
    refs_add(numbers->refs, numbers->table[at].number - 1);
}

void replay_refs(const struct program *program, struct refs *refs)
{
    struct numbers numbers = {.refs = refs, .size = 16};

    while (numbers.size < 2 * program->op_count)
        numbers.size *= 2;
    numbers.table = host_alloc(numbers.size, sizeof(numbers.table[0]));
    replay_references(program, note, &numbers);
    free(numbers.table);
}
