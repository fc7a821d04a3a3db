/* SPDX-License-Identifier: MIT */
/*
 * test_map.c - mmap and munmap: arguments, placement, shapes. The errors expected are those of
 * Linux 6.18 for the same arguments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#define MIN_ADDR (64 * KIB) /* of MMK_CONFIG_DEFAULT */
#define GUARD    MIB

static void unmap(mmk_vaddr_t addr, uint64_t pages)
{
    assert_int_equal(mmk_munmap(mm, addr, pages * PAGE), 0);
}

/* ---- arguments --------------------------------------------------------------------------------
 */

struct attempt {
    uint64_t addr, length;
    unsigned prot, flags;
    bool object;
    uint64_t offset;
    int error;
};

static const struct attempt attempts[] = {
    {0, 0, RW, ANON, false, 0, MMK_EINVAL},
    {0, PAGE, RW, ANON, false, 0x800, MMK_EINVAL},
    {0, PAGE, RW, MMK_MAP_PRIVATE, true, 0x800, MMK_EINVAL},
    {0, PAGE, RW, MMK_MAP_PRIVATE, false, 0, MMK_EINVAL},
    {0, PAGE, 0x8, ANON, false, 0, MMK_EINVAL},
    {0, PAGE, RW, MMK_MAP_ANONYMOUS, false, 0, MMK_EINVAL},
    {0, PAGE, RW, 0, true, 0, MMK_EINVAL},
    {0, PAGE, RW, 0x4 | MMK_MAP_ANONYMOUS, false, 0, MMK_EINVAL},
    {0, PAGE, RW, 0x4, true, 0, MMK_EINVAL},
    /* too long */
    {0, UINT64_MAX, RW, ANON, false, 0, MMK_ENOMEM},
    {0, (uint64_t)0 - PAGE, RW, ANON, false, 0, MMK_ENOMEM},
    {0, 2 * MMK_USER_END, RW, ANON, false, 0, MMK_ENOMEM},
    {0, 2 * MMK_USER_END, RW, MMK_MAP_ANONYMOUS, false, 0, MMK_ENOMEM},
    {0, MMK_USER_END + 1, RW, ANON, false, 0, MMK_ENOMEM},
    {0, MMK_USER_END, RW, ANON, false, 0, MMK_ENOMEM}, /* mmap_min_addr is in the way */
    /* fixed addresses */
    {BASE + 0x800, PAGE, RW, ANON | MMK_MAP_FIXED, false, 0, MMK_EINVAL},
    {BASE + 1, PAGE, RW, ANON | MMK_MAP_FIXED_NOREPLACE, false, 0, MMK_EINVAL},
    {MMK_USER_END, PAGE, RW, ANON | MMK_MAP_FIXED, false, 0, MMK_ENOMEM},
    {MMK_USER_END - PAGE + 1, PAGE, RW, ANON | MMK_MAP_FIXED, false, 0, MMK_ENOMEM},
    {UINT64_MAX & ~0xfffull, PAGE, RW, ANON | MMK_MAP_FIXED, false, 0, MMK_ENOMEM},
    {0, PAGE, RW, ANON | MMK_MAP_FIXED, false, 0, MMK_EPERM},
    {MIN_ADDR - PAGE, PAGE, RW, ANON | MMK_MAP_FIXED, false, 0, MMK_EPERM},
    /* kinds that exclude each other */
    {0, PAGE, RW, SHARED_ANON | MMK_MAP_GROWSDOWN, false, 0, MMK_EINVAL},
    {0, PAGE, RW, MMK_MAP_PRIVATE | MMK_MAP_GROWSDOWN, true, 0, MMK_EINVAL},
    {0, PAGE, RW, MMK_MAP_SHARED | MMK_MAP_GROWSDOWN, true, 0, MMK_EINVAL},
    /* SHARED_VALIDATE looks at the flags */
    {0, PAGE, RW, MMK_MAP_SHARED_VALIDATE | MMK_MAP_ANONYMOUS, false, 0, MMK_EINVAL},
    {0, PAGE, RW, MMK_MAP_SHARED_VALIDATE | 0x200000, true, 0, MMK_EOPNOTSUPP},
    {BASE, PAGE, RW, MMK_MAP_SHARED_VALIDATE | MMK_MAP_FIXED_NOREPLACE, true, 0, MMK_EOPNOTSUPP},
    {0, PAGE, RW, MMK_MAP_SHARED_VALIDATE | 0x2000000, true, 0, MMK_EOPNOTSUPP},
    {0, PAGE, RW, MMK_MAP_SHARED_VALIDATE | 0x80000000, true, 0, MMK_EOPNOTSUPP},
    {0, PAGE, RW, MMK_MAP_SHARED_VALIDATE | MMK_MAP_GROWSDOWN, true, 0, MMK_EINVAL},
    {0, PAGE, RW, MMK_MAP_SHARED_VALIDATE | MMK_MAP_GROWSDOWN | 0x200000, true, 0, MMK_EOPNOTSUPP},
    /* offsets */
    {0, PAGE, RW, MMK_MAP_PRIVATE, true, 0x7ffffffffffff000, MMK_EOVERFLOW},
    {0, 2 * PAGE, RW, MMK_MAP_PRIVATE, true, 0x7fffffffffffe000, MMK_EOVERFLOW},
    {0, PAGE, RW, MMK_MAP_SHARED, true, 0x8000000000000000, MMK_EOVERFLOW},
    {0, 2 * PAGE, RW, MMK_MAP_SHARED, true, 0xfffffffffffff000, MMK_EOVERFLOW},
};

