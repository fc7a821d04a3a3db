/* SPDX-License-Identifier: MIT */
/*
 * pairs_outcome.c - what may come out of operations beside each other: of the flat model, in each
 * order of their steps; and what did.
 *
 * States that were met before are not gone on from again: what follows depends on nothing else.
 */
#include "pairs.h"

#include "grown.h"

#include <mmkit/check.h>
#include <mmkit/stats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SEEN = 800, MOST_STATES = 1 << 14 };

/* What can be seen of a state, in a fixed order. */
struct seen {
    unsigned count;
    uint64_t value[MOST_SEEN];
    uint32_t about[MOST_SEEN]; /* what it says: for messages */
};

enum { ABOUT_CODE, ABOUT_WORD, ABOUT_TABLES, ABOUT_BYTES, ABOUT_ACCESS, ABOUT_FILE };

/* Which orders are tried. */
enum order { ANY_ORDER, FIRST_FIRST, LAST_FIRST };

static struct {
    uint64_t program; /* whose outcomes are known */
    struct seen *outcomes;
    size_t count, size;
    enum order order;
    struct {
        uint64_t hash[4 * MOST_STATES]; /* by hash, then the next that is free; 0: free */
        unsigned count;
    } states;
} model;

/* ---- what can be seen --------------------------------------------------------------------------
 */

static void note(struct seen *seen, unsigned about, unsigned space, unsigned page, uint64_t value)
{
    if (seen->count == MOST_SEEN)
        fibers_fail("pairs: too much to see");
    seen->about[seen->count] = about << 16 | space << 8 | page;
    seen->value[seen->count++] = value;
}

/* Pages at which something may have changed. */
static bool is_of_interest(const struct act *act, unsigned page)
{
    unsigned i, from;

    for (i = 0; i < pair_run.acts; i++) {
        from = act[i].page;
        if (page + 1 >= from && page <= from + act[i].count)
            return true;
        from += PAIR_ASIDE;
        if ((act[i].op->traits & OP_ASIDE) && page + 1 >= from && page <= from + act[i].count)
            return true;
        if ((act[i].op->traits & OP_HIGH) && page <= PAIR_HIGH && page + act[i].count > PAIR_HIGH)
            return true;
    }
    return false;
}

/* An access in the model, or for flat NULL by CPU 0, which has that space loaded. */
static uint64_t see_access(struct flat *flat, unsigned space, unsigned page, bool write)
{
    uint64_t word = space << 8 | page;
    uint32_t flat_word = (uint32_t)word;
    enum mmk_fault_result result;

    if (flat) {
        result = flat_access(flat, space, page, write, &flat_word);
        word = flat_word;
    } else {
        result = write ? put_word(page, word) : get_word(page, &word);
    }
    return result == MMK_FAULT_DONE && !write ? word << 8 : result;
}

static void see_accesses(struct seen *seen, struct flat *flat, const struct act *act, bool write)
{
    unsigned space, page;

    for (space = 0; space < FLAT_SPACES; space++) {
        if (flat ? !flat->space[space].exists : !pair_run.mm[space])
            continue;
        if (!flat)
            machine_switch_mm(pair_run.mm[space]);
        for (page = 0; page < FLAT_PAGES; page++)
            if (is_of_interest(act, page))
                note(seen, ABOUT_ACCESS, space, page, see_access(flat, space, page, write));
    }
}

static void see_results(struct seen *seen, const struct act *act)
{
    unsigned i;

    for (i = 0; i < pair_run.acts; i++) {
        note(seen, ABOUT_CODE, i, 0, (uint64_t)act[i].code);
        note(seen, ABOUT_WORD, i, 0, act[i].word);
    }
}

static void see_space(struct seen *seen, unsigned space)
{
    struct mmk_mm_stats stats;

    mmk_check(pair_run.mm[space]);
    mmk_mm_stats(pair_run.mm[space], &stats);
    note(seen, ABOUT_TABLES, space, 0, stats.tables[0]);
    note(seen, ABOUT_TABLES, space, 1, stats.tables[1]);
    note(seen, ABOUT_BYTES, space, 0, stats.virt_bytes / PAGE);
    note(seen, ABOUT_BYTES, space, 1, stats.locked_bytes / PAGE);
}

static void see_flat_space(struct seen *seen, const struct flat *flat, unsigned space)
{
    note(seen, ABOUT_TABLES, space, 0, flat_tables(flat, space, FLAT_TABLE));
    note(seen, ABOUT_TABLES, space, 1, flat_tables(flat, space, 16));
    note(seen, ABOUT_BYTES, space, 0, flat_mapped(flat, space));
    note(seen, ABOUT_BYTES, space, 1, flat_locked(flat, space));
}

