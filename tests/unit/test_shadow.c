/* SPDX-License-Identifier: MIT */
/*
 * test_shadow.c - the replay's shadow against a model that copies every page and counts tables by
 * brute force: random calls on a family of processes, in a table format small enough that tables
 * come and go all the time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shadow.h"
#include "random.h"

#include <mmkit/mm.h>

enum { LEVELS = 3, BITS = 2, PAGES = 1 << (LEVELS * BITS), SPACES = 4, STEPS = 30000 };

enum page_state { ABSENT, ZERO, OWN, MAPPED_OBJECT, GUARD };

/* One page of the model. */
struct model_page {
    bool mapped, object;
    bool dont_fork, wipe_on_fork;
    unsigned prot;
    unsigned index; /* which page of the object */
    enum page_state state;
    unsigned frame; /* of an OWN page: equal when two spaces share it */
    uint64_t words[CONTENT_WORDS];
};

struct model {
    bool used;
    struct model_page pages[PAGES];
};

static struct shadow_world world;
static struct shadow_object *object;
static struct shadow shadows[SPACES];
static struct model models[SPACES];
static uint64_t object_words[PAGES][CONTENT_WORDS]; /* of the object's pages, as shared writes left
                                                       them */
static unsigned frames_made;
static uint64_t random_state = 88172645463325252;

static unsigned pick(unsigned limit)
{
    return (unsigned)random_below(&random_state, limit);
}

/* Tables that the present pages need, root included. */
static unsigned count_tables(const struct model *model)
{
    unsigned count = 1, level, page;
    uint64_t last;

    for (level = 1; level < LEVELS; level++) {
        last = UINT64_MAX;
        for (page = 0; page < PAGES; page++) {
            if (model->pages[page].state != ABSENT && page >> (level * BITS) != last) {
                last = page >> (level * BITS);
                count++;
            }
        }
    }
    return count;
}

static uint64_t count_frames(void)
{
    static bool seen[STEPS * PAGES];
    uint64_t count = 0;
    unsigned space, page;

    memset(seen, 0, sizeof(seen));
    for (space = 0; space < SPACES; space++) {
        for (page = 0; models[space].used && page < PAGES; page++) {
            const struct model_page *p = &models[space].pages[page];

            if (p->state == OWN && !seen[p->frame]) {
                seen[p->frame] = true;
                count++;
            }
        }
    }
    return count;
}

static const uint64_t *expected_words(const struct model_page *page)
{
    static const uint64_t zeros[CONTENT_WORDS];

    if (page->state == OWN)
        return page->words;
    return page->state == ZERO ? zeros : object_words[page->index];
}

static struct shadow_view view_of(struct shadow *shadow, uint64_t address)
{
    struct shadow_view view;

    shadow_view(shadow, address, &view);
    return view;
}

/* An access that succeeds; the view of the page is kept up to date. */
static void touch(struct shadow *shadow, uint64_t address, enum mmk_access access, uint64_t stamp)
{
    struct shadow_view view, after;

    assert_int_equal(shadow_predict(shadow, address, access, &view), MMK_FAULT_DONE);
    shadow_touch(shadow, address, access, stamp, &view);
    after = view_of(shadow, address);
    assert_true(view.region == after.region && view.content == after.content);
    assert_int_equal(view.kind, after.kind);
}

static void compare(unsigned space)
{
    uint64_t words[CONTENT_WORDS];
    unsigned page;

    assert_true(shadows[space].slots.nodes == count_tables(&models[space]));
    for (page = 0; page < PAGES; page++) {
        const struct model_page *p = &models[space].pages[page];
        struct shadow_view view = view_of(&shadows[space], (uint64_t)page << MMK_PAGE_SHIFT);

        assert_true((view.kind == SHADOW_NONE) == (p->state == ABSENT));
        assert_true((view.kind == SHADOW_GUARD) == (p->state == GUARD));
        if (p->state == ABSENT || p->state == GUARD)
            continue;
        content_fill(view.content, words);
        assert_memory_equal(words, expected_words(p), sizeof(words));
    }
}

