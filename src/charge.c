/* SPDX-License-Identifier: MIT */
/*
 * charge.c - charging frames to groups of address spaces.
 *
 * A group's limit is one word that all its CPUs would write with each page. So a CPU pays for
 * several pages at once, and has a stock of pages paid for; what it frees goes there, too. Whoever
 * finds the limit reached first collects the stocks: therefore a group that is quiet gets exactly
 * what its limit says.
 *
 *       limit  <- BATCH ->  a CPU's stock  <- 1 ->  page->share
 *
 * GR1 `paid` = the stocks + the frames whose `share` is one of the group's; it is raised up to the
 *     limit only, by compare-exchange; beyond it by mmk_charge_anyway(), for swapoff, and for the
 *     tables with which reclaim splits larger pages.
 *
 * GR2 A frame is charged to the share that it was first charged to until it is free, whichever CPU
 *     frees it, or until another takes its place and its charge: so each share's counts and list
 *     are right by themselves. A free frame has none.
 *
 * GR3 A share lists its private and object pages. A page is listed before others can map it, and
 *     leaves the list before its frame is free: reclaim takes no reference from the list, and looks
 *     at what it finds as at any frame (RC1).
 *
 * GR4 The group exists while it has users or `paid` is not 0. The last user collects the stocks and
 *     closes them: what is uncharged then goes to `paid` at once.
 *
 * GR5 While more is paid for than the limit says, some alarm is not over, and nothing goes to a
 *     stock: it would be charged again. Who lowers the limit, or pays beyond it, raises an alarm
 *     afterwards (release); who pays and finds room for it ends those that he saw before he read
 *     the limit (acquire). So an alarm ends only when, after it, there was room.
 *
 * Locks: a share has its own, within a per-CPU section, as frames may be freed in interrupts. It is
 * an inner one: under it no other is taken, and two are never held at once. The CPU that it belongs
 * to is nearly always the one that takes it.
 *
 * Rejected: stocks without a lock, changed by atomic operations (the lists need one anyhow); one
 * list a group (the line that stocks avoid); none, and the hand over all frames, or over the tables
 * of the group's address spaces, to reclaim (docs/DESIGN.md); counting at map and unmap (a page
 * that several map, or none, would have to be somebody's).
 */
#include "charge.h"

#include "frame.h"
#include "list.h"
#include "planted.h"
#include <mmkit/port/percpu.h>

#define BATCH     32u                 /* pages that a CPU pays for at once */
#define STOCK_MAX 64u                 /* beyond, it gives BATCH back */
#define CLOSED    UINT32_MAX          /* stock: GR4 */
#define OPEN      ((uint64_t)1 << 63) /* in `paid` */

static mmk_rescuer rescuer; /* c from mmk_init() on */
static struct mmk_a64 existing;

void mmk_charge_init(mmk_rescuer function)
{
    rescuer = function;
    mmk_a64_store(&existing, 0, MMK_RELAXED);
}

uint64_t mmk_group_count(void)
{
    return mmk_a64_load(&existing, MMK_RELAXED);
}

void mmk_group_init(struct mmk_group *group, struct mmk_page *block, uint64_t limit)
{
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++) {
        mmk_spin_init(&group->share[cpu].lock);
        mmk_list_init(&group->share[cpu].pages);
        group->share[cpu].group = group;
    }
    mmk_rw_init(&group->killing);
    group->block = block;
    mmk_a64_store(&group->limit, limit, MMK_RELAXED);
    mmk_a32_store(&group->users, 1, MMK_RELAXED);
    mmk_a64_store(&group->paid.pages, OPEN, MMK_RELAXED);
    mmk_a64_fetch_add(&existing, 1, MMK_RELAXED);
}

uint64_t mmk_charge_paid(const struct mmk_group *group)
{
    return mmk_a64_load(&group->paid.pages, MMK_RELAXED) & ~OPEN;
}

uint64_t mmk_charge_sum(const struct mmk_group *group, enum mmk_charge_kind kind)
{
    uint64_t left = mmk_a64_load(&group->cpus, MMK_RELAXED), sum = 0;
    unsigned cpu;

    for (cpu = 0; left != 0; cpu++, left >>= 1)
        if (left & 1)
            sum += mmk_a64_load(&group->share[cpu].count[kind], MMK_RELAXED);
    return sum;
}

/* ---- paying ---------------------------------------------------------------------------------- */

/* GR5: more may be paid for than the limit says. */
static bool is_alarmed(const struct mmk_group *group)
{
    uint32_t over = mmk_a32_load(&group->alarms_over, MMK_RELAXED);

    return mmk_a32_load(&group->alarms, MMK_RELAXED) != over;
}

static void raise_alarm(struct mmk_group *group)
{
    mmk_a32_fetch_add(&group->alarms, 1, MMK_RELEASE);
}

