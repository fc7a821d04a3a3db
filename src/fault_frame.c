/* SPDX-License-Identifier: MIT */
/*
 * fault_frame.c - first touch of memory that is not mmkit's to give: the embedder names the frame.
 *
 * The entry is special: no descriptor is looked at, nothing is counted. There is no page lock that
 * could hold a truncation off (P4), so the object's invalidate lock does, from the look at the size
 * until the entry is set: a truncation that comes later finds the entry.
 */
#include "fault.h"

#include "object.h"

/* => invalidate lock held for reading */
static enum mmk_fault_result map_frame(struct mmk_vmf *vmf, struct mmk_object *object,
                                       uint64_t index) MMK_REQUIRES_SHARED(vmf->mm->mmap_lock)
    MMK_REQUIRES_SHARED(object->invalidate)
{
    bool write = (vmf->flags & MMK_VM_WRITE) != 0;
    enum mmk_fault_result result;
    mmk_pfn_t pfn;
    int error;

    if (index >= mmk_page_up(mmk_object_size(object)) >> MMK_PAGE_SHIFT)
        return MMK_FAULT_BUS;
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
