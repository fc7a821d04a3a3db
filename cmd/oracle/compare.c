/* SPDX-License-Identifier: MIT */
/*
 * compare.c - see compare.h.
 *
 * What may differ, and why, is docs/SEMANTICS.md's to say:
 *  - a child of fork has the zero page's entries on Linux only ("Which entries fork copies");
 *  - which pages MADV_PAGEOUT takes: there is swap in mmkit alone ("MADV_COLD, MADV_PAGEOUT");
 *  - with --huge: which pages that nobody has touched are there; Linux is asked for small ones;
 *  - which pages of a file on a disk are in memory, and so which of them are mapped around a fault;
 *  - which pages of other files have entries. What mincore says of them has to agree. What is in a
 *    page has to, wherever both have an entry.
 */
#include "compare.h"

#include "files.h"
#include "linux_side.h"
#include "mmkit_side.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const access_names[] = {
    [ACCESS_DONE] = "done",      [ACCESS_MAPERR] = "SEGV_MAPERR",   [ACCESS_ACCERR] = "SEGV_ACCERR",
    [ACCESS_BUS] = "BUS_ADRERR", [ACCESS_OTHER] = "another signal",
};

/* ---- what an operation answered -------------------------------------------------------------- */

static const char *result_text(int64_t result, char *text, size_t size)
{
    if (result < 0 && result >= -4095)
        snprintf(text, size, "-%s", strerrorname_np((int)-result));
    else
        snprintf(text, size, "0x%" PRIx64, (uint64_t)result);
    return text;
}

static bool compare_results(const struct outcome *on_linux, const struct outcome *here, char *text)
{
    char left[32], right[32];

    if (on_linux->result == here->result)
        return true;
    snprintf(text, COMPARE_TEXT, "Linux answers %s, mmkit %s",
             result_text(on_linux->result, left, sizeof(left)),
             result_text(here->result, right, sizeof(right)));
    return false;
}

static bool compare_accesses(const struct op *op, const struct outcome *on_linux,
                             const struct outcome *here, char *text)
{
    bool many = op->call == CALL_COPY_IN || op->call == CALL_DEBUG;

    if (on_linux->access != here->access) {
        snprintf(text, COMPARE_TEXT, "the access on Linux: %s, in mmkit: %s",
                 access_names[on_linux->access], access_names[here->access]);
        return false;
    }
    if (on_linux->access == ACCESS_DONE && on_linux->word != here->word) {
        snprintf(text, COMPARE_TEXT, "on Linux it reads %s0x%" PRIx64 ", in mmkit 0x%" PRIx64,
                 many ? "bytes with the hash " : "", on_linux->word, here->word);
        return false;
    }
    return true;
}

static bool compare_sweeps(const struct outcome *on_linux, const struct outcome *here, char *text)
{
    unsigned i;

    for (i = 0; i < on_linux->pages; i++) {
        if (on_linux->page[i] != here->page[i]) {
            snprintf(text, COMPARE_TEXT, "page %u of the sweep on Linux: %s, in mmkit: %s", i,
                     access_names[on_linux->page[i]], access_names[here->page[i]]);
            return false;
        }
        if (on_linux->page[i] == ACCESS_DONE && on_linux->words[i] != here->words[i]) {
            snprintf(text, COMPARE_TEXT,
                     "page %u of the sweep: on Linux 0x%" PRIx64 ", in mmkit 0x%" PRIx64, i,
                     on_linux->words[i], here->words[i]);
            return false;
        }
    }
    return true;
}

static bool compare_vectors(const struct outcome *on_linux, const struct outcome *here,
                            const struct past *past, char *text)
{
    unsigned i;

    for (i = 0; i < on_linux->pages; i++) {
        if (past->reclaimed && (on_linux->page[i] | here->page[i]) == 1)
            continue;
        if (past->is_child && on_linux->page[i] == 1 && here->page[i] == 0)
            continue; /* the zero page; compare_page() knows better */
        if (mmkit_side_has_huge() && on_linux->page[i] == 0 && here->page[i] == 1)
            continue;
        if ((on_linux->page[i] & 3) != (here->page[i] & 3)) {
            snprintf(text, COMPARE_TEXT, "mincore of page %u: on Linux %u%s, in mmkit %u", i,
                     on_linux->page[i], on_linux->page[i] == 0 ? " (" COMPARE_CHANCE ")" : "",
                     here->page[i]);
            return false;
        }
    }
    return true;
}

