/* SPDX-License-Identifier: MIT */
/*
 * selftest.c - mmk_selftest(): does the port keep its contract, as far as one CPU can see by
 * itself? Memory order and whatever takes two CPUs is not tried here: ports are tested for that
 * with the library on top.
 *
 * A check that could wait for ever on a broken port (a wait that does not compare, a lock that is
 * never released) hangs: at boot that is an answer, too.
 */
#include "frame.h"

#include <mmkit/check.h>
#include <mmkit/host.h>
#include <mmkit/port/lock.h>
#include <mmkit/port/percpu.h>
#include <mmkit/port/tlb.h>

#define WORDS (MMK_PAGE_SIZE / sizeof(uint64_t))

/* How long a callback that comes too early is given to show itself. */
#define RCU_PATIENCE 1000

struct check {
    const char *what;
    bool (*passes)(struct mmk_page *pages);
};

/*
 * Every operation on an integer: the answer, the value left, and that its neighbors in memory are
 * left alone. `high` has bits at both ends, so that an operation of another width shows.
 */
#define DEFINE_CHECK_INTEGER(kind, type, high)                                                     \
    static bool check_##kind(struct mmk_page *pages)                                               \
    {                                                                                              \
        struct mmk_##kind word[3];                                                                 \
        struct mmk_##kind *p = &word[1];                                                           \
        type expected = 4;                                                                         \
        bool good;                                                                                 \
                                                                                                   \
        (void)pages;                                                                               \
        mmk_##kind##_store(&word[0], 0, MMK_RELAXED);                                              \
        mmk_##kind##_store(&word[2], 0, MMK_RELAXED);                                              \
        mmk_##kind##_store(p, (high), MMK_RELEASE);                                                \
        good = mmk_##kind##_load(p, MMK_ACQUIRE) == (high);                                        \
        good &= mmk_##kind##_xchg(p, 5, MMK_ACQ_REL) == (high);                                    \
        good &= !mmk_##kind##_cmpxchg(p, &expected, 6, MMK_ACQ_REL) && expected == 5;              \
        good &= mmk_##kind##_load(p, MMK_RELAXED) == 5;                                            \
        good &= mmk_##kind##_cmpxchg(p, &expected, (high), MMK_ACQ_REL) && expected == 5;          \
        good &= mmk_##kind##_fetch_add(p, 2, MMK_ACQ_REL) == (high);                               \
        good &= mmk_##kind##_fetch_sub(p, 1, MMK_RELEASE) == (type)((high) + 2);                   \
        good &= mmk_##kind##_fetch_and(p, (type) ~(type)2, MMK_RELAXED) == (type)((high) + 1);     \
        good &= mmk_##kind##_fetch_or(p, 1, MMK_RELAXED) == (type)((high)-1);                      \
        good &= mmk_##kind##_xchg(p, (type) ~(type)0, MMK_RELAXED) == (high);                      \
        good &= mmk_##kind##_fetch_add(p, 1, MMK_ACQ_REL) == (type) ~(type)0;                      \
        good &= mmk_##kind##_fetch_sub(p, 1, MMK_ACQ_REL) == 0;                                    \
        good &= mmk_##kind##_load(p, MMK_RELAXED) == (type) ~(type)0;                              \
        good &= mmk_##kind##_load(&word[0], MMK_RELAXED) == 0;                                     \
        return good && mmk_##kind##_load(&word[2], MMK_RELAXED) == 0;                              \
    }

DEFINE_CHECK_INTEGER(a32, uint32_t, 0x80000001u)
DEFINE_CHECK_INTEGER(a64, uint64_t, 0x8000000080000001u)

static bool check_aptr(struct mmk_page *pages)
{
    struct mmk_aptr word;
    void *expected = &word;
    bool good;

    mmk_aptr_store(&word, pages, MMK_RELEASE);
    good = mmk_aptr_load(&word, MMK_ACQUIRE) == pages;
    good &= !mmk_aptr_cmpxchg(&word, &expected, &word, MMK_ACQ_REL) && expected == pages;
    good &= mmk_aptr_load(&word, MMK_RELAXED) == pages;
    good &= mmk_aptr_cmpxchg(&word, &expected, &word, MMK_ACQ_REL) && expected == pages;
    good &= mmk_aptr_xchg(&word, NULL, MMK_ACQ_REL) == &word;
    mmk_full_barrier();
    return good && mmk_aptr_load(&word, MMK_RELAXED) == NULL;
}

static bool check_percpu(struct mmk_page *pages)
{
    bool on = mmk_interrupts_on(), good;
    unsigned long state = mmk_percpu_enter();
    unsigned cpu = mmk_cpu_id();

    (void)pages;
    mmk_cpu_relax();
    good = cpu < MMK_MAX_CPUS && mmk_cpu_id() == cpu;
    mmk_percpu_leave(state);
    return good && on && mmk_interrupts_on();
}

