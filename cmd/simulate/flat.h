/* SPDX-License-Identifier: MIT */
/*
 * flat.h - what memory management means, without any: an address space is an array of pages, and
 * every step is done at once.
 *
 * Scenarios compare what the library did on several CPUs with what this model does in some order of
 * their steps. It knows no tables, no reference counts and no TLBs, shares nothing with src/, and
 * copies whatever Linux would share until it is written.
 */
#ifndef SIMULATE_FLAT_H
#define SIMULATE_FLAT_H

#include <mmkit/fault.h>

#define FLAT_PAGES  48 /* of addresses, from world.h's BASE */
#define FLAT_SPACES 5
#define FLAT_OBJECT 8 /* pages of the object at most */
#define FLAT_STACK  8 /* of a stack: the limit in the format tiny */
#define FLAT_TABLE  4 /* pages of a leaf table, and of a larger page */

/* A page of an address space. */
struct flat_page {
    bool mapped, shared;
    bool object;         /* of the object, by `index`; else anonymous */
    bool grows;          /* a stack's */
    bool locked, lazily; /* lazily: when they are touched */
    bool sealed, no_fork, wipe;
    bool present; /* there is an entry */
    bool guard;   /* it is a guard */
    bool own;     /* private contents: `word`; else the object's, or zeros */
    bool freed;   /* own, and marked by MADV_FREE since it was stored to */
    bool larger;  /* a larger page's, which takes no leaf table; so are those beside it */
    bool common;  /* own, but there since before a fork, and not stored to after it */
    uint8_t pins; /* own, and pinned so often */
    uint8_t prot; /* MMK_PROT_* */
    uint8_t index;
    uint16_t frame; /* where the contents are: for who pins them */
    uint32_t word;  /* the contents */
};

struct flat_space {
    bool exists, killed;
    unsigned heap, heap_end; /* pages; the heap is [heap, heap_end) */
    struct flat_page page[FLAT_PAGES];
};

/* A file: pages in memory, and what is kept of it. */
struct flat_object {
    unsigned size; /* pages */
    struct {
        bool cached;
        uint16_t frame;
        uint32_t word, kept;
    } page[FLAT_OBJECT];
};

struct flat {
    struct flat_space space[FLAT_SPACES];
    struct flat_object object;
    uint16_t frames; /* numbers given out */
    bool larger;     /* larger pages come where they fit */
    bool around;     /* what reads the object's memory maps all of it that is in the same table */

    /* What the model leaves open: flat_either() answers `choice`, and says how many there are. */
    unsigned choice, choices;
};

/* One of n things may happen: which is tried now. => at most once a step */
unsigned flat_either(struct flat *flat, unsigned n);

/* Page b comes behind page a. */
bool flat_same_mapping(const struct flat_page *a, const struct flat_page *b);

/* It is sealed, so that advice may not discard what the program could not, either. */
bool flat_sealed_contents(const struct flat_page *p);

/* A load or store of a program: *word is read, or written. */
enum mmk_fault_result flat_access(struct flat *flat, unsigned space, unsigned page, bool write,
                                  uint32_t *word);

/*
 * The fault that precedes an access: an entry comes, and in a private mapping that is written its
 * own page. The access follows, and may find everything changed: then it faults again.
 */
enum mmk_fault_result flat_fault(struct flat *flat, unsigned space, unsigned page, bool write);

/* What is accessed at a page that is mapped, and in a private mapping its own copy of it. */
uint32_t flat_contents(const struct flat *flat, unsigned space, unsigned page);
void flat_own(struct flat *flat, unsigned space, unsigned page, uint32_t word);

/*
 * The larger page that a page is in becomes small ones. ends: those that lie in a range with a part
 * only. settle, after each step: those whose pages are no longer alike.
 */
void flat_split(struct flat *flat, unsigned space, unsigned page);
void flat_split_ends(struct flat *flat, unsigned space, unsigned page, unsigned count);
void flat_settle(struct flat *flat);

/* Those of which a page is pinned. => true: there was one */
bool flat_split_pinned(struct flat *flat, unsigned space);

/* Could the table that a page is in give way to a larger page, by its mapping? */
bool flat_fits_larger(const struct flat *flat, unsigned space, unsigned page);

/* All pages of that table become the program's own, and are a larger page. */
void flat_make_larger(struct flat *flat, unsigned space, unsigned page);

/* Contents go, the mapping stays; a guard stays, too. */
void flat_drop(struct flat *flat, unsigned space, unsigned page);

/* A page of the object is read, unless it is in memory; is written back, if it is. */
void flat_bring_in(struct flat *flat, unsigned index);
void flat_write_back(struct flat *flat, unsigned index);

/* May the entry of a page that is present go with its table, and nothing be missed? */
bool flat_would_not_be_missed(const struct flat *flat, unsigned space, unsigned page);

/* The mapping goes; a new private anonymous one comes. */
void flat_unmap(struct flat *flat, unsigned space, unsigned page);
void flat_map(struct flat *flat, unsigned space, unsigned page, unsigned prot);

/* All of one space becomes another's child. */
void flat_fork(struct flat *flat, unsigned parent, unsigned child);

/* A page of the object goes from memory, and from all mappings; `copies`: private ones as well. */
void flat_discard(struct flat *flat, unsigned index, bool copies);

/*
 * How many of `per` pages each have something mapped in them: page tables, at the least. Of
 * FLAT_TABLE: without larger pages.
 */
unsigned flat_tables(const struct flat *flat, unsigned space, unsigned per);

/* Pages mapped, and those of them that are locked. */
unsigned flat_mapped(const struct flat *flat, unsigned space);
unsigned flat_locked(const struct flat *flat, unsigned space);

#endif
