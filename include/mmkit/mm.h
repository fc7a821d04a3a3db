/* SPDX-License-Identifier: MIT */
/*
 * mm.h - address spaces and the calls that shape them.
 *
 * The calls mirror Linux's system calls: same arguments, same results, errors as negative values
 * (errno.h). Unless said otherwise each may sleep, takes no lock of the caller's, and may run on
 * any number of CPUs at once for one mm. A call that answers MMK_ENOMEM because mmkit itself had
 * no memory has changed nothing that a program can see; docs/SEMANTICS.md lists where Linux, and
 * so mmkit, stops half-way for other reasons. After mmk_kill() each may answer MMK_EINTR.
 */
#ifndef MMKIT_MM_H
#define MMKIT_MM_H

#include <mmkit/errno.h>
#include <mmkit/object.h>
#include <mmkit/port/annotate.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mmk_mm;

/* Protection, as <sys/mman.h>. */
#define MMK_PROT_NONE  0x0
#define MMK_PROT_READ  0x1
#define MMK_PROT_WRITE 0x2
#define MMK_PROT_EXEC  0x4

/* Flags of mmk_mmap(), as <sys/mman.h> on Linux. */
#define MMK_MAP_SHARED          0x01
#define MMK_MAP_PRIVATE         0x02
#define MMK_MAP_SHARED_VALIDATE 0x03
#define MMK_MAP_TYPE            0x0f
#define MMK_MAP_FIXED           0x10
#define MMK_MAP_ANONYMOUS       0x20
#define MMK_MAP_32BIT           0x40 /* between 1 and 2 GiB */
#define MMK_MAP_ABOVE4G         0x80 /* not below 4 GiB, but for a hint */
#define MMK_MAP_GROWSDOWN       0x0100
#define MMK_MAP_DENYWRITE       0x0800  /* ignored */
#define MMK_MAP_EXECUTABLE      0x1000  /* ignored */
#define MMK_MAP_LOCKED          0x2000  /* locked, as by mmk_mlock(); pages may be missing */
#define MMK_MAP_NORESERVE       0x4000  /* not committed, unless MMK_OVERCOMMIT_NEVER */
#define MMK_MAP_POPULATE        0x8000  /* brings the pages in that can be had */
#define MMK_MAP_NONBLOCK        0x10000 /* takes POPULATE back, as on Linux */
#define MMK_MAP_STACK           0x20000 /* ignored, as by Linux */
#define MMK_MAP_HUGETLB         0x40000 /* there are none: MMK_EINVAL, as Linux without them */
#define MMK_MAP_SYNC            0x80000 /* no file can: MMK_EOPNOTSUPP; else ignored */
#define MMK_MAP_FIXED_NOREPLACE 0x100000

/* Flags of mmk_mremap(). */
#define MMK_MREMAP_MAYMOVE   1u
#define MMK_MREMAP_FIXED     2u
#define MMK_MREMAP_DONTUNMAP 4u

/* Advice of mmk_madvise(), as <sys/mman.h> on Linux. */
#define MMK_MADV_NORMAL          0 /* these three tell mappings apart, and have no other effect */
#define MMK_MADV_RANDOM          1
#define MMK_MADV_SEQUENTIAL      2
#define MMK_MADV_WILLNEED        3 /* files: read now, not when touched */
#define MMK_MADV_DONTNEED        4
#define MMK_MADV_FREE            8  /* private anonymous memory */
#define MMK_MADV_REMOVE          9  /* shared mappings of an object: a hole in the object */
#define MMK_MADV_DONTFORK        10 /* children do not get the mapping */
#define MMK_MADV_DOFORK          11
#define MMK_MADV_HUGEPAGE        14 /* larger pages, or none, from now on (init.h) */
#define MMK_MADV_NOHUGEPAGE      15
#define MMK_MADV_DONTDUMP        16 /* of core dumps: as these */
#define MMK_MADV_DODUMP          17
#define MMK_MADV_WIPEONFORK      18 /* private anonymous memory: children find zeros */
#define MMK_MADV_KEEPONFORK      19
#define MMK_MADV_COLD            20 /* reclaim takes these first */
#define MMK_MADV_PAGEOUT         21 /* pages go, to swap (swap.h) or their file, if they can */
#define MMK_MADV_POPULATE_READ   22 /* map every page, as if read or written */
#define MMK_MADV_POPULATE_WRITE  23
#define MMK_MADV_COLLAPSE        25  /* small pages become larger ones (mmk_config.huge) */
#define MMK_MADV_DONTNEED_LOCKED 24  /* DONTNEED, of locked memory as well */
#define MMK_MADV_GUARD_INSTALL   102 /* pages go, and every access is a SEGV */
#define MMK_MADV_GUARD_REMOVE    103