/* Tries a lock that it holds, which -Wthread-safety would take for a mistake. */
static bool check_spinlock(struct mmk_page *pages) MMK_NO_TSA
{
    struct mmk_spinlock lock;
    bool good;

    (void)pages;
    mmk_spin_init(&lock);
    good = !mmk_spin_is_locked(&lock);
    mmk_spin_lock(&lock, MMK_LOCK_FRAME);
    good &= mmk_spin_is_locked(&lock);
    if (mmk_spin_trylock(&lock, MMK_LOCK_FRAME))
        return false;
    mmk_spin_unlock(&lock, MMK_LOCK_FRAME);
    good &= !mmk_spin_is_locked(&lock);
    if (!mmk_spin_trylock(&lock, MMK_LOCK_FRAME))
        return false;
    good &= mmk_spin_is_locked(&lock);
    mmk_spin_unlock(&lock, MMK_LOCK_FRAME);
    return good && !mmk_spin_is_locked(&lock);
}

/* A second reader comes by a try: one thread may not wait for the lock twice. */
static bool check_rwlock(struct mmk_page *pages) MMK_NO_TSA
{
    struct mmk_rwlock lock;
    unsigned round;

    (void)pages;
    mmk_rw_init(&lock);
    for (round = 0; round < 2; round++) {
        mmk_rw_read_lock(&lock, MMK_LOCK_MMAP);
        if (!mmk_rw_try_read_lock(&lock, MMK_LOCK_MMAP))
            return false;
        mmk_rw_read_unlock(&lock, MMK_LOCK_MMAP);
        mmk_rw_read_unlock(&lock, MMK_LOCK_MMAP);
        mmk_rw_write_lock(&lock, MMK_LOCK_MMAP);
        if (mmk_rw_try_read_lock(&lock, MMK_LOCK_MMAP))
            return false;
        mmk_rw_downgrade(&lock);
        if (!mmk_rw_try_read_lock(&lock, MMK_LOCK_MMAP))
            return false;
        mmk_rw_read_unlock(&lock, MMK_LOCK_MMAP);
        mmk_rw_read_unlock(&lock, MMK_LOCK_MMAP);
        mmk_rw_write_lock(&lock, MMK_LOCK_MMAP);
        mmk_rw_write_unlock(&lock, MMK_LOCK_MMAP);
    }
    return true;
}

/* Two frames that lie together; the descriptor, its frame and both addresses agree. */
static bool check_directmap(struct mmk_page *pages)
{
    mmk_paddr_t phys = mmk_page_phys(pages);
    char *virt = mmk_phys_to_virt(phys);
    uint64_t *word = (uint64_t *)virt;

    if ((uintptr_t)pages % _Alignof(struct mmk_page) != 0 || phys % (2 * MMK_PAGE_SIZE) != 0)
        return false;
    if (mmk_page_address(pages) != virt || mmk_virt_to_phys(virt) != phys)
        return false;
    if (mmk_phys_to_virt(phys + MMK_PAGE_SIZE) != virt + MMK_PAGE_SIZE)
        return false;
    if (mmk_virt_to_phys(virt + MMK_PAGE_SIZE + 9) != phys + MMK_PAGE_SIZE + 9)
        return false;
    word[0] = 1;
    word[WORDS] = 2; /* other frames, other memory */
    return ((volatile uint64_t *)word)[0] == 1 && ((volatile uint64_t *)word)[WORDS] == 2;
}

/* Two patterns: the first word; each next is greater by 1. No byte at a page's ends is zero. */
#define PATTERN 0xa1a2a3a4a5a6a7a8u
#define OTHER   0x5152535455565758u

static void page_fill(uint64_t *page, uint64_t pattern)
{
    size_t i;

    for (i = 0; i < WORDS; i++)
        page[i] = pattern + i;
}

static bool page_holds(const uint64_t *page, uint64_t pattern)
{
    size_t i;

    for (i = 0; i < WORDS; i++)
        if (page[i] != pattern + i)
            return false;
    return true;
}

static bool page_is_zero(const uint64_t *page)
{
    size_t i;

    for (i = 0; i < WORDS; i++)
        if (page[i] != 0)
            return false;
    return true;
}

static bool check_page_ops(struct mmk_page *pages)
{
    uint64_t *low = mmk_page_address(pages), *high = low + WORDS;

    page_fill(low, PATTERN);
    page_fill(high, OTHER);
    mmk_copy_page(high, low);
    if (!page_holds(high, PATTERN) || !page_holds(low, PATTERN))
        return false;
    page_fill(high, OTHER);
    mmk_clear_page(low);
    if (!page_is_zero(low) || !page_holds(high, OTHER))
        return false;
    page_fill(low, PATTERN);
    mmk_clear_page(high);
    return page_is_zero(high) && page_holds(low, PATTERN);
}

