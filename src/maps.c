/* SPDX-License-Identifier: MIT */
/*
 * maps.c - what is mapped where, told to whoever looks.
 *
 * Rejected: answering one mapping a call, by an address. A caller who wants them of one moment
 * could not have that, and each would need a reference to its object, and a put.
 */
#include <mmkit/maps.h>

#include "mm.h"
#include "physical.h"

static unsigned flags_of(const struct mmk_vma *vma)
{
    static const struct {
        uint64_t vm;
        unsigned flag;
    } pairs[] = {
        {MMK_VM_SHARED, MMK_MAPPING_SHARED},         {MMK_VM_GROWSDOWN, MMK_MAPPING_GROWSDOWN},
        {MMK_VM_NORESERVE, MMK_MAPPING_NORESERVE},   {MMK_VM_ACCOUNT, MMK_MAPPING_COMMITTED},
        {MMK_VM_LOCKED, MMK_MAPPING_LOCKED},         {MMK_VM_LOCKONFAULT, MMK_MAPPING_ONFAULT},
        {MMK_VM_SEALED, MMK_MAPPING_SEALED},         {MMK_VM_DONTFORK, MMK_MAPPING_DONTFORK},
        {MMK_VM_WIPEONFORK, MMK_MAPPING_WIPEONFORK}, {MMK_VM_GUARDED, MMK_MAPPING_GUARDED},
    };
    unsigned flags = mmk_vma_has_frames(vma) ? MMK_MAPPING_FRAMES : 0;
    size_t i;

    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (mmk_vma_flags(vma) & pairs[i].vm)
            flags |= pairs[i].flag;
    return flags;
}

static void describe(const struct mmk_vma *vma, struct mmk_mapping *mapping)
{
    uint64_t flags = mmk_vma_flags(vma);

    mapping->start = mmk_vma_start(vma);
    mapping->end = mmk_vma_end(vma);
    mapping->prot = (unsigned)(flags & MMK_VM_PROT);
    mapping->max_prot = (unsigned)((flags & MMK_VM_MAY) >> MMK_VM_MAY_SHIFT);
    mapping->flags = flags_of(vma);
    mapping->object = vma->object != mmk_physical_object() ? vma->object : NULL;
    mapping->offset = vma->object ? mapping->start - mmk_vma_origin(vma) : 0;
}

int mmk_for_each_mapping(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end,
                         int (*visit)(const struct mmk_mapping *mapping, void *arg), void *arg)
{
    struct mmk_mapping mapping = {.end = start};
    const struct mmk_vma *vma;
    int result = mmk_mm_read_lock(mm);

    if (result)
        return result;
    while (!result && (vma = mmk_mm_find_vma(mm, mapping.end)) != NULL &&
           mmk_vma_start(vma) < end) {
        describe(vma, &mapping);
        result = visit(&mapping, arg);
    }
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return result;
}
