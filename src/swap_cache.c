/* SPDX-License-Identifier: MIT */
/*
 * swap_cache.c - owns which private page is a slot's.
 *
 *   slot's owner     kin --insert--> page (MMK_SLOT_CACHED) --leave--> kin --last put--> NULL
 *                                     ^                        ^
 *                     free ---add-----'   own: another kin ----'
 *
 * Invariants (mmk_swap_cache_check):
 *   SC1 IN_CACHE in a slot's word, its owner being a page, and that page's SWAPCACHE with user.slot
 *       change together, with the page locked. A page is where its slot says.
 *   SC2 While a page is cached, the cache has one reference to it, and counts one orphan of its kin
 *       (the slot's, which passes from the one to the other).
 *   SC3 No cached page is without use when nothing runs: one whose slot has no reference, and that
 *       nothing maps.
 *
 * A page that leaves takes IN_CACHE away, and gets a reference to the slot, in one step: so nobody
 * else frees the slot while the owner is written back, and whoever comes next finds the word to be
 * without IN_CACHE before he can find that there is no page. If nobody has a reference, nobody gets
 * one any more (GOING): the slot, which may never have been written, is not read ahead.
 *
 * SC3 takes two conditions, which two CPUs may make true at once, and neither may be looked at
 * without the page lock. Whoever has made one true tries the lock. If that fails, he sets UNUSED in
 * the word that has LOCKED, and hands his reference to the page over with it: the holder's unlock
 * finds it there, and looks. If LOCKED is no longer there, he himself tries again.
 *
 * Locks: the page's. A page is looked for without any (mmk_swap_find), as in object.c: a reference
 * is taken unless there is none, then the slot is asked again.
 *
 * Rejected: leaving what has no use to reclaim (Linux, where a try fails): pages that nobody wants
 * would be written before they are found.
 */
#include "swap_cache.h"

#include "frame.h"

static bool is_kind(void *owner, enum mmk_slot_owner kind)
{
    return owner && ((uintptr_t)owner & MMK_SLOT_OWNER) == kind;
}

/* The page that an owner is; NULL: it is none. */
static struct mmk_page *of_owner(void *owner)
{
    if (!is_kind(owner, MMK_SLOT_CACHED))
        return NULL;
    return (struct mmk_page *)(void *)((char *)owner - MMK_SLOT_CACHED);
}

static void *as_owner(struct mmk_page *page)
{
    return (char *)page + MMK_SLOT_CACHED;
}

/* => as mmk_swap_find(), of the slot that has this owner; or inside an RCU read section since then
 */
static struct mmk_page *find_owner(const struct mmk_aptr *owner)
{
    struct mmk_page *page;

    for (;;) {
        /* Acquire: a count is raised that has been set up, if only just (mmk_add_memory). */
        page = of_owner(mmk_aptr_load(owner, MMK_ACQUIRE));
        if (!page)
            return NULL;
        if (!mmk_page_get_unless_zero(page))
            continue;
        /* Acquire: the page as it came into the cache, which may be the second time. */
        if (mmk_likely(of_owner(mmk_aptr_load(owner, MMK_ACQUIRE)) == page))
            return page;
        mmk_page_put(page);
    }
}

struct mmk_page *mmk_swap_find(uint64_t slot)
{
    return find_owner(mmk_slot_owner(slot));
}

bool mmk_swap_add(struct mmk_page *page, uint64_t *slot)
{
    struct mmk_kin *kin = mmk_page_kin(page);

    mmk_assert(mmk_page_type(page) == MMK_PAGE_ANON && !mmk_page_test(page, MMK_PF_SWAPCACHE),
               "SC1 a private page gets one slot");
    mmk_kin_add_orphan(kin);
    if (!mmk_slot_alloc(as_owner(page), 0, slot)) {
        mmk_kin_forget_orphan(kin);
        return false;
    }
    page->user.slot = *slot;
    mmk_page_get(page);
    mmk_page_set(page, MMK_PF_SWAPCACHE);
    mmk_page_mkdirty(page);
    return true;
}

/*
 * The slot's index is read once its owner is the page: until then another may take it in, and out
 * again as one made elsewhere.
 */
