/* SPDX-License-Identifier: MIT */
/*
 * map.h - shaping the VMAs of an address space: what the calls share.
 */
#ifndef MMK_SRC_MAP_H
#define MMK_SRC_MAP_H

#include "mm.h"
#include <mmkit/fault.h>

/* What unmapping a range needs, and then what it has done so far. */
struct mmk_unmap {
    mmk_vaddr_t start, end;
    struct mmk_usage gone; /* what is mapped there counts for */
    struct mmk_vma *spare; /* upper part of a VMA that loses its middle */
    struct mmk_vma_tree_reserve reserve;
    mmk_vaddr_t low, high;      /* neighbours: end of the VMA below, start of the one above */
    struct mmk_vma *trimmed[2]; /* VMAs that lose their upper, lower end: until finish their
                                   intervals still cover it */
    struct mmk_vma *removed;    /* VMAs that leave the tree, by `next` */
    bool sealed;                /* one of them all is */
    bool splits;                /* trimmed[0] loses its middle */
};

/*
 * Unmapping in four steps: decode (may fail, nothing changed), take the VMAs out of the tree, zap
 * their entries, finish with the objects.
 * => prepare, detach: mmap lock held for writing; zap, finish: for reading is enough
 * => prepare: 0, MMK_ENOMEM, or MMK_EPERM: something is sealed; a mapping may be cut at start then
 */
MMK_MUST_CHECK int mmk_unmap_prepare(struct mmk_mm *mm, struct mmk_unmap *unmap, mmk_vaddr_t start,
                                     mmk_vaddr_t end) MMK_REQUIRES(mm->mmap_lock);
void mmk_unmap_detach(struct mmk_mm *mm, struct mmk_unmap *unmap) MMK_REQUIRES(mm->mmap_lock);
void mmk_unmap_zap(struct mmk_mm *mm, struct mmk_unmap *unmap) MMK_REQUIRES_SHARED(mm->mmap_lock);
void mmk_unmap_finish(struct mmk_unmap *unmap);
void mmk_unmap_cancel(struct mmk_unmap *unmap); /* instead of the last three */

/*
 * The part of finish that may drop an object's last reference: the VMAs that have left the tree,
 * for who does it later. => their entries are flushed: the object's pages are written back
 */
void mmk_unmap_free(struct mmk_vma *removed);

/*
 * Mappings in the range, or beside it, have changed between prepare and detach by unmapping
 * something else: what this one cuts may be less now.
 */
void mmk_unmap_renew(struct mmk_mm *mm, struct mmk_unmap *unmap) MMK_REQUIRES(mm->mmap_lock);

/*
 * All of it. => as prepare, 0 where nothing is mapped; start < end <= MMK_USER_END
 * => mmap lock held for writing; _and_unlock: let go of, before the zap turned into one for reading
 */
MMK_MUST_CHECK int mmk_unmap_locked(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES(mm->mmap_lock);
MMK_MUST_CHECK int mmk_unmap_and_unlock(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_RELEASES(mm->mmap_lock);

/*
 * Splits vma at addr, inside it; `upper`, blank, becomes the part above.
 * => mmap lock held for writing; two changes of the reserve
 */
void mmk_vma_split(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t addr, struct mmk_vma *upper,
                   struct mmk_vma_tree_reserve *reserve) MMK_REQUIRES(mm->mmap_lock);

/*
 * Splits the VMA that has addr inside, if one has: what Linux leaves behind where it has cut a
 * mapping and then refuses. Without memory it stays one.
 * => mmap lock held for writing; may sleep
 */
void mmk_vma_cut_at(struct mmk_mm *mm, mmk_vaddr_t addr) MMK_REQUIRES(mm->mmap_lock);

/* Which neighbours a VMA that is placed may be merged with. */
enum mmk_vma_merge { MMK_MERGE_NONE, MMK_MERGE_BELOW, MMK_MERGE_BOTH };

/*
 * Puts a VMA, allocated and in no tree, into the address space: by extending a neighbour (the VMA
 * is freed then) or as it is, closed (vma_seq.h).
 * => its range is free; mmap lock held for writing; two changes of the reserve; may sleep
 */
void mmk_vma_place(struct mmk_mm *mm, struct mmk_vma *vma, enum mmk_vma_merge merges,
                   struct mmk_vma_tree_reserve *reserve) MMK_REQUIRES(mm->mmap_lock);

/*
 * vma grows upwards to `end`, into a range that is free, and is merged with what it touches then.
 * => mmap lock held for writing; may sleep
 */
void mmk_vma_grow(struct mmk_mm *mm, struct mmk_vma *vma, mmk_vaddr_t end)
    MMK_REQUIRES(mm->mmap_lock);

/* What of one VMA gets other flags, and what cutting it may need. reshape.h makes them. */
struct mmk_vma_change {
    mmk_vaddr_t start, end;
    uint64_t flags;
    struct mmk_vma *spare;               /* blank, by `next`: as many as there may be cuts */
    struct mmk_vma_tree_reserve reserve; /* two changes a cut, as long as there is a spare */
};

/*
 * [start, end) of vma gets other flags: it is merged with what it touches then, or cut off from the
 * rest of vma. A part that a neighbour gets is not cut off first: the border between them moves,
 * which needs no spare and makes no mapping more.
 * => 0, or MMK_ENOMEM: there would be too many mappings; as on Linux it may be cut below then
 * => mmap lock held for writing; may sleep
 */
MMK_MUST_CHECK int mmk_vma_change(struct mmk_mm *mm, struct mmk_vma *vma,
                                  struct mmk_vma_change *change) MMK_REQUIRES(mm->mmap_lock);

/* Would changing a part of vma, as things are, move a border? => mmap lock held */
bool mmk_vma_moves_border(struct mmk_mm *mm, const struct mmk_vma *vma, mmk_vaddr_t start,
                          mmk_vaddr_t end, uint64_t flags) MMK_REQUIRES_SHARED(mm->mmap_lock);

/*
 * Where a mapping of `length` bytes goes: at *addr, a hint, if that is free, else in the highest
 * gap that fits.
 * => 0 with *addr set, or MMK_ENOMEM: no gap; mmap lock held
 */
MMK_MUST_CHECK int mmk_map_place(const struct mmk_mm *mm, mmk_vaddr_t *addr, uint64_t length)
    MMK_REQUIRES_SHARED(mm->mmap_lock);

/* Is anything mapped in [start, end)? => mmap lock held */
bool mmk_map_overlaps(const struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(mm->mmap_lock);

/*
 * addr lies below a mapping that grows down: extends it to addr if limit and gap allow.
 * => the mapping, with the mmap lock held for reading; NULL, *why SEGV_MAPERR or KILLED: without
 * => mmap lock not held; may sleep
 */
struct mmk_vma *mmk_stack_grow(struct mmk_mm *mm, mmk_vaddr_t addr, enum mmk_fault_result *why)
    MMK_TRY_ACQUIRES_SHARED(true, mm->mmap_lock);

#endif
