/* SPDX-License-Identifier: MIT */
/*
 * strategy.c - see strategy.h.
 *
 * PCT gives each task a random priority; the highest that can runs. At `depth` - 1 points, chosen
 * at random among those of a run, the running task's priority drops below all others'. A bug that
 * needs `depth` ordered events is found with probability of at least 1/(n k^(depth-1)) a run, of n
 * tasks and k points. A task that spins gives way, else it might spin for ever.
 *
 * The exhaustive search goes through the tree of choices depth first. It looks at who runs, and at
 * the values that weak memory may return, at most `bound` of each; at what hardware does of its own
 * accord, at most `hardware` times; not at injected failures. It leaves interrupts to where CPUs
 * poll. paths.c has the tree.
 *
 * Bytes say where a run deviates from the plain one: after how many choices of a kind. So to change
 * one of them changes little, and what follows them nothing of what comes before.
 */
#include "strategy.h"

#include "options.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define BOUND_MAX 1000

static bool parse_number(const char *text, unsigned low, unsigned high, unsigned *number)
{
    uint64_t value;

    if (!option_number(text, &value) || value < low || value > high)
        return false;
    *number = (unsigned)value;
    return true;
}

/* "B" or "B:H" */
static bool parse_bounds(const char *text, struct strategy *strategy)
{
    const char *colon = strchr(text, ':');
    char bound[8] = "";

    if (!colon)
        return parse_number(text, 0, BOUND_MAX, &strategy->bound);
    if ((size_t)(colon - text) >= sizeof(bound))
        return false;
    memcpy(bound, text, (size_t)(colon - text));
    return parse_number(bound, 0, BOUND_MAX, &strategy->bound) &&
           parse_number(colon + 1, 0, BOUND_MAX, &strategy->hardware);
}

bool strategy_parse(struct strategy *strategy, const char *text)
{
    static const char pct[] = "pct:", exhaustive[] = "exhaustive:";

    if (strcmp(text, "random") == 0) {
        strategy->kind = STRATEGY_RANDOM;
        return true;
    }
    if (strncmp(text, pct, strlen(pct)) == 0) {
        strategy->kind = STRATEGY_PCT;
        return parse_number(text + strlen(pct), 1, STRATEGY_DEPTH_MAX, &strategy->depth);
    }
    if (strncmp(text, exhaustive, strlen(exhaustive)) == 0) {
        strategy->kind = STRATEGY_EXHAUSTIVE;
        return parse_bounds(text + strlen(exhaustive), strategy);
    }
    return false;
}

const char *strategy_name(const struct strategy *strategy, char text[STRATEGY_TEXT])
{
    switch (strategy->kind) {
    case STRATEGY_RANDOM:
        return "random";
    case STRATEGY_PCT:
        snprintf(text, STRATEGY_TEXT, "pct:%u", strategy->depth);
        return text;
    case STRATEGY_EXHAUSTIVE:
        if (strategy->hardware)
            snprintf(text, STRATEGY_TEXT, "exhaustive:%u:%u", strategy->bound, strategy->hardware);
        else
            snprintf(text, STRATEGY_TEXT, "exhaustive:%u", strategy->bound);
        return text;
    case STRATEGY_REPLAY:
        return "replay";
    case STRATEGY_BYTES:
        return "bytes";
    }
    return NULL;
}

