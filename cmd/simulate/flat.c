/* SPDX-License-Identifier: MIT */
/* flat.c - see flat.h. */
#include "flat.h"

#include <string.h>

unsigned flat_either(struct flat *flat, unsigned n)
{
    flat->choices = n;
    return flat->choice;
}

static struct flat_page *at(struct flat *flat, unsigned space, unsigned page)
{
    return &flat->space[space].page[page];
}

uint32_t flat_contents(const struct flat *flat, unsigned space, unsigned page)
{
    const struct flat_page *p = &flat->space[space].page[page];

    if (p->own)
        return p->word;
    return p->object ? flat->object.page[p->index].word : 0;
}

void flat_own(struct flat *flat, unsigned space, unsigned page, uint32_t word)
{
    struct flat_page *p = at(flat, space, page);

    if (!p->own) {
        p->frame = ++flat->frames;
        p->freed = false;
        p->pins = 0;
    }
    p->own = true;
    p->common = false;
    p->word = word;
}

void flat_bring_in(struct flat *flat, unsigned index)
{
    if (flat->object.page[index].cached)
        return;
    flat->object.page[index].cached = true;
    flat->object.page[index].frame = ++flat->frames;
    flat->object.page[index].word = flat->object.page[index].kept;
}

void flat_write_back(struct flat *flat, unsigned index)
{
    if (flat->object.page[index].cached)
        flat->object.page[index].kept = flat->object.page[index].word;
}

static void store(struct flat *flat, unsigned space, unsigned page, uint32_t word)
{
    struct flat_page *p = at(flat, space, page);

    if (p->shared) {
        flat->object.page[p->index].word = word;
        return;
    }
    flat_own(flat, space, page, word);
    p->freed = false;
}

/* ---- larger pages -------------------------------------------------------------------------- */

/* The first page of the table that a page is in. */
static struct flat_page *table_of(struct flat *flat, unsigned space, unsigned page)
{
    return at(flat, space, page - page % FLAT_TABLE);
}

void flat_split(struct flat *flat, unsigned space, unsigned page)
{
    struct flat_page *p = table_of(flat, space, page);
    unsigned i;

    for (i = 0; i < FLAT_TABLE; i++)
        p[i].larger = false;
}

void flat_split_ends(struct flat *flat, unsigned space, unsigned page, unsigned count)
{
    if (page % FLAT_TABLE)
        flat_split(flat, space, page);
    if ((page + count) % FLAT_TABLE)
        flat_split(flat, space, page + count);
}

/* Of the pages of a table. */
static bool is_one_mapping(const struct flat_page *p)
{
    unsigned i;

    for (i = 1; i < FLAT_TABLE; i++)
        if (!flat_same_mapping(&p[i - 1], &p[i]))
            return false;
    return true;
}

static bool is_larger(const struct flat_page *p)
{
    unsigned i;

    for (i = 0; i < FLAT_TABLE; i++)
        if (!p[i].larger || !p[i].present || p[i].own != p[0].own || p[i].guard)
            return false;
    return is_one_mapping(p);
}

void flat_settle(struct flat *flat)
{
    unsigned space, page;

    for (space = 0; flat->larger && space < FLAT_SPACES; space++)
        for (page = 0; page < FLAT_PAGES; page += FLAT_TABLE)
            if (!is_larger(at(flat, space, page)))
                flat_split(flat, space, page);
}

bool flat_fits_larger(const struct flat *flat, unsigned space, unsigned page)
{
    const struct flat_page *p = &flat->space[space].page[page - page % FLAT_TABLE];

    return flat->larger && is_one_mapping(p) && !p->object && !p->shared;
}

void flat_make_larger(struct flat *flat, unsigned space, unsigned page)
{
    unsigned first = page - page % FLAT_TABLE, i;

    for (i = first; i < first + FLAT_TABLE; i++) {
        flat_own(flat, space, i, flat_contents(flat, space, i));
        at(flat, space, i)->present = at(flat, space, i)->larger = true;
    }
}

static bool is_empty(const struct flat_page *p)
{
    unsigned i;

    for (i = 0; i < FLAT_TABLE; i++)
        if (p[i].present)
            return false;
    return true;
}

/* Does anybody else still have what there was before a fork? */
static bool is_shared(const struct flat *flat, unsigned space)
{
    unsigned other, page;

    for (other = 0; other < FLAT_SPACES; other++)
        for (page = 0; page < FLAT_PAGES && other != space; page++)
            if (flat->space[other].exists && flat->space[other].page[page].common)
                return true;
    return false;
}

/* A larger page that was shared, and is stored to, is the program's own again, or is split. */
static void own_larger(struct flat *flat, unsigned space, unsigned page)
{
    if (is_shared(flat, space) || flat_either(flat, 2) == 0)
        flat_split(flat, space, page);
    else
        flat_make_larger(flat, space, page);
}

