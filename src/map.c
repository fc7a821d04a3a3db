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
#include "populate.h"
#include "vma_seq.h"

/* Offsets in an object stay below this, as its size does. */
#define OFFSET_END (((uint64_t)1 << 63) - 1)

/* What MMK_MAP_32BIT chooses from, as on Linux. */
#define LOW_START ((uint64_t)1 << 30)
#define LOW_END   ((uint64_t)2 << 30)

/* What MMK_MAP_ABOVE4G does not choose from. */
#define ABOVE_4G ((uint64_t)4 << 30)

/* The size of huge pages, beside HUGETLB (MAP_HUGE_SHIFT of Linux); without it nobody looks. */
#define HUGE_SIZE_BITS 0x7c000000u

/* What MMK_MAP_SHARED_VALIDATE knows. FIXED_NOREPLACE and SYNC are unknown to it on Linux, too. */
#define KNOWN_FLAGS                                                                                \
    (MMK_MAP_TYPE | MMK_MAP_FIXED | MMK_MAP_ANONYMOUS | MMK_MAP_32BIT | MMK_MAP_ABOVE4G |          \
     MMK_MAP_GROWSDOWN | MMK_MAP_DENYWRITE | MMK_MAP_EXECUTABLE | MMK_MAP_LOCKED |                 \
     MMK_MAP_NORESERVE | MMK_MAP_POPULATE | MMK_MAP_NONBLOCK | MMK_MAP_STACK | HUGE_SIZE_BITS)

/* A mapping wanted: mmk_mmap()'s arguments, decoded. */
struct mapping {
    mmk_vaddr_t addr; /* fixed, or a hint; then where it goes */
    uint64_t length;  /* whole pages */
    uint64_t vm_flags;
    struct mmk_object *object;
    uint64_t offset;  /* bytes, in the object */
    uint64_t commits; /* bytes, of an object that was made for this mapping */
    unsigned flags;   /* MMK_MAP_* */
    unsigned mode;    /* MMK_OPEN_* */
    enum mmk_vma_merge merges;
    bool at_once; /* entries are made now: mmk_map_frames() */
    int refused;  /* an error that comes after those of the place, as on Linux; 0: none */
};

/* --- decoding the arguments ------------------------------------------------------------------ */

/* The type of a mapping without object; MMK_MAP_SHARED will get one. */
static int decode_anon(struct mapping *map)
{
    bool grows = (map->flags & MMK_MAP_GROWSDOWN) != 0;

    switch (map->flags & MMK_MAP_TYPE) {
    case MMK_MAP_SHARED:
        map->vm_flags |= MMK_VM_SHARED;
        return grows ? MMK_EINVAL : 0;
    case MMK_MAP_PRIVATE:
        map->vm_flags |= grows ? MMK_VM_GROWSDOWN : 0;
        return 0;
    default:
        return MMK_EINVAL;
    }
}

/* What the object was not opened for is refused now, and to mprotect later. */
static int decode_mode(struct mapping *map)
{
    if ((map->vm_flags & MMK_VM_SHARED) && !(map->mode & MMK_OPEN_WRITE)) {
        if (map->vm_flags & MMK_VM_WRITE)
            return MMK_EACCES;
        map->vm_flags &= ~(uint64_t)MMK_VM_MAYWRITE;
    }
    if (!(map->mode & MMK_OPEN_READ))
        return MMK_EACCES;
    if (!(map->mode & MMK_OPEN_WRITE))
        map->vm_flags |= MMK_VM_READER;
    if (!(map->mode & MMK_OPEN_EXEC)) {
        if (map->vm_flags & MMK_VM_EXEC)
            return MMK_EPERM;
        map->vm_flags &= ~(uint64_t)MMK_VM_MAYEXEC;
    }
    return 0;
}

