/* SPDX-License-Identifier: MIT */
/*
 * swap_io.h - areas of swap space that come and go, and reads and writes that fail: of these
 * devices, and of files.
 *
 * What fails is chosen anew at each quiet point. An access whose page cannot be read is a bus
 * error, and is tried again, until it is done: only while something was really read in vain, as
 * an error must not be remembered.
 */
#ifndef SWAP_IO_H
#define SWAP_IO_H

#include "page_at.h" /* first */

#include "object_swap.h"
#include "swap_cache.h"
#include "swap_out.h"

#include "rounds.h"

#include <machine_swap.h>

#define AREAS 3

enum fails {
    FAILS_READ = 1,
    FAILS_WRITE = 2,
    FAILS_FOR_GOOD = 4, /* what writes of areas answer: slots go out of use */
    FAILS_OFTEN = 8,
};

struct area {
    pthread_mutex_t lock; /* only tried: a CPU does not wait for the host */
    uint64_t slots;
    const struct mmk_swap_ops *ops;
    struct machine_swap *device;
    struct mmk_swap_area *area; /* NULL: it is off */
};

static struct {
    unsigned fails;           /* enum fails: changes at quiet points */
    bool may_go;              /* areas may: the same */
    bool tight;               /* memory is short: the same */
    struct mmk_a64 file_bad;  /* reads and writes of files that failed */
    struct mmk_a64 times_off; /* areas */
    struct area areas[AREAS];
} io;

/* --- failing --------------------------------------------------------------------------------- */

static void io_choose(unsigned fails)
{
    unsigned one_in = fails & FAILS_OFTEN ? 4 : 40, i;
    struct machine_swap_errors errors = {
        .read_one_in = fails & FAILS_READ ? one_in : 0,
        .write_one_in = fails & FAILS_WRITE ? one_in : 0,
        .read_error = MMK_EIO,
        .write_error = fails & FAILS_FOR_GOOD ? MMK_EIO : MMK_EAGAIN,
    };

    io.fails = fails;
    for (i = 0; i < AREAS; i++) {
        errors.seed = random_bits();
        machine_swap_set_errors(io.areas[i].device, &errors);
    }
}

/* In an operation of a file's. */
static int io_of_file(unsigned kind)
{
    if (!(io.fails & kind) || random_below(io.fails & FAILS_OFTEN ? 4 : 40))
        return 0;
    mmk_a64_fetch_add(&io.file_bad, 1, MMK_RELAXED);
    return MMK_EIO;
}

/* So many reads and writes have failed. */
static uint64_t io_failed(void)
{
    uint64_t failed = mmk_a64_load(&io.file_bad, MMK_RELAXED);
    struct machine_swap_stats stats;
    unsigned i;

    for (i = 0; i < AREAS; i++) {
        machine_swap_stats(io.areas[i].device, &stats);
        failed += stats.read_bad + stats.write_bad;
    }
    return failed;
}

/* Did the last call, begun when `failed` had, fail for a reason that will pass? */
static bool io_may_fail(uint64_t failed)
{
    return stress.injected || io.tight || io_failed() != failed;
}

/* => true: it was done; false: it is not, for a reason that will pass */
static bool io_done(int error, uint64_t failed)
{
    if (error && !(error == MMK_ENOMEM && (stress.injected || io.tight)) &&
        !(error == MMK_EIO && io_failed() != failed))
        fail("an operation answers %d", error);
    return error == 0;
}

/* --- accesses -------------------------------------------------------------------------------- */

/* => true: answered; false: once more */
static bool io_answered(enum mmk_fault_result result, mmk_vaddr_t addr, uint64_t failed,
                        enum mmk_fault_result expected)
{
    if (result == expected)
        return true;
    if (!(result == MMK_FAULT_OOM && (stress.injected || io.tight)) &&
        !(result == MMK_FAULT_BUS && io_failed() != failed))
        fail("an access to %llx answers %u, not %u", (unsigned long long)addr, result, expected);
    return false;
}

static void io_load(mmk_vaddr_t addr, uint64_t *word, enum mmk_fault_result expected)
{
    enum mmk_fault_result result;
    uint64_t failed;

    do {
        failed = io_failed();
        CALL(result, machine_load(addr, word, sizeof(*word)));
    } while (!io_answered(result, addr, failed, expected));
}

static void io_store(mmk_vaddr_t addr, uint64_t word, enum mmk_fault_result expected)
{
    enum mmk_fault_result result;
    uint64_t failed;

    do {
        failed = io_failed();
        CALL(result, machine_store(addr, &word, sizeof(word)));
    } while (!io_answered(result, addr, failed, expected));
}

/* A page whole, as a system call or a debugger reads it. */
static void io_read_page(struct mmk_mm *mm, mmk_vaddr_t addr, void *to)
{
    uint64_t failed;
    size_t left;

    do {
        failed = io_failed();
        if (mm == stress.mm && random_below(2))
            CALL(left, mmk_copy_from_user(mm, to, addr, PAGE));
        else
            CALL(left, PAGE - mmk_mm_read(mm, addr, to, PAGE, 0));
        if (left != 0 && !io_may_fail(failed))
            fail("%zu bytes at %llx cannot be read", left, (unsigned long long)addr);
    } while (left != 0);
}

static void io_write_page(struct mmk_mm *mm, mmk_vaddr_t addr, const void *from)
{
    uint64_t failed;
    size_t left;

    do {
        failed = io_failed();
        if (mm == stress.mm && random_below(2))
            CALL(left, mmk_copy_to_user(mm, addr, from, PAGE));
        else
            CALL(left, PAGE - mmk_mm_write(mm, addr, from, PAGE, 0));
        if (left != 0 && !io_may_fail(failed))
            fail("%zu bytes at %llx cannot be written", left, (unsigned long long)addr);
    } while (left != 0);
}

