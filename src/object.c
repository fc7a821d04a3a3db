/* SPDX-License-Identifier: MIT */
/*
 * object.c - owns objects: their life, their pages from the first use to truncation, their size.
 *
 * Life of an object's page:
 *
 *   new --insert--> in the index, locked, being filled --UPTODATE, unlock--> cached
 *                        |                                                     |
 *                        | read_page failed                   truncation, hole, last put
 *                        v                                                     v
 *                     out of the index, user.object NULL, alive until its last reference goes
 *
 * Invariants (mmk_object_check):
 *   O1 A page in the index whose lock is free is filled (UPTODATE); its user.object and user.index
 *      say where it is; the index holds one reference.
 *   O2 user.object becomes NULL once, under the page lock, after the page has left the index.
 *   O3 No page lies at or beyond the size, except while a truncation that has set the size has yet
 *      to reach it. So a page is mapped, or used at all, only under its lock after comparing
 *      user.object and the size there (P4); what passes that test before the truncation locks the
 *      page is unmapped by it.
 *   O4 Bytes of a cached page beyond the object's size were zero when it was filled or cut. A
 *      mapping can store there afterwards, and growing shows it, as on Linux's tmpfs.
 *
 * A filling that fails. The page is in the index while read_page runs, so that one CPU reads it
 * and the others wait for its lock. When it fails, the page leaves the index before it is
 * unlocked. Who waited finds user.object NULL and begins anew: it reads for itself, and reports
 * its own error. No error is remembered.
 *
 * Locks. Filling: invalidate lock shared, the new page's lock, then the index lock for the
 * insertion. Truncation: invalidate lock exclusive, then one page lock at a time. A cached page
 * needs no invalidate lock, only its own.
 *
 * Finding a page under RCU. The frame that a reader found may have been freed and be another's
 * before the reader counts itself in. So: take a reference unless there are none, then look again;
 * only a page that is still in its place is touched further. For the moment in between, any frame
 * that is in use can have one reference too many, which its real owner must bear: frames are freed
 * by counting down, by whoever comes last.
 *
 * Rejected: freeing pages after a grace period (memory comes back late, when it is wanted);
 * remembering a read error in the page (the next access could not try again).
 */
#include "account.h"
#include "charge.h"
#include "frame.h"
#include "kill.h"
#include "object_swap.h"
#include "planted.h"
#include "rmap.h"
#include "slab.h"
#include "waiting.h"
#include "writeback.h"

#define SIZE_MAX_BYTES (((uint64_t)1 << 63) - 1)
#define ALONE          2u /* references of a page: the index's, and the caller's */

static struct mmk_slab_cache object_cache;
static struct mmk_a64 objects; /* that exist */

void mmk_object_module_init(void)
{
    mmk_slab_cache_init(&object_cache, "object", sizeof(struct mmk_object));
    mmk_a64_store(&objects, 0, MMK_RELAXED);
}

uint64_t mmk_object_count(void)
{
    return mmk_a64_load(&objects, MMK_RELAXED);
}

void mmk_object_init(struct mmk_object *object, const struct mmk_object_ops *ops, uint64_t size,
                     void *private_data)
{
    mmk_rw_init(&object->invalidate);
    mmk_rw_init(&object->interval_lock);
    mmk_spin_init(&object->index_lock);
    mmk_a32_store(&object->refs, 1, MMK_RELAXED);
    mmk_a64_store(&object->size, size, MMK_RELAXED);
    mmk_page_index_init(&object->pages);
    object->vmas.root = NULL;
    object->ops = ops;
    object->private_data = private_data;
    object->committed = 0;
    object->has_frames = ops && ops->frame;
    object->offers_huge = false;
}

int mmk_object_create(const struct mmk_object_ops *ops, uint64_t size, void *private_data,
                      struct mmk_object **object)
{
    struct mmk_object *new_object;

    if (size > SIZE_MAX_BYTES)
        return MMK_EFBIG;
    mmk_waiting_throttle();
    new_object = mmk_slab_alloc(&object_cache, MMK_ALLOC_NORMAL);
    if (!new_object)
        return MMK_ENOMEM;
    mmk_object_init(new_object, ops, size, private_data);
    mmk_a64_fetch_add(&objects, 1, MMK_RELAXED);
    *object = new_object;
    return 0;
}

void mmk_object_get(struct mmk_object *object)
{
    mmk_a32_fetch_add(&object->refs, 1, MMK_RELAXED);
}

void mmk_object_offer_huge(struct mmk_object *object)
{
    object->offers_huge = true;
}

void *mmk_object_private(const struct mmk_object *object)
{
    return object->private_data;
}

