/* SPDX-License-Identifier: MIT */
/*
 * asid.h - for ports whose translation hardware has few tags: which ASID (PCID) a CPU uses for
 * which address space. Included by a port that wants it (MMK_PORT_TLB), by nothing else.
 *
 * mmkit names an address space by a context, a number that is never used twice (port/tlb.h). A CPU
 * has MMK_ASIDS tags of its own, and remembers with each whose translations it stands for. A
 * context that comes back finds its tag, and its translations, if nobody has been given it since:
 * the one given away is that which was loaded least recently. Whether translations found so are
 * still true is mmkit's business: it flushes what is older than the last flush when the CPU enters.
 *
 *     unsigned asid = mmk_asid_load(&this_cpu->asids, context->id, &stale);
 *     load the root, with `asid`; stale: and drop all that the tag stands for
 *
 *     local flush of context: mmk_asid_find(); MMK_ASID_NONE: this CPU has nothing of it
 *
 * Each CPU's structure is its own: no locks. Few tags are as good as many: a CPU goes back and
 * forth between a few address spaces, and others have pushed their translations out by the time
 * that it sees an older one again (Linux uses 6 of 4096 on x86-64).
 */
#ifndef MMKIT_PORT_ASID_H
#define MMKIT_PORT_ASID_H

#include <mmkit/port/annotate.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Tags a CPU, numbered from 0; a port adds what it needs (0 for the kernel's own, for example). */
#ifndef MMK_ASIDS
#define MMK_ASIDS 6
#endif

#define MMK_ASID_NONE MMK_ASIDS

/* One CPU's. All zero: as it starts, with nothing in the TLB. */
struct mmk_asids {
    uint64_t loads;              /* counted */
    uint64_t context[MMK_ASIDS]; /* whose the tag is; 0: nobody's */
    uint64_t loaded[MMK_ASIDS];  /* the count when it was last loaded */
};

/* The tag that stands for context. => MMK_ASID_NONE: none does; on the CPU */
MMK_ALWAYS_INLINE unsigned mmk_asid_find(const struct mmk_asids *asids, uint64_t context)
{
    unsigned asid = 0;

    while (asid < MMK_ASIDS && asids->context[asid] != context)
        asid++;
    return asid;
}

/* The one loaded least recently; those never loaded come first. */
MMK_ALWAYS_INLINE unsigned mmk_asid_oldest_(const struct mmk_asids *asids)
{
    unsigned asid, oldest = 0;

    for (asid = 1; asid < MMK_ASIDS; asid++)
        if (asids->loaded[asid] < asids->loaded[oldest])
            oldest = asid;
    return oldest;
}

/*
 * The tag to load context with.
 * => *stale: it stood for another until now: drop what the TLB has under it
 * => context is not 0; on the CPU, with interrupts off or in its context switch
 */
static inline unsigned mmk_asid_load(struct mmk_asids *asids, uint64_t context, bool *stale)
{
    unsigned asid = mmk_asid_find(asids, context);

    *stale = asid == MMK_ASID_NONE;
    if (*stale) {
        asid = mmk_asid_oldest_(asids);
        asids->context[asid] = context;
    }
    asids->loaded[asid] = ++asids->loads;
    return asid;
}

/* The whole TLB is empty: as after reset, when the CPU comes online again. => on the CPU */
static inline void mmk_asids_forget(struct mmk_asids *asids)
{
    unsigned asid;

    asids->loads = 0;
    for (asid = 0; asid < MMK_ASIDS; asid++)
        asids->context[asid] = asids->loaded[asid] = 0;
}

#ifdef __cplusplus
}
#endif

#endif
