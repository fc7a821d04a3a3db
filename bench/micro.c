/* SPDX-License-Identifier: MIT */
/*
 * micro.c - the library's operations one at a time, on the machine port, for counting
 * instructions; and what they are made of, setting and clearing an entry.
 *
 *     micro --list
 *     micro NAME COUNT
 *
 * prepares what the operation needs, then performs it COUNT times inside measured(), which is the
 * only function that bench/instructions.py counts. The library is called directly: no software
 * MMU, no TLB of the machine's is in the way.
 */
#include <machine.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_SPAN ((uint64_t)512 * MMK_PAGE_SIZE) /* what one pte table covers */
#define ARENA      ((mmk_vaddr_t)1 << 32)

#define ENTRIES ((uint64_t)4 * 511)
#define WINDOW  (MMK_CONFIG_FAULT_AROUND / MMK_PAGE_SIZE) /* pages that a fault maps around */

#define COUNT 2000 /* of what bench/instructions.py has done, if not said otherwise */

static struct mmk_mm *mm;
static struct mmk_mm *child;
static struct mmk_object *object;

static void must(bool fine, const char *what)
{
    if (fine)
        return;
    fprintf(stderr, "micro: %s failed\n", what);
    exit(1);
}

static void map(struct mmk_mm *where, mmk_vaddr_t addr, uint64_t length)
{
    int64_t result = mmk_mmap(where, addr, length, MMK_PROT_READ | MMK_PROT_WRITE,
                              MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS | MMK_MAP_FIXED, NULL, 0);

    must(result == (int64_t)addr, "mmap");
}

static void touch(mmk_vaddr_t addr, enum mmk_access access)
{
    must(mmk_fault(mm, addr, access) == MMK_FAULT_DONE, "fault");
}

/* The nth page that is not the first of its table. */
static mmk_vaddr_t inner_page(uint64_t n)
{
    return ARENA + n / 511 * TABLE_SPAN + (n % 511 + 1) * MMK_PAGE_SIZE;
}

/* Enough address space for `count` pages at inner_page(), with every table already there. */
static void prepare_tables(uint64_t count)
{
    uint64_t tables = count / 511 + 1;
    uint64_t i;

    map(mm, ARENA, tables * TABLE_SPAN);
    for (i = 0; i < tables; i++)
        touch(ARENA + i * TABLE_SPAN, MMK_ACCESS_WRITE);
}

/* `count` inner pages, all written. */
static void prepare_pages(uint64_t count)
{
    uint64_t i;

    prepare_tables(count);
    for (i = 0; i < count; i++)
        touch(inner_page(i), MMK_ACCESS_WRITE);
}

/* As prepare_pages(), then a child that shares them. */
static void prepare_child(uint64_t count)
{
    prepare_pages(count);
    must(mmk_fork(mm, &child) == 0, "fork");
}

/* One slot of 2 MiB for each, empty; the levels above are kept by a page outside. */
static void prepare_slots(uint64_t count)
{
    map(mm, ARENA, (count + 1) * TABLE_SPAN);
    touch(ARENA + count * TABLE_SPAN, MMK_ACCESS_WRITE);
}

static void map_object(uint64_t pages)
{
    must(mmk_mmap(mm, ARENA, pages * MMK_PAGE_SIZE, MMK_PROT_READ | MMK_PROT_WRITE,
                  MMK_MAP_SHARED | MMK_MAP_FIXED, object, 0) == (int64_t)ARENA,
         "mmap");
}

/* `count` windows of shared memory, with every nth page in memory, and mapped nowhere. */
static void prepare_windows(uint64_t count, uint64_t nth)
{
    uint64_t pages = count * WINDOW, i;

    must(mmk_object_create(NULL, pages * MMK_PAGE_SIZE, NULL, &object) == 0, "object_create");
    map_object(pages);
    for (i = 0; i < pages; i += nth)
        touch(ARENA + i * MMK_PAGE_SIZE, MMK_ACCESS_WRITE);
    must(mmk_munmap(mm, ARENA, pages * MMK_PAGE_SIZE) == 0, "munmap");
    map_object(pages);
}

static void prepare_alone(uint64_t count)
{
    prepare_windows(count, WINDOW);
}

static void prepare_around(uint64_t count)
{
    prepare_windows(count, 1);
}

/* One page is written; its neighbours' tables, if any, go with it. */
static void prepare_one(uint64_t count)
{
    (void)count;
    map(mm, ARENA, TABLE_SPAN);
    touch(ARENA, MMK_ACCESS_WRITE);
}