void mmk_charge_set_limit(struct mmk_group *group, uint64_t limit)
{
    mmk_a64_store(&group->limit, limit, MMK_RELAXED);
    raise_alarm(group);
}

/* => false: the limit has no room for that many */
static bool pay(struct mmk_group *group, uint32_t pages)
{
    uint32_t alarms = mmk_a32_load(&group->alarms, MMK_ACQUIRE);
    uint64_t limit = mmk_a64_load(&group->limit, MMK_RELAXED);
    uint64_t paid = mmk_a64_load(&group->paid.pages, MMK_RELAXED);

    do {
        if ((paid & ~OPEN) + pages > limit)
            return false;
    } while (!mmk_a64_cmpxchg(&group->paid.pages, &paid, paid + pages, MMK_RELAXED));
    if (mmk_unlikely(mmk_a32_load(&group->alarms_over, MMK_RELAXED) != alarms))
        mmk_a32_store(&group->alarms_over, alarms, MMK_RELAXED);
    return true;
}

/*
 * `what` leaves `paid`: pages, or OPEN. Whoever takes it to 0 is the last to know the group.
 * Release what was done to it, acquire what others did.
 */
static void leave(struct mmk_group *group, uint64_t what)
{
    struct mmk_page *block;

    if (what == 0)
        return;
    block = group->block;
    if (mmk_a64_fetch_sub(&group->paid.pages, what, MMK_ACQ_REL) != what)
        return;
    mmk_a64_fetch_sub(&existing, 1, MMK_RELAXED);
    mmk_page_put(block);
}

static void change(struct mmk_a64 *count, int delta)
{
    mmk_a64_store(count, mmk_a64_load(count, MMK_RELAXED) + (uint64_t)(int64_t)delta, MMK_RELAXED);
}

/* => S held */
static void account(struct mmk_charge_share *share, struct mmk_page *page,
                    enum mmk_charge_kind kind) MMK_REQUIRES(share->lock)
{
    change(&share->count[kind], 1);
    if (kind != MMK_CHARGE_TABLE)
        mmk_list_add_tail(&share->pages, &page->user.charged);
    page->share = share;
}

static void note_cpu(struct mmk_group *group, unsigned cpu)
{
    uint64_t bit = (uint64_t)1 << cpu;

    if (!(mmk_a64_load(&group->cpus, MMK_RELAXED) & bit))
        mmk_a64_fetch_or(&group->cpus, bit, MMK_RELAXED);
}

/*
 * Charges the page to this CPU's share: out of its stock, or, `paid`, one of so many that the
 * caller has paid for, the rest of which stay in stock.
 * => false: nothing in stock
 */
static bool take(struct mmk_group *group, struct mmk_page *page, enum mmk_charge_kind kind,
                 uint32_t paid)
{
    unsigned long state = mmk_percpu_enter();
    unsigned cpu = mmk_cpu_id();
    struct mmk_charge_share *share = &group->share[cpu];
    uint32_t stock;

    if (paid > 0)
        note_cpu(group, cpu);

    mmk_spin_lock(&share->lock, MMK_LOCK_CHARGE);
    stock = mmk_a32_load(&share->stock, MMK_RELAXED) + paid;
    if (stock > 0) {
        mmk_a32_store(&share->stock, stock - 1, MMK_RELAXED);
        account(share, page, kind);
    }
    mmk_spin_unlock(&share->lock, MMK_LOCK_CHARGE);
    mmk_percpu_leave(state);
    return stock > 0;
}

/* Pays for so many, for this one and the stock. => false: the limit has no room for them */
static bool pay_and_take(struct mmk_group *group, struct mmk_page *page, enum mmk_charge_kind kind,
                         uint32_t pages)
{
    if (!pay(group, pages))
        return false;
    (void)take(group, page, kind, pages);
    return true;
}

bool mmk_charge_try(struct mmk_group *group, struct mmk_page *page, enum mmk_charge_kind kind)
{
    mmk_charge_drain(group);
    return pay_and_take(group, page, kind, 1);
}

bool mmk_charge_slow(struct mmk_group *group, struct mmk_page *page, enum mmk_charge_kind kind,
                     unsigned flags)
{
    if (!(flags & MMK_ALLOC_NOWAIT))
        mmk_note_may_sleep();
    if (mmk_inject(MMK_INJECT_CHARGE))
        return false;
    if (mmk_likely(take(group, page, kind, 0)) || pay_and_take(group, page, kind, BATCH) ||
        pay_and_take(group, page, kind, 1))
        return true;
    if (flags & MMK_ALLOC_NOWAIT)
        return false;
    return mmk_charge_try(group, page, kind) || rescuer(group, page, kind);
}

