/* SPDX-License-Identifier: MIT */
/*
 * sparse.c - see sparse.h. What tables are needed the program counts itself: pages by table, and
 * used tables by the table above. It counts a page before it touches it, and off after it has given
 * it back; so beside running threads the number may be a few tables too high, never too low. With
 * nothing running it is exact.
 */
#include "sparse.h"

#include "clock.h"
#include "host_alloc.h"
#include "usage.h"

#include <mmkit/mm.h>
#include <mmkit/port/atomic.h>

#include <error.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of the server, in GiB; and how long a page of those that come and go stays. */
enum { MAPPED = 55 << 10, RESIDENT = 590, LEVELS_MAX = 4, HELD = 8, TOUCHES_A_TABLE = 5 };

struct worker {
    MMK_CACHE_ALIGNED struct mmk_a64 done; /* touches */
    pthread_t thread;
    unsigned number; /* from 0 */
    uint64_t random;
    uint64_t held[HELD]; /* addresses; 0: none */
    uint32_t *order;     /* in which it fills its pages of the resident part */
    uint32_t share;      /* as many */
    bool failed;
};

static struct {
    const struct sparse *sparse;
    const struct side *side;
    uint64_t base;
    unsigned levels;
    struct mmk_a32 *users[LEVELS_MAX]; /* of each table: pages, or tables below */
    struct mmk_a64 needed;             /* tables */
    struct mmk_a32 running;            /* workers */
    struct worker workers[SPARSE_THREADS_MAX];
} own;

bool sparse_plan(struct sparse *sparse, unsigned factor, unsigned threads)
{
    uint64_t tables = ((uint64_t)MAPPED << 30) / factor / SIDE_TABLE;
    uint64_t dense = ((uint64_t)RESIDENT << 30) / factor / SIDE_TABLE;

    *sparse = (struct sparse){.factor = factor,
                              .threads = threads,
                              .mapped = tables * SIDE_TABLE,
                              .resident = dense * SIDE_TABLE,
                              .tables_all = tables * SIDE_PAGE,
                              .touches = dense * 512 + tables * TOUCHES_A_TABLE};
    return sparse->mapped <= (side_fits_widely() ? (uint64_t)16 << 40 : (uint64_t)128 << 30);
}

/* --- what is needed -------------------------------------------------------------------------- */

static struct mmk_a32 *users_of(unsigned level, uint64_t addr)
{
    return &own.users[level][(addr - own.base) >> (21 + 9 * level)];
}

static void come(uint64_t addr)
{
    unsigned level;

    for (level = 0; level < own.levels; level++) {
        if (mmk_a32_fetch_add(users_of(level, addr), 1, MMK_RELAXED) != 0)
            return;
        (void)mmk_a64_fetch_add(&own.needed, 1, MMK_RELAXED);
    }
}

static void go(uint64_t addr)
{
    unsigned level;

    for (level = 0; level < own.levels; level++) {
        if (mmk_a32_fetch_sub(users_of(level, addr), 1, MMK_RELAXED) != 1)
            return;
        (void)mmk_a64_fetch_sub(&own.needed, 1, MMK_RELAXED);
    }
}

static void make_users(void)
{
    unsigned level;

    for (level = 0; level < own.levels; level++)
        own.users[level] =
            host_alloc((own.sparse->mapped >> (21 + 9 * level)) + 1, sizeof(struct mmk_a32));
    mmk_a64_store(&own.needed, 0, MMK_RELAXED);
}

static void free_users(void)
{
    unsigned level;

    for (level = 0; level < own.levels; level++)
        free(own.users[level]);
}

/* --- the threads ----------------------------------------------------------------------------- */

static uint64_t draw(struct worker *worker, uint64_t below)
{
    worker->random = worker->random * 6364136223846793005u + 1442695040888963407u;
    return (worker->random >> 33) % below;
}

/* A table of the resident part. They lie as far apart as there is room for. */
static uint64_t dense_table(uint64_t number)
{
    uint64_t tables = own.sparse->mapped / SIDE_TABLE, dense = own.sparse->resident / SIDE_TABLE;

    return own.base + number * (tables / dense) * SIDE_TABLE;
}

static void touch(struct worker *worker, uint64_t addr)
{
    come(addr);
    worker->failed = worker->failed || !own.side->store(addr);
    mmk_a64_store(&worker->done, mmk_a64_load(&worker->done, MMK_RELAXED) + 1, MMK_RELAXED);
}

static void give_back(struct worker *worker, uint64_t *held)
{
    if (*held == 0)
        return;
    worker->failed = worker->failed || own.side->advise(*held, SIDE_PAGE, MMK_MADV_DONTNEED) != 0;
    go(*held);
    *held = 0;
}

/* One that is no other thread's, and no dense table's: there it would stay. */
static uint64_t choose_page(struct worker *worker)
{
    uint64_t tables = own.sparse->mapped / SIDE_TABLE, dense = own.sparse->resident / SIDE_TABLE;
    uint64_t table, page;

    do
        table = draw(worker, tables);
    while (table % (tables / dense) == 0 && table / (tables / dense) < dense);
    page = draw(worker, 512 / SPARSE_THREADS_MAX) * SPARSE_THREADS_MAX + worker->number;
    return own.base + table * SIDE_TABLE + page * SIDE_PAGE;
}

static bool holds(const struct worker *worker, uint64_t addr)
{
    unsigned i;

    for (i = 0; i < HELD; i++)
        if (worker->held[i] == addr)
            return true;
    return false;
}

static void come_and_go(struct worker *worker)
{
    uint64_t *held = &worker->held[draw(worker, HELD)];
    uint64_t addr = choose_page(worker);

    give_back(worker, held);
    if (holds(worker, addr))
        return;
    *held = addr;
    touch(worker, addr);
}

