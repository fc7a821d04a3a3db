/* SPDX-License-Identifier: MIT */
/*
 * test_tiny.c - every sequence of operations, up to a length, on an address space of 64 pages.
 *
 * For the format `tiny` alone, whose tables have four entries: a leaf table covers pages 4n to
 * 4n + 3, one above it pages 16n to 16n + 15. The operations' ranges lie so that they cover a table
 * at each level, a part of one, and parts of two. A model says what each page must be: after each
 * operation everything that can be seen is compared with it, and the linked tables with the least
 * that the present pages need.
 *
 * A sequence whose last operation changed nothing is not continued: what follows was tried without
 * it. Length 5, or what the argument says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "fixture.h"

enum { PAGES = 64, LEAF = 4, MIDDLE = 16, DEPTH_MAX = 8 };

enum kind { MAP, MAP_RO, UNMAP, DONTNEED, PROTECT_NONE, PROTECT_RW, FORK, LOAD, STORE };

struct operation {
    enum kind kind;
    unsigned first, end; /* pages */
};

static const struct operation operations[] = {
    {MAP, 1, 64},       /* all that may be mapped */
    {MAP, 16, 32},      /* all of a table above the leaves */
    {MAP, 20, 24},      /* all of a leaf table */
    {MAP_RO, 22, 34},   /* across both */
    {UNMAP, 1, 64},     /* ... */
    {UNMAP, 16, 32},    /* ... */
    {UNMAP, 21, 22},    /* inside */
    {UNMAP, 30, 40},    /* from one table into others */
    {DONTNEED, 1, 64},  /* ... */
    {DONTNEED, 20, 24}, /* ... */
    {DONTNEED, 23, 33}, /* ... */
    {PROTECT_NONE, 22, 33}, {PROTECT_RW, 20, 36}, {FORK, 0, 0},    {LOAD, 20, 21},  {LOAD, 33, 34},
    {STORE, 20, 21},        {STORE, 23, 24},      {STORE, 31, 32}, {STORE, 63, 64},
};

enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]) };

/* What a page is: mapped how, and what is there. */
struct page {
    uint8_t mapped;   /* 0, or as below */
    uint8_t promised; /* was writable since it was mapped: counted as committed memory */
    uint8_t present;  /* an entry maps a frame */
    uint8_t own;      /* not the zero page */
    uint8_t value;    /* of its first byte */
    uint8_t starts;   /* a VMA starts here */
    uint8_t anon;     /* its VMA's private pages: which of them belong together; 0: none yet */
};

enum { AS_RW = 1, AS_RO, AS_NONE };

struct model {
    struct page pages[PAGES];
    bool shared;   /* since fork, nobody wrote */
    uint8_t anons; /* numbers given out */
};

static unsigned depth_max = 5;
static uint64_t sequences;
static struct operation path[DEPTH_MAX]; /* what is being tried, for who debugs it */

static bool is_alike(const struct model *a, const struct model *b)
{
    return memcmp(a->pages, b->pages, sizeof(a->pages)) == 0 && a->shared == b->shared;
}

/*
 * ---- VMAs, as Linux cuts and merges them ------------------------------------------------------
 * (That a VMA takes over the number of one beside does not show in sequences as short as these.)
 */

static unsigned vma_start(const struct model *model, unsigned page)
{
    while (!model->pages[page].starts)
        page--;
    return page;
}

static unsigned vma_end(const struct model *model, unsigned page)
{
    do {
        page++;
    } while (page < PAGES && model->pages[page].mapped && !model->pages[page].starts);
    return page;
}

static void set_anon(struct model *model, unsigned page, uint8_t anon)
{
    unsigned i, end = vma_end(model, page);

    for (i = vma_start(model, page); i < end; i++)
        model->pages[i].anon = anon;
}

/* A VMA that goes beyond `page`, or starts there, starts there. */
static void cut(struct model *model, unsigned page)
{
    if (page < PAGES)
        model->pages[page].starts = model->pages[page].mapped != 0;
}

