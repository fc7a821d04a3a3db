/* SPDX-License-Identifier: MIT */
/*
 * limits.c - a stress of what mappings count for: nothing may be committed beyond the limit, not
 * for a moment, and nothing may stay counted.
 *
 * The mode is NEVER, and the limit so low that most of what is asked for is refused. Each thread
 * shapes an address space of its own, whose limits it changes and whose size it compares with them,
 * and one that all share. What a call answers must be one of what it may; after each the sum of
 * what is committed must be below the limit. All of them are a group, whose limit is changed, too:
 * what is charged to it must be what there is.
 */
#include "rounds.h"

#include <mmkit/group.h>
#include <mmkit/limit.h>

#define LIMIT 300 /* pages */
#define MAPS  60
#define GROUP 600 /* pages, at most, that all may have */

#define RANGE 256 /* pages in which everything is mapped */
#define BRK   (BASE + (mmk_vaddr_t)4096 * PAGE)
#define STACK (BASE + (mmk_vaddr_t)16384 * PAGE)

struct thread {
    struct mmk_mm *own;
    uint64_t limit_as; /* of own, pages */
};

static struct {
    struct mmk_group *group; /* of all address spaces */
    struct mmk_mm *mm;
    struct mmk_object *object;
    struct thread thread[THREADS];
} world;

static __thread struct thread *self;

static void check_sum(void)
{
    struct mmk_stats stats;

    mmk_stats_read(&stats);
    if (stats.committed > stats.commit_limit)
        fail("%llu of %llu bytes committed", (unsigned long long)stats.committed,
             (unsigned long long)stats.commit_limit);
}

static void may_refuse(int64_t result, int also)
{
    if (result < 0 && result != MMK_ENOMEM && result != also)
        fail("an operation answers %d", (int)result);
}

static unsigned some_prot(void)
{
    static const unsigned prots[] = {
        MMK_PROT_NONE, MMK_PROT_READ, RW, RW, RW | MMK_PROT_EXEC,
    };

    return random_of(prots);
}

static mmk_vaddr_t some_range(uint64_t *length)
{
    unsigned first = random_below(RANGE), most = random_below(3) ? 8 : RANGE;

    *length = (uint64_t)(1 + random_below(most)) * PAGE;
    return BASE + first * PAGE;
}

static void do_map(struct mmk_mm *mm)
{
    static const unsigned kinds[] = {
        ANON,
        ANON,
        MMK_MAP_SHARED | MMK_MAP_ANONYMOUS,
        MMK_MAP_PRIVATE,
        MMK_MAP_SHARED,
        ANON | MMK_MAP_GROWSDOWN,
    };
    unsigned kind = random_of(kinds);
    unsigned mode = random_below(2) ? MMK_OPEN_ALL : MMK_OPEN_READ | MMK_OPEN_EXEC;
    uint64_t length;
    mmk_vaddr_t addr = some_range(&length);
    int64_t got;

    if (random_below(4) == 0)
        kind |= MMK_MAP_NORESERVE;
    CALL(got,
         mmk_mmap_file(mm, addr, length, some_prot(), kind | MMK_MAP_FIXED, world.object, 0, mode));
    may_refuse(got, MMK_EACCES);
}

static void do_unmap(struct mmk_mm *mm)
{
    uint64_t length;
    mmk_vaddr_t addr = some_range(&length);
    int error;

    CALL(error, mmk_munmap(mm, addr, length));
    may_refuse(error, 0);
}

static void do_protect(struct mmk_mm *mm)
{
    uint64_t length;
    mmk_vaddr_t addr = some_range(&length);
    int error;

    CALL(error, mmk_mprotect(mm, addr, length, some_prot()));
    may_refuse(error, MMK_EACCES);
}

static void do_move(struct mmk_mm *mm)
{
    uint64_t old_length, new_length;
    mmk_vaddr_t from = some_range(&old_length), to = some_range(&new_length);
    int64_t got;

    CALL(got, mmk_mremap(mm, from, old_length, new_length,
                         MMK_MREMAP_MAYMOVE | (random_below(2) ? MMK_MREMAP_FIXED : 0), to));
    if (got != MMK_EINVAL) /* they overlap */
        may_refuse(got, MMK_EFAULT);
}

static void do_brk(struct mmk_mm *mm)
{
    mmk_vaddr_t brk = BRK + random_below(100) * PAGE, got;

    CALL(got, mmk_brk(mm, brk));
    check(got >= BRK && got < BRK + 100 * PAGE);
}

