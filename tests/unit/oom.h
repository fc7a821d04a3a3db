/* SPDX-License-Identifier: MIT */
/*
 * oom.h - a call with failing allocations: the nth, and the nth and all later, for n = 0, 1, 2...
 * until the call passes without one having failed.
 *
 * A call that fails says so, and leaves what a program can see as it was: mappings, contents, what
 * is counted. Nothing leaks, and the same call passes afterwards. A call that passes although an
 * allocation failed had a way around it; which calls may is written beside each, and who may has to
 * do so once.
 *
 * Each case runs in an empty address space, and between many small mappings, where the VMA tree has
 * several nodes. Where one allocation alone fails, the tree has none of the nodes that it keeps for
 * the next call. It is one of a group, and each charge counts as an allocation: what is charged,
 * too, is as it was.
 */
#ifndef OOM_H
#define OOM_H

#include "fixture.h"

#include <mmkit/group.h>

#include "vma_tree_node.h"

#define MOST       2000 /* pages that a snapshot looks at */
#define MOST_CASES 128

/* ---- what a program can see ------------------------------------------------------------------ */

struct snapshot {
    struct mmk_mm_stats stats;
    mmk_vaddr_t brk;
    uint64_t vmas;  /* hash of ranges, flags, objects */
    uint64_t pages; /* hash of what each page holds */
    uint64_t objects, object_size, committed;
};

static struct mmk_object *object; /* the case's, or NULL */
static struct mmk_group *group;   /* of `mm`, in each try another */
static struct mmk_mm *made_mm;    /* by create and fork */
static struct mmk_object *made_object;

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * 0x9e3779b97f4a7c15 + (hash >> 29);
}

/* Of a page's contents; 1: zeros. */
static uint64_t words_hash(const void *page)
{
    const uint64_t *words = page;
    uint64_t hash = 1;
    size_t i;

    for (i = 0; i < PAGE / 8; i++)
        if (words[i])
            hash = mix(hash + i, words[i]);
    return hash;
}

/*
 * A page's contents; untouched anonymous memory is as good as zeros, and an object's page that
 * nothing maps is the object's business.
 */
static uint64_t page_hash(mmk_vaddr_t addr, const struct mmk_vma *vma)
{
    const struct mmk_page *page = peek_page(mm, addr);
    mmk_pte_t pte = peek_entry(mm, addr);
    uint64_t hash;

#ifdef OOM_ELSEWHERE
    if (mmk_pte_away(pte))
        return OOM_ELSEWHERE(pte);
#endif
    if (!page)
        return mmk_pte_guard(pte) ? 3 : vma->object ? 2 : 0;
    hash = words_hash(mmk_page_virt(page));
    return hash == 1 && !vma->object ? 0 : hash;
}

static void look(struct snapshot *seen)
{
    const struct mmk_vma *vma = mmk_vma_tree_find_rcu(&mm->vmas, 0);
    mmk_vaddr_t addr;
    unsigned n = 0;

    memset(seen, 0, sizeof(*seen));
    seen->stats = mm_stats(mm);
    seen->brk = mm->brk;
    seen->vmas = mm->def_flags;
    seen->objects = stats_now().objects;
    seen->committed = stats_now().committed;
    seen->object_size = object ? mmk_object_size(object) : 0;
    for (; vma; vma = mmk_vma_tree_find_rcu(&mm->vmas, mmk_vma_end(vma))) {
        seen->vmas = mix(seen->vmas, mmk_vma_start(vma));
        seen->vmas = mix(seen->vmas, mmk_vma_end(vma));
        seen->vmas = mix(seen->vmas, mmk_vma_flags(vma) & ~(uint64_t)MMK_VM_GUARDED);
        seen->vmas = mix(seen->vmas, (uintptr_t)vma->object);
        seen->vmas = mix(seen->vmas, vma->object ? mmk_vma_origin(vma) : 0);
        for (addr = mmk_vma_start(vma); addr < mmk_vma_end(vma) && n < MOST; addr += PAGE, n++)
            seen->pages = mix(seen->pages, page_hash(addr, vma));
    }
}

static void expect_same(const struct snapshot *before, const struct snapshot *now)
{
    assert_int_equal(now->stats.virt_bytes, before->stats.virt_bytes);
    assert_int_equal(now->stats.vmas, before->stats.vmas);
    assert_int_equal(now->stats.rss_anon, before->stats.rss_anon);
    assert_int_equal(now->stats.rss_file, before->stats.rss_file);
    assert_int_equal(now->stats.rss_shmem, before->stats.rss_shmem);
    assert_int_equal(now->brk, before->brk);
    assert_int_equal(now->vmas, before->vmas);
    assert_int_equal(now->pages, before->pages);
    assert_int_equal(now->objects, before->objects);
    assert_int_equal(now->committed, before->committed);
    assert_int_equal(now->stats.data_bytes, before->stats.data_bytes);
    assert_int_equal(now->stats.locked_bytes, before->stats.locked_bytes);
    assert_int_equal(now->stats.stack_bytes, before->stats.stack_bytes);
    assert_int_equal(now->object_size, before->object_size);
}

