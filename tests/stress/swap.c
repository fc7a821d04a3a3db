/* SPDX-License-Identifier: MIT */
/*
 * swap.c - a stress of swap: processes fork, map, move, drop and end, files and shared memory are
 * cut and get holes, pages go and come back, or move so that free frames lie together, areas of
 * slots come and go, all beside each other, and reads and writes fail. Each byte must be what it
 * was.
 *
 * swap_process.h has private memory, swap_object.h what is shared, swap_io.h what fails. Between
 * rounds each slot that is used has someone to use it; every few rounds all bytes are compared. At
 * the end there is no slot, no family of address spaces, no frame and no table left.
 */
#include "swap_process.h"

#include <mmkit/compact.h>

static struct mmk_mm *idle; /* has nothing */
static struct mmk_stats at_end;
static uint64_t io_failures;

static void process_op(void)
{
    unsigned kind = random_below(1000);

    if (kind < 700)
        page_op();
    else if (kind < 950)
        object_op();
    else if (kind < 975)
        process_fork();
    else if (kind < 978)
        process_exec();
    else if (kind < 990)
        process_visit();
    else if (kind < 992)
        (void)!mmk_compact(2 + random_below(5));
    else
        area_op();
}

/* A few operations in one process. */
static void operate(void)
{
    unsigned count = 1 + random_below(40);

    here = process_take();
    if (!here) {
        sched_yield();
        return;
    }
    enter_mm(here->mm);
    stress.ops += count - 1;
    while (count-- > 0)
        process_op();
    enter_mm(NULL);
    pthread_mutex_unlock(&here->lock);
    here = NULL;
}

/* No CPU keeps the tables of a process that has come to an end. */
static void settle(void)
{
    enter_mm(idle);
}

static void compare_all(void)
{
    unsigned i;

    objects_compare(processes[0].mm);
    for (i = 0; i < PROCESSES; i++)
        process_compare(&processes[i]);
}

/* => nothing else runs */
static void quiet(void)
{
    uint64_t entries = 0;
    unsigned i;

    io_choose(0);
    memory_release();
    if (random_below(3) == 0)
        compare_all();
    memory_choose();
    check_mm(idle);
    for (i = 0; i < PROCESSES; i++) {
        check_mm(processes[i].mm);
        entries += mmk_mm_counter(processes[i].mm, MMK_COUNT_SWAP);
    }
    objects_check();
    io_check(entries);
    groups_check();
    io.may_go = !io.tight && random_below(2);
    if (random_below(3))
        io_choose(random_below(16) & (io.tight ? ~(unsigned)FAILS_FOR_GOOD : ~0u));
}

static void build(void)
{
    check(mmk_mm_create(&idle) == 0);
    io_begin();
    objects_begin();
    groups_begin();
    processes_begin();
    memory_begin();
}

static void take_down(void)
{
    io_choose(0);
    memory_release();
    mmk_stats_read(&at_end);
    io_failures = io_failed();
    mmk_mm_put(idle);
    processes_end();
    objects_end();
    groups_end();
    io_end();
    mmk_drain();
    check(mmk_kin_count() == 0);
}

static void report_swap(void)
{
    printf("%llu pages out and %llu in, ", (unsigned long long)at_end.swap_out,
           (unsigned long long)at_end.swap_in);
    printf("%llu moved for %llu blocks, ", (unsigned long long)at_end.compact_moved,
           (unsigned long long)at_end.compact_made);
    printf("%llu failures, an area off %llu times, ", (unsigned long long)io_failures,
           (unsigned long long)mmk_a64_load(&io.times_off, MMK_RELAXED));
}

int main(int argc, char **argv)
{
    static const struct program program = {
        .name = "swap",
        .round = 100,
        .build = build,
        .enter = settle,
        .operate = operate,
        .settle = settle,
        .quiet = quiet,
        .take_down = take_down,
        .report = report_swap,
    };

    return stress_main(argc, argv, &program);
}
