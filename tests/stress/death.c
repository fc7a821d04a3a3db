/* SPDX-License-Identifier: MIT */
/*
 * death.c - a stress of ends: children that are killed and reaped while others run in them, mirrors
 * that come and go, CPUs that turn lazy, go offline and come again.
 *
 *   data     pages of the parent, full of words that say whose page it is. Nobody drops them; a
 *            child changes some of the words. Who reads one finds such a word, or that the child
 *            was killed: zero would be what the reaper left
 *
 *   scratch  pages that everybody maps, drops and protects, of the parent and of an object whose
 *            size changes: a word is of its page, or zero
 *
 *   mirror   a second set of translations of the parent's pages, filled on demand: words found by
 *            it are of their page, too
 *
 * All are a group, which in some rounds has a limit that is soon reached: then a child is named.
 */
#include "slots.h"

#include <mmkit/group.h>
#include <mmkit/notifier.h>
#include <mmkit/port/atomic.h>
#include <mmkit/port/directmap.h>
#include <mmkit/port/lock.h>

#define DATA          BASE /* in two tables */
#define DATA_PAGES    24
#define SCRATCH       (BASE + 8 * MB2 - SCRATCH_PAGES / 2 * PAGE)
#define SCRATCH_PAGES 32
#define SHARED        (BASE + 16 * MB2)
#define SHARED_PAGES  16
#define PAGES         (DATA_PAGES + SCRATCH_PAGES + SHARED_PAGES)

struct mirror {
    struct mmk_notifier notifier;
    struct mmk_spinlock lock;
    mmk_paddr_t page[PAGES]; /* 0: none */
    bool registered;         /* `owner` held */
    pthread_mutex_t owner;   /* only tried: who may use it, register it, or not */
};

static struct {
    struct mmk_group *group;
    struct mmk_group_stats stats; /* at the end */
    struct mmk_mm *mm;
    struct mmk_object *object;
    struct mirror mirror;
    struct mmk_a64 kills, reaped, mirrored, lazies;
} world;

static mmk_vaddr_t address(unsigned page)
{
    if (page < DATA_PAGES)
        return DATA + (page % 2 ? MB2 : 0) + page * PAGE;
    if (page < DATA_PAGES + SCRATCH_PAGES)
        return SCRATCH + (page - DATA_PAGES) * PAGE;
    return SHARED + (page - DATA_PAGES - SCRATCH_PAGES) * PAGE;
}

/* A word of this page. */
static uint64_t stamp(unsigned page)
{
    return (uint64_t)(page + 1) << 40 | (random_bits() & 0xffffff) | 1;
}

static void check_word(uint64_t word, unsigned page)
{
    if (word == 0 && page >= DATA_PAGES)
        return;
    if (word >> 40 != page + 1)
        fail("page %u holds %016llx", page, (unsigned long long)word);
}

/* --- accesses -------------------------------------------------------------------------------- */

static void touch(unsigned page, bool write, unsigned may)
{
    mmk_vaddr_t addr = address(page) + random_below(8) * 8;
    uint64_t word;

    if (page >= DATA_PAGES)
        may |= MAY(MMK_FAULT_SEGV_MAPERR) | MAY(MMK_FAULT_SEGV_ACCERR) | MAY(MMK_FAULT_BUS);
    if (write)
        (void)store(addr, stamp(page), may);
    else if (load(addr, &word, may))
        check_word(word, page);
}

static void touch_any(unsigned may)
{
    touch(random_below(PAGES), random_below(3) == 0, may);
}

/* --- the mirror ------------------------------------------------------------------------------ */

static struct mirror *mirror_of(struct mmk_notifier *notifier)
{
    return (struct mirror *)(void *)((char *)notifier - offsetof(struct mirror, notifier));
}

static int drop_range(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    struct mirror *mirror = mirror_of(notifier);
    unsigned i;

    if (!range->may_sleep && random_below(4) == 0)
        return MMK_EAGAIN;
    mmk_spin_lock(&mirror->lock, MMK_LOCK_FRAME);
    for (i = 0; i < PAGES; i++)
        if (address(i) >= range->start && address(i) < range->end)
            mirror->page[i] = 0;
    mmk_spin_unlock(&mirror->lock, MMK_LOCK_FRAME);
    return 0;
}

