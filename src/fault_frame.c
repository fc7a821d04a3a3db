/* SPDX-License-Identifier: MIT */
/*
 * fault_frame.c - first touch of memory that is not mmkit's to give: the embedder names the frame.
 *
 * The entry is special: no descriptor is looked at, nothing is counted. There is no page lock that
 * could hold a truncation off (P4), so the object's invalidate lock does, from the look at the size
 * until the entry is set: a truncation that comes later finds the entry.
 *
 * Where the embedder has as many frames in a row as a larger page has, and they lie as the
 * addresses do, one entry maps them all (huge.h), of as high a level as fits. Where a part of them
 * goes, all do: whoever touches what is left asks for its frame again.
 */
#include "fault.h"

#include "huge.h"
#include "object.h"
#include "planted.h"

static uint64_t pages_of(const struct mmk_object *object)
{
    return mmk_page_up(mmk_object_size(object)) >> MMK_PAGE_SHIFT;
}

/* Are the frames in a row, from *pfn on, behind the pages from `index` on that an entry maps? */
static bool find_run(struct mmk_object *object, uint64_t index, unsigned level, mmk_pfn_t *pfn)
{
    const uint64_t pages = mmk_pt_entry_pages(level);

    if (index + pages > pages_of(object) && !MMK_MISTAKE(RUN_PAST_END))
        return false;
    return object->ops->frame_run(object, index, pfn) >= (int64_t)pages &&
           (*pfn & (pages - 1)) == 0 && *pfn < MMK_PHYS_END >> MMK_PAGE_SHIFT;
}

/* The largest that fits where the tables lack. => its level; 0: a page it is */
static unsigned choose(struct mmk_vmf *vmf, struct mmk_object *object, mmk_pfn_t *pfn)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock) MMK_REQUIRES_SHARED(object->invalidate)
{
    unsigned level = vmf->lacks < MMK_HUGE_TOP ? vmf->lacks : MMK_HUGE_TOP;

    for (; level > 0; level--)
        if (mmk_fault_huge_wanted(vmf, level) &&
            find_run(object, mmk_vma_index(vmf->vma, mmk_pt_entry_base(vmf->addr, level)), level,
                     pfn))
            break;
    return level;
}

/* => invalidate lock held for reading; false: it is not to be, nothing has changed */
static bool map_run(struct mmk_vmf *vmf, struct mmk_object *object, enum mmk_fault_result *result)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock) MMK_REQUIRES_SHARED(object->invalidate) MMK_NO_TSA
{
    mmk_pfn_t pfn;
    unsigned level = choose(vmf, object, &pfn);
    bool mapped;

    if (level == 0)
        return false;
    if (MMK_MISTAKE(RUN_UNLOCKED))
        mmk_rw_read_unlock(&object->invalidate, MMK_LOCK_INVALIDATE);
    mapped = mmk_fault_huge_frames(vmf, pfn, level, result);
    if (MMK_MISTAKE(RUN_UNLOCKED))
        mmk_rw_read_lock(&object->invalidate, MMK_LOCK_INVALIDATE);
    return mapped;
}

/* => invalidate lock held for reading */
static enum mmk_fault_result map_frame(struct mmk_vmf *vmf, struct mmk_object *object,
                                       uint64_t index) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
    MMK_REQUIRES_SHARED(object->invalidate)
{
    bool write = (vmf->flags & MMK_VM_WRITE) != 0;
    enum mmk_fault_result result;
    mmk_pfn_t pfn;
    int error;

    if (index >= pages_of(object))
        return MMK_FAULT_BUS;
    if (mmk_huge_possible() && map_run(vmf, object, &result))
        return result;
    error = object->ops->frame(object, index, &pfn);
    if (error == MMK_ENOMEM)
        return MMK_FAULT_OOM;
    if (error || pfn >= MMK_PHYS_END >> MMK_PAGE_SHIFT)
        return MMK_FAULT_BUS; /* what no entry can name would be other bits of it */
    result = mmk_fault_set(vmf, mmk_pte_mkspecial(mmk_fault_leaf_frame(vmf, pfn, write)));
    if (result == MMK_FAULT_DONE)
        mmk_mm_count(vmf->mm, MMK_COUNT_FAULT_FILE, 1);
    return result;
}

/* Writable at once where the mapping is: there is no use in knowing that it was written. */
enum mmk_fault_result mmk_fault_frame(struct mmk_vmf *vmf)
{
    struct mmk_object *object = vmf->vma->object;
    enum mmk_fault_result result;

    mmk_rw_read_lock(&object->invalidate, MMK_LOCK_INVALIDATE);
    result = map_frame(vmf, object, mmk_vma_index(vmf->vma, vmf->addr));
    mmk_rw_read_unlock(&object->invalidate, MMK_LOCK_INVALIDATE);
    return result;
}
