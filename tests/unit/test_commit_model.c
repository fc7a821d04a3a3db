/* SPDX-License-Identifier: MIT */
/*
 * test_commit_model.c - what is committed after each of many calls, and when there is no more,
 * against a model: every overcommit mode, several address spaces that fork from each other.
 *
 * The model is what Linux documents (Documentation/mm/overcommit-accounting, mmap(2), fork(2),
 * vm.overcommit_* in proc(5)), page by page: it has no sums that could be wrong, but counts all
 * pages anew each time. Of mmkit it asks only where one mapping ends and the next begins, as what
 * is asked for at once is asked by mapping.
 *
 * TEST_SEED=n repeats a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <mmkit/maps.h>

#include "fixture.h"
#include "random.h"

#define SLOTS   48 /* of `unit` pages each, next to each other */
#define SPACES  4
#define OBJECTS 64
#define STEPS   6000
#define HEAP    (BASE + 8 * GIB)
#define STACKS  (BASE + 16 * GIB) /* where stacks end */

enum kind { HOLE, PRIVATE_ANON, PRIVATE_FILE, SHARED_MEMORY, SHARED_FILE };

struct slot {
    enum kind kind;
    unsigned prot;
    bool noreserve;
    bool counts;  /* as committed, by the mapping */
    bool written; /* private anonymous memory; its mapping was, somewhere, at some time */
    bool dontfork, wipeonfork;
    unsigned object; /* SHARED_MEMORY: its number; OBJECTS: counts for nothing */
};

static struct space {
    struct mmk_mm *mm; /* NULL: none */
    struct slot slots[SLOTS];
    uint64_t heap, stack; /* pages; stack: 0: none */
} spaces[SPACES];

static uint64_t object_pages[OBJECTS]; /* 0: none; what shared memory counts for */
static enum mmk_overcommit mode;
static uint64_t limit; /* pages: NEVER: that may be committed; HEURISTIC: at once */
static uint64_t unit;  /* pages of a slot */
static struct mmk_object *file;
static uint64_t seed, state;
static unsigned refused; /* calls, for lack of what may be committed */

static uint64_t below(uint64_t end)
{
    return random_below(&state, end);
}

static bool one_in(unsigned n)
{
    return below(n) == 0;
}

static mmk_vaddr_t address(unsigned slot)
{
    return BASE + slot * unit * PAGE;
}

/* ---- the model: what is committed, and whether there may be more ------------------------------
 */

static bool is_mapped(unsigned object)
{
    unsigned i, k;

    for (i = 0; i < SPACES; i++)
        for (k = 0; spaces[i].mm && k < SLOTS; k++)
            if (spaces[i].slots[k].kind != HOLE && spaces[i].slots[k].object == object)
                return true;
    return false;
}

static uint64_t committed_by(const struct space *space)
{
    uint64_t pages = space->heap + space->stack;
    unsigned i;

    for (i = 0; i < SLOTS; i++)
        pages += space->slots[i].counts ? unit : 0;
    return pages;
}

static uint64_t committed(void)
{
    uint64_t pages = 0;
    unsigned i;

    for (i = 0; i < SPACES; i++)
        pages += spaces[i].mm ? committed_by(&spaces[i]) : 0;
    for (i = 0; i < OBJECTS; i++)
        pages += object_pages[i];
    return pages;
}

/* A file that nobody has is closed at the end of a call, not in the middle. */
static void close_objects(void)
{
    unsigned i;

    for (i = 0; i < OBJECTS; i++)
        if (object_pages[i] > 0 && !is_mapped(i))
            object_pages[i] = 0;
}

static bool may_commit(uint64_t pages)
{
    bool may = true;

    if (mode == MMK_OVERCOMMIT_NEVER)
        may = committed() + pages <= limit;
    else if (mode == MMK_OVERCOMMIT_HEURISTIC)
        may = pages <= limit;
    refused += !may;
    return may;
}

