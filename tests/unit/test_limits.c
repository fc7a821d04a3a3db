/* SPDX-License-Identifier: MIT */
/*
 * test_limits.c - what an address space may grow to, and what may never be done with a mapping. The
 * errors expected are those of Linux 6.18 for the same calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

static void limit_to(enum mmk_limit limit, uint64_t bytes)
{
    assert_int_equal(mmk_set_limit(mm, limit, bytes), 0);
    assert_int_equal(mmk_get_limit(mm, limit), bytes);
}

/* At BASE + index pages; answers mmk_mmap()'s result. */
static int64_t try_at(uint64_t index, uint64_t pages, unsigned prot, unsigned flags)
{
    return mmk_mmap(mm, BASE + index * PAGE, pages * PAGE, prot, flags | MMK_MAP_FIXED, NULL, 0);
}

static void expect_mapped(int64_t result)
{
    assert_true(result > 0);
    mmk_check(mm);
}

static int protect(mmk_vaddr_t addr, uint64_t pages, unsigned prot)
{
    int error = mmk_mprotect(mm, addr, pages * PAGE, prot);

    mmk_check(mm);
    return error;
}

/* ---- the limits themselves --------------------------------------------------------------------
 */

static void test_get_and_set(void **state)
{
    struct mmk_mm *child;

    (void)state;
    assert_int_equal(mmk_get_limit(mm, MMK_LIMIT_AS), MMK_LIMIT_INFINITY);
    assert_int_equal(mmk_get_limit(mm, MMK_LIMIT_DATA), MMK_LIMIT_INFINITY);
    assert_int_equal(mmk_get_limit(mm, MMK_LIMIT_STACK), fixture_config().stack_limit);
    assert_int_equal(mmk_get_limit(mm, MMK_LIMIT_MEMLOCK), MMK_LIMIT_INFINITY);
    assert_int_equal(mmk_set_limit(mm, MMK_LIMITS, 1), MMK_EINVAL);
    assert_int_equal(mmk_get_limit(mm, MMK_LIMITS), 0);
    limit_to(MMK_LIMIT_AS, 12345);
    limit_to(MMK_LIMIT_DATA, 0);
    limit_to(MMK_LIMIT_STACK, 3 * PAGE);
    limit_to(MMK_LIMIT_MEMLOCK, UINT64_MAX - 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    assert_int_equal(mmk_get_limit(child, MMK_LIMIT_AS), 12345);
    assert_int_equal(mmk_get_limit(child, MMK_LIMIT_DATA), 0);
    assert_int_equal(mmk_get_limit(child, MMK_LIMIT_STACK), 3 * PAGE);
    assert_int_equal(mmk_get_limit(child, MMK_LIMIT_MEMLOCK), UINT64_MAX - 1);
    put_mm(child);
}

static void test_counted(void **state)
{
    struct mmk_object *file = new_file(8);
    struct mmk_mm_stats stats;

    (void)state;
    map_at(0, 2, RW, ANON);
    map_at(10, 3, RO, ANON);
    map_at(20, 5, RW, STACK);
    map_at(30, 7, RW, SHARED_ANON);
    map_object_at(40, 8, RW, MMK_MAP_PRIVATE, file, 0);
    map_object_at(50, 8, RW, MMK_MAP_SHARED, file, 0);
    map_at(60, 11, MMK_PROT_WRITE | MMK_PROT_EXEC, ANON | MMK_MAP_NORESERVE);
    stats = mm_stats(mm);
    assert_int_equal(stats.virt_bytes, 44 * PAGE);
    assert_int_equal(stats.data_bytes, 21 * PAGE);
    assert_int_equal(stats.stack_bytes, 5 * PAGE);
    assert_int_equal(stats.locked_bytes, 0);
    assert_int_equal(stats.committed_bytes, 15 * PAGE);
    assert_int_equal(stats_now().committed, 22 * PAGE); /* with the shared object */
    assert_int_equal(mmk_munmap(mm, BASE + PAGE, 30 * PAGE), 0);
    stats = mm_stats(mm);
    assert_int_equal(stats.data_bytes, 20 * PAGE);
    assert_int_equal(stats.stack_bytes, 0);
    assert_int_equal(stats.committed_bytes, 9 * PAGE);
    mmk_object_put(file);
}

/* ---- RLIMIT_AS --------------------------------------------------------------------------------
 */

static void test_as_mmap(void **state)
{
    (void)state;
    map_at(0, 64, RW, ANON);
    limit_to(MMK_LIMIT_AS, 74 * PAGE + 1); /* a fraction does not count */
    assert_int_equal(try_at(100, 11, MMK_PROT_NONE, ANON), MMK_ENOMEM);
    assert_int_equal(try_at(100, 11, RW, SHARED_ANON), MMK_ENOMEM);
    expect_shape(1, 64);
    expect_mapped(try_at(0, 20, RO, ANON)); /* in place of as much */
    assert_int_equal(try_at(50, 25, RO, ANON), MMK_ENOMEM);
    expect_mapped(try_at(50, 24, RO, ANON));
    limit_to(MMK_LIMIT_AS, 30 * PAGE); /* what is there stays */
    assert_int_equal(try_at(0, 20, RW, ANON), MMK_ENOMEM);
    assert_int_equal(protect(BASE, 4, RX), 0);
    assert_int_equal(mmk_munmap(mm, BASE + 10 * PAGE, PAGE), 0);
    mmk_check(mm);
}

static void test_as_others(void **state)
{
    mmk_vaddr_t stack = map_at(1000, 2, RW, STACK);

    (void)state;
    assert_int_equal(mmk_set_brk(mm, BASE), 0);
    limit_to(MMK_LIMIT_AS, 6 * PAGE);
    assert_int_equal(mmk_brk(mm, BASE + 5 * PAGE), BASE);
    assert_int_equal(mmk_brk(mm, BASE + 2 * PAGE), BASE + 2 * PAGE);
    expect_store(stack - 3 * PAGE, MMK_FAULT_SEGV_MAPERR);
    expect_shape(2, 4);
    store_byte(stack - 2 * PAGE, 1);
    expect_store(stack - 3 * PAGE, MMK_FAULT_SEGV_MAPERR);
    expect_shape(2, 6);
}

/* ---- RLIMIT_DATA ------------------------------------------------------------------------------
 */

static void test_data_mmap(void **state)
{
    (void)state;
    map_at(0, 8, RW, ANON);
    limit_to(MMK_LIMIT_DATA, 12 * PAGE);
    assert_int_equal(try_at(100, 5, RW, ANON), MMK_ENOMEM);
    assert_int_equal(try_at(100, 5, MMK_PROT_WRITE, ANON), MMK_ENOMEM);
    assert_int_equal(try_at(100, 5, RW, ANON | MMK_MAP_NORESERVE), MMK_ENOMEM);
    expect_mapped(try_at(100, 5, MMK_PROT_NONE, ANON));
    expect_mapped(try_at(110, 5, RX, ANON));
    expect_mapped(try_at(120, 5, RW, SHARED_ANON));
    expect_mapped(try_at(130, 5, RW, STACK));
    expect_mapped(try_at(140, 4, RW, ANON));
    assert_int_equal(try_at(150, 1, RW, ANON), MMK_ENOMEM);
}

/* Linux compares with what a mapping is longer than all that it replaces. */
static void test_data_replace(void **state)
{
    (void)state;
    map_at(0, 8, RW, ANON);
    map_at(100, 16, MMK_PROT_NONE, ANON);
    limit_to(MMK_LIMIT_DATA, 8 * PAGE);
    expect_mapped(try_at(100, 8, RW, ANON));
    assert_int_equal(try_at(108, 8, RW, ANON), MMK_ENOMEM); /* beyond by now */
    assert_int_equal(mm_stats(mm).data_bytes, 16 * PAGE);
}

static void test_data_protect(void **state)
{
    mmk_vaddr_t ro = map_at(0, 16, RO, ANON), shared = map_at(50, 8, RO, SHARED_ANON);
    mmk_vaddr_t rw = map_at(100, 4, RW, ANON);

    (void)state;
    limit_to(MMK_LIMIT_DATA, 8 * PAGE);
    assert_int_equal(protect(ro, 5, RW), MMK_ENOMEM);
    assert_int_equal(protect(shared, 8, RW), 0);
    assert_int_equal(protect(ro, 4, RW), 0);
    assert_int_equal(protect(ro + 4 * PAGE, 1, RW), MMK_ENOMEM);
    limit_to(MMK_LIMIT_DATA, PAGE);
    assert_int_equal(protect(rw, 4, RW | MMK_PROT_EXEC), 0); /* it is data already */
    assert_int_equal(protect(rw, 1, RO), 0);
    assert_int_equal(protect(rw, 1, RW), MMK_ENOMEM);
}

/* Who has more than RLIMIT_AS already may make data of it, as on Linux. */
static void test_data_protect_beyond(void **state)
{
    mmk_vaddr_t ro = map_at(0, 4, RO, ANON);

    (void)state;
    limit_to(MMK_LIMIT_DATA, 0);
    limit_to(MMK_LIMIT_AS, 8 * PAGE); /* four more would fit */
    assert_int_equal(protect(ro, 4, RW), MMK_ENOMEM);
    limit_to(MMK_LIMIT_AS, 8 * PAGE - 1);
    assert_int_equal(protect(ro, 4, RW), 0);
    assert_int_equal(mm_stats(mm).data_bytes, 4 * PAGE);
    store_byte(ro, 1);
}

/* Mapping by mapping: what fits is changed, then it ends. */
static void test_data_protect_partly(void **state)
{
    mmk_vaddr_t a = map_at(0, 2, RO, ANON);

    (void)state;
    map_at(2, 2, RX, ANON);
    map_at(4, 2, RO, SHARED_ANON);
    map_at(6, 2, RO, ANON);
    limit_to(MMK_LIMIT_DATA, 5 * PAGE);
    assert_int_equal(protect(a, 8, RW), MMK_ENOMEM);
    expect_shape(3, 8);
    expect_vma(a, a, 4);
    store_byte(a + 3 * PAGE, 1);
    store_byte(a + 5 * PAGE, 1);
    expect_store(a + 6 * PAGE, MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(mm_stats(mm).data_bytes, 4 * PAGE);
}

static void test_data_brk(void **state)
{
    (void)state;
    assert_int_equal(mmk_set_brk(mm, BASE), 0);
    assert_int_equal(mmk_brk(mm, BASE + 10 * PAGE), BASE + 10 * PAGE);
    limit_to(MMK_LIMIT_DATA, 5 * PAGE);
    assert_int_equal(mmk_brk(mm, BASE + 11 * PAGE), BASE + 10 * PAGE);
    assert_int_equal(mmk_brk(mm, BASE + 9 * PAGE), BASE + 10 * PAGE); /* still beyond */
    assert_int_equal(mmk_brk(mm, BASE + 5 * PAGE), BASE + 5 * PAGE);
    assert_int_equal(mmk_brk(mm, BASE + 5 * PAGE + 1), BASE + 5 * PAGE);
    assert_int_equal(mmk_brk(mm, BASE + PAGE), BASE + PAGE);
    map_at(100, 3, RW, ANON);
    assert_int_equal(mmk_brk(mm, BASE + 3 * PAGE), BASE + PAGE); /* with other data too much */
    assert_int_equal(mmk_brk(mm, BASE + 2 * PAGE), BASE + 2 * PAGE);
    mmk_check(mm);
}

/* ---- RLIMIT_STACK -----------------------------------------------------------------------------
 */

static void test_stack(void **state)
{
    mmk_vaddr_t stack = map_at(1000, 2, RW, STACK);

    (void)state;
    limit_to(MMK_LIMIT_STACK, 5 * PAGE - 1);
    expect_store(stack - 3 * PAGE, MMK_FAULT_SEGV_MAPERR);
    store_byte(stack - 2 * PAGE, 1);
    limit_to(MMK_LIMIT_STACK, 5 * PAGE);
    store_byte(stack - 3 * PAGE, 1);
    limit_to(MMK_LIMIT_STACK, 0);
    expect_store(stack - 4 * PAGE, MMK_FAULT_SEGV_MAPERR);
    expect_mapped(try_at(2000, 4, RW, STACK)); /* it is growing that it stops */
    expect_shape(2, 9);
}

/* Mappings are placed so that the stack can grow to its limit. */
static void test_stack_room(void **state)
{
    const mmk_vaddr_t random = (mmk_vaddr_t)1 << (MMK_MAP_RANDOM_BITS + MMK_PAGE_SHIFT);
    mmk_vaddr_t a;

    (void)state;
    limit_to(MMK_LIMIT_STACK, MMK_LIMIT_INFINITY);
    assert_true(mm->mmap_base < MMK_MAP_WINDOW / 6 + PAGE);
    limit_to(MMK_LIMIT_STACK, 0);
    assert_true(mm->mmap_base <= MMK_MAP_WINDOW - 129 * MIB);
    assert_true(mm->mmap_base > MMK_MAP_WINDOW - 129 * MIB - random);
    limit_to(MMK_LIMIT_STACK, 4 * random);
    assert_true(mm->mmap_base <= MMK_MAP_WINDOW - 4 * random - MIB);
    assert_true(mm->mmap_base > MMK_MAP_WINDOW - 5 * random - 2 * MIB);
    a = map_anon(1);
    assert_int_equal(a, mm->mmap_base - PAGE);
    limit_to(MMK_LIMIT_STACK, 8 * MIB); /* later it stays */
    assert_int_equal(a, mm->mmap_base - PAGE);
}

/* ---- the number of mappings -------------------------------------------------------------------
 */

#define MAX_MAPS 10

static int setup_few_maps(void **state)
{
    struct mmk_config config = fixture_config();

    (void)state;
    config.max_map_count = MAX_MAPS;
    return fixture_setup_with(&config);
}

/* Every second page, so that nothing merges: ten, of four pages each. */
static void map_ten(unsigned flags)
{
    uint64_t i;

    for (i = 0; i < MAX_MAPS; i++)
        map_at(i * 8, 4, RO, flags);
}

static void test_maps_mmap(void **state)
{
    (void)state;
    map_ten(ANON);
    expect_mapped(try_at(100, 1, RO, ANON)); /* as on Linux, one more */
    expect_shape(11, 41);
    assert_int_equal(try_at(110, 1, RO, ANON), MMK_ENOMEM);
    assert_int_equal(try_at(101, 1, RO, ANON), MMK_ENOMEM); /* though it would merge */
    assert_int_equal(mmk_mmap(mm, BASE, PAGE, RO, ANON | MMK_MAP_FIXED_NOREPLACE, NULL, 0),
                     MMK_ENOMEM); /* before it looks at the address */
    assert_int_equal(mmk_mmap(mm, 1, PAGE, RO, ANON | MMK_MAP_FIXED, NULL, 0), MMK_ENOMEM);
    assert_int_equal(mmk_set_brk(mm, BASE + 200 * PAGE), 0);
    assert_int_equal(mmk_brk(mm, BASE + 201 * PAGE), BASE + 200 * PAGE);
    expect_shape(11, 41);
    assert_int_equal(mmk_munmap(mm, BASE, 4 * PAGE), 0);
    assert_int_equal(mmk_brk(mm, BASE + 201 * PAGE), BASE + 201 * PAGE);
    expect_shape(11, 38);
}

static void test_maps_split(void **state)
{
    (void)state;
    map_ten(ANON);
    assert_int_equal(mmk_munmap(mm, BASE + PAGE, PAGE), MMK_ENOMEM);
    assert_int_equal(try_at(1, 2, RW, ANON), MMK_ENOMEM);
    assert_int_equal(protect(BASE + PAGE, 1, RW), MMK_ENOMEM);
    assert_int_equal(protect(BASE, 1, RW), MMK_ENOMEM);
    assert_int_equal(protect(BASE + 3 * PAGE, 1, RW), MMK_ENOMEM);
    expect_shape(10, 40);
    assert_int_equal(mmk_munmap(mm, BASE, PAGE), 0); /* an end needs no mapping more */
    assert_int_equal(mmk_munmap(mm, BASE + 8 * PAGE, 4 * PAGE), 0);
    expect_shape(9, 35);
    assert_int_equal(protect(BASE + 2 * PAGE, 1, RW), MMK_ENOMEM); /* two more: it is cut once */
    expect_shape(10, 35);
    expect_vma(BASE + PAGE, BASE + PAGE, 1);
    expect_vma(BASE + 2 * PAGE, BASE + 2 * PAGE, 2);
    expect_load(BASE + 2 * PAGE, MMK_FAULT_DONE);
    expect_store(BASE + 2 * PAGE, MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(protect(BASE + 16 * PAGE, 4, RW), 0); /* whole */
}

/* What merges with its neighbour only moves a border, and is allowed. */
static void test_maps_moved_border(void **state)
{
    mmk_vaddr_t a = BASE + 64 * PAGE;

    (void)state;
    map_ten(SHARED_ANON);
    assert_int_equal(mmk_munmap(mm, BASE, 4 * PAGE), 0);
    assert_int_equal(protect(a + 4 * PAGE, 4, RW), MMK_ENOMEM); /* a hole */
    assert_int_equal(protect(a + 2 * PAGE, 2, RW), 0);
    expect_shape(10, 36);
    assert_int_equal(protect(a + PAGE, 1, RW), 0); /* with the one above */
    expect_vma(a, a, 1);
    expect_vma(a + PAGE, a + PAGE, 3);
    assert_int_equal(protect(a + PAGE, 1, RO), 0); /* with the one below */
    expect_vma(a, a, 2);
    assert_int_equal(protect(a + PAGE, 1, RX), MMK_ENOMEM);
    assert_int_equal(protect(a + PAGE, 2, RX), MMK_ENOMEM); /* both sides cut, nothing merges */
    assert_int_equal(protect(a, 3, RX), 0);
    assert_int_equal(protect(a, 3, RW), 0);
    expect_shape(9, 36);
    assert_int_equal(protect(a, 1, RO), 0);
    /* The second loses its beginning to the first, which changes as well, or stays. */
    assert_int_equal(protect(a, 2, RX), 0);
    assert_int_equal(protect(a, 3, RX), 0);
    expect_vma(a, a, 3);
    expect_shape(10, 36);
}

/* ---- what may never be done: how the file was opened ------------------------------------------
 */

static struct mmk_object *file;

static int64_t map_opened(unsigned prot, unsigned flags, unsigned mode)
{
    int64_t got = mmk_mmap_file(mm, 0, PAGE, prot, flags, file, 0, mode);

    mmk_check(mm);
    return got;
}

struct opening {
    unsigned prot, flags, mode;
    int error;
};

static const struct opening openings[] = {
    {RW, MMK_MAP_SHARED, MMK_OPEN_READ, MMK_EACCES},
    {RW, MMK_MAP_SHARED_VALIDATE, MMK_OPEN_READ, MMK_EACCES},
    {RO, MMK_MAP_SHARED, MMK_OPEN_READ, 0},
    {RW, MMK_MAP_PRIVATE, MMK_OPEN_READ, 0},
    {MMK_PROT_WRITE, MMK_MAP_SHARED, MMK_OPEN_WRITE, MMK_EACCES},
    {MMK_PROT_NONE, MMK_MAP_PRIVATE, MMK_OPEN_WRITE, MMK_EACCES},
    {RX, MMK_MAP_PRIVATE, MMK_OPEN_READ | MMK_OPEN_WRITE, MMK_EPERM},
    {RX, MMK_MAP_SHARED, MMK_OPEN_WRITE, MMK_EACCES},
    {RX, MMK_MAP_SHARED, MMK_OPEN_READ | MMK_OPEN_EXEC, 0},
    {RW, MMK_MAP_SHARED, MMK_OPEN_READ | MMK_OPEN_WRITE, 0},
    {RO, MMK_MAP_SHARED, 0, MMK_EACCES},
    {RO, MMK_MAP_SHARED, 8, MMK_EINVAL},
    /* which of several errors */
    {RW, MMK_MAP_SHARED | MMK_MAP_GROWSDOWN, MMK_OPEN_READ, MMK_EACCES},
    {RW, MMK_MAP_SHARED_VALIDATE | 0x200000, MMK_OPEN_READ, MMK_EOPNOTSUPP},
    {RX, MMK_MAP_PRIVATE | MMK_MAP_GROWSDOWN, MMK_OPEN_READ, MMK_EPERM},
    {RO, MMK_MAP_PRIVATE | MMK_MAP_GROWSDOWN, MMK_OPEN_READ, MMK_EINVAL},
    {RO, MMK_MAP_PRIVATE | MMK_MAP_GROWSDOWN | MMK_MAP_SYNC, MMK_OPEN_READ, MMK_EINVAL},
    {RO, 0, 0, MMK_EINVAL},
};

static void test_opened(void **state)
{
    size_t i;

    (void)state;
    file = new_file(1);
    for (i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
        const struct opening *o = &openings[i];
        int64_t got = map_opened(o->prot, o->flags, o->mode);

        if (o->error ? got != o->error : got <= 0)
            print_message("opening %zu: %ld\n", i, (long)got);
        assert_true(o->error ? got == o->error : got > 0);
    }
    mmk_object_put(file);
}

static void test_opened_protect(void **state)
{
    mmk_vaddr_t shared, private;
    struct mmk_mm *child;

    (void)state;
    file = new_file(1);
    shared = (mmk_vaddr_t)map_opened(RO, MMK_MAP_SHARED, MMK_OPEN_READ | MMK_OPEN_EXEC);
    assert_int_equal(protect(shared, 1, RW), MMK_EACCES);
    assert_int_equal(protect(shared, 1, RX), 0);
    assert_int_equal(protect(shared, 1, MMK_PROT_NONE), 0);
    assert_int_equal(protect(shared, 1, RO), 0);
    private = (mmk_vaddr_t)map_opened(RO, MMK_MAP_PRIVATE, MMK_OPEN_READ);
    assert_int_equal(protect(private, 1, RX), MMK_EACCES);
    assert_int_equal(protect(private, 1, RW), 0);
    store_byte(private, 9);
    expect_byte(shared, 1);
    assert_int_equal(mmk_fork(mm, &child), 0);
    assert_int_equal(mmk_mprotect(child, shared, PAGE, RW), MMK_EACCES);
    put_mm(child);
    mmk_object_put(file);
}

/* Earlier mappings are changed; and a refusal counts where it is met, before a hole or after. */
static void test_opened_protect_several(void **state)
{
    mmk_vaddr_t a = map_at(0, 3, RO, ANON);

    (void)state;
    file = new_file(1);
    assert_int_equal(mmk_mmap_file(mm, a + PAGE, PAGE, RO, MMK_MAP_SHARED | MMK_MAP_FIXED, file, 0,
                                   MMK_OPEN_READ),
                     a + PAGE);
    assert_int_equal(protect(a, 3, RW), MMK_EACCES);
    expect_shape(3, 3);
    store_byte(a, 1);
    expect_store(a + PAGE, MMK_FAULT_SEGV_ACCERR);
    expect_store(a + 2 * PAGE, MMK_FAULT_SEGV_ACCERR);
    assert_int_equal(protect(a, 4, RW), MMK_EACCES);
    assert_int_equal(protect(a - PAGE, 4, RW), MMK_ENOMEM);
    mmk_object_put(file);
}

/* What may become of them keeps mappings apart. */
static void test_opened_merge(void **state)
{
    (void)state;
    file = new_file(2);
    assert_true(mmk_mmap_file(mm, BASE, PAGE, RO, MMK_MAP_SHARED | MMK_MAP_FIXED, file, 0,
                              MMK_OPEN_READ) > 0);
    map_object_at(1, 1, RO, MMK_MAP_SHARED, file, 1);
    expect_shape(2, 2);
    assert_true(mmk_mmap_file(mm, BASE + PAGE, PAGE, RO, MMK_MAP_SHARED | MMK_MAP_FIXED, file, PAGE,
                              MMK_OPEN_READ) > 0);
    expect_shape(1, 2);
    mmk_object_put(file);
}

/* ---- writable and executable ------------------------------------------------------------------
 */

#define RWX (RW | MMK_PROT_EXEC)

static void test_mdwe(void **state)
{
    mmk_vaddr_t rx = map_at(0, 1, RX, ANON), rwx = map_at(2, 1, RWX, ANON);
    mmk_vaddr_t rw = map_at(4, 1, RW, ANON);

    (void)state;
    assert_int_equal(mmk_set_mdwe(mm, 4), MMK_EINVAL);
    assert_int_equal(mmk_set_mdwe(mm, MMK_MDWE_NO_INHERIT), MMK_EINVAL);
    assert_int_equal(mmk_set_mdwe(mm, 0), 0);
    assert_int_equal(mmk_set_mdwe(mm, MMK_MDWE_REFUSE_EXEC_GAIN), 0);
    assert_int_equal(mmk_set_mdwe(mm, MMK_MDWE_REFUSE_EXEC_GAIN), 0);
    assert_int_equal(mmk_set_mdwe(mm, 3), MMK_EPERM);
    assert_int_equal(mmk_set_mdwe(mm, 0), MMK_EPERM);
    assert_int_equal(mmk_get_mdwe(mm), MMK_MDWE_REFUSE_EXEC_GAIN);
    assert_int_equal(try_at(10, 1, RWX, ANON), MMK_EACCES);
    assert_int_equal(try_at(10, 1, RWX, SHARED_ANON), MMK_EACCES);
    expect_mapped(try_at(10, 1, RX, ANON));
    assert_int_equal(protect(rw, 1, RX), MMK_EACCES);
    assert_int_equal(protect(rx, 1, RX), 0);
    assert_int_equal(protect(rx, 1, MMK_PROT_EXEC), 0);
    assert_int_equal(protect(rx, 1, RWX), MMK_EACCES);
    assert_int_equal(protect(rwx, 1, RX), 0);
    assert_int_equal(protect(rwx, 1, RW), 0);
    assert_int_equal(protect(rwx, 1, RX), MMK_EACCES);
    /* errors that come first */
    assert_int_equal(mmk_mmap(mm, rx, PAGE, RWX, ANON | MMK_MAP_FIXED_NOREPLACE, NULL, 0),
                     MMK_EEXIST);
    assert_int_equal(mmk_mmap(mm, rx + 1, PAGE, RWX, ANON | MMK_MAP_FIXED, NULL, 0), MMK_EINVAL);
    assert_int_equal(mmk_mmap(mm, 0, PAGE, RWX, MMK_MAP_ANONYMOUS, NULL, 0), MMK_EINVAL);
}

static void test_mdwe_fork(void **state)
{
    struct mmk_mm *child;

    (void)state;
    assert_int_equal(mmk_set_mdwe(mm, MMK_MDWE_REFUSE_EXEC_GAIN), 0);
    assert_int_equal(mmk_fork(mm, &child), 0);
    assert_int_equal(mmk_get_mdwe(child), MMK_MDWE_REFUSE_EXEC_GAIN);
    put_mm(child);
    child = new_mm();
    assert_int_equal(mmk_get_mdwe(child), 0);
    assert_int_equal(mmk_set_mdwe(child, 3), 0);
    assert_int_equal(mmk_get_mdwe(child), 3);
    machine_switch_mm(NULL);
    put_mm(mm);
    assert_int_equal(mmk_fork(child, &mm), 0);
    machine_switch_mm(mm);
    assert_int_equal(mmk_get_mdwe(mm), 0);
    put_mm(child);
}

static int setup_refuse(void **state)
{
    struct mmk_config config = fixture_config();

    (void)state;
    config.refuse_write_exec = 1;
    return fixture_setup_with(&config);
}

static void test_refuse_everywhere(void **state)
{
    (void)state;
    assert_int_equal(mmk_get_mdwe(mm), MMK_MDWE_REFUSE_EXEC_GAIN);
    assert_int_equal(try_at(0, 1, RWX, ANON), MMK_EACCES);
    map_at(0, 1, RW, ANON);
    assert_int_equal(protect(BASE, 1, RX), MMK_EACCES);
}

/* ---- where mappings may be --------------------------------------------------------------------
 */

static void test_low(void **state)
{
    const unsigned low = ANON | MMK_MAP_32BIT;
    mmk_vaddr_t a = map(0, 4, RW, low, NULL, 0), b = map(0, 4, RW, low, NULL, 0);

    (void)state;
    assert_true(a >= GIB && a + 4 * PAGE <= 2 * GIB);
    assert_true(b >= GIB && b + 4 * PAGE <= 2 * GIB && a != b);
    a = map(MMK_MAP_WINDOW - MIB, 1, RW, low, NULL, 0); /* the hint does not help */
    assert_true(a >= GIB && a < 2 * GIB);
    assert_int_equal(map(512 * MIB, 1, RW, low, NULL, 0), 512 * MIB); /* this one does */
    a = map(2 * GIB - PAGE, 2, RW, low, NULL, 0);
    assert_true(a >= GIB && a + 2 * PAGE <= 2 * GIB);
    assert_int_equal(mmk_mmap(mm, 0, GIB, RW, low, NULL, 0), MMK_ENOMEM);
    assert_int_equal(mmk_mmap(mm, 0, 3 * GIB, RW, low, NULL, 0), MMK_ENOMEM);
    assert_int_equal(mmk_mmap(mm, 0, GIB - 64 * MIB, RW, low, NULL, 0) > 0, 1);
    assert_int_equal(map(BASE, 1, RW, low | MMK_MAP_FIXED, NULL, 0), BASE);
    a = map(0, 1, RW, low | MMK_MAP_ABOVE4G, NULL, 0);
    assert_true(a < 2 * GIB);
    mmk_check(mm);
}

static void test_above_4g(void **state)
{
    (void)state;
    assert_int_equal(map(GIB, 1, RW, ANON | MMK_MAP_ABOVE4G, NULL, 0), GIB);
    /* All but what lies below 4 GiB is taken. */
    assert_int_equal(mmk_mmap(mm, 4 * GIB, MMK_MAP_WINDOW - 4 * GIB, MMK_PROT_NONE,
                              ANON | MMK_MAP_FIXED, NULL, 0),
                     4 * GIB);
    assert_int_equal(mmk_mmap(mm, 0, PAGE, RW, ANON | MMK_MAP_ABOVE4G, NULL, 0), MMK_ENOMEM);
    assert_true(map(0, 1, RW, ANON, NULL, 0) < 4 * GIB);
    mmk_check(mm);
}

static void test_unsupported(void **state)
{
    (void)state;
    file = new_file(1);
    assert_int_equal(mmk_mmap(mm, 0, PAGE, RW, ANON | MMK_MAP_HUGETLB, NULL, 0), MMK_EINVAL);
    assert_int_equal(mmk_mmap(mm, 0, PAGE, RW, MMK_MAP_PRIVATE | MMK_MAP_HUGETLB, file, 0),
                     MMK_EINVAL);
    assert_int_equal(mmk_mmap(mm, 0, PAGE, RW, MMK_MAP_SHARED_VALIDATE | MMK_MAP_SYNC, file, 0),
                     MMK_EOPNOTSUPP);
    assert_int_equal(mmk_mmap(mm, 0, PAGE, RW, MMK_MAP_SHARED | MMK_MAP_SYNC, file, 0),
                     MMK_EOPNOTSUPP);
    assert_int_equal(mmk_mmap(mm, 0, PAGE, RW, MMK_MAP_PRIVATE | MMK_MAP_SYNC, file, 0),
                     MMK_EOPNOTSUPP);
    mmk_object_put(file);
    (void)map(0, 1, RW, ANON | MMK_MAP_SYNC, NULL, 0);
    (void)map(0, 1, RW, SHARED_ANON | MMK_MAP_SYNC, NULL, 0);
    file = new_shmem(1);
    (void)map(0, 1, RW, MMK_MAP_SHARED | MMK_MAP_SYNC, file, 0);
    mmk_object_put(file);
    expect_shape(3, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_get_and_set),
        TEST(test_counted),
        TEST(test_as_mmap),
        TEST(test_as_others),
        TEST(test_data_mmap),
        TEST(test_data_replace),
        TEST(test_data_protect),
        TEST(test_data_protect_beyond),
        TEST(test_data_protect_partly),
        TEST(test_data_brk),
        TEST(test_stack),
        TEST(test_stack_room),
        cmocka_unit_test_setup_teardown(test_maps_mmap, setup_few_maps, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_maps_split, setup_few_maps, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_maps_moved_border, setup_few_maps, fixture_teardown),
        TEST(test_opened),
        TEST(test_opened_protect),
        TEST(test_opened_protect_several),
        TEST(test_opened_merge),
        TEST(test_mdwe),
        TEST(test_mdwe_fork),
        cmocka_unit_test_setup_teardown(test_refuse_everywhere, setup_refuse, fixture_teardown),
        TEST(test_low),
        TEST(test_above_4g),
        TEST(test_unsupported),
    };

    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