static uint64_t next_random(struct strategy *strategy)
{
    uint64_t x = strategy->random += 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static unsigned below(struct strategy *strategy, uint64_t n)
{
    return (unsigned)(next_random(strategy) % n);
}

static void note(struct deviations *run, uint64_t step, uint32_t answer)
{
    if (run->count < run->size)
        run->list[run->count++] = (struct deviation){(uint32_t)step, answer};
}

/* One in so many, where the choice is not who runs. */
static unsigned rarely(struct strategy *strategy, enum fibers_choice choice, unsigned n)
{
    static const unsigned rarities[FIBERS_CHOICES] = {
        [FIBERS_INTERRUPT] = 8, [FIBERS_INJECT] = 64, [FIBERS_VALUE] = 2, [FIBERS_HARDWARE] = 16};

    return below(strategy, rarities[choice]) ? 0 : below(strategy, n);
}

static unsigned choose_random(struct strategy *strategy, enum fibers_choice choice, unsigned n)
{
    if (choice == FIBERS_NEXT)
        return below(strategy, n);
    if (choice == FIBERS_PREEMPT)
        return below(strategy, strategy->rarity) ? 0 : below(strategy, n);
    return rarely(strategy, choice, n);
}

static unsigned highest(const struct strategy *strategy, const uint8_t *tasks, unsigned n)
{
    unsigned i, best = 0;

    for (i = 1; i < n; i++)
        if (strategy->priority[tasks[i]] > strategy->priority[tasks[best]])
            best = i;
    return best;
}

static unsigned choose_pct(struct strategy *strategy, enum fibers_choice choice, unsigned n,
                           const uint8_t *tasks)
{
    unsigned i;

    if (!tasks)
        return rarely(strategy, choice, n);
    if (choice == FIBERS_PREEMPT) {
        strategy->points++;
        for (i = 0; i + 1 < strategy->depth; i++)
            if (strategy->drop_at[i] == strategy->points)
                strategy->priority[tasks[0]] = --strategy->lowest;
    }
    return highest(strategy, tasks, n);
}

/* How many answers other than 0 a path may have. => NULL: none, or as many as there are */
static unsigned *budget(struct strategy *strategy, enum fibers_choice choice, unsigned *most)
{
    *most = strategy->bound;
    switch (choice) {
    case FIBERS_PREEMPT:
        return &strategy->used;
    case FIBERS_VALUE:
        return &strategy->stale;
    case FIBERS_HARDWARE:
        *most = strategy->hardware;
        return &strategy->walked;
    case FIBERS_NEXT:
        *most = UINT_MAX;
        return NULL;
    default:
        *most = 0;
        return NULL;
    }
}

static unsigned choose_next_path(struct strategy *strategy, enum fibers_choice choice, unsigned n,
                                 const uint8_t *tasks)
{
    unsigned answer = 0, most, *used = budget(strategy, choice, &most);

    if (most == 0 || (used && *used == most))
        return 0;
    answer = paths_choose(&strategy->paths, choice, n, tasks);
    if (used && answer)
        ++*used;
    return answer;
}

static unsigned find_task(const uint8_t *tasks, unsigned n, unsigned task)
{
    unsigned i;

    for (i = 0; i < n; i++)
        if (tasks[i] == task)
            return i;
    return 0;
}

/* A deviation that no longer fits is left out: the list may have been cut. */
static unsigned choose_again(struct strategy *strategy, unsigned n, const uint8_t *tasks)
{
    const struct deviations *replay = &strategy->replay;
    uint64_t step = strategy->chooser.step;
    uint32_t answer;

    while (strategy->replayed < replay->count && replay->list[strategy->replayed].step < step)
        strategy->replayed++;
    if (strategy->replayed == replay->count || replay->list[strategy->replayed].step != step)
        return 0;
    answer = replay->list[strategy->replayed].answer;
    if (tasks)
        return find_task(tasks, n, answer);
    return answer < n ? answer : 0;
}

/* The next deviation; none is left: the rest is plain. */
static void next_bytes(struct strategy *strategy)
{
    static const enum fibers_choice kinds[8] = {FIBERS_PREEMPT, FIBERS_PREEMPT, FIBERS_PREEMPT,
                                                FIBERS_PREEMPT, FIBERS_NEXT,    FIBERS_INTERRUPT,
                                                FIBERS_INJECT,  FIBERS_HARDWARE};
    enum { NEAR = 192, FAR = 16 };

    strategy->deviates = FIBERS_CHOICES;
    if (strategy->left < 2)
        return;
    strategy->deviates = kinds[strategy->bytes[0] & 7];
    strategy->answer = strategy->bytes[0] >> 3;
    strategy->pass = strategy->bytes[1];
    if (strategy->pass > NEAR)
        strategy->pass = NEAR + (strategy->pass - NEAR) * FAR;
    strategy->bytes += 2;
    strategy->left -= 2;
}

static unsigned choose_as_bytes_say(struct strategy *strategy, enum fibers_choice choice,
                                    unsigned n)
{
    unsigned answer;

    if (choice != strategy->deviates || n < 2)
        return 0;
    if (strategy->pass > 0) {
        strategy->pass--;
        return 0;
    }
    answer = 1 + strategy->answer % (n - 1);
    next_bytes(strategy);
    return answer;
}

static unsigned choose_by_kind(struct strategy *strategy, enum fibers_choice choice, unsigned n,
                               const uint8_t *tasks)
{
    switch (strategy->kind) {
    case STRATEGY_RANDOM:
        return choose_random(strategy, choice, n);
    case STRATEGY_PCT:
        return choose_pct(strategy, choice, n, tasks);
    case STRATEGY_EXHAUSTIVE:
        return choose_next_path(strategy, choice, n, tasks);
    case STRATEGY_REPLAY:
        return choose_again(strategy, n, tasks);
    case STRATEGY_BYTES:
        return choose_as_bytes_say(strategy, choice, n);
    }
    return 0;
}

static unsigned choose(struct fibers_chooser *self, enum fibers_choice choice, unsigned n,
                       const uint8_t *tasks)
{
    struct strategy *strategy = (struct strategy *)self;
    unsigned answer = choose_by_kind(strategy, choice, n, tasks);

    if (answer)
        note(&strategy->run, self->step, tasks ? tasks[answer] : answer);
    if (strategy->watch)
        strategy->watch(strategy, choice, answer, tasks);
    return answer;
}

static void relaxed(struct fibers_chooser *self, unsigned task)
{
    struct strategy *strategy = (struct strategy *)self;

    strategy->priority[task] = --strategy->lowest;
}

static void begin_pct(struct strategy *strategy)
{
    unsigned i, other;
    int swap;

    for (i = 0; i <= FIBERS_CPUS; i++)
        strategy->priority[i] = (int)i;
    for (i = FIBERS_CPUS; i > 0; i--) {
        other = below(strategy, i + 1);
        swap = strategy->priority[i];
        strategy->priority[i] = strategy->priority[other];
        strategy->priority[other] = swap;
    }
    strategy->lowest = 0;
    for (i = 0; i + 1 < strategy->depth; i++)
        strategy->drop_at[i] = 1 + next_random(strategy) % (strategy->length | !strategy->length);
    strategy->points = 0;
}

/* What weak memory and hardware do by themselves is touched by nobody. */
static void begin_exhaustive(struct strategy *strategy)
{
    struct paths *paths = &strategy->paths;

    paths->reduced = strategy->independent && !strategy->weak && strategy->hardware == 0 &&
                     strategy->bound <= PATHS_STOPPED;
    strategy->chooser.touches = paths->reduced ? &paths->touches : NULL;
    paths_begin(paths);
}

void strategy_begin(struct strategy *strategy, uint64_t seed)
{
    strategy->chooser.choose = choose;
    strategy->chooser.step = 0;
    strategy->chooser.relaxed = strategy->kind == STRATEGY_PCT ? relaxed : NULL;
    strategy->chooser.shared_only = strategy->kind == STRATEGY_EXHAUSTIVE;
    strategy->random = seed * 0xd1342543de82ef95u + 1;
    strategy->run.count = 0;
    strategy->replayed = 0;
    strategy->used = 0;
    strategy->stale = 0;
    strategy->walked = 0;
    if (strategy->kind == STRATEGY_RANDOM)
        strategy->rarity = 1u << below(strategy, 7);
    if (strategy->kind == STRATEGY_PCT)
        begin_pct(strategy);
    if (strategy->kind == STRATEGY_EXHAUSTIVE)
        begin_exhaustive(strategy);
    if (strategy->kind == STRATEGY_BYTES)
        next_bytes(strategy);
}

bool strategy_next(struct strategy *strategy)
{
    return paths_next(&strategy->paths);
}

void strategy_restart(struct strategy *strategy)
{
    paths_restart(&strategy->paths);
}

void strategy_free(struct strategy *strategy)
{
    paths_free(&strategy->paths);
}
