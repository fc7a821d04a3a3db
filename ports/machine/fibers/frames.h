/* SPDX-License-Identifier: MIT */
/* frames.h - what each frame of RAM is, and each small object in it: frames.c. */
#ifndef MACHINE_FIBERS_FRAMES_H
#define MACHINE_FIBERS_FRAMES_H

#include "../internal.h"

struct frame {
    uint8_t use;         /* enum mmk_frame_use; USED too before it was handed in */
    bool objects;        /* it has small objects, perhaps freed ones */
    bool watched;        /* not every access to it is fine: frames_watch() knows which */
    uint32_t generation; /* raised when it is given back: what was known of it is no longer so */
    uint32_t when;       /* time when it became what it is; 0: not handed in */
    uint8_t who;         /* the CPU that made it so */
    bool cached;         /* a translation or a paging-structure entry has led to it, perhaps does */
    bool again;          /* a table that waited for a grace period is one again, not yet linked */
    const void *linked;  /* a table: by this entry, now or at last */
    bool stored;         /* by a program, since it was given out or written back */
};

extern struct frame *frames; /* of all RAM, from address 0 */

/* For the machine's RAM, of which nothing has been handed in yet. => false: no memory */
bool frames_begin(void);

/* Another time: later is more. */
uint64_t frames_tick(void);

MMK_ALWAYS_INLINE struct frame *frame_at(mmk_paddr_t phys)
{
    return &frames[phys >> MMK_PAGE_SHIFT];
}

/* An access to what is watched is about to be made: fails, if it does not fit. */
void frames_watch(mmk_paddr_t phys, bool write);

MMK_ALWAYS_INLINE void frames_check(uintptr_t word, bool write)
{
    mmk_paddr_t phys = (mmk_paddr_t)(word - machine_ram_base);

    if (phys < machine_ram_end && mmk_unlikely(frame_at(phys)->watched))
        frames_watch(phys, write);
}

/* translations.c: it is given back, or, a table, was flushed: who could still use it? */
void translations_check_frame(mmk_paddr_t phys, enum mmk_frame_use becomes);
void translations_check_root(mmk_paddr_t phys); /* likewise, a table that was linked nowhere */
void translations_begin(void);

/* Fails, with what has become of the frame. */
MMK_NORETURN void frames_fail(const char *rule, mmk_paddr_t phys);

#endif
