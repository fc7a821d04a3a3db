/* SPDX-License-Identifier: MIT */
/*
 * replay_access.c - a recorded fault as a real access, and the proof that it saw the right bytes.
 *
 * A write puts a stamp, 8 bytes that occur nowhere else, at the recorded address (rounded down to
 * 8), so that a page that turns up in the wrong place is known by its stamps. Each access checks
 * the word at the address and one more word of the page, at a place that moves; a page that has an
 * entry already is checked before it is written, too. --check compares whole pages.
 */
#include "replay_state.h"

#include <inttypes.h>
#include <string.h>

static const char *const access_names[] = {"read", "write", "fetch"};
static const char *const result_names[] = {"done",   "retry",  "out of memory",
                                           "MAPERR", "ACCERR", "BUS"};

/* An offset in a page, a multiple of 8, that is another for each number. */
static uint64_t spread(uint64_t number)
{
    return number * 0x9e3779b97f4a7c15 >> (64 - MMK_PAGE_SHIFT) & ~(uint64_t)7;
}

/* Never 0, and different for every fault of a replay. */
static uint64_t next_stamp(const struct replay *replay)
{
    return (replay->fault_number << 16) ^ 0x5354000000000001;
}

static enum mmk_fault_result perform(uint64_t address, enum mmk_access access, uint64_t *word)
{
    switch (access) {
    case MMK_ACCESS_WRITE:
        return machine_store(address & ~(uint64_t)7, word, sizeof(*word));
    case MMK_ACCESS_EXEC:
        return machine_fetch(address);
    default:
        return machine_load(address & ~(uint64_t)7, word, sizeof(*word));
    }
}

static MMK_NOINLINE void report_word(struct replay *replay, uint64_t address,
                                     enum mmk_fault_result result, uint64_t got, uint64_t expected,
                                     const char *when)
{
    if (result != MMK_FAULT_DONE) {
        replay_diverge(replay, "a read %s at 0x%" PRIx64 ": %s, expected done", when, address,
                       result_names[result]);
    } else {
        replay_diverge(replay, "0x%" PRIx64 " holds 0x%016" PRIx64 " %s, expected 0x%016" PRIx64,
                       address, got, when, expected);
    }
}

/* A read of what should be mapped was a fault: reclaim had taken it. */
static MMK_NOINLINE void tell_refault(struct replay *replay, uint64_t address)
{
    struct shadow *shadow = &replay->loaded->shadow;
    struct shadow_view view;

    shadow_view(shadow, address, &view);
    shadow_map_again(shadow, address, &view);
}

/* Loads what has an entry, in the space that is loaded. */
MMK_ALWAYS_INLINE enum mmk_fault_result load(struct replay *replay, uint64_t address, void *to,
                                             size_t size)
{
    uint64_t faults = machine_faults_here();
    enum mmk_fault_result result = machine_load(address, to, size);

    if (mmk_unlikely(machine_faults_here() != faults))
        tell_refault(replay, address);
    return result;
}

/* Compares one word of a page that has an entry. */
MMK_ALWAYS_INLINE void check_word(struct replay *replay, const struct shadow_view *view,
                                  uint64_t address, const char *when)
{
    uint64_t expected = content_word(view->content, (unsigned)(address & ~MMK_PAGE_MASK));
    uint64_t got = 0;
    enum mmk_fault_result result = load(replay, address, &got, sizeof(got));

    expected ^= replay->fault_number == replay->options->wrong_at;
    if (result != MMK_FAULT_DONE || got != expected)
        report_word(replay, address, result, got, expected, when);
}

static bool load_page(struct replay *replay, uint64_t page, uint64_t words[CONTENT_WORDS])
{
    enum mmk_fault_result result = load(replay, page, words, MMK_PAGE_SIZE);

    if (result == MMK_FAULT_DONE)
        return true;
    replay_diverge(replay, "reading the page at 0x%" PRIx64 ": %s, expected done", page,
                   result_names[result]);
    return false;
}

static bool all_zero(const uint64_t words[CONTENT_WORDS])
{
    return words[0] == 0 && memcmp(words, words + 1, MMK_PAGE_SIZE - sizeof(words[0])) == 0;
}

static void report_page(struct replay *replay, uint64_t page, const uint64_t *got,
                        const uint64_t *expected)
{
    unsigned i;

    for (i = 0; i < CONTENT_WORDS - 1 && got[i] == expected[i]; i++) {
    }
    replay_diverge(replay,
                   "0x%" PRIx64 " holds 0x%016" PRIx64 ", expected 0x%016" PRIx64
                   " (whole page compared)",
                   page + i * sizeof(got[0]), got[i], expected[i]);
}

void replay_compare_page(struct replay *replay, struct space *space, uint64_t address)
{
    uint64_t got[CONTENT_WORDS], expected[CONTENT_WORDS];
    uint64_t page = mmk_page_down(address);
    struct shadow_view view;

    shadow_view(&space->shadow, address, &view);
    if (view.kind == SHADOW_NONE || view.kind == SHADOW_GUARD || !load_page(replay, page, got))
        return;
    content_fill(view.content, expected);
    if (memcmp(got, expected, sizeof(got)) != 0 && !(view.kind == SHADOW_LAZY && all_zero(got)))
        report_page(replay, page, got, expected);
}

