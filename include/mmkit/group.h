/* SPDX-License-Identifier: MIT */
/*
 * group.h - groups of address spaces that share a limit of memory (the memory controller of Linux's
 * cgroup v2: memory.max, memory.current, memory.stat, memory.events, memory.reclaim).
 *
 * An address space belongs to one group, or none, from its creation; a child of fork to its
 * parent's. Charged to a group are, frame by frame:
 *
 *   private pages of its address spaces, to the one that made them;
 *   pages of objects, to the group of the address space that brought them in, whoever uses them
 *   afterwards; those that the embedder brings in by itself to nobody;
 *   page tables.
 *
 * A frame is charged until it is free. So an object's page may be charged to a group without
 * address spaces: then it is until the page goes. What an address space takes besides (mappings,
 * its descriptor) is not charged; nor is the zero page.
 *
 * Beyond its limit, a group's own pages are reclaimed (reclaim.h); then the embedder is asked
 * for a victim; then the charge fails: a fault answers MMK_FAULT_OOM, a call MMK_ENOMEM.
 */
#ifndef MMKIT_GROUP_H
#define MMKIT_GROUP_H

#include <mmkit/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mmk_group; /* opaque */

#define MMK_GROUP_UNLIMITED UINT64_MAX

struct mmk_group_ops {
    /*
     * The group is at its limit, nothing of it can be reclaimed, and somebody wants a page. Who is
     * to die for it? mmk_kill() is called with the answer, and then what it maps privately is taken
     * from it, as by mmk_reap(). It may be one of another group, or that of the caller.
     * => NULL: nobody, or somebody dies already: the charge fails. Else with a hold
     *    (mmk_mm_hold()), which becomes mmkit's
     * => may sleep; mmkit's locks that sleep may be held: calls nothing of it but mmk_mm_hold(),
     *    mmk_mm_private() and mmk_group_stats(). Asked once at a time for each group
     */
    struct mmk_mm *(*victim)(struct mmk_group *group, void *private_data);
};

/*
 * A group with one user, the caller. limit: bytes, partial pages ignored, or MMK_GROUP_UNLIMITED.
 * ops: NULL, or what is asked, with private_data; kept by reference.
 * => 0 with *group set; MMK_ENOMEM
 * => may sleep; no locks held
 */
MMK_MUST_CHECK int mmk_group_create(uint64_t limit, const struct mmk_group_ops *ops,
                                    void *private_data, struct mmk_group **group);

/*
 * One more, one fewer user; each address space of the group is one. Without users it takes no new
 * charge, and goes with the last page that is charged to it.
 * => get: the caller is a user. Neither sleeps; any context where frames may be freed
 */
void mmk_group_get(struct mmk_group *group);
void mmk_group_put(struct mmk_group *group);

/*
 * mmk_mm_create() in a group: clone3(2) with CLONE_INTO_CGROUP.
 * => 0 with *mm set; MMK_ENOMEM: no memory, or the limit has no room for a root table
 * => the caller is a user; may sleep
 */
MMK_MUST_CHECK int mmk_group_mm_create(struct mmk_group *group, struct mmk_mm **mm);

/* Whose mm is; NULL: nobody's. => the caller is a user or a holder of mm; any context */
struct mmk_group *mmk_mm_group(const struct mmk_mm *mm);

/*
 * Sets the limit, as mmk_group_create(). When more is charged, pages are reclaimed until it is not;
 * nobody is killed for that.
 * => 0; MMK_EBUSY: more is charged all the same. The limit stands: the group gets nothing until
 *    enough is gone
 * => the caller is a user; may sleep; no locks held
 */
MMK_MUST_CHECK int mmk_group_set_limit(struct mmk_group *group, uint64_t limit);

/*
 * Frees pages that are charged to the group, as mmk_reclaim() those of all.
 * => how many it has freed
 * => the caller is a user; may sleep, in write_page; any of mmkit's locks that sleep may be held
 */
uint64_t mmk_group_reclaim(struct mmk_group *group, uint64_t pages);

/* Bytes but for the last five. Exact when nothing runs. */
struct mmk_group_stats {
    uint64_t limit;       /* MMK_GROUP_UNLIMITED: none */
    uint64_t charged;     /* the sum of the next three */
    uint64_t private_mem; /* private pages */
    uint64_t object_mem;  /* pages of objects */
    uint64_t table_mem;   /* tables, until their grace period is over */
    uint64_t hits;        /* charges that found the group at its limit ("max" of memory.events) */
    uint64_t reclaimed;   /* pages that were freed because of that, or by mmk_group_reclaim() */
    uint64_t ooms;        /* charges for which nothing could be reclaimed */
    uint64_t kills;       /* victims named */
    uint64_t failed;      /* charges that failed */
};

/* => the caller is a user; any context */
void mmk_group_stats(const struct mmk_group *group, struct mmk_group_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
