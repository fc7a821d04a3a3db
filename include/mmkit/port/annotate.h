/* SPDX-License-Identifier: MIT */
/*
 * annotate.h - hot port contract: what the code says to compilers and to tools.
 *
 * Attributes, branch hints, clang's thread-safety annotations, assertions of invariants, and
 * seams that cost nothing unless a port defines them: lock notes (run-time checks of lock order and
 * context), frame notes (who uses which memory), reclaim notes (what goes when memory is short, and
 * what comes back), and fault injection (what rarely happens).
 *
 * How a port overrides an item: mmk_port.h, found on the include path, holds nothing but macros.
 * MMK_PORT_VERSION is required; each MMK_PORT_<ITEM> that it defines is the name of a header
 * ("my_tlb.h") that is included in the default's place, where the types that it needs are known.
 * ports/template/mmk_port.h lists them all.
 */
#ifndef MMKIT_PORT_ANNOTATE_H
#define MMKIT_PORT_ANNOTATE_H

#include <mmkit/types.h>
#include <mmk_port.h>
#include <mmkit/port/version.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MMK_MUST_CHECK    __attribute__((warn_unused_result))
#define MMK_NORETURN      __attribute__((noreturn))
#define MMK_COLD          __attribute__((cold, noinline))
#define MMK_NOINLINE      __attribute__((noinline))
#define MMK_ALWAYS_INLINE static inline __attribute__((always_inline))
#define MMK_UNROLL        _Pragma("GCC unroll 8") /* before a loop over the levels of tables */
#define MMK_CACHE_LINE    64
#define MMK_CACHE_ALIGNED __attribute__((aligned(MMK_CACHE_LINE)))

#define mmk_likely(x)   __builtin_expect(!!(x), 1)
#define mmk_unlikely(x) __builtin_expect(!!(x), 0)

/*
 * clang -Wthread-safety. Functions only: the analysis cannot follow guarded_by on struct members
 * in C, so guarded fields are reached through annotated accessors.
 */
#if defined(__clang__) && defined(MMK_THREAD_SAFETY)
#define MMK_TSA(x) __attribute__((x))
#else
#define MMK_TSA(x)
#endif
#define MMK_CAPABILITY(name)         MMK_TSA(capability(name))
#define MMK_ACQUIRES(...)            MMK_TSA(acquire_capability(__VA_ARGS__))
#define MMK_ACQUIRES_SHARED(...)     MMK_TSA(acquire_shared_capability(__VA_ARGS__))
#define MMK_RELEASES(...)            MMK_TSA(release_capability(__VA_ARGS__))
#define MMK_RELEASES_SHARED(...)     MMK_TSA(release_shared_capability(__VA_ARGS__))
#define MMK_REQUIRES(...)            MMK_TSA(requires_capability(__VA_ARGS__))
#define MMK_REQUIRES_SHARED(...)     MMK_TSA(requires_shared_capability(__VA_ARGS__))
#define MMK_TRY_ACQUIRES(...)        MMK_TSA(try_acquire_capability(__VA_ARGS__))
#define MMK_TRY_ACQUIRES_SHARED(...) MMK_TSA(try_acquire_shared_capability(__VA_ARGS__))
#define MMK_ASSERTS(...)             MMK_TSA(assert_capability(__VA_ARGS__))
#define MMK_ASSERTS_SHARED(...)      MMK_TSA(assert_shared_capability(__VA_ARGS__))
#define MMK_NO_TSA                   MMK_TSA(no_thread_safety_analysis)

/*
 * mmk_assert(condition, "T2 live equals the entries that are not none")
 * The text starts with the number of the invariant where there is one (docs/DESIGN.md). A broken
 * invariant panics in every build: going on would corrupt memory. Bad input never gets here.
 */
MMK_NORETURN MMK_COLD void mmk_host_panic(const char *file, int line, const char *what);

#define mmk_assert(condition, what)                                                                \
    do {                                                                                           \
        if (mmk_unlikely(!(condition)))                                                            \
            mmk_host_panic(__FILE__, __LINE__, what);                                              \
    } while (0)

/*
 * The order of locks, outermost first: a lock is taken only while every lock held ranks before it
 * (two of one class: by address, lower first). A try may break the order. docs/LOCKING.md names
 * the functions that take each pair.
 */