/* A page that may be anything is written; a stack that may grow grows. */
static void do_touch(struct mmk_mm *mm)
{
    mmk_vaddr_t addr = BASE + random_below(RANGE) * PAGE;
    enum mmk_fault_result result;
    struct mmk_group_stats stats;

    if (random_below(4) == 0)
        addr = STACK - random_below(64) * PAGE;
    CALL(result, mmk_fault(mm, addr, MMK_ACCESS_WRITE));
    mmk_group_stats(world.group, &stats);
    check(result != MMK_FAULT_OOM || stress.injected || stats.failed > 0);
}

static void do_fork(struct mmk_mm *mm)
{
    struct mmk_mm *child;
    int error;

    CALL(error, mmk_fork(mm, &child));
    may_refuse(error, 0);
    if (error)
        return;
    check_sum();
    do_map(child);
    do_protect(child);
    mmk_mm_put(child);
}

/* Alone in this address space: its size is known to fit, or it had been larger before. */
static void do_limit(void)
{
    struct mmk_mm_stats stats;

    mmk_mm_stats(self->own, &stats);
    check(stats.virt_bytes <= self->limit_as * PAGE);
    check(stats.vmas <= MAPS + 2); /* two cuts stay where a call was refused after them */
    self->limit_as = stats.virt_bytes / PAGE + random_below(RANGE);
    check(mmk_set_limit(self->own, MMK_LIMIT_AS, self->limit_as * PAGE) == 0);
    check(mmk_set_limit(self->own, MMK_LIMIT_DATA, random_below(2 * RANGE) * PAGE) == 0);
    check(mmk_set_limit(self->own, MMK_LIMIT_STACK, random_below(64) * PAGE) == 0);
}

/* Often so low that nothing more can be had. */
static void do_group(void)
{
    int error = mmk_group_set_limit(world.group, random_below(GROUP) * PAGE);

    check(error == 0 || error == MMK_EBUSY);
    if (random_below(2))
        error = mmk_group_set_limit(world.group, MMK_GROUP_UNLIMITED);
}

static void operate(void)
{
    static void (*const operations[])(struct mmk_mm *) = {
        do_map, do_map, do_unmap, do_protect, do_protect, do_brk, do_touch, do_touch, do_move,
    };
    struct mmk_mm *mm = random_below(3) ? self->own : world.mm;
    unsigned which = random_below(40);

    if (which == 0)
        do_fork(mm);
    else if (which == 1)
        do_limit();
    else if (which == 2 && random_below(4) == 0)
        do_group();
    else
        operations[which % (sizeof(operations) / sizeof(operations[0]))](mm);
    check_sum();
}

/* --- rounds ---------------------------------------------------------------------------------- */

static void enter(void)
{
    self = &world.thread[stress.thread];
}

/* Address spaces end beside each other. */
static void leave(void)
{
    mmk_mm_put(self->own);
}

static void quiet(void)
{
    unsigned i;

    check_mm(world.mm);
    for (i = 0; i < THREADS; i++)
        check_mm(world.thread[i].own);
    mmk_check_object(world.object);
    mmk_check_group(world.group);
}

/* --- building and taking down ---------------------------------------------------------------- */

static void configure(struct mmk_config *config)
{
    config->overcommit = MMK_OVERCOMMIT_NEVER;
    config->overcommit_kbytes = LIMIT * PAGE / 1024;
    config->max_map_count = MAPS;
}

static void set_up(struct mmk_mm **mm)
{
    check(mmk_group_mm_create(world.group, mm) == 0);
    check(mmk_set_brk(*mm, BRK) == 0);
    must_map(*mm, STACK, PAGE, ANON | MMK_MAP_GROWSDOWN, NULL, 0);
}

static void build(void)
{
    unsigned i;

    check(mmk_group_create(MMK_GROUP_UNLIMITED, NULL, NULL, &world.group) == 0);
    check(mmk_object_create(NULL, RANGE * PAGE, NULL, &world.object) == 0);
    set_up(&world.mm);
    for (i = 0; i < THREADS; i++) {
        world.thread[i].limit_as = UINT64_MAX / PAGE;
        set_up(&world.thread[i].own);
    }
}

static void take_down(void)
{
    mmk_mm_put(world.mm);
    mmk_object_put(world.object);
    mmk_group_put(world.group);
}

int main(int argc, char **argv)
{
    static const struct program program = {
        .name = "limits",
        .round = 2000,
        .configure = configure,
        .build = build,
        .enter = enter,
        .leave = leave,
        .operate = operate,
        .quiet = quiet,
        .take_down = take_down,
    };

    return stress_main(argc, argv, &program);
}
