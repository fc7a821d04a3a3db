/* SPDX-License-Identifier: MIT */
/*
 * kernels_rmap.c - as kernels_memory.c, the way back from a page, and what uses it.
 */
#include "kernel.h"

#include "anon.h"
#include "migrate.h"
#include "mm.h"
#include "object.h"
#include "rmap_walk.h"
#include <mmkit/mmkit.h>
#include <mmkit/port/directmap.h>

/*
 * world.mm's kin, its child `owner`, whose address space is gone, and two of its children. One of
 * these has the page, which the owner has made. They are kins and a page alone, without tables.
 */
static struct mmk_kin *owner, *user, *other;

static struct mmk_kin *join(struct mmk_kin *parent, struct mmk_mm *mm)
{
    struct mmk_kin *kin = mmk_kin_alloc(parent);

    expect(kin != NULL);
    mmk_kin_join(kin, parent, mm);
    return kin;
}

/* => orphans: what its owner counts */
static void make_page(uint64_t orphans)
{
    kernel.page = mmk_page_alloc(0, 0);
    expect(kernel.page != NULL);
    mmk_page_set_type(kernel.page, MMK_PAGE_ANON);
    mmk_aptr_store(&kernel.page->user.kin, owner, MMK_RELAXED);
    kernel.page->user.index = 0;
    mmk_a32_store(&kernel.page->user.mapcount, MMK_MAPCOUNT_ORPHAN | 1, MMK_RELAXED);
    mmk_a64_store(&owner->orphans, orphans, MMK_RELAXED);
}

static void setup_orphan(void)
{
    kernel_begin();
    owner = join(world.mm->kin, NULL);
    user = join(owner, world.mm);
    other = join(owner, world.mm);
    make_page(MMK_KIN_GONE | 1);
}

static bool visit(struct mmk_page *page, struct mmk_mm *mm, mmk_vaddr_t addr, void *arg)
{
    (void)page;
    (void)mm;
    (void)addr;
    (void)arg;
    return false;
}

/*
 * The page's last entry goes, so its owner's kin is superfluous, as the next finds that leaves.
 * Who begins to look for entries when the kin's grace period has begun, and is not awaited, learns
 * that the page has none.
 */
static void kin_orphan(unsigned cpu)
{
    if (cpu == 0) {
        mmk_rcu_read_lock();
        mmk_page_remove_shared(kernel.page, user);
        mmk_rcu_read_unlock();
    } else if (cpu == 1) {
        mmk_kin_leave(other);
    } else {
        mmk_rmap_walk(kernel.page, visit, NULL);
    }
}

static void end_orphan(void)
{
    mmk_kin_leave(user);
    expect(mmk_kin_count() == 1);
    mmk_page_put(kernel.page);
    kernel_end();
}

/* As before, but the owner's address space is just going, and has one child left. */
static void setup_leaving(void)
{
    kernel_begin();
    owner = join(world.mm->kin, world.mm);
    user = join(owner, world.mm);
    make_page(1);
}

/* The page's last entry goes, and then its owner, who finds that he has no orphan. */
static void kin_left(unsigned cpu)
{
    if (cpu == 0) {
        mmk_rcu_read_lock();
        mmk_page_remove_shared(kernel.page, user);
        mmk_rcu_read_unlock();
    } else if (cpu == 1) {
        mmk_kin_leave(owner);
    } else {
        mmk_rmap_walk(kernel.page, visit, NULL);
    }
}

/* ---- pages that go to other frames ----------------------------------------------------------- */

static struct mmk_page *get_page(void) MMK_NO_TSA
{
    struct mmk_page *page;

    expect(mmk_object_get_page(kernel.object, 0, &page) == 0);
    return page;
}

static void put_page(struct mmk_page *page) MMK_NO_TSA
{
    mmk_page_unlock(page);
    mmk_page_put(page);
}

static void setup_cached(void)
{
    struct mmk_page *page;

    kernel_begin();
    expect(mmk_object_create(NULL, PAGE, NULL, &kernel.object) == 0);
    page = get_page();
    *(uint64_t *)mmk_page_address(page) = 5;
    put_page(page);
}