/*
 * Creates an empty address space with one user.
 * => 0 with *mm set; MMK_ENOMEM
 */
MMK_MUST_CHECK int mmk_mm_create(struct mmk_mm **mm);

/*
 * One more, one fewer user (thread, or process sharing it). The last put takes everything down:
 * mappings, pages, tables (mm_users of Linux).
 * => get: the caller is a user, or knows that there is one; any context
 * => put: may sleep
 */
void mmk_mm_get(struct mmk_mm *mm);
void mmk_mm_put(struct mmk_mm *mm);

/* A user more unless there is none left. => false: none; the caller holds it; any context */
MMK_MUST_CHECK bool mmk_mm_get_unless_gone(struct mmk_mm *mm);

/*
 * One more, one fewer holder: keeps the structure, and an empty root table, though not what is
 * mapped (mm_count of Linux). For those who come back later and ask whether there is a user left;
 * what may be called meanwhile says so.
 * => hold: the caller is a user or a holder. Neither sleeps; any context where frames may be freed
 */
void mmk_mm_hold(struct mmk_mm *mm);
void mmk_mm_drop(struct mmk_mm *mm);

/* What the embedder wants to know of an address space. Each may be NULL. */
struct mmk_mm_ops {
    /*
     * The last user has left; what is mapped is still there.
     * => in mmk_mm_put(), may sleep; calls nothing of mm.h for this mm but mmk_mm_hold(), _drop()
     *    and _private()
     */
    void (*last_user)(struct mmk_mm *mm, void *private_data);

    /*
     * All of it is gone: memory is back, but for what waits for a grace period, and tables that
     * somebody has pinned (table.h). => as last_user
     */
    void (*torn_down)(struct mmk_mm *mm, void *private_data);
};

/*
 * Sets what is called and with what. A child of mmk_fork() has none.
 * => right after mmk_mm_create() or mmk_fork(), before others know mm
 */
void mmk_mm_set_ops(struct mmk_mm *mm, const struct mmk_mm_ops *ops, void *private_data);
void *mmk_mm_private(const struct mmk_mm *mm);

/*
 * The users of mm are to die: out of memory, or a fatal signal to all of them. From now on a fault
 * is answered with MMK_FAULT_KILLED, and whoever waits for a lock on mm's behalf gives up: in a
 * fault (mmap lock, the lock of a page that another reads in), and in a call (mmap lock), which
 * then answers MMK_EINTR, having done nothing. A call that does not have to wait is done as ever;
 * one that takes memory page by page, or table by table (populating, locking, guards, fork,
 * mmk_map_frames()), stops at the next. What maps pages goes with the last mmk_mm_put(), or before,
 * by mmk_reap().
 * => the caller is a user or a holder; may be called again; does not sleep; any context but NMI
 */
void mmk_kill(struct mmk_mm *mm);

/*
 * Takes memory from a killed mm whose users are still there, stuck perhaps (process_mrelease(2),
 * the OOM reaper of Linux): what is mapped privately goes, tables included, and a user that touches
 * it finds MMK_FAULT_KILLED. Shared mappings are left alone: others need their pages.
 *
 * Bounded: looks at about max_pages entries, at least one, or, where larger pages are possible
 * (mmk_config.huge), at as many whole tables. Adds to *freed the entries that mapped a
 * page; one that a child of fork maps as well is not free by that.
 * => 0: nothing is left to take; MMK_EAGAIN: there may be more, call again: max_pages was reached,
 *    somebody has mm's lock, or a notifier (notifier.h) would have to sleep
 * => MMK_EINVAL: not killed
 * => the caller is a user or a holder; no locks of mm.h's calls; takes mmkit's spin locks, waits
 *    for TLB flushes; does not sleep and allocates nothing that it needs; interrupts on
 */
