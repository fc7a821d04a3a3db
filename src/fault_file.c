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
    struct mmk_page *copy =
        mmk_fault_new_anon_at(vmf, vmf->speculates ? MMK_ALLOC_NOWAIT : MMK_ALLOC_NORMAL);
    enum mmk_fault_result result = MMK_FAULT_OOM;

    if (!copy)
        vmf->why = MMK_COUNT_LOCKED_MEMORY;
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

static bool copies(const struct mmk_vmf *vmf)
{
    return vmf->access == MMK_ACCESS_WRITE && !(vmf->flags & MMK_VM_SHARED);
}

/*
 * The object may have lost its last reference by now: then it has no pages any more, or is about to
 * lose them, one page lock after another, and its memory stays for as long as this section.
 */
bool mmk_fault_file_rcu(struct mmk_vmf *vmf) MMK_NO_TSA
{
    struct mmk_object *object = vmf->vma->object;
    uint64_t index = mmk_vma_index(vmf->vma, vmf->addr);
    enum mmk_fault_result result;
    struct mmk_page *page;

    if (mmk_unlikely(mmk_object_has_frames(object)))
        return false;
    if (copies(vmf) && !mmk_fault_prepare_anon(vmf))
        return false;
    vmf->why = MMK_COUNT_LOCKED_PAGE;
    page = mmk_page_index_find_rcu(&object->pages, index);
    if (page)
        page = mmk_object_try_page_rcu(object, index, page);
    if (!page)
        return false;
    vmf->why = MMK_COUNT_LOCKED_CHANGED;
    mmk_chain_init(&vmf->chain);
    result = copies(vmf) ? map_copy(vmf, page) : map_page(vmf, page);
    if (mmk_unlikely(vmf->lacks > 0))
        mmk_chain_discard(&vmf->chain);
    return result == MMK_FAULT_DONE;
}

enum mmk_fault_result mmk_fault_file(struct mmk_vmf *vmf)
{
    struct mmk_object *object = vmf->vma->object;
    enum mmk_fault_result result;
    struct mmk_page *page;
    int error;

    if (mmk_unlikely(mmk_object_has_frames(object)))
        return mmk_fault_frame(vmf);
    if (mmk_huge_possible() && mmk_fault_huge_object(vmf, &result))
        return result;
    if (copies(vmf))
        mmk_anon_prepare(vmf->mm, vmf->vma);
    error =
        mmk_object_get_page_killable(vmf->mm, object, mmk_vma_index(vmf->vma, vmf->addr), &page);
    if (error)
        return failed(error);
    if (copies(vmf))
        return map_copy(vmf, page);
    return map_page(vmf, page);
}
