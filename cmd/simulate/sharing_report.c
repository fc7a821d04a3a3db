/* SPDX-License-Identifier: MIT */
/* sharing_report.c - what `mmkit simulate --sharing` prints. */
#include "sharing.h"

#include "grown.h"
#include "json.h"

#include <inttypes.h>
#include <string.h>

static const char *const verdicts[] = {
    [SHARING_NOTHING] = "free",
    [SHARING_TABLE] = "free but for their table",
    [SHARING_FLUSH] = "one flushes the other's TLB",
    [SHARING_SOMETHING] = "shared",
};

static const char *verdict_of(const struct sharing_result *result)
{
    return result->pair->class == SHARING_SERIALISED ? "serialised" : verdicts[result->verdict];
}

/* ---- which lines stand in the way of how many pairs -------------------------------------------
 */

static bool is_blamed(const struct sharing_result *result)
{
    return result->pair->class != SHARING_SERIALISED && result->verdict >= SHARING_FLUSH;
}

struct culprit {
    const char *key;
    size_t pairs;
};

static void blame(struct culprit **list, size_t *count, const char *key)
{
    size_t i;

    for (i = 0; i < *count; i++)
        if (strcmp((*list)[i].key, key) == 0) {
            (*list)[i].pairs++;
            return;
        }
    *list = grown(*list, (*count + 1) * sizeof(**list));
    (*list)[(*count)++] = (struct culprit){key, 1};
}

static int by_pairs(const void *a, const void *b)
{
    const struct culprit *x = a, *y = b;

    if (x->pairs != y->pairs)
        return x->pairs < y->pairs ? 1 : -1;
    return strcmp(x->key, y->key);
}

/* Of pairs that should be free. => how many; the caller frees the list */
static size_t find_culprits(const struct sharing *sharing, struct culprit **list)
{
    size_t count = 0, i, j;

    *list = NULL;
    for (i = 0; i < sharing->pairs; i++) {
        const struct sharing_result *result = &sharing->results[i];

        for (j = 0; is_blamed(result) && j < result->found.count; j++)
            blame(list, &count, result->found.line[j].key);
    }
    if (count > 0)
        qsort(*list, count, sizeof(**list), by_pairs);
    return count;
}

/* ---- for people -------------------------------------------------------------------------------
 */

static void tell_pair(FILE *stream, const struct sharing_result *result)
{
    const struct sharing_found *found = &result->found;
    char name[SHARING_PAIR_NAME];
    size_t i;

    fprintf(stream, "%s: %s\n", sharing_pair_name(result->pair, name), verdict_of(result));
    for (i = 0; i < found->count; i++)
        fprintf(stream, "    %s\n        CPU 0 %s\n        CPU 1 %s\n", found->line[i].key,
                found->line[i].cpu[0], found->line[i].cpu[1]);
    if (found->more)
        fputs("    and more\n", stream);
}

static double percent(size_t part, size_t all)
{
    return all ? 100.0 * (double)part / (double)all : 100;
}

static void tell_sum(FILE *stream, const struct sharing *sharing)
{
    size_t asked = sharing->pairs - sharing->serialised;

    fprintf(stream,
            "%zu pairs commute; %zu of them are serialised. Of the other %zu share no line %zu, "
            "%.1f %%: %zu, and %zu but for the one table that both pages are in. %zu share lines "
            "as one flushes the other's TLB, %zu others.\n",
            sharing->pairs, sharing->serialised, asked, sharing_free(sharing),
            percent(sharing_free(sharing), asked), sharing->verdicts[SHARING_NOTHING],
            sharing->verdicts[SHARING_TABLE], sharing->verdicts[SHARING_FLUSH],
            sharing->verdicts[SHARING_SOMETHING]);
}

void sharing_tell(FILE *stream, const struct sharing *sharing)
{
    struct culprit *list;
    size_t count = find_culprits(sharing, &list), i;

    for (i = 0; i < sharing->pairs; i++)
        if (is_blamed(&sharing->results[i]))
            tell_pair(stream, &sharing->results[i]);
    if (count > 0)
        fputs("pairs  share\n", stream);
    for (i = 0; i < count; i++)
        fprintf(stream, "%5zu  %s\n", list[i].pairs, list[i].key);
    tell_sum(stream, sharing);
    free(list);
}

/* ---- for machines -----------------------------------------------------------------------------
 */

static void write_line(struct json *json, const struct sharing_line *line)
{
    json_object(json, NULL);
    json_string(json, "line", line->key);
    json_string(json, "cpu0", line->cpu[0]);
    json_string(json, "cpu1", line->cpu[1]);
    json_unsigned(json, "interrupt", line->interrupt);
    json_unsigned(json, "table", line->table);
    json_close(json, '}');
}

static void write_pair(struct json *json, const struct sharing_result *result)
{
    char name[SHARING_PAIR_NAME];
    size_t i;

    json_object(json, NULL);
    json_string(json, "pair", sharing_pair_name(result->pair, name));
    json_string(json, "verdict", verdict_of(result));
    json_array(json, "lines");
    for (i = 0; i < result->found.count; i++)
        write_line(json, &result->found.line[i]);
    json_close(json, ']');
    json_close(json, '}');
}

static void write_culprits(struct json *json, const struct sharing *sharing)
{
    struct culprit *list;
    size_t count = find_culprits(sharing, &list), i;

    json_array(json, "lines");
    for (i = 0; i < count; i++) {
        json_object(json, NULL);
        json_string(json, "line", list[i].key);
        json_unsigned(json, "pairs", list[i].pairs);
        json_close(json, '}');
    }
    json_close(json, ']');
    free(list);
}

void sharing_write(FILE *stream, const struct sharing *sharing, double seconds)
{
    struct json json;
    size_t i;

    json_begin(&json, stream);
    json_object(&json, NULL);
    json_real(&json, "seconds", seconds);
    json_object(&json, "sharing");
    json_unsigned(&json, "commuting_pairs", sharing->pairs);
    json_unsigned(&json, "conflict_free", sharing_free(sharing));
    json_unsigned(&json, "serialised_pairs", sharing->serialised);
    json_unsigned(&json, "free_but_for_table", sharing->verdicts[SHARING_TABLE]);
    json_unsigned(&json, "flushing", sharing->verdicts[SHARING_FLUSH]);
    json_unsigned(&json, "shared", sharing->verdicts[SHARING_SOMETHING]);
    write_culprits(&json, sharing);
    json_array(&json, "pairs");
    for (i = 0; i < sharing->pairs; i++)
        write_pair(&json, &sharing->results[i]);
    json_close(&json, ']');
    json_close(&json, '}');
    json_close(&json, '}');
    json_end(&json);
}
