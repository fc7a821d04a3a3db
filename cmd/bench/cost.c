/* SPDX-License-Identifier: MIT */
/* cost.c - see cost.h: rounds of both sides in turn, and what is said of them. */
#include "cost.h"

#include "host_alloc.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

static const struct figure names[COST_STEPS] = {
    [COST_OUT_WRITTEN] = {.name = "out-written",
                          .what = "private page, written to: out",
                          .unit = "ns/page"},
    [COST_IN] = {.name = "in", .what = "  back, MADV_POPULATE_READ", .unit = "ns/page"},
    [COST_OUT_CLEAN] = {.name = "out-clean", .what = "  read only since: out", .unit = "ns/page"},
    [COST_IN_TOUCHED] = {.name = "in-touched", .what = "  back, a fault each", .unit = "ns/page"},
    [COST_OUT_MIXED] = {.name = "out-mixed",
                        .what = "  of half zeros, half random: out",
                        .unit = "ns/page"},
    [COST_IN_MIXED] = {.name = "in-mixed", .what = "  back, MADV_POPULATE_READ", .unit = "ns/page"},
    [COST_FILE_OUT] = {.name = "file-out", .what = "page of a file, clean: out", .unit = "ns/page"},
    [COST_FILE_IN] = {.name = "file-in", .what = "  back, MADV_POPULATE_READ", .unit = "ns/page"},
};

static void make_content(struct cost_content *content)
{
    size_t length = COST_PAGES * sizeof(content->plain[0]);
    uint64_t state = 1;
    unsigned page, i;

    content->plain = host_alloc(1, length);
    content->mixed = host_alloc(1, length);
    for (page = 0; page < COST_PAGES; page++) {
        for (i = 0; i < COST_PAGE_WORDS; i++)
            content->plain[page][i] = 0x0101010101010101u * (page % 255 + 1) + page;
        content->mixed[page][0] = page;
        for (i = COST_PAGE_WORDS / 2; i < COST_PAGE_WORDS; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            content->mixed[page][i] = state ^ state >> 29;
        }
    }
}

struct rounds {
    struct cost_round linux_side[COST_ROUNDS_MAX], mmkit_side[COST_ROUNDS_MAX];
};

static void sum_up_step(struct cost *cost, const struct rounds *rounds, enum cost_step step)
{
    double theirs[COST_ROUNDS_MAX], ours[COST_ROUNDS_MAX];
    unsigned i;

    for (i = 0; i < cost->rounds; i++) {
        theirs[i] = rounds->linux_side[i].ns[step];
        ours[i] = rounds->mmkit_side[i].ns[step];
    }
    cost->rows[step] = names[step];
    figure_sum_up(&cost->rows[step], theirs, ours, cost->rounds);
}

static void sum_up(struct cost *cost, const struct rounds *rounds)
{
    double trap[COST_ROUNDS_MAX], copy[COST_ROUNDS_MAX];
    unsigned i, step;

    for (i = 0; i < cost->rounds; i++) {
        trap[i] = rounds->linux_side[i].trap_ns;
        copy[i] = rounds->mmkit_side[i].copy_ns;
        cost->linux_written += (double)rounds->linux_side[i].written / COST_PAGES / cost->rounds;
        cost->mmkit_written += (double)rounds->mmkit_side[i].written / COST_PAGES / cost->rounds;
    }
    cost->trap_ns = figure_median(trap, cost->rounds);
    cost->copy_ns = figure_median(copy, cost->rounds);
    for (step = 0; step < COST_STEPS; step++)
        sum_up_step(cost, rounds, (enum cost_step)step);
}

/* --- rounds ---------------------------------------------------------------------------------- */

/* The first round, which touches everything for the first time, does not count. */
static bool run_rounds(struct cost *cost, struct rounds *rounds)
{
    bool fine =
        cost_linux_round(cost, &rounds->linux_side[0]) && cost_mmkit_round(&rounds->mmkit_side[0]);
    unsigned i;

    for (i = 0; i < cost->rounds && fine; i++)
        fine = cost_linux_round(cost, &rounds->linux_side[i]) &&
               cost_mmkit_round(&rounds->mmkit_side[i]);
    return fine;
}

bool cost_measure(struct cost *cost, unsigned count)
{
    static struct rounds rounds;
    struct cost_content content;
    cpu_set_t before;
    bool fine;

    *cost = (struct cost){.rounds = count};
    make_content(&content);
    if (!cost_mmkit_begin(&content) || !cost_linux_begin(cost, &content))
        return false;
    figure_stay_here(&before);
    fine = run_rounds(cost, &rounds);
    (void)sched_setaffinity(0, sizeof(before), &before);
    cost_linux_end();
    cost_mmkit_end();
    free(content.plain);
    free(content.mixed);
    if (fine)
        sum_up(cost, &rounds);
    return fine;
}

/* --- what is said ---------------------------------------------------------------------------- */

static void print_differences(FILE *stream, const struct cost *cost)
{
    if (cost->without[0] != '\0')
        fprintf(stream, "Not measured on Linux (-): %s.\n", cost->without);
    fprintf(stream,
            "Swap: Linux's is %s; mmkit's is memory, to which pages are copied, %.0f ns each.\n",
            cost->swap[0] ? cost->swap : "off", cost->copy_ns);
    if (strstr(cost->swap, "zram") != NULL)
        fputs("zram keeps a word for a page that repeats it, and compresses the others.\n", stream);
    if (cost->swap[0] != '\0')
        fprintf(stream,
                "Written once more, of a page that was only read since: Linux %.2f, mmkit %.2f.\n",
                cost->linux_written, cost->mmkit_written);
    fprintf(stream,
            "A fault of a program costs Linux %.0f ns beside its work, for the trap; mmkit's is a "
            "call.\nCPU time: waiting for a disk is not in it.\n%s",
            cost->trap_ns, figure_lock_note);
}

void cost_print(FILE *stream, const struct cost *cost)
{
    unsigned step;

    fprintf(stream,
            "Linux %s beside mmkit, %u rounds of %u pages in turn: ns a page, medians; ratio with "
            "95 %% bounds\n\n%-36s%10s%10s%9s\n",
            cost->kernel, cost->rounds, COST_PAGES, "", "Linux", "mmkit", "ratio");
    for (step = 0; step < COST_STEPS; step++)
        figure_print(stream, &cost->rows[step]);
    putc('\n', stream);
    print_differences(stream, cost);
}

void cost_json(struct json *json, const struct cost *cost)
{
    unsigned step;

    json_string(json, "kernel", cost->kernel);
    json_string(json, "linux_swap", cost->swap);
    json_string(json, "not_measured", cost->without);
    json_real(json, "trap_ns", cost->trap_ns);
    json_real(json, "copy_ns", cost->copy_ns);
    json_real(json, "linux_clean_written", cost->linux_written);
    json_real(json, "mmkit_clean_written", cost->mmkit_written);
    json_array(json, "results");
    for (step = 0; step < COST_STEPS; step++)
        figure_json(json, &cost->rows[step], cost->rounds);
    json_close(json, ']');
}