/* What ends before `page` and what starts there become one, where they may. */
static void merge(struct model *model, unsigned page)
{
    const struct page *below, *here;
    uint8_t anon;

    if (page == PAGES)
        return;
    below = &model->pages[page - 1];
    here = &model->pages[page];
    if (!here->mapped || here->mapped != below->mapped || here->promised != below->promised ||
        (below->anon && here->anon && below->anon != here->anon))
        return;
    anon = below->anon ? below->anon : here->anon;
    model->pages[page].starts = false;
    set_anon(model, page, anon);
}

/* mprotect, VMA by VMA. What is not writable any more and never had a page is not promised. */
static int model_protect(struct model *model, const struct operation *op, uint8_t to)
{
    unsigned i, start, stop;

    for (start = op->first; start < op->end; start = stop) {
        const struct page vma = model->pages[start];

        if (!vma.mapped) /* the rest stays as it is */
            return MMK_ENOMEM;
        stop = vma_end(model, start);
        stop = stop < op->end ? stop : op->end;
        if (vma.mapped == to)
            continue;
        cut(model, start);
        cut(model, stop);
        for (i = start; i < stop; i++) {
            model->pages[i].mapped = to;
            model->pages[i].promised = to == AS_RW || (vma.promised && vma.anon);
        }
        merge(model, start);
        merge(model, stop);
    }
    return 0;
}

/* The result that the operation must have. */
static int model_apply(struct model *model, const struct operation *op, uint8_t value)
{
    int result = 0;
    unsigned i;

    model->shared = op->kind == FORK;
    if (op->kind == PROTECT_NONE || op->kind == PROTECT_RW)
        return model_protect(model, op, op->kind == PROTECT_RW ? AS_RW : AS_NONE);
    if (op->kind == MAP || op->kind == MAP_RO || op->kind == UNMAP)
        cut(model, op->end);
    for (i = op->first; i < op->end; i++) {
        struct page *page = &model->pages[i];

        switch (op->kind) {
        case MAP:
        case MAP_RO:
            *page = (struct page){.mapped = op->kind == MAP ? AS_RW : AS_RO,
                                  .promised = op->kind == MAP,
                                  .starts = i == op->first};
            break;
        case UNMAP:
            *page = (struct page){0};
            break;
        case DONTNEED:
            result = page->mapped ? result : MMK_ENOMEM;
            page->present = page->own = page->value = 0;
            break;
        case LOAD:
        case STORE:
            if (page->mapped == 0)
                return MMK_FAULT_SEGV_MAPERR;
            if (page->mapped == AS_NONE || (op->kind == STORE && page->mapped == AS_RO))
                return MMK_FAULT_SEGV_ACCERR;
            page->present = true;
            if (op->kind == STORE) {
                page->own = true;
                page->value = value;
                if (page->anon == 0)
                    set_anon(model, i, ++model->anons);
            }
            break;
        default:
            break;
        }
    }
    if (op->kind == MAP || op->kind == MAP_RO) {
        merge(model, op->first);
        merge(model, op->end);
    }
    return result;
}

static void check_space(struct mmk_mm *of, const struct model *model, bool forked);

/* A child has the pages that were written, and nothing of what it does is the parent's. */
static int fork_and_end(const struct model *model)
{
    struct mmk_mm *child;
    int error = mmk_fork(mm, &child);

    if (error)
        return error;
    check_space(child, model, true);
    put_mm(child);
    return 0;
}

static int perform(const struct operation *op, const struct model *model, uint8_t value)
{
    mmk_vaddr_t addr = op->first * PAGE;
    uint64_t length = (op->end - op->first) * PAGE;
    int64_t mapped;
    uint8_t byte;

    switch (op->kind) {
    case MAP:
    case MAP_RO:
        mapped =
            mmk_mmap(mm, addr, length, op->kind == MAP ? RW : RO, ANON | MMK_MAP_FIXED, NULL, 0);
        return mapped == (int64_t)addr ? 0 : -1;
    case UNMAP:
        return mmk_munmap(mm, addr, length);
    case DONTNEED:
        return mmk_madvise(mm, addr, length, MMK_MADV_DONTNEED);
    case PROTECT_NONE:
        return mmk_mprotect(mm, addr, length, MMK_PROT_NONE);
    case PROTECT_RW:
        return mmk_mprotect(mm, addr, length, RW);
    case LOAD:
        return (int)machine_load(addr, &byte, 1);
    case STORE:
        return (int)machine_store(addr, &value, 1);
    case FORK:
    default:
        return fork_and_end(model);
    }
}

