/* SPDX-License-Identifier: MIT */
/*
 * kernels_memory.c - concurrency kernels: tables, frames, flushes, look-ups under RCU. Each is the
 * smallest program in which an order of the library's own functions is needed.
 */
#include "kernel.h"

#include "frame.h"
#include "huge_zero.h"
#include "mm.h"
#include "object.h"
#include "page.h"
#include "rmap_use.h"
#include "table_memory.h"
#include "zap.h"
#include <mmkit/mmkit.h>
#include <mmkit/pin.h>
#include <mmkit/port/cpu.h>
#include <mmkit/port/directmap.h>

/* ---- publishing and freeing tables ----------------------------------------------------------- */

static void setup_empty(void)
{
    kernel_begin();
}

static void setup_anon(void)
{
    kernel_begin();
    map_pages(0, 8, RW, ANON);
}

static void touch(unsigned cpus, unsigned page, unsigned count)
{
    unsigned cpu, i;

    for (cpu = 0; cpu < cpus; cpu++) {
        fibers_be_cpu(cpu);
        for (i = page; i < page + count; i++)
            kernel_store(i, 1);
    }
    fibers_be_cpu(0);
}

/* A table comes with its first page; another CPU walks it. */
static void table_published(unsigned cpu)
{
    if (cpu == 0)
        kernel_store(0, 1);
    else
        (void)kernel_load(0);
}

static void setup_touched(void)
{
    setup_anon();
    touch(world.cpus, 0, 2);
}

/* A table goes with its last page, and its frame becomes another. */
static void table_freed(unsigned cpu)
{
    if (cpu == 0) {
        kernel_give_back(0, 2);
        kernel_store(5, 9);
    } else {
        expect(kernel_load(0) != 9);
    }
}

static void setup_page(void)
{
    setup_anon();
    touch(1, 0, 1);
}

/* It comes back with another page, and not by its lock: who waits for that wants the same one. */
static void table_again(unsigned cpu)
{
    if (cpu == 0)
        kernel_give_back(0, 1);
    kernel_store(1, 2);
}

/*
 * It is kept for a while by the CPU that has freed it; another, which no flush has told of it, has
 * it wait for a grace period.
 */
static void table_drained(unsigned cpu)
{
    if (cpu == 0) {
        kernel_give_back(0, 2);
        return;
    }
    machine_switch_mm(NULL);
    mmk_table_drain_limbo();
}

static void end_child(void)
{
    fibers_be_cpu(1);
    machine_switch_mm(world.mm);
    fibers_be_cpu(0);
    if (kernel.other)
        mmk_mm_put(kernel.other);
    kernel_end();
}

/* ---- flushes --------------------------------------------------------------------------------- */

/* Who has left the address space is not asked, and has used nothing since. */
static void flush_left(unsigned cpu)
{
    if (cpu == 0) {
        kernel_give_back(0, 1);
        return;
    }
    (void)kernel_load(0);
    machine_switch_mm(NULL);
}

static void flush_lazy(unsigned cpu)
{
    if (cpu == 0) {
        kernel_give_back(0, 1);
        return;
    }
    (void)kernel_load(0);
    machine_switch_lazy();
}

static void setup_away(void)
{
    setup_touched();
    fibers_be_cpu(1);
    machine_switch_mm(NULL);
    fibers_be_cpu(0);
}

/* Who comes has caught up, or is asked. */
static void flush_entered(unsigned cpu)
{
    if (cpu == 0) {
        kernel_give_back(0, 1);
        return;
    }
    machine_switch_mm(world.mm);
    (void)kernel_load(0);
    (void)kernel_load(0);
}

/* A CPU answers one flush, and catches up with another of which it has not been asked yet. */
static void flush_two(unsigned cpu)
{
    if (cpu < 2) {
        kernel_give_back(cpu, 1);
        return;
    }
    (void)kernel_load(0);
    (void)kernel_load(1);
}

static void setup_three_touched(void)
{
    setup_anon();
    touch(3, 0, 3);
}

/* Far behind, a CPU flushes everything, and takes a generation for its own that it reads then. */
static void flush_three(unsigned cpu)
{
    if (cpu < 2) {
        kernel_give_back(cpu, 1);
        if (cpu == 1)
            kernel_give_back(2, 1);
        return;
    }
    (void)kernel_load(0);
    (void)kernel_load(2);
}