uint64_t mmk_object_size(const struct mmk_object *object)
{
    return mmk_a64_load(&object->size, MMK_RELAXED);
}

/* Pages that hold the first `size` bytes. Does not wrap: sizes stay below 2^63. */
static uint64_t pages_of(uint64_t size)
{
    return mmk_page_up(size) >> MMK_PAGE_SHIFT;
}

/* O3: the page belongs to the object and lies below its size. => page lock held */
static bool is_current(struct mmk_object *object, struct mmk_page *page) MMK_REQUIRES(page)
{
    return mmk_aptr_load(&page->user.object, MMK_RELAXED) == object &&
           page->user.index < pages_of(mmk_object_size(object));
}

/* What was found at `index` in this RCU read section, with a reference. => NULL: as find_rcu() */
static struct mmk_page *take_rcu(struct mmk_object *object, uint64_t index, struct mmk_page *page)
    MMK_REQUIRES_SHARED(mmk_rcu)
{
    if (!page || mmk_entry_is_slot(page) || !mmk_page_get_unless_zero(page))
        return NULL;
    if (mmk_likely(mmk_page_index_find_rcu(&object->pages, index) == page))
        return page;
    mmk_page_put(page);
    return NULL;
}

/*
 * The page at `index`, with a reference; NULL: none, or it is just changing.
 * => inside an RCU read section
 */
static struct mmk_page *find_rcu(struct mmk_object *object, uint64_t index)
    MMK_REQUIRES_SHARED(mmk_rcu)
{
    return take_rcu(object, index, mmk_page_index_find_rcu(&object->pages, index));
}

/* => false: a user of `mm`, which was killed, gives up; mm NULL: nobody may */
static bool lock_page(struct mmk_mm *mm, struct mmk_page *page)
    MMK_TRY_ACQUIRES(true, page) MMK_NO_TSA
{
    if (mm)
        return mmk_page_lock_killable(mm, page);
    mmk_page_lock(page);
    return true;
}

/*
 * The page at `index` if it is cached: locked, with a reference; *page NULL: it is not.
 * => 0, or MMK_EINTR as lock_page(); may sleep
 */
static int get_cached(struct mmk_mm *mm, struct mmk_object *object, uint64_t index,
                      struct mmk_page **page_out) MMK_NO_TSA
{
    struct mmk_page *page;

    *page_out = NULL;
    mmk_rcu_read_lock();
    page = find_rcu(object, index);
    mmk_rcu_read_unlock();
    if (!page)
        return 0;
    if (!lock_page(mm, page)) {
        mmk_page_put(page);
        return MMK_EINTR;
    }
    if (mmk_likely(is_current(object, page) || MMK_MISTAKE(PAGE_NOT_AGAIN))) {
        mmk_assert(mmk_page_test(page, MMK_PF_UPTODATE), "O1 a page in the index is filled");
        *page_out = page;
        return 0;
    }
    mmk_page_unlock(page);
    mmk_page_put(page);
    return 0;
}

/* One whose lock is held is passed by before anything is written to it. */
struct mmk_page *mmk_object_try_page_rcu(struct mmk_object *object, uint64_t index,
                                         struct mmk_page *page) MMK_NO_TSA
{
    if (!mmk_entry_is_slot(page) && mmk_page_test(page, MMK_PF_LOCKED))
        return NULL;
    page = take_rcu(object, index, page);
    if (!page)
        return NULL;
    if (mmk_page_trylock(page)) {
        if (mmk_likely(is_current(object, page) || MMK_MISTAKE(AROUND_PAST_END))) {
            mmk_assert(mmk_page_test(page, MMK_PF_UPTODATE), "O1 a page in the index is filled");
            return page;
        }
        mmk_page_unlock(page);
    }
    mmk_page_put(page);
    return NULL;
}

void mmk_object_resident(struct mmk_object *object, uint64_t first, uint64_t count, uint8_t *vec)
{
    uint64_t last = first + count - 1, i;
    const struct mmk_page *page;

    mmk_rcu_read_lock();
    for (i = first; (page = mmk_page_index_next_rcu(&object->pages, &i, last)); i++)
        if (!mmk_entry_is_slot(page) && mmk_page_test(page, MMK_PF_UPTODATE))
            vec[i - first] = 1;
    mmk_rcu_read_unlock();
}

/* A new frame becomes a page at `index`, locked, with two references: the index's, the caller's. */
static void become_object(struct mmk_page *page, struct mmk_object *object,
                          uint64_t index) MMK_NO_TSA
{
    mmk_a32_store(&page->user.mapcount, 0, MMK_RELAXED);
    mmk_a32_store(&page->user.pins, 0, MMK_RELAXED);
    mmk_aptr_store(&page->user.object, object, MMK_RELAXED);
    page->user.index = index;
    mmk_page_get(page);
    mmk_page_become_locked(page, MMK_PAGE_OBJECT);
}