void mmk_charge_anyway(struct mmk_group *group, struct mmk_page *page, enum mmk_charge_kind kind)
{
    if (take(group, page, kind, 0))
        return;
    mmk_a64_fetch_add(&group->paid.pages, 1, MMK_RELAXED);
    raise_alarm(group);
    (void)take(group, page, kind, 1);
}

/* ---- giving back ----------------------------------------------------------------------------- */

static enum mmk_charge_kind kind_of(const struct mmk_page *page)
{
    switch (mmk_page_type(page)) {
    case MMK_PAGE_ANON:
        return MMK_CHARGE_PRIVATE;
    case MMK_PAGE_OBJECT:
        return MMK_CHARGE_OBJECT;
    default:
        mmk_assert(mmk_page_type(page) == MMK_PAGE_TABLE,
                   "GR2 a frame stays what it is charged as");
        return MMK_CHARGE_TABLE;
    }
}

/* One page goes to the stock. => how many leave it, for the limit; S held */
static uint32_t put_in_stock(struct mmk_charge_share *share) MMK_REQUIRES(share->lock)
{
    uint32_t stock = mmk_a32_load(&share->stock, MMK_RELAXED), back = 0;

    if (stock == CLOSED || is_alarmed(share->group))
        return 1;
    if (stock == STOCK_MAX)
        back = BATCH;
    mmk_a32_store(&share->stock, stock + 1 - back, MMK_RELAXED);
    return back;
}

void mmk_uncharge_slow(struct mmk_page *page)
{
    struct mmk_charge_share *share = page->share;
    struct mmk_group *group = share->group;
    enum mmk_charge_kind kind = kind_of(page);
    unsigned long state = mmk_percpu_enter();
    uint32_t back;

    mmk_spin_lock(&share->lock, MMK_LOCK_CHARGE);
    change(&share->count[kind], -1);
    if (kind != MMK_CHARGE_TABLE)
        mmk_list_del(&page->user.charged);
    page->share = NULL;
    back = put_in_stock(share);
    mmk_spin_unlock(&share->lock, MMK_LOCK_CHARGE);
    mmk_percpu_leave(state);
    leave(group, back); /* if nothing goes back the group may be gone: GR4 */
}

void mmk_charge_move_slow(struct mmk_page *page, struct mmk_page *to)
{
    struct mmk_charge_share *share = page->share;
    unsigned long state = mmk_percpu_enter();

    mmk_spin_lock(&share->lock, MMK_LOCK_CHARGE);
    mmk_list_add(&page->user.charged, &to->user.charged);
    mmk_list_del(&page->user.charged);
    page->share = NULL;
    to->share = share;
    mmk_spin_unlock(&share->lock, MMK_LOCK_CHARGE);
    mmk_percpu_leave(state);
}

/* Empties a stock, and leaves `then` in it. => how many were in it */
static uint32_t empty(struct mmk_charge_share *share, uint32_t then)
{
    unsigned long state = mmk_percpu_enter();
    uint32_t stock;

    if (!MMK_MISTAKE(DRAIN_UNLOCKED))
        mmk_spin_lock(&share->lock, MMK_LOCK_CHARGE);
    stock = mmk_a32_load(&share->stock, MMK_RELAXED);
    mmk_a32_store(&share->stock, then, MMK_RELAXED);
    if (!MMK_MISTAKE(DRAIN_UNLOCKED))
        mmk_spin_unlock(&share->lock, MMK_LOCK_CHARGE);
    mmk_percpu_leave(state);
    return stock;
}

void mmk_charge_drain(struct mmk_group *group)
{
    uint64_t left = mmk_a64_load(&group->cpus, MMK_RELAXED);
    unsigned cpu;

    for (cpu = 0; left != 0; cpu++, left >>= 1)
        if ((left & 1) && mmk_a32_load(&group->share[cpu].stock, MMK_RELAXED) != 0)
            leave(group, empty(&group->share[cpu], 0));
}

void mmk_group_get(struct mmk_group *group)
{
    mmk_a32_fetch_add(&group->users, 1, MMK_RELAXED);
}

/* Nobody charges any more. OPEN, which goes last, keeps the group until then. */
void mmk_group_put(struct mmk_group *group)
{
    uint32_t users = mmk_a32_fetch_sub(&group->users, 1, MMK_ACQ_REL);
    uint64_t left;
    unsigned cpu;

    mmk_assert(users != 0, "a group is put once for each user");
    if (users != 1)
        return;
    left = mmk_a64_load(&group->cpus, MMK_RELAXED);
    for (cpu = 0; left != 0; cpu++, left >>= 1)
        if (left & 1)
            leave(group, empty(&group->share[cpu], MMK_MISTAKE(CLOSED_STAYS_OPEN) ? 0 : CLOSED));
    leave(group, OPEN);
}

/* ---- for reclaim ----------------------------------------------------------------------------- */