/* Tables that the present pages need, and VMAs that the mapped ones do. */
static void check_counts(struct mmk_mm *of, const struct model *model, bool forked)
{
    const struct mmk_mm_stats stats = mm_stats(of);
    uint64_t leaves = 0, middles = 0, vmas = 0, mapped = 0, own = 0;
    unsigned i, leaf = PAGES, middle = PAGES;

    assert_int_equal(model->pages[0].mapped, 0); /* below mmap_min_addr */
    for (i = 1; i < PAGES; i++) {
        const struct page *page = &model->pages[i];

        mapped += page->mapped != 0;
        vmas += page->starts;
        own += page->own;
        if (forked ? !page->own : !page->present)
            continue;
        leaves += i / LEAF != leaf;
        middles += i / MIDDLE != middle;
        leaf = i / LEAF;
        middle = i / MIDDLE;
    }
    assert_int_equal(stats.tables[0], leaves);
    assert_int_equal(stats.tables[1], middles);
    assert_int_equal(stats.tables[2], 1);
    assert_int_equal(stats.virt_bytes, mapped * PAGE);
    assert_int_equal(stats.rss_anon, own);
    assert_int_equal(stats.vmas, vmas);
}

/* forked: what fork copies is there, and no more. Looks, and changes nothing. */
static void check_space(struct mmk_mm *of, const struct model *model, bool forked)
{
    unsigned i;

    mmk_check(of);
    check_counts(of, model, forked);
    for (i = 0; i < PAGES; i++) {
        const struct page *page = &model->pages[i];
        struct mmk_page *frame = peek_page(of, i * PAGE);

        assert_int_equal(frame != NULL, forked ? page->own : page->present);
        if (frame)
            assert_int_equal(*(uint8_t *)mmk_page_virt(frame), page->value);
    }
}

/* Through the TLB, where that brings nothing in. */
static void check_accesses(const struct model *model)
{
    unsigned i;

    for (i = 0; i < PAGES; i++) {
        const struct page *page = &model->pages[i];

        if (page->mapped == 0)
            expect_load(i * PAGE, MMK_FAULT_SEGV_MAPERR);
        else if (page->mapped == AS_NONE)
            expect_load(i * PAGE, MMK_FAULT_SEGV_ACCERR);
        else if (page->present)
            expect_byte(i * PAGE, page->value);
    }
}

static void step(const struct operation *op, struct model *model, uint8_t value)
{
    struct model before = *model;
    int expected = model_apply(model, op, value);

    assert_int_equal(perform(op, &before, value), expected);
}

/* A new address space in which the first `depth` operations of the path have been done. */
static void replay(unsigned depth)
{
    struct model model = {.shared = false};
    unsigned i;

    machine_switch_mm(NULL);
    mmk_mm_put(mm);
    mm = new_mm();
    machine_switch_mm(mm);
    for (i = 0; i < depth; i++)
        step(&path[i], &model, (uint8_t)(i + 1));
}

/* Every operation after the path's first `depth`, which led to `model`. */
static void explore(unsigned depth, const struct model *model)
{
    unsigned i;

    for (i = 0; i < OPERATIONS; i++) {
        struct model after = *model;

        replay(depth);
        path[depth] = operations[i];
        step(&operations[i], &after, (uint8_t)(depth + 1));
        check_space(mm, &after, false);
        check_accesses(&after);
        check_space(mm, &after, false); /* looking has changed nothing */
        sequences++;
        if (depth + 1 < depth_max && !is_alike(model, &after))
            explore(depth + 1, &after);
    }
}

static void test_every_sequence(void **state)
{
    const struct model empty = {.shared = false};

    (void)state;
    explore(0, &empty);
    print_message("%lu sequences\n", (unsigned long)sequences);
    assert_true(sequences > OPERATIONS * OPERATIONS);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_sequence),
    };

    if (argc == 2)
        depth_max = (unsigned)atoi(argv[1]);
    if (depth_max < 1 || depth_max > DEPTH_MAX)
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
