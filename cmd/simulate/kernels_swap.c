/* SPDX-License-Identifier: MIT */
/*
 * kernels_swap.c - as kernels_memory.c, pages that go to swap and come back.
 */
#include "kernel.h"

#include "migrate.h"
#include "mm.h"
#include "object.h"
#include "object_swap.h"
#include "page_rmap.h"
#include "swap_in.h"
#include "swap_return.h"
#include <mmkit/mmkit.h>
#include <mmkit/port/directmap.h>

/* A page without tables, of world.mm and of a child of it. */
static struct mmk_kin *child;

static void setup_counted(void)
{
    kernel_begin();
    child = mmk_kin_alloc(world.mm->kin);
    expect(child != NULL);
    mmk_kin_join(child, world.mm->kin, world.mm);
    kernel.page = mmk_page_alloc(0, 0);
    expect(kernel.page != NULL);
    mmk_page_set_type(kernel.page, MMK_PAGE_ANON);
    mmk_aptr_store(&kernel.page->user.kin, world.mm->kin, MMK_RELAXED);
    kernel.page->user.index = 0;
    mmk_a32_store(&kernel.page->user.mapcount, 2, MMK_RELAXED);
}

/*
 * Reclaim takes the child's entry, and the child's next touch brings the page back, while the other
 * that has it, its owner, lets go of it. (The tables' locks, which are not the same, and the swap
 * entry, are left out.)
 */
static void count_beside_return(unsigned cpu)
{
    if (cpu == 1) {
        mmk_page_remove_private(kernel.page, world.mm);
        return;
    }
    mmk_page_lock(kernel.page);
    mmk_page_set(kernel.page, MMK_PF_SWAPCACHE);
    mmk_page_remove_shared(kernel.page, child);
    mmk_page_return_rmap(kernel.page);
    mmk_page_unlock(kernel.page);
}

static void counted_end(void)
{
    expect(mmk_a32_load(&kernel.page->user.mapcount, MMK_RELAXED) == (MMK_MAPCOUNT_ORPHAN | 1));
    expect(mmk_a64_load(&world.mm->kin->orphans, MMK_RELAXED) == 1);
    mmk_page_remove_shared(kernel.page, child);
    expect(mmk_a64_load(&world.mm->kin->orphans, MMK_RELAXED) == 0);
    mmk_kin_leave(child);
    mmk_page_clear(kernel.page, MMK_PF_SWAPCACHE);
    mmk_page_put(kernel.page);
    kernel_end();
}

/* ---- areas and slots ------------------------------------------------------------------------- */

enum { SLOTS = 8, INDEX = 3, WORD = 2 };

/* The first slot that is given out of the only area. */
static const uint64_t first_slot;

static uint64_t kept[SLOTS]; /* the first word of each slot */
static struct mmk_swap_area *area;

static int read_words(void *device, uint64_t slot, void *const page[], unsigned count)
{
    unsigned i;

    (void)device;
    for (i = 0; i < count; i++) {
        mmk_clear_page(page[i]);
        mmk_a64_store((struct mmk_a64 *)page[i], kept[slot + i], MMK_RELAXED);
    }
    return 0;
}

static int write_words(void *device, uint64_t slot, const void *const page[], unsigned count)
{
    unsigned i;

    (void)device;
    for (i = 0; i < count; i++)
        kept[slot + i] = mmk_a64_load((const struct mmk_a64 *)page[i], MMK_RELAXED);
    return 0;
}

static void swap_on(void)
{
    static const struct mmk_swap_ops ops = {.read = read_words, .write = write_words};

    expect(mmk_swapon(&ops, NULL, SLOTS, 0, &area) == 0);
}

static void setup_area(void)
{
    kernel_begin();
    swap_on();
}

static void end_area(void)
{
    struct mmk_swap_stats stats;

    mmk_swap_check();
    mmk_swap_stats(area, &stats);
    expect(stats.used == 0);
    expect(mmk_swapoff(area) == 0);
    kernel_end();
}

/* Somebody counts the areas' slots when one comes. */
static void area_seen(unsigned cpu)
{
    struct mmk_stats stats = {.swap_slots = 0};

    if (cpu == 0) {
        swap_on();
    } else {
        mmk_swap_area_stats(&stats);
        expect(stats.swap_slots == 0 || stats.swap_slots == SLOTS);
    }
}

/* Nobody asks the object, which stands for any. */
static void setup_slot(void)
{
    setup_area();
    expect(mmk_object_create(NULL, 2 * PAGE, NULL, &kernel.object) == 0);
}

static void *as_owner(struct mmk_object *object)
{
    return (char *)object + MMK_SLOT_OBJECT;
}

