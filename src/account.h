/* SPDX-License-Identifier: MIT */
/*
 * account.h - what mappings count for, and whether there may be more of them.
 *
 * Whoever changes mappings, with the mmap lock held for writing:
 *
 *   asks      last of all that may fail:         error = mmk_account_ask(mm, flags, bytes);
 *   counts    beside each change of a VMA:       mmk_account_come(mm, flags, bytes); _turn
 *   settles   once, before the lock is let go:   mmk_account_settle(mm);
 *
 * Counting and settling cannot fail. An operation that fails after it has asked just settles.
 * mmk_vma_place(), mmk_unmap_detach() and mmk_vma_change() count by themselves; splitting and
 * merging change nothing. `flags` are always those of the mapping, MMK_VM_*.
 */
#ifndef MMK_SRC_ACCOUNT_H
#define MMK_SRC_ACCOUNT_H

#include "core.h"
#include "mm.h"

/* The flags of a mapping, with ACCOUNT where it counts as committed: private, once writable. */
MMK_ALWAYS_INLINE uint64_t mmk_account_flags(uint64_t flags)
{
    const uint64_t kind = MMK_VM_WRITE | MMK_VM_SHARED | MMK_VM_NORESERVE;

    return (flags & kind) == MMK_VM_WRITE ? flags | MMK_VM_ACCOUNT : flags;
}

/* Private, writable, no stack: what MMK_LIMIT_DATA is about. */
MMK_ALWAYS_INLINE bool mmk_account_is_data(uint64_t flags)
{
    return (flags & (MMK_VM_WRITE | MMK_VM_SHARED | MMK_VM_GROWSDOWN)) == MMK_VM_WRITE;
}

/* Adds what `bytes` mapped with `flags` count for; a negative number takes it off. */
MMK_ALWAYS_INLINE void mmk_usage_add(struct mmk_usage *usage, uint64_t flags, int64_t bytes)
{
    usage->virt += (uint64_t)bytes;
    if (mmk_account_is_data(flags))
        usage->data += (uint64_t)bytes;
    else if (flags & MMK_VM_GROWSDOWN)
        usage->stack += (uint64_t)bytes;
    if (flags & MMK_VM_LOCKED)
        usage->locked += (uint64_t)bytes;
    if (flags & MMK_VM_ACCOUNT)
        usage->committed += (uint64_t)bytes;
}

MMK_ALWAYS_INLINE void mmk_usage_sub(struct mmk_usage *usage, const struct mmk_usage *gone)
{
    usage->virt -= gone->virt;
    usage->data -= gone->data;
    usage->stack -= gone->stack;
    usage->locked -= gone->locked;
    usage->committed -= gone->committed;
}

/* `bytes` get other flags; SHARED and GROWSDOWN are never among what changes. */
MMK_ALWAYS_INLINE void mmk_usage_turn(struct mmk_usage *usage, uint64_t old_flags, uint64_t flags,
                                      uint64_t bytes)
{
    uint64_t changed = flags ^ old_flags;

    if ((changed & MMK_VM_WRITE) && mmk_account_is_data(flags | MMK_VM_WRITE))
        usage->data += flags & MMK_VM_WRITE ? bytes : 0 - bytes;
    if (changed & MMK_VM_LOCKED)
        usage->locked += flags & MMK_VM_LOCKED ? bytes : 0 - bytes;
    if (changed & MMK_VM_ACCOUNT)
        usage->committed += flags & MMK_VM_ACCOUNT ? bytes : 0 - bytes;
}

/* `bytes` mapped with `flags` have come; what counts for `gone` has gone; has other flags now. */
MMK_ALWAYS_INLINE void mmk_account_come(struct mmk_mm *mm, uint64_t flags, uint64_t bytes)
    MMK_REQUIRES(mm->mmap_lock)
{
    mmk_usage_add(&mm->usage, flags, (int64_t)bytes);
}

MMK_ALWAYS_INLINE void mmk_account_go(struct mmk_mm *mm, const struct mmk_usage *gone)
    MMK_REQUIRES(mm->mmap_lock)
{
    mmk_usage_sub(&mm->usage, gone);
}

MMK_ALWAYS_INLINE void mmk_account_turn(struct mmk_mm *mm, uint64_t old_flags, uint64_t flags,
                                        uint64_t bytes) MMK_REQUIRES(mm->mmap_lock)
{
    mmk_usage_turn(&mm->usage, old_flags, flags, bytes);
}

/*
 * May `bytes` more be mapped with `flags`? Looks at MMK_LIMIT_AS, MMK_LIMIT_DATA and the commit
 * limit; at LOCKED no: mmk_account_ask_lock() does, whose errors differ by call. With _replace
 * they take the place of mappings that count for `gone`, of the same range or less.
 * => 0, or MMK_ENOMEM; what is committed is kept for this operation until it settles
 */