bool mmk_swap_insert(struct mmk_page *page, uint64_t slot)
{
    struct mmk_aptr *owner = mmk_slot_owner(slot);
    void *kin = mmk_aptr_load(owner, MMK_RELAXED);

    mmk_assert(mmk_page_type(page) == MMK_PAGE_ANON && !mmk_page_test(page, MMK_PF_SWAPCACHE),
               "SC1 a private page gets one slot");
    page->user.slot = slot;
    do {
        if (!is_kind(kin, MMK_SLOT_KIN))
            return false;
    } while (!mmk_aptr_cmpxchg(owner, &kin, as_owner(page), MMK_ACQ_REL));
    mmk_aptr_store(&page->user.kin, kin, MMK_RELAXED);
    page->user.index = *mmk_slot_index(slot);
    mmk_page_get(page);
    mmk_page_set(page, MMK_PF_SWAPCACHE);
    mmk_a32_fetch_or(mmk_slot_word(slot), MMK_SLOT_IN_CACHE, MMK_RELAXED);
    return true;
}

/*
 * From IN_CACHE to a reference, in one step. Relaxed: who has had the slot has done with its page,
 * and with whose the slot is, under the page lock. So does the next.
 */
static void begin_leave(uint64_t slot)
{
    struct mmk_a32 *word = mmk_slot_word(slot);
    uint32_t seen = mmk_a32_load(word, MMK_RELAXED);

    do
        mmk_assert(seen & MMK_SLOT_IN_CACHE, "SC1 a cached page's slot says so");
    while (!mmk_a32_cmpxchg(word, &seen, (seen & ~MMK_SLOT_IN_CACHE) + 1, MMK_RELAXED));
}

/* From IN_CACHE to GOING. => false: others have a reference */
static bool claim_unused(uint64_t slot)
{
    struct mmk_a32 *word = mmk_slot_word(slot);
    uint32_t seen = mmk_a32_load(word, MMK_RELAXED);

    do {
        mmk_assert(seen & MMK_SLOT_IN_CACHE, "SC1 a cached page's slot says so");
        if ((seen & MMK_SLOT_REFS) != 0)
            return false;
    } while (
        !mmk_a32_cmpxchg(word, &seen, (seen & ~MMK_SLOT_IN_CACHE) | MMK_SLOT_GOING, MMK_RELAXED));
    return true;
}

/* => after begin_leave(): its reference goes with this */
static void leave(struct mmk_page *page) MMK_REQUIRES(page)
{
    uint64_t slot = page->user.slot;
    struct mmk_kin *kin = mmk_page_kin(page);

    mmk_page_clear(page, MMK_PF_SWAPCACHE);
    *mmk_slot_index(slot) = page->user.index;
    /* Release: the index, and that it is no longer cached. */
    mmk_aptr_store(mmk_slot_owner(slot), kin, MMK_RELEASE);
    mmk_swap_put(slot);
    mmk_page_put(page); /* not the last: the caller has one */
}

/* => after claim_unused(): the slot goes with this */
static void leave_unused(struct mmk_page *page) MMK_REQUIRES(page)
{
    struct mmk_kin *kin = mmk_page_kin(page);

    mmk_page_clear(page, MMK_PF_SWAPCACHE);
    mmk_aptr_store(mmk_slot_owner(page->user.slot), kin, MMK_RELAXED);
    mmk_slot_free(page->user.slot);
    mmk_page_put(page);
}

void mmk_swap_drop(struct mmk_page *page)
{
    mmk_assert(mmk_page_test(page, MMK_PF_SWAPCACHE) && mmk_page_mapcount(page) == 0,
               "SC1 a page that is dropped is cached, and not mapped");
    begin_leave(page->user.slot);
    leave(page);
}

bool mmk_swap_take_out(struct mmk_page *page)
{
    if (!mmk_page_test(page, MMK_PF_SWAPCACHE) || !claim_unused(page->user.slot))
        return false;
    mmk_page_mkdirty(page);
    leave_unused(page);
    return true;
}