/* A slot is given out, and looked at by who reads its neighbours. */
static void slot_seen(unsigned cpu)
{
    uint64_t slot;

    if (cpu == 0) {
        expect(mmk_slot_alloc(as_owner(kernel.object), INDEX, &slot) && slot == first_slot);
    } else if (mmk_slot_get_neighbour(first_slot)) {
        expect(mmk_aptr_load(mmk_slot_owner(first_slot), MMK_RELAXED) == as_owner(kernel.object));
        expect(!mmk_slot_put(first_slot));
    }
}

static void end_slot(void)
{
    mmk_slot_forget(first_slot);
    mmk_object_put(kernel.object);
    end_area();
}

/* ---- the swap cache -------------------------------------------------------------------------- */

/* A page of world.mm's is in its slot. */
static void setup_out(void)
{
    setup_area();
    map_pages(0, 1, RW, ANON);
    kernel_store(0, WORD);
    expect(mmk_madvise(world.mm, page_at(0), PAGE, MMK_MADV_PAGEOUT) == 0);
}

static struct mmk_page *page_in(void)
{
    struct mmk_page *page;
    bool read;

    expect(mmk_swap_in(NULL, first_slot, &page, &read) == 0);
    mmk_page_unlock(page);
    return page;
}

/* Looks at the slot's page without its lock, as mincore does. */
static void look(void)
{
    struct mmk_page *page = mmk_swap_find(first_slot);

    if (!page)
        return;
    expect(mmk_page_type(page) == MMK_PAGE_ANON);
    mmk_swap_put_page(page);
}

/* A page is found as soon as it is its slot's. */
static void cached_found(unsigned cpu)
{
    if (cpu == 0)
        mmk_swap_put_page(page_in());
    else
        look();
}

static void setup_cached(void)
{
    setup_out();
    kernel.page = page_in();
}

/* It leaves the cache, and its frame is the next that the slot gets, between two looks. */
static void cached_again(unsigned cpu)
{
    if (cpu == 1) {
        look();
        return;
    }
    mmk_page_lock(kernel.page);
    mmk_swap_drop(kernel.page);
    mmk_page_unlock(kernel.page);
    mmk_page_put(kernel.page);
    mmk_swap_put_page(page_in());
}

/* Its page goes to another frame, which is found in its place. */
static void cached_migrated(unsigned cpu) MMK_NO_TSA
{
    struct mmk_page *to;

    if (cpu == 1) {
        look();
        return;
    }
    to = mmk_page_alloc(0, 0);
    expect(to != NULL);
    mmk_page_lock(kernel.page);
    (void)!mmk_page_migrate(kernel.page, to);
    mmk_page_unlock(kernel.page);
    mmk_page_put(to);
    mmk_swap_put_page(kernel.page);
}

/* It has three references: the cache's, and each CPU's; the slot the entry's, and CPU 0's. */
static void setup_sole(void)
{
    setup_cached();
    mmk_page_get(kernel.page);
    mmk_slot_get(first_slot);
}

/* Who copies a page has done so before its entry's owner has it for his own, and writes to it. */
static void sole_copied(unsigned cpu)
{
    struct mmk_page *copy;

    if (cpu == 1) {
        copy = mmk_page_alloc(0, 0);
        expect(copy != NULL);
        mmk_copy_page(mmk_page_address(copy), mmk_page_address(kernel.page));
        mmk_page_put(copy);
        mmk_page_put(kernel.page);
        return;
    }
    mmk_page_lock(kernel.page);
    if (mmk_swap_sole(kernel.page, first_slot))
        mmk_clear_page(mmk_page_address(kernel.page));
    mmk_page_unlock(kernel.page);
}

static void end_out(void)
{
    kernel_give_back(0, 1);
    end_area();
}

static void end_sole(void)
{
    mmk_swap_put(first_slot);
    mmk_swap_put_page(kernel.page);
    end_out();
}

/* Its page is cached, and mapped nowhere; its only reference is the kernel's. */
static void setup_in(void)
{
    setup_out();
    mmk_slot_get(first_slot);
    kernel_give_back(0, 1);
    kernel.page = page_in();
}

/* Nobody has the slot any more, as who has the page locked is told. */
static void cached_unused(unsigned cpu)
{
    if (cpu == 0) {
        mmk_page_lock(kernel.page);
        mmk_page_unlock(kernel.page);
    } else {
        mmk_swap_put(first_slot);
    }
}

static void end_in(void)
{
    mmk_page_put(kernel.page);
    end_area();
}

static void setup_left(void)
{
    setup_in();
    expect(mmk_object_create(NULL, 2 * PAGE, NULL, &kernel.object) == 0);
}

