/* SPDX-License-Identifier: MIT */
/*
 * rmap.c - from a range of an object to the entries that map it.
 *
 * R1 An entry that maps an object's page lies where a VMA in the object's interval tree says: at
 *    origin + index * page size. An interval covers more than its VMA while a part is unmapped
 *    (vma.c), never less.
 *
 * The interval lock, held shared, keeps the VMAs and their address spaces: exit takes it
 * exclusively for each VMA before it frees the mm (P16). Cleaning holds it exclusively: one who
 * finds an entry clean already may rely on its page's being marked dirty, for good (clean.c).
 */
#include "rmap.h"

#include "clean.h"
#include "huge.h"
#include "planted.h"
#include "vma.h"
#include "zap.h"

/* What is done to the entries of [start, end) in one address space. */
typedef void (*visitor)(struct mmk_gather *gather, mmk_vaddr_t start, mmk_vaddr_t end);

static void unmap_all(struct mmk_gather *gather, mmk_vaddr_t start, mmk_vaddr_t end)
{
    mmk_zap_range(gather, start, end, MMK_ZAP_PAGES);
}

static void unmap_object(struct mmk_gather *gather, mmk_vaddr_t start, mmk_vaddr_t end)
{
    mmk_zap_range(gather, start, end, MMK_ZAP_OBJECT);
}

static void clean(struct mmk_gather *gather, mmk_vaddr_t start, mmk_vaddr_t end)
{
    mmk_clean_range(gather, start, end);
}

/* Secondary MMUs are told of all that may change: of a larger page, all of it. */
static void begin(struct mmk_gather *gather, const struct mmk_vma *vma, mmk_vaddr_t start,
                  mmk_vaddr_t end, enum mmk_notify_reason why)
{
    bool frames = mmk_vma_has_frames(vma) && !MMK_MISTAKE(UPPER_UNTOLD);
    unsigned level = frames ? MMK_HUGE_TOP : MMK_HUGE_LEVEL;

    if (mmk_huge_possible()) {
        start = mmk_pt_entry_base(start, level);
        end = mmk_pt_entry_base(end + mmk_pt_entry_span(level) - 1, level);
        end = mmk_min(end, MMK_USER_END);
    }
    mmk_gather_begin_range(gather, vma->mm, start, end, why);
}

/* vma's part of pages [first, last]. */
static void visit_part(const struct mmk_vma *vma, uint64_t first, uint64_t last, visitor visit,
                       enum mmk_notify_reason why)
{
    struct mmk_gather gather;
    mmk_vaddr_t start, end;

    first = mmk_max(first, vma->interval.first);
    last = mmk_min(last, vma->interval.last);
    start = mmk_vma_origin(vma) + (first << MMK_PAGE_SHIFT);
    end = mmk_vma_origin(vma) + ((last + 1) << MMK_PAGE_SHIFT);
    begin(&gather, vma, start, end, why);
    visit(&gather, start, end);
    mmk_gather_finish(&gather);
}

/* Visits the mappings of pages [first, last] that have all of `flags`, each with its own flush. */
static void for_each_mapping(struct mmk_object *object, uint64_t first, uint64_t last,
                             uint64_t flags, visitor visit, enum mmk_notify_reason why)
    MMK_REQUIRES_SHARED(object->interval_lock)
{
    struct mmk_interval *node;

    for (node = mmk_interval_first(mmk_object_vmas_read(object), first, last); node;
         node = mmk_interval_next(node, first, last)) {
        struct mmk_vma *vma = (struct mmk_vma *)((char *)node - offsetof(struct mmk_vma, interval));

        if ((mmk_vma_flags(vma) & flags) == flags)
            visit_part(vma, first, last, visit, why);
    }
}

void mmk_rmap_unmap_object(struct mmk_object *object, uint64_t first, uint64_t last,
                           bool private_too)
{
    mmk_rw_read_lock(&object->interval_lock, MMK_LOCK_INTERVAL);
    for_each_mapping(object, first, last, 0, private_too ? unmap_all : unmap_object,
                     MMK_NOTIFY_DISCARD);
    mmk_rw_read_unlock(&object->interval_lock, MMK_LOCK_INTERVAL);
}

void mmk_rmap_clean_object(struct mmk_object *object, uint64_t first, uint64_t last)
{
    mmk_rw_write_lock(&object->interval_lock, MMK_LOCK_INTERVAL);
    for_each_mapping(object, first, last, MMK_VM_SHARED, clean, MMK_NOTIFY_CLEAN);
    mmk_rw_write_unlock(&object->interval_lock, MMK_LOCK_INTERVAL);
}
