/* SPDX-License-Identifier: MIT */
/*
 * pattern.c - see pattern.h. Each is run a few times: the first one has the process touch what it
 * needs itself, and times are medians.
 */
#include "pattern.h"

#include "figure.h"

#include <mmkit/mm.h>

#include <stdio.h>
#include <string.h>

enum { SLOTS = 512, RUNS = 5 };

#define PIECE      ((uint64_t)64 << 10)
#define HALF       (SIDE_TABLE / 2)
#define LENGTH     (SLOTS * SIDE_TABLE)
#define READ_WRITE (MMK_PROT_READ | MMK_PROT_WRITE)
#define ANONYMOUS  (MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS | MMK_MAP_NORESERVE | MMK_MAP_FIXED)

/* Where the pattern acts. What is touched lies a slot above the base, so that there is room. */
struct stage {
    const struct side *side;
    uint64_t start;
    uint64_t pages[PATTERN_PAGES]; /* touched, ascending */
    unsigned count;
    uint64_t moved; /* by so much, in the end */
    uint64_t calls;
    int error; /* of the first that has failed */
};

static bool call(struct stage *stage, int64_t answer)
{
    stage->calls++;
    if (answer < 0 && stage->error == 0)
        stage->error = (int)-answer;
    return answer >= 0;
}

/* --- before ---------------------------------------------------------------------------------- */

static bool touch(struct stage *stage)
{
    bool fine = true;
    unsigned i;

    for (i = 0; i < stage->count && fine; i++)
        fine = stage->side->store(stage->pages[i]);
    return fine;
}

/* All addresses that there are, so that what is given back may begin and end where it likes. */
static bool map_anonymous(struct stage *stage)
{
    return call(stage, stage->side->map(stage->start - SIDE_TABLE, LENGTH + 2 * SIDE_TABLE,
                                        READ_WRITE, ANONYMOUS));
}

static void choose_pages(struct stage *stage)
{
    unsigned i;

    stage->count = PATTERN_PAGES;
    for (i = 0; i < PATTERN_PAGES; i++)
        stage->pages[i] = stage->start + i * (SIDE_TABLE / 4);
}

static bool touched(struct stage *stage)
{
    choose_pages(stage);
    return map_anonymous(stage) && touch(stage);
}

static bool untouched(struct stage *stage)
{
    return map_anonymous(stage);
}

/* One page in each GiB. */
static bool touched_widely(struct stage *stage)
{
    unsigned i;

    stage->count = side_fits_widely() ? 256 : 64;
    for (i = 0; i < stage->count; i++)
        stage->pages[i] = stage->start + i * SIDE_UPPER;
    return call(stage,
                stage->side->map(stage->start, stage->count * SIDE_UPPER, READ_WRITE, ANONYMOUS)) &&
           touch(stage);
}

static bool touched_object(struct stage *stage)
{
    choose_pages(stage);
    return call(stage, stage->side->map(stage->start, LENGTH, READ_WRITE,
                                        MMK_MAP_SHARED | MMK_MAP_FIXED)) &&
           touch(stage);
}

/* Each table is that of two mappings. */
static bool touched_halves(struct stage *stage)
{
    bool fine = touched(stage);
    unsigned i;

    for (i = 0; i < SLOTS && fine; i++)
        fine =
            call(stage, stage->side->protect(stage->start + i * SIDE_TABLE, HALF, MMK_PROT_READ));
    return fine;
}

/* --- giving back ----------------------------------------------------------------------------- */

/* In calls of `step` bytes each, from `start` on. */
static bool advise_by(struct stage *stage, uint64_t start, uint64_t length, uint64_t step,
                      int advice)
{
    bool fine = true;
    uint64_t done;

    for (done = 0; done < length && fine; done += step)
        fine = call(stage, stage->side->advise(start + done, step, advice));
    return fine;
}

static bool at_once(struct stage *stage)
{
    return advise_by(stage, stage->start, LENGTH, LENGTH, MMK_MADV_DONTNEED);
}

static bool in_pieces(struct stage *stage)
{
    return advise_by(stage, stage->start, LENGTH, PIECE, MMK_MADV_DONTNEED);
}

static bool misaligned(struct stage *stage)
{
    return advise_by(stage, stage->start - HALF, LENGTH + SIDE_TABLE, SIDE_TABLE,
                     MMK_MADV_DONTNEED);
}

static bool by_halves(struct stage *stage)
{
    return advise_by(stage, stage->start, LENGTH, HALF, MMK_MADV_DONTNEED);
}

static bool by_page(struct stage *stage)
{
    bool fine = true;
    unsigned i;

    for (i = 0; i < stage->count && fine; i++)
        fine = call(stage, stage->side->advise(stage->pages[i], SIDE_PAGE, MMK_MADV_DONTNEED));
    return fine;
}

static bool freed_lazily(struct stage *stage)
{
    return call(stage, stage->side->advise(stage->start, LENGTH, MMK_MADV_FREE)) &&
           call(stage, stage->side->advise(stage->start, LENGTH, MMK_MADV_PAGEOUT));
}

