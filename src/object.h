/* SPDX-License-Identifier: MIT */
/*
 * object.h - struct mmk_object inside the library. Public half: <mmkit/object.h>.
 *
 * Locks, outermost first: invalidate lock (truncation writes, filling a page reads), page lock,
 * interval lock, index lock. Letters: I = interval lock, X = index lock (RCU to read), a = atomic,
 * c = constant.
 */
#ifndef MMK_SRC_OBJECT_H
#define MMK_SRC_OBJECT_H

#include "interval_tree.h"
#include "page_index.h"
#include <mmkit/object.h>
#include <mmkit/port/lock.h>

struct mmk_mm;

/* What each fault reads; what who maps it writes; and who brings pages, or takes them away. */
struct mmk_object {
    struct mmk_a64 size;              /* bytes; written with `invalidate` held for writing */
    struct mmk_page_index pages;      /* X */
    const struct mmk_object_ops *ops; /* c: NULL for shared memory */
    void *private_data;               /* c */
    uint64_t committed;               /* c: bytes, of what the library counts; account.h */
    bool has_frames;                  /* c: its ops say. Who has no reference may not ask them */
    bool offers_huge;                 /* c, once it is mapped: see mmk_object_offer_huge() */
    MMK_CACHE_ALIGNED struct mmk_rwlock interval_lock;
    struct mmk_interval_tree vmas; /* I: every VMA that maps it */
    struct mmk_a32 refs;           /* a */
    struct mmk_rcu_head rcu;       /* waiting for a grace period after the last put */
    MMK_CACHE_ALIGNED struct mmk_rwlock invalidate;
    struct mmk_spinlock index_lock;
};

/* Its pages, to be changed; they are read under RCU. */
MMK_ALWAYS_INLINE struct mmk_page_index *mmk_object_pages(struct mmk_object *object)
    MMK_REQUIRES(object->index_lock)
{
    return &object->pages;
}

/* The mappings of it, to be changed, and to be searched. */
MMK_ALWAYS_INLINE struct mmk_interval_tree *mmk_object_vmas(struct mmk_object *object)
    MMK_REQUIRES(object->interval_lock)
{
    return &object->vmas;
}

MMK_ALWAYS_INLINE const struct mmk_interval_tree *mmk_object_vmas_read(
    const struct mmk_object *object) MMK_REQUIRES_SHARED(object->interval_lock)
{
    return &object->vmas;
}

void mmk_object_module_init(void);

/* mmk_object_create() in memory of the caller's, which is not counted among the objects. */
void mmk_object_init(struct mmk_object *object, const struct mmk_object_ops *ops, uint64_t size,
                     void *private_data);

/* Its mappings show frames that are not mmkit's. */
MMK_ALWAYS_INLINE bool mmk_object_has_frames(const struct mmk_object *object)
{
    return object->has_frames;
}
uint64_t mmk_object_count(void); /* objects that exist */

/* It may be mapped by larger pages. */
MMK_ALWAYS_INLINE bool mmk_object_offers_huge(const struct mmk_object *object)
{
    return mmk_object_has_frames(object) ? object->ops->frame_run != NULL : object->offers_huge;
}

/*
 * The page at `index`, filled, locked, with a reference for the caller. Under the page lock it is
 * known to belong to the object and to lie below its size (P4).
 * => 0 with *page set; MMK_EFAULT: beyond the end; MMK_ENOMEM; or read_page's error
 * => may sleep; mmap lock may be held, but no page lock
 */
MMK_MUST_CHECK int mmk_object_get_page(struct mmk_object *object, uint64_t index,
                                       struct mmk_page **page) MMK_TRY_ACQUIRES(0, *page);

/* The same for a user of mm, who gives up waiting for a page's lock when it is killed: MMK_EINTR.
 */
MMK_MUST_CHECK int mmk_object_get_page_killable(struct mmk_mm *mm, struct mmk_object *object,
                                                uint64_t index, struct mmk_page **page)
    MMK_TRY_ACQUIRES(0, *page);

/*
 * Who is at *index or above, up to `last`, with *index set to where: for mmk_object_try_page_rcu(),
 * as it may be gone at once, or a slot. Mostly that is *index itself, which takes a third of a
 * search for the next.
 * => NULL: nobody, *index undefined; inside an RCU read section
 */
MMK_ALWAYS_INLINE struct mmk_page *mmk_object_next_page_rcu(const struct mmk_object *object,
                                                            uint64_t *index, uint64_t last)
    MMK_REQUIRES_SHARED(mmk_rcu)
{
    struct mmk_page *page = mmk_page_index_find_rcu(&object->pages, *index);

    return page ? page : mmk_page_index_next_rcu(&object->pages, index, last);
}

/*
 * As mmk_object_get_page(), of `page`, which was found at `index` in this RCU read section: if it
 * is in memory, and nobody has its lock.
 * => NULL: not so; does not sleep; the section may end before the lock does
 */
struct mmk_page *mmk_object_try_page_rcu(struct mmk_object *object, uint64_t index,
                                         struct mmk_page *page) MMK_REQUIRES_SHARED(mmk_rcu);

/*
 * The MMK_HUGE_PAGES pages from `first` on, whose frames lie side by side, aligned: each as of
 * mmk_object_get_page(). Where nothing is cached yet of what lies there, and the object's size
 * covers all of it, they are made, if there is such a block; mm's group pays.
 * => the first, which stands for all; NULL: it is not to be had so, or somebody is at work on one
 * => first is a multiple of MMK_HUGE_PAGES; may sleep, for read_page, and waits for no page's lock
 */
struct mmk_page *mmk_object_get_block(struct mmk_mm *mm, struct mmk_object *object, uint64_t first);

/* Unlocks all of them; the references stay the caller's. */
void mmk_object_unlock_block(struct mmk_page *block);

/*
 * Sets vec[i] to 1 for each page first + i, of `count`, that is cached and filled; leaves the rest.
 */
void mmk_object_resident(struct mmk_object *object, uint64_t first, uint64_t count, uint8_t *vec);

/*
 * Takes a page that is clean, mapped nowhere and used by nobody but the caller out of the object.
 * => true: done: it goes with the caller's reference. false: it is not so
 * => page locked, and user.object; the caller has one reference; does not sleep
 */
bool mmk_object_try_drop(struct mmk_object *object, struct mmk_page *page) MMK_REQUIRES(page);

/*
 * The first page from *i on, up to last, with a reference; *i becomes its index.
 * => NULL: none; does not sleep
 */
struct mmk_page *mmk_object_next_page(struct mmk_object *object, uint64_t *i, uint64_t last);

/*
 * `to`, which has the same content, takes the place of `page` in the object, with a reference for
 * that. `page` is nobody's then, and has the caller's reference alone.
 * => false: somebody else holds `page`; nothing has changed
 * => both locked; page the object's, mapped by nobody; `to` the caller's alone, its user.object and
 *    user.index as those of page. Any context but interrupts; table locks may be held
 */
bool mmk_object_replace(struct mmk_object *object, struct mmk_page *page, struct mmk_page *to)
    MMK_REQUIRES(page) MMK_REQUIRES(to);

/*
 * Zeroes bytes [from, to) of a page, word by word: user code may be reading and writing it, and
 * what it stores beside them in the first and the last word must not be lost.
 */
void mmk_page_zero_bytes(struct mmk_page *page, uint64_t from, uint64_t to);

/*
 * Panics if an invariant of object.c, of the index or of the interval tree is broken.
 * => nothing else runs in the object; may sleep
 */
void mmk_object_check(struct mmk_object *object);

#endif
