/* SPDX-License-Identifier: MIT */
/*
 * test_config.c - each option of mmk_config: values out of range are refused, and with every other
 * value a mixed workload does what it does by default, but for what the option is there to change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

/* ---- ranges: the highest value that is good, the lowest that is not ---------------------------
 */

enum option {
    TABLE_POLICY,
    MMAP_MIN_ADDR,
    STACK_LIMIT,
    STACK_GUARD_GAP,
    TABLE_STOCK,
    FRAME_CACHE,
    MAX_MAP_COUNT,
    OVERCOMMIT,
    OVERCOMMIT_RATIO,
    OVERCOMMIT_KBYTES,
    REFUSE_WRITE_EXEC,
    WATERMARK_LOW,
    WAITING_LIMIT,
    FAULT_AROUND,
    ANON_BLOCK,
    HUGE_PAGES,
    HUGE_SHARED,
    SPECULATE,
    OPTIONS
};

static void set_option(struct mmk_config *config, enum option option, uint64_t value)
{
    switch (option) {
    case TABLE_POLICY:
        config->table_policy = (enum mmk_table_policy)value;
        break;
    case MMAP_MIN_ADDR:
        config->mmap_min_addr = value;
        break;
    case STACK_LIMIT:
        config->stack_limit = value;
        break;
    case STACK_GUARD_GAP:
        config->stack_guard_gap = value;
        break;
    case TABLE_STOCK:
        config->table_stock = (unsigned)value;
        break;
    case FRAME_CACHE:
        config->frame_cache = (unsigned)value;
        break;
    case MAX_MAP_COUNT:
        config->max_map_count = (unsigned)value;
        break;
    case OVERCOMMIT:
        config->overcommit = (enum mmk_overcommit)value;
        break;
    case OVERCOMMIT_RATIO:
        config->overcommit_ratio = (unsigned)value;
        break;
    case OVERCOMMIT_KBYTES:
        config->overcommit_kbytes = value;
        break;
    case WATERMARK_LOW:
        config->watermark_low = value;
        config->watermark_high = 1000;
        break;
    case WAITING_LIMIT:
        config->waiting_limit = value;
        break;
    case FAULT_AROUND:
        config->fault_around = value;
        break;
    case ANON_BLOCK:
        config->anon_block = value;
        break;
    case HUGE_PAGES:
        config->huge = (enum mmk_huge_policy)value;
        break;
    case HUGE_SHARED:
        config->huge_shared = (unsigned)value;
        break;
    case SPECULATE:
        config->speculate = (unsigned)value;
        break;
    case REFUSE_WRITE_EXEC:
    case OPTIONS:
    default:
        config->refuse_write_exec = (unsigned)value;
        break;
    }
}

struct value {
    enum option option;
    uint64_t value;
};

static const struct value good[] = {
    {TABLE_POLICY, 0},        {TABLE_POLICY, MMK_TABLES_NEVER},
    {MMAP_MIN_ADDR, 0},       {MMAP_MIN_ADDR, MMK_MAP_WINDOW / 4 & MMK_PAGE_MASK},
    {STACK_LIMIT, 0},         {STACK_LIMIT, MMK_LIMIT_INFINITY},
    {STACK_GUARD_GAP, 0},     {STACK_GUARD_GAP, (MMK_MAP_WINDOW / 16 - 1) & MMK_PAGE_MASK},
    {TABLE_STOCK, 0},         {TABLE_STOCK, 64},
    {FRAME_CACHE, 0},         {FRAME_CACHE, MMK_FRAME_CACHE_MAX},
    {MAX_MAP_COUNT, 0},       {MAX_MAP_COUNT, MMK_MAP_COUNT_MAX},
    {OVERCOMMIT, 0},          {OVERCOMMIT, MMK_OVERCOMMIT_NEVER},
    {OVERCOMMIT_RATIO, 0},    {OVERCOMMIT_RATIO, MMK_OVERCOMMIT_RATIO_MAX},
    {OVERCOMMIT_KBYTES, 0},   {OVERCOMMIT_KBYTES, UINT64_MAX / 1024},
    {REFUSE_WRITE_EXEC, 0},   {REFUSE_WRITE_EXEC, 1},
    {WATERMARK_LOW, 0},       {WATERMARK_LOW, 1000},
    {WAITING_LIMIT, 0},       {WAITING_LIMIT, UINT64_MAX},
    {FAULT_AROUND, 0},        {FAULT_AROUND, PAGE},
    {FAULT_AROUND, 2 * PAGE}, {FAULT_AROUND, PAGE *MMK_PT_ENTRIES},
    {ANON_BLOCK, 0},          {ANON_BLOCK, PAGE *MMK_PT_ENTRIES},
    {HUGE_PAGES, 0},          {HUGE_PAGES, MMK_HUGE_ALWAYS},
    {HUGE_SHARED, 0},         {HUGE_SHARED, 1},
    {SPECULATE, 0},           {SPECULATE, 1},
};

