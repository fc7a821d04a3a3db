/* SPDX-License-Identifier: MIT */
/* report.c - see report.h. */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>

enum { LABEL_COLUMNS = 30, VALUE_COLUMNS = 16 };

static double events_per_second(const struct report *report)
{
    const struct replay_result *result = &report->result;

    return result->seconds > 0 ? (double)result->events / result->seconds : 0;
}

static void format_bytes(char *text, size_t size, int64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    unsigned unit = 0;

    while (value >= 10240 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024;
        unit++;
    }
    snprintf(text, size, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

static void format_seconds(char *text, size_t size, double seconds)
{
    if (seconds < 1)
        snprintf(text, size, "%.*f ms", seconds < 0.1 ? 1 : 0, seconds * 1000);
    else
        snprintf(text, size, "%.2f s", seconds);
}

enum row_kind { ROW_COUNT, ROW_SIGNED, ROW_BYTES, ROW_SECONDS, ROW_RATE };

/* Where a row is of interest: always, where memory was short, or where there are larger pages. */
enum interest { ALWAYS, SHORT, HUGE };

struct row {
    const char *label;
    enum row_kind kind;
    size_t offset; /* in struct report */
    enum interest interest;
};

#define ROW(label, kind, field)                                                                    \
    {                                                                                              \
        label, kind, offsetof(struct report, field), ALWAYS                                        \
    }
#define ROW_SHORT(label, field)                                                                    \
    {                                                                                              \
        label, ROW_COUNT, offsetof(struct report, field), SHORT                                    \
    }
#define ROW_HUGE(label, field)                                                                     \
    {                                                                                              \
        label, ROW_COUNT, offsetof(struct report, field), HUGE                                     \
    }
#define ROW_HUGE_BYTES(label, field)                                                               \
    {                                                                                              \
        label, ROW_BYTES, offsetof(struct report, field), HUGE                                     \
    }

static const struct row rows[] = {
    ROW("events applied", ROW_COUNT, result.events),
    ROW("lines without meaning here", ROW_COUNT, result.skipped),
    ROW("address spaces", ROW_COUNT, result.processes),
    ROW("memory of the machine", ROW_BYTES, result.memory),
    ROW("replay time", ROW_SECONDS, result.seconds),
    ROW("events per second", ROW_RATE, result.seconds),
    ROW("faults: first write", ROW_COUNT, result.faults.anon),
    ROW("        zero page", ROW_COUNT, result.faults.zero),
    ROW("        file or shared page", ROW_COUNT, result.faults.file),
    ROW("        copied on write", ROW_COUNT, result.faults.cow),
    ROW("        brought back from swap", ROW_COUNT, result.faults.swap),
    ROW("        own page again", ROW_COUNT, result.faults.reuse),
    ROW("        nothing to do", ROW_COUNT, result.faults.spurious),
    ROW("        not needed here", ROW_COUNT, result.faults.unneeded),
    ROW_HUGE("        of the first: 2 MiB", result.faults.huge),
    ROW("with the lock: first of a mapping", ROW_COUNT, result.locked.first),
    ROW("               page not at hand", ROW_COUNT, result.locked.page),
    ROW("               no memory at hand", ROW_COUNT, result.locked.memory),
    ROW("               mapping, or none", ROW_COUNT, result.locked.vma),
    ROW("               changed meanwhile", ROW_COUNT, result.locked.changed),
    ROW("               of another kind", ROW_COUNT, result.locked.kind),
    ROW_HUGE("larger pages: not to be had", result.huge.fallbacks),
    ROW_HUGE("              split", result.huge.splits),
    ROW_HUGE("              made of small ones", result.huge.collapses),
    ROW_HUGE_BYTES("              tables saved, peak", result.huge.saved_peak_bytes),
    ROW("pages mapped around", ROW_COUNT, result.faults.around),
    ROW("mapped, peak", ROW_BYTES, result.virt_peak_bytes),
    ROW("pages of programs, peak", ROW_BYTES, result.rss_peak_bytes),
    ROW("frames in use, peak", ROW_BYTES, result.frames_peak_bytes),
    ROW("page tables, peak", ROW_BYTES, result.tables.peak_bytes),
    ROW("             least then", ROW_BYTES, result.tables.least_at_peak_bytes),
    ROW("             most excess", ROW_BYTES, result.tables.excess_max_bytes),
    ROW("             at the end", ROW_BYTES, result.tables.end_bytes),
    ROW("             waiting, peak", ROW_BYTES, result.tables.waiting_peak_bytes),
    ROW("             in stock, peak", ROW_BYTES, result.tables.stock_peak_bytes),
    ROW("TLB flushes", ROW_COUNT, result.tlb.flushes),
    ROW("    pages named", ROW_COUNT, result.tlb.pages),
    ROW("    whole spaces", ROW_COUNT, result.tlb.full),
    ROW("    interrupts", ROW_COUNT, result.tlb.ipis),
    ROW_SHORT("reclaim: times in need", result.reclaim.direct),
    ROW_SHORT("         pages looked at", result.reclaim.scanned),
    ROW_SHORT("         freed", result.reclaim.freed),
    ROW_SHORT("         written back", result.reclaim.written),
    ROW_SHORT("         tables looked at", result.reclaim.tables_looked),
    ROW_SHORT("         given back", result.reclaim.tables_given),
    ROW_SHORT("swap: pages written", result.swap.out),
    ROW_SHORT("      pages read", result.swap.in),
    ROW_SHORT("      faults that waited", result.swap.major),
    ROW_SHORT("      faults that did not", result.swap.minor),
    ROW_SHORT("      read ahead in vain", result.refaults.vain),
    ROW_SHORT("evicted pages", result.refaults.evictions),
    ROW_SHORT("        back from swap", result.refaults.swap),
    ROW_SHORT("        back from files", result.refaults.file),
    ROW_SHORT("refault distance: median", result.refaults.median),
    ROW_SHORT("      below 1/4 of memory", result.refaults.distances[REFAULT_QUARTER]),
    ROW_SHORT("      below 1/2", result.refaults.distances[REFAULT_HALF]),
    ROW_SHORT("      below all of it", result.refaults.distances[REFAULT_ONCE]),
    ROW_SHORT("      below twice", result.refaults.distances[REFAULT_TWICE]),
    ROW_SHORT("      more", result.refaults.distances[REFAULT_MORE]),
    ROW("divergences", ROW_COUNT, result.divergences),
    ROW("leaked frames", ROW_SIGNED, result.leaked_frames),
};

static void format_cell(char *text, size_t size, const struct report *report, const struct row *row)
{
    const void *field = (const char *)report + row->offset;

    switch (row->kind) {
    case ROW_COUNT:
        snprintf(text, size, "%" PRIu64, *(const uint64_t *)field);
        break;
    case ROW_SIGNED:
        snprintf(text, size, "%" PRId64, *(const int64_t *)field);
        break;
    case ROW_BYTES:
        format_bytes(text, size, *(const int64_t *)field);
        break;
    case ROW_SECONDS:
        format_seconds(text, size, *(const double *)field);
        break;
    case ROW_RATE:
        snprintf(text, size, "%.0f", events_per_second(report));
        break;
    }
}

/* Is what such rows are about in one of the reports? */
static bool is_there(const struct report *reports, size_t count, enum interest interest)
{
    const struct replay_result *result;
    bool found = interest == ALWAYS;
    size_t i;

    for (i = 0; i < count && !found; i++) {
        result = &reports[i].result;
        if (interest == SHORT)
            found = result->reclaim.direct > 0 || result->refaults.evictions > 0;
        else
            found = (result->faults.huge | result->huge.fallbacks | result->huge.collapses) > 0;
    }
    return found;
}

void report_print(FILE *stream, const struct report *reports, size_t count)
{
    char text[32];
    size_t row, i;

    format_seconds(text, sizeof(text), reports[0].parse_seconds);
    fprintf(stream, "%s (read in %s), page tables of %s\n\n%-*s", reports[0].trace, text,
            reports[0].format, LABEL_COLUMNS, "table policy");
    for (i = 0; i < count; i++)
        fprintf(stream, "%*s", VALUE_COLUMNS, reports[i].policy);
    for (row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        if (!is_there(reports, count, rows[row].interest))
            continue;
        fprintf(stream, "\n%-*s", LABEL_COLUMNS, rows[row].label);
        for (i = 0; i < count; i++) {
            format_cell(text, sizeof(text), &reports[i], &rows[row]);
            fprintf(stream, "%*s", VALUE_COLUMNS, text);
        }
    }
    putc('\n', stream);
}

static void write_faults(struct json *json, const struct replay_result *result)
{
    json_object(json, "faults");
    json_unsigned(json, "anon", result->faults.anon);
    json_unsigned(json, "zero", result->faults.zero);
    json_unsigned(json, "file", result->faults.file);
    json_unsigned(json, "cow", result->faults.cow);
    json_unsigned(json, "swap", result->faults.swap);
    json_unsigned(json, "reuse", result->faults.reuse);
    json_unsigned(json, "spurious", result->faults.spurious);
    json_unsigned(json, "unneeded", result->faults.unneeded);
    json_unsigned(json, "around", result->faults.around);
    json_unsigned(json, "huge", result->faults.huge);
    json_close(json, '}');
    json_object(json, "locked");
    json_unsigned(json, "vma", result->locked.vma);
    json_unsigned(json, "first", result->locked.first);
    json_unsigned(json, "memory", result->locked.memory);
    json_unsigned(json, "page", result->locked.page);
    json_unsigned(json, "kind", result->locked.kind);
    json_unsigned(json, "changed", result->locked.changed);
    json_close(json, '}');
    json_object(json, "huge");
    json_unsigned(json, "fallbacks", result->huge.fallbacks);
    json_unsigned(json, "splits", result->huge.splits);
    json_unsigned(json, "collapses", result->huge.collapses);
    json_unsigned(json, "saved_peak_bytes", result->huge.saved_peak_bytes);
    json_close(json, '}');
}

static void write_tables(struct json *json, const struct replay_result *result)
{
    json_object(json, "tables");
    json_unsigned(json, "peak_bytes", result->tables.peak_bytes);
    json_unsigned(json, "end_bytes", result->tables.end_bytes);
    json_unsigned(json, "least_at_peak_bytes", result->tables.least_at_peak_bytes);
    json_signed(json, "excess_max_bytes", result->tables.excess_max_bytes);
    json_unsigned(json, "waiting_peak_bytes", result->tables.waiting_peak_bytes);
    json_unsigned(json, "stock_peak_bytes", result->tables.stock_peak_bytes);
    json_close(json, '}');
}

static void write_tlb(struct json *json, const struct replay_result *result)
{
    json_object(json, "tlb");
    json_unsigned(json, "flushes", result->tlb.flushes);
    json_unsigned(json, "pages", result->tlb.pages);
    json_unsigned(json, "full", result->tlb.full);
    json_unsigned(json, "ipis", result->tlb.ipis);
    json_close(json, '}');
}

static void write_reclaim(struct json *json, const struct replay_result *result)
{
    json_object(json, "reclaim");
    json_unsigned(json, "direct", result->reclaim.direct);
    json_unsigned(json, "scanned", result->reclaim.scanned);
    json_unsigned(json, "freed", result->reclaim.freed);
    json_unsigned(json, "written", result->reclaim.written);
    json_unsigned(json, "tables_looked", result->reclaim.tables_looked);
    json_unsigned(json, "tables_given", result->reclaim.tables_given);
    json_close(json, '}');
}

static void write_swap(struct json *json, const struct replay_result *result)
{
    json_object(json, "swap");
    json_unsigned(json, "pages_out", result->swap.out);
    json_unsigned(json, "pages_in", result->swap.in);
    json_unsigned(json, "faults_major", result->swap.major);
    json_unsigned(json, "faults_minor", result->swap.minor);
    json_unsigned(json, "ahead_in_vain", result->refaults.vain);
    json_close(json, '}');
}

static void write_refaults(struct json *json, const struct replay_result *result)
{
    static const char *const parts[REFAULT_PARTS] = {
        "below_quarter", "below_half", "below_memory", "below_twice", "more",
    };
    unsigned part;

    json_object(json, "refaults");
    json_unsigned(json, "memory_pages", result->refaults.memory);
    json_unsigned(json, "evicted", result->refaults.evictions);
    json_unsigned(json, "from_swap", result->refaults.swap);
    json_unsigned(json, "from_files", result->refaults.file);
    json_unsigned(json, "distance_median", result->refaults.median);
    json_object(json, "distances");
    for (part = 0; part < REFAULT_PARTS; part++)
        json_unsigned(json, parts[part], result->refaults.distances[part]);
    json_close(json, '}');
    json_close(json, '}');
}

void report_json(struct json *json, const struct report *report)
{
    const struct replay_result *result = &report->result;

    json_string(json, "trace", report->trace);
    json_string(json, "format", report->format);
    json_string(json, "policy", report->policy);
    json_unsigned(json, "events", result->events);
    json_unsigned(json, "skipped", result->skipped);
    json_unsigned(json, "processes", result->processes);
    json_unsigned(json, "memory_bytes", result->memory);
    json_real(json, "parse_seconds", report->parse_seconds);
    json_real(json, "replay_seconds", result->seconds);
    json_real(json, "events_per_second", events_per_second(report));
    write_faults(json, result);
    json_unsigned(json, "virt_peak_bytes", result->virt_peak_bytes);
    json_unsigned(json, "rss_peak_bytes", result->rss_peak_bytes);
    json_unsigned(json, "frames_peak_bytes", result->frames_peak_bytes);
    write_tables(json, result);
    write_tlb(json, result);
    write_reclaim(json, result);
    write_swap(json, result);
    write_refaults(json, result);
    json_unsigned(json, "divergences", result->divergences);
    json_signed(json, "leaked_frames", result->leaked_frames);
}
