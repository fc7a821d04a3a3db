/* SPDX-License-Identifier: MIT */
/*
 * fault_file.c - first touch of an object's memory: its page is mapped, or, for a write to a
 * private mapping, copied.
 *
 * P4 The page is mapped under its page lock, under which it is known to belong to the object and
 * to lie below its size; truncation takes the same lock for each page after it has set the size.
 */
#include "fault.h"

#include "anon.h"
#include "huge.h"
#include "object.h"
#include "planted.h"
#include "zap.h"

static enum mmk_fault_result failed(int error)
{
    switch (error) {
    case MMK_ENOMEM:
        return MMK_FAULT_OOM;
    case MMK_EINTR:
        return MMK_FAULT_KILLED;
    default:
        return MMK_FAULT_BUS;
    }
}

/* Maps the object's own page; the caller's reference becomes the entry's. => page locked */
static enum mmk_fault_result map_page(struct mmk_vmf *vmf, struct mmk_page *page)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock) MMK_RELEASES(page)
{
    bool write = vmf->access == MMK_ACCESS_WRITE;
    enum mmk_fault_result result;
    uint32_t around = 0;

    mmk_page_add_rmap(page, vmf->vma, vmf->addr, false);
    if (write) {
        mmk_page_mkdirty(page);
        result = mmk_fault_set(vmf, mmk_fault_leaf(vmf, page, true));
    } else {
        result = mmk_fault_set_around(vmf, mmk_fault_leaf(vmf, page, false), &around);
    }
    if (result == MMK_FAULT_DONE) {
        mmk_mm_count_fault(vmf->mm, mmk_page_rss_kind(page), MMK_COUNT_FAULT_FILE);
        if (around)
            mmk_mm_count_around(vmf->mm, mmk_page_rss_kind(page), around);
        mmk_page_unlock(page);
        return result;
    }
    mmk_page_remove_rmap(page, vmf->mm);
    mmk_page_unlock(page);
    mmk_page_put(page);
    return result;
}

/*
 * Maps a copy of the object's page. The page stays locked until the copy is in place: truncation
 * takes private copies away, and looks for them with the page locked (P4).
 * => page locked, with the caller's reference: both are dropped
 */
static enum mmk_fault_result map_copy(struct mmk_vmf *vmf, struct mmk_page *page)
    MMK_REQUIRES_SHARED(vmf->mm->mmap_lock) MMK_RELEASES(page)
{
    struct mmk_page *copy = mmk_fault_new_anon_at(vmf, MMK_ALLOC_NORMAL);
    enum mmk_fault_result result = MMK_FAULT_OOM;

    if (copy) {
        mmk_copy_page(mmk_page_virt(copy), mmk_page_virt(page));
        if (MMK_MISTAKE(COPY_PAGE_UNLOCKED))
            mmk_page_unlock(page);
        result = mmk_fault_set(vmf, mmk_fault_leaf(vmf, copy, true));
    }
    if (!copy || !MMK_MISTAKE(COPY_PAGE_UNLOCKED))
        mmk_page_unlock(page);
    mmk_page_put(page);
    if (result == MMK_FAULT_DONE) {
        mmk_mm_count_fault(vmf->mm, MMK_COUNT_RSS_ANON, MMK_COUNT_FAULT_COW);
    } else if (copy) {
        mmk_fault_drop_anon(copy);
    }
    return result;
}

enum mmk_fault_result mmk_fault_file(struct mmk_vmf *vmf)
{
    bool copies = vmf->access == MMK_ACCESS_WRITE && !(vmf->flags & MMK_VM_SHARED);
    struct mmk_object *object = vmf->vma->object;
    enum mmk_fault_result result;
    struct mmk_page *page;
    int error;

    if (mmk_unlikely(mmk_object_has_frames(object)))
        return mmk_fault_frame(vmf);
    if (mmk_huge_possible() && mmk_fault_huge_object(vmf, &result))
        return result;
    if (copies)
        mmk_anon_prepare(vmf->mm, vmf->vma);
    error =
        mmk_object_get_page_killable(vmf->mm, object, mmk_vma_index(vmf->vma, vmf->addr), &page);
    if (error)
        return failed(error);
    if (copies)
        return map_copy(vmf, page);
    return map_page(vmf, page);
}
