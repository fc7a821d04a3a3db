/* SPDX-License-Identifier: MIT */
/*
 * access.h - a program's memory through its page tables, in software.
 */
#ifndef MMK_SRC_ACCESS_H
#define MMK_SRC_ACCESS_H

#include <mmkit/mm.h>

/* What is done to a program's memory. */
struct mmk_access_op {
    struct mmk_mm *mm;
    enum { MMK_OP_READ, MMK_OP_WRITE, MMK_OP_CLEAR } kind;
    bool may_wait;    /* for the locks of page tables */
    bool force;       /* not asked what the program may do: mmk_fault_force() */
    bool refused;     /* set when what is mapped is no memory: a fault would not help */
    mmk_vaddr_t addr; /* [addr, addr + left) lies below MMK_USER_END */
    size_t left;
    void *to;         /* READ: kernel memory */
    const void *from; /* WRITE: kernel memory */
};

/* `n` bytes are done: the rest of op stands for what follows. */
MMK_ALWAYS_INLINE void mmk_access_advance(struct mmk_access_op *op, size_t n)
{
    op->addr += n;
    op->left -= n;
    if (op->kind == MMK_OP_READ)
        op->to = (char *)op->to + n;
    else if (op->kind == MMK_OP_WRITE)
        op->from = (const char *)op->from + n;
}

/*
 * Does op up to the first page that is not mapped for it, or whose table is locked though op may
 * not wait.
 * => does not sleep; table locks are taken, or tried
 */
void mmk_access_tables(struct mmk_access_op *op);

/*
 * mmk_user_raw_cmpxchg() in software, at op->addr; op is to write four bytes.
 * => false: the word is not mapped for it, or its table is locked though op may not wait
 * => as mmk_access_tables()
 */
bool mmk_access_cmpxchg(struct mmk_access_op *op, uint32_t old, uint32_t desired, uint32_t *found);

#endif
