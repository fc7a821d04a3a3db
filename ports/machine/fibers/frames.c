/* SPDX-License-Identifier: MIT */
/*
 * frames.c - what each frame is, by the library's own word (mmk_note_frames(), mmk_note_object()),
 * and whether it is used accordingly: by the library at each access to a shared word, by hardware
 * at each walk and each guest access.
 *
 * What is freed is overwritten, so that whoever reads it without an atomic access finds nonsense;
 * AddressSanitizer reports that one by name.
 *
 * A generation is raised when a frame is given back. A cached translation, or paging-structure
 * entry, remembers that of what it leads to: if it is another by the time of use, the frame has
 * been given back meanwhile, whether or not it has been given out again.
 *
 * Hardware sets bits in entries that are present, so those change by exchanges alone (P13). A run
 * in which it does so exactly between a load and a store that follows is rare; so the store itself
 * is the failure, in any table, also in one that no CPU can reach.
 */
#include "frames.h"
#include "sched.h"
#include "speculate.h"
#include "weak.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define FRAMES_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FRAMES_ASAN 1
#endif
#endif

#ifdef FRAMES_ASAN
void __asan_poison_memory_region(const volatile void *start, size_t size);
void __asan_unpoison_memory_region(const volatile void *start, size_t size);
#else
#define __asan_poison_memory_region(start, size)   ((void)(start), (void)(size))
#define __asan_unpoison_memory_region(start, size) ((void)(start), (void)(size))
#endif

/* As an entry of a table: present, and nowhere in RAM. As a pointer: to no memory. */
#define FREED_BYTE 0xdb

/* Small objects begin, and end, at multiples of this. */
#define UNIT       16
#define FRAME_BITS (MMK_PAGE_SIZE / UNIT)

/* A bit for each 16 bytes of a frame: they are a freed object's. */
struct freed {
    uint64_t bits[FRAME_BITS / 64];
};

/* Of a table that was unlinked: the read sections that ran then. */
struct readers {
    uint64_t section[MMK_MAX_CPUS]; /* 0: none */
};

struct frame *frames;

static struct readers *readers;     /* as `frames`; of those that were unlinked */
static struct freed *freed_objects; /* as `frames`; of those frames that say `objects` */
static size_t room;                 /* frames that there is memory for */
static uint64_t now;

bool frames_begin(void)
{
    size_t count = machine_ram_end >> MMK_PAGE_SHIFT;

    if (room < count) {
        free(frames);
        free(freed_objects);
        free(readers);
        frames = malloc(count * sizeof(*frames));
        freed_objects = malloc(count * sizeof(*freed_objects));
        readers = malloc(count * sizeof(*readers));
        room = frames && freed_objects && readers ? count : 0;
        if (room == 0)
            return false;
    }
    memset(frames, 0, count * sizeof(*frames));
    __asan_unpoison_memory_region(mmk_phys_to_virt(MACHINE_RAM_START),
                                  machine_ram_end - MACHINE_RAM_START);
    now = 0;
    translations_begin();
    return true;
}

uint64_t frames_tick(void)
{
    return ++now;
}

void frames_fail(const char *rule, mmk_paddr_t phys)
{
    static const char *const uses[] = {
        "given out",         "a page table",
        "an unlinked table", "a table that waits for a grace period",
        "a spare table",     "free",
    };
    const struct frame *frame = frame_at(phys);
    char text[256];

    snprintf(text, sizeof(text),
             "%s (frame 0x%" PRIx64 ", %s since CPU %u made it so at time %" PRIu32 " of %" PRIu64
             ")",
             rule, phys >> MMK_PAGE_SHIFT, uses[frame->use], frame->who, frame->when, now);
    fibers_fail(text);
}

static bool object_is_freed(mmk_paddr_t phys)
{
    unsigned unit = (unsigned)(phys & (MMK_PAGE_SIZE - 1)) / UNIT;

    return freed_objects[phys >> MMK_PAGE_SHIFT].bits[unit / 64] >> unit % 64 & 1;
}