struct rcu_probe {
    struct mmk_rcu_head head;
    struct mmk_a32 runs;
};

static void rcu_probe_run(struct mmk_rcu_head *head)
{
    struct rcu_probe *probe = (struct rcu_probe *)head;

    mmk_a32_fetch_add(&probe->runs, 1, MMK_RELEASE);
}

static bool rcu_probes_ran(const struct rcu_probe *probe, uint32_t times)
{
    return mmk_a32_load(&probe[0].runs, MMK_ACQUIRE) == times &&
           mmk_a32_load(&probe[1].runs, MMK_ACQUIRE) == times;
}

/*
 * Callbacks wait for the section that queued them, nested as it is, which -Wthread-safety knows
 * nothing of, and then run once each.
 */
static bool check_rcu(struct mmk_page *pages) MMK_NO_TSA
{
    struct rcu_probe probe[2];
    bool early = false;
    unsigned i;

    (void)pages;
    for (i = 0; i < 2; i++)
        mmk_a32_store(&probe[i].runs, 0, MMK_RELAXED);
    mmk_rcu_read_lock();
    mmk_rcu_read_lock();
    mmk_host_call_rcu(&probe[0].head, rcu_probe_run);
    mmk_host_call_rcu(&probe[1].head, rcu_probe_run);
    mmk_rcu_read_unlock();
    for (i = 0; i < RCU_PATIENCE; i++) {
        mmk_cpu_relax();
        early |= !rcu_probes_ran(probe, 0);
    }
    mmk_rcu_read_unlock();
    mmk_host_rcu_barrier();
    return !early && rcu_probes_ran(probe, 1);
}

/* Flushing a context that nobody uses is harmless: `pages` stands for its root. */
static bool check_tlb(struct mmk_page *pages)
{
    struct mmk_tlb_context context = {UINT64_MAX, mmk_page_phys(pages)};
    unsigned long state;
    uint64_t *root = mmk_page_address(pages);

    page_fill(root, PATTERN);
    state = mmk_percpu_enter();
    mmk_tlb_local_page(&context, MMK_PAGE_SIZE);
    mmk_tlb_local_all(&context);
    mmk_tlb_local_spurious(&context, MMK_PAGE_SIZE);
    mmk_percpu_leave(state);
    return page_holds(root, PATTERN);
}

/* Returns at once, since the word is not as expected; waking nobody does nothing. */
static bool check_wait(struct mmk_page *pages)
{
    struct mmk_a32 word;

    (void)pages;
    mmk_a32_store(&word, 2, MMK_RELAXED);
    mmk_host_wait(&word, 1);
    mmk_host_wake(&word, 1);
    mmk_host_wake(&word, UINT32_MAX);
    return mmk_a32_load(&word, MMK_RELAXED) == 2;
}

static bool check_random(struct mmk_page *pages)
{
    uint64_t one = mmk_host_random(), two = mmk_host_random();

    (void)pages;
    return one != two && (one | two) >> 32 != 0;
}

static const struct check checks[] = {
    {"atomic.h: 32 bits", check_a32},
    {"atomic.h: 64 bits", check_a64},
    {"atomic.h: pointers", check_aptr},
    {"percpu.h, cpu.h: this CPU, interrupts", check_percpu},
    {"lock.h: spin lock", check_spinlock},
    {"lock.h: read-write lock", check_rwlock},
    {"directmap.h: physical to virtual and back", check_directmap},
    {"directmap.h: clearing and copying a page", check_page_ops},
    {"rcu.h, mmk_host_call_rcu, mmk_host_rcu_barrier", check_rcu},
    {"tlb.h: local flushes", check_tlb},
    {"mmk_host_wait, mmk_host_wake", check_wait},
    {"mmk_host_random", check_random},
};

int mmk_selftest(const char **what)
{
    struct mmk_page *pages = mmk_page_alloc(1, MMK_ALLOC_NORMAL);
    size_t i;
    int error = 0;

    *what = "no memory for the test";
    if (!pages)
        return MMK_ENOMEM;
    for (i = 0; i < sizeof(checks) / sizeof(checks[0]) && !error; i++) {
        *what = checks[i].what;
        if (!checks[i].passes(pages))
            error = MMK_EIO;
    }
    if (error) {
        mmk_host_log(MMK_LOG_ERROR, *what);
        return error; /* the frames are lost: nothing more is done on a broken port */
    }
    mmk_page_put(pages);
    *what = NULL;
    return 0;
}
