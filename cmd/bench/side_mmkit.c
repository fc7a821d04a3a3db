/* SPDX-License-Identifier: MIT */
/*
 * side_mmkit.c - mmkit's side of side.h: a machine, whose memory is there before the clock starts,
 * and its CPU 0, which is the thread that calls. Swap space is memory, too.
 */
#include "side.h"

#include "figure.h"
#include "usage.h"

#include <machine.h>
#include <machine_swap.h>
#include <mmkit/check.h>
#include <mmkit/mm.h>
#include <mmkit/object.h>
#include <mmkit/stats.h>
#include <mmkit/swap.h>

#include <error.h>
#include <pthread.h>
#include <stdio.h>

/* Where there are fewer addresses: a quarter of them lies below. */
enum { BASE_BITS = 45 };

static struct {
    struct side_config config;
    struct mmk_mm *mm, *child;
    struct mmk_object *object;
    struct machine_swap *swap;
    struct mmk_swap_area *area;
} own;

static _Thread_local struct mmk_mm *own_space; /* apart()'s threads have one */

/* The calling thread's. */
static struct mmk_mm *space(void)
{
    return own_space ? own_space : own.mm;
}

static bool complain(const char *what)
{
    fprintf(stderr, "mmkit bench: mmkit: %s\n", what);
    return false;
}

bool side_fits(void)
{
    return machine_format.user_bits > 30;
}

bool side_fits_widely(void)
{
    return machine_format.user_bits > 40;
}

static bool begin(const struct side_config *config)
{
    struct machine_config machine = {.memory = config->memory,
                                     .cpus = config->cpus,
                                     .populate = true,
                                     .mmkit = MMK_CONFIG_DEFAULT};

    own.config = *config;
    machine.mmkit.table_policy = config->policy;
    machine.mmkit.huge = config->huge;
    machine.mmkit.overcommit = MMK_OVERCOMMIT_ALWAYS; /* as MAP_NORESERVE has it on Linux */
    if (machine_create(&machine) != 0)
        return complain("the host lacks memory");
    machine_cpu_attach(0);
    own.area = NULL;
    if (config->swap == 0)
        return true;
    own.swap = machine_swap_memory(config->swap / SIDE_PAGE);
    if (own.swap == NULL ||
        mmk_swapon(&machine_swap_ops, own.swap, config->swap / SIDE_PAGE, 0, &own.area) != 0)
        return complain("no swap space");
    return true;
}

static void end(void)
{
    if (own.area != NULL) {
        if (mmk_swapoff(own.area) != 0)
            complain("swap space is in use at the end");
        machine_swap_close(own.swap);
    }
    machine_cpu_detach();
    machine_destroy();
}

static uint64_t base(void)
{
    return (uint64_t)1 << (machine_format.user_bits > BASE_BITS + 1 ? BASE_BITS
                                                                    : machine_format.user_bits - 2);
}

static bool open_space(void)
{
    own.object = NULL;
    if (base() + own.config.region > (uint64_t)1 << machine_format.user_bits)
        return complain("this page-table format has too few addresses");
    if (mmk_mm_create(&own.mm) != 0 ||
        (own.config.object > 0 &&
         mmk_object_create(NULL, own.config.object, NULL, &own.object) != 0))
        return complain("no memory for an address space");
    machine_switch_mm(own.mm);
    return true;
}

static void close_space(void)
{
    machine_switch_mm(NULL);
    mmk_mm_put(own.mm);
    if (own.object != NULL)
        mmk_object_put(own.object);
}

static int64_t map(uint64_t addr, uint64_t length, unsigned prot, unsigned flags)
{
    return mmk_mmap(space(), addr, length, prot, flags,
                    flags & MMK_MAP_ANONYMOUS ? NULL : own.object, 0);
}

static int unmap(uint64_t addr, uint64_t length)
{
    return mmk_munmap(space(), addr, length);
}

static int protect(uint64_t addr, uint64_t length, unsigned prot)
{
    return mmk_mprotect(space(), addr, length, prot);
}

static int advise(uint64_t addr, uint64_t length, int advice)
{
    return mmk_madvise(space(), addr, length, advice);
}

static int64_t remap(uint64_t addr, uint64_t length, unsigned flags, uint64_t to)
{
    return mmk_mremap(space(), addr, length, length, flags, to);
}

static int resize(uint64_t size)
{
    return mmk_object_resize(own.object, size);
}