#define PAGES_UP(bytes) (((bytes) + PAGE - 1) & MMK_PAGE_MASK)

static const struct value bad[] = {
    {TABLE_POLICY, MMK_TABLES_NEVER + 1},
    {TABLE_POLICY, UINT32_MAX},
    {HUGE_PAGES, MMK_HUGE_ALWAYS + 1},
    {HUGE_SHARED, 2},
    {HUGE_SHARED, UINT32_MAX},
    {SPECULATE, 2},
    {SPECULATE, UINT32_MAX},
    {MMAP_MIN_ADDR, 100},
    {MMAP_MIN_ADDR, MMK_PAGE_SIZE + 1},
    {MMAP_MIN_ADDR, PAGES_UP(MMK_MAP_WINDOW / 2)},
    {MMAP_MIN_ADDR, MMK_USER_END},
    {MMAP_MIN_ADDR, UINT64_MAX &MMK_PAGE_MASK},
    {STACK_GUARD_GAP, 1},
    {STACK_GUARD_GAP, PAGES_UP(MMK_MAP_WINDOW / 16)},
    {STACK_GUARD_GAP, UINT64_MAX &MMK_PAGE_MASK},
    {TABLE_STOCK, 65},
    {TABLE_STOCK, UINT32_MAX},
    {FRAME_CACHE, MMK_FRAME_CACHE_MAX + 1},
    {FRAME_CACHE, UINT32_MAX},
    {MAX_MAP_COUNT, (uint64_t)MMK_MAP_COUNT_MAX + 1},
    {MAX_MAP_COUNT, UINT32_MAX},
    {OVERCOMMIT, MMK_OVERCOMMIT_NEVER + 1},
    {OVERCOMMIT, UINT32_MAX},
    {OVERCOMMIT_RATIO, MMK_OVERCOMMIT_RATIO_MAX + 1},
    {OVERCOMMIT_RATIO, UINT32_MAX},
    {OVERCOMMIT_KBYTES, UINT64_MAX / 1024 + 1},
    {OVERCOMMIT_KBYTES, UINT64_MAX},
    {REFUSE_WRITE_EXEC, 2},
    {REFUSE_WRITE_EXEC, UINT32_MAX},
    {WATERMARK_LOW, 1001}, /* above the other */
    {WATERMARK_LOW, UINT64_MAX},
    {FAULT_AROUND, 1},
    {FAULT_AROUND, PAGE / 2},
    {FAULT_AROUND, 3 * PAGE},
    {ANON_BLOCK, 3 * PAGE},
    {ANON_BLOCK, 2 * PAGE *MMK_PT_ENTRIES},
    {FAULT_AROUND, 2 * PAGE *MMK_PT_ENTRIES},
    {FAULT_AROUND, (uint64_t)1 << 63},
};

static bool any_is_good(size_t option)
{
    return option == STACK_LIMIT || option == WAITING_LIMIT;
}

/* Whether every option has a value in the list that can have one. */
static bool covers(const struct value *values, size_t n, bool are_bad)
{
    bool seen[OPTIONS] = {false};
    size_t i;

    for (i = 0; i < n; i++)
        seen[values[i].option] = true;
    for (i = 0; i < OPTIONS; i++)
        if (!seen[i] && !(are_bad && any_is_good(i)))
            return false;
    return true;
}

static int start_with(const struct value *value)
{
    struct machine_config machine = {.memory = MIB, .cpus = 1, .mmkit = MMK_CONFIG_DEFAULT};
    int error;

    set_option(&machine.mmkit, value->option, value->value);
    error = machine_create(&machine);
    if (!error)
        machine_destroy();
    return error;
}

static void test_ranges(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(start_with(&good[i]), 0);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (start_with(&bad[i]) != MMK_EINVAL)
            print_message("bad value %zu\n", i);
        assert_int_equal(start_with(&bad[i]), MMK_EINVAL);
    }
    assert_true(covers(good, sizeof(good) / sizeof(good[0]), false));
    assert_true(covers(bad, sizeof(bad) / sizeof(bad[0]), true));
}

/* ---- what CPUs keep ----------------------------------------------------------------------------
 */

