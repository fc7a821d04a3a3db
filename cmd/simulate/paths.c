/* SPDX-License-Identifier: MIT */
/*
 * paths.c - see paths.h.
 *
 * A stretch is what a task does from one point at which it could be preempted to the next. Two
 * stretches are independent when they touch nothing in common that one of them changes (touch.c):
 * then either order comes to the same. Say that a task is preempted before a stretch, others run,
 * it goes on, and its stretch is independent of all that they have done. Then the run is as one in
 * which the stretch came first, and the task was preempted after it, or, if it then waits, not at
 * all: a run with no more preemptions than this, and a later one. So this one can be left out, with
 * all that could follow; and as nothing can get later for ever, one of those that it is like is
 * tried (after Coons et al., Bounded Partial-Order Reduction, OOPSLA 2013).
 *
 * A stretch counts as using all memory that its task has used before (O3 there).
 *
 * R1 The search tries what follows no preemption first: it knows the stretch when it tries those.
 * R2 Who was preempted is not preferred to another, at the cost of a preemption, before that one
 *    has done something that is not independent of its stretch.
 * R3 Should it go on nevertheless, as nobody else can, this run branches no more.
 * R4 A task is not preempted in favour of another before a stretch that is independent of
 *    everything done before it goes on, in all runs that preempt it after that stretch instead.
 *    Those were tried before; what they did is what would be done here.
 *
 * Rejected: sleep sets, whose other order may cost a preemption more than the bound allows.
 */
#include "paths.h"

#include "grown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS ((FIBERS_TOUCHED + 63) / 64)
#define ROOM  16384

/* What was touched, as bits; and of that, what `alone`. */
struct footprint {
    uint64_t any[WORDS], alone[WORDS];
};

struct footprints {
    struct footprint own;                 /* the stretch that begins here */
    struct footprint others[PATHS_TASKS]; /* if this task goes on instead: all until own may */
};

struct path_node {
    uint32_t answer, options;
    bool preempts;
    uint32_t left_out; /* PREEMPT: answers, as bits */
    uint8_t tasks[PATHS_TASKS];
    size_t begun; /* touches made before it */
    struct footprints *touched;
};

/* ---- footprints ------------------------------------------------------------------------------ */

static void add(struct footprint *print, const struct fibers_touch *touch)
{
    uint64_t bit = (uint64_t)1 << touch->what % 64;

    print->any[touch->what / 64] |= bit;
    if (touch->alone)
        print->alone[touch->what / 64] |= bit;
}

static bool meets(const struct footprint *print, const struct fibers_touch *touch)
{
    const uint64_t *with = touch->alone ? print->any : print->alone;

    return with[touch->what / 64] >> touch->what % 64 & 1;
}

