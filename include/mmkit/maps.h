/* SPDX-License-Identifier: MIT */
/*
 * maps.h - what is mapped where, for whoever looks at an address space: /proc/PID/maps, core dumps,
 * debuggers, checkpoints.
 */
#ifndef MMKIT_MAPS_H
#define MMKIT_MAPS_H

#include <mmkit/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a mapping is beside its protection. */
enum mmk_mapping_flag {
    MMK_MAPPING_SHARED = 1,       /* else private */
    MMK_MAPPING_GROWSDOWN = 2,    /* a stack */
    MMK_MAPPING_NORESERVE = 4,    /* never counts as committed */
    MMK_MAPPING_COMMITTED = 8,    /* counts as committed now */
    MMK_MAPPING_LOCKED = 16,      /* mmk_mlock() */
    MMK_MAPPING_ONFAULT = 32,     /* with LOCKED: pages come when they are touched */
    MMK_MAPPING_SEALED = 64,      /* mmk_mseal() */
    MMK_MAPPING_DONTFORK = 128,   /* MMK_MADV_DONTFORK */
    MMK_MAPPING_WIPEONFORK = 256, /* MMK_MADV_WIPEONFORK */
    MMK_MAPPING_GUARDED = 512,    /* MMK_MADV_GUARD_INSTALL: some time, somewhere in it */
    MMK_MAPPING_FRAMES = 1024,    /* frames that are not mmkit's: VM_PFNMAP of Linux */
};

struct mmk_mapping {
    mmk_vaddr_t start, end; /* bytes, page multiples */
    unsigned prot;          /* MMK_PROT_*: what is allowed */
    unsigned max_prot;      /* MMK_PROT_*: what mmk_mprotect() may allow */
    unsigned flags;         /* enum mmk_mapping_flag, or'ed */
    /*
     * What is mapped, and where in it `start` is, in bytes. Shared anonymous memory has an object
     * of mmkit's own, without private data. NULL: private anonymous memory, with offset 0; or, with
     * FRAMES, what mmk_map_frames() maps, with the physical address as offset.
     */
    struct mmk_object *object;
    uint64_t offset;
};

/*
 * Calls visit() for each mapping with a part in [start, end), from the lowest up, as long as that
 * answers 0. Two that touch are told one by one, however alike.
 *
 * The mmap lock is held for reading throughout: what visit() is told in one call is one moment's.
 * Nothing is mapped, unmapped or protected meanwhile; pages come and go. Who wants to let others
 * through in between visits some, and goes on later at the last one's end: no mapping that stays is
 * missed or told twice.
 * => any start and end
 * => 0; what visit() answered; MMK_EINTR: killed, and somebody else had the lock: none was visited
 * => the caller is a user or a holder of mm; may sleep; locks as for the calls of mm.h
 * => visit: may sleep. `mapping` is gone when it returns; `object` may be asked for its private
 * data and size, and kept by a reference of one's own (mmk_object_get()). Calls nothing else for
 * this mm: neither the calls of mm.h, nor a fault, nor what copies to or from its memory
 */
MMK_MUST_CHECK int mmk_for_each_mapping(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end,
                                        int (*visit)(const struct mmk_mapping *mapping, void *arg),
                                        void *arg);

#ifdef __cplusplus
}
#endif

#endif