static const struct mmk_notifier_ops mirror_ops = {.invalidate_begin = drop_range};

/* => true: filled, and the mirror's lock held */
static bool fill_mirror(struct mirror *mirror, unsigned page)
{
    enum mmk_fault_result result;
    mmk_paddr_t phys;
    unsigned prot;
    uint64_t seq;

    for (;;) {
        seq = mmk_notifier_read_begin(&mirror->notifier);
        if (mmk_translate(world.mm, address(page), MMK_ACCESS_READ, &phys, &prot)) {
            CALL(result, mmk_fault(world.mm, address(page), MMK_ACCESS_READ));
            if (result != MMK_FAULT_DONE && result != MMK_FAULT_RETRY)
                return false;
            continue;
        }
        mmk_spin_lock(&mirror->lock, MMK_LOCK_FRAME);
        if (!mmk_notifier_read_retry(&mirror->notifier, seq))
            break;
        mmk_spin_unlock(&mirror->lock, MMK_LOCK_FRAME);
        mmk_cpu_relax();
    }
    mirror->page[page] = phys;
    return true;
}

static void read_mirror(struct mirror *mirror, unsigned page)
{
    uint64_t word;

    mmk_spin_lock(&mirror->lock, MMK_LOCK_FRAME);
    if (!mirror->page[page]) {
        mmk_spin_unlock(&mirror->lock, MMK_LOCK_FRAME);
        if (!fill_mirror(mirror, page))
            return;
    }
    word = mmk_a64_load((struct mmk_a64 *)mmk_phys_to_virt(mirror->page[page]) + random_below(8),
                        MMK_RELAXED);
    mmk_spin_unlock(&mirror->lock, MMK_LOCK_FRAME);
    check_word(word, page);
    mmk_a64_fetch_add(&world.mirrored, 1, MMK_RELAXED);
}

static void mirror_op(void)
{
    struct mirror *mirror = &world.mirror;
    unsigned i;

    if (pthread_mutex_trylock(&mirror->owner) != 0)
        return;
    if (!mirror->registered) {
        memset(&mirror->notifier, 0, sizeof(mirror->notifier));
        mirror->notifier.ops = &mirror_ops;
        check(mmk_notifier_register(world.mm, &mirror->notifier) == 0);
        mirror->registered = true;
    }
    for (i = 0; i < 20; i++)
        read_mirror(mirror, random_below(PAGES));
    if (random_below(4) == 0) {
        mmk_notifier_unregister(world.mm, &mirror->notifier);
        memset(mirror->page, 0, sizeof(mirror->page));
        mirror->registered = false;
    }
    pthread_mutex_unlock(&mirror->owner);
}

/* Each translation is the address space's own. => nothing else runs */
static void check_mirror(void)
{
    mmk_paddr_t phys;
    unsigned i, prot;

    for (i = 0; i < PAGES; i++)
        if (world.mirror.page[i])
            check(mmk_translate(world.mm, address(i), MMK_ACCESS_READ, &phys, &prot) == 0 &&
                  phys == world.mirror.page[i]);
}

/* --- the parent ------------------------------------------------------------------------------ */

static void scratch_op(struct mmk_mm *mm, bool dies)
{
    uint64_t count, page = DATA_PAGES + random_pages(SCRATCH_PAGES, &count);
    mmk_vaddr_t addr = address((unsigned)page);
    unsigned kind = random_below(8);
    int error;

    if (kind < 3)
        error = map_fixed(addr, count * PAGE, RW, ANON, NULL, 0, mm);
    else if (kind < 4)
        CALL(error, mmk_munmap(mm, addr, count * PAGE));
    else if (kind < 6)
        CALL(error,
             mmk_madvise(mm, addr, count * PAGE, kind < 5 ? MMK_MADV_DONTNEED : MMK_MADV_FREE));
    else
        CALL(error, mmk_mprotect(mm, addr, count * PAGE, random_below(3) ? RW : MMK_PROT_READ));
    check(error == 0 || (error == MMK_ENOMEM && (kind >= 4 || may_lack_memory())) ||
          (error == MMK_EINTR && dies));
}