/* => as Linux: unknown flags matter to SHARED_VALIDATE only */
static int decode_object(struct mapping *map)
{
    int error;

    switch (map->flags & MMK_MAP_TYPE) {
    case MMK_MAP_SHARED_VALIDATE:
        if (map->flags & ~(unsigned)KNOWN_FLAGS)
            return MMK_EOPNOTSUPP;
        map->vm_flags |= MMK_VM_SHARED;
        break;
    case MMK_MAP_SHARED:
        map->vm_flags |= MMK_VM_SHARED;
        break;
    case MMK_MAP_PRIVATE:
        break;
    default:
        return MMK_EINVAL;
    }
    error = decode_mode(map);
    if (error)
        return error;
    if (map->flags & MMK_MAP_GROWSDOWN)
        return MMK_EINVAL;
    if (!(map->vm_flags & MMK_VM_SHARED) && mmk_object_has_frames(map->object))
        return MMK_EINVAL;
    return (map->flags & MMK_MAP_SYNC) && map->object->ops ? MMK_EOPNOTSUPP : 0;
}

/* Type, protection, object. => 0, or an error that is reported after those of the place */
static int decode_kind(struct mapping *map)
{
    if (map->object && map->offset > OFFSET_END - map->length)
        return MMK_EOVERFLOW;
    return map->object ? decode_object(map) : decode_anon(map);
}

/* => the errors that come before those of the place */
static int decode(struct mapping *map, unsigned prot)
{
    if (map->flags & MMK_MAP_ANONYMOUS)
        map->object = NULL;
    else if (!map->object)
        return MMK_EINVAL;
    if ((map->offset & ~MMK_PAGE_MASK) || (map->flags & MMK_MAP_HUGETLB) || map->length == 0 ||
        (prot & ~(unsigned)MMK_VM_PROT) || (map->mode & ~(unsigned)MMK_OPEN_ALL))
        return MMK_EINVAL;
    map->length = mmk_page_up(map->length);
    if (map->length == 0 || map->length > MMK_USER_END)
        return MMK_ENOMEM;
    map->vm_flags = prot | MMK_VM_MAY;
    if ((map->flags & MMK_MAP_NORESERVE) && mmk_config.overcommit != MMK_OVERCOMMIT_NEVER)
        map->vm_flags |= MMK_VM_NORESERVE;
    map->vm_flags |= (map->flags & MMK_MAP_STACK ? MMK_VM_NOHUGEPAGE : 0) |
                     (map->flags & MMK_MAP_SYNC ? MMK_VM_SYNC : 0);
    if (!map->object)
        map->offset = 0;
    map->refused = decode_kind(map);
    map->vm_flags = mmk_account_flags(map->vm_flags);
    return 0;
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
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    const struct mmk_vma *vma = mmk_mm_find_vma(mm, start);

    return !vma || gap_limit(vma) >= end;
}

/* The highest place in [low, high). */
static bool find_gap(const struct mmk_mm *mm, mmk_vaddr_t low, mmk_vaddr_t high, uint64_t length,
                     mmk_vaddr_t *start) MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    low = mmk_max(low, mmk_config.mmap_min_addr);
    while (mmk_vma_tree_gap(&mm->vmas, low, high, length, start)) {
        const struct mmk_vma *above = mmk_mm_find_vma(mm, *start);

        if (!above || gap_limit(above) >= *start + length)
            return true;
        high = gap_limit(above);
    }
    return false;
}

/* A hint counts when it is free, and wholly below or wholly above the window's end, as on Linux. */
static bool take_hint(const struct mmk_mm *mm, struct mapping *map, mmk_vaddr_t end)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    mmk_vaddr_t hint = map->addr;

    if (hint != 0 && hint < mmk_config.mmap_min_addr)
        hint = mmk_config.mmap_min_addr;
    if (hint == 0 || map->length > end || hint > end - map->length ||
        (hint > MMK_MAP_WINDOW) != (hint + map->length > MMK_MAP_WINDOW) ||
        !is_free(mm, hint, hint + map->length))
        return false;
    map->addr = hint;
    return true;
}

/* MMK_MAP_32BIT. => mmap lock held */
static int choose_low(const struct mmk_mm *mm, struct mapping *map)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    return take_hint(mm, map, LOW_END) || find_gap(mm, LOW_START, LOW_END, map->length, &map->addr)
               ? 0
               : MMK_ENOMEM;
}

