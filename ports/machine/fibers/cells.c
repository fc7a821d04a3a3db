/* SPDX-License-Identifier: MIT */
/*
 * cells.c - who has used which memory when, and whether that was in order.
 *
 * R1 Two accesses to the same four bytes by two tasks, one of them a write, not both atomic: one
 *    must be known to the task of the other (vector_clock.h). Else nothing orders them, C11 calls
 *    that a race, and the run fails.
 * R2 Clearing a page, copying to it and freeing it are plain writes of all of it, noted with the
 *    page alone; freeing a small object is a plain write of it. Programs' accesses are atomic.
 * R3 What was done before the run, and what is done alone, is known to all.
 *
 * Plain accesses are seen where the compiler notes them (plain.c).
 */
#include "weak.h"

#include <stdio.h>
#include <string.h>

#define SLOTS      ((size_t)1 << 20)
#define SLOTS_BITS 20
#define CELLS      (SLOTS / 2)
#define PAGES      ((size_t)1 << 16)
#define CELL_BYTES 4

struct slot {
    uintptr_t at;
    uint32_t run; /* others are empty */
    uint32_t cell;
};

struct page {
    uint32_t run;
    uint32_t life;    /* raised when it is cleared or overwritten */
    uint32_t written; /* then: when and by whom */
    unsigned writer;
    struct clock used; /* by each, in any way */
};

static struct slot *slots; /* SLOTS of them, CELLS, PAGES */
static struct cell *cells;
static struct page *pages;
static uint32_t run, used;

bool cells_prepare(void)
{
    slots = weak_map(SLOTS * sizeof(*slots));
    cells = weak_map(CELLS * sizeof(*cells));
    pages = weak_map(PAGES * sizeof(*pages));
    return slots && cells && pages;
}

void cells_begin(void)
{
    run++;
    used = 0;
}

/* ---- what is found --------------------------------------------------------------------------- */

extern const char __executable_start[];

static void describe(char *text, size_t size, const void *where, const struct fibers_site *site)
{
    if (site)
        snprintf(text, size, "%s:%u", site->file, site->line);
    else if (where)
        snprintf(text, size, "code +0x%lx",
                 (unsigned long)((uintptr_t)where - (uintptr_t)__executable_start));
    else
        snprintf(text, size, "a whole page");
}

/* This access, of the task that runs, and one of `other`, which it does not know of. */
static void race(const char *does, const void *where, const struct fibers_site *site,
                 unsigned other, const char *did, const void *there,
                 const struct fibers_site *there_site)
{
    char text[400], here_name[120], there_name[120];

    describe(here_name, sizeof(here_name), where, site);
    describe(there_name, sizeof(there_name), there, there_site);
    snprintf(text, sizeof(text), "race: %s (%s) what CPU %u %s (%s), and nothing orders the two",
             does, here_name, other, did, there_name);
    fibers_fail(text);
}

/* ---- pages ----------------------------------------------------------------------------------- */

static struct page *page_of(uintptr_t at)
{
    struct page *page;
    size_t number = (at - machine_ram_base - MACHINE_RAM_START) / MMK_PAGE_SIZE;

    if (at < machine_ram_base + MACHINE_RAM_START || at >= machine_ram_base + machine_ram_end)
        return NULL;
    mmk_assert(number < PAGES, "fibers: too much RAM for weak memory");
    page = &pages[number];
    if (page->run != run)
        *page = (struct page){.run = run};
    return page;
}

static void use_page(struct page *page, const char *does, const void *where,
                     const struct fibers_site *site)
{
    struct clock *now = &weak_view()->now;

    if (page->written > now->of[page->writer])
        race(does, where, site, page->writer, "has cleared, copied to or freed", NULL, NULL);
    page->used.of[sim.current] = now->of[sim.current];
}

static void read_page(const void *at)
{
    struct page *page = page_of((uintptr_t)at);

    if (page)
        use_page(page, "copies", NULL, NULL);
}

static void write_page(const void *at, const char *does)
{
    struct page *page = page_of((uintptr_t)at);
    struct clock *now = &weak_view()->now;
    unsigned other;

    if (!page)
        return;
    other = clock_unknown(now, &page->used);
    if (other < MMK_MAX_CPUS)
        race(does, NULL, NULL, other, "uses", NULL, NULL);
    use_page(page, does, NULL, NULL);
    page->life++;
    page->writer = sim.current;
    page->written = weak_tick();
    page->used.of[sim.current] = page->written;
}

void cell_page_freed(const void *page)
{
    write_page(page, "frees");
}

void fibers_clear_page(void *page)
{
    if (fibers_weak)
        write_page(page, "clears");
    memset(page, 0, MMK_PAGE_SIZE);
}

void fibers_copy_page(void *to, const void *from)
{
    if (fibers_weak) {
        read_page(from);
        write_page(to, "copies to");
    }
    memcpy(to, from, MMK_PAGE_SIZE);
}

bool fibers_page_is_zero(const void *page)
{
    const uint64_t *word = page, *end = word + MMK_PAGE_SIZE / sizeof(*word);

    if (fibers_weak)
        read_page(page);
    for (; word < end; word++)
        if (__atomic_load_n(word, __ATOMIC_RELAXED) != 0)
            return false;
    return true;
}

