/* SPDX-License-Identifier: MIT */
/*
 * object.h - what is mapped when it is not private anonymous memory: files, shared memory, devices.
 *
 * An object is an array of pages, found by index, that are filled on first use. Its operations
 * come from the embedder (a file system); without any it is shared memory that starts as zeros.
 * It is counted: each mapping holds a reference.
 */
#ifndef MMKIT_OBJECT_H
#define MMKIT_OBJECT_H

#include <mmkit/errno.h>
#include <mmkit/page.h>
#include <mmkit/port/annotate.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mmk_object;

struct mmk_object_ops {
    /*
     * Fills `page` (MMK_PAGE_SIZE bytes, in the direct map) with the content at index * page size;
     * what lies beyond the object's size is zeroed by mmkit afterwards.
     * A page that is clean may be dropped when memory is short, and asked for again: with
     * write_page it then finds what was written last, and without it a page that was ever stored to
     * is not dropped.
     * => 0, or a negative error: whoever touches the page gets MMK_FAULT_BUS
     * => may sleep; the page is locked, the object's invalidate lock is held
     * => not called, and may be NULL, when there is `frame`
     */
    int (*read_page)(struct mmk_object *object, uint64_t index, void *page);

    /*
     * The last reference is gone; every page is freed already. May be NULL.
     * => may sleep; where a mapping was the last reference, its mmap lock may be held: calls
     *    nothing of mm.h
     */
    void (*release)(struct mmk_object *object);

    /*
     * For memory that is not mmkit's to give: devices, frames that the kernel owns. Answers the
     * frame behind page `index`. Such an object has no pages of its own: its entries hold no
     * reference and count as nobody's memory, and may be mapped shared only. They are made when
     * touched: MMK_MAP_POPULATE, WILLNEED and mlock pass them by, POPULATE_* is refused. On aarch64
     * they are normal memory to the program: no devices there. NULL: the usual object, which
     * read_page fills.
     * => 0 with *pfn set, any frame that an entry can name: another is as an error; or a negative
     *    error, as read_page
     * => may sleep; the object's invalidate lock is held
     */
    int (*frame)(struct mmk_object *object, uint64_t index, mmk_pfn_t *pfn);

    /*
     * Writes `page` back to where the content at index * page size is kept. What lies beyond the
     * object's size has just been zeroed. Programs may store to the page meanwhile: it is written
     * again then. NULL: what is written stays in memory, until the object goes.
     * => 0; or a negative error: the page stays dirty
     * => as read_page; from the last mmk_object_put(), as release. When memory is short also from
     *    any allocation that may sleep without MMK_ALLOC_NOIO, by this CPU or another, whatever
     *    locks its caller holds: it may wait for the device, not for who may be waiting for memory;
     *    what it allocates is MMK_ALLOC_NORECLAIM
     */
    int (*write_page)(struct mmk_object *object, uint64_t index, const void *page);

    /*
     * Forgets the bytes [offset, offset + length), which may lie beyond the size: read_page answers
     * zeros for them from now on. For mmk_object_punch_hole(), and so for MMK_MADV_REMOVE. Nothing
     * is read or written back meanwhile. NULL: what has read_page gets no holes.
     * => 0; or a negative error: nothing has changed
     * => may sleep; the object's invalidate lock is held
     */
    int (*punch_hole)(struct mmk_object *object, uint64_t offset, uint64_t length);

    /*
     * Beside `frame`: the frame behind page `index`, and how many pages from there on have the
     * frames that follow it, so that one entry may map many, as Linux's vmf_insert_pfn_pmd() and
     * _pud(): 2 MiB, or, where there are four levels of tables, 1 GiB. That is so wherever
     * mmk_config.huge is not MMK_HUGE_NEVER, but for mappings that are advised MMK_MADV_NOHUGEPAGE;
     * no advice is needed. It is asked about the first page of what such an entry would cover,
     * whichever is touched, of 1 GiB first, if mapping and object cover it all, and offset and
     * address lie alike in one. That is mapped at once if the run is as long, and *pfn a multiple
     * of it; else `frame` is asked, about the page alone, and the rest of those 2 MiB comes so,
     * too, until their table has gone. NULL: about each page by itself
     * => with *pfn set: how many, 1 or more; more than there are pages left is good, too. Or a
     *    negative error, which is not told: `frame` is asked about the page alone
     * => as frame
     */
    int64_t (*frame_run)(struct mmk_object *object, uint64_t index, mmk_pfn_t *pfn);
};