/* What the growth of a stack changes, and it alone. */
static void keep_growth(struct snapshot *before, const struct snapshot *now)
{
    assert_true(now->stats.virt_bytes == before->stats.virt_bytes ||
                now->stats.virt_bytes == before->stats.virt_bytes + 3 * PAGE);
    assert_int_equal(now->committed - before->committed,
                     now->stats.virt_bytes - before->stats.virt_bytes);
    before->stats.virt_bytes = now->stats.virt_bytes;
    before->stats.stack_bytes = now->stats.stack_bytes;
    before->committed = now->committed;
    before->vmas = now->vmas;
    before->pages = now->pages;
}

/* What populating changes: pages that were not there, and hold what a read would have found. */
static void keep_pages(struct snapshot *before, const struct snapshot *now)
{
    assert_true(now->stats.rss_anon >= before->stats.rss_anon);
    assert_true(now->stats.rss_file >= before->stats.rss_file);
    before->stats.rss_file = now->stats.rss_file;
    before->stats.rss_anon = now->stats.rss_anon;
    before->pages = now->pages;
}

#define LOCK_PAGES 7 /* that a case locks */

/* What locking changes, when a page cannot be had: all of the range, or nothing. */
static void keep_locks(struct snapshot *before, const struct snapshot *now)
{
    if (now->stats.locked_bytes == before->stats.locked_bytes)
        return;
    assert_int_equal(now->stats.locked_bytes - before->stats.locked_bytes, LOCK_PAGES * PAGE);
    before->stats.locked_bytes = now->stats.locked_bytes;
    before->stats.vmas = now->stats.vmas;
    before->vmas = now->vmas;
}

/* Of several mappings some have moved: nothing is lost or gained by that. */
static void keep_moves(struct snapshot *before, const struct snapshot *now)
{
    before->stats.vmas = now->stats.vmas;
    before->vmas = now->vmas;
    before->pages = now->pages;
}

/* ---- cases ----------------------------------------------------------------------------------- */

#define AROUND 1u   /* the call may pass although an allocation failed */
#define GROWS  2u   /* the mapping may have grown before there was no page */
#define PARTLY 4u   /* pages that came before the one without memory stay */
#define LOCKS  8u   /* the range may be locked by then */
#define STEPS  16u  /* what lies below may have been done, and cannot be done again */
#define NONE   128u /* the call allocates nothing */

/*
 * The call is refused, memory or not, and leaves n cuts behind (0 < n < 4); without memory, less.
 * It answers 0 when it was refused as it should.
 */
#define CUTS(n) ((n)*32u)

struct oom_case {
    const char *name;
    void (*prepare)(void);
    int (*call)(void);
    unsigned may;
};

static uint64_t cuts_of(const struct oom_case *c)
{
    return (c->may & CUTS(3)) / CUTS(1);
}

/* What cutting changes: it takes nothing away. */
static void keep_cuts(struct snapshot *before, const struct snapshot *now, uint64_t least,
                      uint64_t most)
{
    uint64_t cuts = now->stats.vmas - before->stats.vmas;

    assert_in_range(cuts, least, most);
    before->stats.vmas = now->stats.vmas;
    if (cuts > 0)
        before->vmas = now->vmas;
}

/* ---- the sweep ------------------------------------------------------------------------------- */

/* What came of the tries of a case. */
struct tally {
    uint64_t allocations;
    bool refused, around;
};

/* Mappings near by that nothing merges with, so many that the tree has nodes at three levels. */
static void crowd(void)
{
    const struct mmk_vma_node *root;
    int64_t i;

    for (i = 1; i <= 120; i++) {
        mmk_vaddr_t above = BASE + 3 * GIB + (uint64_t)i * 2 * PAGE;
        mmk_vaddr_t below = BASE - 16 * MIB - (uint64_t)i * 2 * PAGE;

        (void)map(above, 1, RO, ANON | MMK_MAP_FIXED, NULL, 0);
        (void)map(below, 1, RO, ANON | MMK_MAP_FIXED, NULL, 0);
    }
    root = mmk_aptr_load(&mm->vmas.root, MMK_RELAXED);
    assert_int_equal(root->level, 2);
}

static void drop_made(void)
{
    if (made_mm)
        put_mm(made_mm);
    if (made_object)
        mmk_object_put(made_object);
    made_mm = NULL;
    made_object = NULL;
}

