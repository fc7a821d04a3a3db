/* SPDX-License-Identifier: MIT */
/*
 * mm.h - struct mmk_mm inside the library. Public half: <mmkit/mm.h>.
 *
 * Letters: M = mmap lock; S = `lock`; a = atomic; c = constant.
 */
#ifndef MMK_SRC_MM_H
#define MMK_SRC_MM_H

#include "list.h"
#include "percpu_count.h"
#include "planted.h"
#include "pt_shape.h"
#include "vma_tree.h"
#include "waiting.h"
#include <mmkit/limit.h>
#include <mmkit/port/lock.h>
#include <mmkit/port/tlb.h>

/* What is counted per address space, on the CPU that does it: no shared line is written. */
enum mmk_counter {
    MMK_COUNT_RSS_ANON,
    MMK_COUNT_RSS_FILE,
    MMK_COUNT_RSS_SHMEM,
    MMK_COUNT_SWAP, /* swap entries */
    MMK_COUNT_FAULT_ANON,
    MMK_COUNT_FAULT_ZERO,
    MMK_COUNT_FAULT_FILE,
    MMK_COUNT_FAULT_COW,
    MMK_COUNT_FAULT_REUSE,
    MMK_COUNT_FAULT_SPURIOUS,
    MMK_COUNT_FAULT_SWAP,
    MMK_COUNT_FAULT_MAJOR,
    MMK_COUNT_FAULT_FAILED,
    MMK_COUNT_LOCKED_VMA, /* faults that took the mmap lock, by why: stats.h */
    MMK_COUNT_LOCKED_FIRST,
    MMK_COUNT_LOCKED_MEMORY,
    MMK_COUNT_LOCKED_PAGE,
    MMK_COUNT_LOCKED_KIND,
    MMK_COUNT_LOCKED_CHANGED,
    MMK_COUNT_ADVICE_LOCKED_VMA, /* advice that took it */
    MMK_COUNT_ADVICE_LOCKED_KIND,
    MMK_COUNT_ADVICE_LOCKED_CHANGED,
    MMK_COUNT_MAPPED_AROUND, /* pages that a fault on another has mapped */
    MMK_COUNT_HUGE,          /* entries of larger pages, */
    MMK_COUNT_HUGE_ZERO,     /* and of that of zeros */
    MMK_COUNT_HUGE_UPPER,    /* of the first: above MMK_HUGE_LEVEL */
    MMK_COUNT_HUGE_FAULT,
    MMK_COUNT_HUGE_FALLBACK,
    MMK_COUNT_HUGE_SPLIT,
    MMK_COUNT_HUGE_UNUSED, /* pages */
    MMK_COUNT_HUGE_COLLAPSE,
    MMK_COUNTERS
};

/* One CPU's share of an address space. Only that CPU writes it. */
struct MMK_CACHE_ALIGNED mmk_mm_cpu {
    struct mmk_a64 count[MMK_COUNTERS]; /* signed: pages may leave on another CPU than they came */
    struct mmk_a64 tlb_gen;             /* its translations of the mm are as new as this (P17) */
    struct mmk_a32 lazy;                /* has it loaded, or left it, unused (tlb.c, mm.c) */
};

/* What mappings count for, in bytes; account.h. */
struct mmk_usage {
    uint64_t virt;      /* all */
    uint64_t data;      /* private, writable, no stacks */
    uint64_t stack;     /* that grow down */
    uint64_t locked;    /* LOCKED */
    uint64_t committed; /* ACCOUNT */
};

/*
 * Linked tables are counted where all CPUs see one number, and a path of them comes and goes at
 * once: so the counts of several levels share a word, each in as many bits as there can be tables
 * of that level. All of four levels do in one; with five the leaf tables have their own.
 */
#define MMK_TABLE_BITS(highest, n)                                                                 \
    ((MMK_PT_INDEX_BITS * (highest) + 1u) * (n)-MMK_PT_INDEX_BITS * ((n) * ((n)-1u) / 2))
enum { MMK_TABLE_WORDS = MMK_TABLE_BITS(MMK_PT_LEVELS - 1, MMK_PT_LEVELS) > 64 ? 2 : 1 };

extern const uint64_t mmk_tables_below[2][6]; /* one of each level below this one, by word */

/*
 * No two have a line in common: what a process does is no matter to another. What each fault reads
 * lies in the first two, one that hardly anybody writes, and one that who maps does.
 */