/* The same, and a page in the next table, which keeps those above. */
static void prepare_one_of_two(uint64_t count)
{
    (void)count;
    map(mm, ARENA, 2 * TABLE_SPAN);
    touch(ARENA + TABLE_SPAN, MMK_ACCESS_WRITE);
    touch(ARENA, MMK_ACCESS_WRITE);
}

/* `count` tables, full but for the first page; those above are kept by a page outside. */
static void prepare_full_but_one(uint64_t count)
{
    uint64_t i, page;

    prepare_slots(count);
    for (i = 0; i < count; i++)
        for (page = 1; page < 512; page++)
            touch(ARENA + i * TABLE_SPAN + page * MMK_PAGE_SIZE, MMK_ACCESS_WRITE);
}

/* `count` tables, full. */
static void prepare_full(uint64_t count)
{
    uint64_t i;

    prepare_full_but_one(count);
    for (i = 0; i < count; i++)
        touch(ARENA + i * TABLE_SPAN, MMK_ACCESS_WRITE);
}

/*
 * All inner pages' entries, those of a table by one call: guards, which are entries and nothing
 * else. So this is what an entry by itself takes. Counted per entry.
 */
static void advise_entries(int advice)
{
    uint64_t i;

    for (i = 0; i < ENTRIES / 511; i++)
        must(mmk_madvise(mm, ARENA + i * TABLE_SPAN + MMK_PAGE_SIZE, TABLE_SPAN - MMK_PAGE_SIZE,
                         advice) == 0,
             "madvise");
}

static void prepare_entries_set(uint64_t count)
{
    prepare_tables(count);
    advise_entries(MMK_MADV_GUARD_INSTALL);
}

static void do_set(uint64_t i)
{
    if (i == 0)
        advise_entries(MMK_MADV_GUARD_INSTALL);
}

static void do_clear(uint64_t i)
{
    if (i == 0)
        advise_entries(MMK_MADV_GUARD_REMOVE);
}

static void do_fault_anon(uint64_t i)
{
    touch(inner_page(i), MMK_ACCESS_WRITE);
}

static void do_fault_zero(uint64_t i)
{
    touch(inner_page(i), MMK_ACCESS_READ);
}

static void do_fault_table(uint64_t i)
{
    touch(ARENA + i * TABLE_SPAN, MMK_ACCESS_WRITE);
}

static void do_fault_spurious(uint64_t i)
{
    (void)i;
    touch(ARENA, MMK_ACCESS_WRITE);
}

/* Each in a window of its own; the tables come with them. */
static void do_fault_file(uint64_t i)
{
    touch(ARENA + i * WINDOW * MMK_PAGE_SIZE, MMK_ACCESS_READ);
}

static void do_map_unmap(uint64_t i)
{
    (void)i;
    map(mm, ARENA + TABLE_SPAN, MMK_PAGE_SIZE);
    must(mmk_munmap(mm, ARENA + TABLE_SPAN, MMK_PAGE_SIZE) == 0, "munmap");
}

static void do_map_touch_unmap(uint64_t i)
{
    (void)i;
    map(mm, ARENA + TABLE_SPAN, MMK_PAGE_SIZE);
    touch(ARENA + TABLE_SPAN, MMK_ACCESS_WRITE);
    must(mmk_munmap(mm, ARENA + TABLE_SPAN, MMK_PAGE_SIZE) == 0, "munmap");
}

/* Gives a page back and touches it again; its table stays, for the first page's sake. */
static void do_dontneed_touch(uint64_t i)
{
    (void)i;
    touch(ARENA + MMK_PAGE_SIZE, MMK_ACCESS_WRITE);
    must(mmk_madvise(mm, ARENA + MMK_PAGE_SIZE, MMK_PAGE_SIZE, MMK_MADV_DONTNEED) == 0, "madvise");
}

/* The same with the table's only page: the table goes, and comes back. */
static void do_dontneed_table(uint64_t i)
{
    (void)i;
    must(mmk_madvise(mm, ARENA, MMK_PAGE_SIZE, MMK_MADV_DONTNEED) == 0, "madvise");
    touch(ARENA, MMK_ACCESS_WRITE);
}

/* All pages of a table but the first: with prepare_full_but_one() the table goes with them. */
static void do_zap_table(uint64_t i)
{
    must(mmk_madvise(mm, ARENA + i * TABLE_SPAN + MMK_PAGE_SIZE, TABLE_SPAN - MMK_PAGE_SIZE,
                     MMK_MADV_DONTNEED) == 0,
         "madvise");
}

