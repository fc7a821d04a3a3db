/* SPDX-License-Identifier: MIT */
/*
 * writeback.c - dirty pages back to where the object is kept.
 *
 * A page is dirty when its DIRTY bit says so, or an entry that maps it. A write-back:
 *
 *   1 all entries of the range: write-protected, their dirty bits moved to the pages (rmap.c)
 *   2 flush
 *   3 page by page: lock, WRITEBACK set, DIRTY taken away, write_page, DIRTY again if that has
 *     failed, WRITEBACK taken away, unlock
 *
 * WB1 No store is lost (P5). One that was made before the flush of step 2 is in the page by step 3,
 *     and DIRTY was set for it in step 1. One that comes later has faulted first, and that fault
 *     sets DIRTY and makes the entry dirty: when step 3 takes DIRTY away in between, the entry
 *     still is, until the next write-back or until it is unmapped.
 * WB2 Two write-backs of a range do not miss each other's share: an entry that the one has cleaned
 *     and not flushed is not met by the other, since steps 1 and 2 of one do not overlap another's
 *     (clean.c). A page that the one is writing is not dirty, but is waited for by the other, as
 * the two bits are in one word.
 *
 * So the entries of a range are cleaned in one pass, with one flush for each mapping, before the
 * first page is written. What is stored meanwhile may be written now or the next time.
 *
 * The invalidate lock is held for reading over one page: the size does not change while the bytes
 * beyond it are zeroed, and truncation, which drops what is dirty, waits for one page at most.
 *
 * Rejected: cleaning page by page, with a flush each; remembering a failure for the next call
 * (Linux): the page stays dirty, so that call fails by itself, or succeeds.
 */
#include "writeback.h"

#include "frame.h"
#include "planted.h"
#include "rmap.h"

/* As file systems do on Linux: what mappings have stored beyond the end goes. => size is kept */
static void zero_beyond_end(struct mmk_object *object, struct mmk_page *page)
{
    uint64_t below_end = mmk_object_size(object) - (page->user.index << MMK_PAGE_SHIFT);

    if (below_end < MMK_PAGE_SIZE)
        mmk_page_zero_bytes(page, below_end, MMK_PAGE_SIZE);
}

/* => as write_locked() */
static int write_dirty(struct mmk_object *object, struct mmk_page *page)
{
    int error;

    zero_beyond_end(object, page);
    if (MMK_MISTAKE(CLEAN_AFTER_WRITE))
        mmk_page_mkdirty(page);
    if (MMK_FRAME_NOTES)
        mmk_note_written(mmk_page_phys(page));
    error = object->ops->write_page(object, page->user.index, mmk_page_virt(page));
    if (MMK_MISTAKE(CLEAN_AFTER_WRITE))
        (void)mmk_page_take_dirty(page);
    if (error)
        mmk_page_mkdirty(page);
    return error;
}

/* => 0 or write_page's error; page lock and invalidate lock held */
static int write_locked(struct mmk_object *object, struct mmk_page *page) MMK_REQUIRES(page)
    MMK_REQUIRES_SHARED(object->invalidate)
{
    int error = 0;

    if (mmk_aptr_load(&page->user.object, MMK_RELAXED) != object)
        return 0;                         /* truncated */
    mmk_page_set(page, MMK_PF_WRITEBACK); /* before DIRTY goes */
    if (mmk_page_take_dirty(page))
        error = write_dirty(object, page);
    mmk_a32_fetch_and(&page->flags, ~MMK_PF_WRITEBACK, MMK_RELEASE); /* it is written */
    return error;
}

bool mmk_writeback_nowait(struct mmk_object *object, struct mmk_page *page) MMK_NO_TSA
{
    int error;

    if (!mmk_object_writes(object) ||
        !mmk_rw_try_read_lock(&object->invalidate, MMK_LOCK_INVALIDATE))
        return false;
    error = write_locked(object, page);
    mmk_rw_read_unlock(&object->invalidate, MMK_LOCK_INVALIDATE);
    return !error;
}

/* Written, if it has been dirty: by whom does not matter. */
static bool is_clean(const struct mmk_page *page)
{
    uint32_t flags = mmk_a32_load(&page->flags, MMK_ACQUIRE);

    return !(flags & (MMK_PF_DIRTY | MMK_PF_WRITEBACK)) ||
           (!(flags & MMK_PF_DIRTY) && MMK_MISTAKE(WRITE_NOT_AWAITED));
}

/* The page is passed by: lost, if it is dirty and only we and the index have it. */
static void note_clean(const struct mmk_page *page)
{
    if (MMK_FRAME_NOTES)
        mmk_note_clean(mmk_page_phys(page), &page->refs, 2, &page->flags, MMK_PF_DIRTY);
}

/* => the caller has a reference, beside the index's */
static int write_one(struct mmk_object *object, struct mmk_page *page)
{
    int error;

    if (is_clean(page)) {
        note_clean(page);
        return 0;
    }
    mmk_rw_read_lock(&object->invalidate, MMK_LOCK_INVALIDATE);
    mmk_page_lock(page);
    error = write_locked(object, page);
    mmk_page_unlock(page);
    mmk_rw_read_unlock(&object->invalidate, MMK_LOCK_INVALIDATE);
    return error;
}

/* All dirty pages of [first, last], whatever happens to one. => 0, or the first error */
static int write_pages(struct mmk_object *object, uint64_t first, uint64_t last)
{
    struct mmk_page *page;
    int error = 0, failed;
    uint64_t i;

    for (i = first; (page = mmk_object_next_page(object, &i, last)); i++) {
        failed = write_one(object, page);
        mmk_page_put(page);
        error = error ? error : failed;
    }
    return error;
}

int mmk_object_sync(struct mmk_object *object, uint64_t offset, uint64_t length)
{
    uint64_t end = offset + length < offset ? UINT64_MAX : offset + length;
    uint64_t first = offset >> MMK_PAGE_SHIFT, last = (end - 1) >> MMK_PAGE_SHIFT;

    if (length == 0 || !mmk_object_writes(object))
        return 0;
    mmk_rmap_clean_object(object, first, last);
    return write_pages(object, first, last);
}

void mmk_writeback_last(struct mmk_object *object)
{
    if (mmk_object_writes(object) && write_pages(object, 0, UINT64_MAX))
        mmk_host_log(MMK_LOG_ERROR, "an object ends with dirty pages that could not be written");
}
