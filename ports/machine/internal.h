/* SPDX-License-Identifier: MIT */
/*
 * internal.h - what the machine's files share: a virtual CPU and its translation hardware.
 *
 * Letters: o = whoever acts as the CPU (its own thread while it runs, a poser while it is away:
 * cpu.c); a = atomic; c = constant while the machine exists.
 */
#ifndef MACHINE_INTERNAL_H
#define MACHINE_INTERNAL_H

#include "machine.h"
#include <mmkit/port/annotate.h>
#include <mmkit/port/asid.h>
#include <mmkit/port/atomic.h>
#include <mmkit/port/cpu.h>
#include <mmkit/port/directmap.h>
#include <mmkit/port/rcu.h>
#include <mmkit/port/tlb.h>

#ifndef MMK_PT_LEVELS
#define MMK_PT_LEVELS 4
#endif

#include "format.h"

#define MACHINE_MOST_HELD 640 /* all pages of a larger one are locked at once */

/* The locks that a thread holds, in the order taken: lock_check.c. */
struct machine_locks {
    unsigned count;
    struct machine_held {
        const void *lock;
        enum mmk_lock_class cls;
        bool tried;
    } held[MACHINE_MOST_HELD];
    uint64_t taken[MMK_LOCK_CLASSES]; /* ever, by class */
};

#define MACHINE_WALK_ENTRIES 32 /* paging-structure cache, each level */
#define MACHINE_WALK_LEVELS  4  /* of the deepest format: in all, a CPU looks the same */
#define MACHINE_RAM_START    ((mmk_paddr_t)1 << 20)

/* A cached translation: tag = page number and generation; frame = physical address and rights. */
struct machine_tlb_entry {
    uint64_t tag;
    uint64_t frame; /* with MACHINE_ bits of format.h; all zero: known to be absent (mmu.c, H5) */
#ifdef MACHINE_FIBERS
    uint64_t since;      /* the time when it was filled */
    uint32_t generation; /* of the frame, then */
#endif
};

/* What the TLB holds under one ASID. Entries of an older generation are gone. */
struct machine_asid {
    uint64_t tlb_gen;  /* o */
    uint64_t walk_gen; /* o: of paging-structure entries */
    bool large;        /* o: pieces of a large page, or of a group, may be in the TLB */
};

struct machine_mmu {
    struct machine_asid *asid;     /* o: the one that accesses use; NULL: there are none */
    uint64_t context;              /* o: mmk_mm_id() of the one that was loaded last */
    struct machine_tlb_entry *tlb; /* o: tlb_mask + 1 of them */
    uint64_t tlb_mask;             /* c */
    struct mmk_mm *mm;             /* o: NULL: none loaded */
    bool lazy;                     /* o: mm's root is loaded, for no use */
    bool leaves;                   /* o: no mm is, but the root of the last one still (fibers) */
    mmk_paddr_t root;              /* o */
    uint64_t last_gen;             /* o: last generation given out */
    unsigned checked;              /* o: place in the TLB to be looked at next (mmu.c, H6) */
    struct mmk_asids numbers;
    struct machine_asid asids[MMK_ASIDS];
    struct machine_tlb_entry walk_cache[MACHINE_WALK_LEVELS][MACHINE_WALK_ENTRIES];
};

/* Written by whoever acts as the CPU, read by anybody. */
struct machine_counters {
    struct mmk_a64 hits, misses, walks, walk_reads, faults, ipis;
};

struct machine_cpu {
    struct machine_vcpu vcpu;  /* first: machine_self points to it */
    struct mmk_a32 state;      /* a: enum in cpu.c */
    struct mmk_a32 attached;   /* a: a thread has this CPU */
    uint32_t relaxed;          /* o: calls of mmk_cpu_relax() */
    struct mmk_aptr callbacks; /* a: RCU callbacks queued here, newest first */
    struct machine_mmu mmu;
    struct machine_counters counters;
};

extern struct machine_cpu *machine_cpus; /* MMK_MAX_CPUS of them */
extern mmk_paddr_t machine_ram_end;
extern unsigned machine_mmu_flags; /* c: MACHINE_SOFTWARE_BITS and others */

MMK_ALWAYS_INLINE struct machine_cpu *machine_this_cpu(void)
{
    return (struct machine_cpu *)machine_this();
}

MMK_ALWAYS_INLINE void machine_count(struct mmk_a64 *counter)
{
    __atomic_store_n(&counter->v, counter->v + 1, __ATOMIC_RELAXED);
}

#include "hardware.h"

/* cpu.c: a thread becomes a CPU, and stops, as far as the machine is concerned (mmkit not told). */
void machine_cpu_claim(unsigned cpu);
void machine_cpu_unclaim(void);
void machine_take_interrupts(struct machine_cpu *cpu);

/* mmu.c: machine_speculate() of any CPU. => it has an address space loaded */
void machine_speculate_on(struct machine_cpu *cpu, mmk_vaddr_t addr);

#ifdef MACHINE_FIBERS
/* mmu.c: the ASID in use loses its translations, as if there were no room for them. */
void machine_evict(struct machine_cpu *cpu);

/* mmu.c: the tables allow all that the TLB's word for addr allows. */
bool machine_tables_agree(struct machine_cpu *cpu, mmk_vaddr_t addr, uint64_t word);
#endif

/* mmu.c => false: no memory */
bool machine_mmu_init(struct machine_mmu *mmu, unsigned tlb_entries);
void machine_mmu_free(struct machine_mmu *mmu);

/*
 * guest.c: host address of `addr` for an access by the kernel; NULL: it faults. Good until the CPU
 * looks for interrupts again.
 */
void *machine_translate(struct machine_cpu *cpu, mmk_vaddr_t addr, bool write);

/*
 * rcu.c: the thread that runs callbacks, as virtual CPU `cpu`. It outlives mmkit, which may wait
 * for callbacks while it starts and stops: start, mmk_init(), online, ..., mmk_shutdown(), stop.
 * => start: 0 or MMK_ENOMEM
 */
MMK_MUST_CHECK int machine_rcu_start(unsigned cpu);
void machine_rcu_online(void);
void machine_rcu_stop(void);
bool machine_is_rcu(unsigned cpu); /* that thread is this CPU */
bool machine_rcu_reads(void);      /* the calling thread is inside a read section */

/*
 * ram.c => 0, or MMK_ENOMEM
 */
MMK_MUST_CHECK int machine_ram_map(uint64_t size, bool populate);
void machine_ram_unmap(void);

/* host.c: futex(2), which reports nothing that a caller that loops does not see by itself. */
struct timespec;
void machine_futex(struct mmk_a32 *word, int op, uint32_t value, const struct timespec *timeout);

/* lock_check.c */
void machine_locks_print(void);

#endif
