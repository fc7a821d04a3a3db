/* SPDX-License-Identifier: MIT */
/*
 * machine.h - a software machine to run mmkit on, inside a process: RAM, virtual CPUs with TLBs
 * and paging-structure caches, interrupts between them.
 *
 * A virtual CPU is a thread that has attached. "Guest" code is whatever calls machine_load(),
 * machine_store() and machine_fetch() with virtual addresses: they go through the CPU's TLB, then
 * walk the page tables in RAM as hardware does, and call mmk_fault() when that fails.
 *
 * There is one machine in a process at a time.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <mmkit/mmkit.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What the hardware leaves to the library, as far as the format of its tables allows that; x86-64's
 * does not. By default it does all it can. Words in the environment variable MACHINE_MMU, with
 * commas between, add to what a configuration says.
 */
enum {
    MACHINE_SOFTWARE_BITS = 1, /* "software-bits": accessed and dirty bits: an access that would set
                                  one faults (RISC-V Svade, Arm without FEAT_HAFDBS) */
    MACHINE_KEEPS_ABSENCE = 2, /* "keeps-absence": an invalid entry that an access has found stays
                                  in the TLB as such (RISC-V without Svvptc) */
    MACHINE_KEEPS_FAULTED = 4, /* "keeps-faulted", in the format `tiny`: so does a translation that
                                  an access has faulted on (RISC-V and Arm, always) */
};

struct machine_config {
    uint64_t memory;         /* bytes of RAM, page multiple; a host mapping, not yet populated */
    uint64_t withheld;       /* the last so many of them mmkit is not told of */
    unsigned cpus;           /* virtual CPUs, 1 to MMK_MAX_CPUS - 1 (one more serves RCU) */
    bool populate;           /* touch all RAM now, so that no host fault is timed later */
    unsigned tlb_entries;    /* per CPU, power of two; 0: 1024 */
    unsigned mmu;            /* MACHINE_SOFTWARE_BITS and others, or'ed */
    struct mmk_config mmkit; /* for mmk_init() */
};

/*
 * Builds the machine, starts mmkit and hands it the RAM.
 * => 0, or a negative errno: MMK_EINVAL, MMK_ENOMEM
 */
MMK_MUST_CHECK int machine_create(const struct machine_config *config);

/* CPU `cpu` is near to the memory of `node`, from now on. => it does not run */
void machine_set_node(unsigned cpu, unsigned node);

/* Stops mmkit (no address space may exist) and frees everything. => all CPUs are detached */
void machine_destroy(void);

/* The calling thread becomes virtual CPU `cpu`; then stops being one. */
void machine_cpu_attach(unsigned cpu);
void machine_cpu_detach(void);

/*
 * The calling thread is about to wait for something outside the machine (a host lock, a host
 * condition), or has come back: in between, its CPU counts as idle, other CPUs serve its
 * interrupts for it, and it is outside every RCU read section. Does not nest.
 */
void machine_idle_begin(void);
void machine_idle_end(void);

/*
 * CPU `cpu` is idle so, or sleeps in mmkit, or has no thread: what it did before is seen by the
 * caller. It may be over by then, unless the caller knows that nobody ends it.
 */
bool machine_cpu_is_idle(unsigned cpu);

/*
 * Loads mm on this CPU, as writing the page-table base register does; NULL: none. The thread must
 * switch away before the mm's last reference is dropped.
 */
void machine_switch_mm(struct mmk_mm *mm);

struct mmk_tlb_context;

/*
 * Loads tables that mmkit does not know, for tests of the hardware. What faults there the caller
 * has to deal with: the access answers MMK_FAULT_RETRY. machine_switch_mm() ends it.
 * => context->id is no address space's
 */
void machine_switch_tables(const struct mmk_tlb_context *context);

/*
 * A thread of the kernel's own runs on this CPU, which keeps the address space loaded for when it
 * comes back (machine_switch_mm). Accesses are not for such a thread.
 */
void machine_switch_lazy(void);

/*
 * The processor speculates: walks the tables that are loaded, lazily too, for an access that never
 * comes. What it finds it caches, and marks as used. => an address space is loaded
 */
void machine_speculate(mmk_vaddr_t addr);

/*
 * User accesses of `size` bytes at addr; may cross pages. Bytes before a failing page have been
 * transferred.
 * => MMK_FAULT_DONE, or why it failed; never MMK_FAULT_RETRY, but for machine_switch_tables()
 */
MMK_MUST_CHECK enum mmk_fault_result machine_load(mmk_vaddr_t addr, void *to, size_t size);
MMK_MUST_CHECK enum mmk_fault_result machine_store(mmk_vaddr_t addr, const void *from, size_t size);
MMK_MUST_CHECK enum mmk_fault_result machine_fetch(
    mmk_vaddr_t addr); /* one byte of an instruction */

/*
 * The kernel's accesses to user memory (mmk_copy_to_user() ...): by the CPU's MMU, which is the
 * default, or, `true`, as in a kernel that has none of the program's memory mapped: by the page
 * tables, in software. => nothing runs
 */
void machine_user_by_tables(bool by_tables);

/*
 * Fault injection for tests, per thread: the `n`th allocation from now (0 = the next) fails; with
 * `onward`, all later ones too. machine_fail_stop() turns it off and says whether any has failed.
 */
void machine_fail_nth(uint64_t n, bool onward);
bool machine_fail_stop(void);

/*
 * How many locks of a class the calling thread has taken so far, by a try or otherwise: what an
 * operation on page tables has visited. With lock checks only.
 */
uint64_t machine_locks_taken(enum mmk_lock_class cls);

/*
 * Who is told what reclaim takes from memory, and what comes back: see mmk_note_evicted() and
 * mmk_note_returned() in <mmkit/port/annotate.h>. Not by the deterministic machine.
 */
struct machine_reclaim_watch {
    void (*evicted)(void *context, struct mmk_object *object, uint64_t index, bool used);
    void (*returned)(void *context, struct mmk_object *object, uint64_t index);
    void *context;
};

/* From now on; NULL: nobody. => nothing runs in mmkit; watch stays */
void machine_watch_reclaim(const struct machine_reclaim_watch *watch);

/* The page-table format that the machine's hardware walks. */
struct machine_format {
    unsigned levels, index_bits; /* a table has 1 << index_bits entries */
    unsigned user_bits;          /* user addresses lie below 1 << this */
};

extern const struct machine_format machine_format;

/* What the virtual CPUs did; exact when none runs. */
struct machine_stats {
    uint64_t accesses; /* loads, stores and fetches, by page touched */
    uint64_t tlb_hits;
    uint64_t walks;      /* of the page tables */
    uint64_t walk_reads; /* entries read from RAM in them */
    uint64_t faults;     /* calls of mmk_fault() */
    uint64_t ipis;       /* delivered */
};

void machine_stats_read(struct machine_stats *stats);

/* This CPU's calls of mmk_fault(), to see whether an access needed one. => attached */
uint64_t machine_faults_here(void);

#ifdef __cplusplus
}
#endif

#endif