static void test_bad_arguments(void **state)
{
    struct mmk_object *object = new_file(4);
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        const struct attempt *a = &attempts[i];
        int64_t got = mmk_mmap(mm, a->addr, a->length, a->prot, a->flags, a->object ? object : NULL,
                               a->offset);

        if (got != a->error)
            print_message("attempt %zu\n", i);
        assert_int_equal(got, a->error);
    }
    expect_shape(0, 0);
    mmk_object_put(object);
}

/* What Linux accepts though it looks wrong. */
static void test_odd_arguments(void **state)
{
    struct mmk_object *object = new_file(4);
    mmk_vaddr_t a;

    (void)state;
    assert_int_equal(mmk_mmap(mm, MMK_USER_END - PAGE, PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0),
                     MMK_USER_END - PAGE);
    store_byte(MMK_USER_END - 1, 1);
    assert_int_equal(mmk_mmap(mm, MIN_ADDR, PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0), MIN_ADDR);
    a = map(0, 1, RW, MMK_MAP_SHARED | 0x40000000, object, 0); /* unknown to SHARED: ignored */
    expect_byte(a, 1);
    a = map(0, 1, RW,
            MMK_MAP_SHARED_VALIDATE | MMK_MAP_NORESERVE | MMK_MAP_STACK | MMK_MAP_DENYWRITE |
                MMK_MAP_EXECUTABLE | 0x7c000000, /* and Linux's bits for sizes of huge pages */
            object, 1);
    expect_byte(a, 2);
    (void)map(0, 1, RW, MMK_MAP_PRIVATE, object, 0x7fffffffffffe);
    (void)map(0, 1, RW, ANON, NULL, 0xfffffffffffff); /* no object: the offset means nothing */
    (void)map(0, 1, RW, ANON, object, 0);             /* nor does the object */
    assert_true(mmk_mmap(mm, 0, 1, RW, ANON, NULL, 0) > 0);
    mmk_check(mm);
    mmk_object_put(object);
}

static void test_munmap_arguments(void **state)
{
    mmk_vaddr_t a = map_at(0, 8, RW, ANON);

    (void)state;
    assert_int_equal(mmk_munmap(mm, a + 1, PAGE), MMK_EINVAL);
    assert_int_equal(mmk_munmap(mm, a, 0), MMK_EINVAL);
    assert_int_equal(mmk_munmap(mm, a, UINT64_MAX), MMK_EINVAL);
    assert_int_equal(mmk_munmap(mm, a, (uint64_t)0 - PAGE), MMK_EINVAL);
    assert_int_equal(mmk_munmap(mm, MMK_USER_END, PAGE), MMK_EINVAL);
    assert_int_equal(mmk_munmap(mm, MMK_USER_END, 0), MMK_EINVAL);
    assert_int_equal(mmk_munmap(mm, MMK_USER_END + PAGE, PAGE), MMK_EINVAL);
    assert_int_equal(mmk_munmap(mm, MMK_USER_END - PAGE, PAGE + 1), MMK_EINVAL);
    expect_shape(1, 8);
    /* Nothing there is no error. */
    assert_int_equal(mmk_munmap(mm, MMK_USER_END - PAGE, PAGE), 0);
    assert_int_equal(mmk_munmap(mm, a - 8 * PAGE, 8 * PAGE), 0);
    assert_int_equal(mmk_munmap(mm, a + 8 * PAGE, 8 * PAGE), 0);
    expect_shape(1, 8);
    assert_int_equal(mmk_munmap(mm, a, 1), 0); /* whole pages */
    expect_shape(1, 7);
    assert_int_equal(mmk_munmap(mm, 0, MMK_USER_END), 0);
    expect_shape(0, 0);
}