static void do_map(unsigned space, unsigned first, unsigned end)
{
    static const unsigned prots[] = {MMK_PROT_READ | MMK_PROT_WRITE, MMK_PROT_READ | MMK_PROT_WRITE,
                                     MMK_PROT_READ, MMK_PROT_NONE};
    struct shadow_region region = {.start = (uint64_t)first << MMK_PAGE_SHIFT,
                                   .end = (uint64_t)end << MMK_PAGE_SHIFT,
                                   .prot = prots[pick(4)]};
    bool is_object = pick(2) == 0;
    unsigned page;

    region.object = is_object ? object : NULL;
    region.index = is_object ? pick(PAGES - (end - first) + 1) : 0;
    shadow_map(&shadows[space], &region);
    for (page = first; page < end; page++) {
        models[space].pages[page] =
            (struct model_page){.mapped = true,
                                .object = is_object,
                                .prot = region.prot,
                                .index = (unsigned)region.index + (page - first)};
    }
}

static void do_unmap(unsigned space, unsigned first, unsigned end, bool keep)
{
    bool covered = true, all_mapped = true;
    unsigned page;

    if (keep)
        covered = shadow_discard(&shadows[space], (uint64_t)first << MMK_PAGE_SHIFT,
                                 (uint64_t)end << MMK_PAGE_SHIFT);
    else
        shadow_unmap(&shadows[space], (uint64_t)first << MMK_PAGE_SHIFT,
                     (uint64_t)end << MMK_PAGE_SHIFT);
    for (page = first; page < end; page++) {
        all_mapped = all_mapped && (models[space].pages[page].mapped || !keep);
        if (!keep || models[space].pages[page].state != GUARD)
            models[space].pages[page].state = ABSENT;
        models[space].pages[page].mapped = models[space].pages[page].mapped && keep;
    }
    assert_true(covered == all_mapped);
}

static void do_protect(unsigned space, unsigned first, unsigned end)
{
    unsigned prot = pick(2) == 0 ? MMK_PROT_READ : MMK_PROT_READ | MMK_PROT_WRITE;
    unsigned page;
    bool covered = shadow_protect(&shadows[space], (uint64_t)first << MMK_PAGE_SHIFT,
                                  (uint64_t)end << MMK_PAGE_SHIFT, prot);

    for (page = first; page < end && models[space].pages[page].mapped; page++)
        models[space].pages[page].prot = prot;
    assert_true(covered == (page == end));
}

static bool is_shared_frame(unsigned space, unsigned number)
{
    const struct model_page *own = &models[space].pages[number];
    unsigned other, page;

    for (other = 0; other < SPACES; other++) {
        for (page = 0; models[other].used && page < PAGES; page++) {
            const struct model_page *p = &models[other].pages[page];

            if (p != own && p->state == OWN && p->frame == own->frame)
                return true;
        }
    }
    return false;
}

/* As a write makes it. */
static void model_own(unsigned space, unsigned number)
{
    struct model_page *page = &models[space].pages[number];

    if (page->state == OWN && is_shared_frame(space, number))
        page->frame = ++frames_made;
    if (page->state != OWN) {
        memset(page->words, 0, sizeof(page->words));
        if (page->object)
            memcpy(page->words, object_words[page->index], sizeof(page->words));
        page->frame = ++frames_made;
        page->state = OWN;
    }
}

static void model_write(unsigned space, unsigned number, unsigned word, uint64_t stamp)
{
    model_own(space, number);
    models[space].pages[number].words[word] = stamp;
}

/* As a read makes it. */
static void model_read(struct model_page *page)
{
    if (page->state == ABSENT)
        page->state = page->object ? MAPPED_OBJECT : ZERO;
}