/* A new address space for each try; `mm` is what the case works on. */
static struct mmk_mm *begin(const struct oom_case *c, bool crowded)
{
    struct mmk_mm *old = mm;

    assert_int_equal(mmk_group_create(MMK_GROUP_UNLIMITED, NULL, NULL, &group), 0);
    assert_int_equal(mmk_group_mm_create(group, &mm), 0);
    machine_switch_mm(mm);
    object = NULL;
    if (crowded)
        crowd();
    c->prepare();
    return old;
}

static uint64_t end(struct mmk_mm *old)
{
    struct mmk_group_stats charged;

    mmk_check_group(group);
    machine_switch_mm(old);
    drop_made();
    put_mm(mm);
    if (object) {
        mmk_check_object(object);
        mmk_object_put(object);
    }
    object = NULL;
    mm = old;
    mmk_drain();
    mmk_group_stats(group, &charged);
    assert_int_equal(charged.charged, 0);
    mmk_group_put(group);
    assert_int_equal(stats_now().groups, 0);
    mmk_check_frames();
    return frames_free();
}

/* One try. => whether an allocation failed */
static bool try(const struct oom_case *c, bool crowded, uint64_t n, bool onward,
                struct tally *tally)
{
    struct mmk_mm *old = begin(c, crowded);
    struct mmk_vma_tree_reserve kept = {0};
    struct snapshot before, after;
    bool failed;
    int result;

    look(&before);
    if (!onward)
        assert_int_equal(mmk_vma_tree_reserve(&mm->vmas, 0, &kept), 0); /* takes them all */
    machine_fail_nth(n, onward);
    result = c->call();
    failed = machine_fail_stop();
    mmk_vma_tree_unreserve(&kept);
    mmk_check(mm);
    if (result == MMK_ENOMEM) {
        assert_true(failed);
        look(&after);
        if (c->may & GROWS)
            keep_growth(&before, &after);
        if (c->may & PARTLY)
            keep_pages(&before, &after);
        if (c->may & LOCKS)
            keep_locks(&before, &after);
        if (c->may & STEPS)
            keep_moves(&before, &after);
        expect_same(&before, &after);
        result = c->call();
        assert_true(result == 0 || ((c->may & STEPS) && result == MMK_EFAULT));
        mmk_check(mm);
        tally->refused = true;
    } else {
        assert_int_equal(result, 0);
        tally->around |= failed;
        if (cuts_of(c)) {
            look(&after);
            keep_cuts(&before, &after, failed ? 0 : cuts_of(c), cuts_of(c));
            expect_same(&before, &after);
        } else if (failed && !(c->may & AROUND)) {
            print_message("%s: passed although allocation %lu failed\n", c->name, (unsigned long)n);
            assert_false(failed);
        }
    }
    (void)end(old);
    return failed;
}

static void sweep(const struct oom_case *c, bool crowded, bool onward, struct tally *tally)
{
    uint64_t n, free;
    struct mmk_mm *old = begin(c, crowded);

    free = end(old);
    for (n = 0; try(c, crowded, n, onward, tally); n++)
        if (frames_free() != free) {
            print_message("%s: allocation %lu failed, %ld frames lost\n", c->name, (unsigned long)n,
                          (long)(free - frames_free()));
            assert_int_equal(frames_free(), free);
        }
    assert_int_equal(frames_free(), free);
    tally->allocations += n;
}

static void test_case(void **state)
{
    const struct oom_case *c = *state;
    struct tally tally = {0};

    sweep(c, false, false, &tally);
    sweep(c, false, true, &tally);
    sweep(c, true, false, &tally);
    sweep(c, true, true, &tally);
    print_message("%s: %lu allocations, %s\n", c->name, (unsigned long)tally.allocations,
                  tally.refused       ? "refused without"
                  : tally.allocations ? "passed without"
                                      : "needs none");
    if (c->may & AROUND)
        assert_true(tally.around);
    if (c->may & NONE)
        assert_int_equal(tally.allocations, 0);
}

/* => main()'s */
static inline int sweep_cases(const char *name, const struct mmk_config *config,
                              const struct oom_case *cases, size_t count)
{
    static struct CMUnitTest tests[MOST_CASES];
    void *state = NULL;
    size_t i;
    int failed;

    for (i = 0; i < count && i < MOST_CASES; i++) {
        tests[i].name = cases[i].name;
        tests[i].test_func = test_case;
        tests[i].initial_state = (void *)(uintptr_t)&cases[i];
    }
    if (count > MOST_CASES || fixture_setup_with(config))
        return 1;
    failed = cmocka_run_group_tests_name(name, tests, NULL, NULL);
    return fixture_teardown(&state) ? 1 : failed;
}

#endif