/*
 * A page after MADV_FREE has been accessed: it holds what it held, or zeros, apart from a new
 * stamp. The shadow learns which, and *view.
 */
static void settle_lazy(struct replay *replay, struct space *space, const struct op *op,
                        struct shadow_view *view, uint64_t stamp)
{
    uint64_t got[CONTENT_WORDS], expected[CONTENT_WORDS];
    uint64_t page = mmk_page_down(op->address);
    unsigned word = (unsigned)((op->address - page) / 8);

    if (!load_page(replay, page, got))
        return;
    content_fill(view->content, expected);
    if (op->access == MMK_ACCESS_WRITE)
        expected[word] = stamp;
    if (memcmp(got, expected, sizeof(got)) == 0)
        return;
    if (op->access == MMK_ACCESS_WRITE && got[word] == stamp)
        got[word] = 0;
    if (!all_zero(got)) {
        report_page(replay, page, got, expected);
        return;
    }
    shadow_drop_lazy(&space->shadow, op->address);
    shadow_view(&space->shadow, op->address, view);
}

/* Reads back the word at the address, and one elsewhere in the page. */
static void check_after(struct replay *replay, const struct op *op, const struct shadow_view *view)
{
    uint64_t page = mmk_page_down(op->address);

    if (op->access != MMK_ACCESS_WRITE) {
        if (view->kind == SHADOW_LAZY)
            return; /* settle_lazy() has seen all of it */
        check_word(replay, view, op->address & ~(uint64_t)7, "after the access");
    }
    check_word(replay, view, page + spread(replay->fault_number), "after the access");
}

static enum step judge(struct replay *replay, const struct op *op, enum mmk_fault_result got,
                       enum mmk_fault_result predicted)
{
    if (got == MMK_FAULT_OOM && replay_is_exhausted(replay))
        return STEP_NO_MEMORY;
    replay_diverge(replay, "%s at 0x%" PRIx64 ": %s, expected %s", access_names[op->access],
                   op->address, result_names[got], result_names[predicted]);
    return STEP_DONE;
}

/* The access was a fault: what it has mapped around. */
static void tell_around(struct space *space, const struct op *op)
{
    if (op->access != MMK_ACCESS_WRITE)
        shadow_map_around(&space->shadow, op->address);
}

static enum step access_mmkit(struct replay *replay, struct space *space, const struct op *op,
                              enum mmk_fault_result predicted, struct shadow_view *view)
{
    uint64_t stamp = next_stamp(replay);
    bool missing = view->kind == SHADOW_NONE, faulted;
    uint64_t word = stamp, faults;
    enum mmk_fault_result got;

    replay_space_load(replay, space);
    if (predicted == MMK_FAULT_DONE && view->kind != SHADOW_NONE && view->kind != SHADOW_LAZY &&
        op->access == MMK_ACCESS_WRITE)
        check_word(replay, view, op->address & ~(uint64_t)7, "before a write");
    faults = machine_faults_here();
    got = perform(op->address, op->access, &word);
    faulted = machine_faults_here() != faults;
    if (!faulted)
        replay->result->faults.unneeded++;
    else
        replay_space_observe(space);
    if (got != predicted)
        return judge(replay, op, got, predicted);
    if (got != MMK_FAULT_DONE)
        return STEP_DONE;
    if (view->kind == SHADOW_LAZY)
        settle_lazy(replay, space, op, view, stamp);
    shadow_touch(&space->shadow, op->address, (enum mmk_access)op->access, stamp, view);
    if (missing)
        tell_around(space, op);
    else if (faulted && op->access != MMK_ACCESS_WRITE)
        tell_refault(replay, op->address);
    check_after(replay, op, view);
    return STEP_DONE;
}

/* Which page is it? A file's, by the file, unless it is copied; else the address space's own. */
static void tell_reference(struct replay *replay, const struct space *space, const struct op *op,
                           const struct shadow_view *view)
{
    const struct shadow_region *region = view->region;
    bool copies = op->access == MMK_ACCESS_WRITE && !region->shared;

    if (view->kind < SHADOW_PRIVATE && region->object != NULL && !copies)
        replay->visit(replay->visit_context,
                      region->object->file ? region->object->seed : (uintptr_t)region->object,
                      shadow_index(region, op->address));
    else
        replay->visit(replay->visit_context, space->number, op->address >> MMK_PAGE_SHIFT);
}

enum step replay_fault(struct replay *replay, struct space *space, const struct op *op)
{
    enum mmk_access access = (enum mmk_access)op->access;
    struct shadow_view view;
    enum mmk_fault_result predicted = shadow_predict(&space->shadow, op->address, access, &view);

    replay->fault_number++;
    if (!replay_is_planning(replay))
        return access_mmkit(replay, space, op, predicted, &view);
    if (predicted == MMK_FAULT_DONE && replay->visit != NULL)
        tell_reference(replay, space, op, &view);
    if (predicted == MMK_FAULT_DONE)
        shadow_touch(&space->shadow, op->address, access, next_stamp(replay), &view);
    return STEP_DONE;
}