/* ---- where ------------------------------------------------------------------------------------
 */

/* What an exec and a fault handler ask: where user memory ends, and where a first stack goes. */
static void test_ends(void **state)
{
    const mmk_vaddr_t top = mmk_map_window(), end = mmk_address_end();
    mmk_vaddr_t a;

    (void)state;
    assert_true(top <= end);
    assert_int_equal(mmk_mmap(mm, end - PAGE, PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0), end - PAGE);
    assert_int_equal(mmk_munmap(mm, end - PAGE, PAGE), 0);
    assert_int_equal(mmk_mmap(mm, end, PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0), MMK_ENOMEM);
    a = map(top - PAGE, 1, RW, STACK | MMK_MAP_FIXED, NULL, 0);
    assert_true(map_anon(1) < a);
    /* It can grow to its limit, whatever is mapped without an address. */
    store_byte(top - mmk_get_limit(mm, MMK_LIMIT_STACK), 1);
    expect_shape(2, 1 + mmk_get_limit(mm, MMK_LIMIT_STACK) / PAGE);
}

static void test_hint(void **state)
{
    mmk_vaddr_t a;

    (void)state;
    assert_int_equal(map(BASE, 4, RW, ANON, NULL, 0), BASE);
    /* Rounded down, as by Linux. */
    assert_int_equal(map(BASE + 16 * PAGE + 0xfff, 1, RW, ANON, NULL, 0), BASE + 16 * PAGE);
    /* Taken, or the end reaches something: elsewhere. */
    a = map(BASE + PAGE, 1, RW, ANON, NULL, 0);
    assert_true(a < BASE || a >= BASE + 17 * PAGE);
    a = map(BASE + 15 * PAGE, 2, RW, ANON, NULL, 0);
    assert_true(a < BASE || a >= BASE + 17 * PAGE);
    /* Those in the first page are none, other low ones are raised. */
    assert_true(map(0x800, 1, RW, ANON, NULL, 0) > GIB);
    assert_int_equal(map(PAGE + 5, 1, RW, ANON, NULL, 0), MIN_ADDR);
    /* Beyond the end: none. */
    assert_true(map(MMK_USER_END, 1, RW, ANON, NULL, 0) < MMK_USER_END);
    assert_true(map(MMK_USER_END - PAGE, 2, RW, ANON, NULL, 0) < MMK_USER_END - PAGE);
    assert_true(map(UINT64_MAX, 1, RW, ANON, NULL, 0) < MMK_USER_END);
    assert_int_equal(map(MMK_USER_END - PAGE, 1, RW, ANON, NULL, 0), MMK_USER_END - PAGE);
    mmk_check(mm);
}

static void test_fixed(void **state)
{
    mmk_vaddr_t a = map_at(0, 9, RW, ANON);

    (void)state;
    fill(a, 9, 10);
    map_at(3, 3, RO, ANON);
    expect_shape(3, 9);
    expect_filled(a, 3, 10);
    expect_byte(a + 3 * PAGE, 0);
    expect_store(a + 4 * PAGE, MMK_FAULT_SEGV_ACCERR);
    expect_filled(a + 6 * PAGE, 3, 16);
    map_at(3, 3, RW, ANON); /* the same as its neighbours again */
    expect_shape(1, 9);
    expect_byte(a + 4 * PAGE, 0);
    expect_filled(a + 6 * PAGE, 3, 16);
}