enum mmk_lock_class {
    MMK_LOCK_MMAP,       /* mm's mapping; sleeps */
    MMK_LOCK_INVALIDATE, /* object against truncation; sleeps */
    MMK_LOCK_PAGE,       /* one page's identity; sleeps */
    MMK_LOCK_FAMILY,     /* address spaces by descent; sleeps */
    MMK_LOCK_INTERVAL,   /* object's VMAs; sleeps */
    MMK_LOCK_KIN,        /* an mm's private pages against moving and fork; sleeps */
    MMK_LOCK_KILLING,    /* a group's search for a victim; sleeps */
    MMK_LOCK_TABLE_ROOT, /* table at level n: MMK_LOCK_TABLE_LEAF - n */
    MMK_LOCK_TABLE_LEAF = MMK_LOCK_TABLE_ROOT + 4,
    MMK_LOCK_INDEX,  /* object's page index */
    MMK_LOCK_SWAP,   /* which areas there are */
    MMK_LOCK_SLOT,   /* an area's slots */
    MMK_LOCK_SLAB,   /* cache of small objects */
    MMK_LOCK_CHARGE, /* a CPU's share of a group */
    MMK_LOCK_FRAME,  /* buddy allocator */
    MMK_LOCK_MM,     /* an mm's killable sleepers, its notifiers */
    MMK_LOCK_SPACES, /* which mms there are */
    MMK_LOCK_ZERO,   /* the larger page of zeros */
    MMK_LOCK_CLASSES
};

/*
 * Lock notes. The lock functions of lock.h call these; the default costs nothing.
 * => mmk_note_acquire: about to take (try false), or has taken by a try (try true)
 * => mmk_note_release: about to release
 * => mmk_note_may_sleep: about to do something that may sleep; no spin lock and no RCU read
 *    section may be held
 */
#ifdef MMK_PORT_LOCK_NOTE
#include MMK_PORT_LOCK_NOTE
#else
MMK_ALWAYS_INLINE void mmk_note_acquire(enum mmk_lock_class cls, const void *lock, bool tried)
{
    (void)cls;
    (void)lock;
    (void)tried;
}

MMK_ALWAYS_INLINE void mmk_note_release(enum mmk_lock_class cls, const void *lock)
{
    (void)cls;
    (void)lock;
}

MMK_ALWAYS_INLINE void mmk_note_may_sleep(void)
{
}
#endif

/*
 * What code relies on without taking it.
 * => mmk_note_held: this lock is held, for reading or for writing
 * => mmk_note_rcu: inside an RCU read section, or a lock of class `instead` is held, which keeps
 *    what is looked at as well; MMK_LOCK_CLASSES: there is none that does
 */
#ifdef MMK_PORT_HELD_NOTE
#include MMK_PORT_HELD_NOTE
#else
MMK_ALWAYS_INLINE void mmk_note_held(enum mmk_lock_class cls, const void *lock)
{
    (void)cls;
    (void)lock;
}

MMK_ALWAYS_INLINE void mmk_note_rcu(enum mmk_lock_class instead)
{
    (void)instead;
}
#endif

/*
 * Frame notes: what becomes of the memory that was handed in, for a port that checks who uses it: a
 * simulator, a sanitizer. mmk_note_frames() is told of `count` frames, mmk_note_object() of a small
 * object (slab.c), each before anybody can use it as what it becomes, or after the last could use
 * it as what it was. mmk_note_linked() says by which entry a table is about to be linked: one that
 * was WAITING, and is a TABLE again, by that which linked it before, unless nobody can be left who
 * looked then. A port may overwrite what is FREE, and a freed object but for its first word.
 * mmk_note_flush_begins() comes after the changes that a flush is for, mmk_note_flush_ends() when
 * it is acknowledged, with what the first has answered: no CPU that has address space `context`
 * loaded uses a translation of [start, end) that is older, with `tables` not even a lazy CPU's
 * walker. mmk_note_written() says that what is stored in the frame until now is about to be written
 * back, mmk_note_clean() that it is passed by as clean. If, at one moment, the word `refs` says
 * `own`, which means that nobody else can say otherwise, and `flags` has none of `dirty`, then
 * nothing was stored since.
 *
 * The default costs nothing; MMK_PORT_FRAME_NOTE replaces it.
 * => any context; mmkit's locks may be held
 */
enum mmk_frame_use {
    MMK_FRAME_USED,     /* given out, or mmkit's own */
    MMK_FRAME_TABLE,    /* likewise, a page table */
    MMK_FRAME_UNLINKED, /* a table that is empty and stays so, from which hardware may still read */
    MMK_FRAME_WAITING,  /* flushed since: lockless readers may look, until a grace period has ended
                         */
    MMK_FRAME_SPARE,    /* all zero, to be a table again: nobody reads or writes it */
    MMK_FRAME_FREE,     /* to be given out: nobody reads or writes it */
};

