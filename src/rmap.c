/* SPDX-License-Identifier: MIT */
/*
 * rmap.c - from a range of an object to the entries that map it.
 *
 * R1 An entry that maps an object's page lies where a VMA in the object's interval tree says: at
 *    origin + index * page size. An interval covers more than its VMA while a part is unmapped
 *    (vma.c), never less.
 *
 * The interval lock, held shared, keeps the VMAs and their address spaces: exit takes it
 * exclusively for each VMA before it frees the mm (P16).
 */
#include "rmap.h"

#include "vma.h"
#include "zap.h"

static void unmap_from(const struct mmk_vma *vma, uint64_t first, uint64_t last, bool private_too)
{
    struct mmk_gather gather;
    mmk_vaddr_t start, end;

    first = mmk_max(first, vma->interval.first);
    last = mmk_min(last, vma->interval.last);
    start = mmk_vma_origin(vma) + (first << MMK_PAGE_SHIFT);
    end = mmk_vma_origin(vma) + ((last + 1) << MMK_PAGE_SHIFT);
    mmk_gather_begin_range(&gather, vma->mm, start, end, MMK_NOTIFY_DISCARD);
    mmk_zap_range(&gather, start, end, private_too ? MMK_ZAP_PAGES : MMK_ZAP_OBJECT);
    mmk_gather_finish(&gather);
}

void mmk_rmap_unmap_object(struct mmk_object *object, uint64_t first, uint64_t last,
                           bool private_too)
{
    struct mmk_interval *node;

    mmk_rw_read_lock(&object->interval_lock, MMK_LOCK_INTERVAL);
    for (node = mmk_interval_first(&object->vmas, first, last); node;
         node = mmk_interval_next(node, first, last)) {
        struct mmk_vma *vma = (struct mmk_vma *)((char *)node - offsetof(struct mmk_vma, interval));

        unmap_from(vma, first, last, private_too);
    }
    mmk_rw_read_unlock(&object->interval_lock, MMK_LOCK_INTERVAL);
}
