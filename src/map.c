/* SPDX-License-Identifier: MIT */
/*
 * map.c - mmap and brk.
 *
 * Decode: arguments, address, and everything that may be needed is allocated. Perform: what was
 * mapped there goes, the new VMA comes; the mmap lock is held for writing throughout, so that no
 * fault sees the hole in between.
 */
#include "map.h"

#include "account.h"
#include "object.h"
#include "physical.h"

/* Offsets in an object stay below this, as its size does. */
#define OFFSET_END (((uint64_t)1 << 63) - 1)

/* A mapping wanted: mmk_mmap()'s arguments, decoded. */
struct mapping {
    mmk_vaddr_t addr; /* fixed, or a hint; then where it goes */
    uint64_t length;  /* whole pages */
    uint64_t vm_flags;
    struct mmk_object *object;
    uint64_t offset; /* bytes, in the object */
    bool fixed, replace;
    bool at_once; /* entries are made now: mmk_map_frames() */
    int refused;  /* an error that comes after those of the place, as on Linux; 0: none */
};

/* --- decoding the arguments ------------------------------------------------------------------ */

/* The sharing type. => as Linux: unknown flags matter to SHARED_VALIDATE only */
static int decode_type(unsigned flags, const struct mmk_object *object, uint64_t *vm_flags)
{
    const unsigned known = MMK_MAP_TYPE | MMK_MAP_FIXED | MMK_MAP_ANONYMOUS | MMK_MAP_GROWSDOWN |
                           MMK_MAP_DENYWRITE | MMK_MAP_EXECUTABLE | MMK_MAP_NORESERVE |
                           MMK_MAP_STACK; /* FIXED_NOREPLACE is unknown to it on Linux, too */

    switch (flags & MMK_MAP_TYPE) {
    case MMK_MAP_SHARED_VALIDATE:
        if (!object)
            return MMK_EINVAL;
        if (flags & ~known)
            return MMK_EOPNOTSUPP;
        break;
    case MMK_MAP_SHARED:
        break;
    case MMK_MAP_PRIVATE:
        if (object && mmk_object_has_frames(object))
            return MMK_EINVAL;
        *vm_flags |= flags & MMK_MAP_GROWSDOWN ? MMK_VM_GROWSDOWN : 0;
        return object && (flags & MMK_MAP_GROWSDOWN) ? MMK_EINVAL : 0;
    default:
        return MMK_EINVAL;
    }
    *vm_flags |= MMK_VM_SHARED;
    return flags & MMK_MAP_GROWSDOWN ? MMK_EINVAL : 0;
}

static int decode_fixed(const struct mapping *map)
{
    if (map->addr > MMK_USER_END - map->length)
        return MMK_ENOMEM;
    if (map->addr & ~MMK_PAGE_MASK)
        return MMK_EINVAL;
    return map->addr < mmk_config.mmap_min_addr ? MMK_EPERM : 0;
}

static int decode(struct mapping *map, mmk_vaddr_t addr, uint64_t length, unsigned prot,
                  unsigned flags, struct mmk_object *object, uint64_t offset)
{
    if (offset & ~MMK_PAGE_MASK)
        return MMK_EINVAL;
    if (flags & MMK_MAP_ANONYMOUS)
        object = NULL;
    else if (!object)
        return MMK_EINVAL;
    if (length == 0 || (prot & ~(unsigned)MMK_VM_PROT))
        return MMK_EINVAL;
    map->addr = addr;
    map->length = mmk_page_up(length);
    map->object = object;
    map->offset = object ? offset : 0;
    map->fixed = (flags & (MMK_MAP_FIXED | MMK_MAP_FIXED_NOREPLACE)) != 0;
    map->replace = !(flags & MMK_MAP_FIXED_NOREPLACE);
    map->vm_flags = prot | MMK_VM_MAY;
    if ((flags & MMK_MAP_NORESERVE) && mmk_config.overcommit != MMK_OVERCOMMIT_NEVER)
        map->vm_flags |= MMK_VM_NORESERVE;
    map->at_once = false;
    if (map->length == 0 || map->length > MMK_USER_END)
        return MMK_ENOMEM;
    if (object && offset > OFFSET_END - map->length)
        map->refused = MMK_EOVERFLOW;
    else
        map->refused = decode_type(flags, object, &map->vm_flags);
    map->vm_flags = mmk_account_flags(map->vm_flags);
    return map->fixed ? decode_fixed(map) : 0;
}

