/* SPDX-License-Identifier: MIT */
/*
 * unmap.c - taking mappings away.
 *
 *   prepare   what there is to do is noted, and what the VMA tree and a VMA cut in the middle need
 *             is allocated; may fail
 *   detach    the VMAs leave the tree: from here on a fault finds nothing there
 *   zap       entries and tables go; one flush
 *   finish    the objects forget: only now, so that truncation still finds every entry (R1)
 *
 * munmap holds the mmap lock for writing up to detach, then for reading: faults elsewhere go on,
 * but nobody can map the range anew before its old entries are gone (P8).
 */
#include "map.h"

#include "account.h"
#include "huge.h"
#include "planted.h"
#include "vma_seq.h"
#include "zap.h"

/* What is to be done with vma, which has a part in the range. */
static void note_vma(struct mmk_unmap *unmap, struct mmk_vma *vma)
{
    mmk_vaddr_t start = mmk_vma_start(vma), end = mmk_vma_end(vma);
    uint64_t flags = mmk_vma_flags(vma);
    bool head = start<unmap->start, tail = end> unmap->end;

    mmk_usage_add(&unmap->gone, flags,
                  (int64_t)(mmk_min(unmap->end, end) - mmk_max(unmap->start, start)));
    unmap->sealed |= (flags & MMK_VM_SEALED) != 0;
    unmap->splits = head && tail;
    if (head) {
        unmap->trimmed[0] = vma;
    } else if (tail) {
        unmap->trimmed[1] = vma;
    } else {
        vma->next = unmap->removed;
        unmap->removed = vma;
    }
}

/* Looks at every mapping in the range, once; changes none. */
static void survey(struct mmk_mm *mm, struct mmk_unmap *unmap) MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    struct mmk_vma *vma = mmk_mm_find_vma(mm, unmap->start);

    unmap->gone = (struct mmk_usage){0};
    unmap->sealed = unmap->splits = false;
    unmap->trimmed[0] = unmap->trimmed[1] = NULL;
    unmap->removed = NULL;
    unmap->high = UINT64_MAX;
    while (vma && mmk_vma_start(vma) < unmap->end) {
        note_vma(unmap, vma);
        if (mmk_vma_end(vma) > unmap->end) {
            unmap->high = unmap->end;
            return;
        }
        vma = mmk_mm_find_vma(mm, mmk_vma_end(vma));
    }
    if (vma)
        unmap->high = mmk_vma_start(vma);
}

int mmk_unmap_prepare(struct mmk_mm *mm, struct mmk_unmap *unmap, mmk_vaddr_t start,
                      mmk_vaddr_t end)
{
    unmap->start = start;
    unmap->end = end;
    unmap->spare = NULL;
    survey(mm, unmap);
    if (mmk_huge_split_ends(mm, start, end))
        return MMK_ENOMEM;
    if (unmap->splits && !mmk_account_ask_maps(mm, 1))
        return MMK_ENOMEM;
    if (unmap->sealed) {
        if (unmap->trimmed[0] && !(mmk_vma_flags(unmap->trimmed[0]) & MMK_VM_SEALED))
            mmk_vma_cut_at(mm, start); /* as Linux, which comes to the sealed one after that */
        return MMK_EPERM;
    }
    if (mmk_vma_tree_reserve(mmk_mm_vmas(mm), 3, &unmap->reserve))
        return MMK_ENOMEM;
    if (!unmap->splits)
        return 0;
    unmap->spare = mmk_vma_alloc_blank();
    if (unmap->spare)
        return 0;
    mmk_vma_tree_unreserve(&unmap->reserve);
    return MMK_ENOMEM;
}

void mmk_unmap_cancel(struct mmk_unmap *unmap)
{
    if (unmap->spare)
        mmk_vma_free(unmap->spare);
    mmk_vma_tree_unreserve(&unmap->reserve);
}

/* Cuts the VMAs that straddle the ends; their intervals are cut in finish. */
static void trim_ends(struct mmk_mm *mm, struct mmk_unmap *unmap) MMK_REQUIRES(mm->mmap_lock)
{
    struct mmk_vma *head = unmap->trimmed[0], *tail = unmap->trimmed[1];

    if (unmap->spare) {
        mmk_vma_copy_upper(unmap->spare, head, unmap->end);
        mmk_vma_link(unmap->spare);
    }
    if (head)
        mmk_vma_set_range(mm, head, mmk_vma_start(head), unmap->start);
    if (tail)
        mmk_vma_set_range(mm, tail, unmap->end, mmk_vma_end(tail));
    if (unmap->spare) {
        mmk_vma_tree_insert(mmk_mm_vmas(mm), unmap->spare, &unmap->reserve);
        mmk_vma_open(unmap->spare);
    }
}