static void setup_moved(void)
{
    setup_anon();
    map_pages(12, 1, RW, ANON);
    touch(world.cpus, 0, 2);
}

/* A page is freed where it was moved to, when nobody sees it any more where it was. */
static void flush_moved(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_mremap(world.mm, page_at(0), PAGE, PAGE, MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED,
                          page_at(12)) == (int64_t)page_at(12));
    else if (cpu == 1)
        kernel_give_back(12, 1);
    else
        (void)kernel_load(0);
}

/* ---- address spaces -------------------------------------------------------------------------- */

static void setup_loaded(void)
{
    kernel_begin();
    expect(mmk_mm_create(&kernel.other) == 0);
    fibers_be_cpu(1);
    machine_switch_mm(kernel.other);
    fibers_be_cpu(0);
}

/* The root goes after the last CPU has left it. */
static void mm_left(unsigned cpu)
{
    if (cpu == 0) {
        await_all(0);
        mmk_mm_put(kernel.other);
        return;
    }
    expect(kernel_load(0) == ~(uint64_t)0); /* the root was walked */
    machine_switch_mm(NULL);
    pass_on(0);
}

static void mm_left_lazily(unsigned cpu)
{
    if (cpu == 0) {
        await_all(0);
        mmk_mm_put(kernel.other);
        return;
    }
    expect(kernel_load(0) == ~(uint64_t)0);
    machine_switch_lazy();
    pass_on(0);
    machine_switch_mm(NULL);
}

/* Back from laziness, and away. */
static void mm_came_back(unsigned cpu)
{
    if (cpu == 0) {
        await_all(0);
        mmk_mm_put(kernel.other);
        return;
    }
    machine_switch_lazy();
    machine_switch_mm(kernel.other);
    expect(kernel_load(0) == ~(uint64_t)0);
    machine_switch_mm(NULL);
    pass_on(0);
}

/* As before the first address space: nobody has made the frame of zeros yet. */
static void setup_zero(void)
{
    struct mmk_page *page = (struct mmk_page *)mmk_aptr_xchg(&mmk_zero_frame, NULL, MMK_RELAXED);

    kernel_begin();
    mmk_page_put(page);
}

static void zero_read(struct mmk_mm *mm)
{
    uint64_t word = 1;

    machine_switch_mm(mm);
    expect(mmk_mmap(mm, page_at(0), PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0) ==
           (int64_t)page_at(0));
    expect(get_word(0, &word) == MMK_FAULT_DONE && word == 0);
    machine_switch_mm(NULL);
    mmk_mm_put(mm);
}

/* Another CPU uses an address space than made it; that one may not have made the frame. */
static void zero_created(unsigned cpu)
{
    struct mmk_mm *mm;

    if (cpu == 2) {
        await_all(0);
        zero_read(kernel.other);
        return;
    }
    expect(mmk_mm_create(&mm) == 0);
    if (cpu == 0) {
        zero_read(mm);
    } else {
        kernel.other = mm;
        pass_on(0);
    }
}

/* Likewise the larger one; the other finds it by their address space, which has it already. */
static void zeros_shared(unsigned cpu)
{
    const struct mmk_page *page = mmk_huge_zero_get(world.mm);

    expect(page != NULL);
    mmk_copy_page(mmk_page_address(kernel.scratch[cpu]), mmk_page_address(page));
}

/* ---- memory that comes while others run --------------------------------------------------------
 */

static void memory_added(unsigned cpu)
{
    extern mmk_paddr_t machine_ram_end;
    mmk_paddr_t end = machine_ram_end;
    struct mmk_page *page;

    if (cpu == 0) {
        expect(mmk_add_memory(end - WITHHELD, end) == 0);
        return;
    }
    page = mmk_pfn_to_page((end - PAGE) >> MMK_PAGE_SHIFT);
    if (page)
        expect(mmk_page_to_pfn(page) == (end - PAGE) >> MMK_PAGE_SHIFT &&
               mmk_page_type(page) <= MMK_PAGE_FREE);
}

