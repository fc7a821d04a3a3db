/* SPDX-License-Identifier: MIT */
/*
 * kernels_locks.c - concurrency kernels: locks, counts of references, wake-ups. Each is the
 * smallest program in which an order of the library's own functions is needed.
 */
#include "kernel.h"

#include "frame.h"
#include "kill.h"
#include <mmkit/port/lock.h>

static struct mmk_spinlock spin;
static struct mmk_rwlock rwlock;

static void setup_locks(void)
{
    kernel_begin();
    mmk_spin_init(&spin);
    mmk_rw_init(&rwlock);
}

/* ---- spin locks ------------------------------------------------------------------------------ */

static void spin_both(unsigned cpu)
{
    (void)cpu;
    mmk_spin_lock(&spin, MMK_LOCK_MM);
    payload_write(0);
    mmk_spin_unlock(&spin, MMK_LOCK_MM);
}

static void spin_try(unsigned cpu)
{
    if (cpu == 0)
        mmk_spin_lock(&spin, MMK_LOCK_MM);
    else if (!mmk_spin_trylock(&spin, MMK_LOCK_MM))
        return;
    payload_write(0);
    mmk_spin_unlock(&spin, MMK_LOCK_MM);
}

/* ---- read-write locks ------------------------------------------------------------------------ */

static void rw_write(void)
{
    mmk_rw_write_lock(&rwlock, MMK_LOCK_MMAP);
    payload_write(0);
    mmk_rw_write_unlock(&rwlock, MMK_LOCK_MMAP);
}

static void rw_read(void)
{
    mmk_rw_read_lock(&rwlock, MMK_LOCK_MMAP);
    payload_read(0);
    mmk_rw_read_unlock(&rwlock, MMK_LOCK_MMAP);
}

static void rw_both_write(unsigned cpu)
{
    (void)cpu;
    rw_write();
}

static void rw_read_and_write(unsigned cpu)
{
    if (cpu == 0)
        rw_write();
    else
        rw_read();
}

static void rw_try_read(unsigned cpu)
{
    if (cpu == 0) {
        rw_write();
    } else if (mmk_rw_try_read_lock(&rwlock, MMK_LOCK_MMAP)) {
        payload_read(0);
        mmk_rw_read_unlock(&rwlock, MMK_LOCK_MMAP);
    }
}

static void rw_downgrade(unsigned cpu)
{
    if (cpu > 0) {
        rw_read();
        return;
    }
    mmk_rw_write_lock(&rwlock, MMK_LOCK_MMAP);
    payload_write(0);
    mmk_rw_downgrade(&rwlock);
    payload_read(0);
    mmk_rw_read_unlock(&rwlock, MMK_LOCK_MMAP);
}

static void rw_killable(unsigned cpu)
{
    if (cpu == 0) {
        rw_write();
    } else if (mmk_rw_write_lock_killable(&rwlock, MMK_LOCK_MMAP)) {
        payload_write(0);
        mmk_rw_write_unlock(&rwlock, MMK_LOCK_MMAP);
    }
}

static void rw_kill(unsigned cpu)
{
    if (cpu == 2) {
        mmk_rw_kill(&rwlock);
    } else if (cpu == 0) {
        rw_write();
    } else if (mmk_rw_read_lock_killable(&rwlock, MMK_LOCK_MMAP)) {
        payload_read(0);
        mmk_rw_read_unlock(&rwlock, MMK_LOCK_MMAP);
    }
}

/* ---- the page lock --------------------------------------------------------------------------- */

static void setup_page(void)
{
    setup_locks();
    kernel.page = kernel.payload[1];
}

static void page_both(unsigned cpu)
{
    (void)cpu;
    mmk_page_lock(kernel.page);
    payload_write(0);
    mmk_page_unlock(kernel.page);
}

static void page_try(unsigned cpu)
{
    if (cpu == 0)
        mmk_page_lock(kernel.page);
    else if (!mmk_page_trylock(kernel.page))
        return;
    payload_write(0);
    mmk_page_unlock(kernel.page);
}

static void page_killable(unsigned cpu)
{
    if (cpu == 0) {
        mmk_page_lock(kernel.page);
        payload_write(0);
        mmk_page_unlock(kernel.page);
    } else if (mmk_page_lock_killable(world.mm, kernel.page)) {
        payload_write(0);
        mmk_page_unlock(kernel.page);
    }
}

/* Who sleeps hears of the kill, though the page stays locked. */
static void page_kill(unsigned cpu)
{
    if (cpu == 0) {
        mmk_page_lock(kernel.page);
        mmk_kill(world.mm);
        await(0);
        mmk_page_unlock(kernel.page);
        return;
    }
    if (mmk_page_lock_killable(world.mm, kernel.page))
        mmk_page_unlock(kernel.page);
    tell(0);
}