void frames_watch(mmk_paddr_t phys, bool write)
{
    const struct frame *frame = frame_at(phys);

    switch ((enum mmk_frame_use)frame->use) {
    case MMK_FRAME_FREE:
        frames_fail("F1 a freed frame is used", phys);
    case MMK_FRAME_SPARE:
        frames_fail("P11 a freed table is used", phys);
    case MMK_FRAME_UNLINKED:
    case MMK_FRAME_WAITING:
        if (write && !sim_current()->hardware) /* whose exchange fails: the entry has changed */
            frames_fail("P6 an entry of a dead table is changed", phys);
        return;
    case MMK_FRAME_TABLE:
        if (write)
            speculate_here();
        return;
    case MMK_FRAME_USED:
        if (object_is_freed(phys))
            frames_fail("a freed object is used", phys);
    }
}

/* A store takes away what hardware has set, or will have by the time that the store is there. */
void fibers_overwrites(uintptr_t word)
{
    mmk_paddr_t phys = (mmk_paddr_t)(word - machine_ram_base);

    if (phys >= machine_ram_end || frame_at(phys)->use != MMK_FRAME_TABLE)
        return;
    if (format_valid(((const struct mmk_a64 *)word)->v))
        frames_fail("P13 a present entry is changed by a plain store", phys);
}

/* ---- notes ----------------------------------------------------------------------------------- */

/* What nobody knew of until now. */
static void hand_in(mmk_paddr_t first, uint64_t count)
{
    struct frame *frame = frame_at(first);
    uint64_t i;

    for (i = 0; i < count; i++)
        frame[i] = (struct frame){.use = MMK_FRAME_FREE, .watched = true, .when = (uint32_t)now};
    __asan_poison_memory_region(mmk_phys_to_virt(first), count * MMK_PAGE_SIZE);
}

static void note_readers(mmk_paddr_t phys)
{
    unsigned i;

    for (i = 0; i < MMK_MAX_CPUS; i++)
        readers[phys >> MMK_PAGE_SHIFT].section[i] =
            sim.task[i].rcu_depth > 0 ? sim.task[i].rcu_sections : 0;
}

static void check_readers(mmk_paddr_t phys, const char *rule)
{
    const struct readers *were = &readers[phys >> MMK_PAGE_SHIFT];
    unsigned i;

    sim_touch_sections();
    for (i = 0; i < MMK_MAX_CPUS; i++)
        if (were->section[i] && sim.task[i].rcu_depth > 0 &&
            sim.task[i].rcu_sections == were->section[i])
            frames_fail(rule, phys);
}

/* What must hold when a frame becomes something else. */
static void check_change(const struct frame *frame, mmk_paddr_t phys, enum mmk_frame_use use)
{
    bool was_dead = frame->use == MMK_FRAME_UNLINKED || frame->use == MMK_FRAME_WAITING;

    if (frame->cached && use >= MMK_FRAME_WAITING) {
        sim_touch(TOUCH_TRANSLATIONS, false);
        translations_check_frame(phys, use);
    }
    if (frame->use == MMK_FRAME_TABLE && use >= MMK_FRAME_SPARE) {
        sim_touch(TOUCH_TRANSLATIONS, false);
        translations_check_root(phys);
    }
    if (was_dead && use >= MMK_FRAME_SPARE)
        check_readers(phys, "P11 a table is given back that a reader may still be in");
}

static void overwrite(void *at)
{
    __asan_unpoison_memory_region(at, MMK_PAGE_SIZE);
    memset(at, FREED_BYTE, MMK_PAGE_SIZE);
}

