/* SPDX-License-Identifier: MIT */
/* huge_zero.c - see huge_zero.h. */
#include "huge_zero.h"

#include "frame.h"
#include "planted.h"

static struct mmk_spinlock zero_lock;
static struct mmk_page *block; /* zero_lock; so is the next */
static uint64_t shares;        /* address spaces that have one */

void mmk_huge_zero_init(void)
{
    mmk_spin_init(&zero_lock);
    block = NULL;
    shares = 0;
}

/* => mm has the block that there is, or *made if there is none, and that is used: NULL from now on
 */
static struct mmk_page *take_share(struct mmk_mm *mm, struct mmk_page **made)
{
    struct mmk_page *page;

    mmk_spin_lock(&zero_lock, MMK_LOCK_ZERO);
    if (!block) {
        block = *made;
        *made = NULL;
    }
    page = block;
    if (page && !mmk_aptr_load(&mm->huge_zero, MMK_RELAXED)) {
        shares++;
        mmk_aptr_store(&mm->huge_zero, page, MMK_RELEASE); /* with its zeros */
    }
    mmk_spin_unlock(&zero_lock, MMK_LOCK_ZERO);
    return page;
}

struct mmk_page *mmk_huge_zero_get(struct mmk_mm *mm)
{
    struct mmk_page *page = (struct mmk_page *)mmk_aptr_load(&mm->huge_zero, MMK_ACQUIRE);
    struct mmk_page *made = NULL;

    if (mmk_likely(page))
        return page;
    page = take_share(mm, &made);
    if (page)
        return page;
    made = mmk_page_alloc(MMK_HUGE_ORDER, MMK_ALLOC_ZERO | MMK_ALLOC_NOWAIT | MMK_ALLOC_STAYS);
    if (!made)
        return NULL;
    page = take_share(mm, &made);
    if (made)
        mmk_page_put(made);
    return page;
}

void mmk_huge_zero_put(struct mmk_mm *mm)
{
    if (!mmk_aptr_load(&mm->huge_zero, MMK_RELAXED))
        return;
    mmk_spin_lock(&zero_lock, MMK_LOCK_ZERO);
    shares--;
    mmk_spin_unlock(&zero_lock, MMK_LOCK_ZERO);
}

uint64_t mmk_huge_zero_shrink(void)
{
    struct mmk_page *page = NULL;

    if (mmk_config.huge == MMK_HUGE_NEVER)
        return 0;
    mmk_spin_lock(&zero_lock, MMK_LOCK_ZERO);
    if (shares == 0 || MMK_MISTAKE(HUGE_ZERO_FREED)) {
        page = block;
        block = NULL;
    }
    mmk_spin_unlock(&zero_lock, MMK_LOCK_ZERO);
    if (!page)
        return 0;
    mmk_page_put(page);
    return MMK_HUGE_PAGES;
}

bool mmk_huge_zero_is(const struct mmk_mm *mm, mmk_pfn_t pfn)
{
    const struct mmk_page *page =
        (const struct mmk_page *)mmk_aptr_load(&mm->huge_zero, MMK_RELAXED);

    return page && mmk_page_to_pfn(page) == pfn;
}
