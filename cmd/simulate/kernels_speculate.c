/* SPDX-License-Identifier: MIT */
/*
 * kernels_speculate.c - what a fault that has not taken the mmap lock reads of its mapping, while
 * that changes: the orders of src/vma.h.
 */
#include "kernel.h"

#include "anon.h"
#include "vma_hint.h"
#include "vma_seq.h"
#include "walk.h"

enum { FIRST_SEQ = 2 }; /* of the first mapping of an address space that is opened */

/* Pages 4 to 7, where its mapping may grow either way. */
static void setup_range(void)
{
    kernel_begin();
    map_pages(4, 4, RW, ANON);
    kernel.vma = mmk_vma_tree_find_rcu(&world.mm->vmas, page_at(4));
}

static void end_range(void)
{
    mmk_mm_is_private(world.mm);
    if (mmk_vma_is_closed(kernel.vma))
        mmk_vma_open(kernel.vma);
    expect(mmk_munmap(world.mm, page_at(0), 12 * PAGE) == 0);
    kernel_end();
}

/* As many pages as before, so that the counts are right. => closed if it was */
static void set_range(unsigned first)
{
    expect(mmk_mm_write_lock(world.mm) == 0);
    mmk_vma_set_range(world.mm, kernel.vma, page_at(first), page_at(first + 4));
    mmk_rw_write_unlock(&world.mm->mmap_lock, MMK_LOCK_MMAP);
}

/* Who finds the mapping open again finds where it ends now. */
static void vma_opened(unsigned cpu)
{
    uint64_t seq;

    if (cpu == 0) {
        set_range(2);
        return;
    }
    mmk_rcu_read_lock();
    seq = mmk_vma_seq(kernel.vma);
    if (!(seq & 1) && seq != FIRST_SEQ)
        expect(mmk_vma_end(kernel.vma) == page_at(6));
    mmk_rcu_read_unlock();
}

/* Who has found it open, and then a range that it has since it was closed, finds that it was. */
static void look_again(void)
{
    uint64_t seq;

    mmk_rcu_read_lock();
    seq = mmk_vma_seq(kernel.vma);
    if (!(seq & 1) &&
        (mmk_vma_end(kernel.vma) > page_at(8) || mmk_vma_start(kernel.vma) < page_at(4)))
        expect(!mmk_vma_seq_is(kernel.vma, seq));
    mmk_rcu_read_unlock();
}

static void close_and_set(unsigned first)
{
    mmk_vma_close(kernel.vma);
    set_range(first);
}

static void vma_grows_up(unsigned cpu)
{
    if (cpu == 0)
        close_and_set(6);
    else
        look_again();
}

static void vma_grows_down(unsigned cpu)
{
    if (cpu == 0)
        close_and_set(2);
    else
        look_again();
}

static struct mmk_a32 place; /* where tables are linked */

/* Who has gone where tables were does not get by with a mapping that was opened since. */
static void vma_followed(unsigned cpu)
{
    uint32_t moves, found;
    uint64_t seq;

    if (cpu == 0) {
        mmk_vma_close(kernel.vma);
        mmk_a32_store(&place, 1, MMK_RELAXED);
        mmk_mm_tables_moved(world.mm);
        mmk_vma_open(kernel.vma);
        return;
    }
    moves = mmk_mm_table_moves(world.mm);
    found = mmk_a32_load(&place, MMK_RELAXED);
    seq = mmk_vma_seq(kernel.vma);
    if (!(seq & 1) && seq != FIRST_SEQ && mmk_mm_table_moves_are(world.mm, moves))
        expect(found == 1);
}

static void setup_followed(void)
{
    setup_range();
    mmk_a32_store(&place, 0, MMK_RELAXED);
}

/* The lower half of a file's mapping, whose upper half has moved with a page. */
static void setup_inherits(void)
{
    kernel_begin();
    expect(mmk_object_create(NULL, 2 * PAGE, NULL, &kernel.object) == 0);
    expect(mmk_mmap(world.mm, page_at(1), PAGE, RW, MMK_MAP_PRIVATE | MMK_MAP_FIXED, kernel.object,
                    PAGE) == (int64_t)page_at(1));
    kernel_store(1, 1);
    expect(mmk_mremap(world.mm, page_at(1), PAGE, PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED,
                      page_at(3)) == (int64_t)page_at(3));
    expect(mmk_mmap(world.mm, page_at(2), PAGE, RW | MMK_PROT_EXEC, MMK_MAP_PRIVATE | MMK_MAP_FIXED,
                    kernel.object, 0) == (int64_t)page_at(2));
}

