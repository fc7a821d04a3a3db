/* SPDX-License-Identifier: MIT */
/* cost.c - see cost.h: rounds of both sides in turn, and what is said of them. */
#include "cost.h"

#include "host_alloc.h"
#include "json.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct cost_row names[COST_STEPS] = {
    [COST_OUT_WRITTEN] = {.name = "out-written", .what = "private page, written to: out"},
    [COST_IN] = {.name = "in", .what = "  back, MADV_POPULATE_READ"},
    [COST_OUT_CLEAN] = {.name = "out-clean", .what = "  read only since: out"},
    [COST_IN_TOUCHED] = {.name = "in-touched", .what = "  back, a fault each"},
    [COST_OUT_MIXED] = {.name = "out-mixed", .what = "  of half zeros, half random: out"},
    [COST_IN_MIXED] = {.name = "in-mixed", .what = "  back, MADV_POPULATE_READ"},
    [COST_FILE_OUT] = {.name = "file-out", .what = "page of a file, clean: out"},
    [COST_FILE_IN] = {.name = "file-in", .what = "  back, MADV_POPULATE_READ"},
};

double cost_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

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

/* --- statistics ------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/*
 * Between the kth value and the kth from the end lies the true median, but for one time in twenty:
 * k - 1 or fewer of n lie below it no more often than that, by coin tosses.
 */
static unsigned bound(unsigned n)
{
    double chance = 1, sum = 0;
    unsigned k, i;

    for (i = 0; i < n; i++)
        chance /= 2;
    for (k = 0; k < n / 2; k++) {
        sum += chance;
        if (sum > 0.025)
            break;
        chance = chance * (n - k) / (k + 1);
    }
    return k == 0 ? 0 : k - 1;
}

/* Sorts. */
static double median(double values[], unsigned n)
{
    qsort(values, n, sizeof(values[0]), compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

struct rounds {
    struct cost_round linux_side[COST_ROUNDS_MAX], mmkit_side[COST_ROUNDS_MAX];
};

static void sum_up_step(struct cost *cost, const struct rounds *rounds, enum cost_step step)
{
    double theirs[COST_ROUNDS_MAX], ours[COST_ROUNDS_MAX], ratios[COST_ROUNDS_MAX];
    struct cost_row *row = &cost->rows[step];
    unsigned i, n = cost->rounds, at = bound(n);

    *row = names[step];
    row->measured = true;
    for (i = 0; i < n; i++) {
        theirs[i] = rounds->linux_side[i].ns[step];
        ours[i] = rounds->mmkit_side[i].ns[step];
        row->measured = row->measured && theirs[i] > 0;
        ratios[i] = ours[i] / theirs[i];
    }
    row->mmkit_ns = median(ours, n);
    if (!row->measured)
        return;
    row->linux_ns = median(theirs, n);
    row->ratio = median(ratios, n);
    row->low = ratios[at];
    row->high = ratios[n - 1 - at];
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
    cost->trap_ns = median(trap, cost->rounds);
    cost->copy_ns = median(copy, cost->rounds);
    for (step = 0; step < COST_STEPS; step++)
        sum_up_step(cost, rounds, (enum cost_step)step);
}

/* --- rounds ---------------------------------------------------------------------------------- */

/* Both on one CPU, whichever this is: caches of others are of no use. */
static void stay_here(cpu_set_t *before)
{
    cpu_set_t here;
    int cpu = sched_getcpu();

    (void)sched_getaffinity(0, sizeof(*before), before);
    CPU_ZERO(&here);
    if (cpu >= 0) {
        CPU_SET((size_t)cpu, &here);
        (void)sched_setaffinity(0, sizeof(here), &here);
    }
}

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
    stay_here(&before);
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

static void print_row(FILE *stream, const struct cost_row *row)
{
    fprintf(stream, "%-36s", row->what);
    if (row->measured)
        fprintf(stream, "%10.0f%10.0f%9.2f  %.2f to %.2f\n", row->linux_ns, row->mmkit_ns,
                row->ratio, row->low, row->high);
    else
        fprintf(stream, "%10s%10.0f%9s\n", "-", row->mmkit_ns, "-");
}

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
            "call.\nCPU time: waiting for a disk is not in it.%s\n",
            cost->trap_ns,
#ifdef MACHINE_NO_LOCK_CHECK
            ""
#else
            " mmkit checks its locks here; build-bench/mmkit does not (make bench)."
#endif
    );
}

void cost_print(FILE *stream, const struct cost *cost)
{
    unsigned step;

    fprintf(stream,
            "Linux %s beside mmkit, %u rounds of %u pages in turn: ns a page, medians; ratio with "
            "95 %% bounds\n\n%-36s%10s%10s%9s\n",
            cost->kernel, cost->rounds, COST_PAGES, "", "Linux", "mmkit", "ratio");
    for (step = 0; step < COST_STEPS; step++)
        print_row(stream, &cost->rows[step]);
    putc('\n', stream);
    print_differences(stream, cost);
}

static void write_row(struct json *json, const struct cost *cost, const struct cost_row *row)
{
    json_object(json, NULL);
    json_string(json, "name", row->name);
    json_string(json, "unit", "ns/page");
    json_real(json, "mmkit", row->mmkit_ns);
    if (row->measured) {
        json_real(json, "linux", row->linux_ns);
        json_real(json, "ratio", row->ratio);
        json_real(json, "ratio_low", row->low);
        json_real(json, "ratio_high", row->high);
    }
    json_unsigned(json, "runs", cost->rounds);
    json_close(json, '}');
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
        write_row(json, cost, &cost->rows[step]);
    json_close(json, ']');
}
