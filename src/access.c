/* SPDX-License-Identifier: MIT */
/*
 * access.c - a program's memory through its page tables, in software: what hardware does for the
 * program, with the direct map in place of the program's addresses.
 *
 * U1 The bytes of a page are moved while the lock of its table is held, under which the entry
 *    allows the access. So no entry changes in between: a store is never made to a page that the
 *    program has just been copied away from (fork, copy on write), that was given back, or that a
 *    write-back has cleaned: it would be lost, or be seen by others (P5, P7).
 * U2 The entry's accessed and dirty bits are set before the bytes are moved, as by hardware.
 *
 * Memory of programs changes at any time. It is read and written by aligned words of 8 bytes, each
 * in one access: a part of a word is merged into what is around it by compare-exchange.
 *
 * Rejected: a reference to the page and no lock. It costs two atomic operations on the page's line
 * where the lock costs one on the table's, and needs a second look at the entry for reads; for
 * writes no second look is late enough.
 */
#include "access.h"

#include "frame.h"
#include "huge.h"

/* ---- words ----------------------------------------------------------------------------------- */

static void read_words(void *to, const char *ram, size_t n)
{
    size_t skip = (uintptr_t)ram % 8, part;
    const struct mmk_a64 *word = (const struct mmk_a64 *)(const void *)(ram - skip);

    for (; n > 0; n -= part, skip = 0, word++, to = (char *)to + part) {
        uint64_t value = mmk_a64_load(word, MMK_RELAXED);

        part = mmk_min(8 - skip, n);
        if (mmk_likely(part == 8))
            memcpy(to, &value, 8);
        else
            memcpy(to, (const char *)&value + skip, part);
    }
}

/* A part of one word. from NULL: zeros. */
static void merge(struct mmk_a64 *word, size_t skip, const char *from, size_t part)
{
    uint64_t seen = mmk_a64_load(word, MMK_RELAXED), merged;

    do {
        merged = seen;
        if (from)
            memcpy((char *)&merged + skip, from, part);
        else
            memset((char *)&merged + skip, 0, part);
    } while (!mmk_a64_cmpxchg(word, &seen, merged, MMK_RELAXED));
}

static void write_words(char *ram, const char *from, size_t n)
{
    size_t skip = (uintptr_t)ram % 8, part;
    struct mmk_a64 *word = (struct mmk_a64 *)(void *)(ram - skip);
    uint64_t value = 0;

    for (; n > 0; n -= part, skip = 0, word++) {
        part = mmk_min(8 - skip, n);
        if (mmk_likely(part == 8)) {
            if (from)
                memcpy(&value, from, 8);
            mmk_a64_store(word, value, MMK_RELAXED);
        } else {
            merge(word, skip, from, part);
        }
        if (from)
            from += part;
    }
}

/* ---- pages ----------------------------------------------------------------------------------- */

/*
 * Locks the table at the end of op's path.
 * => false: it is locked, or has changed, and op may not wait
 * => inside an RCU read section
 */
static bool lock_table(const struct mmk_access_op *op, struct mmk_walk *walk)
    MMK_REQUIRES_SHARED(mmk_rcu) MMK_TRY_ACQUIRES(true, walk->table->table.lock) MMK_NO_TSA
{
    if (op->may_wait) {
        mmk_walk_lock(op->mm, op->addr, walk);
        return true;
    }
    mmk_walk_rcu(op->mm, op->addr, walk);
    if (!mmk_table_trylock(walk->table))
        return false;
    if (mmk_table_linked_at(walk->table, walk->parent))
        return true;
    mmk_table_unlock(walk->table);
    return false;
}

/* => pte is present; its table is locked */
static bool allows(const struct mmk_access_op *op, mmk_pte_t pte, const struct mmk_page *page)
{
    if (!mmk_pte_accessible(pte) && !op->force)
        return false;
    if (op->kind == MMK_OP_READ || mmk_pte_write(pte))
        return true;
    return op->force && mmk_pte_normal(pte) && mmk_page_type(page) == MMK_PAGE_ANON &&
           mmk_page_test(page, MMK_PF_EXCLUSIVE);
}

/* The byte at op->addr in the direct map, its entry marked used (U2). => NULL: not mapped for op */
static char *reach(struct mmk_access_op *op, const struct mmk_walk *walk)
    MMK_REQUIRES(walk->table->table.lock)
{
    mmk_pte_t pte = mmk_pte_read(walk->entry), used;
    bool write = op->kind != MMK_OP_READ;
    struct mmk_page *page;

    if (!mmk_pte_present(pte) || (walk->level != 0 && !mmk_walk_huge(walk, pte)))
        return NULL;
    page = mmk_pfn_to_page(mmk_pte_pfn(walk->level == 0 ? pte : mmk_huge_piece(walk, pte)));
    op->refused = !page; /* the direct map may not have it */
    if (!page || !allows(op, pte, page))
        return NULL;
    if (write && !mmk_pte_write(pte)) { /* forced: the entry does not say so */
        mmk_page_mkdirty(page);
        write = false;
    }
    do
        used = mmk_pte_mkused(pte, write);
    while (used.v != pte.v && !mmk_pte_change(walk->entry, &pte, used));
    return (char *)mmk_page_virt(page) + (op->addr & (MMK_PAGE_SIZE - 1));
}

/*
 * Locks the table and finds the byte at op->addr.
 * => inside an RCU read section, with the table locked; NULL: neither
 */
static char *enter(struct mmk_access_op *op, struct mmk_walk *walk)
    MMK_TRY_ACQUIRES(true, walk->table->table.lock)
        MMK_TRY_ACQUIRES_SHARED(true, mmk_rcu) MMK_NO_TSA
{
    char *ram;

    mmk_rcu_read_lock();
    if (lock_table(op, walk)) {
        ram = reach(op, walk);
        if (ram)
            return ram;
        mmk_walk_unlock(walk);
    }
    mmk_rcu_read_unlock();
    return NULL;
}

static void leave(struct mmk_walk *walk) MMK_RELEASES(walk->table->table.lock)
    MMK_RELEASES_SHARED(mmk_rcu)
{
    mmk_walk_unlock(walk);
    mmk_rcu_read_unlock();
}

/* One page's part of op. => false: not mapped for it, or its table busy */
static bool access_page(struct mmk_access_op *op)
{
    size_t in_page = (size_t)(MMK_PAGE_SIZE - (op->addr & (MMK_PAGE_SIZE - 1)));
    size_t part = (size_t)mmk_min(op->left, in_page);
    struct mmk_walk walk;
    char *ram = enter(op, &walk);

    if (!ram)
        return false;
    if (op->kind == MMK_OP_READ)
        read_words(op->to, ram, part);
    else
        write_words(ram, op->kind == MMK_OP_WRITE ? op->from : NULL, part);
    leave(&walk);
    mmk_access_advance(op, part);
    return true;
}

void mmk_access_tables(struct mmk_access_op *op)
{
    while (op->left > 0 && access_page(op))
        continue;
}

bool mmk_access_cmpxchg(struct mmk_access_op *op, uint32_t old, uint32_t desired, uint32_t *found)
{
    struct mmk_walk walk;
    char *ram = enter(op, &walk);

    if (!ram)
        return false;
    *found = old;
    (void)mmk_a32_cmpxchg((struct mmk_a32 *)(void *)ram, found, desired, MMK_ACQ_REL);
    leave(&walk);
    return true;
}