/* The two become one: who finds that it may have pages finds where they are looked for. */
static void shift_inherited(unsigned cpu)
{
    const struct mmk_vma *vma;

    if (cpu == 0) {
        expect(mmk_mprotect(world.mm, page_at(2), PAGE, RW) == 0);
        return;
    }
    mmk_rcu_read_lock();
    vma = mmk_vma_tree_find_rcu(&world.mm->vmas, page_at(2));
    if (vma && mmk_anon_is_ready(vma))
        expect(mmk_vma_shift(vma) == 2 * PAGE);
    mmk_rcu_read_unlock();
}

static void end_inherits(void)
{
    expect(mmk_munmap(world.mm, page_at(0), 4 * PAGE) == 0);
    mmk_object_put(kernel.object);
    kernel_end();
}

/* Page 0 is a mapping of its own. */
static void setup_hint(void)
{
    kernel_begin();
    map_pages(0, 1, RW, ANON);
    kernel_store(0, 1);
}

/* A new mapping comes, and its table knows it. Who finds it there finds it as it was made. */
static void vma_hinted(unsigned cpu)
{
    const struct mmk_vma *vma;
    struct mmk_walk walk;

    if (cpu == 0) {
        map_pages(1, 1, RW | MMK_PROT_EXEC, ANON);
        kernel_store(1, 1);
        return;
    }
    mmk_rcu_read_lock();
    mmk_walk_rcu(world.mm, page_at(1), &walk);
    vma = mmk_vma_hint_rcu(walk.table, walk.level);
    expect(!vma || mmk_vma_size(vma) == PAGE);
    mmk_rcu_read_unlock();
}

static void end_hint(void)
{
    expect(mmk_munmap(world.mm, page_at(0), 2 * PAGE) == 0);
    kernel_end();
}

/* A mapping that has left the tree, and that a table knows. */
static void setup_let_go(void)
{
    kernel_begin();
    kernel.vma = mmk_vma_alloc_blank();
    expect(kernel.vma && mmk_vma_get_unless_zero(kernel.vma));
}

/* Whoever lets go of it last frees it, after the other. */
static void vma_let_go(unsigned cpu)
{
    if (cpu == 0)
        kernel.vma->next = NULL;
    mmk_vma_put(kernel.vma);
}

const struct scenario kernels_speculate[] = {
    {.name = "kernel.vma.opened",
     .what = "a mapping is cut, and opened again, while a fault looks where it ends",
     .cpus = 2,
     .setup = setup_range,
     .body = vma_opened,
     .check = end_range},
    {.name = "kernel.vma.grows-up",
     .what = "a mapping is closed and grows upwards while a fault looks where it ends",
     .cpus = 2,
     .setup = setup_range,
     .body = vma_grows_up,
     .check = end_range},
    {.name = "kernel.vma.grows-down",
     .what = "a mapping is closed and grows downwards while a fault looks where it starts",
     .cpus = 2,
     .setup = setup_range,
     .body = vma_grows_down,
     .check = end_range},
    {.name = "kernel.vma.hinted",
     .what = "a table comes to know a new mapping while a fault takes it from there",
     .cpus = 2,
     .setup = setup_hint,
     .body = vma_hinted,
     .check = end_hint},
    {.name = "kernel.vma.let-go",
     .what = "the tree and a table let go of a mapping",
     .cpus = 2,
     .setup = setup_let_go,
     .body = vma_let_go,
     .check = kernel_end},
    {.name = "kernel.vma.followed",
     .what = "tables move between a fault's walk and its look at the mapping",
     .cpus = 2,
     .setup = setup_followed,
     .body = vma_followed,
     .check = end_range},
    {.name = "kernel.anon.inherited",
     .what = "a mapping comes to have pages with a neighbour, and where they are looked for",
     .cpus = 2,
     .setup = setup_inherits,
     .body = shift_inherited,
     .check = end_inherits},
    {.name = NULL},
};
