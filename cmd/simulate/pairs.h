/* SPDX-License-Identifier: MIT */
/*
 * pairs.h - every call against every other: operations, and what they work on.
 *
 * An operation says how it runs on a CPU of the machine and what it does in the flat model. There
 * it is one step, unless the call that it stands for is not atomic on Linux, either: each function
 * says so. scenarios_pairs.c combines them by two; scenarios_calls.c as bytes say.
 */
#ifndef SIMULATE_PAIRS_H
#define SIMULATE_PAIRS_H

#include "flat.h"
#include "world.h"

#include <mmkit/notifier.h>
#include <mmkit/pin.h>
#include <mmkit/port/lock.h>

#define RW   (MMK_PROT_READ | MMK_PROT_WRITE)
#define ANON (MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS)

#define PAIR_FIRST 2 /* the mapping that all work on has these pages */
#define PAIR_END   6
#define PAIR_ASIDE 8  /* pages further up: where things are moved to */
#define PAIR_AGAIN 16 /* pages further up: the second mapping, where there is one */
#define PAIR_HEAP  6  /* where the heap starts */
#define PAIR_HIGH  38 /* the page that mmap chooses by itself */
#define PAIR_CPUS  3
#define PAIR_ACTS  12 /* of a scenario */

/* Contents: of touched pages, kept of the object at first and of what was synced, stored by CPUs,
 * by who has pinned. */
#define WORD_TOUCHED(page) (0x100u + (page))
#define WORD_KEPT(index)   (0x200u + (index))
#define WORD_SYNCED(page)  (0x500u + (page))
#define WORD_STORED(cpu)   (0x300u + (cpu))
#define WORD_PINNED(cpu)   (0x400u + (cpu))

/*
 * Spaces of the model: the one that all start in, the child that is there, those that come; and of
 * two CPUs' pairs one that has nothing to do with the first.
 */
enum { SPACE_MAIN, SPACE_CHILD, SPACE_FORKED, SPACE_OTHER = FLAT_SPACES - 1 };

enum op_traits {
    OP_ONE_PAGE = 1,      /* takes no range */
    OP_ASIDE = 2,         /* and the pages aside */
    OP_OBJECT = 4,        /* needs an object */
    OP_SHARED = 8,        /* needs a shared mapping */
    OP_CHILD = 16,        /* needs the child, and works there */
    OP_HIGH = 32,         /* uses PAIR_HIGH */
    OP_PRIVATE = 64,      /* needs a private mapping */
    OP_HEAP = 128,        /* works at the mapping's end, and on the heap behind it */
    OP_WRITER = 256,      /* starts with the mmap lock held for writing: waits for who reads */
    OP_ACCESS = 512,      /* does not wait for a lock itself: a kill is no reason to give up */
    OP_PARENT = 1024,     /* needs the child, and that nobody works there */
    OP_CLOSED = 2048,     /* needs memory that may not be accessed */
    OP_RARE = 4096,       /* on memory of some kinds only */
    OP_LEAVES = 8192,     /* afterwards all CPUs leave the address space for good */
    OP_LARGE = 16384,     /* too many steps for two of them on two tables */
    OP_WHOLE = 32768,     /* works on all pages: an object's are there at first */
    OP_BRINGS = 65536,    /* brings pages in; */
    OP_CUTS = 131072,     /* takes them away: many steps, where they are not there at first */
    OP_ONCE = 262144,     /* leaves something in pair_run: one by a CPU, not in the child */
    OP_PAIRED = 524288,   /* in longer sequences it is not modelled: scenarios_calls.c */
    OP_LOOKS = 1048576,   /* reads entries, or a TLB, without the mmap lock */
    OP_NOWHERE = 2097152, /* on no pages in particular */
    OP_LARGER = 4194304,  /* needs larger pages */
    OP_FILLS = 8388608,   /* stores, perhaps where nothing is: a larger page comes */
    OP_READS = 16777216,  /* reads: pages around come, or a larger page of zeros */
};

/* One operation of a scenario, as it runs and as it is modelled. */
struct act {
    const struct op *op;
    unsigned cpu, space;
    unsigned page, count; /* what it works on */
    unsigned step;        /* of the model, from 0 */
    bool over;
    bool reads;   /* the model has begun something that holds the mmap lock for reading */
    int64_t code; /* what it answers */
    uint64_t word;
    uint16_t frame; /* pinned: the model's */
    unsigned upto;  /* pages of the range whose mapping the model has looked at */
};

struct op {
    const char *name;
    unsigned traits;
    void (*run)(struct act *act);
    bool (*model)(struct flat *flat, struct act *act); /* the next step. => true: it was the last */
};