/*
 * A frame that is to be the page at `index`, as become_object(). Shared memory's is filled already.
 * It is charged to mm's group; mm NULL: to nobody.
 */
static struct mmk_page *new_page(struct mmk_mm *mm, struct mmk_object *object,
                                 uint64_t index) MMK_NO_TSA
{
    struct mmk_page *page = mmk_page_alloc(0, object->ops ? MMK_ALLOC_NORMAL : MMK_ALLOC_ZERO);

    if (!page)
        return NULL;
    if (mm && !mmk_charge(mm->group, page, MMK_CHARGE_OBJECT, MMK_ALLOC_NORMAL)) {
        mmk_page_put(page);
        return NULL;
    }
    become_object(page, object, index);
    return page;
}

/* Takes user.object away and lets go of a page: the caller's reference and the index's. */
static void forget_page(struct mmk_page *page) MMK_RELEASES(page)
{
    mmk_aptr_store(&page->user.object, NULL, MMK_RELAXED);
    mmk_page_unlock(page);
    mmk_page_put(page);
    mmk_page_put(page);
}

/* Takes a locked page out of the index and lets go of it, as forget_page(). */
static void remove_page(struct mmk_object *object, struct mmk_page *page) MMK_RELEASES(page)
{
    struct mmk_page *removed;

    mmk_spin_lock(&object->index_lock, MMK_LOCK_INDEX);
    removed = mmk_page_index_remove_locked(mmk_object_pages(object), page->user.index);
    mmk_spin_unlock(&object->index_lock, MMK_LOCK_INDEX);
    mmk_assert(removed == page, "O1 a page is where user.index says");
    forget_page(page);
}

/*
 * Nobody can take a reference from 1 to 0 and back, so for the moment in between the page is ours:
 * those who look it up under RCU pass it by, and then wait for the index lock to add one. What was
 * stored to it by others is seen (acquire), as they have let go of it. References are given back by
 * adding them, so that who takes one still acquires what was released before. That needs no order
 * of its own: the caller's put carries what he has acquired, and whoever takes a reference asks
 * under the page lock whether the page is still the object's.
 * => page and index lock held
 */
static bool freeze(struct mmk_page *page)
{
    uint32_t refs = ALONE;

    if (mmk_page_refs(page) != refs) /* do not take the line away from those who use it */
        return false;
    return mmk_a32_cmpxchg(&page->refs, &refs, 0, MMK_ACQUIRE);
}

/* The same of a page that is clean. */
static bool freeze_clean(struct mmk_page *page)
{
    if (!freeze(page))
        return false;
    if (!mmk_page_test(page, MMK_PF_DIRTY) || MMK_MISTAKE(DIRTY_DROPPED))
        return true;
    mmk_a32_fetch_add(&page->refs, ALONE, MMK_RELAXED);
    return false;
}

bool mmk_object_try_drop(struct mmk_object *object, struct mmk_page *page)
{
    struct mmk_page *removed = NULL;

    mmk_spin_lock(&object->index_lock, MMK_LOCK_INDEX);
    if (freeze_clean(page)) {
        mmk_note_evicted(object, page->user.index, true);
        removed = mmk_page_index_remove_locked(mmk_object_pages(object), page->user.index);
    }
    mmk_spin_unlock(&object->index_lock, MMK_LOCK_INDEX);
    if (!removed)
        return false;
    mmk_assert(removed == page, "O1 a page is where user.index says");
    mmk_aptr_store(&page->user.object, NULL, MMK_RELAXED);
    mmk_a32_fetch_add(&page->refs, 1, MMK_RELAXED); /* the caller's */
    return true;
}

bool mmk_object_replace(struct mmk_object *object, struct mmk_page *page, struct mmk_page *to)
{
    struct mmk_page *was = page;
    bool alone;

    mmk_spin_lock(&object->index_lock, MMK_LOCK_INDEX);
    alone = freeze(page);
    if (alone) {
        mmk_page_get(to);
        was = mmk_page_index_replace_locked(mmk_object_pages(object), page->user.index, to);
    }
    mmk_spin_unlock(&object->index_lock, MMK_LOCK_INDEX);
    mmk_assert(was == page, "O1 a page is where user.index says");
    if (!alone)
        return false;
    mmk_aptr_store(&page->user.object, NULL, MMK_RELAXED);
    mmk_page_get(page); /* the caller's */
    return true;
}