void mmk_swap_own(struct mmk_page *page, const struct mmk_vma *vma, mmk_vaddr_t address)
{
    struct mmk_kin *old = mmk_page_kin(page);

    mmk_assert(mmk_page_test(page, MMK_PF_SWAPCACHE) && mmk_page_mapcount(page) == 0,
               "RM1 a page changes its kin while nothing maps it");
    mmk_kin_add_orphan(vma->mm->kin);
    mmk_page_add_rmap(page, vma, address, true);
    mmk_page_set(page, MMK_PF_EXCLUSIVE);
    mmk_kin_forget_orphan(old);
}

/* The cache's reference and orphan go from the one to the other. */
void mmk_swap_replace(struct mmk_page *page, struct mmk_page *to)
{
    uint64_t slot = page->user.slot;

    mmk_assert(mmk_page_test(page, MMK_PF_SWAPCACHE), "SC1 a page that is replaced is cached");
    to->user.slot = slot;
    mmk_page_get(to);
    mmk_page_set(to, MMK_PF_SWAPCACHE);
    /* Release: who finds the page raises a count that has been set up. */
    mmk_aptr_store(mmk_slot_owner(slot), as_owner(to), MMK_RELEASE);
    mmk_page_clear(page, MMK_PF_SWAPCACHE);
    mmk_page_put(page); /* not the last: the caller has one */
}

/* --- what has no use ------------------------------------------------------------------------- */

/* SC3. => the caller has a reference to the page */
static void drop_unused(struct mmk_page *page) MMK_REQUIRES(page)
{
    if (mmk_page_test(page, MMK_PF_SWAPCACHE) && mmk_page_mapcount(page) == 0 &&
        claim_unused(page->user.slot))
        leave_unused(page);
}

/* The page may have lost its last use: somebody looks, with the caller's reference. */
static void put_unused(struct mmk_page *page) MMK_NO_TSA
{
    while (!mmk_page_trylock(page))
        if (mmk_page_hand_over(page))
            return;
    drop_unused(page);
    mmk_page_unlock(page);
    mmk_page_put(page);
}

void mmk_page_unlocked(struct mmk_page *page)
{
    put_unused(page);
}

void mmk_swap_put_cached(struct mmk_page *page)
{
    put_unused(page);
}

/*
 * When the cache alone has the slot, its memory stays until the read section ends, the area or not.
 * Another may have it by then: its page is looked at for nothing.
 */
void mmk_swap_put(uint64_t slot)
{
    const struct mmk_aptr *owner = mmk_slot_owner(slot);
    struct mmk_page *page = NULL;

    mmk_rcu_read_lock();
    if (mmk_slot_put(slot))
        page = find_owner(owner);
    mmk_rcu_read_unlock();
    if (page)
        put_unused(page);
}

/* --- checks ---------------------------------------------------------------------------------- */

/* SC1 to SC3 of one slot. */
static int check_slot(uint64_t slot, void *arg)
{
    uint32_t word = mmk_a32_load(mmk_slot_word(slot), MMK_RELAXED);
    void *owner = mmk_aptr_load(mmk_slot_owner(slot), MMK_RELAXED);
    const struct mmk_page *page = of_owner(owner);

    (void)arg;
    mmk_assert(owner != NULL, "SC1 a slot in use is somebody's");
    mmk_assert(((word & MMK_SLOT_IN_CACHE) != 0) == (page != NULL),
               "SC1 a slot that says so has a page");
    if (page) {
        mmk_assert(mmk_page_type(page) == MMK_PAGE_ANON && page->user.slot == slot &&
                       mmk_page_test(page, MMK_PF_SWAPCACHE),
                   "SC1 a page is where its slot says");
        mmk_assert(!mmk_page_test(page, MMK_PF_LOCKED | MMK_PF_UNUSED | MMK_PF_WRITEBACK),
                   "SC1 nobody holds the page lock");
        mmk_assert(mmk_page_refs(page) > mmk_page_mapcount(page), "SC2 the cache has a reference");
        mmk_assert((word & MMK_SLOT_REFS) > 1 || mmk_page_mapcount(page) > 0,
                   "SC3 a cached page has some use");
    }
    mmk_swap_put(slot);
    return 0;
}

void mmk_swap_check(void)
{
    struct mmk_swap_area *area = NULL;

    mmk_swap_area_check();
    while ((area = mmk_swap_area_next(area)))
        (void)mmk_slot_for_each(area, check_slot, NULL);
}