/* => mmap lock held */
static int choose_address(const struct mmk_mm *mm, struct mapping *map)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    mmk_vaddr_t low = map->flags & MMK_MAP_ABOVE4G ? ABOVE_4G : 0, beyond;

    map->addr = mmk_page_down(map->addr);
    if (map->flags & MMK_MAP_32BIT)
        return choose_low(mm, map);
    beyond = map->addr > MMK_MAP_WINDOW ? MMK_USER_END - MMK_MAP_WINDOW : 0;
    if (take_hint(mm, map, MMK_USER_END) ||
        find_gap(mm, low, mm->mmap_base + beyond, map->length, &map->addr) ||
        find_gap(mm, low, MMK_MAP_WINDOW + beyond, map->length, &map->addr))
        return 0;
    return MMK_ENOMEM;
}

int mmk_map_place(const struct mmk_mm *mm, mmk_vaddr_t *addr, uint64_t length)
{
    struct mapping map = {.addr = *addr, .length = length};
    int error = choose_address(mm, &map);

    *addr = map.addr;
    return error;
}

static int check_fixed(const struct mmk_mm *mm, const struct mapping *map)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    if (map->addr > MMK_USER_END - map->length)
        return MMK_ENOMEM;
    if (map->addr & ~MMK_PAGE_MASK)
        return MMK_EINVAL;
    if (map->addr < mmk_config.mmap_min_addr)
        return MMK_EPERM;
    if ((map->flags & MMK_MAP_FIXED_NOREPLACE) &&
        mmk_map_overlaps(mm, map->addr, map->addr + map->length))
        return MMK_EEXIST;
    return 0;
}

/* Where it goes. => mmap lock held */
static int place(const struct mmk_mm *mm, struct mapping *map) MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    if (!mmk_account_ask_maps(mm, 0))
        return MMK_ENOMEM;
    if (map->flags & (MMK_MAP_FIXED | MMK_MAP_FIXED_NOREPLACE))
        return check_fixed(mm, map);
    return choose_address(mm, map);
}

/* --- performing ------------------------------------------------------------------------------ */

static void unmap_now(struct mmk_mm *mm, struct mmk_unmap *unmap) MMK_REQUIRES(mm->mmap_lock)
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

/* An object of its own: it, not its mappings, counts as committed, until it goes. */
static int commit_own(const struct mapping *map)
{
    int error;

    if (map->commits == 0)
        return 0;
    error = mmk_commit_take(map->commits);
    if (!error)
        map->object->committed = map->commits;
    return error;
}

/* Linux has cut what the mapping would replace before it looks at limits. */
static void cut_ends(struct mmk_mm *mm, const struct mapping *map) MMK_REQUIRES(mm->mmap_lock)
{
    mmk_vma_cut_at(mm, map->addr);
    mmk_vma_cut_at(mm, map->addr + map->length);
}

/* Maps where map->addr says, in place of what is there. => mmap lock held for writing */
static int map_locked(struct mmk_mm *mm, const struct mapping *map) MMK_REQUIRES(mm->mmap_lock)
{
    struct mmk_vma_tree_reserve reserve;
    struct mmk_unmap unmap = {.gone = {0}};
    bool replaces = mmk_map_overlaps(mm, map->addr, map->addr + map->length);
    struct mmk_vma *vma = alloc_vma(mm, map);
    bool refused;
    int error = 0;

    if (!vma)
        return MMK_ENOMEM;
    if (replaces)
        error = mmk_unmap_prepare(mm, &unmap, map->addr, map->addr + map->length);
    if (error) {
        mmk_vma_free(vma);
        return error;
    }
    refused = mmk_account_ask_replace(mm, map->vm_flags, map->length, &unmap.gone) != 0;
    if (refused || commit_own(map) || mmk_vma_tree_reserve(mmk_mm_vmas(mm), 2, &reserve)) {
        if (replaces)
            mmk_unmap_cancel(&unmap);
        if (refused)
            cut_ends(mm, map);
        mmk_vma_free(vma);
        return MMK_ENOMEM;
    }
    if (map->at_once)
        error =
            mmk_physical_fill(mm, map->addr, map->addr + map->length, map->vm_flags, map->offset);
    if (error) {
        mmk_vma_tree_unreserve(&reserve);
        mmk_vma_free(vma);
        return error;
    }
    if (replaces)
        unmap_now(mm, &unmap);
    mmk_vma_place(mm, vma, map->merges, &reserve);
    mmk_vma_open_at(mm, map->addr);
    mmk_vma_tree_unreserve(&reserve);
    return 0;
}