/*
 * Puts a new page into the index, also in place of a slot; *there: what is in its place, or was.
 * => 0, or MMK_ENOMEM. The caller keeps the page in any case
 */
static int insert_page(struct mmk_object *object, struct mmk_page *page, struct mmk_page **there)
{
    struct mmk_page_index_reserve reserve;
    int error = mmk_page_index_reserve(&reserve);

    if (error)
        return error;
    mmk_spin_lock(&object->index_lock, MMK_LOCK_INDEX);
    *there =
        mmk_page_index_insert_locked(mmk_object_pages(object), page->user.index, page, &reserve);
    if (*there && mmk_entry_is_slot(*there))
        (void)mmk_page_index_replace_locked(mmk_object_pages(object), page->user.index, page);
    mmk_spin_unlock(&object->index_lock, MMK_LOCK_INDEX);
    mmk_page_index_unreserve(&reserve);
    return 0;
}

void mmk_page_zero_bytes(struct mmk_page *page, uint64_t from, uint64_t to)
{
    struct mmk_a64 *word = (struct mmk_a64 *)mmk_page_virt(page) + from / 8;
    uint64_t at, first, last, mask;

    for (at = from & ~(uint64_t)7; at < to; at += 8, word++) {
        first = at < from ? from - at : 0;
        last = to - at < 8 ? to - at : 8;
        mask = UINT64_MAX;
        memset((char *)&mask + first, 0, (size_t)(last - first));
        if (mask == 0)
            mmk_a64_store(word, 0, MMK_RELAXED);
        else
            mmk_a64_fetch_and(word, mask, MMK_RELAXED);
    }
}

/* Reads a page in; what lies beyond the object's end becomes zeros (O4). */
static int fill_page(struct mmk_object *object, struct mmk_page *page)
{
    uint64_t index = page->user.index;
    uint64_t below_end = mmk_object_size(object) - (index << MMK_PAGE_SHIFT);
    int error;

    if (object->ops) {
        error = object->ops->read_page(object, index, mmk_page_virt(page));
        if (error)
            return error;
        if (below_end < MMK_PAGE_SIZE)
            mmk_page_zero_bytes(page, below_end, MMK_PAGE_SIZE);
        mmk_note_returned(object, index);
    }
    mmk_page_set(page, MMK_PF_UPTODATE);
    return 0;
}

/*
 * Makes the page at `index`: locked, filled, with a reference.
 * => 0 with *page set, NULL when another came first; else as mmk_object_get_page()
 * => invalidate lock held
 */
static int create_page_locked(struct mmk_mm *mm, struct mmk_object *object, uint64_t index,
                              struct mmk_page **page)
    MMK_REQUIRES_SHARED(object->invalidate) MMK_NO_TSA
{
    struct mmk_page *made, *there = NULL;
    int error;

    *page = NULL;
    if (index >= pages_of(mmk_object_size(object)))
        return MMK_EFAULT;
    made = new_page(mm, object, index);
    if (!made)
        return MMK_ENOMEM;
    error = insert_page(object, made, &there);
    if (error || (there && !mmk_entry_is_slot(there))) {
        forget_page(made);
        return error;
    }
    if (there)
        error = mmk_object_swap_in(object, made, mmk_entry_slot(there));
    else
        error = fill_page(object, made);
    if (!error)
        *page = made;
    else if (there)
        forget_page(made);
    else
        remove_page(object, made);
    return error;
}

static int create_page(struct mmk_mm *mm, struct mmk_object *object, uint64_t index,
                       struct mmk_page **page)
{
    int error;

    if (MMK_MISTAKE(FILL_UNLOCKED))
        return create_page_locked(mm, object, index, page);
    mmk_rw_read_lock(&object->invalidate, MMK_LOCK_INVALIDATE);
    error = create_page_locked(mm, object, index, page);
    mmk_rw_read_unlock(&object->invalidate, MMK_LOCK_INVALIDATE);
    return error;
}

int mmk_object_get_page_killable(struct mmk_mm *mm, struct mmk_object *object, uint64_t index,
                                 struct mmk_page **page) MMK_NO_TSA
{
    int error;

    do {
        error = get_cached(mm, object, index, page);
        if (mmk_likely(*page) || error)
            return error;
        /* If a truncation is at work on this page, this waits for it, and then says EFAULT. */
        error = create_page(mm, object, index, page);
    } while (!error && !*page);
    return error;
}

int mmk_object_get_page(struct mmk_object *object, uint64_t index,
                        struct mmk_page **page) MMK_NO_TSA
{
    return mmk_object_get_page_killable(NULL, object, index, page);
}

/* --- a larger page's ------------------------------------------------------------------------- */