#ifdef MMK_PORT_FRAME_NOTE
#define MMK_FRAME_NOTES 1
#include MMK_PORT_FRAME_NOTE
#else
#define MMK_FRAME_NOTES 0
MMK_ALWAYS_INLINE void mmk_note_frames(mmk_paddr_t first, uint64_t count, enum mmk_frame_use use)
{
    (void)first;
    (void)count;
    (void)use;
}

MMK_ALWAYS_INLINE void mmk_note_linked(mmk_paddr_t table, const void *entry)
{
    (void)table;
    (void)entry;
}

MMK_ALWAYS_INLINE void mmk_note_object(void *object, size_t size, bool freed)
{
    (void)object;
    (void)size;
    (void)freed;
}

MMK_ALWAYS_INLINE uint64_t mmk_note_flush_begins(void)
{
    return 0;
}

MMK_ALWAYS_INLINE void mmk_note_flush_ends(uint64_t begun, uint64_t context, mmk_vaddr_t start,
                                           mmk_vaddr_t end, bool tables)
{
    (void)begun;
    (void)context;
    (void)start;
    (void)end;
    (void)tables;
}

MMK_ALWAYS_INLINE void mmk_note_written(mmk_paddr_t frame)
{
    (void)frame;
}

MMK_ALWAYS_INLINE void mmk_note_clean(mmk_paddr_t frame, const void *refs, uint32_t own,
                                      const void *flags, uint32_t dirty)
{
    (void)frame;
    (void)refs;
    (void)own;
    (void)flags;
    (void)dirty;
}
#endif

/*
 * Reclaim notes: for whoever wants to know how well it is chosen what goes (`mmkit replay` shows
 * refault distances by these, as Linux counts them in mm/workingset.c).
 * => mmk_note_evicted: a page with content is about to leave memory, because that is short or by
 *    MADV_PAGEOUT, and can be brought back: page `index` of a file's object; object NULL: that of
 *    the swap slot with this number. `used` false: it was in no address space since it was read
 * => mmk_note_returned: it is in memory again for somebody who has asked for it. Said also when a
 *    file's page is read for the first time, and for each entry that named the slot. Not said of
 *    what is only read ahead; nor is it said that a slot is freed, or given to another page
 * => the page is locked; spin locks may be held
 * The default costs nothing; MMK_PORT_RECLAIM_NOTE replaces it.
 */
struct mmk_object;

#ifdef MMK_PORT_RECLAIM_NOTE
#include MMK_PORT_RECLAIM_NOTE
#else
MMK_ALWAYS_INLINE void mmk_note_evicted(struct mmk_object *object, uint64_t index, bool used)
{
    (void)object;
    (void)index;
    (void)used;
}

MMK_ALWAYS_INLINE void mmk_note_returned(struct mmk_object *object, uint64_t index)
{
    (void)object;
    (void)index;
}
#endif

/*
 * Fault injection: true makes the named step go as it rarely does. The first kinds are allocations
 * that find no memory, which callers may get to know; the others show in nothing but the way that
 * was taken. Whoever answers true every time gets nowhere. The default is a constant, so the branch
 * vanishes.
 */
enum mmk_inject_point {
    MMK_INJECT_FRAME,        /* no frame, or block of frames */
    MMK_INJECT_SLAB,         /* no small object */
    MMK_INJECT_TABLE,        /* no page table */
    MMK_INJECT_GATHER_BATCH, /* no page for a gather's notes */
    MMK_INJECT_CHARGE,       /* a group's limit has no room */
    MMK_INJECT_ALLOCATIONS,
    MMK_INJECT_FAULT_AGAIN = MMK_INJECT_ALLOCATIONS, /* a fault finds another entry than before */
    MMK_INJECT_LOCK_BUSY,                            /* a lock that is tried is held */
    MMK_INJECT_CACHE_EMPTY,                          /* a CPU's cache or stock has nothing */
    MMK_INJECT_FLUSH_EARLY,                          /* a gather has no room for another page */
    MMK_INJECT_POINTS
};

#ifdef MMK_PORT_INJECT
#include MMK_PORT_INJECT
#else
MMK_ALWAYS_INLINE bool mmk_inject(enum mmk_inject_point point)
{
    (void)point;
    return false;
}
#endif

#ifdef __cplusplus
}
#endif

#endif