/* Which pages of the resident part are this thread's, in random order. */
static void shuffle(struct worker *worker)
{
    uint32_t pages = (uint32_t)(own.sparse->resident / SIDE_PAGE), i, other, page;

    worker->order = host_alloc(pages / own.sparse->threads + 1, sizeof(*worker->order));
    worker->share = 0;
    for (page = worker->number; page < pages; page += own.sparse->threads)
        worker->order[worker->share++] = page;
    for (i = worker->share; i > 1; i--) {
        other = (uint32_t)draw(worker, i);
        page = worker->order[other];
        worker->order[other] = worker->order[i - 1];
        worker->order[i - 1] = page;
    }
}

static void work(struct worker *worker)
{
    uint64_t brief = own.sparse->mapped / SIDE_TABLE * TOUCHES_A_TABLE / own.sparse->threads;
    uint64_t i, filled = 0;

    for (i = 0; i < brief && !worker->failed; i++) {
        come_and_go(worker);
        for (; filled < worker->share * (i + 1) / brief; filled++)
            touch(worker, dense_table(worker->order[filled] / 512) +
                              worker->order[filled] % 512 * SIDE_PAGE);
    }
    for (i = 0; i < HELD; i++)
        give_back(worker, &worker->held[i]);
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;

    own.side->thread_begin(worker->number + 1);
    work(worker);
    own.side->thread_end();
    (void)mmk_a32_fetch_sub(&own.running, 1, MMK_RELEASE);
    return NULL;
}

/* --- looking on ------------------------------------------------------------------------------ */

static uint64_t needed_bytes(void)
{
    return mmk_a64_load(&own.needed, MMK_RELAXED) * SIDE_PAGE;
}

static unsigned percent_done(void)
{
    uint64_t done = 0;
    unsigned i;

    for (i = 0; i < own.sparse->threads; i++)
        done += mmk_a64_load(&own.workers[i].done, MMK_RELAXED);
    return (unsigned)(done * SPARSE_MARKS / own.sparse->touches);
}

/* Also at all marks that have gone by unseen. */
static void look(struct sparse_result *result, uint64_t before, unsigned *mark, unsigned done)
{
    uint64_t tables = own.side->tables(), least = before + needed_bytes();
    uint64_t waiting = own.side->waiting();

    if (tables > result->peak) {
        result->peak = tables;
        result->least_at_peak = least;
    }
    if (waiting > result->waiting_peak)
        result->waiting_peak = waiting;
    if (tables + waiting > result->both_peak)
        result->both_peak = tables + waiting;
    for (; *mark <= done && *mark <= SPARSE_MARKS; ++*mark) {
        result->tables[*mark] = tables;
        result->least[*mark] = least;
    }
}

static void start_workers(void)
{
    unsigned i;

    memset(own.workers, 0, sizeof(own.workers));
    mmk_a32_store(&own.running, own.sparse->threads, MMK_RELAXED);
    for (i = 0; i < own.sparse->threads; i++) {
        own.workers[i].number = i;
        own.workers[i].random = i + 1;
        shuffle(&own.workers[i]);
    }
    for (i = 0; i < own.sparse->threads; i++)
        if (pthread_create(&own.workers[i].thread, NULL, worker_main, &own.workers[i]) != 0)
            error(STATUS_BAD_USAGE, 0, "no threads");
}

/* => none has failed */
static bool join_workers(void)
{
    bool fine = true;
    unsigned i;

    for (i = 0; i < own.sparse->threads; i++) {
        pthread_join(own.workers[i].thread, NULL);
        fine = fine && !own.workers[i].failed;
        free(own.workers[i].order);
    }
    return fine;
}

static bool complain(const char *what)
{
    fprintf(stderr, "mmkit bench tables: %s: %s\n", own.side->name, what);
    return false;
}

static bool run(struct sparse_result *result)
{
    uint64_t before = own.side->tables();
    double start = clock_seconds();
    unsigned mark = 0;
    bool fine;

    if (own.side->map(own.base, own.sparse->mapped, MMK_PROT_READ | MMK_PROT_WRITE,
                      MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS | MMK_MAP_NORESERVE | MMK_MAP_FIXED) < 0)
        return complain("no room for the address space");
    own.side->wait_begin();
    look(result, before, &mark, 0);
    start_workers();
    while (mmk_a32_load(&own.running, MMK_ACQUIRE) > 0) {
        look(result, before, &mark, percent_done());
        usleep(1000);
    }
    fine = join_workers();
    own.side->wait_end();
    result->seconds = clock_seconds() - start;
    look(result, before, &mark, SPARSE_MARKS);
    result->end = own.side->tables();
    result->least_at_end = before + needed_bytes();
    if (result->end == result->least_at_end)
        own.side->check();
    return fine || complain("memory is gone");
}

bool sparse_run(const struct sparse *sparse, const struct side *side, enum mmk_table_policy policy,
                struct sparse_result *result)
{
    struct side_config config = {.region = sparse->mapped,
                                 .memory = sparse->resident + sparse->resident / 4 +
                                           2 * sparse->tables_all + ((uint64_t)64 << 20),
                                 .cpus = sparse->threads + 1,
                                 .policy = policy};
    bool fine;

    own.sparse = sparse;
    own.side = side;
    *result = (struct sparse_result){.peak = 0};
    if (!side->begin(&config))
        return false;
    own.base = side->base();
    own.levels = side->levels();
    fine = side->open();
    if (fine) {
        make_users();
        fine = run(result);
        free_users();
        side->close();
    }
    side->end();
    return fine;
}
