/* SPDX-License-Identifier: MIT */
/*
 * family.c - owns the tree of address spaces by descent.
 *
 * KN1 A page's kin is that of the address space which made it, or was found to be its only user
 *     (page_rmap.h). Only that one and its descendants map the page.
 * KN2 A kin whose address space is gone stays while it has orphans, or more than one child. So
 *     those that are gone are fewer than those that live and the pages that need them: a line of
 *     processes that fork and end does not grow a line of kins.
 * KN3 An orphan is counted before its owner's mapping is gone, and no longer after its last has
 *     gone: a kin to which a mapped page leads is in the tree.
 *
 * Who looks holds the family's lock shared, and with it whatever he finds in the tree, address
 * spaces included: these leave after their last entry is gone, and before their tables go (P16).
 * What shape a family has changes with fork and exit alone.
 *
 * A kin that becomes superfluous by the end of an orphan cannot go at once: who unmaps a page, or
 * frees a slot, holds a table's lock, and cannot take the family's. It is put into a list of idle
 * ones, once, since without an mm it gets no further orphans; IDLE keeps it meanwhile. The next
 * process that is made or ends empties the list.
 *
 * Rejected:
 * - An anon_vma for each VMA and process, and a chain of them for each VMA (Linux): exact too, but
 *   a VMA costs 104 + 64 * (n + 1) bytes after n forks, and fork takes as many locks and
 *   allocations for it. See DESIGN.md for figures.
 * - One list of VMAs for a family (Linux before 2.6.34): a page of one of 1000 children is looked
 *   for in all of them.
 * - One lock for all: mremap and fork hold a kin's lock while entries move, in which other
 *   processes of the family have no part.
 * - Counting all pages of a kin: that would be a shared word for each fault.
 */
#include "family.h"

#include "planted.h"
#include "slab.h"
#include "waiting.h"

#include <mmkit/host.h>

static struct mmk_slab_cache family_cache, kin_cache;
static struct mmk_a64 kins;  /* that exist */
static struct mmk_aptr idle; /* a: stack of those to be reaped */

void mmk_family_module_init(void)
{
    mmk_slab_cache_init(&family_cache, "family", sizeof(struct mmk_family));
    mmk_slab_cache_init(&kin_cache, "kin", sizeof(struct mmk_kin));
    mmk_a64_store(&kins, 0, MMK_RELAXED);
    mmk_aptr_store(&idle, NULL, MMK_RELAXED);
}

uint64_t mmk_kin_count(void)
{
    return mmk_a64_load(&kins, MMK_RELAXED);
}

/* => NULL: no memory */
static struct mmk_family *new_family(void)
{
    struct mmk_family *family = mmk_slab_alloc(&family_cache, MMK_ALLOC_NORMAL);

    if (!family)
        return NULL;
    mmk_rw_init(&family->lock);
    mmk_a32_store(&family->refs, 1, MMK_RELAXED);
    return family;
}

struct mmk_kin *mmk_kin_alloc(struct mmk_kin *parent)
{
    struct mmk_kin *kin;

    mmk_kin_reap();
    kin = mmk_slab_alloc(&kin_cache, MMK_ALLOC_NORMAL);
    if (!kin)
        return NULL;
    kin->family = parent ? parent->family : new_family();
    if (!kin->family) {
        mmk_slab_free(&kin_cache, kin);
        return NULL;
    }
    if (parent)
        mmk_a32_fetch_add(&kin->family->refs, 1, MMK_RELAXED);
    mmk_rw_init(&kin->lock);
    kin->moved.root = NULL;
    mmk_a64_store(&kin->orphans, 0, MMK_RELAXED);
    kin->parent = NULL;
    mmk_list_init(&kin->children);
    mmk_list_init(&kin->sibling);
    kin->mm = NULL;
    mmk_a64_fetch_add(&kins, 1, MMK_RELAXED);
    return kin;
}

static void free_family_rcu(struct mmk_rcu_head *head)
{
    mmk_slab_free(&family_cache, (char *)head - offsetof(struct mmk_family, rcu));
    mmk_waiting_done(MMK_WAITING_OTHERS, sizeof(struct mmk_family));
}

bool mmk_family_get(struct mmk_family *family)
{
    uint32_t refs = mmk_a32_load(&family->refs, MMK_RELAXED);

    while (refs != 0)
        if (mmk_a32_cmpxchg(&family->refs, &refs, refs + 1, MMK_RELAXED))
            return true;
    return false;
}

void mmk_family_put(struct mmk_family *family)
{
    /* What others have done before it is over when a grace period is. */
    uint32_t refs = mmk_a32_fetch_sub(&family->refs, 1, MMK_RELAXED);

    mmk_assert(refs != 0, "a family is put once for each reference");
    if (refs == 1)
        mmk_waiting_call(MMK_WAITING_OTHERS, sizeof(*family), &family->rcu, free_family_rcu);
}

static void free_kin_rcu(struct mmk_rcu_head *head)
{
    mmk_slab_free(&kin_cache, (char *)head - offsetof(struct mmk_kin, rcu));
    mmk_waiting_done(MMK_WAITING_OTHERS, sizeof(struct mmk_kin));
}

void mmk_kin_discard(struct mmk_kin *kin)
{
    struct mmk_family *family = kin->family;

    mmk_a64_fetch_sub(&kins, 1, MMK_RELAXED);
    mmk_waiting_add(MMK_WAITING_OTHERS, sizeof(*kin));
    if (MMK_MISTAKE(KIN_WITHOUT_GRACE))
        free_kin_rcu(&kin->rcu);
    else
        mmk_host_call_rcu(&kin->rcu, free_kin_rcu);
    mmk_family_put(family);
}

