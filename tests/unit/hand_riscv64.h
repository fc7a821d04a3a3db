/* SPDX-License-Identifier: MIT */
/* hand_riscv64.h - entries by the RISC-V privileged specification, "Sv39", "Sv48", "Sv57". */
#define HAND_INDEX_BITS 9

#define HAND_DROPS         0
#define HAND_SIGNED        1
#define HAND_LARGEST       (MMK_PT_LEVELS - 1)
#define HAND_EXEC_ONLY     1
#define HAND_NO_ACCESS     0
#define HAND_SOFTWARE_BITS 1
#define HAND_TABLE_BITS    ((uint64_t)0)
#define HAND_IGNORED       ((uint64_t)1 << 8) /* RSW */

static inline uint64_t hand_link(mmk_paddr_t table)
{
    return table >> 12 << 10 | 0x1; /* V */
}

static inline mmk_paddr_t hand_address(uint64_t entry)
{
    return entry >> 10 << 12;
}

static inline uint64_t hand_leaf(mmk_paddr_t phys, unsigned level, unsigned what)
{
    (void)level;
    return phys >> 12 << 10 | 0x11 | (what & HAND_READ ? 0x2 : 0) | (what & HAND_WRITE ? 0x4 : 0) |
           (what & HAND_EXEC ? 0x8 : 0) | (what & HAND_ACCESSED ? 0x40 : 0) |
           (what & HAND_DIRTY ? 0x80 : 0);
}

/* HAND_ACCESSED and HAND_DIRTY, as a leaf has them. */
static inline unsigned hand_used(uint64_t leaf)
{
    return (leaf & 0x40 ? HAND_ACCESSED : 0) | (leaf & 0x80 ? HAND_DIRTY : 0);
}
