/* SPDX-License-Identifier: MIT */
/*
 * format_riscv64.h - Sv39, Sv48 and Sv57: the RISC-V privileged specification, "Supervisor-level
 * ISA", with Svadu (hardware sets A and D) or Svade (an access that would need them set faults).
 *
 *   63 62  61 60      54 53                      10 9  8  7 6 5 4 3 2 1 0
 *   N  PBMT   reserved   physical page number       RSW   D A G U X W R V
 *
 * An entry with R, W and X clear links a table. Only the leaf has rights. Pages may be executable
 * and not readable. The encodings that the specification reserves raise a page fault on hardware;
 * here they are the library's mistake, and stop the machine. So do N and PBMT: the machine has
 * neither Svnapot nor Svpbmt.
 */
#ifndef MACHINE_FORMAT_RISCV64_H
#define MACHINE_FORMAT_RISCV64_H

#define FORMAT_NAME          "riscv64"
#define FORMAT_INDEX_BITS    9
#define FORMAT_SIGNED        1
#define FORMAT_FAULT_DROPS   0
#define FORMAT_KEEPS_ABSENCE 1 /* without Svvptc */
#define FORMAT_NEEDS_BREAK   0
#define FORMAT_LOAD          MACHINE_LOAD
#define FORMAT_ALL_RIGHTS    ((uint64_t)0) /* tables take none away */

#define RISCV_VALID    ((uint64_t)1 << 0)
#define RISCV_READ     ((uint64_t)1 << 1)
#define RISCV_WRITE    ((uint64_t)1 << 2)
#define RISCV_EXEC     ((uint64_t)1 << 3)
#define RISCV_USER     ((uint64_t)1 << 4)
#define RISCV_ACCESSED ((uint64_t)1 << 6)
#define RISCV_DIRTY    ((uint64_t)1 << 7)
#define RISCV_RIGHTS   (RISCV_READ | RISCV_WRITE | RISCV_EXEC)
#define RISCV_PPN      10 /* the lowest bit of the page number */
#define RISCV_RESERVED ((uint64_t)0x3ff << 54)

/* Bits above the highest that the tables use are copies of it. */
MMK_ALWAYS_INLINE bool format_reaches(mmk_vaddr_t addr)
{
    const unsigned above = 52 - FORMAT_INDEX_BITS * MMK_PT_LEVELS;

    return (uint64_t)((int64_t)(addr << above) >> above) == addr;
}

MMK_ALWAYS_INLINE bool format_valid(uint64_t seen)
{
    return (seen & RISCV_VALID) != 0;
}

MMK_ALWAYS_INLINE bool format_is_leaf(uint64_t seen, unsigned level)
{
    (void)level;
    return (seen & RISCV_RIGHTS) != 0;
}

MMK_ALWAYS_INLINE const char *format_wrong(uint64_t seen, unsigned level)
{
    const uint64_t below = ((uint64_t)1 << (FORMAT_INDEX_BITS * level)) - 1;

    if (seen & RISCV_RESERVED)
        return "bits 54 to 63 are reserved";
    if ((seen & RISCV_WRITE) && !(seen & RISCV_READ))
        return "W without R is reserved";
    if (seen & RISCV_RIGHTS)
        return seen >> RISCV_PPN & below ? "misaligned superpage" : NULL;
    if (level == 0)
        return "a pointer to a table at the last level";
    if (seen & (RISCV_ACCESSED | RISCV_DIRTY | RISCV_USER))
        return "A, D and U are reserved in a pointer to a table";
    return NULL;
}

MMK_ALWAYS_INLINE mmk_paddr_t format_address(uint64_t seen)
{
    return (seen & ~RISCV_RESERVED) >> RISCV_PPN << MMK_PAGE_SHIFT;
}

MMK_ALWAYS_INLINE uint64_t format_table_rights(uint64_t rights, uint64_t seen)
{
    (void)seen;
    return rights;
}

MMK_ALWAYS_INLINE uint64_t format_table_used(uint64_t seen)
{
    return seen;
}

MMK_ALWAYS_INLINE uint64_t format_leaf_rights(uint64_t rights, uint64_t seen, bool hardware)
{
    (void)rights;
    if (!(seen & RISCV_USER) || (!hardware && !(seen & RISCV_ACCESSED)))
        return 0;
    rights = (seen & RISCV_READ ? MACHINE_LOAD : 0) | (seen & RISCV_EXEC ? MACHINE_EXEC : 0);
    if ((seen & RISCV_WRITE) && (hardware || (seen & RISCV_DIRTY)))
        rights |= MACHINE_STORE;
    return rights;
}

MMK_ALWAYS_INLINE uint64_t format_leaf_used(uint64_t seen, enum mmk_access access)
{
    return seen | RISCV_ACCESSED | (access == MMK_ACCESS_WRITE ? RISCV_DIRTY : 0);
}

#endif