/* May one come where nothing is? Whoever is busy in the address space keeps it from that. */
static bool comes_larger(struct flat *flat, unsigned space, unsigned page)
{
    return flat_fits_larger(flat, space, page) && is_empty(table_of(flat, space, page)) &&
           flat_either(flat, 2) == 0;
}

/* A read: all zeros. */
static void fill_zeros(struct flat *flat, unsigned space, unsigned page)
{
    struct flat_page *p = table_of(flat, space, page);
    unsigned i;

    if (!comes_larger(flat, space, page))
        return;
    for (i = 0; i < FLAT_TABLE; i++)
        p[i].present = p[i].larger = true;
}

/* A write; to one of zeros, it is another, or the zero page small. */
static void fill_private(struct flat *flat, unsigned space, unsigned page)
{
    struct flat_page *p = at(flat, space, page);

    if (p->larger && p->common)
        own_larger(flat, space, page);
    else if (p->larger && !p->own && !flat_fits_larger(flat, space, page))
        flat_split(flat, space, page);
    else if ((p->larger && !p->own) || comes_larger(flat, space, page))
        flat_make_larger(flat, space, page);
    p->present = true;
    flat_own(flat, space, page, flat_contents(flat, space, page));
}

/* ---- pages around -------------------------------------------------------------------------- */

/* Could page `i` be mapped by a fault on `page` of the same table? */
static bool is_around(const struct flat *flat, const struct flat_page *pages, unsigned page,
                      unsigned i)
{
    unsigned from = i < page ? i : page, to = i < page ? page : i;
    const struct flat_page *p = &pages[i];

    for (; from < to; from++)
        if (!flat_same_mapping(&pages[from], &pages[from + 1]))
            return false;
    return !p->present && !p->own && p->index < flat->object.size &&
           flat->object.page[p->index].cached;
}

/* Any of them may be left out: somebody has it locked. */
static void map_around(struct flat *flat, unsigned space, unsigned page)
{
    struct flat_page *pages = flat->space[space].page;
    unsigned first = page - page % FLAT_TABLE, i, n = 0, found[FLAT_TABLE], left_out;

    for (i = first; i < first + FLAT_TABLE; i++)
        if (i != page && is_around(flat, pages, page, i))
            found[n++] = i;
    left_out = n > 0 ? flat_either(flat, 1u << n) : 0;
    for (i = 0; i < n; i++)
        if (!(left_out >> i & 1))
            pages[found[i]].present = true;
}

/* The mapping allows it. */
static enum mmk_fault_result fill(struct flat *flat, unsigned space, unsigned page, bool write)
{
    struct flat_page *p = at(flat, space, page);

    if (p->guard)
        return MMK_FAULT_SEGV_MAPERR;
    if (p->object && !p->own) {
        if (p->index >= flat->object.size)
            return MMK_FAULT_BUS;
        flat_bring_in(flat, p->index);
    }
    if (flat->around && p->object && !p->present && !write)
        map_around(flat, space, page);
    if (write && !p->shared)
        fill_private(flat, space, page);
    else if (!write)
        fill_zeros(flat, space, page);
    p->present = true;
    return MMK_FAULT_DONE;
}

bool flat_same_mapping(const struct flat_page *a, const struct flat_page *b)
{
    return a->mapped && b->mapped && a->prot == b->prot && a->object == b->object &&
           a->shared == b->shared && a->grows == b->grows && a->locked == b->locked &&
           a->lazily == b->lazily && a->sealed == b->sealed && a->no_fork == b->no_fork &&
           a->wipe == b->wipe && (!a->object || a->index + 1 == b->index);
}

bool flat_sealed_contents(const struct flat_page *p)
{
    return p->sealed && !p->object && !(p->prot & MMK_PROT_WRITE);
}

/* The first page behind the mapping that `page` is in. */
static unsigned mapping_end(const struct flat_page *pages, unsigned page)
{
    for (page++; page < FLAT_PAGES && flat_same_mapping(&pages[page - 1], &pages[page]); page++)
        ;
    return page;
}

/* A stack above comes down to the page, if the limit and the page below allow it. */
static void grow_stack(struct flat *flat, unsigned space, unsigned page)
{
    struct flat_page *pages = flat->space[space].page;
    unsigned above = page;

    while (above < FLAT_PAGES && !pages[above].mapped)
        above++;
    if (above == page || above == FLAT_PAGES || !pages[above].grows ||
        mapping_end(pages, above) - page > FLAT_STACK)
        return;
    if (page > 0 && pages[page - 1].mapped && !pages[page - 1].grows &&
        pages[page - 1].prot != MMK_PROT_NONE)
        return;
    while (above-- > page) {
        pages[above] = pages[above + 1];
        pages[above].own = pages[above].present = pages[above].guard = false;
    }
}

enum mmk_fault_result flat_fault(struct flat *flat, unsigned space, unsigned page, bool write)
{
    const struct flat_page *p = at(flat, space, page);