/* ---- pages of objects ------------------------------------------------------------------------ */

static int read_numbers(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    mmk_clear_page(page);
    *(uint64_t *)page = index + 1;
    return 0;
}

/* It may be called when the kernel is over, and its frames are freed. */
static int write_nowhere(struct mmk_object *object, uint64_t index, const void *page)
{
    static unsigned char nowhere[FIBERS_CPUS][MMK_PAGE_SIZE];

    (void)object;
    (void)index;
    mmk_copy_page(nowhere[mmk_cpu_id()], page);
    return 0;
}

static const struct mmk_object_ops file_ops = {
    .read_page = read_numbers, .write_page = write_nowhere, .punch_hole = punch_nothing};

enum { FAR = 100 }; /* a page that shares no node of the index with page 0 */

static void setup_file(void)
{
    kernel_begin();
    expect(mmk_object_create(&file_ops, (2 * FAR + 1) * PAGE, NULL, &kernel.object) == 0);
}

static void end_file(void)
{
    mmk_object_put(kernel.object);
    kernel_end();
}

static void get_page(uint64_t index)
{
    struct mmk_page *page;

    if (mmk_object_get_page(kernel.object, index, &page) != 0)
        return; /* beyond the end by now */
    expect(*(uint64_t *)mmk_page_address(page) == index + 1);
    mmk_page_unlock(page);
    mmk_page_put(page);
}

/* Pages come into the index while another looks. */
static void index_filled(unsigned cpu)
{
    uint8_t resident[FAR + 1];

    if (cpu == 0) {
        get_page(0);
        get_page(1);
        get_page(FAR);
    } else {
        mmk_object_resident(kernel.object, FAR, 1, resident);
        mmk_object_resident(kernel.object, 0, 2, resident);
        get_page(0);
    }
}

static void index_found(unsigned cpu)
{
    if (cpu == 0) {
        get_page(0);
        get_page(FAR);
    } else {
        get_page(FAR);
        get_page(0);
    }
}

/* A node of the index goes, and its child takes its place. */
static void index_collapsed(unsigned cpu)
{
    if (cpu == 0) {
        get_page(0);
        get_page(FAR);
        expect(mmk_object_resize(kernel.object, PAGE) == 0);
    } else {
        get_page(0);
    }
}

static void index_walked(unsigned cpu)
{
    uint8_t resident[1];

    if (cpu == 0) {
        get_page(0);
        get_page(FAR);
        expect(mmk_object_resize(kernel.object, PAGE) == 0);
    } else {
        mmk_object_resident(kernel.object, 0, 1, resident);
    }
}

static void setup_branch(void)
{
    setup_file();
    get_page(0);
    get_page(FAR);
}

/* A leaf of the index comes where others are. */
static void index_grown(unsigned cpu)
{
    uint8_t resident[1];

    if (cpu == 0)
        get_page(2 * FAR);
    else
        mmk_object_resident(kernel.object, 2 * FAR, 1, resident);
}

static void setup_first(void)
{
    setup_file();
    get_page(0);
}

/* A page comes into a leaf that others know: found, it is locked before it is looked at. */
static void index_joined(unsigned cpu)
{
    (void)cpu;
    get_page(1);
}

/* A page that is found has been set up, before it is locked. */
static void index_looked(unsigned cpu)
{
    const struct mmk_page *page;

    if (cpu == 0) {
        get_page(1);
        return;
    }
    mmk_rcu_read_lock();
    page = mmk_page_index_find_rcu(&kernel.object->pages, 1);
    expect(!page || mmk_page_type(page) == MMK_PAGE_OBJECT);
    mmk_rcu_read_unlock();
}

static void setup_cached(void)
{
    setup_file();
    map_pages(0, 4, RW, ANON);
    get_page(0);
    get_page(1); /* its node stays */
}

/* A page that a look-up has found is freed, and its frame given out again. */
static void index_reused(unsigned cpu)
{
    if (cpu == 0) {
        expect(mmk_object_punch_hole(kernel.object, 0, PAGE) == 0);
        kernel_store(0, 77);
    } else {
        get_page(0);
    }
}

/* ---- pins ------------------------------------------------------------------------------------ */

