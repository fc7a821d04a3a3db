/* SPDX-License-Identifier: MIT */
/*
 * advice.c - a stress of advice: guards, dropped pages, holes in objects, and what fork shall do.
 *
 *   own      pages that one thread advises, maps, protects and writes, in pairs between the pairs
 *            of the others, in tables that all share and that come and go: the thread predicts
 *            every outcome and every word, in the parent and in a child that it forks. The others
 *            read them
 *
 *   common   a range of several tables in which everybody does everything, at any length: what is
 *            there is anybody's guess, what the calls answer is not
 */
#include "rounds.h"

/* own: clusters of pages, a table each; every second one is shared memory. */
#define CLUSTERS      6
#define CLUSTER_PAGES 16
#define OWN_PAGES     (CLUSTERS * CLUSTER_PAGES)
#define OWN_COUNT     (OWN_PAGES / THREADS)

#define COMMON       (BASE + 64 * MB2 - MB2 / 2)
#define COMMON_PAGES (3 * MB2 / PAGE)

/* What a thread knows of one of its pages in one address space. */
struct own_page {
    bool mapped, guard, maybe_zero; /* the last: after MADV_FREE */
    bool dontfork, wipe;
    unsigned prot;
    uint64_t value; /* of private memory */
};

struct thread {
    uint32_t number;                /* of its last word */
    struct own_page own[OWN_COUNT]; /* in the parent */
    struct own_page *here;          /* of the address space that it is in */
    uint64_t shared[OWN_COUNT];     /* what the object holds */
};

static struct {
    struct mmk_mm *mm;
    struct mmk_object *object; /* of the shared clusters */
    struct thread thread[THREADS];
} world;

static __thread struct thread *self;

/* --- own pages ------------------------------------------------------------------------------- */

static mmk_vaddr_t page_addr(unsigned i)
{
    return BASE + i / CLUSTER_PAGES * MB2 + MB2 / 2 + i % CLUSTER_PAGES * PAGE;
}

static bool page_shared(unsigned i)
{
    return i / CLUSTER_PAGES % 2 != 0;
}

static mmk_vaddr_t own_addr(unsigned n)
{
    return page_addr(own_number(n));
}

static bool own_shared(unsigned n)
{
    return page_shared(own_number(n));
}

static uint64_t *own_value(unsigned n)
{
    return own_shared(n) ? &self->shared[n] : &self->here[n].value;
}

static unsigned own_expects(unsigned n, unsigned prot)
{
    const struct own_page *page = &self->here[n];

    if (!page->mapped)
        return MAY(MMK_FAULT_SEGV_MAPERR);
    if (!(page->prot & prot))
        return MAY(MMK_FAULT_SEGV_ACCERR);
    return page->guard ? MAY(MMK_FAULT_SEGV_MAPERR) : MAY_DONE;
}

static void own_load(unsigned n)
{
    struct own_page *page = &self->here[n];
    uint64_t word;

    if (!load(own_addr(n), &word, own_expects(n, RW)))
        return;
    if (page->maybe_zero && word == 0)
        *own_value(n) = 0;
    if (word != *own_value(n))
        fail("own page %u at %llx holds %016llx, not %016llx", n, (unsigned long long)own_addr(n),
             (unsigned long long)word, (unsigned long long)*own_value(n));
}

static void own_store(unsigned n)
{
    uint64_t word = (uint64_t)(own_number(n) + 1) << 32 | ++self->number;

    if (!store(own_addr(n), word, own_expects(n, MMK_PROT_WRITE)))
        return;
    *own_value(n) = word;
    self->here[n].maybe_zero = false;
}

/* A word of this page, or zero: whatever its owner does at the moment. */
static void peek(void)
{
    unsigned i = random_below(OWN_PAGES);
    uint64_t word;

    if (load(page_addr(i), &word, MAY_ANY) && word != 0 && word >> 32 != i + 1)
        fail("page %u holds %016llx, a word of another", i, (unsigned long long)word);
}

/* What was private is gone. */
static void own_lose(unsigned n)
{
    self->here[n].maybe_zero = false;
    if (!own_shared(n))
        self->here[n].value = 0;
}

/* What an advice about pages, done, has made of page n. */
static void own_advised(unsigned n, int advice)
{
    struct own_page *page = &self->here[n];

    switch (advice) {
    case MMK_MADV_GUARD_INSTALL:
        own_lose(n);
        page->guard = true;
        break;
    case MMK_MADV_GUARD_REMOVE:
        page->guard = false;
        break;
    case MMK_MADV_FREE:
        page->maybe_zero = !page->guard;
        break;
    case MMK_MADV_REMOVE:
        self->shared[n] = 0;
        break;
    default:
        own_lose(n);
        break;
    }
}