static int punch(uint64_t offset, uint64_t length)
{
    return mmk_object_punch_hole(own.object, offset, length);
}

static bool load(uint64_t addr)
{
    uint64_t word;

    return machine_load(addr, &word, sizeof(word)) == MMK_FAULT_DONE;
}

static bool store(uint64_t addr)
{
    return machine_store(addr, &addr, sizeof(addr)) == MMK_FAULT_DONE;
}

static uint64_t faults(void)
{
    return machine_faults_here();
}

static void thread_begin(unsigned number)
{
    machine_cpu_attach(number);
    machine_switch_mm(own.mm);
}

static void thread_end(void)
{
    machine_switch_mm(NULL);
    machine_cpu_detach();
}

static void wait_begin(void)
{
    machine_switch_mm(NULL);
    machine_idle_begin();
}

static void wait_end(void)
{
    machine_idle_end();
    machine_switch_mm(own.mm);
}

struct apart {
    pthread_t thread;
    unsigned number;
    bool (*work)(unsigned number);
    bool fine;
};

static void *apart_main(void *argument)
{
    struct apart *apart = argument;

    machine_cpu_attach(apart->number + 1);
    if (mmk_mm_create(&own_space) != 0)
        error(STATUS_BAD_USAGE, 0, "no memory for an address space");
    machine_switch_mm(own_space);
    apart->fine = apart->work(apart->number);
    machine_switch_mm(NULL);
    mmk_mm_put(own_space);
    machine_cpu_detach();
    return NULL;
}

static bool run_apart(unsigned n, bool (*work)(unsigned number))
{
    struct apart apart[SIDE_APART_MAX];
    bool fine = true;
    unsigned i;

    wait_begin();
    for (i = 0; i < n; i++) {
        apart[i] = (struct apart){.number = i, .work = work};
        if (pthread_create(&apart[i].thread, NULL, apart_main, &apart[i]) != 0)
            error(STATUS_BAD_USAGE, 0, "no threads");
    }
    for (i = 0; i < n; i++) {
        pthread_join(apart[i].thread, NULL);
        fine = fine && apart[i].fine;
    }
    wait_end();
    return fine;
}

static double fork_space(void)
{
    double start = figure_now();
    int error = mmk_fork(own.mm, &own.child);

    return error ? -1 : figure_now() - start;
}

static uint64_t child_tables(void)
{
    return mmk_mm_table_bytes(own.child);
}

static double end_child(void)
{
    double start = figure_now();

    mmk_mm_put(own.child);
    return figure_now() - start;
}

static uint64_t tables(void)
{
    return mmk_mm_table_bytes(own.mm);
}

static uint64_t waiting(void)
{
    struct mmk_stats stats;

    mmk_stats_read(&stats);
    return stats.tables_waiting * SIDE_PAGE;
}

static unsigned levels(void)
{
    return machine_format.levels - 1;
}

/* Of all there are: a row has no others. */
static uint64_t entries(const uint64_t pages[], unsigned count)
{
    struct mmk_mm_stats stats;

    (void)pages;
    (void)count;
    mmk_mm_stats(own.mm, &stats);
    return stats.rss_anon + stats.rss_file + stats.rss_shmem + stats.swapped;
}

static uint64_t swapped(const uint64_t pages[], unsigned count)
{
    struct mmk_mm_stats stats;

    (void)pages;
    (void)count;
    mmk_mm_stats(own.mm, &stats);
    return stats.swapped;
}

static void check(void)
{
    mmk_check(own.mm);
}

static const char *swapless(void)
{
    return own.area == NULL ? "there is no swap space" : NULL;
}

const struct side side_mmkit = {
    .name = "mmkit",
    .begin = begin,
    .end = end,
    .open = open_space,
    .close = close_space,
    .base = base,
    .map = map,
    .unmap = unmap,
    .protect = protect,
    .advise = advise,
    .remap = remap,
    .resize = resize,
    .punch = punch,
    .load = load,
    .store = store,
    .faults = faults,
    .thread_begin = thread_begin,
    .thread_end = thread_end,
    .wait_begin = wait_begin,
    .wait_end = wait_end,
    .apart = run_apart,
    .fork = fork_space,
    .child_tables = child_tables,
    .end_child = end_child,
    .tables = tables,
    .waiting = waiting,
    .levels = levels,
    .entries = entries,
    .swapped = swapped,
    .check = check,
    .swapless = swapless,
};