static void setup_pinned(void)
{
    setup_anon();
    touch(1, 0, 1);
    expect(mmk_pin_pages(world.mm, page_at(0), 1, MMK_PIN_WRITE, &kernel.page) == 1);
    expect(mmk_mprotect(world.mm, page_at(0), PAGE, MMK_PROT_READ) == 0); /* fork flushes nothing */
}

static void device_writes(void)
{
    mmk_clear_page(mmk_page_address(kernel.page));
}

/* What a device has written is in the page before fork shares it. */
static void pin_forked(unsigned cpu)
{
    uint64_t word;

    if (cpu == 1) {
        device_writes();
        mmk_unpin_pages(&kernel.page, 1, false);
        return;
    }
    if (mmk_a32_load(&kernel.page->user.pins, MMK_RELAXED) != 0)
        return; /* would be copied as it is just then */
    expect(mmk_fork(world.mm, &kernel.other) == 0);
    expect(mmk_mm_read(kernel.other, page_at(0), &word, sizeof(word), 0) == sizeof(word));
    expect(word == 0);
}

static void setup_pinned_file(void)
{
    setup_file();
    expect(mmk_mmap(world.mm, page_at(0), PAGE, RW, MMK_MAP_SHARED | MMK_MAP_FIXED, kernel.object,
                    0) == (int64_t)page_at(0));
    kernel_store(0, 1);
    expect(mmk_pin_pages(world.mm, page_at(0), 1, MMK_PIN_WRITE, &kernel.page) == 1);
    expect(mmk_object_sync(kernel.object, 0, PAGE) == 0);
}

/* What a device has written is in the page that is written back. */
static void pin_synced(unsigned cpu)
{
    if (cpu == 1) {
        device_writes();
        mmk_unpin_pages(&kernel.page, 1, true);
    } else {
        expect(mmk_object_sync(kernel.object, 0, PAGE) == 0);
    }
}

static bool discarded;

/* Lazily freed, pinned after that, and held as by reclaim. */
static void setup_free(void)
{
    setup_anon();
    touch(1, 0, 1);
    expect(mmk_madvise(world.mm, page_at(0), PAGE, MMK_MADV_FREE) == 0);
    expect(mmk_pin_pages(world.mm, page_at(0), 1, MMK_PIN_WRITE, &kernel.page) == 1);
    mmk_page_get(kernel.page);
    discarded = false;
}

/* What a device has written is not discarded. */
static void pin_discarded(unsigned cpu)
{
    if (cpu == 1) {
        device_writes();
        mmk_unpin_pages(&kernel.page, 1, true);
        return;
    }
    mmk_page_lock(kernel.page);
    discarded = mmk_page_try_to_unmap(kernel.page);
    mmk_page_unlock(kernel.page);
}

static void end_free(void)
{
    expect(!discarded || !mmk_page_test(kernel.page, MMK_PF_DIRTY));
    mmk_page_put(kernel.page);
    kernel_end();
}

static void setup_shared(void)
{
    setup_anon();
    touch(1, 0, 1);
    expect(mmk_fork(world.mm, &kernel.other) == 0);
    fibers_be_cpu(1);
    machine_switch_mm(kernel.other);
    fibers_be_cpu(0);
}

/* Who copies a page has done so before it is another's alone, and a device writes to it. */
static void page_copied(unsigned cpu)
{
    struct mmk_page *page;

    if (cpu == 1) {
        kernel_store(0, 2);
        return;
    }
    expect(mmk_pin_pages(world.mm, page_at(0), 1, MMK_PIN_WRITE, &page) == 1);
    mmk_clear_page(mmk_page_address(page));
    mmk_unpin_pages(&page, 1, false);
}

/* ---- two write-backs ------------------------------------------------------------------------- */

static uint64_t kept; /* what is on the disk of page 0 */

static int write_word(struct mmk_object *object, uint64_t index, const void *page)
{
    (void)object;
    if (index == 0)
        kept = mmk_a64_load((const struct mmk_a64 *)page, MMK_RELAXED);
    return 0;
}

