/* SPDX-License-Identifier: MIT */
/* figure.c - see figure.h. */
#include "figure.h"

#include "json.h"

#include <stdlib.h>
#include <time.h>

const char figure_lock_note[] =
#ifdef MACHINE_NO_LOCK_CHECK
    "";
#else
    "mmkit checks its locks here; build-bench/mmkit does not (make bench).\n";
#endif

double figure_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

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

double figure_median(double values[], unsigned n)
{
    qsort(values, n, sizeof(values[0]), compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double figure_bounds(double values[], unsigned n, double *low, double *high)
{
    double median = figure_median(values, n);

    *low = values[bound(n)];
    *high = values[n - 1 - bound(n)];
    return median;
}

void figure_sum_up(struct figure *figure, const double theirs[], const double ours[], unsigned n)
{
    double sorted[FIGURE_ROUNDS_MAX];
    unsigned i;

    for (i = 0; i < n; i++)
        sorted[i] = ours[i];
    figure->mmkit = figure_median(sorted, n);
    figure->measured = true;
    for (i = 0; i < n; i++) {
        sorted[i] = theirs[i];
        figure->measured = figure->measured && theirs[i] > 0;
    }
    if (!figure->measured)
        return;
    figure->linux_side = figure_median(sorted, n);
    for (i = 0; i < n; i++)
        sorted[i] = ours[i] / theirs[i];
    figure->ratio = figure_bounds(sorted, n, &figure->low, &figure->high);
}

void figure_print(FILE *stream, const struct figure *figure)
{
    int digits = figure->ratio < 0.1 ? 3 : 2;

    fprintf(stream, "%-36s", figure->what);
    if (figure->measured)
        fprintf(stream, "%10.0f%10.0f%9.*f  %.*f to %.*f\n", figure->linux_side, figure->mmkit,
                digits, figure->ratio, digits, figure->low, digits, figure->high);
    else
        fprintf(stream, "%10s%10.0f%9s\n", "-", figure->mmkit, "-");
}

void figure_json(struct json *json, const struct figure *figure, unsigned rounds)
{
    json_object(json, NULL);
    json_string(json, "name", figure->name);
    json_string(json, "unit", figure->unit);
    json_real(json, "mmkit", figure->mmkit);
    if (figure->measured) {
        json_real(json, "linux", figure->linux_side);
        json_real(json, "ratio", figure->ratio);
        json_real(json, "ratio_low", figure->low);
        json_real(json, "ratio_high", figure->high);
    }
    json_unsigned(json, "runs", rounds);
    json_close(json, '}');
}

void figure_stay_here(cpu_set_t *before)
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
