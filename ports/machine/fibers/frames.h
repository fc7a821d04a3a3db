/* SPDX-License-Identifier: MIT */
/* frames.h - what each frame of RAM is, and each small object in it: frames.c. */
#ifndef MACHINE_FIBERS_FRAMES_H
#define MACHINE_FIBERS_FRAMES_H

#include "../internal.h"

struct frame {
    uint8_t use;         /* enum mmk_frame_use; USED too before it was handed in */
    bool objects;        /* it has small objects, perhaps freed ones */
    uint32_t generation; /* raised when it is given back: what was known of it is no longer so */
    uint32_t when;       /* frames_now() when it became what it is; 0: not handed in */
    uint8_t who;         /* the CPU that made it so */
};

extern struct frame *frames; /* of all RAM, from address 0 */

/* For the machine's RAM, of which nothing has been handed in yet. => false: no memory */
bool frames_begin(void);

/* Counts all that is noted: later is more. */
uint64_t frames_now(void);

MMK_ALWAYS_INLINE struct frame *frame_at(mmk_paddr_t phys)
{
    return &frames[phys >> MMK_PAGE_SHIFT];
}

/* An access, about to be made, that does not fit: fails. */
void frames_refuse(mmk_paddr_t phys, bool write);

/* The word may be accessed. */
MMK_ALWAYS_INLINE void frames_check(uintptr_t word, bool write)
{
    mmk_paddr_t phys = (mmk_paddr_t)(word - machine_ram_base);
    const struct frame *frame;

    if (phys >= machine_ram_end)
        return;
    frame = frame_at(phys);
    if (mmk_unlikely(frame->objects || frame->use > MMK_FRAME_TABLE))
        frames_refuse(phys, write);
}

/* Fails, with what has become of the frame. */
MMK_NORETURN void frames_fail(const char *rule, mmk_paddr_t phys);

#endif