struct ground {
    const char *name;
    bool object, shared;
    bool loaded, stored; /* pages that will be used have been */
    bool synced;         /* and written back, and stored again: entries alone are dirty */
    bool warm;           /* by every CPU */
    bool forked;
    bool closed; /* then nothing is allowed any more */
    bool grows;  /* a stack, which starts behind the pages that are used */
    bool kin;    /* the child has the pages, too */
    bool wide;   /* on two tables, too */
    bool all;    /* rare operations as well */
    bool keeps;  /* faults drop nothing from TLBs; for accesses and what goes beside them */
    bool larger; /* larger pages come where they fit; and the mapping has all of a table's pages */
    bool filled; /* but there are small ones, and the first is missing */
    bool around; /* the object is in memory, and what reads it maps pages around, too */
    unsigned wants; /* traits: one of the two operations has one of these; 0: any may be */

    /* sharing_pairs.c alone */
    bool beside;  /* the mapping has all of its tables, by pages that nobody uses */
    bool cached;  /* the object is in memory */
    bool swapped; /* what has been stored is in swap, and its cache; but the last page is back */
    bool again;   /* there is a second mapping like the first, PAIR_AGAIN pages further up */
    bool other;   /* and a second address space, in which the last CPU works */
};

/* Pages 0 to 3 are a leaf table's, and the larger page, where there is one. */
#define PAIR_WHOLE 4

/* A second set of translations, of one page: pairs_life.c. */
struct mirror {
    struct mmk_notifier notifier; /* first */
    struct mmk_spinlock lock;
    bool registered, valid;
    mmk_vaddr_t addr;
    mmk_paddr_t phys;
};

/* The run under way. */
struct pair_run {
    const struct ground *ground;
    struct act act[PAIR_ACTS]; /* those of a CPU one after the other */
    unsigned acts;
    struct mmk_mm *mm[FLAT_SPACES];
    struct mmk_object *object;
    uint32_t kept[FLAT_OBJECT];         /* the object's file */
    struct mmk_page *pinned[PAIR_ACTS]; /* by the act of that number */
    struct machine_swap *device;        /* where the ground wants swap space */
    struct mmk_swap_area *area;
    struct mirror mirror[PAIR_CPUS];
};

extern struct pair_run pair_run;

/* Lists that end with one without a name. */
extern const struct op pair_ops_access[], pair_ops_map[], pair_ops_move[], pair_ops_page[],
    pair_ops_lock[], pair_ops_object[], pair_ops_life[], pair_ops_larger[];

/* All of them, from 0. => NULL: there are no more */
const struct op *pair_op(size_t number);

/* Kinds of memory: a list that ends with one without a name; those with `keeps` come last. */
extern const struct ground pair_grounds[];

/* Has an operation of these traits something to do there? */
bool ground_fits(unsigned traits, const struct ground *ground);

/*
 * pair_run: the memory as these find it, with the pages that they use; loaded on all CPUs. And the
 * same in the model. Then all that the run has left beside world.mm goes.
 */
void ground_start(const struct ground *ground, const struct act *act, unsigned acts);
void ground_start_flat(struct flat *flat, const struct ground *ground, const struct act *act,
                       unsigned acts);
void ground_stop(void);

/* Does an operation of the run end with all CPUs leaving? */
bool pair_all_leave(void);

/*
 * After the run: looks at all that can be seen of pair_run; it must come out of the model in an
 * order of its steps. program: a number of what has been run, which the model's outcomes are kept
 * by; 0: they are not looked at. begin: its acts, before.
 */
void pair_check(uint64_t program, const struct act *begin);

/* Two acts, one after the other: does it make no difference to the model which comes first? */
bool pair_commutes(const struct act *begin);

/* As pair_check(), of two acts of which `first` was over before the other began. */
void pair_check_order(const struct act *begin, unsigned first);

/* Is its mapping larger, so that operations can be on all pages of a table? */
bool ground_has_whole(const struct ground *ground);

/* The act's address, bytes and mm. */
mmk_vaddr_t act_addr(const struct act *act);
uint64_t act_length(const struct act *act);
struct mmk_mm *act_mm(const struct act *act);

/* For models: page `i` of the range. */
struct flat_page *act_page(struct flat *flat, const struct act *act, unsigned i);

/* The range is about to change: larger pages that have a part in it alone are small ones now. */
void act_split_ends(struct flat *flat, const struct act *act);

/*
 * For those that look at a mapping under the lock, and then do something to its object without it.
 * => NULL: a step that does no more than look
 */
const struct flat_page *act_looked_at(struct flat *flat, struct act *act);

/*
 * For those that go page by page under the mmap lock, held for reading: the next page's number.
 * => true: it is the last; after it, or when the model ends early, the lock is free
 */
bool act_next_page(struct act *act, unsigned *page);

/*
 * A page of locked memory, as the mapping is: where private memory may be written it gets a page of
 * its own.
 */
enum mmk_fault_result act_bring_in(struct flat *flat, const struct act *act, unsigned page);

/* Who has pinned a page writes to it, and unpins it: what shows it, shows that. */
void act_write_pinned(struct flat *flat, const struct act *act);
void act_run_write_pinned(const struct act *act);

/* Does the mirror, if it is filled, say what the page tables say? */
bool mirror_is_true(const struct act *act);

#endif
