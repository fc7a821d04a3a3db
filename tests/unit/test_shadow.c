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

#include <mmkit/mm.h>

enum { LEVELS = 3, BITS = 2, PAGES = 1 << (LEVELS * BITS), SPACES = 4, STEPS = 30000 };

enum page_state { ABSENT, ZERO, OWN, MAPPED_OBJECT };

/* One page of the model. */
struct model_page {
    bool mapped, object;
    unsigned prot;
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
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % limit;
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
    static bool seen[STEPS + 1];
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

static const uint64_t *expected_words(const struct model_page *page, unsigned number)
{
    static const uint64_t zeros[CONTENT_WORDS];

    if (page->state == OWN)
        return page->words;
    return page->state == ZERO ? zeros : object_words[number];
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
        if (p->state == ABSENT)
            continue;
        content_fill(view.content, words);
        assert_memory_equal(words, expected_words(p, page), sizeof(words));
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
    region.index = is_object ? first : 0; /* page n of the object always lies at page n */
    shadow_map(&shadows[space], &region);
    for (page = first; page < end; page++) {
        models[space].pages[page].mapped = true;
        models[space].pages[page].object = is_object;
        models[space].pages[page].prot = region.prot;
        models[space].pages[page].state = ABSENT;
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
    unsigned other;

    for (other = 0; other < SPACES; other++) {
        const struct model_page *page = &models[other].pages[number];

        if (other != space && models[other].used && page->state == OWN &&
            page->frame == models[space].pages[number].frame)
            return true;
    }
    return false;
}

static void model_write(unsigned space, unsigned number, unsigned word, uint64_t stamp)
{
    struct model_page *page = &models[space].pages[number];

    if (page->state == OWN && is_shared_frame(space, number))
        page->frame = ++frames_made;
    if (page->state != OWN) {
        memset(page->words, 0, sizeof(page->words));
        if (page->object)
            memcpy(page->words, object_words[number], sizeof(page->words));
        page->frame = ++frames_made;
        page->state = OWN;
    }
    page->words[word] = stamp;
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
    assert_int_equal(shadow_predict(&shadows[space], address, access, &view), expected);
    if (expected != MMK_FAULT_DONE)
        return;
    touch(&shadows[space], address, access, stamp);
    if (access == MMK_ACCESS_WRITE)
        model_write(space, number, word, stamp);
    else if (page->state == ABSENT)
        page->state = page->object ? MAPPED_OBJECT : ZERO;
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
    for (page = 0; page < PAGES; page++)
        if (models[child].pages[page].state != OWN)
            models[child].pages[page].state = ABSENT;
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
    else
        do_touch(space, first, number);
    compare(space);
}

static void agrees_with_brute_force(void **state)
{
    unsigned i, page, space;

    (void)state;
    shadow_world_init(&world, LEVELS, BITS);
    object = shadow_object_create(&world, true, 4711);
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
    region.object = shadow_object_create(&world, false, 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_brute_force),
        cmocka_unit_test(full_size_tables_are_counted),
        cmocka_unit_test(shared_memory_is_shared),
        cmocka_unit_test(lazily_freed_pages_may_be_either),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