static void setup_dirty(void)
{
    static const struct mmk_object_ops ops = {.read_page = read_numbers, .write_page = write_word};

    kernel_begin();
    kept = 0;
    expect(mmk_object_create(&ops, 2 * PAGE, NULL, &kernel.object) == 0);
    expect(mmk_mmap(world.mm, page_at(0), 2 * PAGE, RW, MMK_MAP_SHARED | MMK_MAP_FIXED,
                    kernel.object, 0) == (int64_t)page_at(0));
    touch(world.cpus, 0, 1);
    fibers_be_cpu(1);
    machine_switch_mm(NULL); /* no flush orders anything for this one */
    fibers_be_cpu(0);
}

/*
 * What is stored by a translation that one write-back flushes is in what the other writes, or makes
 * the page dirty again. Programs' data are weak here.
 */
static void flush_synced(unsigned cpu)
{
    if (cpu < 2)
        expect(mmk_object_sync(kernel.object, 0, PAGE) == 0);
    else
        kernel_store(0, 2);
}

static int write_payload(struct mmk_object *object, uint64_t index, const void *page)
{
    (void)object;
    (void)index;
    (void)page;
    payload_write(0);
    return 0;
}

static void setup_unwritten(void)
{
    static const struct mmk_object_ops ops = {.read_page = read_numbers,
                                              .write_page = write_payload};

    kernel_begin();
    expect(mmk_object_create(&ops, 2 * PAGE, NULL, &kernel.object) == 0);
    expect(mmk_mmap(world.mm, page_at(0), PAGE, RW, MMK_MAP_SHARED | MMK_MAP_FIXED, kernel.object,
                    0) == (int64_t)page_at(0));
    kernel_store(0, 1);
    expect(mmk_munmap(world.mm, page_at(0), PAGE) == 0);
}

/* Whoever finds a page written already may rely on that. */
static void sync_awaited(unsigned cpu)
{
    (void)cpu;
    expect(mmk_object_sync(kernel.object, 0, PAGE) == 0);
    payload_read(0);
}

static void end_dirty(void)
{
    expect(mmk_object_sync(kernel.object, 0, PAGE) == 0);
    expect(kept == 2);
    end_file();
}

/* ---- the kernel's accesses to programs' memory ----------------------------------------------- */

static void setup_futex(void)
{
    unsigned cpu;

    setup_file();
    expect(mmk_mm_create(&kernel.other) == 0);
    for (cpu = 0; cpu < 2; cpu++) {
        fibers_be_cpu(cpu);
        machine_switch_mm(cpu == 0 ? world.mm : kernel.other);
        expect(mmk_mmap(cpu == 0 ? world.mm : kernel.other, page_at(0), PAGE, RW,
                        MMK_MAP_SHARED | MMK_MAP_FIXED, kernel.object, 0) == (int64_t)page_at(0));
        kernel_store(0, 0);
    }
    fibers_be_cpu(0);
    machine_user_by_tables(true);
}

/* A lock in a program's memory, by whoever maps it. */
static void futex(unsigned cpu)
{
    struct mmk_mm *mm = cpu == 0 ? world.mm : kernel.other;
    uint32_t found;

    expect(mmk_cmpxchg_user(mm, page_at(0), 0, 1, &found) == 0);
    if (found != 0)
        return;
    payload_write(0);
    expect(mmk_cmpxchg_user(mm, page_at(0), 1, 0, &found) == 0);
}

static void end_futex(void)
{
    machine_user_by_tables(false);
    fibers_be_cpu(1);
    machine_switch_mm(world.mm);
    fibers_be_cpu(0);
    mmk_mm_put(kernel.other);
    end_file();
}

/* ---- the tree of VMAs ------------------------------------------------------------------------ */

/* Where the VMA starts that ends above `page`; as a lockless reader finds it. */
static mmk_vaddr_t find_from(unsigned page)
{
    mmk_vaddr_t start = 0;
    struct mmk_vma *vma;

    mmk_rcu_read_lock();
    vma = mmk_vma_tree_find_rcu(&world.mm->vmas, page_at(page));
    if (vma)
        start = mmk_vma_start(vma);
    mmk_rcu_read_unlock();
    return start;
}

/* A change of one leaf, which is the root. */
static void vma_mapped(unsigned cpu)
{
    if (cpu == 0)
        map_pages(12, 1, RW, ANON);
    else
        expect(find_from(0) == page_at(0));
}