static bool are_independent(const struct footprint *a, const struct footprint *b)
{
    uint64_t both = 0;
    unsigned i;

    for (i = 0; i < WORDS; i++)
        both |= (a->alone[i] & b->any[i]) | (a->any[i] & b->alone[i]);
    return both == 0;
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void make_room(struct paths *paths, size_t size)
{
    paths->nodes = grown(paths->nodes, size * sizeof(*paths->nodes));
    for (; paths->size < size; paths->size++)
        paths->nodes[paths->size].touched = NULL;
}

/* Room for all but the longest runs, since realloc() in a run would be the CPU's, too. */
void paths_begin(struct paths *paths)
{
    if (paths->size < ROOM)
        make_room(paths, ROOM);
    paths->at = 0;
    paths->stops = 0;
    paths->repeats = false;
}

/* What has come of it that somebody was preempted. */
static void look_at_stop(struct paths *paths, struct stopped *stopped)
{
    const struct footprint *own = &paths->nodes[stopped->node].touched->own;
    const struct fibers_touches *touches = &paths->touches;

    for (; stopped->looked < touches->count && !stopped->over; stopped->looked++) {
        const struct fibers_touch *touch = &touches->list[stopped->looked];

        if (touch->task == stopped->task)
            stopped->over = paths->repeats = true;
        else
            stopped->over = meets(own, touch);
    }
}

static void look_at_stops(struct paths *paths)
{
    unsigned i;

    for (i = 0; i < paths->stops; i++)
        look_at_stop(paths, &paths->stopped[i]);
}

static bool waits_unnoticed(const struct paths *paths, unsigned task)
{
    unsigned i;

    for (i = 0; i < paths->stops; i++)
        if (paths->stopped[i].task == task && !paths->stopped[i].over)
            return true;
    return false;
}

/* No memset() or memcpy() in a run: ThreadSanitizer would take them for the CPU's. */
static struct path_node *new_node(struct paths *paths)
{
    if (paths->depth == paths->size)
        make_room(paths, paths->size * 2);
    return &paths->nodes[paths->depth++];
}

static void begin_node(struct paths *paths, struct path_node *node, const uint8_t *tasks)
{
    unsigned i;

    for (i = 0; i < node->options; i++)
        node->tasks[i] = tasks[i];
    if (!paths->reduced)
        return;
    if (!node->touched)
        node->touched = grown(NULL, sizeof(*node->touched));
    for (i = 1; i < node->options; i++)
        if (waits_unnoticed(paths, tasks[i]))
            node->left_out |= 1u << i;
}

static void add_node(struct paths *paths, enum fibers_choice choice, unsigned n,
                     const uint8_t *tasks)
{
    struct path_node *node = new_node(paths);

    node->answer = node->left_out = 0;
    node->options = n;
    node->preempts = choice == FIBERS_PREEMPT;
    if (node->preempts)
        begin_node(paths, node, tasks);
}

unsigned paths_choose(struct paths *paths, enum fibers_choice choice, unsigned n,
                      const uint8_t *tasks)
{
    struct path_node *node;

    if (paths->at == paths->depth) {
        if (paths->reduced)
            look_at_stops(paths);
        if (paths->repeats)
            return 0;
        add_node(paths, choice, n, tasks);
    }
    node = &paths->nodes[paths->at++];
    node->begun = paths->touches.count;
    if (paths->reduced && node->preempts && node->answer)
        paths->stopped[paths->stops++] = (struct stopped){
            .node = paths->at - 1, .task = node->tasks[0], .looked = paths->touches.count};
    return node->answer;
}

/* ---- between runs ---------------------------------------------------------------------------- */

/* All that was done before who was preempted there went on. */
static void add_others(struct paths *paths, const struct stopped *stopped)
{
    const struct path_node *node = &paths->nodes[stopped->node];
    struct footprint *print = &node->touched->others[node->tasks[node->answer]];
    const struct fibers_touches *touches = &paths->touches;
    size_t i;

    for (i = node->begun; i < touches->count && touches->list[i].task != stopped->task; i++)
        add(print, &touches->list[i]);
}

/* Memory that the task has used before, and could use in any way now. */
static void add_held(const struct paths *paths, struct path_node *node)
{
    size_t i;

    for (i = 0; i < node->begun; i++) {
        struct fibers_touch touch = paths->touches.list[i];

        touch.alone = false;
        if (touch.task == node->tasks[0] && touch.what >= FIBERS_MEMORY)
            add(&node->touched->own, &touch);
    }
}

/* => the next node begins where it ends: with nobody else in between */
static bool add_stretch(struct paths *paths, struct path_node *node, bool followed)
{
    size_t end = followed ? node[1].begun : paths->touches.count, i;

    memset(&node->touched->own, 0, sizeof(node->touched->own));
    add_held(paths, node);
    for (i = node->begun; i < end && paths->touches.list[i].task == node->tasks[0]; i++)
        add(&node->touched->own, &paths->touches.list[i]);
    return i == end && followed && node[1].preempts && node[1].tasks[0] == node->tasks[0];
}

static bool may_go_on_at(const struct path_node *node, unsigned task)
{
    unsigned i;

    for (i = 1; i < node->options; i++)
        if (node->tasks[i] == task)
            return true;
    return false;
}

/* What follows no preemption here was tried; `followed`: with one node or more. */
static void leave_out(struct paths *paths, struct path_node *node, bool followed)
{
    bool same = add_stretch(paths, node, followed);
    unsigned i, task;

    for (i = 1; same && i < node->options; i++) {
        task = node->tasks[i];
        if ((node->left_out >> i & 1) || !may_go_on_at(&node[1], task) ||
            !are_independent(&node->touched->own, &node[1].touched->others[task]))
            continue;
        node->left_out |= 1u << i;
        node->touched->others[task] = node[1].touched->others[task];
    }
}

/* => false: all answers were given */
static bool next_answer(const struct paths *paths, struct path_node *node)
{
    do
        node->answer++;
    while (node->preempts && node->answer < node->options && node->left_out >> node->answer & 1);
    if (node->answer == node->options)
        return false;
    if (paths->reduced && node->preempts)
        memset(&node->touched->others[node->tasks[node->answer]], 0, sizeof(struct footprint));
    return true;
}

/* Is the node at the end of the path of the first run, and did it come to a preemption there? */
static bool is_point(const struct paths *paths)
{
    const struct path_node *last = &paths->nodes[paths->depth - 1];
    size_t i;

    if (!last->preempts || last->left_out == (1u << last->options) - 2)
        return false;
    for (i = 0; i + 1 < paths->depth; i++)
        if (paths->nodes[i].answer)
            return false;
    return true;
}

bool paths_next(struct paths *paths)
{
    bool followed = false;
    struct path_node *node;
    unsigned i;

    for (i = 0; i < paths->stops; i++)
        add_others(paths, &paths->stopped[i]);
    for (; paths->depth > 0; paths->depth--) {
        node = &paths->nodes[paths->depth - 1];
        if (paths->reduced && node->preempts && node->answer == 0)
            leave_out(paths, node, followed);
        if (next_answer(paths, node))
            return true;
        paths->points += is_point(paths);
        followed = true;
    }
    return false;
}

void paths_restart(struct paths *paths)
{
    paths->depth = 0;
    paths->points = 0;
}

void paths_free(struct paths *paths)
{
    size_t i;

    for (i = 0; i < paths->size; i++)
        free(paths->nodes[i].touched);
    free(paths->nodes);
    free(paths->touches.list);
}
