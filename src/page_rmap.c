/* SPDX-License-Identifier: MIT */
/* page_rmap.c - see page_rmap.h: private pages that several entries map. */
#include "page_rmap.h"

#include "planted.h"

/*
 * The owner counts an orphan before anybody can see that it is one. The count goes to its last
 * value at once: when it is 0 a swap-in may begin anew with it.
 */
void mmk_page_remove_shared(struct mmk_page *page, struct mmk_kin *kin)
{
    uint32_t count = mmk_a32_load(&page->user.mapcount, MMK_RELAXED), rest;
    struct mmk_kin *owner = mmk_page_kin(page);
    bool counted = false, leaves;

    do {
        mmk_assert((count & ~MMK_MAPCOUNT_ORPHAN) != 0, "RM2 a mapping is taken off once");
        rest = count - 1;
        leaves = kin && owner == kin && !(count & MMK_MAPCOUNT_ORPHAN) && rest != 0;
        if (leaves) {
            rest |= MMK_MAPCOUNT_ORPHAN;
            if (!counted && !MMK_MISTAKE(ORPHAN_LATE)) {
                mmk_kin_add_orphan(owner);
                counted = true;
            }
        } else if (rest == MMK_MAPCOUNT_ORPHAN) {
            rest = 0;
        }
    } while (!mmk_a32_cmpxchg(&page->user.mapcount, &count, rest, MMK_RELEASE));
    if (leaves && MMK_MISTAKE(ORPHAN_LATE))
        mmk_kin_add_orphan(owner);
    if (rest == 0 && (counted || (count & MMK_MAPCOUNT_ORPHAN)))
        mmk_kin_forget_orphan(owner);
}

/*
 * The first entry counts the page as its kin's orphan: whether it is the owner's own is not asked.
 * Zaps of other entries go on meanwhile.
 */
void mmk_page_return_rmap(struct mmk_page *page)
{
    uint32_t count = mmk_a32_load(&page->user.mapcount, MMK_RELAXED), more;
    struct mmk_kin *owner = mmk_page_kin(page);
    bool counted = false;

    do {
        if (count == 0 && !counted) {
            mmk_kin_add_orphan(owner);
            counted = true;
        }
        more = count == 0 ? MMK_MAPCOUNT_ORPHAN | 1 : count + 1;
    } while (!mmk_a32_cmpxchg(&page->user.mapcount, &count, more, MMK_RELAXED));
    if (counted && count != 0)
        mmk_kin_forget_orphan(owner);
}

void mmk_page_begin_orphan(struct mmk_page *page)
{
    mmk_kin_add_orphan(mmk_page_kin(page));
    mmk_a32_store(&page->user.mapcount, MMK_MAPCOUNT_ORPHAN | 1, MMK_RELAXED);
}

void mmk_page_end_orphan(struct mmk_page *page)
{
    mmk_page_remove_shared(page, NULL);
}

void mmk_page_own_rmap(struct mmk_page *page, const struct mmk_vma *vma, mmk_vaddr_t address)
{
    uint32_t count = mmk_a32_load(&page->user.mapcount, MMK_RELAXED);
    struct mmk_kin *owner;

    mmk_assert((count & ~MMK_MAPCOUNT_ORPHAN) == 1, "RM1 a page's only user is its only mapping");
    if (!(count & MMK_MAPCOUNT_ORPHAN)) {
        mmk_assert(mmk_page_kin(page) == vma->mm->kin, "RM1 who alone has a page that is no orphan "
                                                       "is its kin");
        return;
    }
    owner = mmk_page_kin(page);
    mmk_aptr_store(&page->user.kin, vma->mm->kin, MMK_RELAXED);
    page->user.index = mmk_vma_anon_index(vma, address);
    mmk_a32_store(&page->user.mapcount, 1, MMK_RELAXED);
    /* Last: who comes by the old way until then finds it in its tree (KN3). */
    mmk_kin_forget_orphan(owner);
}