    /* What needs no fault goes on; whether it needs one depends on what was shared. */
    if (flat->space[space].killed && (!p->present || flat_either(flat, 2)))
        return MMK_FAULT_KILLED;
    grow_stack(flat, space, page);
    if (!p->mapped)
        return MMK_FAULT_SEGV_MAPERR;
    if (write ? !(p->prot & MMK_PROT_WRITE) : p->prot == MMK_PROT_NONE)
        return MMK_FAULT_SEGV_ACCERR;
    return fill(flat, space, page, write);
}

enum mmk_fault_result flat_access(struct flat *flat, unsigned space, unsigned page, bool write,
                                  uint32_t *word)
{
    enum mmk_fault_result result = flat_fault(flat, space, page, write);

    if (result != MMK_FAULT_DONE)
        return result;
    if (write)
        store(flat, space, page, *word);
    else
        *word = flat_contents(flat, space, page);
    return MMK_FAULT_DONE;
}

void flat_drop(struct flat *flat, unsigned space, unsigned page)
{
    struct flat_page *p = at(flat, space, page);

    p->own = p->common = false;
    p->pins = 0;
    p->present = p->guard;
}

bool flat_would_not_be_missed(const struct flat *flat, unsigned space, unsigned page)
{
    const struct flat_page *p = &flat->space[space].page[page];

    if (p->guard || p->locked || p->larger)
        return false;
    if (p->own)
        return p->freed;
    return !p->object || flat->object.page[p->index].word == flat->object.page[p->index].kept;
}

void flat_unmap(struct flat *flat, unsigned space, unsigned page)
{
    memset(at(flat, space, page), 0, sizeof(struct flat_page));
}

void flat_map(struct flat *flat, unsigned space, unsigned page, unsigned prot)
{
    flat_unmap(flat, space, page);
    at(flat, space, page)->mapped = true;
    at(flat, space, page)->prot = (uint8_t)prot;
}

static void inherit(struct flat *flat, unsigned child, unsigned page)
{
    struct flat_page *p = at(flat, child, page);

    p->locked = p->lazily = false;
    p->pins = 0;
    if (p->no_fork) {
        flat_unmap(flat, child, page);
        return;
    }
    if (p->wipe)
        p->own = p->guard = p->common = false;
    p->present = p->own || p->guard;
    if (p->own)
        p->frame = ++flat->frames;
}

/* What the child does not get stays as it is. */
bool flat_split_pinned(struct flat *flat, unsigned space)
{
    bool split = false;
    unsigned page;

    for (page = 0; page < FLAT_PAGES; page++) {
        const struct flat_page *p = at(flat, space, page);

        if (!p->larger || !p->pins || p->no_fork || p->wipe)
            continue;
        flat_split(flat, space, page);
        split = true;
    }
    return split;
}

/* One with a page that is pinned is split, for that one to be copied. */
static void share_larger(struct flat *flat, unsigned parent)
{
    unsigned page;

    (void)flat_split_pinned(flat, parent);
    for (page = 0; flat->larger && page < FLAT_PAGES; page++) {
        struct flat_page *p = at(flat, parent, page);

        if (!p->no_fork && !p->wipe)
            p->common = p->own && !p->pins;
    }
}

void flat_fork(struct flat *flat, unsigned parent, unsigned child)
{
    unsigned page;

    share_larger(flat, parent);
    flat->space[child] = flat->space[parent];
    flat->space[child].exists = true;
    for (page = 0; page < FLAT_PAGES; page++)
        inherit(flat, child, page);
}

static void discard_here(struct flat *flat, unsigned space, unsigned index, bool copies)
{
    struct flat_page *p;
    unsigned page;

    for (page = 0; page < FLAT_PAGES; page++) {
        p = at(flat, space, page);
        if (p->object && p->index == index && (copies || !p->own))
            flat_drop(flat, space, page);
    }
}

void flat_discard(struct flat *flat, unsigned index, bool copies)
{
    unsigned space;

    flat->object.page[index].cached = false;
    for (space = 0; space < FLAT_SPACES; space++)
        discard_here(flat, space, index, copies);
}

unsigned flat_tables(const struct flat *flat, unsigned space, unsigned per)
{
    unsigned page, tables = 0, last = UINT32_MAX;

    for (page = 0; page < FLAT_PAGES; page++)
        if (flat->space[space].page[page].present && page / per != last &&
            !(per == FLAT_TABLE && flat->space[space].page[page].larger)) {
            last = page / per;
            tables++;
        }
    return tables;
}

unsigned flat_mapped(const struct flat *flat, unsigned space)
{
    unsigned page, n = 0;

    for (page = 0; page < FLAT_PAGES; page++)
        n += flat->space[space].page[page].mapped;
    return n;
}

unsigned flat_locked(const struct flat *flat, unsigned space)
{
    unsigned page, n = 0;

    for (page = 0; page < FLAT_PAGES; page++)
        n += flat->space[space].page[page].locked;
    return n;
}