MMK_MUST_CHECK int mmk_account_ask_replace(struct mmk_mm *mm, uint64_t flags, uint64_t bytes,
                                           const struct mmk_usage *gone)
    MMK_REQUIRES(mm->mmap_lock);
MMK_MUST_CHECK int mmk_account_ask(struct mmk_mm *mm, uint64_t flags, uint64_t bytes)
    MMK_REQUIRES(mm->mmap_lock);

/*
 * The same for `bytes` with `old_flags` that are to have `flags`; for several VMAs in turn `next`
 * starts as mm->usage and becomes what mm->usage will be.
 */
MMK_MUST_CHECK int mmk_account_ask_turn(struct mmk_mm *mm, struct mmk_usage *next,
                                        uint64_t old_flags, uint64_t flags, uint64_t bytes)
    MMK_REQUIRES(mm->mmap_lock);

/* As _ask, when what counts for `gone` will have gone. */
MMK_MUST_CHECK int mmk_account_ask_without(struct mmk_mm *mm, uint64_t flags, uint64_t bytes,
                                           const struct mmk_usage *gone)
    MMK_REQUIRES(mm->mmap_lock);

/* Only whether the limits of the address space allow it; what is committed is not asked for. */
bool mmk_account_fits(const struct mmk_mm *mm, uint64_t flags, uint64_t bytes)
    MMK_REQUIRES_SHARED(mm->mmap_lock);

/* The commit limit alone: for a child's copy of a mapping that the parent has. => as _ask */
MMK_MUST_CHECK int mmk_account_ask_copy(struct mmk_mm *child, uint64_t flags, uint64_t bytes)
    MMK_REQUIRES(child->mmap_lock);

/* May `bytes` more be locked? MMK_LIMIT_MEMLOCK. => mmap lock held; the error is the caller's */
bool mmk_account_ask_lock(const struct mmk_mm *mm, uint64_t bytes)
    MMK_REQUIRES_SHARED(mm->mmap_lock);

/* May anything be locked at all? => mmap lock held; else the error is MMK_EPERM */
MMK_ALWAYS_INLINE bool mmk_account_may_lock(const struct mmk_mm *mm)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    return mm->lock_privilege || mm->limit[MMK_LIMIT_MEMLOCK] != 0;
}

/*
 * May there be `more` mappings? On Linux an operation that splits asks for one more, at the moment
 * of each split; mmap and brk, which may merge, ask for none, and so get one beyond the limit, or
 * two, where they are refused after their range was cut out of what lies at both its ends.
 * => mmap lock held; the error is MMK_ENOMEM
 */
MMK_ALWAYS_INLINE bool mmk_account_ask_maps(const struct mmk_mm *mm, unsigned more)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    return mm->vmas.count + more <= mmk_config.max_map_count;
}

void mmk_account_settle_slow(struct mmk_mm *mm) MMK_REQUIRES(mm->mmap_lock);

/* What the library counts as committed becomes what mm->usage says. => mmap lock for writing */
MMK_ALWAYS_INLINE void mmk_account_settle(struct mmk_mm *mm) MMK_REQUIRES(mm->mmap_lock)
{
    if (mm->charged != mm->usage.committed)
        mmk_account_settle_slow(mm);
}

/* The limits of a new address space, and a child's. limit.c */
void mmk_limit_init_mm(struct mmk_mm *mm);
void mmk_limit_inherit(struct mmk_mm *child, const struct mmk_mm *parent)
    MMK_REQUIRES(child->mmap_lock) MMK_REQUIRES_SHARED(parent->mmap_lock);

/* Does a policy refuse `flags` where `old_flags` were? A new mapping is compared with itself. */
MMK_ALWAYS_INLINE bool mmk_limit_refuses_exec(const struct mmk_mm *mm, uint64_t old_flags,
                                              uint64_t flags) MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    return mmk_unlikely(mm->mdwe != 0) && (flags & MMK_VM_EXEC) &&
           ((flags & MMK_VM_WRITE) || !(old_flags & MMK_VM_EXEC));
}

/* The address space ends, and with it what it has committed. */
void mmk_account_exit_mm(struct mmk_mm *mm) MMK_REQUIRES(mm->mmap_lock);

/* For memory that is no mapping: an object's whole size. => take: 0 or MMK_ENOMEM */
MMK_MUST_CHECK int mmk_commit_take(uint64_t bytes);
void mmk_commit_give(uint64_t bytes);

/* Bytes, of all address spaces and objects; exact when nothing runs. */
uint64_t mmk_committed(void);
uint64_t mmk_commit_limit(void); /* UINT64_MAX: there is none */

void mmk_account_module_init(void);

#endif