static void test_fixed_over_several(void **state)
{
    mmk_vaddr_t a = map_at(0, 4, RW, ANON);

    (void)state;
    map_at(4, 4, RO, ANON);
    map_at(10, 4, RW, ANON);
    map_at(14, 4, RX, ANON);
    fill(a, 4, 1);
    fill(a + 10 * PAGE, 4, 5);
    expect_shape(4, 16);
    map_at(2, 14, RX, ANON); /* from inside the first to inside the last */
    expect_shape(2, 18);     /* the last one's rest goes on with it */
    expect_filled(a, 2, 1);
    expect_byte(a + 2 * PAGE, 0);
    expect_byte(a + 10 * PAGE, 0);
    expect_store(a + 12 * PAGE, MMK_FAULT_SEGV_ACCERR);
    expect_vma(a + 17 * PAGE, a + 2 * PAGE, 16);
}

static void test_fixed_noreplace(void **state)
{
    const unsigned flags = ANON | MMK_MAP_FIXED_NOREPLACE;
    mmk_vaddr_t a;

    (void)state;
    assert_int_equal(map(BASE, 4, RW, flags, NULL, 0), BASE);
    a = BASE;
    store_byte(a, 7);
    assert_int_equal(mmk_mmap(mm, a, PAGE, RW, flags, NULL, 0), MMK_EEXIST);
    assert_int_equal(mmk_mmap(mm, a, PAGE, RW, flags | MMK_MAP_FIXED, NULL, 0), MMK_EEXIST);
    assert_int_equal(mmk_mmap(mm, a - PAGE, 2 * PAGE, RW, flags, NULL, 0), MMK_EEXIST);
    assert_int_equal(mmk_mmap(mm, a + 3 * PAGE, 2 * PAGE, RW, flags, NULL, 0), MMK_EEXIST);
    assert_int_equal(mmk_mmap(mm, a - PAGE, 9 * PAGE, RW, flags, NULL, 0), MMK_EEXIST);
    /* What is wrong with the type comes second. */
    assert_int_equal(mmk_mmap(mm, a, PAGE, RW, flags ^ MMK_MAP_PRIVATE, NULL, 0), MMK_EEXIST);
    expect_shape(1, 4);
    expect_byte(a, 7);
    assert_int_equal(map(a - PAGE, 1, RW, flags, NULL, 0), a - PAGE);
    assert_int_equal(map(a + 4 * PAGE, 1, RW, flags, NULL, 0), a + 4 * PAGE);
    expect_shape(1, 6);
}

static void test_top_down(void **state)
{
    mmk_vaddr_t a = map_anon(4), b, c;

    (void)state;
    assert_true(a + 4 * PAGE == mm->mmap_base);
    b = map(0, 2, RO, ANON, NULL, 0);
    assert_int_equal(b, a - 2 * PAGE);
    c = map(0, 3, RW, ANON, NULL, 0);
    assert_int_equal(c, b - 3 * PAGE);
    expect_shape(3, 9);
    /* A gap is filled by what fits, from its top; what does not goes below. */
    unmap(b, 2);
    assert_int_equal(map(0, 3, RO, ANON, NULL, 0), c - 3 * PAGE);
    assert_int_equal(map(0, 1, RO, ANON, NULL, 0), b + PAGE);
    assert_int_equal(map(0, 1, RO, ANON, NULL, 0), b);
    mmk_check(mm);
}

static void test_address_space_full(void **state)
{
    uint64_t below = (mm->mmap_base - MIN_ADDR) / PAGE;
    uint64_t above = (MMK_MAP_WINDOW - mm->mmap_base) / PAGE;
    mmk_vaddr_t a;

    (void)state;
    assert_int_equal(map(0, below, RW, ANON, NULL, 0), MIN_ADDR);
    /* Nothing left below: anywhere. */
    a = map(0, 1, RO, ANON, NULL, 0);
    assert_int_equal(a, MMK_MAP_WINDOW - PAGE);
    assert_int_equal(mmk_mmap(mm, 0, above * PAGE, RO, ANON, NULL, 0), MMK_ENOMEM);
    assert_int_equal(map(0, above - 1, RO, ANON, NULL, 0), mm->mmap_base);
    assert_int_equal(mmk_mmap(mm, 0, PAGE, RO, ANON, NULL, 0), MMK_ENOMEM);
    expect_shape(2, below + above);
    store_byte(mm->mmap_base - PAGE, 1);
    unmap(mm->mmap_base - PAGE, 1);
    assert_int_equal(map(0, 1, RO, ANON, NULL, 0), mm->mmap_base - PAGE);
    expect_byte(mm->mmap_base - PAGE, 0);
}