static void object_op(void)
{
    uint64_t all = SHARED_PAGES * PAGE, from = random_below(SHARED_PAGES) * PAGE;
    int error;

    if (random_below(2))
        CALL(error, mmk_object_punch_hole(world.object, from, PAGE));
    else
        CALL(error, mmk_object_resize(world.object, random_below(2) ? all : from));
    (void)done(error);
}

/* --- children -------------------------------------------------------------------------------- */

#define MAY_DIE (MAY_DONE | MAY(MMK_FAULT_KILLED))

static void visit(struct mmk_mm *child)
{
    unsigned i, count = random_below(60);

    enter_mm(child);
    for (i = 0; i < count; i++)
        if (random_below(8))
            touch_any(MAY_DIE);
        else
            scratch_op(child, true);
    enter_mm(world.mm);
}

static void visit_op(void)
{
    struct mmk_mm *child = slot_take(), *grandchild;
    int error;

    if (!child)
        return;
    visit(child);
    if (random_below(4) == 0) {
        CALL(error, mmk_fork(child, &grandchild));
        check(error == 0 || error == MMK_EINTR || (error == MMK_ENOMEM && may_lack_memory()));
        if (error == 0) {
            visit(grandchild);
            mmk_mm_put(grandchild);
        }
    }
    mmk_mm_put(child);
}

static void reap(struct mmk_mm *child)
{
    uint64_t freed = 0;
    unsigned tries = random_below(50);
    int error;

    do
        CALL(error, mmk_reap(child, 1 + random_below(10), &freed));
    while (error == MMK_EAGAIN && tries-- > 0);
    check(error == 0 || error == MMK_EAGAIN);
    mmk_a64_fetch_add(&world.reaped, freed, MMK_RELAXED);
}

/* Kills a child in which others may be, and reaps it, as a user of it or as one who only holds it.
 */
static void kill_op(void)
{
    struct mmk_mm *child = slot_take();

    if (!child)
        return;
    mmk_mm_hold(child);
    if (random_below(2))
        visit(child);
    mmk_kill(child);
    mmk_a64_fetch_add(&world.kills, 1, MMK_RELAXED);
    if (random_below(2))
        reap(child);
    mmk_mm_put(child);
    reap(child);
    if (mmk_mm_get_unless_gone(child))
        mmk_mm_put(child);
    mmk_mm_drop(child);
}

static void fork_op(void)
{
    struct mmk_mm *child = NULL;
    int error;

    CALL(error, mmk_fork(world.mm, &child));
    if (done(error))
        slot_give(child);
}

/* One of the children, who may be dead already. */
static struct mmk_mm *choose_victim(struct mmk_group *group, void *private_data)
{
    struct slot *slot = &slots[random_below(SLOTS)];
    struct mmk_mm *child;

    (void)group;
    (void)private_data;
    if (pthread_mutex_trylock(&slot->lock) != 0)
        return NULL;
    child = slot->mm;
    if (child)
        mmk_mm_hold(child);
    pthread_mutex_unlock(&slot->lock);
    return child;
}

/* => nothing else runs */
static void choose_limit(void)
{
    struct mmk_group_stats stats;
    uint64_t limit = MMK_GROUP_UNLIMITED;

    mmk_group_stats(world.group, &stats);
    memory_is_short = random_below(2);
    if (memory_is_short)
        limit = stats.charged + random_below(60) * PAGE;
    check(mmk_group_set_limit(world.group, limit) == 0);
}

/* --- CPUs ------------------------------------------------------------------------------------ */