/* What has been written back so far. */
static void see_kept(struct seen *seen, const struct flat *flat)
{
    unsigned i;

    for (i = 0; i < FLAT_OBJECT && pair_run.ground->object; i++)
        note(seen, ABOUT_FILE, 0, i, flat ? flat->object.page[i].kept : pair_run.kept[i]);
}

/* Is every store that the object has seen written back, when that is asked for? */
static void see_file(struct seen *seen, struct flat *flat)
{
    unsigned i;

    if (!pair_run.ground->object)
        return;
    if (!flat)
        expect(mmk_object_sync(pair_run.object, 0, UINT64_MAX) == 0);
    for (i = 0; flat && i < FLAT_OBJECT; i++)
        flat_write_back(flat, i);
    see_kept(seen, flat);
}

/* Who still holds pages writes to them; mirrors are compared. */
static void see_holders(struct flat *flat, const struct act *act)
{
    unsigned i;

    for (i = 0; i < pair_run.acts; i++) {
        if (flat) {
            act_write_pinned(flat, &act[i]);
            continue;
        }
        act_run_write_pinned(&act[i]);
        if (pair_run.mirror[act[i].cpu].registered && !mirror_is_true(&act[i]))
            fibers_fail("a mirror shows another page than the page tables");
    }
}

/* Everything, of the machine or of the model, which is changed by that. */
static void see(struct seen *seen, struct flat *flat, const struct act *act)
{
    unsigned space;

    seen->count = 0;
    if (flat && pair_all_leave())
        flat->space[SPACE_MAIN].exists = false;
    see_results(seen, act);
    see_kept(seen, flat);
    for (space = 0; space < FLAT_SPACES; space++) {
        if (flat && flat->space[space].exists)
            see_flat_space(seen, flat, space);
        else if (!flat && pair_run.mm[space])
            see_space(seen, space);
    }
    see_holders(flat, act);
    see_accesses(seen, flat, act, false);
    see_file(seen, flat);
    see_accesses(seen, flat, act, true);
    see_accesses(seen, flat, act, false);
}

/* ---- what may come out --------------------------------------------------------------------------
 */

static bool is_same(const struct seen *a, const struct seen *b)
{
    return a->count == b->count && memcmp(a->value, b->value, a->count * sizeof(a->value[0])) == 0;
}

static bool is_known(const struct seen *seen)
{
    size_t i;

    for (i = 0; i < model.count; i++)
        if (is_same(&model.outcomes[i], seen))
            return true;
    return false;
}

static void add_outcome(const struct flat *flat, const struct act *act)
{
    struct flat end = *flat;
    static struct seen seen;

    see(&seen, &end, act);
    if (is_known(&seen))
        return;
    if (model.count == model.size) {
        model.size = model.size ? model.size * 2 : 16;
        model.outcomes = grown(model.outcomes, model.size * sizeof(*model.outcomes));
    }
    model.outcomes[model.count++] = seen;
}

