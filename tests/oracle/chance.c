/* SPDX-License-Identifier: MIT */
/*
 * chance.c - `mmkit oracle' with a Linux that does something by itself, or seems to, so many times:
 *
 *     oracle-chance WHAT TIMES [OPTION...]
 *
 * What may be chance has to show twice to be told; all else is told at once (chance.sh).
 * The linker puts __wrap_linux_side_do() between the oracle and its Linux side.
 */
#include "files.h"
#include "linux_side.h"
#include "oracle_cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

const struct slot *__real_linux_side_do(const struct op *op, enum look look, const char **text);
const struct slot *__wrap_linux_side_do(const struct op *op, enum look look, const char **text);

/* => false: not here, nothing is changed */
typedef bool alter_t(const struct op *op, struct outcome *outcome, struct observation *seen);

static alter_t *alter;
static unsigned *left; /* times; shared with the processes that run sequences */
static bool freed;     /* this one has advised MADV_FREE */

/* ---- what Linux may do ----------------------------------------------------------------------- */

/* => what is mapped at addr; 0: nothing, or private anonymous memory */
static uint64_t object_at(const struct observation *seen, uint64_t addr)
{
    unsigned i;

    for (i = 0; i < seen->mappings; i++)
        if (seen->mapping[i].start <= addr && addr < seen->mapping[i].end)
            return seen->mapping[i].object;
    return 0;
}

static bool is_in_memory_file(const struct observation *seen, uint64_t addr)
{
    uint64_t object = object_at(seen, addr);

    return object && linux_side_file(object) != FILE_DISK;
}

static bool is_zeros(const uint64_t words[WORDS])
{
    unsigned i;

    for (i = 0; i < WORDS; i++)
        if (words[i] != 0)
            return false;
    return true;
}

/* The zero pages of files in memory are dropped. */
static bool drop_clean(const struct op *op, struct outcome *outcome, struct observation *seen)
{
    const uint8_t there = PAGE_KNOWN | PAGE_IN_CORE | PAGE_READABLE;
    bool done = false;
    unsigned i;

    (void)op;
    (void)outcome;
    for (i = 0; i < ISLANDS_PAGES; i++) {
        if ((seen->page[i] & there) == there && is_zeros(seen->words[i]) &&
            is_in_memory_file(seen, island_page(i))) {
            seen->page[i] &= (uint8_t)~PAGE_IN_CORE;
            done = true;
        }
    }
    return done;
}

/* So mincore answers. */
static bool answer_dropped(const struct op *op, struct outcome *outcome, struct observation *seen)
{
    (void)seen;
    if (op->call != CALL_MINCORE || outcome->result != 0 || outcome->pages == 0 ||
        outcome->page[0] != 1)
        return false;
    outcome->page[0] = 0;
    return true;
}

/* A page goes to which a word has just been stored. */
static bool drop_stored(const struct op *op, struct outcome *outcome, struct observation *seen)
{
    uint64_t page = op->args[0] & ~(PAGE - 1);
    unsigned i;

    if (op->call != CALL_WRITE || outcome->access != ACCESS_DONE || op->args[1] == 0)
        return false;
    for (i = 0; i < ISLANDS_PAGES; i++) {
        if (island_page(i) != page || is_zeros(seen->words[i]) || !(seen->page[i] & PAGE_IN_CORE) ||
            !is_in_memory_file(seen, page))
            continue;
        seen->page[i] &= (uint8_t)~PAGE_IN_CORE;
        return true;
    }
    return false;
}

static bool drop_freed(const struct op *op, struct outcome *outcome, struct observation *seen)
{
    return freed && drop_stored(op, outcome, seen);
}

/* What is beyond a file's end becomes zero when it is written back. */
static bool zero_word(const struct op *op, struct outcome *outcome, struct observation *seen)
{
    (void)seen;
    if (op->call != CALL_READ || outcome->access != ACCESS_DONE || outcome->word == 0)
        return false;
    outcome->word = 0;
    return true;
}

/* ---- what it does not ------------------------------------------------------------------------ */

static bool other_word(const struct op *op, struct outcome *outcome, struct observation *seen)
{
    (void)seen;
    if (op->call != CALL_READ || outcome->access != ACCESS_DONE)
        return false;
    outcome->word += 2;
    return true;
}

static bool other_access(const struct op *op, struct outcome *outcome, struct observation *seen)
{
    (void)seen;
    if (op->call != CALL_READ || outcome->access != ACCESS_DONE)
        return false;
    outcome->access = ACCESS_BUS;
    return true;
}

static bool other_result(const struct op *op, struct outcome *outcome, struct observation *seen)
{
    (void)seen;
    if (op->call != CALL_MPROTECT || outcome->result != 0)
        return false;
    outcome->result = -ENOMEM;
    return true;
}

static bool other_mapping(const struct op *op, struct outcome *outcome, struct observation *seen)
{
    (void)op;
    (void)outcome;
    if (seen->mappings == 0)
        return false;
    seen->mapping[0].end += PAGE;
    return true;
}

/* A page of private memory comes by itself. */
static bool bring(const struct op *op, struct outcome *outcome, struct observation *seen)
{
    unsigned i;

    (void)op;
    (void)outcome;
    for (i = 0; i < ISLANDS_PAGES; i++) {
        if ((seen->page[i] & (PAGE_KNOWN | PAGE_IN_CORE)) == PAGE_KNOWN &&
            object_at(seen, island_page(i)) == 0) {
            seen->page[i] |= PAGE_IN_CORE;
            return true;
        }
    }
    return false;
}

/* ---- in between ------------------------------------------------------------------------------ */

const struct slot *__wrap_linux_side_do(const struct op *op, enum look look, const char **text)
{
    const struct slot *slot = __real_linux_side_do(op, look, text);
    struct slot *altered = (struct slot *)slot;

    freed |= op->call == CALL_MADVISE && op->args[2] == MADV_FREE;
    if (slot && *left > 0 && alter(op, &altered->outcome, &altered->seen))
        --*left;
    return slot;
}

static const struct {
    const char *name;
    alter_t *alter;
} whats[] = {
    {"drop-clean", drop_clean},       {"answer-dropped", answer_dropped},
    {"drop-stored", drop_stored},     {"drop-freed", drop_freed},
    {"zero-word", zero_word},         {"other-word", other_word},
    {"other-access", other_access},   {"other-result", other_result},
    {"other-mapping", other_mapping}, {"bring", bring},
};

int main(int argc, char **argv)
{
    unsigned i;

    for (i = 0; argc > 2 && i < sizeof(whats) / sizeof(whats[0]); i++)
        if (strcmp(argv[1], whats[i].name) == 0)
            alter = whats[i].alter;
    left = mmap(NULL, sizeof(*left), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!alter || left == MAP_FAILED) {
        fprintf(stderr, "usage: oracle-chance WHAT TIMES [OPTION...]\n");
        return 2;
    }
    *left = (unsigned)strtoul(argv[2], NULL, 10);
    argv[2] = argv[0];
    return oracle_cmd(argc - 2, argv + 2);
}
