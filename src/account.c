/* SPDX-License-Identifier: MIT */
/*
 * account.c - owns what mappings count for, and what the library has committed itself to.
 *
 * AC1 mm.usage is what mm's mappings count for, one by one (mmk_check).
 * AC2 mm.charged == mm.usage.committed whenever the mmap lock is not held for writing (mmk_check).
 * AC3 The sum of `charged` of all address spaces and `committed` of all objects is what the words
 *     below add up to.
 *
 * Committed is what memory would be needed if every private writable page were written
 * (Documentation/mm/overcommit-accounting of Linux). In the modes HEURISTIC and ALWAYS nobody
 * compares the sum: each CPU adds to a word of its own. In the mode NEVER it must not pass the
 * limit: it is one word, taken from before anything is changed. Faults touch neither.
 *
 * Rejected: CPUs that take from the one word in batches (the limit would be missed by what they
 * hold); charging by page at the fault (a program would die where it could have been refused).
 */
#include "account.h"

#include "frame.h"
#include "swap_area.h"

/* Bytes; their sum is what counts. */
static struct mmk_percpu_count shares;
static struct mmk_percpu_share exact; /* mode NEVER */

void mmk_account_module_init(void)
{
    mmk_a64_store(&exact.count, 0, MMK_RELAXED);
    mmk_percpu_count_init(&shares);
}

uint64_t mmk_committed(void)
{
    uint64_t count = mmk_a64_load(&exact.count, MMK_RELAXED);

    return count + mmk_percpu_count_sum(&shares);
}

/* Divided first: a percentage of all frames does not wrap. */
static uint64_t limit_without_swap(void)
{
    uint64_t frames = mmk_frames_total();

    if (mmk_config.overcommit_kbytes != 0)
        return mmk_page_down(mmk_config.overcommit_kbytes << 10);
    return (frames / 100 * mmk_config.overcommit_ratio +
            frames % 100 * mmk_config.overcommit_ratio / 100)
           << MMK_PAGE_SHIFT;
}

uint64_t mmk_commit_limit(void)
{
    uint64_t limit = limit_without_swap(), swap = mmk_swap_slots() << MMK_PAGE_SHIFT;

    return limit + mmk_min(swap, UINT64_MAX - limit);
}

/* Adds without asking; bytes modulo 2^64. */
static void add(uint64_t bytes)
{
    if (mmk_config.overcommit == MMK_OVERCOMMIT_NEVER)
        mmk_a64_fetch_add(&exact.count, bytes, MMK_RELAXED);
    else
        mmk_percpu_count_add(&shares, (int64_t)bytes);
}

/* Mode NEVER. => 0: taken */
static int take_exact(uint64_t bytes)
{
    uint64_t now = mmk_a64_load(&exact.count, MMK_RELAXED), limit = mmk_commit_limit();

    do {
        if (bytes > limit || now > limit - bytes)
            return MMK_ENOMEM;
    } while (!mmk_a64_cmpxchg(&exact.count, &now, now + bytes, MMK_RELAXED));
    return 0;
}

/* HEURISTIC refuses what could not be had even if all else were free. */
static bool obviously_too_much(uint64_t bytes)
{
    uint64_t pages;

    if (mmk_config.overcommit != MMK_OVERCOMMIT_HEURISTIC)
        return false;
    pages = mmk_frames_total();
    pages += mmk_swap_slots();
    return bytes >> MMK_PAGE_SHIFT > pages;
}

int mmk_commit_take(uint64_t bytes)
{
    if (mmk_config.overcommit == MMK_OVERCOMMIT_NEVER)
        return take_exact(bytes);
    if (obviously_too_much(bytes))
        return MMK_ENOMEM;
    add(bytes);
    return 0;
}

void mmk_commit_give(uint64_t bytes)
{
    add(0 - bytes);
}

/*
 * Asks for `bytes` to be committed, for which `given` will be given back before; NEVER keeps them,
 * the other modes count when settling.
 */