void mmk_kin_join(struct mmk_kin *kin, struct mmk_kin *parent, struct mmk_mm *mm)
{
    struct mmk_family *family = kin->family;

    mmk_rw_write_lock(&family->lock, MMK_LOCK_FAMILY);
    kin->mm = mm;
    kin->parent = parent;
    if (parent)
        mmk_list_add(&parent->children, &kin->sibling);
    mmk_rw_write_unlock(&family->lock, MMK_LOCK_FAMILY);
}

static struct mmk_kin *of_sibling(struct mmk_list *link)
{
    return (struct mmk_kin *)((char *)link - offsetof(struct mmk_kin, sibling));
}

/* KN2. Acquire: whoever let go of the last orphan has done with the kin. */
static bool is_superfluous(const struct mmk_kin *kin)
{
    return !kin->mm && kin->children.next == kin->children.prev &&
           (mmk_a64_load(&kin->orphans, MMK_ACQUIRE) == MMK_KIN_GONE ||
            MMK_MISTAKE(KIN_WITHOUT_ORPHANS));
}

/* Its only child, if it has one, takes its place. => the family's lock held for writing */
static void take_out(struct mmk_kin *kin)
{
    if (!mmk_list_empty(&kin->children)) {
        struct mmk_kin *child = of_sibling(kin->children.next);

        child->parent = kin->parent;
        mmk_list_del(&child->sibling);
        mmk_list_init(&child->sibling);
        if (kin->parent)
            mmk_list_add(&kin->sibling, &child->sibling);
    }
    mmk_list_del(&kin->sibling);
}

/* Takes a kin out, if it is superfluous, and those above that are then. => they, linked by parent
 */
static struct mmk_kin *take_out_line(struct mmk_kin *kin)
{
    struct mmk_kin *gone = NULL, *next;

    for (; kin && !kin->mm; kin = next) {
        next = kin->parent;
        if (!is_superfluous(kin))
            continue;
        take_out(kin);
        kin->parent = gone;
        gone = kin;
    }
    return gone;
}

static void discard_line(struct mmk_kin *gone)
{
    struct mmk_kin *next;

    for (; gone; gone = next) {
        next = gone->parent;
        mmk_kin_discard(gone);
    }
}

void mmk_kin_leave(struct mmk_kin *kin) MMK_NO_TSA /* for the mistake */
{
    struct mmk_family *family = kin->family;
    struct mmk_kin *gone;

    if (!MMK_MISTAKE(LEAVES_UNLOCKED))
        mmk_rw_write_lock(&family->lock, MMK_LOCK_FAMILY);
    mmk_assert(!kin->moved.root, "R1 what has moved leaves its kin's tree before its kin goes");
    kin->mm = NULL;
    mmk_a64_fetch_or(&kin->orphans, MMK_KIN_GONE, MMK_RELAXED);
    gone = take_out_line(kin);
    if (!MMK_MISTAKE(LEAVES_UNLOCKED))
        mmk_rw_write_unlock(&family->lock, MMK_LOCK_FAMILY);
    discard_line(gone);
    mmk_kin_reap();
}

static void push_idle(struct mmk_kin *kin)
{
    void *first = mmk_aptr_load(&idle, MMK_RELAXED);

    do
        kin->reap_next = first;
    while (!mmk_aptr_cmpxchg(&idle, &first, kin, MMK_RELEASE));
}

/* Release: whoever frees the kin comes after what was done with it. */
void mmk_kin_forget_orphan(struct mmk_kin *kin)
{
    uint64_t orphans = mmk_a64_load(&kin->orphans, MMK_RELAXED), left;

    do {
        left = orphans - 1;
        if (left == MMK_KIN_GONE)
            left |= MMK_KIN_IDLE;
    } while (!mmk_a64_cmpxchg(&kin->orphans, &orphans, left, MMK_RELEASE));
    mmk_assert((orphans & ~MMK_KIN_GONE) - 1 < MMK_KIN_IDLE - 1,
               "KN3 an orphan is counted until its last mapping, and its slot, goes");
    if (left & MMK_KIN_IDLE)
        push_idle(kin);
}

/* It is no longer kept for the list's sake. */
static void reap(struct mmk_kin *kin)
{
    struct mmk_family *family = kin->family;
    struct mmk_kin *gone;

    mmk_rw_write_lock(&family->lock, MMK_LOCK_FAMILY);
    mmk_a64_fetch_and(&kin->orphans, ~MMK_KIN_IDLE, MMK_RELAXED);
    gone = take_out_line(kin);
    mmk_rw_write_unlock(&family->lock, MMK_LOCK_FAMILY);
    discard_line(gone);
}

void mmk_kin_reap(void)
{
    struct mmk_kin *kin, *next;

    if (!mmk_aptr_load(&idle, MMK_RELAXED))
        return;
    for (kin = mmk_aptr_xchg(&idle, NULL, MMK_ACQUIRE); kin; kin = next) {
        next = kin->reap_next;
        reap(kin);
    }
}

struct mmk_kin *mmk_kin_next(const struct mmk_kin *kin, const struct mmk_kin *top)
{
    if (!mmk_list_empty(&kin->children))
        return of_sibling(kin->children.next);
    for (; kin != top; kin = kin->parent)
        if (kin->sibling.next != &kin->parent->children)
            return of_sibling(kin->sibling.next);
    return NULL;
}
