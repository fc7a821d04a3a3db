/* SPDX-License-Identifier: MIT */
/*
 * scenarios_selftest.c - programs that are wrong, to see that this is found: in a body, after all
 * bodies, by a crash, as a race. And one that is right, whose runs are known. All run when they are
 * named, and not with `all'.
 */
#include "world.h"

#include <mmkit/host.h>
#include <mmkit/port/lock.h>
#include <string.h>

static struct mmk_a32 counter, ready, data;
static int plain;

static void zero(void)
{
    mmk_a32_store(&counter, 0, MMK_RELAXED);
    mmk_a32_store(&ready, 0, MMK_RELAXED);
    mmk_a32_store(&data, 0, MMK_RELAXED);
}

static void add_one(unsigned cpu)
{
    uint32_t value = mmk_a32_load(&counter, MMK_RELAXED);

    (void)cpu;
    mmk_a32_store(&counter, value + 1, MMK_RELAXED);
}

static void both_counted(void)
{
    expect(mmk_a32_load(&counter, MMK_RELAXED) == 2);
}

/* Says so before it is done. */
static void publish_early(unsigned cpu)
{
    if (cpu == 0) {
        mmk_a32_store(&ready, 1, MMK_RELEASE);
        mmk_a32_store(&data, 1, MMK_RELAXED);
    } else if (mmk_a32_load(&ready, MMK_ACQUIRE)) {
        expect(mmk_a32_load(&data, MMK_RELAXED) == 1);
    }
}

static void crash_early(unsigned cpu)
{
    static int *volatile nowhere;

    if (cpu == 0) {
        mmk_a32_store(&ready, 1, MMK_RELEASE);
        mmk_a32_store(&data, 1, MMK_RELAXED);
    } else if (mmk_a32_load(&ready, MMK_ACQUIRE) && !mmk_a32_load(&data, MMK_RELAXED)) {
        *nowhere = 1;
    }
}

/* Right in each schedule: that nothing orders the two stores is for ThreadSanitizer to see. */
static void store_plainly(unsigned cpu)
{
    if (cpu == 0) {
        plain = 1;
        mmk_a32_store(&ready, 1, MMK_RELAXED);
    } else if (mmk_a32_load(&ready, MMK_RELAXED)) {
        plain = 2;
    }
}

static void stored(void)
{
    expect(plain == 1 || plain == 2);
}

/* ---- a bit of everything --------------------------------------------------------------------- */

/*
 * Right, and without the library: so its schedules stay the same for as long as the machinery does,
 * and can be compared with those of other builds, and of other days.
 */
static struct bit {
    struct mmk_spinlock spin;
    struct mmk_rwlock rw;
    struct mmk_aptr current; /* to one of `items` */
    struct mmk_a32 freed;    /* items whose grace period is over */
    struct item {
        struct mmk_rcu_head head; /* first */
        struct mmk_a32 live;
    } items[2];
    unsigned spun, written; /* under the locks */
    unsigned turns[3];      /* a CPU's, with the spin lock */
} bit;

static void setup_bit(void)
{
    unsigned cpu;

    zero();
    memset(&bit, 0, sizeof(bit));
    for (cpu = 0; cpu < 3; cpu++)
        bit.turns[cpu] = 1 + world_random(3);
    mmk_spin_init(&bit.spin);
    mmk_rw_init(&bit.rw);
    mmk_a32_store(&bit.items[0].live, 1, MMK_RELAXED);
    mmk_aptr_store(&bit.current, &bit.items[0], MMK_RELEASE);
}

static void item_over(struct mmk_rcu_head *head)
{
    struct item *item = (struct item *)head;

    mmk_a32_store(&item->live, 0, MMK_RELAXED);
    mmk_a32_fetch_add(&bit.freed, 1, MMK_RELAXED);
}

static void replace_item(void)
{
    mmk_a32_store(&bit.items[1].live, 1, MMK_RELAXED);
    mmk_host_call_rcu(
        &((struct item *)mmk_aptr_xchg(&bit.current, &bit.items[1], MMK_ACQ_REL))->head, item_over);
}

static void read_item(void)
{
    mmk_rcu_read_lock();
    expect(mmk_a32_load(&((struct item *)mmk_aptr_load(&bit.current, MMK_ACQUIRE))->live,
                        MMK_RELAXED));
    mmk_rcu_read_unlock();
}

static void do_a_bit(unsigned cpu)
{
    unsigned i;

    for (i = 0; i < bit.turns[cpu]; i++) {
        mmk_spin_lock(&bit.spin, MMK_LOCK_FRAME);
        bit.spun++;
        mmk_spin_unlock(&bit.spin, MMK_LOCK_FRAME);
    }
    if (cpu == 0)
        replace_item();
    else
        read_item();
    mmk_rw_write_lock(&bit.rw, MMK_LOCK_MMAP);
    bit.written++;
    mmk_rw_write_unlock(&bit.rw, MMK_LOCK_MMAP);
    mmk_rw_read_lock(&bit.rw, MMK_LOCK_MMAP);
    expect(bit.written >= 1 && bit.written <= 3);
    mmk_rw_read_unlock(&bit.rw, MMK_LOCK_MMAP);
    if (cpu == 1)
        mmk_host_rcu_barrier();
}

static void bit_done(void)
{
    expect(bit.written == 3 && bit.spun >= 3 && bit.spun <= 9);
}

const struct scenario scenarios_selftest[] = {
    {
        .name = "selftest.lost-update",
        .what = "two add one, and one addition is lost",
        .cpus = 2,
        .setup = zero,
        .body = add_one,
        .check = both_counted,
        .hidden = true,
    },
    {
        .name = "selftest.publish",
        .what = "a flag is set before what it speaks of",
        .cpus = 2,
        .setup = zero,
        .body = publish_early,
        .formats = ON_BOTH,
        .hidden = true,
    },
    {
        .name = "selftest.crash",
        .what = "the same, and who believes it stores to nowhere",
        .cpus = 2,
        .setup = zero,
        .body = crash_early,
        .hidden = true,
    },
    {
        .name = "selftest.race",
        .what = "a flag that should be released and acquired",
        .cpus = 2,
        .setup = zero,
        .body = store_plainly,
        .check = stored,
        .hidden = true,
    },
    {
        .name = "selftest.same",
        .what = "nothing: a bit of everything, to compare runs with",
        .cpus = 3,
        .setup = setup_bit,
        .body = do_a_bit,
        .check = bit_done,
        .hidden = true,
    },
    {.name = NULL},
};