static int charge(struct mmk_mm *mm, uint64_t bytes, uint64_t given) MMK_REQUIRES(mm->mmap_lock)
{
    int error;

    if (mmk_config.overcommit != MMK_OVERCOMMIT_NEVER)
        return obviously_too_much(bytes) ? MMK_ENOMEM : 0;
    bytes -= mmk_min(given, bytes);
    error = take_exact(bytes);
    if (!error)
        mm->charged += bytes;
    return error;
}

void mmk_account_settle_slow(struct mmk_mm *mm)
{
    add(mm->usage.committed - mm->charged);
    mm->charged = mm->usage.committed;
}

/*
 * Whether a mapping with `flags` may add `growth` bytes to `usage`. As on Linux a mapping that
 * replaces others adds what it is longer than they, to MMK_LIMIT_DATA as well.
 */
static bool fits(const struct mmk_mm *mm, const struct mmk_usage *usage, uint64_t flags,
                 uint64_t growth) MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    if (usage->virt + growth > mm->limit[MMK_LIMIT_AS])
        return false;
    return !mmk_account_is_data(flags) || usage->data + growth <= mm->limit[MMK_LIMIT_DATA];
}

int mmk_account_ask_replace(struct mmk_mm *mm, uint64_t flags, uint64_t bytes,
                            const struct mmk_usage *gone)
{
    if (!fits(mm, &mm->usage, flags, bytes - gone->virt))
        return MMK_ENOMEM;
    return flags & MMK_VM_ACCOUNT ? charge(mm, bytes - gone->committed, 0) : 0;
}

int mmk_account_ask(struct mmk_mm *mm, uint64_t flags, uint64_t bytes)
{
    if (!fits(mm, &mm->usage, flags, bytes))
        return MMK_ENOMEM;
    return flags & MMK_VM_ACCOUNT ? charge(mm, bytes, 0) : 0;
}

/* Becoming data is refused unless as it is it would be too much as well: as on Linux. */
int mmk_account_ask_turn(struct mmk_mm *mm, struct mmk_usage *next, uint64_t old_flags,
                         uint64_t flags, uint64_t bytes)
{
    if (mmk_account_is_data(flags) && !mmk_account_is_data(old_flags) &&
        next->data + bytes > mm->limit[MMK_LIMIT_DATA] &&
        next->virt + bytes <= mm->limit[MMK_LIMIT_AS])
        return MMK_ENOMEM;
    if ((flags & ~old_flags & MMK_VM_ACCOUNT) && charge(mm, bytes, 0))
        return MMK_ENOMEM;
    mmk_usage_turn(next, old_flags, flags, bytes);
    return 0;
}

int mmk_account_ask_without(struct mmk_mm *mm, uint64_t flags, uint64_t bytes,
                            const struct mmk_usage *gone)
{
    struct mmk_usage usage = mm->usage;

    mmk_usage_sub(&usage, gone);
    if (!fits(mm, &usage, flags, bytes))
        return MMK_ENOMEM;
    return flags & MMK_VM_ACCOUNT ? charge(mm, bytes, gone->committed) : 0;
}

bool mmk_account_fits(const struct mmk_mm *mm, uint64_t flags, uint64_t bytes)
{
    return fits(mm, &mm->usage, flags, bytes);
}

int mmk_account_ask_copy(struct mmk_mm *child, uint64_t flags, uint64_t bytes)
{
    return flags & MMK_VM_ACCOUNT ? charge(child, bytes, 0) : 0;
}

bool mmk_account_ask_lock(const struct mmk_mm *mm, uint64_t bytes)
{
    return mm->lock_privilege || mm->usage.locked + bytes <= mm->limit[MMK_LIMIT_MEMLOCK];
}

void mmk_account_exit_mm(struct mmk_mm *mm)
{
    if (mm->charged)
        mmk_commit_give(mm->charged);
    mm->charged = 0;
    mm->usage = (struct mmk_usage){0};
}