void mmk_object_unlock_block(struct mmk_page *block) MMK_NO_TSA
{
    unsigned i = MMK_HUGE_PAGES;

    while (i-- > 0)
        mmk_page_unlock(block + i);
}

/* Are the pages there, side by side? They are tried, one by one. => as mmk_object_get_block() */
static struct mmk_page *find_block(struct mmk_object *object, uint64_t first) MMK_NO_TSA
{
    struct mmk_page *block;
    unsigned i = 0;

    mmk_rcu_read_lock();
    block = mmk_page_index_find_rcu(&object->pages, first);
    if (block && !mmk_entry_is_slot(block) && (mmk_page_to_pfn(block) & (MMK_HUGE_PAGES - 1)) == 0)
        while (i < MMK_HUGE_PAGES &&
               mmk_page_index_find_rcu(&object->pages, first + i) == block + i &&
               mmk_object_try_page_rcu(object, first + i, block + i))
            i++;
    mmk_rcu_read_unlock();
    if (i == MMK_HUGE_PAGES)
        return block;
    while (i-- > 0) {
        mmk_page_unlock(block + i);
        mmk_page_put(block + i);
    }
    return NULL;
}

/* Nothing is there, neither page nor slot, and the object is large enough for all of it. */
static bool has_room(struct mmk_object *object, uint64_t first)
{
    uint64_t i = first, last = first + MMK_HUGE_PAGES - 1;
    bool empty;

    if (last >= pages_of(mmk_object_size(object)) && !MMK_MISTAKE(HUGE_PAST_END))
        return false;
    mmk_rcu_read_lock();
    empty = mmk_page_index_next_rcu(&object->pages, &i, last) == NULL;
    mmk_rcu_read_unlock();
    return empty;
}

/* => frames as new_page() makes them, of a block; NULL: none is free, or the group has no room */
static struct mmk_page *new_block(struct mmk_mm *mm, struct mmk_object *object,
                                  uint64_t first) MMK_NO_TSA
{
    unsigned flags = MMK_ALLOC_NOWAIT | (object->ops ? 0u : (unsigned)MMK_ALLOC_ZERO), i;
    struct mmk_page *block = mmk_page_alloc(MMK_HUGE_ORDER, flags);
    bool charged = true;

    if (!block)
        return NULL;
    mmk_frame_split(block, MMK_HUGE_ORDER);
    for (i = 0; i < MMK_HUGE_PAGES; i++) {
        become_object(block + i, object, first + i);
        charged = charged && mmk_charge(mm->group, block + i, MMK_CHARGE_OBJECT, MMK_ALLOC_NOWAIT);
    }
    for (i = MMK_HUGE_PAGES; !charged && i-- > 0;)
        forget_page(block + i);
    return charged ? block : NULL;
}

/* => false: there is no memory for the index, or somebody's page or slot is there */
static bool insert_new(struct mmk_object *object, struct mmk_page *page)
{
    struct mmk_page_index_reserve reserve;
    const struct mmk_page *there;

    if (mmk_page_index_reserve(&reserve))
        return false;
    mmk_spin_lock(&object->index_lock, MMK_LOCK_INDEX);
    there =
        mmk_page_index_insert_locked(mmk_object_pages(object), page->user.index, page, &reserve);
    mmk_spin_unlock(&object->index_lock, MMK_LOCK_INDEX);
    mmk_page_index_unreserve(&reserve);
    return !there;
}

/* All of them, or none: then they are gone. */
static bool insert_block(struct mmk_object *object, struct mmk_page *block) MMK_NO_TSA
{
    unsigned i = 0, done;

    while (i < MMK_HUGE_PAGES && insert_new(object, block + i))
        i++;
    done = i;
    if (done == MMK_HUGE_PAGES)
        return true;
    for (i = MMK_HUGE_PAGES; i-- > 0;) {
        if (i < done)
            remove_page(object, block + i);
        else
            forget_page(block + i);
    }
    return false;
}

/* => false: one could not be read; those before it stay, and are nobody's but the object's */
static bool fill_block(struct mmk_object *object, struct mmk_page *block) MMK_NO_TSA
{
    unsigned i = 0, done;

    while (i < MMK_HUGE_PAGES && fill_page(object, block + i) == 0)
        i++;
    done = i;
    if (done == MMK_HUGE_PAGES)
        return true;
    for (i = MMK_HUGE_PAGES; i-- > 0;) {
        if (i < done) {
            mmk_page_unlock(block + i);
            mmk_page_put(block + i);
        } else {
            remove_page(object, block + i);
        }
    }
    return false;
}

