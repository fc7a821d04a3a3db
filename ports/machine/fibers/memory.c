/* SPDX-License-Identifier: MIT */
/*
 * memory.c - weak memory: what a load may return, by C11.
 *
 * A word has a history of messages, oldest first: a value, and what its writer let go with it. What
 * a task knows is a vector clock (vector_clock.h): with each message stands when each task first
 * knew of it, so a clock also says which messages are known, of every word.
 *
 * W1 A load returns any message that is not older than one that the task knows of. The newest is
 *    answer 0 of FIBERS_VALUE. From then on the task knows of that message.
 * W2 An acquiring load knows what the message carries: of a release, all that the storing task
 *    knew; of another store, what that task knew at its last full barrier. A relaxed load would
 *    know it at the task's next barrier.
 * W3 A read-modify-write takes the newest message, and its own carries what that one carried, too.
 *    A compare-exchange may also fail, by any message of W1 that differs from what it expects.
 * W4 Full barriers are in one order: each knows what those before it knew.
 * W5 A task that waits by looking again (mmk_cpu_relax()) has then seen the newest of what it last
 *    looked at: stores become visible in the end.
 * W6 In the library, a read-modify-write knows of the last store to the word, if not before, then
 *    by reading it; or before, of what the word has been changed to since. Else it might as well
 *    come first, and be overwritten (S), which is not generated: the run fails at once.
 *
 * Memory itself always has the newest value. Where it does not, a plain write has come in between:
 * the history starts anew with it. That such a write is ordered, cells.c checks.
 *
 * Not generated: loads that return what is stored later in the run (load buffering), and stores
 * that come earlier in a word's order than in the run's (2+2W). cmd/simulate/litmus.c shows both.
 * A history has the last HISTORY messages; what is older is forgotten. After a release, relaxed
 * stores of the same task do not go on with what was released, as C11 would have it (C++20 and
 * hardware do not): only read-modify-writes do.
 */
#include "tsan.h"
#include "weak.h"

#include <stdio.h>
#include <sys/mman.h>

#define HISTORY 8
#define WORDS   ((size_t)1 << 17)
#define STALE   8 /* words */

struct message {
    uint64_t value;
    struct clock known;   /* when each task first knew of it; 0: does not by itself */
    struct clock carries; /* W2 */
};

/* Who stored to a word last, with no regard to what was there; read-modify-writes came since. */
struct stored {
    const struct fibers_site *site; /* NULL: nobody has */
    unsigned task;
    uint32_t when;    /* its time */
    unsigned changes; /* since then */
};

struct word {
    struct cell *cell;
    void *at;
    unsigned size;
    unsigned newest, count;
    struct message history[HISTORY]; /* a ring */
    struct stored stored;
};

bool fibers_weak;
struct view weak_views[MMK_MAX_CPUS];

static struct clock barriers; /* W4 */
static struct word *words;    /* WORDS of them; NULL: not prepared */
static size_t used;

/* W5: words of which each task has read what was not the newest, since it last waited. */
static struct {
    struct word *word[STALE];
    unsigned count;
} stale[MMK_MAX_CPUS];

/* ---- for the scheduler ----------------------------------------------------------------------- */

/* Too much to be in a program that may never use it. */
void *weak_map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

bool weak_prepare(void)
{
    if (words)
        return true;
    if (!cells_prepare())
        return false;
    words = weak_map(WORDS * sizeof(*words));
    return words != NULL;
}

void weak_begin(bool weak)
{
    unsigned i;

    fibers_weak = weak;
    if (!weak)
        return;
    if (!weak_prepare())
        mmk_host_panic(__FILE__, __LINE__, "fibers: no memory for weak memory");
    cells_begin();
    used = 0;
    barriers = (struct clock){{0}};
    for (i = 0; i < MMK_MAX_CPUS; i++) {
        weak_views[i] = (struct view){.now = {{0}}};
        weak_views[i].now.of[i] = 1;
        stale[i].count = 0;
    }
}

void weak_end(void)
{
    fibers_weak = false;
}

void weak_give(struct clock *to)
{
    if (!fibers_weak)
        return;
    clock_join(to, &weak_view()->now);
    weak_tick();
}

void weak_take(const struct clock *from)
{
    if (fibers_weak)
        clock_join(&weak_view()->now, from);
}

/* ---- words ----------------------------------------------------------------------------------- */

static uint64_t memory(const void *at, unsigned size)
{
    if (size == sizeof(uint32_t))
        return __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
    return __atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE);
}

static void set_memory(void *at, unsigned size, uint64_t value)
{
    if (size == sizeof(uint32_t))
        __atomic_store_n((uint32_t *)at, (uint32_t)value, __ATOMIC_RELEASE);
    else
        __atomic_store_n((uint64_t *)at, value, __ATOMIC_RELEASE);
}