/* The most that this CPU keeps of one kind, when so many frames come and go. */
static uint32_t most_kept(unsigned kind)
{
    static struct mmk_page *pages[200];
    uint32_t most = 0;
    size_t i, n = 0;

    while (n < sizeof(pages) / sizeof(pages[0]) &&
           (pages[n] = mmk_page_alloc(0, MMK_ALLOC_NORMAL | kind)))
        n++;
    mmk_frame_drain_here();
    for (i = 0; i < n; i++) {
        mmk_page_put(pages[i]);
        if (mmk_frames_cached(0) > most)
            most = mmk_frames_cached(0);
    }
    mmk_frame_check();
    return most;
}

/* Out of `memory`, with this option. */
static void expect_kept(uint64_t memory, unsigned frame_cache, uint32_t expected)
{
    struct machine_config machine = {.memory = memory, .cpus = 1, .mmkit = MMK_CONFIG_DEFAULT};

    machine.mmkit.frame_cache = frame_cache;
    assert_int_equal(machine_create(&machine), 0);
    machine_cpu_attach(0);
    assert_int_equal(most_kept(0), expected);
    mmk_frame_drain_here();
    assert_int_equal(most_kept(MMK_ALLOC_STAYS), expected);
    machine_cpu_detach();
    machine_destroy();
}

/* A cache is as large as memory allows, or as it is said to be. */
static void test_frame_cache(void **state)
{
    (void)state;
    expect_kept(64 * MIB, 0, 64);
    expect_kept(16 * MIB, 0, 31); /* a 64th is descriptors */
    expect_kept(4 * MIB, 0, 7);
    expect_kept(MIB, 0, 4);
    expect_kept(4 * MIB, 64, 64);
    expect_kept(4 * MIB, 1, 1);
    expect_kept(64 * MIB, 3, 3);
}

/* ---- the workload: each step leaves nothing behind --------------------------------------------
 */

static int result_of(int64_t result)
{
    return result < 0 ? (int)result : 0;
}

static int map_fixed(uint64_t index, uint64_t pages, unsigned prot, unsigned flags)
{
    return result_of(
        mmk_mmap(mm, BASE + index * PAGE, pages * PAGE, prot, flags | MMK_MAP_FIXED, NULL, 0));
}

static int step_anon(void)
{
    int error = map_fixed(0, 40, RW, ANON);

    if (error)
        return error;
    fill(BASE, 12, 1);
    expect_byte(BASE + 20 * PAGE, 0);
    assert_int_equal(mmk_madvise(mm, BASE, 6 * PAGE, MMK_MADV_DONTNEED), 0);
    expect_byte(BASE, 0);
    expect_filled(BASE + 6 * PAGE, 6, 7);
    return 0;
}

static int step_fork(void)
{
    struct mmk_mm *child;
    int error = map_fixed(0, 8, RW, ANON);

    if (error)
        return error;
    fill(BASE, 8, 1);
    error = mmk_fork(mm, &child);
    if (error)
        return error;
    fill(BASE, 4, 50);
    machine_switch_mm(child);
    expect_filled(BASE, 8, 1);
    fill(BASE + 4 * PAGE, 4, 90);
    machine_switch_mm(mm);
    expect_filled(BASE + 4 * PAGE, 4, 5);
    put_mm(child);
    return 0;
}