/* => as mmk_object_get_block(), of what is not there yet; invalidate lock held */
static struct mmk_page *create_block_locked(struct mmk_mm *mm, struct mmk_object *object,
                                            uint64_t first) MMK_REQUIRES_SHARED(object->invalidate)
{
    struct mmk_page *block = has_room(object, first) ? new_block(mm, object, first) : NULL;

    if (!block || !insert_block(object, block) || !fill_block(object, block))
        return NULL;
    return block;
}

struct mmk_page *mmk_object_get_block(struct mmk_mm *mm, struct mmk_object *object, uint64_t first)
{
    struct mmk_page *block = find_block(object, first);

    if (block)
        return block;
    mmk_rw_read_lock(&object->invalidate, MMK_LOCK_INVALIDATE);
    block = create_block_locked(mm, object, first);
    mmk_rw_read_unlock(&object->invalidate, MMK_LOCK_INVALIDATE);
    return block;
}

/* --- and the way out ------------------------------------------------------------------------- */

/* The first page, with a reference, or slot, from *i on; as mmk_object_next_page() */
static struct mmk_page *next_entry(struct mmk_object *object, uint64_t *i, uint64_t last)
{
    struct mmk_page *entry;

    mmk_spin_lock(&object->index_lock, MMK_LOCK_INDEX);
    entry = mmk_page_index_next_locked(mmk_object_pages(object), i, last);
    if (entry && !mmk_entry_is_slot(entry))
        mmk_page_get(entry);
    mmk_spin_unlock(&object->index_lock, MMK_LOCK_INDEX);
    return entry;
}

struct mmk_page *mmk_object_next_page(struct mmk_object *object, uint64_t *i, uint64_t last)
{
    struct mmk_page *entry = next_entry(object, i, last);

    while (entry && mmk_entry_is_slot(entry))
        entry = (*i)++ < last ? next_entry(object, i, last) : NULL;
    return entry;
}

/* Acquire: who unmapped it has done with user.object before counting down. */
static bool is_mapped(const struct mmk_page *page)
{
    return mmk_a32_load(&page->user.mapcount, MMK_ACQUIRE) > 0;
}

/*
 * Frees the page at i: locked, out of all mappings, out of the index.
 * => false: it is not there any more, but a slot may be; drops the caller's reference
 */
static bool drop_page(struct mmk_object *object, struct mmk_page *page, uint64_t i,
                      bool private_too) MMK_REQUIRES(object->invalidate)
{
    mmk_page_lock(page);
    if (mmk_aptr_load(&page->user.object, MMK_RELAXED) != object && !MMK_MISTAKE(DROP_NOT_AGAIN)) {
        mmk_page_unlock(page);
        mmk_page_put(page);
        return false;
    }
    if (is_mapped(page))
        mmk_rmap_unmap_object(object, i, i, private_too);
    mmk_assert(!is_mapped(page), "R1 rmap finds every mapping of a page");
    remove_page(object, page);
    return true;
}

/*
 * Frees pages and slots [first, last], one by one.
 * => invalidate lock held for writing, or the last reference is gone
 */
static void drop_pages(struct mmk_object *object, uint64_t first, uint64_t last, bool private_too)
    MMK_REQUIRES(object->invalidate)
{
    struct mmk_page *entry;
    uint64_t i = first;

    while ((entry = next_entry(object, &i, last))) {
        if (mmk_entry_is_slot(entry))
            mmk_object_drop_slot(object, i);
        else if (!drop_page(object, entry, i, private_too))
            continue; /* it has gone to swap: once more */
        if (i++ == last)
            break;
    }
}

/*
 * Truncation's and hole punching's common part: pages [first, last] leave every address space and
 * the object. One sweep unmaps them in bulk; a fault that had its page lock already may still map
 * its page after that, and drop_pages() unmaps it again.
 * => invalidate lock held for writing; new faults find the size changed, or wait to fill the page
 */
static void discard(struct mmk_object *object, uint64_t first, uint64_t last, bool private_too)
    MMK_REQUIRES(object->invalidate)
{
    mmk_rmap_unmap_object(object, first, last, private_too);
    drop_pages(object, first, last, private_too);
    /* Likewise it may have made a private copy, which the page does not know of. */
    if (private_too && !MMK_MISTAKE(ONE_SWEEP))
        mmk_rmap_unmap_object(object, first, last, true);
}

/* A part of one page that is to be zeroed: bytes [from, to). page NULL: nothing to do. */
struct cut {
    struct mmk_page *page; /* with a reference */
    uint64_t from, to;
};

