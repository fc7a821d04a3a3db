/* SPDX-License-Identifier: MIT */
/*
 * user.c - the kernel reads and writes memory of programs.
 *
 *   for ever:
 *     move bytes as far as it goes: the port's raw access between begin and end, or access.c
 *     all moved, or no fault allowed: over
 *     mmk_fault() at the first byte left; unless that says DONE: over
 *
 * So a fault is always taken here, at the top: outside the port's section and without any lock, and
 * never inside another.
 */
#include <mmkit/user.h>

#include "access.h"
#include "fault.h"
#include "pt.h"
#include <mmkit/port/directmap.h>
#include <mmkit/port/user.h>

enum how {
    FAULT,   /* any context that may sleep */
    NOFAULT, /* any context */
    REMOTE   /* as FAULT, in any address space */
};

static bool in_user_half(mmk_vaddr_t addr, size_t n)
{
    return addr <= MMK_USER_END && n <= MMK_USER_END - addr;
}

/* The byte at op->addr could not be accessed. => true: try again */
static bool fault_in(const struct mmk_access_op *op, enum how how)
{
    enum mmk_access access = op->kind == MMK_OP_READ ? MMK_ACCESS_READ : MMK_ACCESS_WRITE;
    enum mmk_fault_result result;

    if (how == NOFAULT || op->refused)
        return false;
    result =
        op->force ? mmk_fault_force(op->mm, op->addr, access) : mmk_fault(op->mm, op->addr, access);
    return result == MMK_FAULT_DONE || result == MMK_FAULT_RETRY;
}

/* => how many bytes are left */
static size_t raw(const struct mmk_access_op *op)
{
    size_t left;

    mmk_user_begin();
    if (op->kind == MMK_OP_READ)
        left = mmk_user_raw_read(op->to, op->addr, op->left);
    else if (op->kind == MMK_OP_WRITE)
        left = mmk_user_raw_write(op->addr, op->from, op->left);
    else
        left = mmk_user_raw_clear(op->addr, op->left);
    mmk_user_end();
    return left;
}

/* As far as it goes without a fault. */
static void move(struct mmk_access_op *op, enum how how)
{
    if (how == REMOTE || !mmk_user_mapped())
        mmk_access_tables(op);
    else
        mmk_access_advance(op, op->left - raw(op));
}

/* => how many bytes are left */
static size_t transfer(struct mmk_access_op *op, enum how how)
{
    if (!in_user_half(op->addr, op->left))
        return op->left;
    op->may_wait = how != NOFAULT;
    do
        move(op, how);
    while (op->left > 0 && fault_in(op, how));
    return op->left;
}

static size_t copy_from(struct mmk_mm *mm, void *to, mmk_vaddr_t from, size_t n, enum how how,
                        bool force)
{
    struct mmk_access_op op = {
        .mm = mm, .kind = MMK_OP_READ, .force = force, .addr = from, .left = n, .to = to};

    return transfer(&op, how);
}

static size_t copy_to(struct mmk_mm *mm, mmk_vaddr_t to, const void *from, size_t n, enum how how,
                      bool force)
{
    struct mmk_access_op op = {
        .mm = mm, .kind = MMK_OP_WRITE, .force = force, .addr = to, .left = n, .from = from};

    return transfer(&op, how);
}

size_t mmk_copy_from_user(struct mmk_mm *mm, void *to, mmk_vaddr_t from, size_t n)
{
    size_t left = copy_from(mm, to, from, n, FAULT, false);

    if (mmk_unlikely(left > 0))
        memset((char *)to + (n - left), 0, left);
    return left;
}

size_t mmk_copy_to_user(struct mmk_mm *mm, mmk_vaddr_t to, const void *from, size_t n)
{
    return copy_to(mm, to, from, n, FAULT, false);
}

size_t mmk_clear_user(struct mmk_mm *mm, mmk_vaddr_t to, size_t n)
{
    struct mmk_access_op op = {.mm = mm, .kind = MMK_OP_CLEAR, .addr = to, .left = n};

    return transfer(&op, FAULT);
}

size_t mmk_copy_from_user_nofault(struct mmk_mm *mm, void *to, mmk_vaddr_t from, size_t n)
{
    return copy_from(mm, to, from, n, NOFAULT, false);
}

