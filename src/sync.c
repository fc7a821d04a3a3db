/* SPDX-License-Identifier: MIT */
/*
 * sync.c - msync.
 *
 * Writes shared mappings' objects back, a mapping at a time, with the mmap lock dropped meanwhile,
 * as on Linux: a write-back takes long. What is mapped there is looked up anew each time.
 */
#include "object.h"
#include "vma_tree.h"
#include "mm.h"

#define ALL_FLAGS (MMK_MS_ASYNC | MMK_MS_INVALIDATE | MMK_MS_SYNC)

struct sync {
    struct mmk_mm *mm;
    mmk_vaddr_t addr, end; /* what is left */
    unsigned flags;
    int hole;
    struct mmk_object *object; /* to be written, with a reference; or NULL */
    uint64_t offset, length;
};

/* What a VMA asks for. => mmap lock held for reading */
static int note_vma(struct sync *sync, const struct mmk_vma *vma)
    MMK_REQUIRES_SHARED(sync->mm->mmap_lock)
{
    mmk_vaddr_t end = mmk_min(mmk_vma_end(vma), sync->end);
    uint64_t flags = mmk_vma_flags(vma);

    if ((sync->flags & MMK_MS_INVALIDATE) && (flags & MMK_VM_LOCKED))
        return MMK_EBUSY;
    if ((sync->flags & MMK_MS_SYNC) && (flags & MMK_VM_SHARED)) {
        mmk_object_get(vma->object);
        sync->object = vma->object;
        sync->offset = mmk_vma_index(vma, sync->addr) << MMK_PAGE_SHIFT;
        sync->length = end - sync->addr;
    }
    sync->addr = end;
    return 0;
}

/* The next VMA. => 0; MMK_ENOMEM: there is none; MMK_EBUSY; MMK_EINTR */
static int note_next(struct sync *sync)
{
    const struct mmk_vma *vma;
    int error;

    sync->object = NULL;
    error = mmk_mm_read_lock(sync->mm);
    if (error)
        return error;
    error = MMK_ENOMEM;
    vma = mmk_mm_find_vma(sync->mm, sync->addr);
    if (vma && mmk_vma_start(vma) > sync->addr) {
        sync->hole = MMK_ENOMEM;
        sync->addr = mmk_vma_start(vma);
    }
    if (vma && sync->addr < sync->end)
        error = note_vma(sync, vma);
    mmk_rw_read_unlock(&sync->mm->mmap_lock, MMK_LOCK_MMAP);
    return error;
}

int mmk_msync(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, unsigned flags)
{
    struct sync sync = {.mm = mm, .addr = addr, .end = addr + mmk_page_up(length), .flags = flags};
    int error = 0;

    if ((flags & ~(unsigned)ALL_FLAGS) || (addr & ~MMK_PAGE_MASK) ||
        ((flags & MMK_MS_ASYNC) && (flags & MMK_MS_SYNC)))
        return MMK_EINVAL;
    if (sync.end < addr)
        return MMK_ENOMEM;
    while (sync.addr < sync.end && !error) {
        error = note_next(&sync);
        if (sync.object) {
            error = mmk_object_sync(sync.object, sync.offset, sync.length);
            mmk_object_put(sync.object);
        }
    }
    return error ? error : sync.hole;
}