static void close_removed(const struct mmk_unmap *unmap)
{
    struct mmk_vma *vma;

    for (vma = unmap->removed; vma; vma = vma->next)
        mmk_vma_close(vma);
}

void mmk_unmap_detach(struct mmk_mm *mm, struct mmk_unmap *unmap)
{
    const struct mmk_vma *below = unmap->trimmed[0];

    if (!below)
        below = mmk_mm_prev_vma(mm, unmap->start);
    mmk_account_go(mm, &unmap->gone);
    trim_ends(mm, unmap);
    if (!MMK_MISTAKE(REMOVED_LATE))
        close_removed(unmap);
    if (unmap->removed)
        mmk_vma_tree_erase_range(mmk_mm_vmas(mm), unmap->start, unmap->end, &unmap->reserve);
    unmap->low = below ? mmk_vma_end(below) : 0;
}

void mmk_unmap_zap(struct mmk_mm *mm, struct mmk_unmap *unmap)
{
    struct mmk_gather gather;

    mmk_gather_begin_range(&gather, mm, unmap->start, unmap->end, MMK_NOTIFY_UNMAP);
    mmk_gather_policy(&gather, MMK_GATHER_UNMAP, unmap->low, unmap->high);
    mmk_zap_range(&gather, unmap->start, unmap->end, MMK_ZAP_ALL);
    mmk_gather_finish(&gather);
}

void mmk_unmap_free(struct mmk_vma *vma)
{
    struct mmk_vma *next;

    for (; vma; vma = next) {
        next = vma->next;
        mmk_vma_unlink(vma);
        mmk_vma_free(vma);
    }
}

void mmk_unmap_finish(struct mmk_unmap *unmap)
{
    int i;

    if (MMK_MISTAKE(REMOVED_LATE))
        close_removed(unmap);
    for (i = 0; i < 2; i++)
        if (unmap->trimmed[i])
            mmk_vma_relink(unmap->trimmed[i]);
    mmk_unmap_free(unmap->removed);
    mmk_vma_tree_unreserve(&unmap->reserve);
}

void mmk_unmap_renew(struct mmk_mm *mm, struct mmk_unmap *unmap)
{
    survey(mm, unmap);
    if (!unmap->spare || unmap->splits)
        return;
    mmk_vma_free(unmap->spare);
    unmap->spare = NULL;
}

bool mmk_map_overlaps(const struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
{
    const struct mmk_vma *vma = mmk_mm_find_vma(mm, start);

    return vma && mmk_vma_start(vma) < end;
}

int mmk_unmap_locked(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
{
    struct mmk_unmap unmap;
    int error;

    if (!mmk_map_overlaps(mm, start, end))
        return 0;
    error = mmk_unmap_prepare(mm, &unmap, start, end);
    if (error)
        return error;
    mmk_unmap_detach(mm, &unmap);
    mmk_unmap_zap(mm, &unmap);
    mmk_unmap_finish(&unmap);
    return 0;
}

int mmk_unmap_and_unlock(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
{
    struct mmk_unmap unmap;
    int error = 0;

    if (!mmk_map_overlaps(mm, start, end) ||
        (error = mmk_unmap_prepare(mm, &unmap, start, end)) != 0) {
        mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
        return error;
    }
    mmk_unmap_detach(mm, &unmap);
    mmk_account_settle(mm);
    mmk_rw_downgrade(&mm->mmap_lock);
    if (MMK_MISTAKE(UNMAP_UNLOCKED))
        mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    mmk_unmap_zap(mm, &unmap);
    mmk_unmap_finish(&unmap);
    if (!MMK_MISTAKE(UNMAP_UNLOCKED))
        mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return 0;
}

int mmk_munmap(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length)
{
    mmk_vaddr_t end = addr + mmk_page_up(length);
    int error;

    if ((addr & ~MMK_PAGE_MASK) || addr > MMK_USER_END || length > MMK_USER_END - addr ||
        length == 0)
        return MMK_EINVAL;
    error = mmk_mm_write_lock(mm);
    if (error)
        return error;
    return mmk_unmap_and_unlock(mm, addr, end);
}
