/* SPDX-License-Identifier: MIT */
/*
 * test_pt.c - the accessors of the page-table format that is built: what each changes and what it
 * leaves alone, for every entry that they can make. The bits are the format's business; that
 * hardware takes them as meant is shown by everything that runs on the machine, which knows the
 * format by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pte_entry.h"

/* What an entry says, in no format. */
struct said {
    bool none, present, accessible, write, exec, dirty, special, normal, guard, swap, away, grouped;
    bool used_read, used_write;
    mmk_pfn_t pfn;
};

static const mmk_pfn_t frames[] = {1, 2, 0x80, 0x7ff, 0x12345, 0x7ffffff, ((mmk_pfn_t)1 << 36) - 1};

#define FRAMES (sizeof(frames) / sizeof(frames[0]))

static struct said ask(mmk_pte_t pte)
{
    struct said said = {
        .none = mmk_pte_none(pte),
        .present = mmk_pte_present(pte),
        .accessible = mmk_pte_accessible(pte),
        .write = mmk_pte_write(pte),
        .exec = mmk_pte_exec(pte),
        .dirty = mmk_pte_dirty(pte),
        .special = mmk_pte_special(pte),
        .normal = mmk_pte_normal(pte),
        .guard = mmk_pte_guard(pte),
        .swap = mmk_pte_swap(pte),
        .away = mmk_pte_away(pte),
        .grouped = mmk_pte_grouped(pte),
        .used_read = mmk_pte_used(pte, false),
        .used_write = mmk_pte_used(pte, true),
        .pfn = mmk_pte_pfn(pte),
    };

    return said;
}

static void expect_said(mmk_pte_t pte, const struct said *want)
{
    const struct said said = ask(pte);

    assert_int_equal(said.none, want->none);
    assert_int_equal(said.present, want->present);
    assert_int_equal(said.accessible, want->accessible);
    assert_int_equal(said.write, want->write);
    assert_int_equal(said.exec, want->exec);
    assert_int_equal(said.dirty, want->dirty);
    assert_int_equal(said.special, want->special);
    assert_int_equal(said.normal, want->normal);
    assert_int_equal(said.guard, want->guard);
    assert_false(said.swap || said.away);
    assert_int_equal(said.grouped, want->grouped);
    assert_int_equal(said.used_read, want->used_read);
    assert_int_equal(said.used_write, want->used_write);
    assert_int_equal(said.pfn, want->pfn);
}

/*
 * Every change that there is, by number. `want` is what the entry said before, and becomes what it
 * has to say after.
 */
enum { CHANGES = 8 + 8 };

static mmk_pte_t change_use(mmk_pte_t pte, bool write, struct said *want)
{
    mmk_pte_t changed = mmk_pte_mkused(pte, write);

    want->used_read = true;
    want->dirty = want->dirty || write;
    want->used_write = write || mmk_pte_used(changed, true);
    return changed;
}

static mmk_pte_t change_protection(mmk_pte_t pte, unsigned prot, struct said *want)
{
    bool access = prot & 1, write = prot & 2, exec = prot & 4;
    mmk_pte_t changed;

    want->accessible = access;
    want->exec = exec;
    want->write = want->write && write;
    changed = mmk_pte_protect(pte, access, write, exec);
    want->used_write = mmk_pte_used(changed, true);
    return changed;
}

static mmk_pte_t change(mmk_pte_t pte, unsigned which, struct said *want)
{
    mmk_pte_t changed = pte;

    switch (which) {
    case 0:
        want->write = false;
        changed = mmk_pte_wrprotect(pte);
        want->used_write = mmk_pte_used(changed, true);
        return changed;
    case 1:
        want->write = true;
        changed = mmk_pte_mkwrite(pte);
        want->used_write = mmk_pte_used(changed, true);
        return changed;
    case 2:
        want->dirty = false;
        changed = mmk_pte_mkold_clean(pte);
        want->used_read = mmk_pte_used(changed, false);
        want->used_write = mmk_pte_used(changed, true);
        return changed;
    case 3:
        want->special = true;
        want->normal = false;
        return mmk_pte_mkspecial(pte);
    case 4:
        return change_use(pte, false, want);
    case 5:
        return mmk_pte_write(pte) ? change_use(pte, true, want) : pte;
    case 6:
        want->dirty = false;
        changed = mmk_pte_mkclean(pte);
        want->used_write = mmk_pte_used(changed, true);
        return changed;
    case 7:
        want->dirty = true;
        changed = mmk_pte_mkdirty(pte);
        want->used_write = mmk_pte_used(changed, true);
        return changed;
    default:
        return change_protection(pte, which - 8, want);
    }
}