/* Its page leaves a slot, which goes with its last reference, and is given out anew. */
static void slot_left(unsigned cpu)
{
    uint64_t slot;

    if (cpu == 0) {
        mmk_page_lock(kernel.page);
        if (mmk_swap_cached(kernel.page, first_slot))
            mmk_swap_drop(kernel.page);
        mmk_page_unlock(kernel.page);
        return;
    }
    mmk_swap_put(first_slot);
    expect(mmk_slot_alloc(as_owner(kernel.object), INDEX, &slot));
    mmk_slot_forget(slot);
}

static void end_left(void)
{
    mmk_object_put(kernel.object);
    end_in();
}

/* ---- shared memory --------------------------------------------------------------------------- */

/* The object's page 0, unlocked, with a reference. */
static struct mmk_page *object_page(void)
{
    struct mmk_page *page;

    expect(mmk_object_get_page(kernel.object, 0, &page) == 0);
    mmk_page_unlock(page);
    return page;
}

static struct mmk_a64 *word_of(const struct mmk_page *page)
{
    return (struct mmk_a64 *)mmk_page_address(page);
}

/* Both CPUs have a reference to it. */
static void setup_shared(void)
{
    setup_slot();
    kernel.page = object_page();
    mmk_page_get(kernel.page);
}

static void store_and_let_go(void)
{
    mmk_a64_store(word_of(kernel.page), WORD, MMK_RELAXED);
    mmk_page_mkdirty(kernel.page);
    mmk_page_put(kernel.page);
}

static void put_out(void)
{
    mmk_page_lock(kernel.page);
    (void)!mmk_object_swap_out(kernel.page);
    mmk_page_unlock(kernel.page);
    mmk_page_put(kernel.page);
}

/* Who finds that nobody else has a page any more finds it dirty. */
static void shared_stored(unsigned cpu)
{
    if (cpu == 0)
        put_out();
    else
        store_and_let_go();
}

static void end_shared(void)
{
    struct mmk_page *page = object_page();

    expect(mmk_a64_load(word_of(page), MMK_RELAXED) == WORD);
    mmk_page_put(page);
    mmk_object_check(kernel.object);
    mmk_object_put(kernel.object);
    end_area();
}

static void setup_shared_out(void)
{
    setup_shared();
    store_and_let_go();
    put_out();
}

/* A page is found in a slot's place. */
static void shared_found(unsigned cpu)
{
    struct mmk_page *page;

    if (cpu == 0) {
        mmk_page_put(object_page());
        return;
    }
    mmk_rcu_read_lock();
    page = mmk_page_index_find_rcu(&kernel.object->pages, 0);
    expect(page && (mmk_entry_is_slot(page) || mmk_page_type(page) == MMK_PAGE_OBJECT));
    mmk_rcu_read_unlock();
}

#define KERNEL(kernel_name, text, setup_with, run, end_with)                                       \
    {                                                                                              \
        .name = "kernel." kernel_name, .what = text, .cpus = 2, .setup = setup_with, .body = run,  \
        .check = end_with                                                                          \
    }

const struct scenario kernels_swap[] = {
    {.name = "kernel.swap.count",
     .what = "a page that is going to swap is let go of by one, and comes back to another",
     .cpus = 2,
     .setup = setup_counted,
     .body = count_beside_return,
     .check = counted_end},
    KERNEL("swap.area", "slots are counted while an area comes", kernel_begin, area_seen, end_area),
    KERNEL("swap.slot", "a slot is looked at as soon as it is given out", setup_slot, slot_seen,
           end_slot),
    KERNEL("swap.cached", "a page is looked at as soon as it is its slot's", setup_out,
           cached_found, end_out),
    KERNEL("swap.again", "a page comes back to its slot in the same frame", setup_cached,
           cached_again, end_out),
    KERNEL("swap.migrated", "a page is looked at as soon as it has another's place as its slot's",
           setup_cached, cached_migrated, end_out),
    KERNEL("swap.sole", "a page is copied before it is its entry's alone", setup_sole, sole_copied,
           end_sole),
    KERNEL("swap.unused", "a page has no use any more, and is locked", setup_in, cached_unused,
           end_in),
    KERNEL("swap.left", "a page leaves a slot that is given out anew", setup_left, slot_left,
           end_left),
    KERNEL("swap.stored", "a page of shared memory is let go of, dirty, while it goes to swap",
           setup_shared, shared_stored, end_shared),
    KERNEL("swap.shared", "a page of shared memory is looked at as soon as it is back",
           setup_shared_out, shared_found, end_shared),
    {.name = NULL},
};
