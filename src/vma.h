/* SPDX-License-Identifier: MIT */
/*
 * vma.h - struct mmk_vma: one mapping in an address space.
 *
 * Fields that lockless readers read are atomics, reached through the accessors. Writers hold the
 * mm's mmap lock for writing. A VMA that has left the tree is freed after an RCU grace period.
 *
 * A fault may use a VMA under RCU alone (fault.c). `seq` tells it whether it still may:
 *
 * VS1 It is odd, closed, from before anything that such a fault relies on changes until after that:
 *     range, flags, where its private pages are from, which entries are there. A VMA is closed when
 *     it is made, until its entries are in place, and from before it leaves the tree, for good.
 * VS2 Each time it opens it gets a number that no VMA of its address space has ever had.
 * VS3 Who closes does so before he looks at the first entry, with its table's lock. A fault looks
 *     at the count again with that lock held: so it has been before him, and he sees what it has
 *     set, or it finds the VMA closed, or opened anew, and sets nothing (P1).
 */
#ifndef MMK_SRC_VMA_H
#define MMK_SRC_VMA_H

#include "interval_tree.h"
#include "object.h"
#include <mmkit/mm.h>
#include <mmkit/port/atomic.h>
#include <mmkit/port/rcu.h>

/* Flags. The low three equal MMK_PROT_*: what is allowed now. */
#define MMK_VM_READ      0x0001u
#define MMK_VM_WRITE     0x0002u
#define MMK_VM_EXEC      0x0004u
#define MMK_VM_PROT      0x0007u
#define MMK_VM_SHARED    0x0008u
#define MMK_VM_GROWSDOWN 0x0010u
#define MMK_VM_MAYREAD   0x0020u /* these three: what mprotect may allow, in the same order */
#define MMK_VM_MAYWRITE  0x0040u
#define MMK_VM_MAYEXEC   0x0080u
#define MMK_VM_MAY       0x00e0u
#define MMK_VM_MAY_SHIFT 5
#define MMK_VM_LOCKED    0x0100u
#define MMK_VM_SEALED    0x1000u /* mseal: never changes again */
#define MMK_VM_NORESERVE 0x2000u /* never counts as committed */
#define MMK_VM_ACCOUNT   0x4000u /* counts as committed */

#define MMK_VM_LOCKONFAULT 0x0200u /* with LOCKED: pages come when touched, not before */
#define MMK_VM_LOCK        0x0300u

#define MMK_VM_DONTFORK   0x0400u /* fork leaves the mapping out */
#define MMK_VM_WIPEONFORK 0x0800u /* fork leaves its pages out */

/*
 * Guards may be in it: says whether fork must look. Set with the mmap lock held for reading, hence
 * by an atomic operation; kept by a merge; no reason for two VMAs to stay two.
 */
#define MMK_VM_GUARDED 0x10000u

/* These do nothing but keep mappings apart, as on Linux. */
#define MMK_VM_DONTDUMP 0x20000u
#define MMK_VM_RAND     0x40000u
#define MMK_VM_SEQ      0x80000u
#define MMK_VM_READER   0x100000u /* object opened for reading only: on Linux another file */
#define MMK_VM_SYNC     0x400000u /* MAP_SYNC */

/* Larger pages (mmk_config.huge): no, as MAP_STACK says, too; and yes. Never both. */
#define MMK_VM_NOHUGEPAGE 0x200000u
#define MMK_VM_HUGEPAGE   0x800000u

/*
 * What each fault reads comes first, in a line of its own; then what may change while the VMA stays
 * as it is, if it has moved, and if others map its object.
 */
struct mmk_vma {
    struct mmk_a64 start, end; /* bytes, page multiples, start < end */
    struct mmk_a64 seq;        /* VS1; vma_seq.h */
    struct mmk_a32 flags;      /* MMK_VM_* */
    struct mmk_a32 users;      /* page tables that have it for a hint; and 1 until it is freed:
                                  vma_hint.h */
    struct mmk_a64 origin;     /* address that page index 0 has, or would have (mod 2^64): in the
                                  object, or, for private anonymous memory, 0 when first mapped.
                                  Splitting, trimming and merging leave it alone */
    struct mmk_a64 shift;      /* how far its private pages, present or to come, are from where
                                  they were made (mod 2^64). Anonymous memory: the origin. While
                                  it has pages, an object's that moves takes it along */
    struct mmk_a64 anon;       /* whose private pages it shares; 0: it has none (anon.h) */
    struct mmk_object *object; /* c: holds a reference; NULL: private anonymous */
    struct mmk_mm *mm;         /* c */
    union {
        struct mmk_interval moved; /* mm->kin's lock: if there is a shift, the indices of private
                                      pages that it may map; wider than the range like `interval` */
        struct mmk_rcu_head rcu;   /* o: after it has left that tree */
    };
    struct mmk_interval interval; /* object's interval lock: pages that it may map; wider than the
                                     range while a part is being unmapped */
    struct mmk_vma *next;         /* o: list of VMAs that have left the tree */
};

/*
 * A fault's first look, and the last one: whether it still is so. Acquire: what it was opened with.
 */
MMK_ALWAYS_INLINE uint64_t mmk_vma_seq(const struct mmk_vma *vma)
{
    return mmk_a64_load(&vma->seq, MMK_ACQUIRE);
}

MMK_ALWAYS_INLINE bool mmk_vma_seq_is(const struct mmk_vma *vma, uint64_t seq)
{
    return mmk_likely(mmk_a64_load(&vma->seq, MMK_RELAXED) == seq);
}