/* The first VMA of all. */
static void vma_first(unsigned cpu)
{
    if (cpu == 0)
        map_pages(0, 4, RW, ANON);
    else
        (void)find_from(0);
}

/* So many VMAs that the tree has two levels. */
static void setup_tree(void)
{
    unsigned i;

    kernel_begin();
    for (i = 0; i < 40; i++)
        if (i % 2 == 0)
            map_pages(i, 1, i % 4 ? RW : MMK_PROT_READ, ANON);
    map_pages(41, 3, RW, ANON);
}

static void vma_leaf(unsigned cpu)
{
    if (cpu == 0)
        map_pages(45, 1, MMK_PROT_READ, ANON);
    else
        expect(find_from(41) == page_at(41));
}

/* Who looks for the next VMA above an address that none covers. */
static void vma_above(unsigned cpu)
{
    unsigned i;

    if (cpu == 0) {
        map_pages(45, 1, MMK_PROT_READ, ANON);
        return;
    }
    for (i = 1; i < 40; i += 6)
        expect(find_from(i) == page_at(i + 1));
}

static mmk_vaddr_t find_below(unsigned page)
{
    mmk_vaddr_t start = 0;
    struct mmk_vma *vma;

    mmk_rcu_read_lock();
    vma = mmk_vma_tree_prev_rcu(&world.mm->vmas, page_at(page));
    if (vma)
        start = mmk_vma_start(vma);
    mmk_rcu_read_unlock();
    return start;
}

static void vma_below(unsigned cpu)
{
    if (cpu == 0)
        map_pages(45, 1, MMK_PROT_READ, ANON);
    else
        expect(find_below(44) == page_at(41));
}

/* Beyond the last VMA, and below: the root is read once more. */
static void vma_beyond(unsigned cpu)
{
    mmk_vaddr_t start;

    if (cpu == 0) {
        map_pages(12, 1, RW, ANON);
        return;
    }
    start = find_from(9);
    expect(start == 0 || start == page_at(12));
    expect(find_from(20) == 0);
}

static void vma_before(unsigned cpu)
{
    if (cpu == 0)
        map_pages(12, 1, RW, ANON);
    else
        expect(find_below(8) == page_at(0));
}

/* What is found may be going. */
static void vma_unmapped(unsigned cpu)
{
    mmk_vaddr_t start;

    if (cpu == 0) {
        expect(mmk_munmap(world.mm, page_at(0), 8 * PAGE) == 0);
        map_pages(0, 4, MMK_PROT_READ, ANON);
        return;
    }
    start = find_from(0);
    expect(start == 0 || start == page_at(0));
}

/* Nodes that one change has left over are the next one's. */
static void vma_spares(unsigned cpu)
{
    map_pages(cpu ? 30 : 20, 1, cpu ? RW : MMK_PROT_READ, ANON);
}

#define KERNEL(kernel_name, text, n, setup_with, run, end_with)                                    \
    {                                                                                              \
        .name = "kernel." kernel_name, .what = text, .cpus = n, .setup = setup_with, .body = run,  \
        .check = end_with                                                                          \
    }