/* The rules that hold for whatever is present. */
static void check_present(mmk_pte_t pte)
{
    const struct said said = ask(pte);

    assert_true(said.present);
    assert_false(said.none);
    assert_false(said.guard);
    assert_int_equal(said.normal, !said.special);
    /* An entry that may be written to and has been used for it is dirty, or hardware sees to it. */
    if (said.write && said.used_write && !said.dirty)
        assert_true(mmk_pte_used(mmk_pte_mkold_clean(pte), true));
    /* There and back: what is taken away for a while comes back as it was. */
    if (said.write)
        assert_int_equal(mmk_pte_mkwrite(mmk_pte_wrprotect(pte)).v,
                         mmk_pte_mkwrite(mmk_pte_wrprotect(mmk_pte_mkwrite(pte))).v);
    assert_int_equal(mmk_pte_wrprotect(mmk_pte_wrprotect(pte)).v, mmk_pte_wrprotect(pte).v);
    assert_int_equal(mmk_pte_dirty(mmk_pte_mkwrite(mmk_pte_wrprotect(pte))), said.dirty);
    /* A protection that says the same changes nothing at all: mprotect counts on it. */
    assert_int_equal(mmk_pte_protect(pte, said.accessible, said.write, said.exec).v, pte.v);
}

/* From `pte` by every sequence of `depth` changes. */
static void explore(mmk_pte_t pte, unsigned depth)
{
    unsigned which;

    check_present(pte);
    for (which = 0; depth > 0 && which < CHANGES; which++) {
        struct said want = ask(pte);
        mmk_pte_t changed = change(pte, which, &want);

        expect_said(changed, &want);
        explore(changed, depth - 1);
    }
}

static void test_every_change(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < FRAMES; i++) {
        unsigned kind;

        for (kind = 0; kind < 4; kind++)
            explore(mmk_pte_leaf(frames[i], kind & 1, kind & 2), i == 4 ? 4 : 2);
    }
}

static void test_leaf(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < FRAMES; i++) {
        unsigned kind;

        for (kind = 0; kind < 4; kind++) {
            bool write = kind & 1, exec = kind & 2;
            mmk_pte_t pte = mmk_pte_leaf(frames[i], write, exec);
            struct said want = {.present = true,
                                .accessible = true,
                                .write = write,
                                .exec = exec,
                                .dirty = write,
                                .normal = true,
                                .used_read = true,
                                .used_write = ask(pte).used_write,
                                .pfn = frames[i]};

            expect_said(pte, &want);
            if (write)
                assert_true(want.used_write);
        }
    }
}

/* A store after fork: read-only, copied or taken over, and dirty throughout. */
static void test_dirty_survives(void **state)
{
    mmk_pte_t pte = mmk_pte_leaf(0x1234, true, false);

    (void)state;
    pte = mmk_pte_wrprotect(pte);
    assert_true(mmk_pte_dirty(pte));
    pte = mmk_pte_protect(pte, false, false, false);
    assert_true(mmk_pte_dirty(pte));
    pte = mmk_pte_protect(pte, true, true, true);
    assert_true(mmk_pte_dirty(pte) && !mmk_pte_write(pte));
    pte = mmk_pte_mkwrite(pte);
    assert_true(mmk_pte_dirty(pte) && mmk_pte_used(pte, true));
}

/* A clean entry that may be written to: a store has to show. */
static void test_clean_is_noticed(void **state)
{
    mmk_pte_t clean = mmk_pte_mkold_clean(mmk_pte_leaf(0x1234, true, false));
    mmk_pte_t again = mmk_pte_mkwrite(mmk_pte_wrprotect(clean));
    mmk_pte_t used = mmk_pte_mkused(clean, true);

    (void)state;
    assert_true(mmk_pte_write(clean) && !mmk_pte_dirty(clean));
    assert_true(mmk_pte_write(again) && !mmk_pte_dirty(again));
    assert_int_equal(used.v, mmk_pte_leaf(0x1234, true, false).v | used.v);
    assert_true(mmk_pte_dirty(used) && mmk_pte_used(used, true) && mmk_pte_used(used, false));
    assert_false(mmk_pte_dirty(mmk_pte_mkused(clean, false)));
}

/* Not used of late is all that an old entry says, and being used makes up for it. */
static void test_old(void **state)
{
    mmk_pte_t pte = mmk_pte_leaf(0x1234, true, false), old = mmk_pte_mkold(pte);

    (void)state;
    assert_true(old.v != pte.v && mmk_pte_mkold(old).v == old.v);
    assert_int_equal(mmk_pte_mkused(old, false).v, pte.v);
    assert_true(mmk_pte_dirty(old) && mmk_pte_write(old));
    assert_false(mmk_pte_dirty(mmk_pte_mkold(mmk_pte_leaf(0x1234, false, false))));
}