bool compare_outcomes(const struct op *op, const struct outcome *on_linux,
                      const struct outcome *here, const struct past *past, char *text)
{
    if (!compare_results(on_linux, here, text) || !compare_accesses(op, on_linux, here, text))
        return false;
    if (op->call == CALL_SWEEP)
        return compare_sweeps(on_linux, here, text);
    return op->call != CALL_MINCORE || compare_vectors(on_linux, here, past, text);
}

/* ---- mappings -------------------------------------------------------------------------------- */

/* Of the flags: those that both sides know. */
static void mask_flags(struct observation *seen)
{
    unsigned i;

    for (i = 0; i < seen->mappings && !seen->full; i++)
        seen->mapping[i].flags &= MAPPING_SHARED;
}

static void print_mapping(char *text, size_t size, const struct mapping *mapping)
{
    static const char *const flags[] = {"shared",    "locked", "onfault",  "growsdown",
                                        "noreserve", "sealed", "dontfork", "wipeonfork"};
    int length;
    unsigned i;

    length = snprintf(text, size, "0x%" PRIx64 "-0x%" PRIx64 " %c%c%c +0x%" PRIx64, mapping->start,
                      mapping->end, mapping->prot & 1 ? 'r' : '-', mapping->prot & 2 ? 'w' : '-',
                      mapping->prot & 4 ? 'x' : '-', mapping->offset);
    for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (mapping->flags & 1u << i)
            length += snprintf(text + length, size - (size_t)length, " %s", flags[i]);
}

static void tell_mappings(char *text, const struct mapping *on_linux, const struct mapping *here)
{
    char left[192] = "none", right[192] = "none";

    if (on_linux)
        print_mapping(left, sizeof(left), on_linux);
    if (here)
        print_mapping(right, sizeof(right), here);
    snprintf(text, COMPARE_TEXT, "a mapping on Linux: %s; in mmkit: %s", left, right);
}

/* Files are the same by number; of the others, what is one on Linux has to be one here. */
static bool is_same_object(const struct observation *on_linux, const struct observation *here,
                           unsigned i)
{
    uint64_t left = on_linux->mapping[i].object, right = here->mapping[i].object;
    unsigned k;

    if ((left == 0) != (right == 0))
        return false;
    if (left == 0)
        return true;
    if (linux_side_file(left) != mmkit_side_file(right))
        return false;
    for (k = 0; k < i; k++)
        if ((on_linux->mapping[k].object == left) != (here->mapping[k].object == right))
            return false;
    return true;
}

static bool compare_mappings(struct observation *on_linux, struct observation *here, char *text)
{
    unsigned i, count;

    here->full = on_linux->full;
    mask_flags(on_linux);
    mask_flags(here);
    count = on_linux->mappings > here->mappings ? on_linux->mappings : here->mappings;
    for (i = 0; i < count; i++) {
        const struct mapping *left = i < on_linux->mappings ? &on_linux->mapping[i] : NULL;
        const struct mapping *right = i < here->mappings ? &here->mapping[i] : NULL;

        if (left && right && left->start == right->start && left->end == right->end &&
            left->prot == right->prot && left->flags == right->flags &&
            left->offset == right->offset && is_same_object(on_linux, here, i))
            continue;
        tell_mappings(text, left, right);
        return false;
    }
    return true;
}

/* ---- pages ----------------------------------------------------------------------------------- */

/* => what is mapped there; 0: nothing, or private anonymous memory */
static uint64_t object_at(const struct observation *seen, unsigned page)
{
    uint64_t addr = island_page(page);
    unsigned i;

    for (i = 0; i < seen->mappings; i++)
        if (seen->mapping[i].start <= addr && addr < seen->mapping[i].end)
            return seen->mapping[i].object;
    return 0;
}

/* A file on a disk: Linux reads ahead, and may drop what nobody has mapped. */
static bool is_on_disk(const struct observation *here, unsigned page)
{
    uint64_t object = object_at(here, page);

    return object && mmkit_side_file(object) == FILE_DISK;
}

/*
 * Linux may drop a clean page that nobody has mapped of a file in memory, and what was freed
 * lazily. What holds something was stored, so it is not clean.
 */