static void become(struct frame *frame, mmk_paddr_t phys, enum mmk_frame_use use)
{
    void *at = mmk_phys_to_virt(phys);

    sim_touch_frame(phys);
    check_change(frame, phys, use);
    if (use == MMK_FRAME_UNLINKED) {
        sim_touch_sections();
        note_readers(phys);
    }
    if (frame->use == MMK_FRAME_UNLINKED && use == MMK_FRAME_TABLE)
        frames_fail("L1 a table is one again before the flush", phys);
    frame->again = frame->use == MMK_FRAME_WAITING && use == MMK_FRAME_TABLE;
    frame->use = (uint8_t)use;
    frame->objects = false;
    frame->watched = use != MMK_FRAME_USED;
    frame->when = (uint32_t)now;
    frame->who = (uint8_t)sim.current;
    if (use < MMK_FRAME_SPARE) {
        __asan_unpoison_memory_region(at, MMK_PAGE_SIZE);
        return;
    }
    frame->generation++;
    frame->cached = frame->stored = false;
    if (fibers_weak)
        cell_page_freed(at);
    if (use == MMK_FRAME_FREE)
        overwrite(at);
    __asan_poison_memory_region(at, MMK_PAGE_SIZE);
}

void mmk_note_frames(mmk_paddr_t first, uint64_t count, enum mmk_frame_use use)
{
    uint64_t i;

    mmk_assert(first >= MACHINE_RAM_START && first < machine_ram_end,
               "fibers: memory that was handed in is RAM");
    now++;
    if (frame_at(first)->when == 0) {
        hand_in(first, count);
        return;
    }
    for (i = 0; i < count; i++)
        become(frame_at(first) + i, first + i * MMK_PAGE_SIZE, use);
}

/* Readers from before must find where it hangs what they have come by. */
void mmk_note_linked(mmk_paddr_t table, const void *entry)
{
    struct frame *frame = frame_at(table);

    sim_touch_frame(table);
    if (frame->again && frame->linked != entry)
        check_readers(table, "P11 a table is linked elsewhere, and a reader may still be in it");
    frame->again = false;
    frame->linked = entry;
}

/* Units [first, end) of a frame. */
static void mark_units(struct freed *marks, unsigned first, unsigned end, bool freed)
{
    unsigned i, from, to;
    uint64_t mask;

    for (i = first / 64; i * 64 < end; i++) {
        from = i * 64 < first ? first - i * 64 : 0;
        to = end - i * 64 < 64 ? end - i * 64 : 64;
        mask = UINT64_MAX >> (64 - (to - from)) << from;
        marks->bits[i] = freed ? marks->bits[i] | mask : marks->bits[i] & ~mask;
    }
}

/* The first word is the slab's. */
void mmk_note_object(void *object, size_t size, bool freed)
{
    mmk_paddr_t phys = mmk_virt_to_phys(object);
    struct frame *frame = frame_at(phys);
    struct freed *marks = &freed_objects[phys >> MMK_PAGE_SHIFT];
    unsigned unit = (unsigned)(phys & (MMK_PAGE_SIZE - 1)) / UNIT;

    sim_touch_object((uintptr_t)object, size);
    if (!frame->objects)
        *marks = (struct freed){{0}};
    frame->objects = frame->watched = true;
    mark_units(marks, unit, unit + (unsigned)size / UNIT, freed);
    if (freed) {
        if (fibers_weak)
            cell_plain_write((uintptr_t)object, size, __builtin_return_address(0));
        memset((char *)object + sizeof(void *), FREED_BYTE, size - sizeof(void *));
        __asan_poison_memory_region((char *)object + sizeof(void *), size - sizeof(void *));
    } else {
        __asan_unpoison_memory_region(object, size);
    }
}

void mmk_note_written(mmk_paddr_t phys)
{
    sim_touch_contents(phys);
    frame_at(phys)->stored = false;
}

static uint32_t value_of(const void *word)
{
    return __atomic_load_n((const uint32_t *)word, __ATOMIC_RELAXED);
}

void mmk_note_clean(mmk_paddr_t phys, const void *refs, uint32_t own, const void *flags,
                    uint32_t dirty)
{
    sim_touch_contents(phys);
    if (frame_at(phys)->stored && value_of(refs) == own && !(value_of(flags) & dirty))
        frames_fail("P5 a page is taken for clean that was stored to", phys);
}