/* ---- above the window: where there is an above, and only when asked for
 * --------------------------------
 */

#define WINDOW MMK_MAP_WINDOW
#define ABOVE  (WINDOW + 16 * MIB)

/* Where mappings start when the hint is above the window. */
static mmk_vaddr_t high_base(void)
{
    return mm->mmap_base + (MMK_USER_END - WINDOW);
}

static void test_window_hint(void **state)
{
    mmk_vaddr_t low = mm->mmap_base, high = high_base();

    (void)state;
    if (WINDOW == MMK_USER_END) { /* beyond the end: no hint */
        assert_int_equal(high, low);
        assert_int_equal(map(ABOVE, 4, RW, ANON, NULL, 0), low - 4 * PAGE);
        return;
    }
    assert_int_equal(map(ABOVE, 4, RW, ANON, NULL, 0), ABOVE);
    fill(ABOVE, 4, 1);
    /* Taken, or it does not fit: as high as may be. */
    assert_int_equal(map(ABOVE, 4, RO, ANON, NULL, 0), high - 4 * PAGE);
    assert_int_equal(map(MMK_USER_END - PAGE, 2, RO, ANON, NULL, 0), high - 6 * PAGE);
    assert_int_equal(map(UINT64_MAX, 1, RW, ANON, NULL, 0), high - 7 * PAGE);
    store_byte(high - 7 * PAGE, 9);
    /* Nobody else goes there. */
    assert_int_equal(map(0, 4, RW, ANON, NULL, 0), low - 4 * PAGE);
    assert_int_equal(map(low - PAGE, 1, RO, ANON, NULL, 0), low - 5 * PAGE);
    expect_filled(ABOVE, 4, 1);
    expect_byte(high - 7 * PAGE, 9);
    expect_byte(low - 4 * PAGE, 0);
    mmk_check(mm);
}

/* A hint whose mapping would cross the window's end is none; FIXED may cross it. */
static void test_window_straddled(void **state)
{
    mmk_vaddr_t low = mm->mmap_base;
    int64_t crossing;

    (void)state;
    assert_int_equal(map(WINDOW - PAGE, 2, RW, ANON, NULL, 0), low - 2 * PAGE);
    assert_int_equal(map(WINDOW - GIB, 2 * GIB / PAGE, RW, ANON, NULL, 0),
                     low - 2 * PAGE - 2 * GIB);
    unmap(low - 2 * PAGE - 2 * GIB, 2 * GIB / PAGE);
    assert_int_equal(map(WINDOW, 1, RO, ANON, NULL, 0), low - 3 * PAGE);
    assert_int_equal(map(WINDOW + 1, 1, RX, ANON, NULL, 0), low - 4 * PAGE); /* rounded first */
    assert_int_equal(map(WINDOW - PAGE, 1, RW, ANON, NULL, 0), WINDOW - PAGE);
    crossing = mmk_mmap(mm, WINDOW - PAGE, 4 * PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0);
    if (WINDOW == MMK_USER_END) {
        assert_int_equal(crossing, MMK_ENOMEM);
        return;
    }
    assert_int_equal(crossing, WINDOW - PAGE);
    assert_int_equal(map(WINDOW + 3 * PAGE, 1, RW, ANON, NULL, 0), WINDOW + 3 * PAGE);
    fill(WINDOW - PAGE, 5, 1);
    assert_int_equal(mmk_madvise(mm, WINDOW, 2 * PAGE, MMK_MADV_DONTNEED), 0);
    expect_byte(WINDOW - PAGE, 1);
    expect_byte(WINDOW, 0);
    expect_byte(WINDOW + PAGE, 0);
    expect_filled(WINDOW + 2 * PAGE, 2, 4);
    mmk_check(mm);
    unmap(WINDOW - PAGE, 5);
    expect_tables(mm, 0, 0, 0);
}