/* A page that is not in memory is more than zeros. => invalidate lock held for writing */
static bool has_content(struct mmk_object *object, uint64_t index)
{
    bool is_slot;

    if (object->ops)
        return !mmk_object_has_frames(object);
    mmk_rcu_read_lock();
    is_slot = mmk_page_index_find_rcu(&object->pages, index) != NULL;
    mmk_rcu_read_unlock();
    return is_slot;
}

/*
 * The decoding half of a cut: brings the page in. Absent shared memory is zero anyway; a page
 * that is beyond the end does not matter. The reference keeps the page where it is: only holders
 * of the invalidate lock for writing take away pages that are in use.
 * => 0; MMK_ENOMEM, MMK_EIO or read_page's error, with nothing held; invalidate lock held for
 *    writing
 */
static int cut_prepare(struct mmk_object *object, uint64_t index, uint64_t from, uint64_t to,
                       struct cut *cut) MMK_REQUIRES(object->invalidate) MMK_NO_TSA
{
    int error;

    cut->from = from;
    cut->to = to;
    cut->page = NULL;
    if (from == to || index >= pages_of(mmk_object_size(object)))
        return 0;
    do {
        error = get_cached(NULL, object, index, &cut->page);
        if (!error && !cut->page && has_content(object, index))
            error = create_page_locked(NULL, object, index, &cut->page);
        if (error)
            return error;
        /* Again: it has just gone to swap, or to another frame, or reclaim has let it be. */
    } while (!cut->page && has_content(object, index));
    if (cut->page)
        mmk_page_unlock(cut->page);
    return 0;
}

/* Instead of performing it. */
static void cut_cancel(const struct cut *cut)
{
    if (cut->page)
        mmk_page_put(cut->page);
}

/* The performing half. From now on the page differs from what read_page would give. */
static void cut_perform(struct cut *cut)
{
    if (!cut->page)
        return;
    mmk_page_lock(cut->page);
    mmk_page_zero_bytes(cut->page, cut->from, cut->to);
    mmk_page_mkdirty(cut->page);
    mmk_page_unlock(cut->page);
    mmk_page_put(cut->page);
}

/* mmk_object_resize() to less. => invalidate lock held for writing */
static int shrink_locked(struct mmk_object *object, uint64_t size) MMK_REQUIRES(object->invalidate)
{
    uint64_t in_page = size & (MMK_PAGE_SIZE - 1);
    struct cut cut;
    int error;

    error = cut_prepare(object, size >> MMK_PAGE_SHIFT, in_page, in_page ? MMK_PAGE_SIZE : 0, &cut);
    if (error)
        return error;
    /* P4: first of all. From here on no fault maps a page beyond it. */
    mmk_a64_store(&object->size, size, MMK_RELAXED);
    cut_perform(&cut);
    discard(object, pages_of(size), UINT64_MAX, true);
    return 0;
}

int mmk_object_resize(struct mmk_object *object, uint64_t size)
{
    int error = 0;

    if (size > SIZE_MAX_BYTES)
        return MMK_EFBIG;
    mmk_waiting_throttle();
    mmk_rw_write_lock(&object->invalidate, MMK_LOCK_INVALIDATE);
    if (size <= mmk_object_size(object)) /* what was stored beyond the same end goes, too */
        error = shrink_locked(object, size);
    else
        mmk_a64_store(&object->size, size, MMK_RELAXED);
    mmk_rw_write_unlock(&object->invalidate, MMK_LOCK_INVALIDATE);
    return error;
}

/* What was read and cannot be forgotten would be read again. */
static bool can_forget(const struct mmk_object *object)
{
    return !object->ops || !object->ops->read_page || object->ops->punch_hole;
}

/* Who keeps the object's content forgets [start, end). => 0 or an error with nothing changed */
static int forget(struct mmk_object *object, uint64_t start, uint64_t end)
{
    if (!object->ops || !object->ops->punch_hole)
        return 0;
    return object->ops->punch_hole(object, start, end - start);
}

/* mmk_object_punch_hole() of [start, end). => invalidate lock held for writing */
static int punch_locked(struct mmk_object *object, uint64_t start, uint64_t end)
    MMK_REQUIRES(object->invalidate)
{
    uint64_t head = start >> MMK_PAGE_SHIFT, tail = end >> MMK_PAGE_SHIFT;
    uint64_t head_from = start & (MMK_PAGE_SIZE - 1), tail_to = end & (MMK_PAGE_SIZE - 1);
    uint64_t head_to = head_from ? MMK_PAGE_SIZE : 0;
    struct cut head_cut, tail_cut;
    int error;

    if (head == tail && head_from) { /* all within one page */
        head_to = tail_to;
        tail_to = 0;
    }
    error = cut_prepare(object, head, head_from, head_to, &head_cut);
    if (error)
        return error;
    error = cut_prepare(object, tail, 0, tail_to, &tail_cut);
    if (!error) {
        error = forget(object, start, end);
        if (error)
            cut_cancel(&tail_cut);
    }
    if (error) {
        cut_cancel(&head_cut);
        return error;
    }
    cut_perform(&head_cut);
    cut_perform(&tail_cut);
    if (head_from)
        head++;
    if (head < tail)
        discard(object, head, tail - 1, false);
    return 0;
}