struct MMK_CACHE_ALIGNED mmk_mm {
    struct mmk_page *root;          /* c: descriptor of the highest table */
    struct mmk_a64 *top;            /* c: its entries */
    struct mmk_tlb_context context; /* c */
    struct mmk_kin *kin;            /* c: its place in its family; family.h */
    struct mmk_group *group;        /* c: that pays for what it uses, or NULL; charge.h */
    struct mmk_mm_cpu *cpu;         /* c: one for each CPU, in a block of their own */
    struct mmk_aptr notifiers;      /* a: the first; mmap lock for writing to change (notifier.c) */
    struct mmk_a32 killed;          /* a: 1 from mmk_kill() on */
    struct mmk_a32 flush_unasked;   /* a: of flush_pending, those that nobody asked for. Apart from
                                       it, since faults read this one */
    struct mmk_a32 table_moves;     /* a: how often tables that link others have moved */
    MMK_CACHE_ALIGNED struct mmk_vma_tree vmas; /* M; RCU to read */
    MMK_CACHE_ALIGNED struct mmk_rwlock mmap_lock;
    uint64_t vma_seq;             /* M: what the VMA that was opened last has (vma.h) */
    mmk_vaddr_t brk_start, brk;   /* M */
    mmk_vaddr_t mmap_base;        /* M: mmk_mmap() looks for gaps below */
    struct mmk_a64 anon_source;   /* a: numbers given out (anon.h) */
    uint64_t def_flags;           /* M: MMK_VM_LOCK of mappings to come: mlockall() */
    struct mmk_usage usage;       /* M: of its mappings */
    uint64_t charged;             /* M: of what the library counts as committed; account.c */
    uint64_t limit[MMK_LIMITS];   /* M: bytes */
    bool lock_privilege;          /* M: MMK_LIMIT_MEMLOCK does not apply */
    unsigned mdwe;                /* M: MMK_MDWE_* */
    const struct mmk_mm_ops *ops; /* c, or NULL */
    void *private_data;           /* c: the embedder's */
    struct mmk_a32 users;         /* a: of the contents; 0: they go, or are gone */
    struct mmk_a32 holds;         /* a: of the structure; all users together have one, and each
                                     lazy CPU */
    struct mmk_rcu_head rcu;      /* o: of the last holder, then of RCU's callback */
    struct mmk_spinlock lock;     /* of the next three; MMK_LOCK_MM */
    struct mmk_list sleepers;     /* S: killable, asleep or about to be (kill.c) */
    uint32_t notify_epoch;        /* S: notifier.c */
    uint64_t notify_gen;          /* S: notifiers that were ever registered */
    struct mmk_a32 notifying[2];  /* a: operations that have begun, by epoch */
    struct mmk_a64 reap_next;     /* a: below it the reaper has been */
    struct mmk_list in_ring;      /* spaces lock: while it has users (mm.c) */
    struct mmk_a64 shrink_next;   /* a: where shrink.c goes on */
    struct mmk_a64 collapse_next; /* a: where collapse.c does */
    struct mmk_aptr huge_zero;    /* a: the block that it has a share of, or NULL; huge_zero.h */
    struct mmk_a32 flush_pending; /* a: operations with entries cleared and not flushed (P2) */
    struct mmk_a64 cpus;          /* a: CPUs that have it loaded */
    struct mmk_a64 tlb_gen;       /* a: raised by each flush */
    struct mmk_a64 tables[MMK_TABLE_WORDS]; /* a: linked tables by level, see below */
};

_Static_assert(MMK_MAX_CPUS <= 64, "a CPU mask is one word");

void mmk_mm_module_init(void);

/*
 * mmk_mm_create() for fork: its private pages will be parent's. It is not listed yet.
 * => parent has a user
 */
MMK_MUST_CHECK int mmk_mm_create_child(struct mmk_mm *parent, struct mmk_mm **child);
uint64_t mmk_mm_count_all(void); /* address spaces that exist */

/*
 * Those that have users are listed, for whoever goes round over all.
 * => list: it is complete, and has a user. next: the first, which is the last now, with a hold for
 *    the caller; NULL: there is none
 * => any context but interrupts
 */
void mmk_mm_list(struct mmk_mm *mm);
struct mmk_mm *mmk_mm_next(void);

bool mmk_mm_is_loaded(unsigned cpu); /* the CPU has entered one */

/*
 * Tables of all address spaces, roots included, that do not wait to be freed: linked ones, those
 * that an operation has unlinked and yet to flush, and those that are kept to be linked again
 * (limbo.c). So one that goes and comes back is not counted each time.
 */
uint64_t mmk_mm_tables_made(void);
void mmk_mm_count_made(int64_t delta); /* => any context but interrupts */