static void do_touch(unsigned space, unsigned number, uint64_t stamp)
{
    struct model_page *page = &models[space].pages[number];
    enum mmk_access access = pick(3) == 0 ? MMK_ACCESS_READ : MMK_ACCESS_WRITE;
    unsigned word = pick(4) == 0 ? pick(CONTENT_WORDS) : 0;
    uint64_t address = ((uint64_t)number << MMK_PAGE_SHIFT) + word * 8 + pick(8);
    enum mmk_fault_result expected = MMK_FAULT_DONE;
    struct shadow_view view;

    if (!page->mapped)
        expected = MMK_FAULT_SEGV_MAPERR;
    else if (page->prot == 0 || (access == MMK_ACCESS_WRITE && !(page->prot & MMK_PROT_WRITE)))
        expected = MMK_FAULT_SEGV_ACCERR;
    else if (page->state == GUARD)
        expected = MMK_FAULT_SEGV_MAPERR;
    assert_int_equal(shadow_predict(&shadows[space], address, access, &view), expected);
    if (expected != MMK_FAULT_DONE)
        return;
    touch(&shadows[space], address, access, stamp);
    if (access == MMK_ACCESS_WRITE)
        model_write(space, number, word, stamp);
    else
        model_read(page);
}

static void do_guard(unsigned space, unsigned first, unsigned end)
{
    uint64_t start = (uint64_t)first << MMK_PAGE_SHIFT, stop = (uint64_t)end << MMK_PAGE_SHIFT;
    bool install = pick(2) == 0, covered, all_mapped = true;
    unsigned page;

    covered = install ? shadow_guard(&shadows[space], start, stop)
                      : shadow_unguard(&shadows[space], start, stop);
    for (page = first; page < end; page++) {
        struct model_page *p = &models[space].pages[page];

        all_mapped = all_mapped && p->mapped;
        if (p->mapped && install)
            p->state = GUARD;
        else if (p->state == GUARD)
            p->state = ABSENT;
    }
    assert_true(covered == all_mapped);
}

static void do_fork_advice(unsigned space, unsigned first, unsigned end)
{
    const unsigned flag = pick(2) == 0 ? SHADOW_DONT_FORK : SHADOW_WIPE_ON_FORK;
    bool set = pick(2) == 0;
    unsigned page;

    shadow_set_flags(&shadows[space], (uint64_t)first << MMK_PAGE_SHIFT,
                     (uint64_t)end << MMK_PAGE_SHIFT, flag, set ? flag : 0);
    for (page = first; page < end; page++) {
        struct model_page *p = &models[space].pages[page];

        if (flag == SHADOW_DONT_FORK)
            p->dont_fork = set;
        else
            p->wipe_on_fork = set;
    }
}

/* To where it does not overlap; holes stay holes. */
static void do_move(unsigned space, unsigned first, unsigned end)
{
    unsigned count = end - first, to = pick(PAGES - count + 1), i;
    struct model_page *pages = models[space].pages;
    bool keep = pick(2) == 0;

    if (to < end && first < to + count)
        return;
    for (i = first; i < end; i++)
        if (!pages[first].mapped || (keep && !pages[i].mapped))
            return;
    shadow_remap(&shadows[space], (uint64_t)first << MMK_PAGE_SHIFT,
                 (uint64_t)count << MMK_PAGE_SHIFT, (uint64_t)to << MMK_PAGE_SHIFT,
                 (uint64_t)count << MMK_PAGE_SHIFT, keep);
    memcpy(&pages[to], &pages[first], count * sizeof(pages[0]));
    for (i = first; i < end; i++) {
        pages[i].state = ABSENT;
        pages[i].mapped = keep;
    }
}

/* => false: the end of it */
static bool model_populate(unsigned space, unsigned number, enum shadow_populate how)
{
    struct model_page *page = &models[space].pages[number];
    bool write = how == SHADOW_WRITE || (how == SHADOW_AS_REGION && (page->prot & MMK_PROT_WRITE));

    if (!page->mapped)
        return how == SHADOW_AS_REGION;
    if (page->state == GUARD || page->prot == 0 ||
        (how == SHADOW_WRITE && !(page->prot & MMK_PROT_WRITE)))
        return false;
    if (write)
        model_own(space, number);
    else
        model_read(page);
    return true;
}