int mmk_object_punch_hole(struct mmk_object *object, uint64_t offset, uint64_t length)
{
    uint64_t end = offset + length; /* does not wrap when both are sizes */
    int error;

    if (length == 0 || offset > SIZE_MAX_BYTES || length > SIZE_MAX_BYTES)
        return MMK_EINVAL;
    if (end > SIZE_MAX_BYTES)
        return MMK_EFBIG;
    if (!can_forget(object))
        return MMK_EOPNOTSUPP;
    mmk_waiting_throttle();
    mmk_rw_write_lock(&object->invalidate, MMK_LOCK_INVALIDATE);
    error = punch_locked(object, offset, end);
    mmk_rw_write_unlock(&object->invalidate, MMK_LOCK_INVALIDATE);
    return error;
}

static void free_object_rcu(struct mmk_rcu_head *head)
{
    char *start = (char *)head - offsetof(struct mmk_object, rcu);

    mmk_slab_free(&object_cache, start);
    mmk_waiting_done(MMK_WAITING_OTHERS, sizeof(struct mmk_object));
}

/* Its last reference is gone: that is as good as its locks. */
static void is_private(struct mmk_object *object) MMK_ASSERTS(object->invalidate)
{
    mmk_assert(!object->vmas.root, "object: every VMA that maps it has a reference");
}

/* A lockless fault may still hold the object's address: the memory goes after a grace period. */
static void destroy(struct mmk_object *object)
{
    is_private(object);
    mmk_writeback_last(object);
    drop_pages(object, 0, UINT64_MAX, false);
    mmk_assert(object->pages.count == 0, "object: no page appears without a reference");
    if (object->ops && object->ops->release)
        object->ops->release(object);
    if (object->committed)
        mmk_commit_give(object->committed);
    mmk_a64_fetch_sub(&objects, 1, MMK_RELAXED);
    mmk_waiting_add(MMK_WAITING_OTHERS, sizeof(*object));
    if (MMK_MISTAKE(OBJECT_WITHOUT_GRACE))
        free_object_rcu(&object->rcu);
    else
        mmk_host_call_rcu(&object->rcu, free_object_rcu);
}

void mmk_object_put(struct mmk_object *object)
{
    uint32_t refs = mmk_a32_fetch_sub(&object->refs, 1, MMK_ACQ_REL);

    mmk_assert(refs != 0, "an object is put once for each reference");
    if (refs == 1)
        destroy(object);
}

static void check_page(struct mmk_object *object, const struct mmk_page *page, uint64_t i)
{
    uint32_t held = 2 + mmk_page_mapcount(page) + mmk_a32_load(&page->user.pins, MMK_RELAXED);

    mmk_assert(mmk_page_type(page) == MMK_PAGE_OBJECT, "O1 type of a page in the index");
    mmk_assert(mmk_aptr_load(&page->user.object, MMK_RELAXED) == object, "O1 user.object");
    mmk_assert(page->user.index == i, "O1 user.index");
    mmk_assert(mmk_page_test(page, MMK_PF_UPTODATE), "O1 a page in the index is filled");
    mmk_assert(!mmk_page_test(page, MMK_PF_LOCKED), "O1 nobody holds the page lock");
    mmk_assert(mmk_page_refs(page) >= held, "F1 references");
}

void mmk_object_check(struct mmk_object *object)
{
    struct mmk_page *entry;
    uint64_t i;

    mmk_page_index_check(&object->pages);
    for (i = 0; (entry = next_entry(object, &i, UINT64_MAX)); i++) {
        mmk_assert(i < pages_of(mmk_object_size(object)), "O3 no page beyond the size");
        if (mmk_entry_is_slot(entry)) {
            mmk_object_check_slot(object, i, mmk_entry_slot(entry));
        } else {
            check_page(object, entry, i);
            mmk_page_put(entry);
        }
    }
    mmk_rw_read_lock(&object->interval_lock, MMK_LOCK_INTERVAL);
    mmk_interval_tree_check(mmk_object_vmas_read(object));
    mmk_rw_read_unlock(&object->interval_lock, MMK_LOCK_INTERVAL);
}