/*
 * n tables, one of each level from `lowest` on, were linked (+1) or unlinked (-1).
 * => the lock of the highest one's parent held, or the mm is private
 */
MMK_ALWAYS_INLINE void mmk_mm_count_tables(struct mmk_mm *mm, unsigned lowest, unsigned n,
                                           int delta)
{
    uint64_t some, sign = (uint64_t)(int64_t)delta;
    unsigned word;

    for (word = 0; word < MMK_TABLE_WORDS; word++) {
        some = mmk_tables_below[word][lowest + n] - mmk_tables_below[word][lowest];
        if (MMK_TABLE_WORDS == 1 || some != 0)
            mmk_a64_fetch_add(&mm->tables[word], sign * some, MMK_RELAXED);
    }
}

/* The same for one leaf table, +1 or -1: these are counted from the lowest bit on. */
MMK_ALWAYS_INLINE void mmk_mm_count_leaf_table(struct mmk_mm *mm, int delta)
{
    mmk_a64_fetch_add(&mm->tables[0], (uint64_t)(int64_t)delta, MMK_RELAXED);
}

uint64_t mmk_mm_tables(const struct mmk_mm *mm, unsigned level); /* linked ones of that level */

/* Adds delta to one of this CPU's counters. => any context but interrupts */
MMK_ALWAYS_INLINE void mmk_mm_count(struct mmk_mm *mm, enum mmk_counter counter, int64_t delta)
{
    unsigned long state = mmk_percpu_enter();

    mmk_percpu_add(&mm->cpu[mmk_cpu_id()].count[counter], delta);
    mmk_percpu_leave(state);
}

/* A fault of kind `fault` has mapped a page of kind `rss`. */
MMK_ALWAYS_INLINE void mmk_mm_count_fault(struct mmk_mm *mm, enum mmk_counter rss,
                                          enum mmk_counter fault)
{
    unsigned long state = mmk_percpu_enter();
    unsigned cpu = MMK_MISTAKE(COUNTS_TOGETHER) ? 0 : mmk_cpu_id();
    struct mmk_a64 *count = mm->cpu[cpu].count;

    mmk_percpu_add(&count[rss], 1);
    mmk_percpu_add(&count[fault], 1);
    mmk_percpu_leave(state);
}

/* It has mapped n more of that kind around. */
MMK_ALWAYS_INLINE void mmk_mm_count_around(struct mmk_mm *mm, enum mmk_counter rss, int64_t n)
{
    unsigned long state = mmk_percpu_enter();
    struct mmk_a64 *count = mm->cpu[mmk_cpu_id()].count;

    mmk_percpu_add(&count[rss], n);
    mmk_percpu_add(&count[MMK_COUNT_MAPPED_AROUND], n);
    mmk_percpu_leave(state);
}

/*
 * P2: operations with entries cleared and not flushed; the table's lock shows the share of whoever
 * has cleared an entry there. Acquire: those that are no longer counted have flushed.
 */
MMK_ALWAYS_INLINE uint32_t mmk_mm_flush_pending(const struct mmk_mm *mm)
{
    return mmk_a32_load(&mm->flush_pending, MMK_ACQUIRE);
}

/*
 * Those of them that no call on this memory asked for: reclaim and shrink.c let go of pages that
 * come back otherwise, as zeros or from a file. A program that stores there, and says so, does not
 * expect another of its threads to read what was there before.
 */
MMK_ALWAYS_INLINE bool mmk_mm_flush_unasked(const struct mmk_mm *mm)
{
    return mmk_a32_load(&mm->flush_unasked, MMK_ACQUIRE) > 0;
}

/*
 * Killed: no user code goes on in it. Whoever makes an entry that was none present asks under the
 * table's lock, and does not (fault.c).
 */
MMK_ALWAYS_INLINE bool mmk_mm_killed(const struct mmk_mm *mm)
{
    return mmk_unlikely(mmk_a32_load(&mm->killed, MMK_RELAXED) != 0);
}

/*
 * The mmap lock in a call: gives up when mm is killed while it would have to wait. Let go of it
 * by mmk_rw_*_unlock() and mmk_rw_downgrade(). For writing: whatever changes mappings may free
 * something that waits for a grace period, so that this is where it is throttled (waiting.c).
 * => 0 or MMK_EINTR; may sleep
 */
MMK_MUST_CHECK MMK_ALWAYS_INLINE int mmk_mm_read_lock(struct mmk_mm *mm)
    MMK_TRY_ACQUIRES_SHARED(0, mm->mmap_lock) MMK_NO_TSA
{
    return mmk_likely(mmk_rw_read_lock_killable(&mm->mmap_lock, MMK_LOCK_MMAP)) ? 0 : MMK_EINTR;
}