/* Acquire: who sees a new range in a VMA that was open sees it closed when he looks again. */
MMK_ALWAYS_INLINE mmk_vaddr_t mmk_vma_start(const struct mmk_vma *vma)
{
    return mmk_a64_load(&vma->start, MMK_ACQUIRE);
}

MMK_ALWAYS_INLINE mmk_vaddr_t mmk_vma_end(const struct mmk_vma *vma)
{
    return mmk_a64_load(&vma->end, MMK_ACQUIRE);
}

/* Bytes. One after the other: what C does not sequence, compilers order as they like. */
MMK_ALWAYS_INLINE uint64_t mmk_vma_size(const struct mmk_vma *vma)
{
    mmk_vaddr_t start = mmk_vma_start(vma);

    return mmk_vma_end(vma) - start;
}

MMK_ALWAYS_INLINE uint64_t mmk_vma_flags(const struct mmk_vma *vma)
{
    return mmk_a32_load(&vma->flags, MMK_RELAXED);
}

MMK_ALWAYS_INLINE uint64_t mmk_vma_origin(const struct mmk_vma *vma)
{
    return mmk_a64_load(&vma->origin, MMK_RELAXED);
}

MMK_ALWAYS_INLINE uint64_t mmk_vma_anon(const struct mmk_vma *vma)
{
    return mmk_a64_load(&vma->anon, MMK_RELAXED);
}

/* The page index that addr, inside vma or its former range, stands for (vm_pgoff of Linux). */
MMK_ALWAYS_INLINE uint64_t mmk_vma_index(const struct mmk_vma *vma, mmk_vaddr_t addr)
{
    return (addr - mmk_vma_origin(vma)) >> MMK_PAGE_SHIFT;
}

MMK_ALWAYS_INLINE uint64_t mmk_vma_shift(const struct mmk_vma *vma)
{
    return mmk_a64_load(&vma->shift, MMK_RELAXED);
}

/* The index that a private page at addr has (page_rmap.h). */
MMK_ALWAYS_INLINE uint64_t mmk_vma_anon_index(const struct mmk_vma *vma, mmk_vaddr_t addr)
{
    return (addr - mmk_vma_shift(vma)) >> MMK_PAGE_SHIFT;
}

/* Whether user code may make this access (a readable page is not told from a writable one). */
MMK_ALWAYS_INLINE bool mmk_vma_accessible(uint64_t flags)
{
    return (flags & MMK_VM_PROT) != 0;
}

/* It shows frames that are not mmkit's: VM_PFNMAP of Linux. */
MMK_ALWAYS_INLINE bool mmk_vma_has_frames(const struct mmk_vma *vma)
{
    return vma->object && mmk_object_has_frames(vma->object);
}

void mmk_vma_module_init(void);

/*
 * A VMA that is in no tree yet, without private pages; takes a reference to `object` when there is
 * one.
 * => NULL: no memory; may sleep
 */
struct mmk_vma *mmk_vma_alloc(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end, uint64_t flags,
                              struct mmk_object *object, uint64_t origin);

/* Where its private pages are from: see mmk_vma.shift, AN4. => vma is linked nowhere */
MMK_ALWAYS_INLINE void mmk_vma_set_shift(struct mmk_vma *vma, uint64_t shift)
{
    mmk_a64_store(&vma->shift, shift, MMK_RELAXED);
}

/* A VMA to be filled in by mmk_vma_copy_upper(). => NULL: no memory; may sleep */
struct mmk_vma *mmk_vma_alloc_blank(void);

/* Makes `upper`, blank, what vma is from addr on. => addr inside vma; mmap lock held */
void mmk_vma_copy_upper(struct mmk_vma *upper, const struct mmk_vma *vma, mmk_vaddr_t addr);

/*
 * Drops the object reference now, and the VMA after a grace period, once no page table knows it.
 * => it is in no tree; may sleep (the object's last reference)
 */
void mmk_vma_free(struct mmk_vma *vma);

/*
 * One more, one less that knows the VMA and may find it freed from the tree, but not its memory.
 * => get: false: the last one has gone. put: any context but interrupts, spin locks may be held
 */
MMK_MUST_CHECK bool mmk_vma_get_unless_zero(struct mmk_vma *vma);
void mmk_vma_put(struct mmk_vma *vma);

/*
 * Into the trees by which its pages find it, or out of them, or to its present range (after a trim
 * or merge): its object's, and that of its mm for private pages that have moved. Nothing to do for
 * anonymous memory that has not. vma_link.c
 * => may sleep; takes the interval lock, then the lock of mm's kin
 */
void mmk_vma_link(struct mmk_vma *vma);
void mmk_vma_unlink(struct mmk_vma *vma);
void mmk_vma_relink(struct mmk_vma *vma);

/*
 * Gives a VMA that is linked, and has no private pages, another shift: that of one which it is
 * merged with. => mmap lock held for writing; as mmk_vma_link()
 */
void mmk_vma_reshift(struct mmk_vma *vma, uint64_t shift);

/*
 * Whether two VMAs that touch could be one, but for what anon.h says: same protection and kind, one
 * object, indices that continue. Mappings of frames that are not mmkit's stay as they were made, as
 * on Linux.
 */
bool mmk_vma_compatible(const struct mmk_vma *vma, uint64_t flags, const struct mmk_object *object,
                        uint64_t origin);

#endif