const struct scenario kernels_memory[] = {
    KERNEL("table.published", "a table is walked as soon as it is linked", 2, setup_anon,
           table_published, kernel_end),
    KERNEL("table.freed", "a table is freed after its last walk", 2, setup_touched, table_freed,
           kernel_end),
    KERNEL("table.again", "a table comes back while another waits for its lock", 2, setup_page,
           table_again, kernel_end),
    KERNEL("table.drained", "a table that may come back is taken by another CPU", 2, setup_touched,
           table_drained, kernel_end),
    KERNEL("flush.left", "who has left is not asked", 2, setup_touched, flush_left, kernel_end),
    KERNEL("flush.lazy", "who is lazy is not asked", 2, setup_touched, flush_lazy, kernel_end),
    KERNEL("flush.entered", "who enters has caught up, or is asked", 2, setup_away, flush_entered,
           kernel_end),
    KERNEL("flush.two", "one CPU is asked by two", 3, setup_touched, flush_two, kernel_end),
    KERNEL("flush.three", "one CPU is behind by more than one flush", 3, setup_three_touched,
           flush_three, kernel_end),
    KERNEL("flush.moved", "a page is freed where it was moved to", 3, setup_moved, flush_moved,
           kernel_end),
    {.name = "kernel.flush.synced",
     .what = "what is stored beside two write-backs is not lost",
     .cpus = 3,
     .setup = setup_dirty,
     .body = flush_synced,
     .check = end_dirty,
     .weak_programs = true},
    KERNEL("sync.awaited", "a page was written back by another", 2, setup_unwritten, sync_awaited,
           end_file),
    KERNEL("mm.left", "a root is freed after its last walk", 2, setup_loaded, mm_left, kernel_end),
    KERNEL("mm.lazy", "likewise by a CPU that was lazy", 2, setup_loaded, mm_left_lazily,
           kernel_end),
    KERNEL("mm.back", "likewise by a CPU that came back", 2, setup_loaded, mm_came_back,
           kernel_end),
    KERNEL("zero", "two make the frame of zeros", 3, setup_zero, zero_created, kernel_end),
    {.name = "kernel.zeros",
     .what = "two make the larger page of zeros",
     .cpus = 2,
     .setup = setup_empty,
     .body = zeros_shared,
     .check = kernel_end,
     .huge = MMK_HUGE_ALWAYS},
    KERNEL("memory.added", "memory is looked up while it is handed in", 2, setup_empty,
           memory_added, kernel_end),
    KERNEL("index.filled", "pages come into an index that others walk", 2, setup_file, index_filled,
           end_file),
    KERNEL("index.found", "two fill an index and find each other's pages", 2, setup_file,
           index_found, end_file),
    KERNEL("index.joined", "two want a page of an index that has its neighbour", 2, setup_first,
           index_joined, end_file),
    KERNEL("index.looked", "a page of an index is looked at as soon as it is there", 2, setup_first,
           index_looked, end_file),
    KERNEL("index.grown", "a leaf of an index comes beside others", 2, setup_branch, index_grown,
           end_file),
    KERNEL("index.collapsed", "a node of an index goes", 2, setup_file, index_collapsed, end_file),
    KERNEL("index.walked", "a node of an index goes that others walk", 2, setup_file, index_walked,
           end_file),
    KERNEL("index.reused", "a page found is no longer that page", 2, setup_cached, index_reused,
           end_file),
    KERNEL("pin.forked", "a device writes before a page is shared", 2, setup_pinned, pin_forked,
           end_child),
    KERNEL("pin.synced", "a device writes before a page is written back", 2, setup_pinned_file,
           pin_synced, end_file),
    KERNEL("pin.discarded", "a device writes before a page is discarded", 2, setup_free,
           pin_discarded, end_free),
    KERNEL("page.copied", "a page is copied before it is another's alone", 2, setup_shared,
           page_copied, end_child),
    KERNEL("user.cmpxchg", "a lock in programs' memory", 2, setup_futex, futex, end_futex),
    KERNEL("vma.mapped", "a fault beside a change of the only leaf", 2, setup_anon, vma_mapped,
           kernel_end),
    KERNEL("vma.first", "a fault beside the first mapping", 2, setup_empty, vma_first, kernel_end),
    KERNEL("vma.leaf", "a fault beside a change of one of many leaves", 2, setup_tree, vma_leaf,
           kernel_end),
    KERNEL("vma.above", "the next VMA is looked for beside a change", 2, setup_tree, vma_above,
           kernel_end),
    KERNEL("vma.below", "the VMA before is looked for beside a change", 2, setup_tree, vma_below,
           kernel_end),
    KERNEL("vma.beyond", "a VMA is looked for that comes, or is not there", 2, setup_anon,
           vma_beyond, kernel_end),
    KERNEL("vma.before", "the VMA before is looked for beside a change of the root", 2, setup_anon,
           vma_before, kernel_end),
    KERNEL("vma.unmapped", "a fault beside the end of its mapping", 2, setup_anon, vma_unmapped,
           kernel_end),
    KERNEL("vma.spares", "nodes pass from one change to the next", 2, setup_anon, vma_spares,
           kernel_end),
    {.name = NULL},
};