/* One side is full: who asked for above goes below, but not the other way round. */
static void test_window_full(void **state)
{
    uint64_t above = (MMK_USER_END - WINDOW) / PAGE;

    (void)state;
    if (above > 0) {
        assert_int_equal(map(WINDOW, above, RO, ANON | MMK_MAP_FIXED, NULL, 0), WINDOW);
        assert_int_equal(map(ABOVE, 1, RW, ANON, NULL, 0), WINDOW - PAGE);
        unmap(WINDOW - PAGE, above + 1);
    }
    (void)map(MIN_ADDR, (WINDOW - MIN_ADDR) / PAGE, RO, ANON | MMK_MAP_FIXED, NULL, 0);
    assert_int_equal(mmk_mmap(mm, 0, PAGE, RW, ANON, NULL, 0), MMK_ENOMEM);
    assert_int_equal(mmk_mmap(mm, WINDOW, PAGE, RW, ANON, NULL, 0), MMK_ENOMEM);
    assert_int_equal(mmk_mmap(mm, WINDOW + PAGE, PAGE, RW, ANON, NULL, 0),
                     above > 0 ? (int64_t)(WINDOW + PAGE) : MMK_ENOMEM);
    mmk_check(mm);
}

/* ---- the room below a stack --------------------------------------------------------------------
 */

static void test_guard_gap(void **state)
{
    const uint64_t far = 4096; /* pages: 16 MiB */
    mmk_vaddr_t stack = map_at(far, 16, RW, STACK), a;

    (void)state;
    /* A hint in the room below a stack is not taken; one that just leaves it is. */
    a = map(stack - PAGE, 1, RW, ANON, NULL, 0);
    assert_true(a > stack);
    a = map(stack - GUARD, 1, RW, ANON, NULL, 0);
    assert_true(a > stack);
    assert_int_equal(map(stack - GUARD - PAGE, 1, RW, ANON, NULL, 0), stack - GUARD - PAGE);
    /* FIXED may go there, as on Linux, and so may what is next to its other end. */
    assert_int_equal(map(stack - PAGE, 1, RW, ANON | MMK_MAP_FIXED_NOREPLACE, NULL, 0),
                     stack - PAGE);
    assert_int_equal(map(stack + 16 * PAGE, 1, RO, ANON, NULL, 0), stack + 16 * PAGE);
    mmk_check(mm);
}

/* The search passes gaps that a stack needs, or needs the top of. */
static void test_gap_search_below_stack(void **state)
{
    mmk_vaddr_t top = mm->mmap_base, stack = top - 64 * PAGE, next;

    (void)state;
    (void)map(stack, 64, RW, STACK | MMK_MAP_FIXED, NULL, 0);
    assert_int_equal(map(0, 1, RO, ANON, NULL, 0), stack - GUARD - PAGE);
    /* 512 KiB between two mappings, the upper one a stack: too narrow. */
    next = stack - GUARD - PAGE - 512 * KIB;
    (void)map(next - 16 * PAGE, 16, RW, STACK | MMK_MAP_FIXED, NULL, 0);
    next -= 16 * PAGE;
    (void)map(next - 128 * PAGE, 1, RW, ANON | MMK_MAP_FIXED, NULL, 0);
    assert_int_equal(map(0, 1, RX, ANON, NULL, 0), next + 16 * PAGE + 512 * KIB - PAGE);
    assert_int_equal(map(0, 127, RX, ANON, NULL, 0), next + 16 * PAGE);
    /* Linux, too, goes on below the room, not below what lies in it. */
    assert_int_equal(map(0, 2, RX, ANON, NULL, 0), next - GUARD - 2 * PAGE);
    mmk_check(mm);
}

/* A stack nearer to address 0 than its room. */
static void test_low_stack(void **state)
{
    mmk_vaddr_t stack = 2 * MIN_ADDR;

    (void)state;
    (void)map(stack, 1, RW, STACK | MMK_MAP_FIXED, NULL, 0);
    assert_true(map(MIN_ADDR, 1, RW, ANON, NULL, 0) > stack);
    /* Everything above is taken: what is below belongs to the stack. */
    (void)map(stack + PAGE, (MMK_USER_END - stack) / PAGE - 1, RO, ANON | MMK_MAP_FIXED, NULL, 0);
    assert_int_equal(mmk_mmap(mm, 0, PAGE, RW, ANON, NULL, 0), MMK_ENOMEM);
    mmk_check(mm);
}