static void do_populate(unsigned space, unsigned first, unsigned end)
{
    static const enum shadow_populate hows[] = {SHADOW_AS_REGION, SHADOW_READ, SHADOW_WRITE};
    enum shadow_populate how = hows[pick(3)];
    bool fine = shadow_populate(&shadows[space], (uint64_t)first << MMK_PAGE_SHIFT,
                                (uint64_t)end << MMK_PAGE_SHIFT, how);
    unsigned page;

    for (page = first; page < end && model_populate(space, page, how); page++) {
    }
    assert_true(fine == (page == end));
}

static void do_punch(unsigned first, unsigned end)
{
    unsigned space, page;

    for (space = 0; space < SPACES; space++) {
        if (!models[space].used)
            continue;
        shadow_unmap_object(&shadows[space], object, first, end);
        for (page = 0; page < PAGES; page++) {
            struct model_page *p = &models[space].pages[page];

            if (p->state == MAPPED_OBJECT && p->index >= first && p->index < end)
                p->state = ABSENT;
        }
        compare(space);
    }
    shadow_object_punch(&world, object, first, end);
}

static void do_exit(unsigned space)
{
    if (models[space].used)
        shadow_destroy(&shadows[space]);
    models[space].used = false;
}

static void do_fork(unsigned parent, unsigned child)
{
    unsigned page;

    do_exit(child);
    shadow_fork(&shadows[child], &shadows[parent]);
    models[child] = models[parent];
    for (page = 0; page < PAGES; page++) {
        struct model_page *p = &models[child].pages[page];

        if ((p->state != OWN && p->state != GUARD) || p->wipe_on_fork || p->dont_fork)
            p->state = ABSENT;
        p->mapped = p->mapped && !p->dont_fork;
    }
}

static void step(unsigned number)
{
    unsigned space = pick(SPACES);
    unsigned first = pick(PAGES), end = first + 1 + pick(pick(4) == 0 ? 32 : 4);
    unsigned chance;

    end = end > PAGES ? PAGES : end;
    if (!models[space].used) {
        memset(&models[space], 0, sizeof(models[space]));
        models[space].used = true;
        shadow_init(&shadows[space], &world);
    }
    chance = pick(256);
    if (chance < 2) {
        do_exit(space);
        return;
    }
    if (chance < 8)
        do_fork(space, (space + 1) % SPACES);
    else if (chance < 20)
        do_map(space, first, end);
    else if (chance < 23)
        do_unmap(space, first, end, false);
    else if (chance < 28)
        do_unmap(space, first, end, true);
    else if (chance < 36)
        do_protect(space, first, end);
    else if (chance < 40)
        do_guard(space, first, end);
    else if (chance < 44)
        do_fork_advice(space, first, end);
    else if (chance < 52)
        do_move(space, first, end);
    else if (chance < 58)
        do_populate(space, first, end);
    else if (chance < 60)
        do_punch(first, end);
    else
        do_touch(space, first, number);
    compare(space);
}

static void agrees_with_brute_force(void **state)
{
    unsigned i, page, space;

    (void)state;
    shadow_world_init(&world, LEVELS, BITS);
    object = shadow_object_create(&world, true, 4711, 0);
    for (page = 0; page < PAGES; page++)
        content_file_fill(4711, page, object_words[page]);
    for (i = 1; i <= STEPS; i++) {
        step(i);
        if (i % 64 == 0)
            assert_true(world.contents.frames == count_frames());
    }
    for (space = 0; space < SPACES; space++)
        do_exit(space);
    assert_true(world.contents.frames == 0);
    assert_true(world.object_pages == 0);
    shadow_object_put(&world, object);
    assert_true(world.contents.exist == 0);
    shadow_world_destroy(&world);
}