void fibers_note_program(const void *ram)
{
    struct page *page = page_of((uintptr_t)ram);

    if (page)
        use_page(page, "a program uses", NULL, NULL);
}

/* ---- cells ----------------------------------------------------------------------------------- */

static struct cell *new_cell(struct slot *slot, uintptr_t at)
{
    mmk_assert(used < CELLS, "fibers: too many words for weak memory");
    *slot = (struct slot){.at = at, .run = run, .cell = used};
    cells[used] = (struct cell){.at = at};
    return &cells[used++];
}

static struct cell *find(uintptr_t at)
{
    size_t place = (size_t)((at / CELL_BYTES) * 0x9e3779b97f4a7c15u >> (64 - SLOTS_BITS));

    while (slots[place].run == run && slots[place].at != at)
        place = (place + 1) % SLOTS;
    return slots[place].run == run ? &cells[slots[place].cell] : new_cell(&slots[place], at);
}

/* The cell of an access, its page used. */
static struct cell *use(uintptr_t at, const char *does, const void *where,
                        const struct fibers_site *site)
{
    struct cell *cell = find(at & ~(uintptr_t)(CELL_BYTES - 1));
    struct page *page = page_of(at);

    if (page) {
        use_page(page, does, where, site);
        if (cell->life != page->life)
            *cell = (struct cell){.at = cell->at, .life = page->life};
    }
    return cell;
}

static void check_written(const struct cell *cell, const char *does, const void *where,
                          const struct fibers_site *site)
{
    if (cell->written > weak_view()->now.of[cell->writer])
        race(does, where, site, cell->writer, "wrote", cell->where, NULL);
}

static void check_others(const struct clock *past, const struct cell *cell, const char *does,
                         const void *where, const struct fibers_site *site, const char *did)
{
    unsigned other = clock_unknown(&weak_view()->now, past);

    if (other < MMK_MAX_CPUS)
        race(does, where, site, other, did, NULL, past == &cell->changed ? cell->changed_by : NULL);
}

/* The cells of a word know each other. */
static void join_cells(struct cell *cell, unsigned size, const char *does,
                       const struct fibers_site *site)
{
    if (cell->first) { /* was another's */
        cell->first->second = NULL;
        cell->first = NULL;
    }
    if (cell->second)
        cell->second->first = NULL;
    cell->second = size > CELL_BYTES ? use(cell->at + CELL_BYTES, does, NULL, site) : NULL;
    if (cell->second)
        cell->second->first = cell;
    cell->size = (uint8_t)size;
}

/* => the first cell of the word, which notes what is done to it atomically */
static struct cell *use_word(uintptr_t at, unsigned size, const char *does,
                             const struct fibers_site *site)
{
    struct cell *cell = use(at, does, NULL, site);

    if (cell->first || cell->size != size)
        join_cells(cell, size, does, site);
    check_written(cell, does, NULL, site);
    if (cell->second)
        check_written(cell->second, does, NULL, site);
    return cell;
}

struct cell *cell_load(uintptr_t at, unsigned size, const struct fibers_site *site)
{
    struct cell *cell = use_word(at, size, "loads", site);

    cell->loaded.of[sim.current] = weak_view()->now.of[sim.current];
    return cell;
}

struct cell *cell_change(uintptr_t at, unsigned size, const struct fibers_site *site)
{
    struct cell *cell = use_word(at, size, "changes", site);

    check_others(&cell->read, cell, "changes", NULL, site, "read");
    if (cell->second)
        check_others(&cell->second->read, cell, "changes", NULL, site, "read");
    cell->changed.of[sim.current] = weak_view()->now.of[sim.current];
    cell->changed_by = site;
    return cell;
}

static struct cell *use_plainly(uintptr_t at, const char *does, const void *where)
{
    struct cell *cell = use(at, does, where, NULL);
    const struct cell *word = cell->first ? cell->first : cell;

    check_written(cell, does, where, NULL);
    check_others(&word->changed, word, does, where, NULL, "changed");
    return cell;
}

void cell_plain_read(uintptr_t at, size_t size, const void *where)
{
    uintptr_t end = at + size;

    for (at &= ~(uintptr_t)(CELL_BYTES - 1); at < end; at += CELL_BYTES)
        use_plainly(at, "reads", where)->read.of[sim.current] = weak_view()->now.of[sim.current];
}

static void write_one(uintptr_t at, const void *where)
{
    struct cell *cell = use_plainly(at, "writes", where);
    struct cell *word = cell->first ? cell->first : cell;

    check_others(&cell->read, cell, "writes", where, NULL, "read");
    check_others(&word->loaded, word, "writes", where, NULL, "loaded");
    cell->writer = (uint8_t)sim.current;
    cell->written = weak_view()->now.of[sim.current];
    cell->where = where;
    word->plain = true;
}

void cell_plain_write(uintptr_t at, size_t size, const void *where)
{
    uintptr_t end = at + size;

    for (at &= ~(uintptr_t)(CELL_BYTES - 1); at < end; at += CELL_BYTES)
        write_one(at, where);
}
