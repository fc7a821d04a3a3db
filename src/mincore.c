/* SPDX-License-Identifier: MIT */
/*
 * mincore.c - mincore: which pages of a range could be had without filling one.
 *
 * A page is resident when an entry maps it, the zero page and what PROT_NONE keeps included, when
 * it is in its mapping's object, filled, or when it has been swapped out and is still, or again, in
 * memory. An answer may be old by the time it is read, as on
 * Linux; but a page that is there throughout is always seen: entries are looked at with their table
 * locked, as in a copy-on-write one is none for a moment (P7).
 */
#include "huge.h"
#include "object.h"
#include "swap_cache.h"

static bool is_resident(mmk_pte_t pte)
{
    struct mmk_page *page;

    if (!mmk_pte_swap(pte))
        return mmk_pte_present(pte);
    page = mmk_swap_find(mmk_pte_slot(pte));
    if (page)
        mmk_swap_put_page(page);
    return page != NULL;
}

/* What the entries of one path say. => where the next one begins, at most `end` */
static mmk_vaddr_t look_path(struct mmk_mm *mm, mmk_vaddr_t addr, mmk_vaddr_t end, uint8_t *vec)
{
    struct mmk_walk walk;
    mmk_vaddr_t stop, at;

    mmk_rcu_read_lock();
    mmk_walk_lock(mm, addr, &walk);
    if (walk.level != 0) { /* nothing is mapped by this entry, or all that it covers */
        stop = mmk_min(end, (addr | (mmk_pt_entry_span(walk.level) - 1)) + 1);
        if (mmk_walk_huge(&walk, mmk_pte_read(walk.entry)))
            memset(vec, 1, (size_t)((stop - addr) >> MMK_PAGE_SHIFT));
    } else {
        stop = mmk_min(end, mmk_pt_base(addr, 0) + mmk_pt_table_span(0));
        for (at = addr; at < stop; at += MMK_PAGE_SIZE)
            if (is_resident(mmk_pte_read(walk.entry++)))
                vec[(at - addr) >> MMK_PAGE_SHIFT] = 1;
    }
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    return stop;
}

/* A part of one VMA. => vec: a byte for each of its pages */
static void look_part(struct mmk_mm *mm, const struct mmk_vma *vma, mmk_vaddr_t start,
                      mmk_vaddr_t end, uint8_t *vec) MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    uint64_t pages = (end - start) >> MMK_PAGE_SHIFT;
    mmk_vaddr_t addr = start;

    memset(vec, 0, (size_t)pages);
    if (vma->object)
        mmk_object_resident(vma->object, mmk_vma_index(vma, start), pages, vec);
    while (addr < end)
        addr = look_path(mm, addr, end, vec + ((addr - start) >> MMK_PAGE_SHIFT));
}

/* => mmap lock held */
static int look(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end, uint8_t *vec)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    mmk_vaddr_t addr = start;

    while (addr < end) {
        const struct mmk_vma *vma = mmk_mm_find_vma(mm, addr);
        mmk_vaddr_t stop;

        if (!vma || mmk_vma_start(vma) > addr)
            return MMK_ENOMEM;
        stop = mmk_min(end, mmk_vma_end(vma));
        look_part(mm, vma, addr, stop, vec + ((addr - start) >> MMK_PAGE_SHIFT));
        addr = stop;
    }
    return 0;
}

int mmk_mincore(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, uint8_t *vec)
{
    int error;

    if (addr & ~MMK_PAGE_MASK)
        return MMK_EINVAL;
    if (addr > MMK_USER_END || length > MMK_USER_END - addr)
        return MMK_ENOMEM;
    error = mmk_mm_read_lock(mm);
    if (error)
        return error;
    error = look(mm, addr, addr + mmk_page_up(length), vec);
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return error;
}