/* ---- shapes ------------------------------------------------------------------------------------
 */

static void test_merge(void **state)
{
    (void)state;
    map_at(0, 2, RW, ANON);
    map_at(4, 2, RW, ANON);
    expect_shape(2, 4);
    map_at(2, 2, RW, ANON); /* between: all three are one */
    expect_shape(1, 6);
    map_at(6, 1, RW, ANON); /* above */
    expect_shape(1, 7);
    map_at(9, 1, RW, ANON);
    map_at(8, 1, RW, ANON); /* below */
    expect_shape(2, 9);
    map_at(7, 1, RO, ANON);
    expect_shape(3, 10);
    map_at(10, 1, RW, SHARED_ANON);
    map_at(11, 1, RW, SHARED_ANON); /* another object */
    expect_shape(5, 12);
    map_at(12, 1, RW, STACK);
    expect_shape(6, 13);
}

static void test_merge_objects(void **state)
{
    struct mmk_object *one = new_file(16), *two = new_file(16);

    (void)state;
    map_object_at(0, 2, RW, MMK_MAP_SHARED, one, 3);
    map_object_at(2, 2, RW, MMK_MAP_SHARED, one, 5); /* goes on */
    expect_shape(1, 4);
    map_object_at(4, 2, RW, MMK_MAP_SHARED, one, 8); /* leaves one out */
    expect_shape(2, 6);
    map_object_at(6, 2, RW, MMK_MAP_SHARED, two, 10);
    expect_shape(3, 8);
    map_object_at(8, 2, RW, MMK_MAP_PRIVATE, two, 12);
    expect_shape(4, 10);
    map_object_at(12, 2, RW, MMK_MAP_PRIVATE, two, 4);
    map_object_at(10, 2, RW, MMK_MAP_PRIVATE, two, 2); /* before one */
    expect_shape(5, 14);
    expect_byte(BASE, 4);
    expect_byte(BASE + 3 * PAGE, 7);
    expect_byte(BASE + 4 * PAGE, 9);
    expect_byte(BASE + 10 * PAGE, 3);
    expect_byte(BASE + 13 * PAGE, 6);
    mmk_check_object(one);
    mmk_check_object(two);
    mmk_object_put(one);
    mmk_object_put(two);
}

static void test_unmap_parts(void **state)
{
    mmk_vaddr_t a = map_at(0, 16, RW, ANON);

    (void)state;
    fill(a, 16, 1);
    unmap(a, 2);
    expect_shape(1, 14);
    unmap(a + 14 * PAGE, 2);
    expect_shape(1, 12);
    unmap(a + 6 * PAGE, 3);
    expect_shape(2, 9);
    expect_vma(a + 2 * PAGE, a + 2 * PAGE, 4);
    expect_vma(a + 9 * PAGE, a + 9 * PAGE, 5);
    expect_filled(a + 2 * PAGE, 4, 3);
    expect_filled(a + 9 * PAGE, 5, 10);
    expect_load(a + PAGE, MMK_FAULT_SEGV_MAPERR);
    expect_load(a + 6 * PAGE, MMK_FAULT_SEGV_MAPERR);
    expect_load(a + 14 * PAGE, MMK_FAULT_SEGV_MAPERR);
    assert_int_equal(mm_stats(mm).rss_anon, 9);
    /* Over the hole: the upper half of one, the lower half of the other. */
    unmap(a + 4 * PAGE, 8);
    expect_shape(2, 4);
    expect_filled(a + 2 * PAGE, 2, 3);
    expect_filled(a + 12 * PAGE, 2, 13);
    unmap(a, 16);
    expect_shape(0, 0);
    expect_tables(mm, 0, 0, 0);
}

static void test_unmap_several(void **state)
{
    static const unsigned prots[] = {RW, RO};
    uint64_t i;

    (void)state;
    for (i = 0; i < 100; i++)
        map_at(i * 3, 2, prots[i % 2], ANON);
    for (i = 0; i < 100; i++)
        expect_byte(BASE + i * 3 * PAGE, 0);
    expect_shape(100, 200);
    unmap(BASE + PAGE, 297); /* leaves the first page and the last */
    expect_shape(2, 2);
    unmap(BASE, 300);
    expect_shape(0, 0);
}