static void test_not_present(void **state)
{
    const mmk_pte_t none = {0};
    const mmk_pte_t guard = mmk_pte_mkguard();

    (void)state;
    assert_true(mmk_pte_none(none));
    assert_false(mmk_pte_present(none) || mmk_pte_accessible(none) || mmk_pte_normal(none));
    assert_false(mmk_pte_guard(none) || mmk_pte_special(none) || mmk_pte_grouped(none));
    assert_false(mmk_pte_swap(none) || mmk_pte_away(none));
    assert_true(mmk_pte_guard(guard));
    assert_false(mmk_pte_swap(guard) || mmk_pte_away(guard));
    assert_false(mmk_pte_none(guard) || mmk_pte_present(guard) || mmk_pte_accessible(guard));
    assert_false(mmk_pte_write(guard) || mmk_pte_dirty(guard) || mmk_pte_special(guard));
    assert_false(mmk_pte_normal(guard) || mmk_pte_grouped(guard));
}

/* Each bit that a slot may have, alone and with all others. */
static void test_swap(void **state)
{
    const uint64_t all = ((uint64_t)1 << MMK_PTE_SLOT_BITS) - 1;
    unsigned i;

    (void)state;
    for (i = 0; i <= 2 * MMK_PTE_SLOT_BITS; i++) {
        uint64_t slot = i < MMK_PTE_SLOT_BITS ? (uint64_t)1 << i : all >> (i - MMK_PTE_SLOT_BITS);
        mmk_pte_t own = mmk_pte_mkswap(slot, true), shared = mmk_pte_mkswap(slot, false);

        assert_true(mmk_pte_swap(own) && mmk_pte_swap(shared));
        assert_true(mmk_pte_away(own) && mmk_pte_away(shared));
        assert_true(mmk_pte_slot(own) == slot && mmk_pte_slot(shared) == slot);
        assert_true(mmk_pte_swap_exclusive(own) && !mmk_pte_swap_exclusive(shared));
        assert_int_equal(mmk_pte_swap_share(own).v, shared.v);
        assert_false(mmk_pte_none(shared) || mmk_pte_guard(own) || mmk_pte_guard(shared));
        assert_false(mmk_pte_present(own) || mmk_pte_accessible(own) || mmk_pte_normal(own));
        assert_false(mmk_pte_write(own) || mmk_pte_dirty(own) || mmk_pte_special(own));
        assert_false(mmk_pte_grouped(own));
    }
}

/* A link names its table, and is nothing that a leaf can be taken for. */
static void test_link(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < FRAMES; i++) {
        mmk_pte_t link = mmk_pte_link(frames[i]);

        assert_false(mmk_pte_none(link) || mmk_pte_guard(link) || mmk_pte_grouped(link));
        assert_true(mmk_pte_accessible(link));
        assert_int_equal(mmk_pte_pfn(link), frames[i]);
    }
}

#if MMK_PT_GROUP > 1
static void test_group(void **state)
{
    mmk_pte_t single = mmk_pte_leaf(0x40, true, false), pte = single;

    (void)state;
    pte = mmk_pte_mkgroup(pte);
    assert_int_equal(pte.v, single.v | (uint64_t)1 << 52);
    assert_true(mmk_pte_grouped(pte) && mmk_pte_normal(pte));
    assert_int_equal(mmk_pte_pfn(pte), 0x40);
    assert_int_equal(mmk_pte_mksingle(pte).v, single.v);
}
#endif

/* The tables tile the addresses: each entry's span is the table's below it. */
static void test_shape(void **state)
{
    unsigned level;

    (void)state;
    assert_int_equal(mmk_pt_entry_span(0), MMK_PAGE_SIZE);
    for (level = 0; level < MMK_PT_LEVELS; level++) {
        const mmk_vaddr_t base = mmk_pt_table_span(level) & (MMK_USER_END - 1);
        unsigned i;

        assert_int_equal(mmk_pt_table_span(level), mmk_pt_entry_span(level) * MMK_PT_ENTRIES);
        for (i = 0; i < MMK_PT_ENTRIES; i++) {
            mmk_vaddr_t addr = base + i * mmk_pt_entry_span(level);

            assert_int_equal(mmk_pt_index(addr, level), i);
            assert_int_equal(mmk_pt_index(addr + mmk_pt_entry_span(level) - 1, level), i);
            assert_int_equal(mmk_pt_base(addr + mmk_pt_entry_span(level) - 1, level), base);
        }
    }
    assert_true(MMK_USER_END <= mmk_pt_table_span(MMK_PT_LEVELS - 1));
    assert_int_equal(MMK_USER_END & ~MMK_PAGE_MASK, 0);
    assert_int_equal(MMK_MAP_WINDOW & ~MMK_PAGE_MASK, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_change),
        cmocka_unit_test(test_leaf),
        cmocka_unit_test(test_dirty_survives),
        cmocka_unit_test(test_clean_is_noticed),
        cmocka_unit_test(test_old),
        cmocka_unit_test(test_not_present),
        cmocka_unit_test(test_swap),
        cmocka_unit_test(test_link),
#if MMK_PT_GROUP > 1
        cmocka_unit_test(test_group),
#endif
        cmocka_unit_test(test_shape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
