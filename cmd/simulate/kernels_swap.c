/* SPDX-License-Identifier: MIT */
/*
 * kernels_swap.c - as kernels_memory.c, pages that go to swap and come back.
 */
#include "kernel.h"

#include "mm.h"
#include "page_rmap.h"
#include <mmkit/mmkit.h>

/* A page without tables, of world.mm and of a child of it. */
static struct mmk_kin *child;

static void setup_counted(void)
{
    kernel_begin();
    child = mmk_kin_alloc(world.mm->kin);
    expect(child != NULL);
    mmk_kin_join(child, world.mm->kin, world.mm);
    kernel.page = mmk_page_alloc(0, 0);
    expect(kernel.page != NULL);
    mmk_page_set_type(kernel.page, MMK_PAGE_ANON);
    mmk_aptr_store(&kernel.page->user.kin, world.mm->kin, MMK_RELAXED);
    kernel.page->user.index = 0;
    mmk_a32_store(&kernel.page->user.mapcount, 2, MMK_RELAXED);
}

/*
 * Reclaim takes the child's entry, and the child's next touch brings the page back, while the other
 * that has it, its owner, lets go of it. (The tables' locks, which are not the same, and the swap
 * entry, are left out.)
 */
static void count_beside_return(unsigned cpu)
{
    if (cpu == 1) {
        mmk_page_remove_private(kernel.page, world.mm);
        return;
    }
    mmk_page_lock(kernel.page);
    mmk_page_set(kernel.page, MMK_PF_SWAPCACHE);
    mmk_page_remove_shared(kernel.page, child);
    mmk_page_return_rmap(kernel.page);
    mmk_page_unlock(kernel.page);
}

static void counted_end(void)
{
    expect(mmk_a32_load(&kernel.page->user.mapcount, MMK_RELAXED) == (MMK_MAPCOUNT_ORPHAN | 1));
    expect(mmk_a64_load(&world.mm->kin->orphans, MMK_RELAXED) == 1);
    mmk_page_remove_shared(kernel.page, child);
    expect(mmk_a64_load(&world.mm->kin->orphans, MMK_RELAXED) == 0);
    mmk_kin_leave(child);
    mmk_page_clear(kernel.page, MMK_PF_SWAPCACHE);
    mmk_page_put(kernel.page);
    kernel_end();
}

const struct scenario kernels_swap[] = {
    {.name = "kernel.swap.count",
     .what = "a page that is going to swap is let go of by one, and comes back to another",
     .cpus = 2,
     .setup = setup_counted,
     .body = count_beside_return,
     .check = counted_end},
    {.name = NULL},
};
