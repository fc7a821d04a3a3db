/* SPDX-License-Identifier: MIT */
/*
 * limit.c - owns the limits of an address space. account.c compares with them.
 */
#include "account.h"

#include <mmkit/host.h>

/* Linux's bounds of the room that is kept for the stack, whatever its limit. */
#define STACK_ROOM_MIN mmk_min((uint64_t)128 << 20, MMK_MAP_WINDOW / 8)
#define STACK_ROOM_MAX (MMK_MAP_WINDOW / 6 * 5)

/* Mappings are placed below the stack's room and a random distance. */
static void choose_mmap_base(struct mmk_mm *mm)
{
    uint64_t random = mmk_host_random() & (((uint64_t)1 << MMK_MAP_RANDOM_BITS) - 1);
    uint64_t room = mmk_min(mmk_max(mm->limit[MMK_LIMIT_STACK], STACK_ROOM_MIN), STACK_ROOM_MAX);

    room = mmk_page_up(room) + mmk_page_up(mmk_config.stack_guard_gap);
    mm->mmap_base = MMK_MAP_WINDOW - room - (random << MMK_PAGE_SHIFT);
}

void mmk_limit_init_mm(struct mmk_mm *mm)
{
    unsigned i;

    for (i = 0; i < MMK_LIMITS; i++)
        mm->limit[i] = MMK_LIMIT_INFINITY;
    mm->limit[MMK_LIMIT_STACK] = mmk_config.stack_limit;
    mm->lock_privilege = false;
    mm->mdwe = mmk_config.refuse_write_exec ? MMK_MDWE_REFUSE_EXEC_GAIN : 0;
    choose_mmap_base(mm);
}

void mmk_limit_inherit(struct mmk_mm *child, const struct mmk_mm *parent)
{
    unsigned i;

    for (i = 0; i < MMK_LIMITS; i++)
        child->limit[i] = parent->limit[i];
    child->lock_privilege = parent->lock_privilege;
    child->mdwe = parent->mdwe & MMK_MDWE_NO_INHERIT ? 0 : parent->mdwe;
    child->mmap_base = parent->mmap_base;
}

int mmk_set_limit(struct mmk_mm *mm, enum mmk_limit limit, uint64_t bytes)
{
    if ((unsigned)limit >= MMK_LIMITS)
        return MMK_EINVAL;
    mmk_rw_write_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    mm->limit[limit] = bytes;
    if (limit == MMK_LIMIT_STACK && mm->vmas.count == 0)
        choose_mmap_base(mm);
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return 0;
}

uint64_t mmk_get_limit(struct mmk_mm *mm, enum mmk_limit limit)
{
    uint64_t bytes;

    if ((unsigned)limit >= MMK_LIMITS)
        return 0;
    mmk_rw_read_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    bytes = mm->limit[limit];
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return bytes;
}

void mmk_set_lock_privilege(struct mmk_mm *mm, bool privileged)
{
    mmk_rw_write_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    mm->lock_privilege = privileged;
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
}

static bool valid_mdwe(unsigned bits)
{
    return bits == 0 || bits == MMK_MDWE_REFUSE_EXEC_GAIN ||
           bits == (MMK_MDWE_REFUSE_EXEC_GAIN | MMK_MDWE_NO_INHERIT);
}

int mmk_set_mdwe(struct mmk_mm *mm, unsigned bits)
{
    int error = 0;

    if (!valid_mdwe(bits))
        return MMK_EINVAL;
    mmk_rw_write_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    if (mm->mdwe == 0)
        mm->mdwe = bits;
    else if (mm->mdwe != bits)
        error = MMK_EPERM;
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return error;
}

unsigned mmk_get_mdwe(struct mmk_mm *mm)
{
    unsigned bits;

    mmk_rw_read_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    bits = mm->mdwe;
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return bits;
}
