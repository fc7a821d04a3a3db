/* SPDX-License-Identifier: MIT */
/*
 * stats.h - counters. Each is exact when nothing runs; a reader beside writers may see a moment
 * that never was, but never a value that stays wrong.
 */
#ifndef MMKIT_STATS_H
#define MMKIT_STATS_H

#include <mmkit/init.h>
#include <mmkit/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MMK_STATS_LEVELS 5 /* 0 = pte table, ... root is the highest in use */

/* One address space. */
struct mmk_mm_stats {
    uint64_t virt_bytes;               /* mapped, touched or not */
    uint64_t data_bytes;               /* of these: private, writable, not growing down */
    uint64_t stack_bytes;              /* growing down */
    uint64_t locked_bytes;             /* locked */
    uint64_t committed_bytes;          /* what would be needed, if all of it were written */
    uint64_t vmas;                     /* mappings */
    uint64_t rss_anon;                 /* entries, in pages: private anonymous memory */
    uint64_t rss_file;                 /* entries: pages of objects with operations */
    uint64_t rss_shmem;                /* entries: pages of shared memory */
    uint64_t swapped;                  /* entries: private pages in swap (VmSwap of Linux) */
    uint64_t tables[MMK_STATS_LEVELS]; /* linked tables by level, root included */
    uint64_t fault_anon;        /* first write to private anonymous memory, nothing mapped there */
    uint64_t fault_zero;        /* read answered by the zero page */
    uint64_t fault_file;        /* an object's page mapped, to read or to write shared */
    uint64_t fault_cow;         /* write that copied */
    uint64_t fault_reuse;       /* write to an own page that had become read-only: no copy */
    uint64_t fault_swap;        /* a page that was in swap mapped again */
    uint64_t fault_major;       /* of these: waited for it to be read */
    uint64_t fault_spurious;    /* nothing to do */
    uint64_t fault_failed;      /* answered OOM, SEGV or BUS */
    uint64_t locked_vma;        /* faults that took the mmap lock: nothing is mapped, or allowed, or
                                   the mapping was just being changed */
    uint64_t locked_first;      /* the first private page of a mapping */
    uint64_t locked_memory;     /* there was no page, or page table, without waiting */
    uint64_t locked_page;       /* the object's or slot's page was not in memory, or just in use */
    uint64_t locked_kind;       /* of a kind that always does */
    uint64_t locked_changed;    /* the mapping, or the entry, was changed meanwhile */
    uint64_t advice_locked_vma; /* mmk_madvise() of DONTNEED, FREE and their like that took the lock
                                   for all or a part: the range was no one mapping's, or that was
                                   just being changed */
    uint64_t advice_locked_kind;    /* of a kind that always does */
    uint64_t advice_locked_changed; /* the mapping was changed meanwhile, or a larger page has to be
                                       split */
    uint64_t mapped_around;     /* pages mapped by a fault on another: fault_around, anon_block */
    uint64_t huge;              /* entries that map a larger page, of mmkit's frames or others */
    uint64_t huge_zero;         /* the same of zeros, which is all memory's: no page is resident */
    uint64_t huge_upper;        /* of huge: those a level higher (1 GiB), of frames of others */
    uint64_t huge_faults;       /* of fault_anon, fault_cow and fault_file: mapped one */
    uint64_t huge_fallbacks;    /* would have, but for want of a block, others at work, or what the
                                   object had already */
    uint64_t huge_collapses;    /* made of small pages */
    uint64_t huge_splits;       /* such entries that a table has replaced */
    uint64_t huge_unused;       /* pages of them that reclaim gave back, as they were zeros still */
    uint64_t table_bytes_saved; /* tables that small pages would take where larger ones are */
};

/* Sums up, under the mmap lock. => may sleep; no locks held */
void mmk_mm_stats(struct mmk_mm *mm, struct mmk_mm_stats *stats);

/* Bytes of linked tables, all levels, root included (VmPTE of Linux). => any context */
uint64_t mmk_mm_table_bytes(const struct mmk_mm *mm);

/* The whole library. */
struct mmk_stats {
    uint64_t frames_total;               /* usable: descriptors and other overhead taken off */
    uint64_t frames_free;                /* in the buddy allocator and the per-CPU caches */
    uint64_t node_frames[MMK_MAX_NODES]; /* frames_total by node */
    uint64_t node_free[MMK_MAX_NODES];   /* in the node's buddy allocator */
    uint64_t tables_linked;              /* all address spaces, roots included; and those that an
                                            operation has unlinked, and not yet flushed */
    uint64_t tables_waiting;             /* unlinked, waiting for a grace period */
    uint64_t tables_waiting_peak;        /* as waiting_bytes_peak */
    uint64_t waiting_bytes;              /* tables_waiting, and what else waits for one */
    uint64_t waiting_bytes_peak; /* up to an 8th of the limit more than there was: what CPUs keep */
    uint64_t waiting_limit;      /* in bytes: mmk_config.waiting_limit, or what follows memory */
    uint64_t waiting_hurried;    /* how often the port was asked for haste: half of that waited */
    uint64_t waiting_stalled;    /* operations that first waited, as more than that did */
    uint64_t tables_limbo;       /* unlinked, kept to be linked again where they were */
    uint64_t tables_relinked;    /* that were */
    uint64_t tables_stock;       /* zeroed, ready for use */
    uint64_t tables_stock_peak;
    uint64_t tlb_flushes;     /* flush operations */
    uint64_t tlb_pages;       /* pages named in them */
    uint64_t tlb_full;        /* those that dropped the whole address space instead */
    uint64_t tlb_ipis;        /* interrupts sent */
    uint64_t gather_early;    /* flushes in mid-operation because a gather got no memory */
    uint64_t address_spaces;  /* that exist */
    uint64_t objects;         /* that exist */
    uint64_t groups;          /* that exist, or have pages charged to them (group.h) */
    uint64_t slab_frames;     /* holding mmkit's own small objects */
    uint64_t reclaim_scanned; /* pages that reclaim has looked at, to free them */
    uint64_t reclaim_freed;   /* pages that it has freed: dropped, or in swap */
    uint64_t reclaim_written; /* pages of objects that it has written back */
    uint64_t reclaim_direct;  /* allocations that found nothing free, and had it work for them */
    uint64_t shrink_looked;   /* page tables that it has looked at, to give them back */
    uint64_t shrink_given;    /* page tables that it has given back, upper ones among them */
    uint64_t compact_tried;   /* blocks of frames that compaction has tried to make free */
    uint64_t compact_made;    /* of these: it has */
    uint64_t compact_moved;   /* pages that it has moved */
    uint64_t compact_direct;  /* allocations that found no block, and had it work for them */
    uint64_t pins;            /* held: mmk_pin_pages() */
    uint64_t committed;       /* bytes, of all address spaces and shared anonymous objects */
    uint64_t commit_limit;    /* bytes that may be committed in mode MMK_OVERCOMMIT_NEVER */
    uint64_t swap_slots;      /* of all areas of swap space (swap.h), a page each */
    uint64_t swap_used;       /* of these: hold a page, or are just being freed */
    uint64_t swap_bad;        /* retired after an error */
    uint64_t swap_in;         /* pages read */
    uint64_t swap_out;        /* pages written */
};

/* Sums up over the CPUs; takes no locks. => any context */
void mmk_stats_read(struct mmk_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