/* Lazy in the parent or in a child, which may end meanwhile; back, or somewhere else. */
static void lazy_op(void)
{
    struct mmk_mm *child = random_below(2) ? slot_take() : NULL;
    unsigned i, count = random_below(20);

    if (child)
        enter_mm(child);
    machine_switch_lazy();
    for (i = 0; i < count; i++)
        machine_speculate(address(random_below(PAGES)));
    if (random_below(2))
        object_op();
    mmk_a64_fetch_add(&world.lazies, 1, MMK_RELAXED);
    if (child && random_below(2)) {
        enter_mm(child);
        touch_any(MAY_DIE);
    } else if (child && random_below(2)) {
        mmk_mm_put(child); /* perhaps the last, with this CPU still in it */
        machine_speculate(address(0));
        child = NULL;
    }
    enter_mm(world.mm);
    if (child)
        mmk_mm_put(child);
}

static void offline_op(void)
{
    machine_cpu_detach();
    machine_cpu_attach(stress.thread);
    enter_mm(world.mm);
}

/* --- rounds ---------------------------------------------------------------------------------- */

static void one_op(void)
{
    unsigned kind = random_below(64);

    if (kind < 24)
        touch_any(MAY_DONE);
    else if (kind < 34)
        scratch_op(world.mm, false);
    else if (kind < 37)
        object_op();
    else if (kind < 42)
        mirror_op();
    else if (kind < 47)
        fork_op();
    else if (kind < 52)
        visit_op();
    else if (kind < 57)
        kill_op();
    else if (kind < 63)
        lazy_op();
    else
        offline_op();
}

static void quiet(void)
{
    check_mirror();
    check_mm(world.mm);
    slots_check(check_mm);
    mmk_check_object(world.object);
    mmk_check_group(world.group);
    choose_limit();
}

static void enter(void)
{
    enter_mm(world.mm);
}

/* --- building and taking down ---------------------------------------------------------------- */

static void build(void)
{
    static const struct mmk_group_ops group_ops = {.victim = choose_victim};
    unsigned page, i;

    check(mmk_group_create(MMK_GROUP_UNLIMITED, &group_ops, NULL, &world.group) == 0);
    check(mmk_group_mm_create(world.group, &world.mm) == 0);
    check(mmk_object_create(NULL, SHARED_PAGES * PAGE, NULL, &world.object) == 0);
    must_map(world.mm, DATA, 2 * MB2, ANON, NULL, 0);
    must_map(world.mm, SCRATCH, SCRATCH_PAGES * PAGE, ANON, NULL, 0);
    must_map(world.mm, SHARED, SHARED_PAGES * PAGE, MMK_MAP_SHARED, world.object, 0);
    machine_switch_mm(world.mm);
    for (page = 0; page < DATA_PAGES; page++)
        for (i = 0; i < 8; i++) {
            uint64_t word = (uint64_t)(page + 1) << 40 | 1;

            check(machine_store(address(page) + i * 8, &word, 8) == MMK_FAULT_DONE);
        }
    machine_switch_mm(NULL);
    pthread_mutex_init(&world.mirror.owner, NULL);
    mmk_spin_init(&world.mirror.lock);
    slots_begin();
}

static void take_down(void)
{
    if (world.mirror.registered)
        mmk_notifier_unregister(world.mm, &world.mirror.notifier);
    slots_end();
    mmk_mm_put(world.mm);
    mmk_object_put(world.object);
    mmk_group_stats(world.group, &world.stats);
    mmk_group_put(world.group);
}

static void report_counts(void)
{
    printf("%llu named of %llu who lacked memory, ", (unsigned long long)world.stats.kills,
           (unsigned long long)world.stats.hits);
    printf("%llu kills, %llu pages reaped, %llu reads of the mirror, %llu lazy, ",
           (unsigned long long)mmk_a64_load(&world.kills, MMK_RELAXED),
           (unsigned long long)mmk_a64_load(&world.reaped, MMK_RELAXED),
           (unsigned long long)mmk_a64_load(&world.mirrored, MMK_RELAXED),
           (unsigned long long)mmk_a64_load(&world.lazies, MMK_RELAXED));
}

int main(int argc, char **argv)
{
    static const struct program program = {
        .name = "death",
        .round = 600,
        .build = build,
        .enter = enter,
        .operate = one_op,
        .quiet = quiet,
        .take_down = take_down,
        .report = report_counts,
    };

    return stress_main(argc, argv, &program);
}