/* Private and writable counts, unless NORESERVE said not to. */
static bool will_count(const struct slot *slot, unsigned prot)
{
    return (slot->kind == PRIVATE_ANON || slot->kind == PRIVATE_FILE) && (prot & MMK_PROT_WRITE) &&
           !slot->noreserve;
}

static void clear(struct space *space, unsigned first, unsigned count)
{
    unsigned i;

    for (i = 0; i < count; i++)
        space->slots[first + i] = (struct slot){.kind = HOLE};
}

/* ---- where mappings end: asked of mmkit -------------------------------------------------------
 */

/* A slot's mapping begins there, or a hole does. */
static bool begins[SLOTS + 1];

static int note_begin(const struct mmk_mapping *mapping, void *argument)
{
    (void)argument;
    begins[(mapping->start - BASE) / PAGE / unit] = true;
    begins[(mapping->end - BASE) / PAGE / unit] = true;
    return 0;
}

static void look_for_ends(const struct space *space)
{
    memset(begins, 0, sizeof(begins));
    assert_int_equal(mmk_for_each_mapping(space->mm, BASE, address(SLOTS), note_begin, NULL), 0);
}

/* => behind the part of [slot, end) that is in one mapping, or one hole */
static unsigned part_end(const struct space *space, unsigned slot, unsigned end)
{
    bool hole = space->slots[slot].kind == HOLE;

    do
        slot++;
    while (slot < end && (hole ? space->slots[slot].kind == HOLE : !begins[slot]));
    return slot;
}

/* ---- comparison ------------------------------------------------------------------------------ */

static int compare_mapping(const struct mmk_mapping *mapping, void *argument)
{
    const struct space *space = argument;
    uint64_t slot = (mapping->start - BASE) / PAGE / unit;

    for (; address((unsigned)slot) < mapping->end; slot++) {
        const struct slot *expected = &space->slots[slot];

        assert_int_not_equal(expected->kind, HOLE);
        assert_int_equal(mapping->prot, expected->prot);
        assert_int_equal((mapping->flags & MMK_MAPPING_COMMITTED) != 0, expected->counts);
        assert_int_equal((mapping->flags & MMK_MAPPING_NORESERVE) != 0, expected->noreserve);
    }
    return 0;
}

/* What is one mapping now was written as a whole. */
static void spread(struct space *space)
{
    unsigned slot, end, i;
    bool written;

    look_for_ends(space);
    for (slot = 0; slot < SLOTS; slot = end) {
        end = part_end(space, slot, SLOTS);
        for (i = slot, written = false; i < end; i++)
            written |= space->slots[i].written;
        for (i = slot; i < end; i++)
            space->slots[i].written = written;
    }
}

static void compare_space(struct space *space)
{
    uint64_t pages = space->heap;
    unsigned i;

    for (i = 0; i < SLOTS; i++)
        pages += space->slots[i].kind == HOLE ? 0 : unit;
    mmk_check(space->mm);
    assert_int_equal(mmk_for_each_mapping(space->mm, BASE, address(SLOTS), compare_mapping, space),
                     0);
    assert_int_equal(mm_stats(space->mm).virt_bytes, (pages + space->stack) * PAGE);
    assert_int_equal(mm_stats(space->mm).committed_bytes, committed_by(space) * PAGE);
}