MMK_MUST_CHECK int mmk_reap(struct mmk_mm *mm, uint64_t max_pages, uint64_t *freed);

/*
 * The first address that is no program's (TASK_SIZE of Linux), and the end of what mmk_mmap()
 * chooses from, unless a hint lies beyond: with few levels of tables the same. A first stack goes
 * right below the second, where mmk_config's stack_limit has left room.
 * => any context; constants of the page-table format
 */
mmk_vaddr_t mmk_address_end(void);
mmk_vaddr_t mmk_map_window(void);

/*
 * The calling CPU starts, or stops, running user code in mm. Enter answers the root table's
 * physical address, for the page-table base register; it may have flushed this CPU's stale
 * translations of the mm. Leave an mm before entering another, and load another root at once: from
 * leave on the CPU is not told what has gone (docs/PORTING.md, "CPU, memory").
 * => enter: the caller is a user of mm
 * => caller stays on its CPU; from leaving until another root is loaded it is in no quiescent state
 *    of RCU (interrupts off, in a context switch, or a read section)
 */
mmk_paddr_t mmk_mm_enter(struct mmk_mm *mm);
void mmk_mm_leave(struct mmk_mm *mm);

/*
 * The calling CPU stops running user code in mm and keeps its root loaded: a thread of the kernel's
 * own runs, or it idles (lazy TLB of Linux). Flushes of pages no longer interrupt it. Then either
 * it comes back with mmk_mm_enter(), which flushes what it has missed and is otherwise cheap, or
 * goes elsewhere, after mmk_mm_leave(). In between it counts as a holder of mm: the last user may
 * go.
 * => the CPU has entered mm; caller stays on its CPU; no access to user memory until it comes back
 */
void mmk_mm_leave_lazy(struct mmk_mm *mm);

/* The number of the address space, from 1, never reused: its translation context. */
uint64_t mmk_mm_id(const struct mmk_mm *mm);

/*
 * mmap(2). `object` is what is mapped, `offset` where in it, in bytes, a multiple of the page size.
 * With MMK_MAP_ANONYMOUS there is none: `object` is ignored, and MMK_MAP_SHARED makes one of its
 * own. Without FIXED the highest gap that fits is taken, or `addr` when it is free.
 * => the address
 * => MMK_EINVAL: length 0; a misaligned fixed address or offset; a protection other than READ,
 *    WRITE, EXEC; neither an object nor ANONYMOUS (whoever turns file descriptors into objects
 *    answers EBADF for a bad one, as Linux does); a type other than SHARED, PRIVATE and
 *    SHARED_VALIDATE with an object; PRIVATE, and the object has `frame`; GROWSDOWN, unless private
 *    and anonymous
 * => MMK_EPERM: LOCKED, and MMK_LIMIT_MEMLOCK is 0; MMK_EAGAIN: LOCKED, or mmk_mlockall() says so,
 *    and it would go beyond that limit
 * => MMK_ENOMEM: no gap, beyond the end, beyond a limit (limit.h, max_map_count, overcommit), or
 *    no memory; MMK_EACCES: refused by mmk_set_mdwe(); MMK_EEXIST: FIXED_NOREPLACE on something
 *    mapped; MMK_EPERM: FIXED below mmap_min_addr, or in place of something sealed, which stays;
 *    MMK_EOVERFLOW: offset + length; MMK_EOPNOTSUPP: a flag that SHARED_VALIDATE does not know, or
 *    SYNC
 */
MMK_MUST_CHECK int64_t mmk_mmap(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, unsigned prot,
                                unsigned flags, struct mmk_object *object, uint64_t offset);

/* How a file was opened: for reading, for writing, from where execution is allowed (no "noexec").
 */
#define MMK_OPEN_READ  0x1
#define MMK_OPEN_WRITE 0x2
#define MMK_OPEN_EXEC  0x4
#define MMK_OPEN_ALL   0x7