MMK_MUST_CHECK MMK_ALWAYS_INLINE int mmk_mm_write_lock(struct mmk_mm *mm)
    MMK_TRY_ACQUIRES(0, mm->mmap_lock) MMK_NO_TSA
{
    mmk_waiting_throttle();
    return mmk_likely(mmk_rw_write_lock_killable(&mm->mmap_lock, MMK_LOCK_MMAP)) ? 0 : MMK_EINTR;
}

/*
 * A fault goes down the tables first, and asks for its VMA then. Tables may have moved in between,
 * and the address be another VMA's: that the lowest is linked where the walk found it does not tell
 * of those above. So it counts their moves before it walks, and again when it has the VMA's count.
 * moved(): before a VMA of the old place, or the new, is opened again.
 */
MMK_ALWAYS_INLINE uint32_t mmk_mm_table_moves(const struct mmk_mm *mm)
{
    return mmk_a32_load(&mm->table_moves, MMK_ACQUIRE);
}

MMK_ALWAYS_INLINE bool mmk_mm_table_moves_are(const struct mmk_mm *mm, uint32_t moves)
{
    return mmk_a32_load(&mm->table_moves, MMK_RELAXED) == moves;
}

MMK_ALWAYS_INLINE void mmk_mm_tables_moved(struct mmk_mm *mm)
{
    mmk_a32_fetch_add(&mm->table_moves, 1, MMK_RELEASE);
}

/*
 * Who calls this holds no mmap lock, but looks at his VMA's count before he changes anything
 * (vma.h): for what he does that is as good.
 */
MMK_ALWAYS_INLINE void mmk_mm_is_speculating(const struct mmk_mm *mm)
    MMK_ASSERTS_SHARED(mm->mmap_lock)
{
    (void)mm;
}

/*
 * Who calls one of these holds mm's mmap lock; the analysis does not see that by itself where mm
 * has come by another way than the lock was taken.
 */
MMK_ALWAYS_INLINE void mmk_mm_is_read_locked(const struct mmk_mm *mm)
    MMK_ASSERTS_SHARED(mm->mmap_lock)
{
    mmk_note_held(MMK_LOCK_MMAP, &mm->mmap_lock);
}

MMK_ALWAYS_INLINE void mmk_mm_is_write_locked(const struct mmk_mm *mm) MMK_ASSERTS(mm->mmap_lock)
{
    mmk_note_held(MMK_LOCK_MMAP, &mm->mmap_lock);
}

/* Nobody else knows mm yet, or nothing runs: that is as good as its mmap lock. */
MMK_ALWAYS_INLINE void mmk_mm_is_private(const struct mmk_mm *mm) MMK_ASSERTS(mm->mmap_lock)
{
    (void)mm;
}

/*
 * The lowest VMA with end > addr, the highest with start < addr; NULL: none. The mmap lock keeps
 * what RCU would.
 */
MMK_ALWAYS_INLINE struct mmk_vma *mmk_mm_find_vma(const struct mmk_mm *mm, mmk_vaddr_t addr)
    MMK_REQUIRES_SHARED(mm->mmap_lock) MMK_NO_TSA
{
    mmk_note_held(MMK_LOCK_MMAP, &mm->mmap_lock);
    return mmk_vma_tree_find_rcu(&mm->vmas, addr);
}

MMK_ALWAYS_INLINE struct mmk_vma *mmk_mm_prev_vma(const struct mmk_mm *mm, mmk_vaddr_t addr)
    MMK_REQUIRES_SHARED(mm->mmap_lock) MMK_NO_TSA
{
    mmk_note_held(MMK_LOCK_MMAP, &mm->mmap_lock);
    return mmk_vma_tree_prev_rcu(&mm->vmas, addr);
}

/* The VMAs, to be changed. */
MMK_ALWAYS_INLINE struct mmk_vma_tree *mmk_mm_vmas(struct mmk_mm *mm) MMK_REQUIRES(mm->mmap_lock)
{
    return &mm->vmas;
}

/* What the mappings count for. account.h has the changes. */
MMK_ALWAYS_INLINE const struct mmk_usage *mmk_mm_usage(const struct mmk_mm *mm)
    MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    return &mm->usage;
}

/* The sum over all CPUs. */
uint64_t mmk_mm_counter(const struct mmk_mm *mm, enum mmk_counter counter);

#endif