static void full_size_tables_are_counted(void **state)
{
    static const struct {
        uint64_t address;
        unsigned tables;
    } touched[] = {{0x7f0000000000, 4},
                   {0x7f0000001000, 4},
                   {0x7f0000200000, 5},
                   {0x7f0040000000, 7},
                   {0x550000000000, 10}};
    struct shadow_region region = {.end = (uint64_t)1 << 47, .prot = MMK_PROT_READ};
    struct shadow shadow;
    unsigned i;

    (void)state;
    shadow_world_init(&world, 4, 9);
    shadow_init(&shadow, &world);
    shadow_map(&shadow, &region);
    assert_true(shadow.slots.nodes == 1);
    for (i = 0; i < sizeof(touched) / sizeof(touched[0]); i++) {
        touch(&shadow, touched[i].address, MMK_ACCESS_READ, 0);
        assert_true(shadow.slots.nodes == touched[i].tables);
    }
    shadow_discard(&shadow, 0x7f0000000000, 0x7f0000001000); /* its table has one page left */
    assert_true(shadow.slots.nodes == 10);
    shadow_discard(&shadow, 0x7f0000001000, 0x7f0000002000);
    assert_true(shadow.slots.nodes == 9);
    shadow_discard(&shadow, 0, (uint64_t)1 << 46);
    assert_true(shadow.slots.nodes == 9);
    shadow_discard(&shadow, 0, (uint64_t)1 << 47);
    assert_true(shadow.slots.nodes == 1);
    shadow_destroy(&shadow);
    shadow_world_destroy(&world);
}

/* Shared memory is one page for parent and child; what was written stays when nobody maps it. */
static void shared_memory_is_shared(void **state)
{
    struct shadow_region region = {
        .start = 0x1000, .end = 0x3000, .prot = MMK_PROT_READ | MMK_PROT_WRITE, .shared = true};
    struct shadow parent, child;

    (void)state;
    shadow_world_init(&world, 4, 9);
    shadow_init(&parent, &world);
    region.object = shadow_object_create(&world, false, 0, region.end - region.start);
    shadow_map(&parent, &region);
    shadow_object_put(&world, region.object);
    touch(&parent, 0x1008, MMK_ACCESS_WRITE, 77);
    shadow_fork(&child, &parent);
    assert_int_equal(view_of(&child, 0x1000).kind, SHADOW_NONE);
    touch(&child, 0x1010, MMK_ACCESS_WRITE, 88);
    assert_true(content_word(view_of(&parent, 0x1000).content, 0x10) == 88);
    assert_true(content_word(view_of(&child, 0x1000).content, 0x08) == 77);
    assert_true(world.object_pages == 1);
    shadow_discard(&parent, 0x1000, 0x3000);
    shadow_discard(&child, 0x1000, 0x3000);
    assert_true(world.object_pages == 0);
    touch(&parent, 0x1000, MMK_ACCESS_READ, 0);
    assert_true(content_word(view_of(&parent, 0x1000).content, 0x10) == 88);
    shadow_destroy(&parent);
    shadow_destroy(&child);
    assert_true(world.contents.exist == 0 && world.touched_pages == 0);
    shadow_world_destroy(&world);
}