size_t mmk_copy_to_user_nofault(struct mmk_mm *mm, mmk_vaddr_t to, const void *from, size_t n)
{
    return copy_to(mm, to, from, n, NOFAULT, false);
}

size_t mmk_mm_read(struct mmk_mm *mm, mmk_vaddr_t from, void *to, size_t n, unsigned flags)
{
    return n - copy_from(mm, to, from, n, REMOTE, flags & MMK_MM_FORCE);
}

size_t mmk_mm_write(struct mmk_mm *mm, mmk_vaddr_t to, const void *from, size_t n, unsigned flags)
{
    return n - copy_to(mm, to, from, n, REMOTE, flags & MMK_MM_FORCE);
}

/* ---- strings --------------------------------------------------------------------------------- */

#define CHUNK 64 /* a power of two: chunks that start at its multiples never cross a page */

static size_t length_of(const char *text, size_t n)
{
    size_t i = 0;

    while (i < n && text[i])
        i++;
    return i;
}

/* A chunk at a time: what lies beyond the end of the string need not be there. */
int64_t mmk_strncpy_from_user(struct mmk_mm *mm, char *to, mmk_vaddr_t from, size_t n)
{
    size_t done = 0, part, length;

    while (done < n) {
        part = (size_t)mmk_min(n - done, CHUNK - (from + done) % CHUNK);
        if (copy_from(mm, to + done, from + done, part, FAULT, false) > 0)
            return MMK_EFAULT;
        length = length_of(to + done, part);
        done += length;
        if (length < part)
            break;
    }
    return (int64_t)done;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* One number in memory, as wide as it is. */
union number {
    uint8_t b;
    uint16_t h;
    uint32_t w;
    uint64_t d;
};

static bool is_size(unsigned size)
{
    return size == 1 || size == 2 || size == 4 || size == 8;
}

int mmk_get_user(struct mmk_mm *mm, mmk_vaddr_t from, uint64_t *value, unsigned size)
{
    union number number = {.d = 0};

    *value = 0;
    if (!is_size(size))
        return MMK_EINVAL;
    if (copy_from(mm, &number, from, size, FAULT, false) > 0)
        return MMK_EFAULT;
    *value = size == 1 ? number.b : size == 2 ? number.h : size == 4 ? number.w : number.d;
    return 0;
}

int mmk_put_user(struct mmk_mm *mm, mmk_vaddr_t to, uint64_t value, unsigned size)
{
    union number number = {.d = value};

    if (!is_size(size))
        return MMK_EINVAL;
    if (size == 1)
        number.b = (uint8_t)value;
    else if (size == 2)
        number.h = (uint16_t)value;
    else if (size == 4)
        number.w = (uint32_t)value;
    return copy_to(mm, to, &number, size, FAULT, false) > 0 ? MMK_EFAULT : 0;
}

static bool try_cmpxchg(struct mmk_access_op *op, uint32_t old, uint32_t desired, uint32_t *found)
{
    bool done;

    if (!mmk_user_mapped())
        return mmk_access_cmpxchg(op, old, desired, found);
    mmk_user_begin();
    done = mmk_user_raw_cmpxchg(op->addr, old, desired, found);
    mmk_user_end();
    return done;
}

static int cmpxchg(struct mmk_mm *mm, mmk_vaddr_t addr, uint32_t old, uint32_t desired,
                   uint32_t *found, enum how how)
{
    struct mmk_access_op op = {
        .mm = mm, .kind = MMK_OP_WRITE, .may_wait = how != NOFAULT, .addr = addr, .left = 4};

    if (addr % sizeof(uint32_t) != 0)
        return MMK_EINVAL;
    if (!in_user_half(addr, sizeof(uint32_t)))
        return MMK_EFAULT;
    while (!try_cmpxchg(&op, old, desired, found))
        if (!fault_in(&op, how))
            return MMK_EFAULT;
    return 0;
}

int mmk_cmpxchg_user(struct mmk_mm *mm, mmk_vaddr_t addr, uint32_t old, uint32_t desired,
                     uint32_t *found)
{
    return cmpxchg(mm, addr, old, desired, found, FAULT);
}

int mmk_cmpxchg_user_nofault(struct mmk_mm *mm, mmk_vaddr_t addr, uint32_t old, uint32_t desired,
                             uint32_t *found)
{
    return cmpxchg(mm, addr, old, desired, found, NOFAULT);
}
