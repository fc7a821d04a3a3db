/* SPDX-License-Identifier: MIT */
/*
 * strategy.c - see strategy.h.
 *
 * PCT gives each task a random priority; the highest that can runs. At `depth` - 1 points, chosen
 * at random among those of a run, the running task's priority drops below all others'. A bug that
 * needs `depth` ordered events is found with probability of at least 1/(n k^(depth-1)) a run, of n
 * tasks and k points. A task that spins gives way, else it might spin for ever.
 *
 * The exhaustive search goes through the tree of choices depth first. It looks at who runs, not at
 * injected failures, and leaves interrupts to where CPUs poll.
 */
#include "strategy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void *grown(void *list, size_t size)
{
    list = realloc(list, size);
    if (!list) {
        fputs("mmkit simulate: no memory\n", stderr);
        exit(3);
    }
    return list;
}

static void note(struct deviations *run, uint32_t at, uint32_t answer)
{
    if (run->count == run->size) {
        run->size = run->size ? run->size * 2 : 64;
        run->list = grown(run->list, run->size * sizeof(*run->list));
    }
    run->list[run->count++] = (struct deviation){at, answer};
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

static unsigned choose_next_path(struct strategy *strategy, enum fibers_choice choice, unsigned n)
{
    unsigned answer = 0;

    if (choice != FIBERS_PREEMPT && choice != FIBERS_NEXT)
        return 0;
    if (choice == FIBERS_PREEMPT && strategy->used == strategy->bound)
        return 0;
    if (strategy->choices < strategy->depth_now) {
        answer = strategy->answers[strategy->choices];
    } else {
        if (strategy->depth_now == strategy->depth_size) {
            strategy->depth_size = strategy->depth_size ? strategy->depth_size * 2 : 256;
            strategy->answers = grown(strategy->answers, strategy->depth_size * sizeof(uint32_t));
            strategy->options = grown(strategy->options, strategy->depth_size * sizeof(uint32_t));
        }
        strategy->answers[strategy->depth_now] = 0;
        strategy->options[strategy->depth_now++] = n;
    }
    strategy->choices++;
    if (choice == FIBERS_PREEMPT && answer)
        strategy->used++;
    return answer;
}

/* A deviation that no longer fits is left out: the list may have been cut. */
static unsigned choose_again(struct strategy *strategy, unsigned n)
{
    const struct deviations *run = &strategy->run;

    while (strategy->depth_now < run->count &&
           run->list[strategy->depth_now].at < strategy->choices)
        strategy->depth_now++;
    if (strategy->depth_now == run->count || run->list[strategy->depth_now].at != strategy->choices)
        return 0;
    return run->list[strategy->depth_now].answer % n;
}

static unsigned choose(struct fibers_chooser *self, enum fibers_choice choice, unsigned n,
                       const uint8_t *tasks)
{
    struct strategy *strategy = (struct strategy *)self;
    unsigned answer;

    switch (strategy->kind) {
    case STRATEGY_RANDOM:
        answer = choose_random(strategy, choice, n);
        break;
    case STRATEGY_PCT:
        answer = choose_pct(strategy, choice, n, tasks);
        break;
    case STRATEGY_EXHAUSTIVE:
        return choose_next_path(strategy, choice, n);
    case STRATEGY_REPLAY:
    default:
        answer = choose_again(strategy, n);
    }
    if (answer && strategy->record)
        note(&strategy->run, strategy->choices, answer);
    strategy->choices++;
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
    if (strategy->points > strategy->length)
        strategy->length = strategy->points;
    for (i = 0; i + 1 < strategy->depth; i++)
        strategy->drop_at[i] =
            1 + next_random(strategy) % (strategy->length ? strategy->length : 100);
    strategy->points = 0;
}

void strategy_begin(struct strategy *strategy, uint64_t seed)
{
    strategy->chooser.choose = choose;
    strategy->chooser.relaxed = strategy->kind == STRATEGY_PCT ? relaxed : NULL;
    strategy->chooser.shared_only = strategy->kind == STRATEGY_EXHAUSTIVE;
    strategy->random = seed * 0xd1342543de82ef95u + 1;
    strategy->choices = 0;
    strategy->used = 0;
    if (strategy->kind == STRATEGY_RANDOM)
        strategy->rarity = 1u << below(strategy, 7);
    if (strategy->kind == STRATEGY_PCT)
        begin_pct(strategy);
    if (strategy->kind == STRATEGY_REPLAY)
        strategy->depth_now = 0;
    else
        strategy->run.count = 0;
}

bool strategy_next(struct strategy *strategy)
{
    size_t *depth = &strategy->depth_now;

    while (*depth > 0 && strategy->answers[*depth - 1] + 1 == strategy->options[*depth - 1])
        --*depth;
    if (*depth == 0)
        return false;
    strategy->answers[*depth - 1]++;
    return true;
}

void strategy_restart(struct strategy *strategy)
{
    strategy->depth_now = 0;
}

void strategy_free(struct strategy *strategy)
{
    free(strategy->run.list);
    free(strategy->answers);
    free(strategy->options);
}