static int step_shared(void)
{
    struct mmk_mm *child;
    int error = map_fixed(0, 600, RW, SHARED_ANON);

    if (error)
        return error;
    fill(BASE, 4, 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    machine_switch_mm(child);
    expect_filled(BASE, 4, 1);
    store_byte(BASE + 599 * PAGE, 7);
    machine_switch_mm(mm);
    expect_byte(BASE + 599 * PAGE, 7);
    put_mm(child);
    return 0;
}

static int step_file(void)
{
    struct mmk_object *file = new_file(8);

    map_object_at(0, 8, RX, MMK_MAP_PRIVATE, file, 0);
    map_object_at(16, 8, RW, MMK_MAP_SHARED, file, 0);
    expect_filled(BASE, 8, 1);
    store_byte(BASE + 16 * PAGE, 99);
    expect_byte(BASE, 99);
    assert_int_equal(mmk_object_resize(file, 3 * PAGE), 0);
    expect_load(BASE + 3 * PAGE, MMK_FAULT_BUS);
    expect_byte(BASE + 2 * PAGE, 3);
    mmk_check_object(file);
    mmk_object_put(file);
    return 0;
}

static int step_brk(void)
{
    assert_int_equal(mmk_set_brk(mm, BASE), 0);
    if (mmk_brk(mm, BASE + 10 * PAGE) != BASE + 10 * PAGE)
        return MMK_ENOMEM;
    fill(BASE, 10, 1);
    assert_int_equal(mmk_brk(mm, BASE + 2 * PAGE), BASE + 2 * PAGE);
    expect_load(BASE + 2 * PAGE, MMK_FAULT_SEGV_MAPERR);
    assert_int_equal(mmk_brk(mm, BASE), BASE);
    return 0;
}

static int step_stack(void)
{
    mmk_vaddr_t stack = BASE + 1000 * PAGE;
    uint8_t byte = 1;
    int error = map_fixed(1000, 2, RW, STACK);

    if (error)
        return error;
    if (machine_store(stack - 20 * PAGE, &byte, 1) != MMK_FAULT_DONE)
        return MMK_EFAULT;
    expect_vma(stack, stack - 20 * PAGE, 22);
    return 0;
}

/* Another mapping a few pages below a stack: does the stack grow on? */
static int step_gap(void)
{
    uint8_t byte = 1;
    int error = map_fixed(1000, 2, RW, STACK);

    if (error || (error = map_fixed(990, 1, RO, ANON)) != 0)
        return error;
    return machine_store(BASE + 995 * PAGE, &byte, 1) == MMK_FAULT_DONE ? 0 : MMK_EFAULT;
}

static int step_protect(void)
{
    int error = map_fixed(0, 12, RW, ANON);

    if (error)
        return error;
    fill(BASE, 12, 1);
    error = mmk_mprotect(mm, BASE + 4 * PAGE, 4 * PAGE, RO);
    if (error)
        return error;
    expect_store(BASE + 5 * PAGE, MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mmk_mprotect(mm, BASE + 4 * PAGE, 4 * PAGE, RW), 0);
    expect_shape(1, 12);
    expect_filled(BASE, 12, 1);
    return 0;
}

static int step_write_exec(void)
{
    struct mmk_object *shmem = new_shmem(1);
    int64_t got =
        mmk_mmap(mm, BASE, PAGE, RW | MMK_PROT_EXEC, MMK_MAP_SHARED | MMK_MAP_FIXED, shmem, 0);

    mmk_object_put(shmem);
    return result_of(got);
}

static int step_low(void)
{
    return result_of(mmk_mmap(mm, 16 * KIB, PAGE, RO, ANON | MMK_MAP_FIXED, NULL, 0));
}

static int step_large(void)
{
    return map_fixed(0, 128 * MIB / PAGE, RW, ANON);
}

static int step_many(void)
{
    uint64_t i;
    int error = 0;

    for (i = 0; i < 20 && !error; i++)
        error = map_fixed(2 * i, 1, RO, ANON);
    return error;
}

/* Leaf tables that emptied page by page: 0, or how many are left. */
static int step_tables(void)
{
    mmk_vaddr_t a = map_at(0, 512 * 4, RO, ANON);
    uint64_t i;

    for (i = 0; i < 4; i++) {
        expect_byte(a + i * 512 * PAGE, 0);
        assert_int_equal(mmk_madvise(mm, a + i * 512 * PAGE, PAGE, MMK_MADV_DONTNEED), 0);
    }
    mmk_check(mm);
    return (int)mm_stats(mm).tables[0];
}

static int (*const steps[])(void) = {
    step_anon,    step_fork,       step_shared, step_file,  step_brk,  step_stack,  step_gap,
    step_protect, step_write_exec, step_low,    step_large, step_many, step_tables,
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* ---- by option: what differs ------------------------------------------------------------------
 */

struct difference {
    int (*step)(void);
    int result;
};

struct flip {
    struct value set, too; /* `too`: one more option, OPTIONS: none */
    struct difference differs[8];
};

/* By default these fail, and all else passes. */
static const struct difference by_default[] = {
    {step_gap, MMK_EFAULT},
    {step_low, MMK_EPERM},
    {step_large, MMK_ENOMEM},
};

#define NOTHING_MORE                                                                               \
    {                                                                                              \
        OPTIONS, 0                                                                                 \
    }

static const struct flip flips[] = {
    {NOTHING_MORE, NOTHING_MORE, {{NULL, 0}}},
    {{TABLE_POLICY, MMK_TABLES_LINUX_618}, NOTHING_MORE, {{step_tables, 4}}},
    {{TABLE_POLICY, MMK_TABLES_NEVER}, NOTHING_MORE, {{step_tables, 4}}},
    {{MMAP_MIN_ADDR, 0}, NOTHING_MORE, {{step_low, 0}}},
    {{MMAP_MIN_ADDR, MIB}, NOTHING_MORE, {{NULL, 0}}},
    {{STACK_LIMIT, 0}, NOTHING_MORE, {{step_stack, MMK_EFAULT}}},
    {{STACK_LIMIT, MMK_LIMIT_INFINITY}, NOTHING_MORE, {{NULL, 0}}},
    {{STACK_GUARD_GAP, 0}, NOTHING_MORE, {{step_gap, 0}}},
    {{STACK_GUARD_GAP, 64 * MIB}, NOTHING_MORE, {{NULL, 0}}},
    {{TABLE_STOCK, 0}, NOTHING_MORE, {{NULL, 0}}},
    {{TABLE_STOCK, 64}, NOTHING_MORE, {{NULL, 0}}},
    {{MAX_MAP_COUNT, 3}, NOTHING_MORE, {{step_many, MMK_ENOMEM}}},
    {{MAX_MAP_COUNT, 2}, NOTHING_MORE, {{step_many, MMK_ENOMEM}, {step_protect, MMK_ENOMEM}}},
    {{MAX_MAP_COUNT, MMK_MAP_COUNT_MAX}, NOTHING_MORE, {{NULL, 0}}},
    {{OVERCOMMIT, MMK_OVERCOMMIT_ALWAYS}, NOTHING_MORE, {{step_large, 0}}},
    {{OVERCOMMIT, MMK_OVERCOMMIT_NEVER}, NOTHING_MORE, {{NULL, 0}}},
    {{OVERCOMMIT, MMK_OVERCOMMIT_NEVER},
     {OVERCOMMIT_RATIO, 0},
     {{step_anon, MMK_ENOMEM},
      {step_fork, MMK_ENOMEM},
      {step_shared, MMK_ENOMEM},
      {step_brk, MMK_ENOMEM},
      {step_stack, MMK_ENOMEM},
      {step_gap, MMK_ENOMEM},
      {step_protect, MMK_ENOMEM}}},
    {{OVERCOMMIT, MMK_OVERCOMMIT_NEVER},
     {OVERCOMMIT_RATIO, MMK_OVERCOMMIT_RATIO_MAX},
     {{step_large, 0}}},
    {{OVERCOMMIT, MMK_OVERCOMMIT_NEVER},
     {OVERCOMMIT_KBYTES, 15 * PAGE / KIB},
     {{step_anon, MMK_ENOMEM},
      {step_fork, MMK_ENOMEM},
      {step_shared, MMK_ENOMEM},
      {step_stack, MMK_EFAULT}}},
    {{OVERCOMMIT_RATIO, 0}, {OVERCOMMIT_KBYTES, 1}, {{NULL, 0}}}, /* mean nothing by default */
    {{REFUSE_WRITE_EXEC, 1}, NOTHING_MORE, {{step_write_exec, MMK_EACCES}}},
    {{WAITING_LIMIT, 1}, NOTHING_MORE, {{NULL, 0}}},
    {{WAITING_LIMIT, UINT64_MAX}, NOTHING_MORE, {{NULL, 0}}},
};

static int expected(const struct flip *flip, int (*step)(void))
{
    size_t i;

    for (i = 0; i < 8; i++)
        if (flip->differs[i].step == step)
            return flip->differs[i].result;
    for (i = 0; i < sizeof(by_default) / sizeof(by_default[0]); i++)
        if (by_default[i].step == step)
            return by_default[i].result;
    return 0;
}

static void run_steps(const struct flip *flip)
{
    size_t i;

    for (i = 0; i < STEPS; i++) {
        int want = expected(flip, steps[i]), got = steps[i]();

        if (got != want)
            print_message("configuration %zu, step %zu\n", (size_t)(flip - flips), i);
        assert_int_equal(got, want);
        mmk_check(mm);
        assert_int_equal(mmk_munmap(mm, 0, MMK_USER_END), 0);
        assert_int_equal(mmk_set_brk(mm, 0), 0);
        expect_shape(0, 0);
        assert_int_equal(stats_now().committed, 0);
    }
}

static void test_flipped(void **state)
{
    size_t i;

    for (i = 0; i < sizeof(flips) / sizeof(flips[0]); i++) {
        struct mmk_config config = MMK_CONFIG_DEFAULT;

        if (flips[i].set.option != OPTIONS)
            set_option(&config, flips[i].set.option, flips[i].set.value);
        if (flips[i].too.option != OPTIONS)
            set_option(&config, flips[i].too.option, flips[i].too.value);
        assert_int_equal(fixture_setup_with(&config), 0);
        run_steps(&flips[i]);
        assert_int_equal(fixture_teardown(state), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_frame_cache),
        cmocka_unit_test(test_flipped),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