static void lazily_freed_pages_may_be_either(void **state)
{
    struct shadow_region region = {
        .start = 0x1000, .end = 0x4000, .prot = MMK_PROT_READ | MMK_PROT_WRITE};
    struct shadow shadow;

    (void)state;
    shadow_world_init(&world, 4, 9);
    shadow_init(&shadow, &world);
    shadow_map(&shadow, &region);
    touch(&shadow, 0x1000, MMK_ACCESS_WRITE, 1);
    touch(&shadow, 0x2000, MMK_ACCESS_WRITE, 2);
    touch(&shadow, 0x3000, MMK_ACCESS_READ, 0);
    assert_true(shadow_lazy_free(&shadow, 0x1000, 0x4000));
    assert_false(shadow_lazy_free(&shadow, 0x1000, 0x5000));
    assert_int_equal(view_of(&shadow, 0x1000).kind, SHADOW_LAZY);
    assert_int_equal(view_of(&shadow, 0x3000).kind, SHADOW_ZERO);
    touch(&shadow, 0x1008, MMK_ACCESS_WRITE, 3); /* kept */
    assert_int_equal(view_of(&shadow, 0x1000).kind, SHADOW_PRIVATE);
    assert_true(content_word(view_of(&shadow, 0x1000).content, 0) == 1);
    shadow_drop_lazy(&shadow, 0x2000); /* seen to be gone */
    assert_int_equal(view_of(&shadow, 0x2000).kind, SHADOW_ZERO);
    touch(&shadow, 0x2008, MMK_ACCESS_WRITE, 4);
    assert_true(content_word(view_of(&shadow, 0x2000).content, 0) == 0);
    assert_true(shadow.private_pages == 2);
    shadow_destroy(&shadow);
    assert_true(world.contents.exist == 0);
    shadow_world_destroy(&world);
}

/* What mremap makes longer or shorter, or maps twice. */
static void mappings_change_their_length(void **state)
{
    struct shadow_region region = {
        .start = 0x10000, .end = 0x14000, .prot = MMK_PROT_READ | MMK_PROT_WRITE, .index = 3};
    struct shadow shadow;

    (void)state;
    shadow_world_init(&world, 4, 9);
    shadow_init(&shadow, &world);
    region.shared = true;
    region.object = shadow_object_create(&world, false, 0, 0x8000);
    shadow_map(&shadow, &region);
    shadow_object_put(&world, region.object);
    touch(&shadow, 0x10000, MMK_ACCESS_WRITE, 1);
    touch(&shadow, 0x13000, MMK_ACCESS_WRITE, 2);
    shadow_remap(&shadow, 0x10000, 0x4000, 0x10000, 0x3000, false); /* shorter */
    assert_null(shadow_find(&shadow, 0x13000));
    assert_true(shadow.shared_pages == 1 && shadow.mapped_bytes == 0x3000);
    shadow_remap(&shadow, 0x10000, 0x3000, 0x10000, 0x6000, false); /* longer */
    assert_true(shadow.count == 1 && shadow.mapped_bytes == 0x6000);
    touch(&shadow, 0x13000, MMK_ACCESS_READ, 0);
    assert_true(content_word(view_of(&shadow, 0x13000).content, 0) == 2);
    /* Five pages of the object from its third on: then it ends. */
    assert_int_equal(shadow_predict(&shadow, 0x14000, MMK_ACCESS_READ, &(struct shadow_view){0}),
                     MMK_FAULT_DONE);
    assert_int_equal(shadow_predict(&shadow, 0x15000, MMK_ACCESS_READ, &(struct shadow_view){0}),
                     MMK_FAULT_BUS);
    shadow_remap(&shadow, 0x11000, 0, 0x40000, 0x3000, false); /* once more */
    assert_true(shadow.mapped_bytes == 0x9000 && shadow.shared_pages == 2);
    touch(&shadow, 0x42000, MMK_ACCESS_READ, 0);
    assert_true(content_word(view_of(&shadow, 0x42000).content, 0) == 2);
    shadow_remap(&shadow, 0x10000, 0x6000, 0x40000, 0x1000, false); /* elsewhere, over another */
    assert_true(shadow.mapped_bytes == 0x3000 && shadow.shared_pages == 1 + 1);
    assert_true(content_word(view_of(&shadow, 0x40000).content, 0) == 1);
    assert_null(shadow_find(&shadow, 0x10000));
    assert_null(shadow_find(&shadow, 0x15000));
    shadow_destroy(&shadow);
    assert_true(world.contents.exist == 0 && world.object_pages == 0);
    shadow_world_destroy(&world);
}

