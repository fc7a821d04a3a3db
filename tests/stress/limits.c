/* SPDX-License-Identifier: MIT */
/*
 * limits.c - a stress of what mappings count for: nothing may be committed beyond the limit, not
 * for a moment, and nothing may stay counted.
 *
 *     stress_limits [SECONDS [SEED]]   exit status 0: nothing found; otherwise 1, or an abort
 *
 * The mode is NEVER, and the limit so low that most of what is asked for is refused. Each thread
 * shapes an address space of its own, whose limits it changes and whose size it compares with them,
 * and one that all share. What a call answers must be one of what it may; after each the sum of
 * what is committed must be below the limit.
 */
#include "stress.h"

#include <mmkit/limit.h>
#include <mmkit/port/atomic.h>
#include <mmkit/stats.h>

#define THREADS 4
#define MEMORY  ((uint64_t)64 << 20)
#define LIMIT   300 /* pages */
#define MAPS    60

#define PAGE  MMK_PAGE_SIZE
#define BASE  ((mmk_vaddr_t)1 << 37)
#define RANGE 256 /* pages in which everything is mapped */
#define BRK   (BASE + (mmk_vaddr_t)4096 * PAGE)
#define STACK (BASE + (mmk_vaddr_t)16384 * PAGE)

struct thread {
    pthread_t thread;
    unsigned id;
    uint64_t ops;
    struct mmk_mm *own;
    uint64_t limit_as; /* of own, pages */
};

static struct {
    struct mmk_mm *mm;
    struct mmk_object *object;
    struct thread thread[THREADS];
    double end;
    pthread_barrier_t barrier;
} world;

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
        MMK_PROT_NONE,
        MMK_PROT_READ,
        MMK_PROT_READ | MMK_PROT_WRITE,
        MMK_PROT_READ | MMK_PROT_WRITE,
        MMK_PROT_READ | MMK_PROT_WRITE | MMK_PROT_EXEC,
    };

    return prots[random_below(sizeof(prots) / sizeof(prots[0]))];
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
        MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS,
        MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS,
        MMK_MAP_SHARED | MMK_MAP_ANONYMOUS,
        MMK_MAP_PRIVATE,
        MMK_MAP_SHARED,
        MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS | MMK_MAP_GROWSDOWN,
    };
    unsigned kind = kinds[random_below(sizeof(kinds) / sizeof(kinds[0]))];
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

    if (random_below(4) == 0)
        addr = STACK - random_below(64) * PAGE;
    CALL(result, mmk_fault(mm, addr, MMK_ACCESS_WRITE));
    check(result != MMK_FAULT_OOM || stress.injected);
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
static void do_limit(struct thread *thread)
{
    struct mmk_mm_stats stats;

    mmk_check(thread->own);
    mmk_mm_stats(thread->own, &stats);
    check(stats.virt_bytes <= thread->limit_as * PAGE);
    check(stats.vmas <= MAPS + 1);
    thread->limit_as = stats.virt_bytes / PAGE + random_below(RANGE);
    check(mmk_set_limit(thread->own, MMK_LIMIT_AS, thread->limit_as * PAGE) == 0);
    check(mmk_set_limit(thread->own, MMK_LIMIT_DATA, random_below(2 * RANGE) * PAGE) == 0);
    check(mmk_set_limit(thread->own, MMK_LIMIT_STACK, random_below(64) * PAGE) == 0);
}

static void operate(struct thread *thread)
{
    static void (*const operations[])(struct mmk_mm *) = {
        do_map, do_map, do_unmap, do_protect, do_protect, do_brk, do_touch, do_touch, do_move,
    };
    struct mmk_mm *mm = random_below(3) ? thread->own : world.mm;
    unsigned which = random_below(40);

    stress.ops++;
    if (which == 0)
        do_fork(mm);
    else if (which == 1)
        do_limit(thread);
    else
        operations[which % (sizeof(operations) / sizeof(operations[0]))](mm);
    check_sum();
}

static void set_up(struct mmk_mm **mm)
{
    check(mmk_mm_create(mm) == 0);
    check(mmk_set_brk(*mm, BRK) == 0);
    check(mmk_mmap(*mm, STACK, PAGE, MMK_PROT_READ | MMK_PROT_WRITE,
                   MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS | MMK_MAP_GROWSDOWN | MMK_MAP_FIXED, NULL,
                   0) == (int64_t)STACK);
}

static void *run(void *argument)
{
    struct thread *thread = (struct thread *)argument;

    machine_cpu_attach(thread->id);
    stress_thread_begin(thread->id);
    while (now() < world.end)
        operate(thread);
    stress_wait(&world.barrier);
    stress_thread_end();
    mmk_check(thread->own);
    mmk_mm_put(thread->own);
    thread->ops = stress.ops;
    machine_cpu_detach();
    return NULL;
}

int main(int argc, char **argv)
{
    struct machine_config config = {.memory = MEMORY, .cpus = THREADS, .mmkit = MMK_CONFIG_DEFAULT};
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5, i;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL), ops = 0;
    struct mmk_stats after;

    printf("stress limits: %u seconds, seed %llu\n", seconds, (unsigned long long)seed);
    fflush(stdout);
    stress_begin(seconds, seed);
    config.mmkit.overcommit = MMK_OVERCOMMIT_NEVER;
    config.mmkit.overcommit_kbytes = LIMIT * PAGE / 1024;
    config.mmkit.max_map_count = MAPS;
    check(machine_create(&config) == 0);
    machine_cpu_attach(0);
    check(mmk_object_create(NULL, RANGE * PAGE, NULL, &world.object) == 0);
    set_up(&world.mm);
    for (i = 0; i < THREADS; i++) {
        world.thread[i].id = i;
        world.thread[i].limit_as = UINT64_MAX / PAGE;
        set_up(&world.thread[i].own);
    }
    machine_cpu_detach();
    pthread_barrier_init(&world.barrier, NULL, THREADS);
    world.end = now() + seconds;
    for (i = 0; i < THREADS; i++)
        check(pthread_create(&world.thread[i].thread, NULL, run, &world.thread[i]) == 0);
    for (i = 0; i < THREADS; i++)
        pthread_join(world.thread[i].thread, NULL);
    machine_cpu_attach(0);
    mmk_check(world.mm);
    mmk_mm_put(world.mm);
    mmk_object_put(world.object);
    mmk_drain();
    mmk_check_frames();
    mmk_stats_read(&after);
    check(after.committed == 0 && after.address_spaces == 0 && after.objects == 0);
    machine_cpu_detach();
    machine_destroy();
    pthread_barrier_destroy(&world.barrier);
    for (i = 0; i < THREADS; i++)
        ops += world.thread[i].ops;
    printf("stress limits: %llu operations, nothing found\n", (unsigned long long)ops);
    return 0;
}