/*
 * mmk_mmap() of an object that was opened with `mode`; of one opened for everything it is that.
 * What the mode does not allow mmk_mprotect() refuses later: MMK_EACCES. A private mapping of what
 * was opened for reading only may be written. Mappings that differ in MMK_OPEN_WRITE stay two.
 * => as mmk_mmap(); also MMK_EACCES: not opened for reading; SHARED and PROT_WRITE, and not opened
 *    for writing; MMK_EPERM: PROT_EXEC without MMK_OPEN_EXEC; MMK_EINVAL: other bits in `mode`
 */
MMK_MUST_CHECK int64_t mmk_mmap_file(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length,
                                     unsigned prot, unsigned flags, struct mmk_object *object,
                                     uint64_t offset, unsigned mode);

/*
 * Maps physical memory from `phys` on, as remap_pfn_range() of Linux does: the kernel's own frames,
 * a device's memory. mmkit does not count it, keeps no reference to it and never frees it. All
 * entries are made now, by larger pages where that is possible (mmk_config.huge) and address and
 * `phys` are alike, and stay: with nothing but such mappings no access ever faults, but for those
 * of a child of fork. They are shared; mremap, mprotect and munmap treat them as any shared
 * mapping, but two never become one. flags: 0, or MMK_MAP_FIXED, which does not replace anything;
 * without it `addr`, if it is free, is taken, too: an address that is chosen is like `phys` by
 * chance only. On aarch64 it is normal memory to the program: no devices there.
 * => the address
 * => MMK_EINVAL: length 0, a misaligned phys or fixed address, beyond what an entry can hold, no
 *    protection, another flag; MMK_EEXIST: FIXED on something mapped; MMK_ENOMEM, MMK_EPERM: as
 *    mmk_mmap()
 */
MMK_MUST_CHECK int64_t mmk_map_frames(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length,
                                      unsigned prot, unsigned flags, mmk_paddr_t phys);

/*
 * munmap(2).
 * => 0; MMK_EINVAL: misaligned, length 0 or beyond the end; MMK_ENOMEM: no memory, or one mapping
 *    would be two, and there are max_map_count; MMK_EPERM: something is sealed, and nothing is
 *    unmapped, though a mapping may be two now
 */
MMK_MUST_CHECK int mmk_munmap(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length);

/*
 * mremap(2): gives what is mapped in [old_addr, old_addr + old_len) the length new_len, at its
 * place or, with MAYMOVE, elsewhere; with FIXED at new_addr, in place of what is mapped there. With
 * DONTUNMAP the old mapping stays without its pages, and new_addr, unless FIXED, is a hint. An
 * old_len of 0 makes a second mapping of shared memory. Lengths are in bytes and rounded up.
 * FIXED with equal lengths moves every mapping in the range; when one is refused, those below it
 * have moved, as on Linux.
 * => the new address
 * => MMK_EINVAL: unknown flags; a misaligned address; new_len 0 or beyond the address space; FIXED
 *    or DONTUNMAP without MAYMOVE, or with a new range beyond the end or overlapping the old one;
 *    DONTUNMAP with another length, or of physical memory; old_len 0 on a private mapping; an
 *    offset that would pass 2^64
 * => MMK_EFAULT: nothing is mapped at old_addr, or the range that is to grow or move lies in
 *    several mappings (see FIXED), or physical memory is to grow
 * => MMK_ENOMEM: no room, a limit, or no memory; MMK_EAGAIN: MMK_LIMIT_MEMLOCK; MMK_EPERM: sealed,
 *    or FIXED below mmap_min_addr
 */
MMK_MUST_CHECK int64_t mmk_mremap(struct mmk_mm *mm, mmk_vaddr_t old_addr, uint64_t old_len,
                                  uint64_t new_len, unsigned flags, mmk_vaddr_t new_addr);

/*
 * mprotect(2). As on Linux what lies before a hole, or before a mapping that may not be changed so,
 * is changed; then the error is returned.
 * => 0; MMK_EINVAL: misaligned address, unknown prot; MMK_ENOMEM: a hole, beyond a limit,
 *    max_map_count among them, or no memory; MMK_EACCES: mapped by mmk_mmap_file() from what was
 * not opened for it, or refused by mmk_set_mdwe(); MMK_EPERM: sealed
 */
MMK_MUST_CHECK int mmk_mprotect(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length,
                                unsigned prot);

