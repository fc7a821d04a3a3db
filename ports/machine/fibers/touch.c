/* SPDX-License-Identifier: MIT */
/*
 * touch.c - what each step of a run touches (struct fibers_touch), so that a search can leave out
 * orders that nobody can tell from others.
 *
 * O1 Whatever one CPU does that another could notice, or that a check of this machine's could, is
 *    an access to a shared word, or touches a thing here: a frame or a small object is given out or
 *    back, a page is copied, a read section begins or ends, RCU looks at those, a callback is
 *    queued or run, an interrupt is sent or looked for, something is flushed, walked, cached.
 * O2 Data that are no shared words are left out: who uses them holds a lock, or is alone with them,
 *    and has used a shared word to be so (TSan, and weak memory, look for who has not).
 * O3 Whoever uses a word uses the frame and the object (16 bytes of it) that it is in as what they
 *    are: to give them back is not independent of that. Nor, in case that they are then read as in
 *    O2, of whatever else a CPU does that has ever used them in the run: who searches sees to that.
 *
 * Numbers are folded: what is independent may seem not to be, never the other way.
 */
#include "sched.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    UNIT = 16,
    WORDS = (int)FIBERS_MEMORY - (int)TOUCH_THINGS,
    FIRST_UNIT = FIBERS_MEMORY,
    UNITS = 2048,
    FIRST_FRAME = FIRST_UNIT + UNITS,
    FRAMES = 256,
    FIRST_CONTENTS = FIRST_FRAME + FRAMES,
};

_Static_assert(FIRST_CONTENTS + FRAMES == (int)FIBERS_TOUCHED, "all numbers, and no more");

static bool is_asked_for(void)
{
    return sim.running && sim.chooser->touches;
}

static void add(size_t what, bool alone)
{
    struct fibers_touches *touches = sim.chooser->touches;

    if (touches->count == touches->size) {
        touches->size = touches->size ? touches->size * 2 : 4096;
        touches->list = realloc(touches->list, touches->size * sizeof(*touches->list));
        if (!touches->list) {
            fputs("no memory for what is touched\n", stderr);
            abort();
        }
    }
    touches->list[touches->count++] =
        (struct fibers_touch){(uint8_t)sim.current, alone, (uint16_t)what};
}

void sim_touch(enum sim_thing thing, bool alone)
{
    if (is_asked_for())
        add(thing, alone);
}

void sim_touch_sections(void)
{
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS && is_asked_for(); cpu++)
        add(TOUCH_SECTIONS + cpu, false);
}

static size_t unit(uintptr_t at)
{
    return FIRST_UNIT + (at - machine_ram_base) / UNIT % UNITS;
}

static size_t frame(mmk_paddr_t phys)
{
    return (phys >> MMK_PAGE_SHIFT) % FRAMES;
}

void sim_touch_word(uintptr_t word, uint16_t number, enum fibers_access access)
{
    mmk_paddr_t phys = (mmk_paddr_t)(word - machine_ram_base);

    if (!is_asked_for())
        return;
    if (number == 0)
        add(TOUCH_STACKS, true);
    else
        add(TOUCH_THINGS + number % WORDS, access == FIBERS_WRITE);
    if (phys >= machine_ram_end)
        return;
    add(unit(word), false);
    add(FIRST_FRAME + frame(phys), false);
    if (access == FIBERS_WRITE)
        add(FIRST_CONTENTS + frame(phys), false);
}

void fibers_touch(const void *word, enum fibers_access access)
{
    if (is_asked_for())
        sim_touch_word((uintptr_t)word, sim_word_number((uintptr_t)word), access);
}

void sim_touch_object(uintptr_t at, size_t size)
{
    size_t i;

    for (i = 0; i < size && is_asked_for(); i += UNIT)
        add(unit(at + i), true);
}

void sim_touch_frame(mmk_paddr_t phys)
{
    if (is_asked_for())
        add(FIRST_FRAME + frame(phys), true);
}

void sim_touch_use(mmk_paddr_t phys)
{
    if (is_asked_for())
        add(FIRST_FRAME + frame(phys), false);
}

void sim_touch_contents(mmk_paddr_t phys)
{
    if (is_asked_for())
        add(FIRST_CONTENTS + frame(phys), true);
}

void fibers_touch_page(const void *page)
{
    sim_touch_contents(mmk_virt_to_phys(page));
}
