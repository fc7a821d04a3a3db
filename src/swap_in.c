/* SPDX-License-Identifier: MIT */
/*
 * swap_in.c - owns the way of a page from its slot into memory.
 *
 * SI1 Only a page that is in the cache, locked, is read into. Who wants it meanwhile finds it
 *     there, and waits for the lock. A page of the cache whose lock is free is filled: if reading
 *     fails, it leaves the cache first, and who waited reads for himself, and has an error of his
 *     own.
 *
 * Reading ahead. Slots are given out in the order in which pages are swapped out, and what was
 * not used together is often wanted together. So with a slot those around it that have a page which
 * is not in memory are read, as far as they lie in one row of MMK_SLOT_IO_MOST, aligned. They wait
 * in the cache, mapped by nobody. If the row cannot be read, the one that is wanted is tried alone.
 *
 * Locks. Pages that are being read are new, and come locked: one has the locks of several.
 */
#include "swap_in.h"

#include "frame.h"
#include "kill.h"
#include "planted.h"

/* A row of slots, from first on, whose pages are read together: new, locked, cached. */
struct row {
    uint64_t first;
    unsigned count;
    struct mmk_page *page[MMK_SLOT_IO_MOST];
};

/* Cached as the slot's page, and locked. => NULL: no memory; *taken: the slot has a page by now */
static struct mmk_page *new_page(uint64_t slot, unsigned flags, bool *taken) MMK_NO_TSA
{
    struct mmk_page *page = mmk_page_alloc(0, flags);

    *taken = false;
    if (!page)
        return NULL;
    mmk_a32_store(&page->user.mapcount, 0, MMK_RELAXED);
    mmk_a32_store(&page->user.pins, 0, MMK_RELAXED);
    mmk_page_become_locked(page, MMK_PAGE_ANON);
    if (mmk_swap_insert(page, slot))
        return page;
    mmk_page_unlock(page);
    mmk_page_put(page);
    *taken = true;
    return NULL;
}

/* A neighbour's page, if it has one that is not in memory. => with a reference to its slot */
static struct mmk_page *new_neighbour(uint64_t slot)
{
    struct mmk_page *page;
    bool taken;

    if (!mmk_slot_get_neighbour(slot))
        return NULL;
    page = new_page(slot, MMK_ALLOC_NOWAIT, &taken);
    if (!page)
        mmk_swap_put(slot);
    return page;
}

/* What lies in one row with the slot, whose page is in it alone. */
static void add_neighbours(struct row *row)
{
    uint64_t slot = row->first, low = slot & ~(uint64_t)(MMK_SLOT_IO_MOST - 1), at;
    struct mmk_page *page[MMK_SLOT_IO_MOST], *wanted = row->page[0];
    unsigned i;

    for (at = slot; at > low; at--) {
        page[at - 1 - low] = new_neighbour(at - 1);
        if (!page[at - 1 - low])
            break;
    }
    row->first = at;
    for (i = 0; at < slot; at++)
        row->page[i++] = page[at - low];
    row->page[i++] = wanted;
    for (at = slot + 1; at < low + MMK_SLOT_IO_MOST; at++) {
        row->page[i] = new_neighbour(at);
        if (!row->page[i])
            break;
        i++;
    }
    row->count = i;
}

/* All but the slot's own. */
static void settle_neighbours(const struct row *row, uint64_t slot, bool filled) MMK_NO_TSA
{
    uint64_t at = row->first;
    unsigned i;

    for (i = 0; i < row->count; i++, at++) {
        if (at == slot)
            continue;
        if (!filled)
            mmk_swap_drop(row->page[i]);
        mmk_page_unlock(row->page[i]);
        mmk_swap_put(at);
        mmk_swap_put_page(row->page[i]);
    }
}

/* => 0, or the page has left the cache */
static int read_row(uint64_t slot, struct mmk_page *page) MMK_REQUIRES(page)
{
    struct row row = {.first = slot, .count = 1, .page = {page}};
    int error;

    add_neighbours(&row);
    error = mmk_slot_read(row.first, row.page, row.count);
    settle_neighbours(&row, slot, !error);
    if (error && row.count > 1)
        error = mmk_slot_read(slot, &page, 1);
    if (error)
        mmk_swap_drop(page);
    return error;
}

/*
 * Reads a slot that had no page. => 0; MMK_EAGAIN: it has one by now; MMK_ENOMEM; MMK_EIO
 */
static int read_new(uint64_t slot, struct mmk_page **page) MMK_TRY_ACQUIRES(0, *page) MMK_NO_TSA
{
    bool taken;

    *page = new_page(slot, MMK_ALLOC_NORMAL, &taken);
    if (!*page)
        return taken ? MMK_EAGAIN : MMK_ENOMEM;
    if (!read_row(slot, *page))
        return 0;
    mmk_page_unlock(*page);
    mmk_page_put(*page);
    return MMK_EIO;
}

static bool lock(struct mmk_mm *mm, struct mmk_page *page) MMK_TRY_ACQUIRES(true, page) MMK_NO_TSA
{
    if (mm)
        return mmk_page_lock_killable(mm, page);
    mmk_page_lock(page);
    return true;
}

int mmk_swap_in(struct mmk_mm *mm, uint64_t slot, struct mmk_page **page, bool *read) MMK_NO_TSA
{
    int error;

    *read = false;
    for (;;) {
        *page = mmk_swap_find(slot);
        if (!*page) {
            *read = true;
            error = read_new(slot, page);
            if (error != MMK_EAGAIN)
                return error;
            *read = false;
            continue;
        }
        if (!lock(mm, *page)) {
            mmk_swap_put_page(*page);
            return MMK_EINTR;
        }
        if (mmk_swap_cached(*page, slot) || MMK_MISTAKE(CACHED_NOT_AGAIN))
            return 0;
        mmk_page_unlock(*page);
        mmk_swap_put_page(*page);
    }
}

void mmk_swap_read_ahead(uint64_t slot)
{
    struct mmk_page *page = mmk_swap_find(slot);
    bool read;

    if (!page) {
        if (mmk_swap_in(NULL, slot, &page, &read))
            return;
        mmk_page_unlock(page);
    }
    mmk_swap_put_page(page);
}