/*
 * madvise(2). As on Linux holes are skipped, the rest is done, then MMK_ENOMEM is returned; an
 * error of one mapping ends the call, with what lies below done. MADV_POPULATE_* end at a hole.
 * => 0; MMK_EINVAL: misaligned address, unknown advice; a mapping that the advice is not for (see
 *    above), or that is locked, with DONTNEED, FREE, REMOVE, COLD, PAGEOUT or GUARD_INSTALL, or of
 *    frames that are not mmkit's, with anything but NORMAL, RANDOM, SEQUENTIAL, WILLNEED, DONTFORK,
 *    DONTDUMP, KEEPONFORK, HUGEPAGE, NOHUGEPAGE
 * => MMK_EACCES: REMOVE on a private mapping of an object, or one that may never be written;
 *    MMK_EPERM: would discard what is sealed; MMK_ENOMEM: a hole, or no memory for GUARD_INSTALL,
 *    or for a table to split a larger page with, before its mapping has changed;
 *    MMK_EAGAIN: no memory for NORMAL, RANDOM, SEQUENTIAL, or those of fork and dumps, which have
 *    changed nothing, or max_map_count; an error of mmk_object_punch_hole()
 * => COLLAPSE: MMK_EINVAL: nothing is there that could be, or a guard, a mapping that is too small,
 *    of an object, or not to have larger pages, a range that has neither end of one, or
 *    mmk_config.huge says never; MMK_ENOMEM: no block of frames, MMK_EBUSY: beyond the group's
 *    limit: what lies before is done; MMK_EAGAIN: in use at the moment, a pin. Otherwise all other
 *    places have been done. MMK_EINTR: killed
 * => MADV_POPULATE_*: what lies before the page that fails is done. MMK_EINVAL: a mapping that does
 *    not allow it; MMK_EFAULT: a bus error, or a guard; MMK_ENOMEM: also no memory
 */
MMK_MUST_CHECK int mmk_madvise(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, int advice);

/* A part of an address space, in bytes: struct iovec of process_madvise(2). */
struct mmk_iovec {
    mmk_vaddr_t addr;
    uint64_t length;
};

/*
 * process_madvise(2): mmk_madvise() of several ranges in turn, with one flush for all. `remote`:
 * mm is not the caller's own; as on Linux that is allowed for WILLNEED, COLD, PAGEOUT and COLLAPSE
 * only. With count 0 that is all that is asked: MMK_EINVAL or 0, after which a kernel asks whether
 * the caller may (Linux: CAP_SYS_NICE, else EPERM).
 * => bytes advised: the lengths of the ranges before the first that failed. As on Linux an empty
 *    range is not looked at, unless it comes first; and if all are empty, `advice` is not, either
 * => if that is none: the error; MMK_EINVAL also for an advice that `remote` does not allow, and
 *    for lengths that add up to more than 2^63 - 1
 */
MMK_MUST_CHECK int64_t mmk_madvise_vector(struct mmk_mm *mm, const struct mmk_iovec *ranges,
                                          size_t count, int advice, bool remote);

/*
 * mincore(2): vec[i] becomes 1 when page i of the range is mapped or in its mapping's object, else
 * 0. `vec` is memory of the kernel's, a byte for each page that the range has a part of; a kernel
 * copies it out, and may ask for long ranges in pieces, as Linux does.
 * => 0; MMK_EINVAL: misaligned address; MMK_ENOMEM: a hole (what lies before it is answered), or
 *    beyond the end
 */
MMK_MUST_CHECK int mmk_mincore(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, uint8_t *vec);

/* Flags of mmk_mlock2() and mmk_mlockall(), as <sys/mman.h>. */
#define MMK_MLOCK_ONFAULT 0x1
#define MMK_MCL_CURRENT   0x1
#define MMK_MCL_FUTURE    0x2
#define MMK_MCL_ONFAULT   0x4

/*
 * mlock(2), mlock2(2): brings every page of the range in and keeps it in memory, with ONFAULT each
 * from when it is touched. The range is widened to whole pages. What is locked counts up to
 * MMK_LIMIT_MEMLOCK (limit.h), once however often it is locked; it ends with munlock, with the
 * mapping, and in a child.
 * As on Linux what lies before a hole is locked, then MMK_ENOMEM is returned; where a page cannot
 * be had all of the range is locked nevertheless, and the pages before it are there.
 * => 0; MMK_EPERM: MMK_LIMIT_MEMLOCK is 0; MMK_ENOMEM: beyond that limit, a hole, memory that may
 *    not be accessed or lies beyond its object's end, or no memory for mappings; MMK_EAGAIN: no
 *    memory for a page; MMK_EINVAL: the range wraps, an unknown flag
 */