/* Decides whether it will be locked; frames that are not mmkit's never are. */
static int ask_lock(const struct mmk_mm *mm, struct mapping *map) MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    bool asked = (map->flags & MMK_MAP_LOCKED) != 0;

    map->vm_flags |= mm->def_flags | (asked ? MMK_VM_LOCKED : 0);
    if (asked && !mmk_account_may_lock(mm))
        return MMK_EPERM;
    if ((map->vm_flags & MMK_VM_LOCKED) && !mmk_account_ask_lock(mm, map->length))
        return MMK_EAGAIN;
    if (map->object && mmk_object_has_frames(map->object))
        map->vm_flags &= ~(uint64_t)MMK_VM_LOCK;
    return 0;
}

/* => mmap lock held for writing; errors in the order of Linux's do_mmap() */
static int map_anywhere_locked(struct mmk_mm *mm, struct mapping *map) MMK_REQUIRES(mm->mmap_lock)
{
    int error = place(mm, map);

    if (!error)
        error = ask_lock(mm, map);
    if (!error)
        error = map->refused;
    if (!error && mmk_limit_refuses_exec(mm, map->vm_flags, map->vm_flags))
        error = MMK_EACCES;
    return error ? error : map_locked(mm, map);
}

static bool wants_pages(const struct mapping *map)
{
    return (map->vm_flags & MMK_VM_LOCKED) ||
           (map->flags & (MMK_MAP_POPULATE | MMK_MAP_NONBLOCK)) == MMK_MAP_POPULATE;
}

static int map_anywhere(struct mmk_mm *mm, struct mapping *map)
{
    int error = mmk_mm_write_lock(mm);

    if (error)
        return error;
    error = map_anywhere_locked(mm, map);
    mmk_account_settle(mm);
    if (error || !wants_pages(map)) {
        mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
        return error;
    }
    mmk_rw_downgrade(&mm->mmap_lock);
    mmk_populate_try_locked(mm, map->addr, map->addr + map->length);
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return 0;
}

int64_t mmk_mmap_file(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, unsigned prot,
                      unsigned flags, struct mmk_object *object, uint64_t offset, unsigned mode)
{
    struct mapping map = {.addr = addr,
                          .length = length,
                          .object = object,
                          .offset = offset,
                          .flags = flags,
                          .mode = mode,
                          .merges = MMK_MERGE_BOTH};
    struct mmk_object *own = NULL;
    int error = decode(&map, prot);

    if (error)
        return error;
    if (!map.refused && !map.object && (map.vm_flags & MMK_VM_SHARED)) {
        error = mmk_object_create(NULL, map.length, NULL, &own);
        if (error)
            return error;
        if (mmk_config.huge_shared)
            mmk_object_offer_huge(own);
        map.object = own;
        map.commits = map.vm_flags & MMK_VM_NORESERVE ? 0 : map.length;
    }
    error = map_anywhere(mm, &map);
    if (own)
        mmk_object_put(own);
    return error ? error : (int64_t)map.addr;
}

int64_t mmk_mmap(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, unsigned prot,
                 unsigned flags, struct mmk_object *object, uint64_t offset)
{
    return mmk_mmap_file(mm, addr, length, prot, flags, object, offset, MMK_OPEN_ALL);
}

