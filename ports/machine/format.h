/* SPDX-License-Identifier: MIT */
/*
 * format.h - the page-table format that the machine's hardware walks: one of format_*.h, chosen
 * when the machine is compiled. Each is written from the architecture's manual alone; nothing in
 * them comes from src/.
 *
 * Levels count from the leaf: 0 = an entry maps 4 KiB. A format defines
 *
 * FORMAT_NAME           for messages
 * FORMAT_INDEX_BITS     a table has 1 << this entries
 * FORMAT_SIGNED         1: the highest bit of an address repeats above; user code has the half
 * where it is 0 FORMAT_FAULT_DROPS    1: a fault drops what the caches have for its address. 0: a
 * translation without the right that an access needs stays, and so does the fault
 * FORMAT_KEEPS_ABSENCE  1: hardware may remember that an entry was invalid
 * FORMAT_NEEDS_BREAK    1: format_kind() and the address of a valid leaf may not change without a
 *                       flush in between
 * FORMAT_GROUP          so many entries may be cached as one, where they say so; not defined: 1
 * FORMAT_LOAD           what a load needs: MACHINE_LOAD; 0 where all that is mapped is readable
 * FORMAT_ALL_RIGHTS     the rights with which a walk starts, in a representation of its own,
 *                       outside of MACHINE_TLB_ADDRESS
 *
 * and inline, `seen` being an entry's value, valid but for the first of them:
 *
 * format_reaches(addr)                the tables can translate it
 * format_valid(seen)                  hardware goes on with it
 * format_wrong(seen, level)           the rule that it breaks, or NULL
 * format_is_leaf(seen, level)         maps memory; else it links a table
 * format_address(seen)                of the memory, or the table
 * format_table_rights(rights, seen)   what is left of them below the table that it links
 * format_table_used(seen)             with the bits that a walk through it sets
 * format_leaf_rights(rights, seen, hardware)  MACHINE_LOAD, STORE, EXEC. `hardware`: it sets
 *                                     accessed and dirty bits by itself
 * format_leaf_used(seen, access)      with the bits that an access sets
 * and where FORMAT_GROUP or FORMAT_NEEDS_BREAK:
 *
 * format_kind(seen, level)            what needs a break to change, in MACHINE_TLB_KIND, of which
 *                                     the level in MACHINE_TLB_LEVEL, and whether it is a group's
 * in MACHINE_TLB_GROUP format_group_wrong(seen, entry, i, level)  the rule that entry i of a group
 * breaks, or NULL; `seen` is the group's first, or would be
 */
#ifndef MACHINE_FORMAT_H
#define MACHINE_FORMAT_H

#include <mmkit/fault.h>

/* In a word of the TLB: */
#define MACHINE_TLB_ADDRESS (((uint64_t)1 << 52) - MMK_PAGE_SIZE)
#define MACHINE_STORE       ((uint64_t)1) /* may be stored to; needs no dirty bit set any more */
#define MACHINE_EXEC        ((uint64_t)2)
#define MACHINE_LOAD        ((uint64_t)4)
#define MACHINE_CLEAN       ((uint64_t)8) /* may be stored to once a walk has set the dirty bit */
#define MACHINE_TLB_KIND    ((uint64_t)0xfff << 52)
#define MACHINE_TLB_GROUP   ((uint64_t)1 << 61)
#define MACHINE_TLB_LEVEL   ((uint64_t)7 << MACHINE_TLB_LEVEL_AT)

#define MACHINE_TLB_LEVEL_AT 58

#if defined(MACHINE_FORMAT_RISCV64)
#include "format_riscv64.h"
#elif defined(MACHINE_FORMAT_AARCH64)
#include "format_aarch64.h"
#elif defined(MACHINE_FORMAT_TINY)
#include "format_tiny.h"
#else
#include "format_x86_64.h"
#endif

#ifndef FORMAT_GROUP
#define FORMAT_GROUP 1

MMK_ALWAYS_INLINE uint64_t format_kind(uint64_t seen, unsigned level)
{
    (void)seen;
    return (uint64_t)level << MACHINE_TLB_LEVEL_AT;
}

MMK_ALWAYS_INLINE const char *format_group_wrong(uint64_t seen, uint64_t entry, unsigned i,
                                                 unsigned level)
{
    (void)seen;
    (void)entry;
    (void)i;
    (void)level;
    return NULL;
}
#endif

#endif