/*
 * Creates an object of `size` bytes with one reference. ops NULL: shared memory. `private_data`
 * is the embedder's.
 * => 0 with *object set; MMK_ENOMEM; MMK_EFBIG: size above 2^63 - 1
 */
MMK_MUST_CHECK int mmk_object_create(const struct mmk_object_ops *ops, uint64_t size,
                                     void *private_data, struct mmk_object **object);

/*
 * References. The last put writes dirty pages back, which may fail: that is logged, and they are
 * lost; then it frees all pages.
 * => get: the caller has a reference; any context
 * => put: may sleep; no locks held
 */
void mmk_object_get(struct mmk_object *object);
void mmk_object_put(struct mmk_object *object);

/*
 * The object may be mapped by larger pages, as files of a tmpfs that is mounted with
 * huge=within_size. Where mmk_config.huge and the mapping's advice say so, a first touch brings in,
 * and reads, all pages of one at once: if the object has none of them yet, its size covers them
 * all, a block of frames is free, and offset and address lie alike in one, which an address that
 * mmk_mmap() chooses does by chance only. It maps them by one entry; who maps them later gets one,
 * too, while they lie side by side. Objects with `frame` have frame_run for it.
 * => the caller has the only reference, nothing is mapped of it yet; any context
 */
void mmk_object_offer_huge(struct mmk_object *object);

/* What mmk_object_create() was told; the size now. => the caller has a reference; any context */
void *mmk_object_private(const struct mmk_object *object);
uint64_t mmk_object_size(const struct mmk_object *object); /* bytes; may change at once */

/*
 * Sets the size, as ftruncate(2). Growing gives zeros: of what was cut off read_page must answer
 * zeros from then on; and bytes that a mapping stored in the last page, beyond the end, come to
 * light, as on Linux's tmpfs; setting the same size zeros them. Shrinking unmaps every page beyond
 * the new end from every address space (private copies of such pages too, as Linux does), frees
 * them, and zeros the rest of the last page; an access beyond is MMK_FAULT_BUS from then on.
 * => 0; MMK_EFBIG; MMK_ENOMEM: the last page could not be read in to be cut; nothing changed; or
 *    the error of read_page for it
 * => may sleep; no locks held
 */
MMK_MUST_CHECK int mmk_object_resize(struct mmk_object *object, uint64_t size);

/*
 * Writes back what was stored in [offset, offset + length) before, by whole pages, as fsync(2) and
 * sync_file_range(2); 0 and UINT64_MAX: everything. Nothing to do without `write_page`.
 * => 0; or the first error of write_page: all other pages are written all the same
 * => may sleep; no locks held
 */
MMK_MUST_CHECK int mmk_object_sync(struct mmk_object *object, uint64_t offset, uint64_t length);

/*
 * Frees the pages in [offset, offset + length), as fallocate(2) with FALLOC_FL_PUNCH_HOLE: parts
 * of pages are zeroed, whole pages unmapped everywhere and dropped. Private copies stay.
 * => 0; MMK_EINVAL: length 0, or one of the two above 2^63 - 1; MMK_EFBIG: their sum is;
 *    MMK_EOPNOTSUPP: the object has read_page, but not punch_hole; MMK_ENOMEM; or an error of
 *    read_page or punch_hole. After an error nothing has changed
 * => may sleep; no locks held
 */
MMK_MUST_CHECK int mmk_object_punch_hole(struct mmk_object *object, uint64_t offset,
                                         uint64_t length);

#ifdef __cplusplus
}
#endif

#endif