int64_t mmk_map_frames(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, unsigned prot,
                       unsigned flags, mmk_paddr_t phys)
{
    struct mapping map = {.addr = addr,
                          .length = length,
                          .object = mmk_physical_object(),
                          .offset = phys,
                          .flags = MMK_MAP_SHARED,
                          .mode = MMK_OPEN_ALL,
                          .at_once = true};
    int error;

    if (phys >= MMK_PHYS_END || length > MMK_PHYS_END - phys || prot == MMK_PROT_NONE ||
        (flags & ~(unsigned)MMK_MAP_FIXED))
        return MMK_EINVAL;
    if (flags & MMK_MAP_FIXED)
        map.flags |= MMK_MAP_FIXED_NOREPLACE;
    error = decode(&map, prot);
    if (!error)
        error = map_anywhere(mm, &map);
    return error ? error : (int64_t)map.addr;
}

/* --- brk ------------------------------------------------------------------------------------- */

int mmk_set_brk(struct mmk_mm *mm, mmk_vaddr_t start)
{
    int error;

    if (start > MMK_USER_END)
        return MMK_EINVAL;
    error = mmk_mm_write_lock(mm);
    if (error)
        return error;
    mm->brk_start = mm->brk = start;
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return 0;
}

/* => mmap lock held for writing; from < to <= MMK_USER_END, page multiples */
static int grow_brk(struct mmk_mm *mm, mmk_vaddr_t from, mmk_vaddr_t to) MMK_REQUIRES(mm->mmap_lock)
{
    struct mapping map = {.addr = from,
                          .length = to - from,
                          .vm_flags = MMK_VM_READ | MMK_VM_WRITE | MMK_VM_MAY | MMK_VM_ACCOUNT,
                          .flags = MMK_MAP_FIXED};
    int error;

    /* As on Linux the heap goes on where it ends, and is not merged with what comes behind. */
    if (from > mm->brk_start)
        map.merges = MMK_MERGE_BELOW;

    if (!mmk_account_ask_maps(mm, 0) || from < mmk_config.mmap_min_addr ||
        !is_free(mm, from, to + MMK_PAGE_SIZE))
        return MMK_ENOMEM;
    error = ask_lock(mm, &map);
    return error ? error : map_locked(mm, &map);
}

/* => as grow_brk() */
static int shrink_brk(struct mmk_mm *mm, mmk_vaddr_t from, mmk_vaddr_t to)
    MMK_REQUIRES(mm->mmap_lock)
{
    if (!mmk_map_overlaps(mm, from, to))
        return MMK_EINVAL; /* as Linux: the program has unmapped it by itself */
    return mmk_unmap_locked(mm, from, to);
}

/* => mmap lock held for writing */
static int move_brk(struct mmk_mm *mm, mmk_vaddr_t brk) MMK_REQUIRES(mm->mmap_lock)
{
    mmk_vaddr_t from = mmk_page_up(mm->brk), to = mmk_page_up(brk);
    int error = 0;

    if (brk < mm->brk_start || brk > MMK_USER_END ||
        brk - mm->brk_start > mm->limit[MMK_LIMIT_DATA]) /* to shrink as well, as on Linux */
        return MMK_EINVAL;
    if (to > from)
        error = grow_brk(mm, from, to);
    else if (to < from)
        error = shrink_brk(mm, to, from);
    if (!error)
        mm->brk = brk;
    return error;
}

mmk_vaddr_t mmk_brk(struct mmk_mm *mm, mmk_vaddr_t brk)
{
    mmk_vaddr_t from, to;
    int error = mmk_mm_write_lock(mm);

    if (error)
        return (mmk_vaddr_t)(int64_t)error;
    from = mmk_page_up(mm->brk);
    error = move_brk(mm, brk);
    brk = mm->brk;
    to = mmk_page_up(brk);
    mmk_account_settle(mm);
    if (error || to <= from || !(mm->def_flags & MMK_VM_LOCKED)) {
        mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
        return brk;
    }
    mmk_rw_downgrade(&mm->mmap_lock);
    mmk_populate_try_locked(mm, from, to);
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return brk;
}