static void expect_kinds(struct shadow *shadow, uint64_t address, const char *kinds)
{
    static const char letters[] = {'-', 'z', 'o', 'g', 'p', 'l'};

    for (; *kinds != 0; kinds++, address += MMK_PAGE_SIZE)
        assert_int_equal(letters[view_of(shadow, address).kind], *kinds);
}

static void locked_memory_comes_at_once(void **state)
{
    struct shadow_region region = {
        .start = 0x10000, .end = 0x18000, .prot = MMK_PROT_READ | MMK_PROT_WRITE};
    struct shadow shadow, child;

    (void)state;
    shadow_world_init(&world, 4, 9);
    shadow_init(&shadow, &world);
    shadow_map(&shadow, &region);
    assert_true(shadow_lock(&shadow, 0x10000, 0x12000, SHADOW_LOCKED));
    expect_kinds(&shadow, 0x10000, "pp------");
    assert_true(shadow_lock(&shadow, 0x12000, 0x14000, SHADOW_LOCK));
    shadow_protect(&shadow, 0x14000, 0x16000, MMK_PROT_READ);
    assert_true(shadow_lock(&shadow, 0x14000, 0x16000, SHADOW_LOCKED));
    expect_kinds(&shadow, 0x10000, "pp--zz--");
    shadow_protect(&shadow, 0x12000, 0x16000, MMK_PROT_READ | MMK_PROT_WRITE); /* own at once */
    expect_kinds(&shadow, 0x10000, "pp--pp--");
    assert_false(shadow_lock(&shadow, 0x17000, 0x19000, SHADOW_LOCKED)); /* a hole: nothing comes */
    expect_kinds(&shadow, 0x10000, "pp--pp--");
    assert_int_equal(shadow_find(&shadow, 0x17000)->flags, SHADOW_LOCKED);
    assert_false(shadow_unlock(&shadow, 0x16000, 0x19000));
    assert_int_equal(shadow_find(&shadow, 0x17000)->flags, 0);
    shadow_fork(&child, &shadow);
    assert_int_equal(shadow_find(&child, 0x10000)->flags, 0);
    expect_kinds(&child, 0x10000, "pp--pp--");
    /* DONTUNMAP: what has moved is locked, what stays is not. */
    shadow_remap(&shadow, 0x10000, 0x1000, 0x30000, 0x1000, true);
    expect_kinds(&shadow, 0x10000, "-p");
    assert_int_equal(shadow_find(&shadow, 0x11000)->flags, 0);
    shadow_remap(&shadow, 0x30000, 0x1000, 0x30000, 0x3000, false);
    expect_kinds(&shadow, 0x30000, "ppp");
    shadow_lock_all(&shadow, 0, SHADOW_LOCKED);
    expect_kinds(&shadow, 0x16000, "--");
    region.start = 0x20000;
    region.end = 0x22000;
    shadow_map(&shadow, &region);
    expect_kinds(&shadow, 0x20000, "pp");
    shadow_protect(&shadow, 0x16000, 0x17000, MMK_PROT_NONE);
    shadow_lock_all(&shadow, SHADOW_LOCKED, 0); /* goes on behind what may not be accessed */
    expect_kinds(&shadow, 0x10000, "pppppp-p");
    shadow_lock_all(&shadow, 0, 0);
    assert_int_equal(shadow_find(&shadow, 0x20000)->flags, 0);
    assert_false(shadow_lock(&shadow, 0x15000, 0x18000, SHADOW_LOCKED));
    assert_int_equal(shadow_find(&shadow, 0x17000)->flags, SHADOW_LOCKED); /* all the same */
    shadow_destroy(&shadow);
    shadow_destroy(&child);
    assert_true(world.contents.exist == 0);
    shadow_world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_brute_force),
        cmocka_unit_test(full_size_tables_are_counted),
        cmocka_unit_test(shared_memory_is_shared),
        cmocka_unit_test(lazily_freed_pages_may_be_either),
        cmocka_unit_test(mappings_change_their_length),
        cmocka_unit_test(locked_memory_comes_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