/* Waits for the mmap lock while the others read. */
static bool waits(const struct act *act, unsigned number)
{
    unsigned i;

    if (!(act[number].op->traits & OP_WRITER) || act[number].step > 0)
        return false;
    for (i = 0; i < pair_run.acts; i++)
        if (i != number && act[i].reads && act[i].space == act[number].space)
            return true;
    return false;
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    uint64_t word;
    size_t at;

    for (at = 0; at < size; at += sizeof(word)) {
        word = 0;
        memcpy(&word, (const char *)bytes + at,
               size - at < sizeof(word) ? size - at : sizeof(word));
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    return hash;
}

/* Of states, by hash. */
static bool is_new(uint64_t hash)
{
    size_t size = sizeof(model.states.hash) / sizeof(model.states.hash[0]), at = hash % size;

    hash |= 1;
    for (; model.states.hash[at]; at = (at + 1) % size)
        if (model.states.hash[at] == hash)
            return false;
    model.states.hash[at] = hash;
    model.states.count++;
    return true;
}

/* What is yet to come depends on nothing else. */
static uint64_t hash_state(const struct flat *flat, const struct act *act)
{
    uint64_t hash = hash_bytes(0xcbf29ce484222325u, flat, sizeof(*flat));

    return hash_bytes(hash, act, pair_run.acts * sizeof(*act));
}

static void explore(const struct flat *flat, const struct act *act);

/* One has waited for the lock in vain: from then on nothing of it happens. */
static void explore_interrupted(const struct flat *flat, const struct act *act, unsigned i)
{
    struct act next[PAIR_ACTS];

    if (!flat->space[act[i].space].killed || act[i].step > 0 || (act[i].op->traits & OP_ACCESS))
        return;
    memcpy(next, act, sizeof(next));
    next[i].code = MMK_EINTR;
    next[i].over = true;
    explore(flat, next);
}

static void explore_step(const struct flat *flat, const struct act *act, unsigned i)
{
    struct act next[PAIR_ACTS];
    unsigned choice = 0, choices;
    struct flat then;

    explore_interrupted(flat, act, i);
    do {
        memcpy(next, act, sizeof(next));
        then = *flat;
        then.choice = choice;
        then.choices = 1;
        next[i].over = next[i].op->model(&then, &next[i]);
        flat_settle(&then);
        choices = then.choices;
        then.choice = then.choices = 0;
        explore(&then, next);
    } while (++choice < choices);
}

/* What its CPU is to do before is over; and what the order says. */
static bool has_its_turn(const struct act *act, unsigned number)
{
    unsigned i;

    for (i = 0; i < number; i++)
        if ((act[i].cpu == act[number].cpu || model.order == FIRST_FIRST) && !act[i].over)
            return false;
    for (i = number + 1; i < pair_run.acts && model.order == LAST_FIRST; i++)
        if (!act[i].over)
            return false;
    return !act[number].over;
}

/* From here on, in every order. */
static void explore(const struct flat *flat, const struct act *act)
{
    bool all_over = true;
    unsigned i;

    if (model.states.count == MOST_STATES || !is_new(hash_state(flat, act)))
        return;
    for (i = 0; i < pair_run.acts; i++) {
        if (!has_its_turn(act, i))
            continue;
        all_over = false;
        if (!waits(act, i))
            explore_step(flat, act, i);
    }
    if (all_over)
        add_outcome(flat, act);
}

static void find_outcomes(const struct act *begin, enum order order)
{
    struct act act[PAIR_ACTS] = {0};
    struct flat flat;

    model.program = 0;
    model.count = 0;
    model.order = order;
    memset(&model.states, 0, sizeof(model.states));
    memcpy(act, begin, pair_run.acts * sizeof(*act));
    ground_start_flat(&flat, pair_run.ground, act, pair_run.acts);
    explore(&flat, act);
    model.order = ANY_ORDER;
}

static void know_outcomes(uint64_t program, const struct act *begin)
{
    if (model.program == program)
        return;
    find_outcomes(begin, ANY_ORDER);
    model.program = program;
}

/* ---- what did ----------------------------------------------------------------------------------
 */

static void describe(const struct seen *seen, const struct seen *other, char *text, size_t size)
{
    static const char *const what[] = {"code", "word", "tables", "pages", "access", "file"};
    size_t used = 0;
    unsigned i;

    for (i = 0; i < seen->count && i < other->count && used + 1 < size; i++)
        if (seen->value[i] != other->value[i])
            used += (size_t)snprintf(text + used, size - used, " %s of %u:%u #%u %llx not %llx;",
                                     what[seen->about[i] >> 16], seen->about[i] >> 8 & 255,
                                     seen->about[i] & 255, i, (unsigned long long)seen->value[i],
                                     (unsigned long long)other->value[i]);
    if (seen->count != other->count && used + 1 < size)
        snprintf(text + used, size - used, " %u things not %u", seen->count, other->count);
}

static void complain(const struct seen *seen)
{
    char text[4096] =
        "what came out does not come out of any order of its steps; of each it differs in:",
         line[1024];
    size_t i;

    for (i = 0; i < model.count && strlen(text) + sizeof(line) < sizeof(text); i++) {
        line[0] = 0;
        describe(seen, &model.outcomes[i], line, sizeof(line));
        strcat(strcat(text, i ? " | or" : ""), line);
    }
    fibers_fail(text);
}

void pair_check(uint64_t program, const struct act *begin)
{
    static struct seen seen;

    pair_run.mm[SPACE_MAIN] = world.mm; /* unless all have left it */
    see(&seen, NULL, pair_run.act);
    if (program == 0)
        return;
    know_outcomes(program, begin);
    if (model.states.count < MOST_STATES && !is_known(&seen))
        complain(&seen);
}

/* ---- one after the other ----------------------------------------------------------------------
 */

bool pair_commutes(const struct act *begin)
{
    struct seen *first;
    size_t count, i;
    bool same;

    find_outcomes(begin, FIRST_FIRST);
    count = model.count;
    first = grown(NULL, count * sizeof(*first));
    memcpy(first, model.outcomes, count * sizeof(*first));
    find_outcomes(begin, LAST_FIRST);
    same = count == model.count;
    for (i = 0; i < count && same; i++)
        same = is_known(&first[i]);
    free(first);
    return same;
}

void pair_check_order(const struct act *begin, unsigned first)
{
    static struct seen seen;

    see(&seen, NULL, pair_run.act);
    find_outcomes(begin, first == 0 ? FIRST_FIRST : LAST_FIRST);
    if (!is_known(&seen))
        complain(&seen);
}