/* `age` 0: the newest */
static struct message *message(struct word *word, unsigned age)
{
    return &word->history[(word->newest + HISTORY - age) % HISTORY];
}

static void start_history(struct word *word)
{
    word->cell->plain = false;
    word->newest = 0;
    word->count = 1;
    word->stored = (struct stored){NULL, 0, 0, 0};
    word->history[0] = (struct message){.value = memory(word->at, word->size)};
}

static struct word *word_of(struct cell *cell, const void *at, unsigned size)
{
    struct word *word = cell->word;

    if (!word) {
        mmk_assert(used < WORDS, "fibers: too many words for weak memory");
        cell->word = word = &words[used++];
        *word = (struct word){.cell = cell, .at = (void *)(uintptr_t)at, .size = size};
        start_history(word);
    } else if (word->size != size || cell->plain || message(word, 0)->value != memory(at, size)) {
        word->size = size;
        start_history(word);
    }
    return word;
}

static struct message *add(struct word *word, uint64_t value, const struct clock *carries)
{
    struct message *new;

    word->newest = (word->newest + 1) % HISTORY;
    word->count = word->count < HISTORY ? word->count + 1 : HISTORY;
    new = message(word, 0);
    *new = (struct message){.value = value, .carries = *carries};
    new->known.of[sim.current] = weak_view()->now.of[sim.current];
    set_memory(word->at, word->size, value);
    return new;
}

/* W1: as many, from the newest on, as a load may return. */
static unsigned readable(struct word *word)
{
    const struct clock *now = &weak_view()->now;
    unsigned n = 1;

    while (n < word->count && !clock_knows_any(now, &message(word, n - 1)->known))
        n++;
    return n;
}

static void know(struct message *seen)
{
    uint32_t *known = &seen->known.of[sim.current];

    if (!*known)
        *known = weak_view()->now.of[sim.current];
}

static bool acquires(int order)
{
    return order == MMK_ACQUIRE || order == MMK_ACQ_REL;
}

static bool releases(int order)
{
    return order == MMK_RELEASE || order == MMK_ACQ_REL;
}

static void read_message(struct message *seen, int order)
{
    struct view *view = weak_view();

    know(seen);
    clock_join(acquires(order) ? &view->now : &view->found, &seen->carries);
}

/* What a store of this order carries by itself. */
static const struct clock *carried(int order)
{
    return releases(order) ? &weak_view()->now : &weak_view()->given;
}

static void note_stale(struct word *word)
{
    unsigned i = 0, *count = &stale[sim.current].count;

    while (i < *count && stale[sim.current].word[i] != word)
        i++;
    if (i == *count && i < STALE)
        stale[sim.current].word[(*count)++] = word;
}

bool weak_catch_up(void)
{
    unsigned *count = &stale[sim.current].count;
    bool newer = false;

    if (!fibers_weak)
        return false;
    while (*count > 0) {
        struct word *word = stale[sim.current].word[--*count];

        newer |= readable(word) > 1;
        weak_tick();
        know(message(word, 0));
    }
    return newer;
}

/* ---- accesses: alone, of memory alone -------------------------------------------------------- */

uint64_t fibers_weak_load(const void *at, unsigned size, const struct fibers_site *site)
{
    struct word *word;
    unsigned n, age = 0;

    if (!fibers_weak)
        return memory(at, size);
    weak_tick();
    word = word_of(cell_load((uintptr_t)at, size, site), at, size);
    n = readable(word);
    if (n > 1)
        age = sim_choose(FIBERS_VALUE, n);
    if (age > 0)
        note_stale(word);
    read_message(message(word, age), sites_order(site));
    __tsan_acquire(word->at);
    return message(word, age)->value;
}

void weak_look(const void *at, unsigned size)
{
    struct word *word;

    if (!fibers_weak)
        return;
    weak_tick();
    word = word_of(cell_load((uintptr_t)at, size, NULL), at, size);
    read_message(message(word, 0), MMK_RELAXED);
}

void fibers_weak_store(void *at, unsigned size, uint64_t value, const struct fibers_site *site)
{
    struct word *word;

    if (!fibers_weak) {
        set_memory(at, size, value);
        return;
    }
    weak_tick();
    word = word_of(cell_change((uintptr_t)at, size, site), at, size);
    __tsan_release(word->at);
    add(word, value, carried(sites_order(site)));
    word->stored = (struct stored){site, sim.current, weak_view()->now.of[sim.current], 0};
    weak_tick();
}

/* Does the task know of what came after the last store, before it changes the word itself? */
static bool knows_change(struct word *word)
{
    const struct clock *now = &weak_view()->now;
    unsigned i;

    for (i = 0; i < word->stored.changes && i < word->count; i++)
        if (clock_knows_any(now, &message(word, i)->known))
            return true;
    return false;
}