static uint64_t listed(const struct mmk_charge_share *share)
{
    uint64_t objects = mmk_a64_load(&share->count[MMK_CHARGE_OBJECT], MMK_RELAXED);

    return mmk_a64_load(&share->count[MMK_CHARGE_PRIVATE], MMK_RELAXED) + objects;
}

uint64_t mmk_charge_listed(const struct mmk_group *group, uint64_t *shares)
{
    uint64_t left = mmk_a64_load(&group->cpus, MMK_RELAXED), sum = 0;
    unsigned cpu;

    *shares = 0;
    for (cpu = 0; left != 0; cpu++, left >>= 1) {
        *shares += left & 1;
        if (left & 1)
            sum += listed(&group->share[cpu]);
    }
    return sum;
}

/* => how many; *last: the share has been gone over */
static unsigned next_of(struct mmk_charge_share *share, struct mmk_page *page[], unsigned most,
                        bool *last)
{
    unsigned long state = mmk_percpu_enter();
    unsigned n;

    mmk_spin_lock(&share->lock, MMK_LOCK_CHARGE);
    if (share->left == 0 || share->left > listed(share))
        share->left = listed(share);
    for (n = 0; n < most && share->left > 0; n++, share->left--) {
        struct mmk_list *link = share->pages.next;

        mmk_list_del(link);
        mmk_list_add_tail(&share->pages, link);
        page[n] = mmk_list_entry(link, struct mmk_page, user.charged);
    }
    *last = share->left == 0;
    mmk_spin_unlock(&share->lock, MMK_LOCK_CHARGE);
    mmk_percpu_leave(state);
    return n;
}

/* The next whose share has been charged to, round and round. */
static uint32_t cpu_after(uint32_t cpu, uint64_t cpus)
{
    uint32_t next = cpu;

    do
        next = (next + 1) % MMK_MAX_CPUS;
    while (next != cpu && !(cpus >> next & 1));
    return next;
}

unsigned mmk_charge_next(struct mmk_group *group, struct mmk_page *page[], unsigned most,
                         bool *over)
{
    uint64_t cpus = mmk_a64_load(&group->cpus, MMK_RELAXED);
    unsigned n = 0, tries;

    *over = false;
    for (tries = 0; n == 0 && tries < MMK_MAX_CPUS; tries++) {
        uint32_t cpu = mmk_a32_load(&group->at, MMK_RELAXED), next = cpu_after(cpu, cpus);
        bool last = true;

        if (listed(&group->share[cpu]) > 0)
            n = next_of(&group->share[cpu], page, most, &last);
        if (last && mmk_a32_cmpxchg(&group->at, &cpu, next, MMK_RELAXED))
            *over |= next <= cpu;
    }
    return n;
}

/* ---- check ----------------------------------------------------------------------------------- */

/* => pages that the share lists */
static uint64_t check_list(struct mmk_charge_share *share)
{
    const struct mmk_list *link = share->pages.next;
    const struct mmk_page *page;
    uint64_t listed = 0;

    for (; link != &share->pages; link = link->next, listed++) {
        mmk_assert(link->next->prev == link, "a list's links point at each other");
        page = mmk_list_entry(link, const struct mmk_page, user.charged);
        mmk_assert(page->share == share, "GR3 a share lists pages that are charged to it");
        mmk_assert(kind_of(page) != MMK_CHARGE_TABLE, "GR3 tables are not listed");
        mmk_assert(listed <= mmk_frames_total(), "a share's list ends");
    }
    return listed;
}

static void count_frames(const struct mmk_group *group, uint64_t seen[])
{
    uint64_t i, places = mmk_frame_places();
    const struct mmk_page *page;

    for (i = 0; i < places; i++) {
        page = mmk_frame_at(i);
        if (mmk_page_type(page) > MMK_PAGE_CACHED && mmk_page_group(page) == group)
            seen[kind_of(page)]++;
    }
}

void mmk_charge_check(struct mmk_group *group)
{
    uint64_t seen[MMK_CHARGE_KINDS] = {0}, sum = 0;
    unsigned cpu, kind;

    count_frames(group, seen);
    for (kind = 0; kind < MMK_CHARGE_KINDS; kind++) {
        mmk_assert(seen[kind] == mmk_charge_sum(group, (enum mmk_charge_kind)kind),
                   "GR2 a group counts the frames that are charged to it");
        sum += seen[kind];
    }
    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++) {
        mmk_assert(check_list(&group->share[cpu]) == listed(&group->share[cpu]),
                   "GR3 a share lists its private and object pages");
        sum += mmk_a32_load(&group->share[cpu].stock, MMK_RELAXED);
    }
    mmk_assert(sum == mmk_charge_paid(group), "GR1 what is paid for is charged, or in stock");
    mmk_assert(sum <= mmk_a64_load(&group->limit, MMK_RELAXED) || is_alarmed(group),
               "GR5 more is paid for than the limit says, and nobody knows");
}
