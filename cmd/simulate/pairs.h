/* SPDX-License-Identifier: MIT */
/*
 * pairs.h - every call against every other: operations, and what they work on.
 *
 * An operation says how it runs on a CPU of the machine and what it does in the flat model. There
 * it is one step, unless the call that it stands for is not atomic on Linux, either: each function
 * says so. scenarios_pairs.c combines them.
 */
#ifndef SIMULATE_PAIRS_H
#define SIMULATE_PAIRS_H

#include "flat.h"
#include "world.h"

#define RW   (MMK_PROT_READ | MMK_PROT_WRITE)
#define ANON (MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS)

#define PAIR_FIRST 2 /* the mapping that all work on has these pages */
#define PAIR_END   6
#define PAIR_ASIDE 8  /* pages further up: where things are moved to */
#define PAIR_HEAP  6  /* where the heap starts */
#define PAIR_HIGH  38 /* the page that mmap chooses by itself */
#define PAIR_CPUS  3

/* Contents: of touched pages, kept of the object, stored by CPUs and by who has pinned. */
#define WORD_TOUCHED(page) (0x100u + (page))
#define WORD_KEPT(index)   (0x200u + (index))
#define WORD_STORED(cpu)   (0x300u + (cpu))
#define WORD_PINNED(cpu)   (0x400u + (cpu))

/* Spaces of the model: the one that all start in, the child that is there, those that come. */
enum { SPACE_MAIN, SPACE_CHILD, SPACE_FORKED };

enum op_traits {
    OP_ONE_PAGE = 1, /* takes no range */
    OP_ASIDE = 2,    /* and the pages aside */
    OP_OBJECT = 4,   /* needs an object */
    OP_SHARED = 8,   /* needs a shared mapping */
    OP_CHILD = 16,   /* needs the child, and works there */
    OP_HIGH = 32,    /* uses PAIR_HIGH */
    OP_ANON = 64,    /* needs private anonymous memory */
};

/* One operation of a scenario, as it runs and as it is modelled. */
struct act {
    const struct op *op;
    unsigned cpu, space;
    unsigned page, count; /* what it works on */
    unsigned step;        /* of the model, from 0 */
    bool over;
    int64_t code; /* what it answers */
    uint64_t word;
    uint16_t frame[2]; /* pinned */
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
    bool warm;           /* by every CPU */
    bool forked;
    bool grows; /* a stack, which starts at the page behind the first that is used */
};

/* The run under way. */
struct pair_run {
    const struct ground *ground;
    struct act act[PAIR_CPUS];
    struct mmk_mm *mm[FLAT_SPACES];
    struct mmk_object *object;
    uint32_t kept[FLAT_OBJECT]; /* the object's file */
    struct mmk_page *pinned[PAIR_CPUS][2];
};

extern struct pair_run pair_run;

/* Lists that end with one without a name. */
extern const struct op pair_ops_access[], pair_ops_map[];

/* The act's address and mm; results. */
mmk_vaddr_t act_addr(const struct act *act);
uint64_t act_length(const struct act *act);
struct mmk_mm *act_mm(const struct act *act);

/* For models: page `i` of the range, and whether all pages of it are mapped. */
struct flat_page *act_page(struct flat *flat, const struct act *act, unsigned i);
bool act_all_mapped(struct flat *flat, const struct act *act);

#endif
