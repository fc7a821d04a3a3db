/* SPDX-License-Identifier: MIT */
/* hand_x86_64.h - entries by the Intel SDM, volume 3, "4-level paging and 5-level paging". */
#ifndef HAND_INDEX_BITS
#define HAND_INDEX_BITS 9
#define HAND_SIGNED     1 /* the highest bit of an address repeats above */
#endif

#define HAND_DROPS         1 /* a fault drops what is cached for its address */
#define HAND_LARGEST       2 /* the highest level that may map memory */
#define HAND_EXEC_ONLY     0
#define HAND_NO_ACCESS     0                  /* a valid entry may allow nothing */
#define HAND_SOFTWARE_BITS 0                  /* accessed and dirty may be left to software */
#define HAND_TABLE_BITS    ((uint64_t)1 << 5) /* what use sets in an entry that links a table */
#define HAND_IGNORED       ((uint64_t)1 << 52)

static inline uint64_t hand_link(mmk_paddr_t table)
{
    return table | 0x7; /* U/S, R/W, P */
}

static inline mmk_paddr_t hand_address(uint64_t entry)
{
    return entry & 0x000ffffffffff000;
}

static inline uint64_t hand_leaf(mmk_paddr_t phys, unsigned level, unsigned what)
{
    return phys | (what & HAND_READ ? 0x5 : 0x1) | (what & HAND_WRITE ? 0x2 : 0) |
           (what & HAND_ACCESSED ? 0x20 : 0) | (what & HAND_DIRTY ? 0x40 : 0) |
           (level > 0 ? 0x80 : 0) | (what & HAND_EXEC ? 0 : (uint64_t)1 << 63);
}

/* HAND_ACCESSED and HAND_DIRTY, as a leaf has them. */
static inline unsigned hand_used(uint64_t leaf)
{
    return (leaf & 0x20 ? HAND_ACCESSED : 0) | (leaf & 0x40 ? HAND_DIRTY : 0);
}