/* A part of an object's mapping still shows the right part of it. */
static void test_object_parts(void **state)
{
    struct mmk_object *file = new_file(16);
    mmk_vaddr_t a = map_object_at(0, 12, RW, MMK_MAP_SHARED, file, 2);
    uint64_t i;

    (void)state;
    for (i = 0; i < 12; i++)
        expect_byte(a + i * PAGE, (uint8_t)(i + 3));
    assert_int_equal(mm_stats(mm).rss_file, 12);
    unmap(a + 4 * PAGE, 2);
    unmap(a, 1);
    unmap(a + 11 * PAGE, 1);
    expect_shape(2, 8);
    mmk_check_object(file);
    assert_int_equal(mmk_madvise(mm, a + PAGE, 3 * PAGE, MMK_MADV_DONTNEED), 0);
    for (i = 1; i < 4; i++)
        expect_byte(a + i * PAGE, (uint8_t)(i + 3));
    for (i = 6; i < 11; i++)
        expect_byte(a + i * PAGE, (uint8_t)(i + 3));
    map_object_at(4, 2, RW, MMK_MAP_SHARED, file, 6); /* the hole, as before: one again */
    expect_shape(1, 10);
    expect_byte(a + 4 * PAGE, 7);
    mmk_check_object(file);
    assert_int_equal(mmk_object_resize(file, 8 * PAGE), 0);
    expect_byte(a + 5 * PAGE, 8);
    expect_load(a + 6 * PAGE, MMK_FAULT_BUS);
    mmk_object_put(file);
}

/* Two mappings of one object see each other's stores; shared anonymous memory is an object. */
static void test_shared(void **state)
{
    struct mmk_object *shmem = new_shmem(4);
    mmk_vaddr_t a, b, c;

    (void)state;
    a = map_object_at(0, 4, RW, MMK_MAP_SHARED, shmem, 0);
    b = map_object_at(8, 2, RW, MMK_MAP_SHARED, shmem, 2);
    store_byte(a + 3 * PAGE + 5, 9);
    expect_byte(b + PAGE + 5, 9);
    store_byte(b, 8);
    expect_byte(a + 2 * PAGE, 8);
    assert_int_equal(mm_stats(mm).rss_shmem, 4);
    assert_int_equal(stats_now().objects, 1);
    c = map(0, 4, RW, SHARED_ANON, NULL, 0);
    assert_int_equal(stats_now().objects, 2);
    expect_byte(c, 0);
    store_byte(c, 3);
    unmap(c, 4);
    assert_int_equal(stats_now().objects, 1);
    mmk_check_object(shmem);
    mmk_object_put(shmem);
    store_byte(b, 1); /* mappings keep it */
    assert_int_equal(stats_now().objects, 1);
}

/* Replacing does not leave old translations behind. */
static void test_replace_flushes(void **state)
{
    struct mmk_object *file = new_file(2);
    mmk_vaddr_t a = map_at(0, 2, RW, ANON);

    (void)state;
    fill(a, 2, 50);
    expect_filled(a, 2, 50);
    map_object_at(0, 2, RO, MMK_MAP_PRIVATE, file, 0);
    expect_byte(a, 1);
    expect_byte(a + PAGE, 2);
    expect_store(a, MMK_FAULT_SEGV_ACCERR);
    map_at(0, 2, MMK_PROT_NONE, ANON);
    expect_load(a, MMK_FAULT_SEGV_ACCERR);
    mmk_object_put(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bad_arguments),
        TEST(test_odd_arguments),
        TEST(test_munmap_arguments),
        TEST(test_ends),
        TEST(test_hint),
        TEST(test_fixed),
        TEST(test_fixed_over_several),
        TEST(test_fixed_noreplace),
        TEST(test_top_down),
        TEST(test_address_space_full),
        TEST(test_window_hint),
        TEST(test_window_straddled),
        TEST(test_window_full),
        TEST(test_guard_gap),
        TEST(test_gap_search_below_stack),
        TEST(test_low_stack),
        TEST(test_merge),
        TEST(test_merge_objects),
        TEST(test_unmap_parts),
        TEST(test_unmap_several),
        TEST(test_object_parts),
        TEST(test_shared),
        TEST(test_replace_flushes),
    };

    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