MMK_MUST_CHECK int mmk_mlock(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length);
MMK_MUST_CHECK int mmk_mlock2(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, unsigned flags);

/*
 * munlock(2): the range is as it was before it was locked; its pages stay.
 * => 0; MMK_EINVAL: the range wraps; MMK_ENOMEM: a hole, with what lies before it done, or no
 *    memory for mappings
 */
MMK_MUST_CHECK int mmk_munlock(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length);

/*
 * mlockall(2): locks all mappings that there are (CURRENT), and those that come (FUTURE), each with
 * ONFAULT or without; pages that cannot be had are no error. Without FUTURE those that come are not
 * locked any more.
 * => 0; MMK_EINVAL: no flag, ONFAULT alone, or an unknown one; MMK_EPERM: MMK_LIMIT_MEMLOCK is 0;
 *    MMK_ENOMEM: CURRENT, and more is mapped than that limit: nothing has changed
 */
MMK_MUST_CHECK int mmk_mlockall(struct mmk_mm *mm, unsigned flags);

/* munlockall(2): nothing is locked, nor will be. => 0 */
MMK_MUST_CHECK int mmk_munlockall(struct mmk_mm *mm);

/*
 * mseal(2): from now on the range's mappings cannot be unmapped, moved, replaced, or given another
 * protection: MMK_EPERM. Nor can advice discard what they hold, where the program could not write
 * it: private anonymous memory that is not writable. A stack may still grow, and what is locked may
 * be unlocked. Children inherit the seal; it ends with the address space.
 * => 0; MMK_EINVAL: flags other than 0, misaligned address, or the length wraps; MMK_ENOMEM: a
 *    hole, or no memory: nothing is sealed; or max_map_count
 */
MMK_MUST_CHECK int mmk_mseal(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, unsigned flags);

/* Flags of mmk_msync(), as <sys/mman.h>. */
#define MMK_MS_ASYNC      1 /* nothing is done: dirty pages are written by the next sync */
#define MMK_MS_INVALIDATE 2 /* nothing to do: all mappings of an object show the same pages */
#define MMK_MS_SYNC       4

/*
 * msync(2): with MS_SYNC what was stored through the range's shared mappings is written back before
 * it returns (mmk_object_sync()). As on Linux holes are skipped, the rest is done, then MMK_ENOMEM
 * is returned.
 * => 0; MMK_EINVAL: misaligned address, unknown flag, both ASYNC and SYNC; MMK_ENOMEM: a hole;
 *    MMK_EBUSY: INVALIDATE, and a mapping is locked; or an error of write_page: what lies beyond
 *    that mapping is not done
 */
MMK_MUST_CHECK int mmk_msync(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t length, unsigned flags);

/*
 * The brk system call: moves the end of the heap to `brk`.
 * => the new end; the old one, unchanged, when `brk` is below the start, in the way of another
 *    mapping, beyond a limit, the part to go is sealed, or memory is short (as Linux's system call,
 *    not libc's wrapper)
 */
mmk_vaddr_t mmk_brk(struct mmk_mm *mm, mmk_vaddr_t brk);

/*
 * Where the heap starts; exec calls it once, before the first mmk_brk().
 * => 0; MMK_EINVAL: beyond the address space
 */
MMK_MUST_CHECK int mmk_set_brk(struct mmk_mm *mm, mmk_vaddr_t start);

/*
 * fork(2)'s address space: *child gets a copy of every mapping; private pages are shared until one
 * side writes. On failure the child is discarded and the parent sees no change.
 * => 0 with *child set, one user; MMK_ENOMEM: no memory, or overcommit; MMK_EINTR: the parent was
 *    killed, which fork always refuses, half-way too
 */
MMK_MUST_CHECK int mmk_fork(struct mmk_mm *parent, struct mmk_mm **child);

#ifdef __cplusplus
}
#endif

#endif
