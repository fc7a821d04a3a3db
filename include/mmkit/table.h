/* SPDX-License-Identifier: MIT */
/*
 * table.h - the page tables of an address space, for walkers of the embedder's own: what entries
 * say, which tables there are, and keeping one while its visitor sleeps.
 *
 * A look takes no lock and keeps nothing: what it has found may be gone by the next instruction. A
 * visitor that has to find the table again after it has slept pins it. A pinned table stays what it
 * is, at the place where it is linked, whatever becomes of its entries; mremap may move it to other
 * addresses, with all its entries, or while it has none. The last one out frees it: whoever takes
 * the last entry, or lets go of the last pin.
 *
 * No pointer here may be NULL, but for what a visitor is given as its arg.
 */
#ifndef MMKIT_TABLE_H
#define MMKIT_TABLE_H

#include <mmkit/port/annotate.h>
#include <mmkit/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mmk_mm;
struct mmk_page;

/* --- entries --------------------------------------------------------------------------------- */

enum mmk_entry_kind {
    MMK_ENTRY_NONE,  /* nothing, or no table that could say more */
    MMK_ENTRY_PAGE,  /* maps `size` bytes of memory */
    MMK_ENTRY_SWAP,  /* a private page that is in swap */
    MMK_ENTRY_GUARD, /* MMK_MADV_GUARD_INSTALL */
    MMK_ENTRY_TABLE, /* links a lower table; of tables above the leaves only */
};

struct mmk_table_entry {
    mmk_vaddr_t addr; /* the first that it is about */
    uint64_t size;    /* bytes */
    enum mmk_entry_kind kind;
    mmk_paddr_t phys; /* of the memory, or of the lower table; else 0 */
    /* Of a page: what an access may do now, and what accesses have left behind. */
    bool access, write, exec, young, dirty;
};

/*
 * Calls visit() for each entry in [start, end) that is not NONE, from the lowest address up, as
 * long as that answers 0. Takes no lock: entries come and go meanwhile, each is told as it was at
 * some moment of the call. Waits for who is just splitting a larger page;
 * where one is just being made (huge.h), what is there is missed.
 * => any start and end
 * => 0, or what visit() answered
 * => any context but interrupts; the caller is a user or a holder of mm
 * => visit: does not sleep, and takes no lock that is held where a read section of RCU is waited
 * for
 */
int mmk_for_each_entry(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end,
                       int (*visit)(const struct mmk_table_entry *entry, void *arg), void *arg);

/* --- pins ------------------------------------------------------------------------------------ */

/* A pinned table. */
struct mmk_table_ref {
    struct mmk_mm *mm;
    struct mmk_page *table;
    unsigned level; /* 0: a leaf table, whose entries map pages */
};

enum mmk_table_got {
    MMK_TABLE_PINNED,  /* it is the caller's until mmk_table_unpin() */
    MMK_TABLE_FREEING, /* nobody uses it, it is about to be freed: as good as none */
    MMK_TABLE_NONE,    /* there is none */
    MMK_TABLE_HUGE,    /* a larger page is mapped in its place */
};

/*
 * Pins the leaf table that holds addr's entry.
 * => does not sleep; any context but interrupts, no locks of mmkit's; the caller is a user or a
 *    holder of mm, which is held until the table is unpinned
 * => any addr: it need not be a page's first; beyond the user half: NONE
 */
MMK_MUST_CHECK enum mmk_table_got mmk_table_pin(struct mmk_mm *mm, mmk_vaddr_t addr,
                                                struct mmk_table_ref *ref);

/*
 * Lets go of it. If nobody uses the table any more it is freed, with the tables above that this
 * leaves without use: one flush of the address space's translations.
 * => does not sleep, but waits for other CPUs' shootdowns: interrupts on, no locks of mmkit's
 * => from any thread; mm may have ended, and is gone after it if this was what held it
 */
void mmk_table_unpin(struct mmk_table_ref *ref);

/*
 * What a pinned table says of addr.
 * => any addr, as above: entry->addr is the first that the entry is about
 * => false: the table does not hold addr's entry: it was moved, or never did
 * => any context but interrupts; as above about larger pages
 */
bool mmk_table_read(const struct mmk_table_ref *ref, mmk_vaddr_t addr,
                    struct mmk_table_entry *entry);

/* --- all tables ------------------------------------------------------------------------------ */

struct mmk_table_view {
    struct mmk_table_ref ref; /* pinned during the visit */
    mmk_vaddr_t start;        /* the first address that it is about, when it was found */
    uint64_t size;            /* how many bytes it is about */
    uint32_t live;            /* entries that were not NONE when it was found */
    uint32_t pins;            /* others that have pinned it */
};

/*
 * Calls visit() for each table, the root first, a table before those below it, by address, as long
 * as that answers 0. Tables that come or go meanwhile may be missed, or still be told; one that
 * stays is told once, unless mremap moves it.
 * => 0, or what visit() answered
 * => no locks of mmkit's; the caller is a user or a holder of mm
 * => visit: may sleep, fault, and change mappings; the pin is the caller's
 */
int mmk_for_each_table(struct mmk_mm *mm,
                       int (*visit)(const struct mmk_table_view *view, void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#endif