static void compare(void)
{
    unsigned i;

    close_objects();
    for (i = 0; i < SPACES; i++) {
        if (!spaces[i].mm)
            continue;
        compare_space(&spaces[i]);
        spread(&spaces[i]);
    }
    assert_int_equal(stats_now().committed, committed() * PAGE);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void pick_range(unsigned *first, unsigned *count)
{
    *first = (unsigned)below(SLOTS);
    *count = 1 + (unsigned)below(one_in(8) ? SLOTS - *first : 6);
    if (*count > SLOTS - *first)
        *count = SLOTS - *first;
}

static unsigned pick_prot(void)
{
    static const uint8_t prots[] = {RW, RW, RO, MMK_PROT_NONE, MMK_PROT_WRITE, RW | MMK_PROT_EXEC};

    return prots[below(sizeof(prots))];
}

static unsigned new_number(void)
{
    unsigned i = 0;

    while (i < OBJECTS - 1 && object_pages[i] > 0)
        i++;
    return i;
}

static void do_mmap(struct space *space)
{
    struct slot slot = {.kind = PRIVATE_ANON + (enum kind)below(4), .prot = pick_prot()};
    bool shared = slot.kind >= SHARED_MEMORY, noreserve = one_in(4), may = true;
    unsigned flags = shared ? MMK_MAP_SHARED : MMK_MAP_PRIVATE, first, count, i, gone = 0;
    bool has_file = slot.kind == PRIVATE_FILE || slot.kind == SHARED_FILE;

    pick_range(&first, &count);
    slot.noreserve = noreserve && mode != MMK_OVERCOMMIT_NEVER; /* "In mode 2 it is ignored" */
    slot.counts = will_count(&slot, slot.prot);
    for (i = 0; i < count; i++)
        gone += space->slots[first + i].counts;
    if (slot.counts)
        may = may_commit((count - gone) * unit); /* in place of what counted */
    if (slot.kind == SHARED_MEMORY && !slot.noreserve)
        may = may_commit(count * unit);
    assert_int_equal(mmk_mmap(space->mm, address(first), count * unit * PAGE, slot.prot,
                              flags | MMK_MAP_FIXED | (noreserve ? MMK_MAP_NORESERVE : 0) |
                                  (has_file ? 0 : MMK_MAP_ANONYMOUS),
                              has_file ? file : NULL, has_file ? below(64) * PAGE : 0),
                     may ? (int64_t)address(first) : MMK_ENOMEM);
    if (!may)
        return;
    clear(space, first, count);
    slot.object = slot.kind == SHARED_MEMORY && !slot.noreserve ? new_number() : OBJECTS;
    for (i = 0; i < count; i++)
        space->slots[first + i] = slot;
    if (slot.object < OBJECTS)
        object_pages[slot.object] = count * unit;
}

static void do_munmap(struct space *space)
{
    unsigned first, count;

    pick_range(&first, &count);
    assert_int_equal(mmk_munmap(space->mm, address(first), count * unit * PAGE), 0);
    clear(space, first, count);
}

/* A part of one mapping. What becomes writable counts from now on, for good, unless it is anonymous
   and was never written when it becomes read-only. => it may */
static bool protect_part(struct space *space, unsigned slot, unsigned end, unsigned prot)
{
    struct slot *first = &space->slots[slot];
    bool counts = first->counts || will_count(first, prot);

    if (counts && !first->counts && !may_commit((end - slot) * unit))
        return false;
    if (!(prot & MMK_PROT_WRITE) && first->kind == PRIVATE_ANON && !first->written &&
        first->prot != prot)
        counts = false;
    for (; slot < end; slot++) {
        space->slots[slot].prot = prot;
        space->slots[slot].counts = counts;
    }
    return true;
}

static void do_mprotect(struct space *space)
{
    unsigned first, count, slot, prot = pick_prot();
    int error = 0;

    pick_range(&first, &count);
    look_for_ends(space);
    for (slot = first; slot < first + count && !error;) {
        unsigned end = part_end(space, slot, first + count);

        if (space->slots[slot].kind == HOLE || !protect_part(space, slot, end, prot))
            error = MMK_ENOMEM; /* what lies before has changed */
        slot = end;
    }
    assert_int_equal(mmk_mprotect(space->mm, address(first), count * unit * PAGE, prot), error);
}

/* ---- mremap ---------------------------------------------------------------------------------- */

struct move {
    unsigned from, to, old_count, count;
    bool keeps; /* MREMAP_DONTUNMAP */
};

/* The slots arrive; what grows is as the first of it. */
static void arrive(struct space *space, const struct move *move)
{
    struct slot moved[SLOTS], grown = space->slots[move->from];
    unsigned i, end = move->from + move->old_count;
    bool whole = begins[move->from] && begins[end];

    for (i = 0; i < move->count; i++)
        moved[i] = i < move->old_count ? space->slots[move->from + i] : grown;
    for (i = move->from; i < end && whole; i++)
        space->slots[i].written = false;
    if (!move->keeps)
        clear(space, move->from, move->old_count);
    for (i = 0; i < move->count; i++)
        space->slots[move->to + i] = moved[i];
}

/* To somewhere: what was there goes first, whatever comes of the rest. */
static void remap_fixed(struct space *space, const struct move *move)
{
    unsigned growth = move->keeps                     ? move->count
                      : move->count > move->old_count ? move->count - move->old_count
                                                      : 0;
    unsigned flags = MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED;
    bool may;

    clear(space, move->to, move->count);
    begins[move->to] = begins[move->to + move->count] = true; /* perhaps beside what moves */
    may = !space->slots[move->from].counts || growth == 0 || may_commit(growth * unit);
    assert_int_equal(mmk_mremap(space->mm, address(move->from), move->old_count * unit * PAGE,
                                move->count * unit * PAGE,
                                flags | (move->keeps ? MMK_MREMAP_DONTUNMAP : 0),
                                address(move->to)),
                     may ? (int64_t)address(move->to) : MMK_ENOMEM);
    if (may)
        arrive(space, move);
}

static bool is_free(const struct space *space, unsigned slot, unsigned end)
{
    while (slot < end && space->slots[slot].kind == HOLE)
        slot++;
    return slot >= end;
}

/* In its place: there has to be room. */
static void remap_here(struct space *space, const struct move *move)
{
    unsigned end = move->from + move->old_count, new_end = move->from + move->count, i;
    bool may = true;

    if (new_end > end)
        may = begins[end] && is_free(space, end, new_end) &&
              (!space->slots[move->from].counts || may_commit((new_end - end) * unit));
    assert_int_equal(mmk_mremap(space->mm, address(move->from), move->old_count * unit * PAGE,
                                move->count * unit * PAGE, 0, 0),
                     may ? (int64_t)address(move->from) : MMK_ENOMEM);
    if (!may)
        return;
    for (i = end; i < new_end; i++)
        space->slots[i] = space->slots[move->from];
    if (new_end < end)
        clear(space, new_end, end - new_end);
}

static bool overlap(const struct move *move)
{
    return move->to < move->from + move->old_count && move->from < move->to + move->count;
}

/* Of a part of one mapping. */
static void do_mremap(struct space *space)
{
    struct move move = {.to = (unsigned)below(SLOTS), .keeps = one_in(3)};

    pick_range(&move.from, &move.old_count);
    if (space->slots[move.from].kind == HOLE)
        return;
    look_for_ends(space);
    move.old_count = part_end(space, move.from, move.from + move.old_count) - move.from;
    move.count = move.keeps || one_in(3) ? move.old_count : 1 + (unsigned)below(8);
    if (one_in(2)) {
        if (move.from + move.count <= SLOTS)
            remap_here(space, &move);
    } else if (move.to + move.count <= SLOTS && !overlap(&move)) {
        remap_fixed(space, &move);
    }
}

/* ---- the others ------------------------------------------------------------------------------ */

static void touch(struct space *space)
{
    unsigned at = (unsigned)below(SLOTS);
    struct slot *slot = &space->slots[at];
    uint8_t byte = 1;

    machine_switch_mm(space->mm);
    if (one_in(3))
        (void)!machine_load(address(at), &byte, 1); /* the zero page is nobody's */
    else if (machine_store(address(at), &byte, 1) == MMK_FAULT_DONE)
        slot->written = slot->kind == PRIVATE_ANON;
    machine_switch_mm(mm);
}

/* Advice says nothing of what is committed. */
static void do_madvise(struct space *space)
{
    static const int advices[] = {MMK_MADV_DONTNEED,   MMK_MADV_FREE,     MMK_MADV_REMOVE,
                                  MMK_MADV_DONTFORK,   MMK_MADV_DOFORK,   MMK_MADV_WIPEONFORK,
                                  MMK_MADV_KEEPONFORK, MMK_MADV_DONTNEED, MMK_MADV_WILLNEED,
                                  MMK_MADV_SEQUENTIAL, MMK_MADV_DONTNEED};
    int advice = advices[below(sizeof(advices) / sizeof(advices[0]))];
    unsigned first, count, i;

    pick_range(&first, &count);
    (void)!mmk_madvise(space->mm, address(first), count * unit * PAGE, advice);
    for (i = first; i < first + count; i++) {
        struct slot *slot = &space->slots[i];

        if (advice == MMK_MADV_WIPEONFORK && slot->kind != PRIVATE_ANON && slot->kind != HOLE)
            return;
        if ((advice == MMK_MADV_REMOVE || advice == MMK_MADV_FREE) && slot->kind != HOLE)
            return; /* changes nothing that the model knows */
        if (slot->kind == HOLE)
            continue;
        if (advice == MMK_MADV_DONTFORK || advice == MMK_MADV_DOFORK)
            slot->dontfork = advice == MMK_MADV_DONTFORK;
        if (advice == MMK_MADV_WIPEONFORK || advice == MMK_MADV_KEEPONFORK)
            slot->wipeonfork = advice == MMK_MADV_WIPEONFORK;
    }
}

static void do_brk(struct space *space)
{
    uint64_t pages = below(12) * unit;
    bool may = pages <= space->heap || may_commit(pages - space->heap);

    if (may)
        space->heap = pages;
    assert_int_equal(mmk_brk(space->mm, HEAP + pages * PAGE), HEAP + space->heap * PAGE);
}

/* Grows by an access below it, or goes and comes. */
static void do_stack(struct space *space)
{
    mmk_vaddr_t low = STACKS - space->stack * PAGE;
    uint64_t more = 1 + below(6);
    bool may;

    if (space->stack > 200 || (space->stack > 0 && one_in(10))) {
        assert_int_equal(mmk_munmap(space->mm, low, space->stack * PAGE), 0);
        space->stack = 0;
        return;
    }
    may = may_commit(more);
    if (space->stack == 0) {
        assert_int_equal(mmk_mmap(space->mm, STACKS - more * PAGE, more * PAGE, RW,
                                  STACK | MMK_MAP_FIXED, NULL, 0),
                         may ? (int64_t)(STACKS - more * PAGE) : MMK_ENOMEM);
    } else {
        machine_switch_mm(space->mm);
        expect_store(low - more * PAGE, may ? MMK_FAULT_DONE : MMK_FAULT_SEGV_MAPERR);
        machine_switch_mm(mm);
    }
    space->stack += may ? more : 0;
}

/* What the child is asked for: by mapping, in the order of addresses; the heap and the stack last.
 */
static bool may_fork(const struct space *space)
{
    uint64_t all = 0;
    unsigned slot, end;

    look_for_ends(space);
    for (slot = 0; slot < SLOTS; slot = end) {
        end = part_end(space, slot, SLOTS);
        if (!space->slots[slot].counts || space->slots[slot].dontfork)
            continue;
        all += (end - slot) * unit;
        if (mode == MMK_OVERCOMMIT_HEURISTIC && !may_commit((end - slot) * unit))
            return false;
    }
    return mode == MMK_OVERCOMMIT_HEURISTIC ? may_commit(space->heap)
                                            : may_commit(all + space->heap + space->stack);
}

static void do_fork(const struct space *parent)
{
    struct mmk_mm *child_mm = NULL;
    unsigned number = 0, i;
    struct space *child;
    bool may;

    while (number < SPACES && spaces[number].mm)
        number++;
    if (number == SPACES)
        return;
    may = may_fork(parent);
    assert_int_equal(mmk_fork(parent->mm, &child_mm), may ? 0 : MMK_ENOMEM);
    if (!may)
        return;
    child = &spaces[number];
    *child = *parent;
    child->mm = child_mm;
    for (i = 0; i < SLOTS; i++) {
        if (child->slots[i].dontfork)
            clear(child, i, 1);
        if (child->slots[i].wipeonfork)
            child->slots[i].written = false;
    }
}

static void do_exit(struct space *space)
{
    if (space == &spaces[0])
        return;
    mmk_mm_put(space->mm);
    space->mm = NULL;
}

/* ---- runs ------------------------------------------------------------------------------------ */

static void step(void)
{
    static void (*const calls[])(struct space *) = {
        do_mmap,     do_mmap,   do_mmap,   do_munmap,  do_mprotect, do_mprotect,
        do_mprotect, do_mremap, do_mremap, do_madvise, do_brk,      do_stack,
        touch,       touch,     touch,     touch,      touch,
    };
    struct space *space;

    do
        space = &spaces[below(SPACES)];
    while (!space->mm);
    if (one_in(30))
        do_fork(space);
    else if (one_in(25))
        do_exit(space);
    else
        calls[below(sizeof(calls) / sizeof(calls[0]))](space);
    compare();
}

static void test_model(void **test_state)
{
    unsigned i;

    (void)test_state;
    memset(spaces, 0, sizeof(spaces));
    memset(object_pages, 0, sizeof(object_pages));
    spaces[0].mm = mm;
    state = seed;
    refused = 0;
    file = new_file(64);
    assert_int_equal(mmk_set_brk(mm, HEAP), 0);
    for (i = 0; i < STEPS; i++)
        step();
    assert_int_equal(refused > STEPS / 100, mode != MMK_OVERCOMMIT_ALWAYS);
}

/* Whatever came of it. */
static int end_all(void **test_state)
{
    unsigned i;

    for (i = 1; i < SPACES; i++)
        if (spaces[i].mm)
            do_exit(&spaces[i]);
    mmk_object_put(file);
    return fixture_teardown(test_state);
}

static int begin(const struct mmk_config *config, uint64_t slot_pages)
{
    int failed = fixture_setup_with(config);

    mode = config->overcommit;
    unit = slot_pages;
    limit =
        mode == MMK_OVERCOMMIT_NEVER ? stats_now().commit_limit / PAGE : stats_now().frames_total;
    return failed;
}

static int setup_heuristic(void **test_state)
{
    const struct mmk_config config = MMK_CONFIG_DEFAULT;

    (void)test_state;
    return begin(&config, 3000); /* a few of these are more than all memory */
}

static int setup_always(void **test_state)
{
    const struct mmk_config config = fixture_config();

    (void)test_state;
    return begin(&config, 3000);
}

static int setup_kbytes(void **test_state)
{
    struct mmk_config config = MMK_CONFIG_DEFAULT;
    int failed;

    (void)test_state;
    config.overcommit = MMK_OVERCOMMIT_NEVER;
    config.overcommit_kbytes = 90 * PAGE / KIB + 3;
    failed = begin(&config, 1);
    return failed || limit != 90;
}

static int setup_ratio(void **test_state)
{
    struct mmk_config config = MMK_CONFIG_DEFAULT;
    int failed;

    (void)test_state;
    config.overcommit = MMK_OVERCOMMIT_NEVER;
    config.overcommit_ratio = 300; /* more than there is */
    failed = begin(&config, 600);
    return failed || limit != stats_now().frames_total * 3;
}

#define MODE(mode)                                                                                 \
    {                                                                                              \
        "test_" #mode, test_model, setup_##mode, end_all, NULL                                     \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        MODE(heuristic),
        MODE(always),
        MODE(kbytes),
        MODE(ratio),
    };

    seed = seed_of_run();
    printf("TEST_SEED=%lu\n", (unsigned long)seed);
    return cmocka_run_group_tests_name("commit_model", tests, NULL, NULL);
}