static bool truncated(struct stage *stage)
{
    return call(stage, stage->side->resize(0));
}

static bool punched(struct stage *stage)
{
    return call(stage, stage->side->punch(0, LENGTH / 2)) &&
           call(stage, stage->side->advise(stage->start + LENGTH / 2, LENGTH / 2, MMK_MADV_REMOVE));
}

/* The second page of each slot, which was never touched, stays mapped. */
static bool unmapped_but_one(struct stage *stage)
{
    uint64_t from = stage->start - SIDE_TABLE, keep = 0;
    bool fine = true;
    unsigned i;

    for (i = 0; i < SLOTS && fine; i++, from = keep + SIDE_PAGE) {
        keep = stage->start + i * SIDE_TABLE + SIDE_PAGE;
        fine = call(stage, stage->side->unmap(from, keep - from));
    }
    return fine && call(stage, stage->side->unmap(from, stage->start + LENGTH + SIDE_TABLE - from));
}

static bool mapped_over(struct stage *stage)
{
    bool fine = true;
    uint64_t done;

    for (done = 0; done < LENGTH && fine; done += PIECE)
        fine = call(stage, stage->side->map(stage->start + done, PIECE, MMK_PROT_NONE, ANONYMOUS));
    return fine;
}

static bool moved(struct stage *stage)
{
    stage->moved = 2 * SIDE_UPPER + HALF;
    return call(stage,
                stage->side->remap(stage->start, LENGTH,
                                   MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED | MMK_MREMAP_DONTUNMAP,
                                   stage->start + stage->moved));
}

static bool guarded(struct stage *stage)
{
    return advise_by(stage, stage->start, LENGTH, SIDE_TABLE, MMK_MADV_GUARD_INSTALL) &&
           advise_by(stage, stage->start, LENGTH, SIDE_TABLE, MMK_MADV_GUARD_REMOVE);
}

static bool widely(struct stage *stage)
{
    uint64_t length = stage->count * SIDE_UPPER;

    return advise_by(stage, stage->start, length, length, MMK_MADV_DONTNEED);
}

static bool unmapped_in_pieces(struct stage *stage)
{
    uint64_t start = stage->start - SIDE_TABLE, done;
    bool fine = true;

    for (done = 0; done < LENGTH + 2 * SIDE_TABLE && fine; done += PIECE)
        fine = call(stage, stage->side->unmap(start + done, PIECE));
    return fine;
}

static bool emptied(struct stage *stage)
{
    return touched(stage) && by_page(stage);
}

static bool forked(struct stage *stage)
{
    (void)stage;
    return true; /* what counts is made by measure_child() */
}

static bool swapped(struct stage *stage)
{
    return advise_by(stage, stage->start, LENGTH, LENGTH, MMK_MADV_PAGEOUT);
}

const struct pattern table_patterns[] = {
    {1, "MADV_DONTNEED, one aligned call", touched, at_once, PATTERN_NONE, PATTERN_PLAIN},
    {2, "MADV_DONTNEED in 64 KiB pieces", touched, in_pieces, PATTERN_NONE, PATTERN_PLAIN},
    {3, "MADV_DONTNEED of 2 MiB, 1 MiB off", touched, misaligned, PATTERN_NONE, PATTERN_PLAIN},
    {4, "MADV_DONTNEED page by page", touched, by_page, PATTERN_NONE, PATTERN_PLAIN},
    {5, "a table shared by two mappings", touched_halves, by_halves, PATTERN_NONE, PATTERN_PLAIN},
    {6, "MADV_FREE, then pages taken", touched, freed_lazily, PATTERN_NONE, PATTERN_PLAIN},
    {7, "shared file truncated to 0", touched_object, truncated, PATTERN_NONE, PATTERN_OBJECT},
    {8, "shared file, holes punched", touched_object, punched, PATTERN_NONE, PATTERN_OBJECT},
    {9, "munmap but for an untouched page", touched, unmapped_but_one, PATTERN_NONE, PATTERN_PLAIN},
    {10, "PROT_NONE mapped over, 64 KiB each", touched, mapped_over, PATTERN_NONE, PATTERN_PLAIN},
    {11, "mremap(DONTUNMAP), 1 MiB off", touched, moved, PATTERN_MOVED, PATTERN_PLAIN},
    {12, "guards set and removed, untouched", untouched, guarded, PATTERN_NONE, PATTERN_PLAIN},
    {13, "one page in each GiB, MADV_DONTNEED", touched_widely, widely, PATTERN_NONE,
     PATTERN_PLAIN},
    {14, "fork after that: the child's tables", emptied, forked, PATTERN_NONE, PATTERN_CHILD},
    {15, "munmap in 64 KiB pieces", touched, unmapped_in_pieces, PATTERN_NONE, PATTERN_PLAIN},
    {16, "swapped out: entries stay", touched, swapped, PATTERN_ALL, PATTERN_SWAP},
};