/* W6: `site` has changed it. */
static void check_stored(const struct stored *stored, const struct fibers_site *site)
{
    char text[320];

    if (!stored->site || stored->when <= weak_view()->now.of[stored->task] ||
        !sites_in_library(stored->site) || !sites_in_library(site))
        return;
    snprintf(text, sizeof(text),
             "race: changes (%s:%u) what CPU %u has stored (%s:%u), and nothing orders the two",
             site->file, site->line, stored->task, stored->site->file, stored->site->line);
    fibers_fail(text);
}

/* W3 */
static void change(struct word *word, uint64_t value, const struct fibers_site *site)
{
    struct clock carries = message(word, 0)->carries;
    bool knows = knows_change(word);
    int order = sites_order(site);

    read_message(message(word, 0), order);
    if (!knows)
        check_stored(&word->stored, site);
    word->stored.changes++;
    clock_join(&carries, carried(order));
    __tsan_acquire(word->at);
    __tsan_release(word->at);
    add(word, value, &carries);
    weak_tick();
}

static uint64_t changed(enum fibers_op op, uint64_t old, uint64_t value)
{
    switch (op) {
    case FIBERS_ADD:
        return old + value;
    case FIBERS_SUB:
        return old - value;
    case FIBERS_OR:
        return old | value;
    case FIBERS_AND:
        return old & value;
    default:
        return value;
    }
}

/* What site->op makes of it: as much as the word can hold. */
static uint64_t result(const struct fibers_site *site, unsigned size, uint64_t old, uint64_t value)
{
    value = changed((enum fibers_op)site->op, old, value);
    return size == sizeof(uint32_t) ? (uint32_t)value : value;
}

uint64_t fibers_weak_change(void *at, unsigned size, uint64_t value, const struct fibers_site *site)
{
    struct word *word;
    uint64_t old;

    if (!fibers_weak) {
        old = memory(at, size);
        set_memory(at, size, result(site, size, old, value));
        return old;
    }
    weak_tick();
    word = word_of(cell_change((uintptr_t)at, size, site), at, size);
    old = message(word, 0)->value;
    change(word, result(site, size, old, value), site);
    return old;
}

/* W3: the ages of messages by which it may come out, beside the newest. */
static unsigned failing(struct word *word, uint64_t expected, unsigned ages[HISTORY])
{
    unsigned n = readable(word), age, found = 1;

    ages[0] = 0;
    for (age = 1; age < n; age++)
        if (message(word, age)->value != expected)
            ages[found++] = age;
    return found;
}

static bool cmpxchg_alone(void *at, unsigned size, uint64_t *expected, uint64_t desired)
{
    uint64_t found = memory(at, size);
    bool equal = found == *expected;

    if (equal)
        set_memory(at, size, desired);
    *expected = found;
    return equal;
}

bool fibers_weak_cmpxchg(void *at, unsigned size, uint64_t *expected, uint64_t desired,
                         const struct fibers_site *site)
{
    unsigned ages[HISTORY], n, age = 0;
    struct message *seen;
    struct word *word;

    if (!fibers_weak)
        return cmpxchg_alone(at, size, expected, desired);
    weak_tick();
    word = word_of(cell_load((uintptr_t)at, size, site), at, size);
    n = failing(word, *expected, ages);
    if (n > 1)
        age = ages[sim_choose(FIBERS_VALUE, n)];
    if (age > 0)
        note_stale(word);
    seen = message(word, age);
    if (seen->value == *expected) {
        cell_change((uintptr_t)at, size, site);
        change(word, desired, site);
        return true;
    }
    read_message(seen, MMK_RELAXED);
    __tsan_acquire(word->at);
    *expected = seen->value;
    return false;
}

/*
 * Of programs. Their own data are strong, unless a run asks for more: most want to know which of
 * two stores came last.
 */
uint64_t fibers_program_load(const void *ram)
{
    static const struct fibers_site site = {"a program", "", 0, FIBERS_LOAD, MMK_RELAXED, 0};

    if (sim.program->weak_programs)
        return fibers_weak_load(ram, sizeof(uint64_t), &site);
    fibers_note_program(ram);
    return memory(ram, sizeof(uint64_t));
}

void fibers_program_store(void *ram, uint64_t word)
{
    static const struct fibers_site site = {"a program", "", 0, FIBERS_STORE, MMK_RELAXED, 0};

    if (sim.program->weak_programs) {
        fibers_weak_store(ram, sizeof(uint64_t), word, &site);
        return;
    }
    fibers_note_program(ram);
    set_memory(ram, sizeof(uint64_t), word);
}

void fibers_weak_barrier(const struct fibers_site *site)
{
    struct view *view = weak_view();

    if (!fibers_weak)
        return;
    clock_join(&view->now, &view->found);
    if (sites_order(site) == __ATOMIC_SEQ_CST) {
        clock_join(&view->now, &barriers);
        barriers = view->now;
    }
    view->given = view->now;
    weak_tick();
}