/* Splits a mapping in three, then merges it again. */
static void do_protect(uint64_t i)
{
    (void)i;
    must(mmk_mprotect(mm, ARENA + MMK_PAGE_SIZE, MMK_PAGE_SIZE, MMK_PROT_READ) == 0, "mprotect");
    must(mmk_mprotect(mm, ARENA + MMK_PAGE_SIZE, MMK_PAGE_SIZE, MMK_PROT_READ | MMK_PROT_WRITE) ==
             0,
         "mprotect");
}

static void do_fault_copy(uint64_t i)
{
    touch(inner_page(i), MMK_ACCESS_WRITE);
}

/* One fork of all the pages: counted per page. */
static void do_fork(uint64_t i)
{
    if (i == 0)
        must(mmk_fork(mm, &child) == 0, "fork");
}

/* One munmap of all the pages: counted per page. */
static void do_unmap(uint64_t i)
{
    if (i == 0)
        must(mmk_munmap(mm, ARENA, inner_page(UINT64_C(1) << 20) - ARENA) == 0, "munmap");
}

static const struct operation {
    const char *name;
    void (*prepare)(uint64_t count);
    void (*perform)(uint64_t i);
    uint64_t count; /* that there is memory for; 0: COUNT */
} operations[] = {
    {"entry-set", prepare_tables, do_set, ENTRIES},
    {"entry-clear", prepare_entries_set, do_clear, ENTRIES},
    {"fault-anon", prepare_tables, do_fault_anon, 0},
    {"fault-zero", prepare_tables, do_fault_zero, 0},
    {"fault-table", prepare_slots, do_fault_table, 0},
    {"fault-spurious", prepare_one, do_fault_spurious, 0},
    {"fault-copy", prepare_child, do_fault_copy, 0},
    {"fault-file", prepare_alone, do_fault_file, 0},
    {"fault-around", prepare_around, do_fault_file, 0},
    {"map-unmap", prepare_one, do_map_unmap, 0},
    {"map-touch-unmap", prepare_one, do_map_touch_unmap, 0},
    {"dontneed-touch", prepare_one, do_dontneed_touch, 0},
    {"dontneed-table", prepare_one, do_dontneed_table, 0},
    {"dontneed-table-1", prepare_one_of_two, do_dontneed_table, 0},
    {"zap-stays", prepare_full, do_zap_table, 100},
    {"zap-goes", prepare_full_but_one, do_zap_table, 100},
    {"protect-twice", prepare_one, do_protect, 0},
    {"fork-page", prepare_pages, do_fork, 0},
    {"unmap-page", prepare_pages, do_unmap, 0},
};

/* Not inlined, and found by name: callgrind collects only while this runs. */
static MMK_NOINLINE void measured(const struct operation *operation, uint64_t count)
{
    uint64_t i;

    for (i = 0; i < count; i++)
        operation->perform(i);
}

static const struct operation *find(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        if (strcmp(operations[i].name, name) == 0)
            return &operations[i];
    return NULL;
}

static void list(void)
{
    size_t i;

    for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        printf("%s %d\n", operations[i].name,
               (int)(operations[i].count ? operations[i].count : COUNT));
}

static void run(const struct operation *operation, uint64_t count)
{
    struct machine_config config = {
        .memory = (uint64_t)256 << 20, .cpus = 1, .populate = true, .mmkit = MMK_CONFIG_DEFAULT};

    config.mmkit.overcommit = MMK_OVERCOMMIT_ALWAYS; /* slots are many, pages few */
    must(machine_create(&config) == 0, "machine_create");
    machine_cpu_attach(0);
    must(mmk_mm_create(&mm) == 0, "mm_create");
    machine_switch_mm(mm);
    operation->prepare(count);
    measured(operation, count);
    machine_switch_mm(NULL);
    if (child)
        mmk_mm_put(child);
    mmk_mm_put(mm);
    if (object)
        mmk_object_put(object);
    machine_cpu_detach();
    machine_destroy();
}

int main(int argc, char **argv)
{
    const struct operation *operation;
    uint64_t count;

    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list();
        return 0;
    }
    operation = argc == 3 ? find(argv[1]) : NULL;
    count = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    if (!operation || count == 0 || count > 10000) {
        fprintf(stderr, "usage: micro --list | NAME COUNT (at most 10000)\n");
        return 2;
    }
    run(operation, count);
    return 0;
}
