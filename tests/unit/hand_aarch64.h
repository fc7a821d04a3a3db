/* SPDX-License-Identifier: MIT */
/*
 * hand_aarch64.h - entries by the Arm ARM, "Stage 1 VMSAv8-64 Block and Page descriptors", 4 KiB
 * granule. All that is writable has DBM: clean as long as AP[2] (bit 7) is set.
 */
#define HAND_INDEX_BITS 9

#define HAND_DROPS         0
#define HAND_SIGNED        0
#define HAND_LARGEST       2
#define HAND_EXEC_ONLY     1
#define HAND_NO_ACCESS     1
#define HAND_SOFTWARE_BITS 1
#define HAND_TABLE_BITS    ((uint64_t)0)
#define HAND_IGNORED       ((uint64_t)1 << 56) /* software's */

static inline uint64_t hand_link(mmk_paddr_t table)
{
    return table | 0x3;
}

static inline mmk_paddr_t hand_address(uint64_t entry)
{
    return entry & 0x0000fffffffff000;
}

/* With nG and inner shareable. */
static inline uint64_t hand_leaf(mmk_paddr_t phys, unsigned level, unsigned what)
{
    const bool clean = !(what & HAND_WRITE) || !(what & HAND_DIRTY);

    return phys | (level > 0 ? 0x1 : 0x3) | (what & HAND_READ ? 0x40 : 0) | (clean ? 0x80 : 0) |
           0x300 | (what & HAND_ACCESSED ? 0x400 : 0) | 0x800 |
           (what & HAND_WRITE ? (uint64_t)1 << 51 : 0) | (what & HAND_EXEC ? 0 : (uint64_t)1 << 54);
}

/* HAND_ACCESSED and HAND_DIRTY, as a leaf has them. */
static inline unsigned hand_used(uint64_t leaf)
{
    return (leaf & 0x400 ? HAND_ACCESSED : 0) | (leaf & 0x80 ? 0 : HAND_DIRTY);
}