const unsigned table_pattern_count = sizeof(table_patterns) / sizeof(table_patterns[0]);

/* --- measuring ------------------------------------------------------------------------------- */

/* Bytes of the tables below the root for these pages, by their addresses alone. */
static uint64_t tables_for(const struct stage *stage, unsigned levels)
{
    uint64_t covered = SIDE_TABLE, found = 0;
    unsigned level, i;

    for (level = 0; level < levels; level++, covered *= 512)
        for (i = 0; i < stage->count; i++)
            found += i == 0 || (stage->pages[i] + stage->moved) / covered !=
                                   (stage->pages[i - 1] + stage->moved) / covered;
    return found * SIDE_PAGE;
}

static bool complain(const struct pattern *pattern, const struct stage *stage, const char *what)
{
    fprintf(stderr, "mmkit bench tables: %s, row %u: %s%s%s\n", stage->side->name, pattern->row,
            what, stage->error ? ": " : "", stage->error ? strerror(stage->error) : "");
    return false;
}

/* What a child has now; what the call took goes to *ns. */
static bool measure_child(struct stage *stage, uint64_t *bytes, double *ns)
{
    *ns = stage->side->fork();
    if (*ns < 0)
        return false;
    *bytes = stage->side->child_tables();
    return stage->side->end_child() >= 0;
}

/* As many entries as there should be: else what is least is something else. */
static bool remain_as_told(const struct pattern *pattern, struct stage *stage)
{
    uint64_t moved[PATTERN_PAGES], found;
    unsigned i;

    for (i = 0; i < stage->count; i++)
        moved[i] = stage->pages[i] + stage->moved;
    if (pattern->kind == PATTERN_SWAP && stage->side->swapped(moved, stage->count) != stage->count)
        return false;
    found = stage->side->entries(moved, stage->count);
    return found == (pattern->remain == PATTERN_NONE ? 0 : stage->count);
}

static bool measure(const struct pattern *pattern, struct stage *stage,
                    struct pattern_result *result)
{
    const struct side *side = stage->side;
    uint64_t least = side->tables();
    double start, ns = 0;

    if (pattern->kind == PATTERN_CHILD && !measure_child(stage, &least, &ns))
        return complain(pattern, stage, "fork fails");
    if (!pattern->prepare(stage))
        return complain(pattern, stage, "cannot be prepared");
    result->before = side->tables();
    stage->calls = 0;
    start = figure_now();
    if (!pattern->give_back(stage))
        return complain(pattern, stage, "a call fails");
    ns = figure_now() - start;
    result->after = side->tables();
    if (pattern->kind == PATTERN_CHILD) {
        stage->calls = 1;
        if (!measure_child(stage, &result->after, &ns))
            return complain(pattern, stage, "fork fails");
    }
    if (!remain_as_told(pattern, stage))
        snprintf(result->skipped, sizeof(result->skipped), "%s",
                 pattern->kind == PATTERN_SWAP ? "pages do not all go to swap at once"
                                               : "other pages stay than should");
    result->least =
        least + (pattern->remain == PATTERN_NONE ? 0 : tables_for(stage, side->levels()));
    if (result->after == result->least) /* else that is what is to be told */
        side->check();
    result->calls = stage->calls;
    result->call_ns = ns / (double)stage->calls;
    return true;
}

static bool run_once(const struct pattern *pattern, const struct side *side,
                     struct pattern_result *result)
{
    static struct stage stage;
    bool fine;

    if (!side->open())
        return false;
    stage = (struct stage){.side = side, .start = side->base() + SIDE_UPPER};
    fine = measure(pattern, &stage, result);
    side->close();
    return fine;
}

bool pattern_run(const struct pattern *pattern, const struct side *side,
                 enum mmk_table_policy policy, struct pattern_result *result)
{
    struct side_config config = {.region = (uint64_t)(side_fits_widely() ? 512 : 128) * SIDE_UPPER,
                                 .object = pattern->kind == PATTERN_OBJECT ? LENGTH : 0,
                                 .memory = (uint64_t)64 << 20,
                                 .swap =
                                     pattern->kind == PATTERN_SWAP ? PATTERN_PAGES * SIDE_PAGE : 0,
                                 .cpus = 1,
                                 .policy = policy};
    double ns[RUNS];
    bool fine = true;
    unsigned i;

    *result = (struct pattern_result){.before = 0};
    if (!side->begin(&config))
        return false;
    if (pattern->kind == PATTERN_SWAP && side->swapless() != NULL)
        snprintf(result->skipped, sizeof(result->skipped), "%s", side->swapless());
    for (i = 0; i < RUNS && fine && result->skipped[0] == '\0'; i++) {
        fine = run_once(pattern, side, result);
        ns[i] = result->call_ns;
    }
    if (fine && i == RUNS)
        result->call_ns = figure_median(ns, RUNS);
    side->end();
    return fine;
}