/* The frame in which a page is found is it. */
static void page_migrated(unsigned cpu) MMK_NO_TSA
{
    struct mmk_page *page = get_page(), *to;

    expect(*(const uint64_t *)mmk_page_address(page) == 5);
    if (cpu == 1) {
        put_page(page);
        return;
    }
    to = mmk_page_alloc(0, 0);
    expect(to != NULL);
    (void)!mmk_page_migrate(page, to);
    put_page(page);
    mmk_page_put(to);
}

/* Somebody has written to it, and lets go of it: it is not copied before. */
static void setup_let_go(void) MMK_NO_TSA
{
    setup_cached();
    kernel.page = get_page();
    mmk_page_unlock(kernel.page);
}

static void page_let_go(unsigned cpu) MMK_NO_TSA
{
    struct mmk_page *page, *to;

    if (cpu == 1) {
        mmk_copy_page(mmk_page_address(kernel.page), mmk_page_address(kernel.payload[0]));
        mmk_page_put(kernel.page);
        return;
    }
    page = get_page();
    to = mmk_page_alloc(0, 0);
    expect(to != NULL);
    (void)!mmk_page_migrate(page, to);
    put_page(page);
    mmk_page_put(to);
}

/* ---- where private pages are looked for -------------------------------------------------------
 */

/* The upper half of a file's mapping, whose lower half has moved with a page. */
static void setup_adopted(void)
{
    kernel_begin();
    expect(mmk_object_create(NULL, 2 * PAGE, NULL, &kernel.object) == 0);
    expect(mmk_mmap(world.mm, page_at(0), PAGE, RW, MMK_MAP_PRIVATE | MMK_MAP_FIXED, kernel.object,
                    0) == (int64_t)page_at(0));
    kernel_store(0, 1);
    expect(mmk_mremap(world.mm, page_at(0), PAGE, PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED,
                      page_at(2)) == (int64_t)page_at(2));
    expect(mmk_mmap(world.mm, page_at(3), PAGE, RW | MMK_PROT_EXEC, MMK_MAP_PRIVATE | MMK_MAP_FIXED,
                    kernel.object, PAGE) == (int64_t)page_at(3));
}

/* Whoever finds that the upper half may have pages finds where they are looked for. */
static void shift_adopted(unsigned cpu)
{
    struct mmk_vma *vma;

    (void)cpu;
    expect(mmk_mm_read_lock(world.mm) == 0);
    vma = mmk_mm_find_vma(world.mm, page_at(3));
    mmk_anon_prepare(world.mm, vma);
    expect(mmk_vma_shift(vma) == 2 * PAGE);
    mmk_rw_read_unlock(&world.mm->mmap_lock, MMK_LOCK_MMAP);
}

static void end_adopted(void)
{
    expect(mmk_munmap(world.mm, page_at(0), 4 * PAGE) == 0);
    mmk_object_put(kernel.object);
    kernel_end();
}

static void end_cached(void)
{
    mmk_object_put(kernel.object);
    kernel_end();
}

const struct scenario kernels_rmap[] = {
    {.name = "kernel.kin.orphan",
     .what = "nobody needs a kin any more that a search comes to",
     .cpus = 3,
     .setup = setup_orphan,
     .body = kin_orphan,
     .check = end_orphan},
    {.name = "kernel.kin.left",
     .what = "nobody needs a kin any more that leaves, and that a search comes to",
     .cpus = 3,
     .setup = setup_leaving,
     .body = kin_left,
     .check = end_orphan},
    {.name = "kernel.anon.adopted",
     .what = "a mapping comes to have pages, which are looked for where its neighbour's are",
     .cpus = 2,
     .setup = setup_adopted,
     .body = shift_adopted,
     .check = end_adopted},
    {.name = "kernel.page.migrated",
     .what = "a page is found that has just gone to another frame",
     .cpus = 2,
     .setup = setup_cached,
     .body = page_migrated,
     .check = end_cached},
    {.name = "kernel.page.let-go",
     .what = "a page goes to another frame that somebody has just let go of",
     .cpus = 2,
     .setup = setup_let_go,
     .body = page_let_go,
     .check = end_cached},
    {.name = NULL},
};