/* ---- counts of references -------------------------------------------------------------------- */

/* A frame is freed after the last use of it, whoever's it was. */
static void setup_frame(void)
{
    setup_locks();
    kernel.page = mmk_page_alloc(0, MMK_ALLOC_ZERO);
    expect(kernel.page != NULL);
    mmk_page_get(kernel.page);
}

static void frame_put(unsigned cpu)
{
    (void)cpu;
    mmk_copy_page(mmk_page_address(kernel.scratch[cpu]), mmk_page_address(kernel.page));
    mmk_page_put(kernel.page);
}

static void last_user(struct mmk_mm *mm, void *private_data)
{
    (void)mm;
    (void)private_data;
    payload_write(0);
}

/* What a user does comes before the last user's leave is told of. */
static void setup_users(void)
{
    static const struct mmk_mm_ops ops = {.last_user = last_user};

    kernel_begin();
    expect(mmk_mm_create(&kernel.other) == 0);
    mmk_mm_set_ops(kernel.other, &ops, NULL);
    mmk_mm_get(kernel.other);
}

static void mm_put(unsigned cpu)
{
    (void)cpu;
    payload_read(0);
    mmk_mm_put(kernel.other);
}

static void setup_holders(void)
{
    kernel_begin();
    expect(mmk_mm_create(&kernel.other) == 0);
    mmk_mm_hold(kernel.other);
}

static void mm_drop(unsigned cpu)
{
    if (cpu == 0) {
        mmk_mm_put(kernel.other);
    } else {
        expect(mmk_mm_private(kernel.other) == NULL);
        mmk_mm_drop(kernel.other);
    }
}

static void release_object(struct mmk_object *object)
{
    (void)object;
    payload_write(0);
}

static int read_nothing(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    (void)index;
    mmk_clear_page(page);
    return 0;
}

static void setup_object(void)
{
    static const struct mmk_object_ops ops = {.read_page = read_nothing, .release = release_object};

    kernel_begin();
    expect(mmk_object_create(&ops, 4 * PAGE, NULL, &kernel.object) == 0);
    mmk_object_get(kernel.object);
}

static void object_put(unsigned cpu)
{
    (void)cpu;
    payload_read(0);
    mmk_object_put(kernel.object);
}

#define KERNEL(kernel_name, text, n, setup_with, run, end_with)                                    \
    {                                                                                              \
        .name = "kernel." kernel_name, .what = text, .cpus = n, .setup = setup_with, .body = run,  \
        .check = end_with                                                                          \
    }

const struct scenario kernels_locks[] = {
    KERNEL("spin", "what a spin lock guards", 2, setup_locks, spin_both, kernel_end),
    KERNEL("spin.try", "what a spin lock guards that was tried", 2, setup_locks, spin_try,
           kernel_end),
    KERNEL("rw.write", "what two write", 2, setup_locks, rw_both_write, kernel_end),
    KERNEL("rw.read", "what one writes and two read", 3, setup_locks, rw_read_and_write,
           kernel_end),
    KERNEL("rw.tried", "what one writes and one tries to read", 2, setup_locks, rw_try_read,
           kernel_end),
    KERNEL("rw.downgrade", "what one writes, then reads beside another", 2, setup_locks,
           rw_downgrade, kernel_end),
    KERNEL("rw.killable", "what two write, one of them unless killed", 2, setup_locks, rw_killable,
           kernel_end),
    KERNEL("rw.killed", "a reader is killed beside a writer", 3, setup_locks, rw_kill, kernel_end),
    KERNEL("page.lock", "what the page lock guards", 3, setup_page, page_both, kernel_end),
    KERNEL("page.try", "what the page lock guards that was tried", 2, setup_page, page_try,
           kernel_end),
    KERNEL("page.killable", "what the page lock guards, unless killed", 2, setup_page,
           page_killable, kernel_end),
    KERNEL("page.killed", "who waits for a page hears of a kill", 2, setup_page, page_kill,
           kernel_end),
    KERNEL("frame.put", "a frame is freed after its last use", 2, setup_frame, frame_put,
           kernel_end),
    KERNEL("mm.put", "the last user has seen what the others did", 2, setup_users, mm_put,
           kernel_end),
    KERNEL("mm.drop", "an address space is freed after its last use", 2, setup_holders, mm_drop,
           kernel_end),
    KERNEL("object.put", "the last reference has seen what the others did", 2, setup_object,
           object_put, kernel_end),
    {.name = NULL},
};