/* --- pages that go --------------------------------------------------------------------------- */

/* The page at addr, whoever has it as well, goes to swap, or to its file. Nobody may notice. */
static void io_page_out(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    struct mmk_page *page = page_at(mm, addr);
    int error = 0;

    if (!page)
        return;
    mmk_page_lock(page);
    call_begin();
    if (mmk_page_type(page) == MMK_PAGE_ANON)
        error = mmk_swap_out(page);
    else if (mmk_page_is_shared_memory(page))
        error = mmk_object_swap_out(page);
    else
        (void)mmk_page_try_to_unmap(page);
    call_end();
    mmk_page_unlock(page);
    mmk_swap_put_page(page);
    /* A slot that could not be written is not tried again. */
    check(error == 0 || error == MMK_EBUSY || error == MMK_ENOMEM ||
          (error == MMK_EIO && io_failed() > 0));
}

/* --- areas ----------------------------------------------------------------------------------- */

static void area_on(struct area *area)
{
    int error, priority = (int)random_below(4) - 1;

    CALL(error, mmk_swapon(area->ops, area->device, area->slots, priority, &area->area));
    if (!io_done(error, io_failed()))
        area->area = NULL;
}

static void area_off(struct area *area)
{
    uint64_t failed = io_failed();
    int error;

    CALL(error, mmk_swapoff(area->area));
    if (!io_done(error, failed))
        return;
    area->area = NULL;
    mmk_a64_fetch_add(&io.times_off, 1, MMK_RELAXED);
}

/* An area comes, or, seldom, goes with all that is in it, for which it waits. */
static void area_op(void)
{
    struct area *area = &io.areas[random_below(AREAS)];

    if (pthread_mutex_trylock(&area->lock) != 0)
        return;
    if (!area->area)
        area_on(area);
    else if (io.may_go && random_below(4) == 0)
        area_off(area);
    pthread_mutex_unlock(&area->lock);
}

/* All are there, without a slot that is out of use. => nothing else runs */
static bool areas_are_whole(void)
{
    struct mmk_swap_stats stats;
    unsigned i;

    for (i = 0; i < AREAS; i++) {
        if (!io.areas[i].area)
            return false;
        mmk_swap_stats(io.areas[i].area, &stats);
        if (stats.bad > 0)
            return false;
    }
    return true;
}

/* At times there is too little room in all of them. */
static void io_begin(void)
{
    static const uint64_t slots[AREAS] = {200, 120, 64};
    unsigned i;

    for (i = 0; i < AREAS; i++) {
        struct area *area = &io.areas[i];

        pthread_mutex_init(&area->lock, NULL);
        area->slots = slots[i];
        area->ops = i == 0 ? &machine_swap_ops : &machine_swap_ops_discard;
        area->device = i == 1 ? machine_swap_file("/tmp", slots[i]) : machine_swap_memory(slots[i]);
        check(area->device != NULL);
        check(mmk_swapon(area->ops, area->device, slots[i], (int)i % 2, &area->area) == 0);
    }
}

struct slots_found {
    uint64_t all, entries; /* slots; private entries that name one */
};

/* The object that a slot says it is of has it. => nothing else runs */
static void check_object_slot(void *owner, uint64_t slot)
{
    struct mmk_object *object = (struct mmk_object *)(void *)((char *)owner - MMK_SLOT_OBJECT);
    const struct mmk_page *entry;

    mmk_rcu_read_lock();
    entry = mmk_page_index_find_rcu(mmk_object_pages(object), *mmk_slot_index(slot));
    mmk_rcu_read_unlock();
    if (!entry || !mmk_entry_is_slot(entry) || mmk_entry_slot(entry) != slot)
        fail("slot %llx is of an object that does not have it", (unsigned long long)slot);
}

static int check_slot(uint64_t slot, void *arg)
{
    struct slots_found *found = (struct slots_found *)arg;
    void *owner = mmk_aptr_load(mmk_slot_owner(slot), MMK_RELAXED);

    found->all++;
    if (((uintptr_t)owner & MMK_SLOT_OWNER) == MMK_SLOT_OBJECT)
        check_object_slot(owner, slot);
    else
        found->entries += mmk_slot_refs(slot) - 1; /* besides the visitor's */
    mmk_swap_put(slot);
    return 0;
}

/* Nobody has a slot but so many private entries, and objects. => nothing else runs */
static void io_check(uint64_t entries)
{
    struct slots_found found = {0};
    struct mmk_swap_stats stats;
    uint64_t used = 0;
    unsigned i;

    mmk_swap_check();
    for (i = 0; i < AREAS; i++) {
        if (!io.areas[i].area)
            continue;
        (void)mmk_slot_for_each(io.areas[i].area, check_slot, &found);
        mmk_swap_stats(io.areas[i].area, &stats);
        used += stats.used;
    }
    if (found.entries != entries || found.all != used)
        fail("%llu entries are in swap, %llu were found; %llu slots of %llu",
             (unsigned long long)found.entries, (unsigned long long)entries,
             (unsigned long long)found.all, (unsigned long long)used);
}

/* => nobody has anything in swap, nothing fails */
static void io_end(void)
{
    unsigned i;

    io_check(0);
    for (i = 0; i < AREAS; i++) {
        if (io.areas[i].area) {
            check(!mmk_swap_area_used(io.areas[i].area));
            check(mmk_swapoff(io.areas[i].area) == 0);
        }
        machine_swap_close(io.areas[i].device);
    }
}

#endif