static int random_advice(void)
{
    static const int advice[] = {MMK_MADV_GUARD_INSTALL, MMK_MADV_GUARD_INSTALL,
                                 MMK_MADV_GUARD_REMOVE,  MMK_MADV_GUARD_REMOVE,
                                 MMK_MADV_DONTNEED,      MMK_MADV_DONTNEED_LOCKED,
                                 MMK_MADV_FREE,          MMK_MADV_REMOVE};

    return random_of(advice);
}

/* What the advice answers for a page that is mapped. */
static int refused(unsigned n, int advice)
{
    bool shared = own_shared(n);

    if (advice == MMK_MADV_FREE)
        return shared ? MMK_EINVAL : 0;
    return advice == MMK_MADV_REMOVE && !shared ? MMK_EINVAL : 0;
}

/* Pages [n, n + count), a pair at most: in one table, so that failing allocations change nothing.
 */
static void own_advise(struct mmk_mm *mm, unsigned n, unsigned count)
{
    int error, advice = random_advice(), expected = refused(n, advice);
    unsigned i;

    for (i = 0; i < count; i++)
        if (!self->here[n + i].mapped)
            return;
    CALL(error, mmk_madvise(mm, own_addr(n), count * PAGE, advice));
    if (expected) {
        check(error == expected);
        return;
    }
    if (done(error))
        for (i = 0; i < count; i++)
            own_advised(n + i, advice);
}

/* Three pages: the result says how many are done. */
static void own_vector(struct mmk_mm *mm)
{
    int advice = random_below(2) ? MMK_MADV_DONTNEED : random_advice();
    struct mmk_iovec ranges[3];
    unsigned page[3], i;
    int64_t advised;

    for (i = 0; i < 3; i++) {
        page[i] = random_below(OWN_COUNT);
        ranges[i] = (struct mmk_iovec){own_addr(page[i]), PAGE};
        if (!self->here[page[i]].mapped || refused(page[i], advice))
            return;
    }
    CALL(advised, mmk_madvise_vector(mm, ranges, 3, advice, false));
    check(advised == (int64_t)(3 * PAGE) || stress.injected);
    check(advised % (int64_t)PAGE == 0 || advised == MMK_ENOMEM);
    for (i = 0; (int64_t)(i * PAGE) < advised; i++)
        own_advised(page[i], advice);
}

static void own_fork_advice(struct mmk_mm *mm, unsigned n)
{
    static const int advice[] = {MMK_MADV_DONTFORK, MMK_MADV_DOFORK, MMK_MADV_WIPEONFORK,
                                 MMK_MADV_KEEPONFORK};
    unsigned kind = random_below(4);
    struct own_page *page = &self->here[n];
    int error;

    CALL(error, mmk_madvise(mm, own_addr(n), PAGE, advice[kind]));
    if (!page->mapped || (kind == 2 && own_shared(n))) {
        check(error == (page->mapped ? MMK_EINVAL : MMK_ENOMEM) ||
              (error == MMK_EAGAIN && stress.injected));
        return;
    }
    if (!done(error == MMK_EAGAIN ? MMK_ENOMEM : error))
        return;
    if (kind < 2)
        page->dontfork = kind == 0;
    else
        page->wipe = kind == 2;
}

static void own_protect(struct mmk_mm *mm, unsigned n)
{
    unsigned prot = random_below(2) ? RW : random_below(2) * MMK_PROT_READ;
    int error;

    CALL(error, mmk_mprotect(mm, own_addr(n), PAGE, prot));
    if (!self->here[n].mapped)
        check(error == MMK_ENOMEM);
    else if (done(error))
        self->here[n].prot = prot;
}

static void own_map(struct mmk_mm *mm, unsigned n)
{
    unsigned i = own_number(n);
    int error;

    if (own_shared(n))
        error = map_fixed(own_addr(n), PAGE, RW, MMK_MAP_SHARED, world.object, i * PAGE, mm);
    else
        error = map_fixed(own_addr(n), PAGE, RW, ANON, NULL, 0, mm);
    if (done(error))
        self->here[n] = (struct own_page){.mapped = true, .prot = RW};
}

static void own_op(struct mmk_mm *mm)
{
    unsigned n = random_below(OWN_COUNT), kind = random_below(64);

    if (kind < 16)
        own_load(n);
    else if (kind < 34)
        own_store(n);
    else if (kind < 48)
        own_advise(mm, n, n % 2 == 0 && random_below(2) ? 2 : 1);
    else if (kind < 52)
        own_vector(mm);
    else if (kind < 56)
        own_fork_advice(mm, n);
    else if (kind < 60)
        own_protect(mm, n);
    else
        own_map(mm, n);
}

static void own_verify(void)
{
    unsigned n;

    for (n = 0; n < OWN_COUNT; n++)
        own_load(n);
}

/* --- the common range ------------------------------------------------------------------------ */

