/* SPDX-License-Identifier: MIT */
/* page_rmap.c - see page_rmap.h: private pages that several entries map. */
#include "page_rmap.h"

#include "planted.h"

/*
 * The owner counts an orphan before anybody can see that it is one. If nobody else has it mapped by
 * then, it finds that out as whoever takes an orphan's last entry does.
 */
void mmk_page_remove_shared(struct mmk_page *page, struct mmk_kin *kin)
{
    uint32_t count = mmk_a32_load(&page->user.mapcount, MMK_RELAXED), change = (uint32_t)-1;
    struct mmk_kin *owner = mmk_page_kin(page);
    bool leaves = owner == kin && !(count & MMK_MAPCOUNT_ORPHAN);

    if (leaves)
        change += MMK_MAPCOUNT_ORPHAN;
    if (leaves && !MMK_MISTAKE(ORPHAN_LATE))
        mmk_kin_add_orphan(owner);
    count = mmk_a32_fetch_add(&page->user.mapcount, change, MMK_RELAXED);
    mmk_assert((count & ~MMK_MAPCOUNT_ORPHAN) != 0, "RM2 a mapping is taken off once");
    if (leaves && MMK_MISTAKE(ORPHAN_LATE))
        mmk_kin_add_orphan(owner);
    if (count + change == MMK_MAPCOUNT_ORPHAN) {
        mmk_a32_store(&page->user.mapcount, 0, MMK_RELAXED);
        mmk_kin_forget_orphan(owner);
    }
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
    mmk_kin_forget_orphan(owner); /* last: who comes by the old way until then finds it in its tree (KN3) */
}