static bool may_be_dropped(const struct observation *here, unsigned page, const struct past *past)
{
    bool is_known = (here->page[page] & PAGE_READABLE) != 0;
    unsigned i;

    if (past->freed)
        return true;
    for (i = 0; i < WORDS && is_known; i++)
        if (here->words[page][i] != 0)
            return false;
    return object_at(here, page) != 0;
}

static bool compare_page(const struct observation *on_linux, const struct observation *here,
                         unsigned page, const struct past *past, char *text)
{
    unsigned left = on_linux->page[page], right = here->page[page], i;
    bool in_core = (left & PAGE_IN_CORE) != 0;

    if (mmkit_side_has_huge() && (left & PAGE_KNOWN) && !in_core)
        in_core = (right & PAGE_IN_CORE) != 0;
    if (past->is_child && (left & PAGE_ZERO) && (right & PAGE_IN_CORE) == 0)
        in_core = false;
    if (past->reclaimed && (left & PAGE_KNOWN))
        in_core = (right & PAGE_IN_CORE) != 0;
    if (is_on_disk(here, page))
        in_core = (right & (PAGE_READABLE | PAGE_IN_CORE)) != 0;
    if ((left & PAGE_KNOWN) != (right & PAGE_KNOWN) || in_core != ((right & PAGE_IN_CORE) != 0)) {
        snprintf(text, COMPARE_TEXT, "mincore of 0x%" PRIx64 ": on Linux %s, in mmkit %s",
                 island_page(page),
                 in_core                            ? "in memory"
                 : may_be_dropped(here, page, past) ? COMPARE_CHANCE
                                                    : "not",
                 right & PAGE_IN_CORE ? "in memory" : "not");
        return false;
    }
    for (i = 0; i < WORDS && (left & right & PAGE_READABLE); i++) {
        if (on_linux->words[page][i] == here->words[page][i])
            continue;
        snprintf(text, COMPARE_TEXT,
                 "at 0x%" PRIx64 " is 0x%" PRIx64 " on Linux, 0x%" PRIx64 " in mmkit",
                 island_page(page) + word_offsets[i], on_linux->words[page][i],
                 here->words[page][i]);
        return false;
    }
    if (on_linux->full && (left & right & PAGE_READABLE) && !is_on_disk(here, page) &&
        on_linux->hash[page] != here->hash[page]) {
        snprintf(text, COMPARE_TEXT,
                 "what is between these words differs: at 0x%" PRIx64
                 " and above, up to 0x%" PRIx64,
                 island_page(page), island_page(page) + PAGE);
        return false;
    }
    return true;
}

/* What is locked counts the same as long as it is not what lies beyond the window. */
static bool compare_sizes(const struct sizes *on_linux, const struct sizes *here, char *text)
{
    const struct sizes *base = linux_side_base();
    const struct {
        const char *name;
        uint64_t left, right;
    } all[] = {
        {"mapped", on_linux->virt - base->virt, here->virt},
        {"data", on_linux->data - base->data, here->data},
        {"stacks", on_linux->stack - base->stack, here->stack},
        {"locked", on_linux->locked, here->locked},
    };
    unsigned i, count = here->locked > WINDOW_END - WINDOW_START ? 3 : 4;

    for (i = 0; i < count; i++) {
        if (all[i].left == all[i].right)
            continue;
        snprintf(text, COMPARE_TEXT, "%s: %" PRIu64 " bytes on Linux, %" PRIu64 " in mmkit",
                 all[i].name, all[i].left, all[i].right);
        return false;
    }
    return true;
}

bool compare_observations(struct observation *on_linux, struct observation *here,
                          const struct past *past, char *text)
{
    unsigned i;

    if (on_linux->mappings == MAPPINGS_MAX || here->mappings == MAPPINGS_MAX)
        return true; /* too many to know them all */
    if (!compare_mappings(on_linux, here, text))
        return false;
    for (i = 0; i < ISLANDS_PAGES; i++)
        if (!compare_page(on_linux, here, i, past, text))
            return false;
    if (on_linux->anonymous != here->anonymous &&
        !(mmkit_side_has_huge() && on_linux->anonymous < here->anonymous)) {
        snprintf(text, COMPARE_TEXT, "%" PRIu64 " anonymous pages on Linux, %" PRIu64 " in mmkit",
                 on_linux->anonymous, here->anonymous);
        return false;
    }
    return !on_linux->full || compare_sizes(&on_linux->sizes, &here->sizes, text);
}