/* --- choosing an address --------------------------------------------------------------------- */

/* Where the gap below `vma` ends: a mapping that grows down keeps room. */
static mmk_vaddr_t gap_limit(const struct mmk_vma *vma)
{
    mmk_vaddr_t start = mmk_vma_start(vma);

    if (!(mmk_vma_flags(vma) & MMK_VM_GROWSDOWN))
        return start;
    return start > mmk_config.stack_guard_gap ? start - mmk_config.stack_guard_gap : 0;
}

/* Nothing is mapped in [start, end), nor does a stack need it as its gap. */
static bool is_free(const struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
{
    const struct mmk_vma *vma = mmk_vma_tree_find_rcu(&mm->vmas, start);

    return !vma || gap_limit(vma) >= end;
}

/* The highest place below `high`. */
static bool find_gap(const struct mmk_mm *mm, mmk_vaddr_t high, uint64_t length, mmk_vaddr_t *start)
{
    mmk_vaddr_t low = mmk_config.mmap_min_addr;

    while (mmk_vma_tree_gap(&mm->vmas, low, high, length, start)) {
        const struct mmk_vma *above = mmk_vma_tree_find_rcu(&mm->vmas, *start);

        if (!above || gap_limit(above) >= *start + length)
            return true;
        high = gap_limit(above);
    }
    return false;
}

/* A hint counts when it is free, and wholly below or wholly above the window's end, as on Linux. */
static bool take_hint(const struct mmk_mm *mm, struct mapping *map)
{
    mmk_vaddr_t hint = map->addr;

    if (hint != 0 && hint < mmk_config.mmap_min_addr)
        hint = mmk_config.mmap_min_addr;
    if (hint == 0 || hint > MMK_USER_END - map->length ||
        (hint > MMK_MAP_WINDOW) != (hint + map->length > MMK_MAP_WINDOW) ||
        !is_free(mm, hint, hint + map->length))
        return false;
    map->addr = hint;
    return true;
}

/* => mmap lock held */
static int choose_address(const struct mmk_mm *mm, struct mapping *map)
{
    mmk_vaddr_t beyond;

    map->addr = mmk_page_down(map->addr);
    beyond = map->addr > MMK_MAP_WINDOW ? MMK_USER_END - MMK_MAP_WINDOW : 0;
    if (take_hint(mm, map) || find_gap(mm, mm->mmap_base + beyond, map->length, &map->addr) ||
        find_gap(mm, MMK_MAP_WINDOW + beyond, map->length, &map->addr))
        return 0;
    return MMK_ENOMEM;
}

/* --- performing ------------------------------------------------------------------------------ */

/* => mmap lock held */
static bool overlaps(const struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
{
    const struct mmk_vma *vma = mmk_vma_tree_find_rcu(&mm->vmas, start);

    return vma && mmk_vma_start(vma) < end;
}

static void unmap_now(struct mmk_mm *mm, struct mmk_unmap *unmap)
{
    mmk_unmap_detach(mm, unmap);
    mmk_unmap_zap(mm, unmap);
    mmk_unmap_finish(unmap);
}

static struct mmk_vma *alloc_vma(struct mmk_mm *mm, const struct mapping *map)
{
    return mmk_vma_alloc(mm, map->addr, map->addr + map->length, map->vm_flags, map->object,
                         map->object ? map->addr - map->offset : 0);
}

/* Maps where map->addr says, in place of what is there. => mmap lock held for writing */
static int map_locked(struct mmk_mm *mm, const struct mapping *map)
{
    struct mmk_vma_tree_reserve reserve;
    struct mmk_unmap unmap = {.gone = {0}};
    bool replaces = overlaps(mm, map->addr, map->addr + map->length);
    struct mmk_vma *vma = alloc_vma(mm, map);
    int error = 0;

    if (!vma)
        return MMK_ENOMEM;
    if (replaces)
        error = mmk_unmap_prepare(mm, &unmap, map->addr, map->addr + map->length);
    if (error) {
        mmk_vma_free(vma);
        return error;
    }
    if (mmk_account_ask_replace(mm, map->vm_flags, map->length, &unmap.gone) ||
        mmk_vma_tree_reserve(&mm->vmas, 2, &reserve)) {
        if (replaces)
            mmk_unmap_cancel(&unmap);
        mmk_vma_free(vma);
        return MMK_ENOMEM;
    }
    if (map->at_once &&
        mmk_physical_fill(mm, map->addr, map->addr + map->length, map->vm_flags, map->offset)) {
        mmk_vma_tree_unreserve(&reserve);
        mmk_vma_free(vma);
        return MMK_ENOMEM;
    }
    if (replaces)
        unmap_now(mm, &unmap);
    mmk_vma_place(mm, vma, &reserve);
    mmk_vma_tree_unreserve(&reserve);
    return 0;
}

static int map_anywhere(struct mmk_mm *mm, struct mapping *map)
{
    int error;

    mmk_rw_write_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    if (!map->fixed)
        error = choose_address(mm, map);
    else
        error = !map->replace && overlaps(mm, map->addr, map->addr + map->length) ? MMK_EEXIST : 0;
    if (!error)
        error = map->refused ? map->refused : map_locked(mm, map);
    mmk_account_settle(mm);
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return error;
}

int64_t mmk_mmap(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, unsigned prot,
                 unsigned flags, struct mmk_object *object, uint64_t offset)
{
    struct mmk_object *own = NULL; /* shared anonymous memory */
    struct mapping map;
    int error = decode(&map, addr, length, prot, flags, object, offset);

    if (error)
        return error;
    if (!map.refused && !map.object && (map.vm_flags & MMK_VM_SHARED)) {
        error = mmk_object_create(NULL, map.length, NULL, &own);
        if (error)
            return error;
        map.object = own;
    }
    error = map_anywhere(mm, &map);
    if (own)
        mmk_object_put(own);
    return error ? error : (int64_t)map.addr;
}

int64_t mmk_map_frames(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, unsigned prot,
                       unsigned flags, mmk_paddr_t phys)
{
    struct mapping map;
    int error;

    if (phys >= MMK_PHYS_END || length > MMK_PHYS_END - phys || prot == MMK_PROT_NONE ||
        (flags & ~(unsigned)MMK_MAP_FIXED))
        return MMK_EINVAL;
    error = decode(&map, addr, length, prot, MMK_MAP_SHARED | flags, mmk_physical_object(), phys);
    if (error)
        return error;
    map.replace = false;
    map.at_once = true;
    error = map_anywhere(mm, &map);
    return error ? error : (int64_t)map.addr;
}

/* --- brk ------------------------------------------------------------------------------------- */

int mmk_set_brk(struct mmk_mm *mm, mmk_vaddr_t start)
{
    if (start > MMK_USER_END)
        return MMK_EINVAL;
    mmk_rw_write_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    mm->brk_start = mm->brk = start;
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return 0;
}

/* => mmap lock held for writing; from < to <= MMK_USER_END, page multiples */
static int grow_brk(struct mmk_mm *mm, mmk_vaddr_t from, mmk_vaddr_t to)
{
    struct mapping map = {.addr = from,
                          .length = to - from,
                          .vm_flags = MMK_VM_READ | MMK_VM_WRITE | MMK_VM_MAY | MMK_VM_ACCOUNT,
                          .fixed = true,
                          .replace = false};

    if (from < mmk_config.mmap_min_addr || !is_free(mm, from, to + MMK_PAGE_SIZE))
        return MMK_ENOMEM;
    return map_locked(mm, &map);
}

/* => as grow_brk() */
static int shrink_brk(struct mmk_mm *mm, mmk_vaddr_t from, mmk_vaddr_t to)
{
    struct mmk_unmap unmap;
    int error;

    if (!overlaps(mm, from, to))
        return MMK_EINVAL; /* as Linux: the program has unmapped it by itself */
    error = mmk_unmap_prepare(mm, &unmap, from, to);

    if (!error)
        unmap_now(mm, &unmap);
    return error;
}

mmk_vaddr_t mmk_brk(struct mmk_mm *mm, mmk_vaddr_t brk)
{
    mmk_vaddr_t old, from, to = mmk_page_up(brk);
    int error = 0;

    mmk_rw_write_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    old = mm->brk;
    from = mmk_page_up(old);
    if (brk < mm->brk_start || brk > MMK_USER_END)
        error = MMK_EINVAL;
    else if (to > from)
        error = grow_brk(mm, from, to);
    else if (to < from)
        error = shrink_brk(mm, to, from);
    if (!error)
        mm->brk = brk;
    old = mm->brk;
    mmk_account_settle(mm);
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return old;
}
