/* SPDX-License-Identifier: MIT */
/*
 * kernels_notifier.c - concurrency kernels: notifiers, their epochs, and mirrors that are filled
 * beside changes. The changes come from an object: they do not hold the mmap lock.
 */
#include "kernel.h"

#include <mmkit/mmkit.h>
#include <mmkit/port/cpu.h>
#include <mmkit/port/directmap.h>
#include <string.h>

/* A secondary MMU that knows one page. Its lock is of the kind that notifiers have. */
static struct mirror {
    struct mmk_notifier notifier;
    struct mmk_a32 lock;
    mmk_paddr_t page; /* plain, under the lock; 0: none */
} mirrors[2];

static void lock_mirror(struct mirror *mirror)
{
    while (mmk_a32_xchg(&mirror->lock, 1, MMK_ACQUIRE))
        mmk_cpu_relax();
}

static void unlock_mirror(struct mirror *mirror)
{
    mmk_a32_store(&mirror->lock, 0, MMK_RELEASE);
}

static int drop(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    struct mirror *mirror = (struct mirror *)notifier;

    payload_read(0); /* what is the notifier's own: nobody calls it once this may be gone */
    lock_mirror(mirror);
    if (range->start <= page_at(0) && page_at(0) < range->end)
        mirror->page = 0;
    unlock_mirror(mirror);
    return 0;
}

static const struct mmk_notifier_ops mirror_ops = {.invalidate_begin = drop};

static void begin(void)
{
    unsigned cpu;

    kernel_begin();
    memset(mirrors, 0, sizeof(mirrors));
    mirrors[0].notifier.ops = mirrors[1].notifier.ops = &mirror_ops;
    expect(mmk_object_create(NULL, 4 * PAGE, NULL, &kernel.object) == 0);
    expect(mmk_mmap(world.mm, page_at(0), 2 * PAGE, RW, MMK_MAP_SHARED | MMK_MAP_FIXED,
                    kernel.object, 0) == (int64_t)page_at(0));
    kernel_store(0, 1);
    kernel_store(1, 1);                      /* the table stays */
    for (cpu = 1; cpu < world.cpus; cpu++) { /* no flush orders anything for those */
        fibers_be_cpu(cpu);
        machine_switch_mm(NULL);
    }
    fibers_be_cpu(0);
}

static void setup_registered(void)
{
    begin();
    expect(mmk_notifier_register(world.mm, &mirrors[0].notifier) == 0);
}

static void setup_both(void)
{
    setup_registered();
    expect(mmk_notifier_register(world.mm, &mirrors[1].notifier) == 0);
}

/* The page is gone, so no mirror has it. */
static void end(void)
{
    expect(mirrors[0].page == 0);
    mmk_notifier_unregister(world.mm, &mirrors[0].notifier);
    mmk_notifier_unregister(world.mm, &mirrors[1].notifier);
    mmk_object_put(kernel.object);
    kernel_end();
}

static void punch(void)
{
    expect(mmk_object_punch_hole(kernel.object, 0, PAGE) == 0);
}

/* Takes the page into the mirror, if it is still there. */
static void fill(struct mirror *mirror)
{
    uint64_t seq = mmk_notifier_read_begin(&mirror->notifier);
    mmk_paddr_t phys;
    unsigned prot;

    if (mmk_translate(world.mm, page_at(0), MMK_ACCESS_READ, &phys, &prot) != 0)
        return;
    lock_mirror(mirror);
    if (!mmk_notifier_read_retry(&mirror->notifier, seq))
        mirror->page = phys;
    unlock_mirror(mirror);
}

static void filled(unsigned cpu)
{
    if (cpu == 0)
        punch();
    else
        fill(&mirrors[0]);
}

static void registered(unsigned cpu)
{
    if (cpu == 0) {
        punch();
        return;
    }
    expect(mmk_notifier_register(world.mm, &mirrors[0].notifier) == 0);
    fill(&mirrors[0]);
}

/* Whoever has unregistered may free what is the notifier's own. */
static void unregistered(unsigned cpu)
{
    if (cpu == 0) {
        punch();
        return;
    }
    mmk_notifier_unregister(world.mm, &mirrors[0].notifier);
    payload_write(0);
}

static void setup_unregistered(void)
{
    setup_registered();
}

static void end_unregistered(void)
{
    mmk_object_put(kernel.object);
    kernel_end();
}

/* One goes while an operation is on its way from one to the next, and another comes. */
static void replaced(unsigned cpu)
{
    if (cpu == 0) {
        punch();
    } else if (cpu == 1) {
        mmk_notifier_unregister(world.mm, &mirrors[1].notifier);
    } else {
        fill(&mirrors[0]);
    }
}

/* Two operations at once: the mirror waits for one of them, and hears of the other. */
static void filled_beside_two(unsigned cpu)
{
    if (cpu == 2)
        fill(&mirrors[0]);
    else if (cpu == 1)
        expect(mmk_object_punch_hole(kernel.object, PAGE, PAGE) == 0);
    else
        punch();
}

#define KERNEL(kernel_name, text, n, setup_with, run, end_with)                                    \
    {                                                                                              \
        .name = "kernel.notifier." kernel_name, .what = text, .cpus = n, .setup = setup_with,      \
        .body = run, .check = end_with                                                             \
    }

const struct scenario kernels_notifier[] = {
    KERNEL("filled", "a mirror is filled beside a change", 2, setup_registered, filled, end),
    KERNEL("registered", "a mirror comes, and is filled, beside a change", 2, begin, registered,
           end),
    KERNEL("unregistered", "a mirror goes beside a change", 2, setup_unregistered, unregistered,
           end_unregistered),
    KERNEL("replaced", "one of two mirrors goes beside a change", 3, setup_both, replaced, end),
    KERNEL("two", "a mirror is filled beside two changes", 3, setup_registered, filled_beside_two,
           end),
    {.name = NULL},
};