/* Only a guard over several tables may fail, and that half-way. */
static void common_advise(struct mmk_mm *mm)
{
    uint64_t count, page = random_pages(COMMON_PAGES, &count);
    int error, advice = random_advice();

    if (random_below(4) && count > 3)
        count = 1 + random_below(3);
    CALL(error, mmk_madvise(mm, COMMON + page * PAGE, count * PAGE, advice));
    check(error == 0 || (error == MMK_EINVAL && advice == MMK_MADV_REMOVE) ||
          (error == MMK_ENOMEM && advice == MMK_MADV_GUARD_INSTALL && stress.injected));
}

static void common_touch(void)
{
    mmk_vaddr_t addr = COMMON + random_bits() % COMMON_PAGES * PAGE;
    unsigned may = MAY_DONE | MAY(MMK_FAULT_SEGV_MAPERR);
    uint64_t word;

    if (random_below(2))
        store(addr, addr, may);
    else if (load(addr, &word, may) && word != 0 && word != addr)
        fail("%llx holds %016llx", (unsigned long long)addr, (unsigned long long)word);
}

/* --- children -------------------------------------------------------------------------------- */

/* What a child finds of the own pages. */
static void inherit(struct own_page *own)
{
    unsigned n;

    for (n = 0; n < OWN_COUNT; n++) {
        own[n] = self->here[n];
        if (own[n].dontfork) {
            own[n].mapped = false;
        } else if (own[n].wipe) {
            own[n].guard = own[n].maybe_zero = false;
            own[n].value = 0;
        }
    }
}

/* Forks, changes the child, and finds the parent as it was. */
static void fork_op(struct mmk_mm *parent, unsigned depth)
{
    struct own_page own[OWN_COUNT], *before = self->here;
    struct mmk_mm *child = NULL;
    unsigned i;
    int error;

    CALL(error, mmk_fork(parent, &child));
    if (!done(error))
        return;
    inherit(own);
    self->here = own;
    enter_mm(child);
    own_verify();
    for (i = 0; i < 40; i++) {
        own_op(child);
        common_touch();
        if (random_below(4) == 0)
            common_advise(child);
    }
    if (depth < 2 && random_below(3) == 0)
        fork_op(child, depth + 1);
    own_verify();
    self->here = before;
    enter_mm(parent);
    mmk_mm_put(child);
    own_verify();
}

/* --- rounds ---------------------------------------------------------------------------------- */

static void one_op(void)
{
    unsigned kind = random_below(256);

    if (stress.ops % 8 == 0)
        sched_yield();
    if (kind < 150)
        own_op(world.mm);
    else if (kind < 180)
        peek();
    else if (kind < 220)
        common_touch();
    else if (kind < 254)
        common_advise(world.mm);
    else
        fork_op(world.mm, 0);
}

static void quiet(void)
{
    check_mm(world.mm);
    mmk_check_object(world.object);
}

static void enter(void)
{
    self = &world.thread[stress.thread];
    enter_mm(world.mm);
}

/* --- building and taking down ---------------------------------------------------------------- */

static void build(void)
{
    unsigned i, n;

    check(mmk_mm_create(&world.mm) == 0);
    check(mmk_object_create(NULL, OWN_PAGES * PAGE, NULL, &world.object) == 0);
    for (i = 0; i < OWN_PAGES; i += CLUSTER_PAGES)
        must_map(world.mm, page_addr(i), CLUSTER_PAGES * PAGE,
                 page_shared(i) ? MMK_MAP_SHARED : ANON, page_shared(i) ? world.object : NULL,
                 i * PAGE);
    must_map(world.mm, COMMON, COMMON_PAGES * PAGE, ANON, NULL, 0);
    for (i = 0; i < THREADS; i++) {
        struct thread *thread = &world.thread[i];

        thread->here = thread->own;
        for (n = 0; n < OWN_COUNT; n++)
            thread->own[n] = (struct own_page){.mapped = true, .prot = RW};
    }
}

/* Without guards and pages there are no tables. */
static void take_down(void)
{
    const mmk_vaddr_t end = COMMON + COMMON_PAGES * PAGE;
    struct mmk_mm_stats stats;
    unsigned level;

    check(mmk_madvise(world.mm, BASE, end - BASE, MMK_MADV_GUARD_REMOVE) == MMK_ENOMEM);
    check(mmk_madvise(world.mm, BASE, end - BASE, MMK_MADV_DONTNEED) == MMK_ENOMEM);
    mmk_mm_stats(world.mm, &stats);
    for (level = 0; level < 2; level++)
        check(stats.tables[level] == 0);
    mmk_mm_put(world.mm);
    mmk_object_put(world.object);
}

int main(int argc, char **argv)
{
    static const struct program program = {
        .name = "advice",
        .round = 1500,
        .build = build,
        .enter = enter,
        .operate = one_op,
        .settle = own_verify,
        .quiet = quiet,
        .take_down = take_down,
    };

    return stress_main(argc, argv, &program);
}
