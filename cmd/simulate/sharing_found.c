/* SPDX-License-Identifier: MIT */
/* sharing_found.c - see sharing_found.h. */
#include "sharing_found.h"

#include "lines.h"
#include "pairs.h"
#include "sharing_name.h"

#include <stdio.h>
#include <string.h>

static bool counts(const struct lines_use *use, bool with_interrupts)
{
    return with_interrupts || !use->interrupt;
}

/* Does one CPU write there, and the other do anything? */
static bool is_shared(const struct lines_line *line, bool with_interrupts)
{
    bool used[LINES_CPUS] = {false}, written = false;
    unsigned i;

    for (i = 0; i < line->uses; i++)
        if (counts(&line->use[i], with_interrupts)) {
            used[line->use[i].cpu] = true;
            written |= line->use[i].write;
        }
    return used[0] && used[1] && written;
}

static void append(char *text, size_t size, const char *before, const char *what)
{
    size_t used = strlen(text);

    if (!strstr(text, what))
        snprintf(text + used, size - used, "%s%s", used ? before : "", what);
}

static void tell_uses(const struct lines_line *line, unsigned cpu, char *text, size_t size)
{
    struct sharing_name name;
    char use[SHARING_TEXT];
    unsigned i;

    for (i = 0; i < line->uses; i++) {
        if (line->use[i].cpu != cpu)
            continue;
        sharing_name(line->address + line->use[i].at, &name);
        snprintf(use, sizeof(use), "%s%s %s (%s)", line->use[i].write ? "writes" : "reads",
                 line->use[i].interrupt ? ", interrupted," : "", name.field,
                 sharing_function(line->use[i].where));
        append(text, size, ", ", use);
    }
}

/* => NULL: it is known already, or there is no room */
static struct sharing_line *place_for(struct sharing_found *found, const struct sharing_line *line)
{
    size_t i;

    for (i = 0; i < found->count; i++)
        if (strcmp(found->line[i].key, line->key) == 0) {
            found->line[i].interrupt &= line->interrupt;
            return NULL;
        }
    found->more |= found->count == SHARING_LINES;
    return found->count < SHARING_LINES ? &found->line[found->count++] : NULL;
}

static void add(struct sharing_found *found, const struct lines_line *line,
                const struct sharing_line *shared)
{
    struct sharing_line *place = place_for(found, shared);
    unsigned cpu;

    if (!place)
        return;
    *place = *shared;
    for (cpu = 0; cpu < LINES_CPUS; cpu++)
        tell_uses(line, cpu, place->cpu[cpu], sizeof(place->cpu[cpu]));
}

static bool is_field(const struct sharing_name *a, const struct sharing_name *b)
{
    return strcmp(a->object, b->object) == 0 && strcmp(a->field, b->field) == 0;
}

/* Does one write that field, and the other use it? */
static bool is_field_shared(const struct lines_line *line, const struct sharing_name *field)
{
    bool used[LINES_CPUS] = {false}, written = false;
    struct sharing_name name;
    unsigned i;

    for (i = 0; i < line->uses; i++) {
        sharing_name(line->address + line->use[i].at, &name);
        if (is_field(&name, field)) {
            used[line->use[i].cpu] = true;
            written |= line->use[i].write;
        }
    }
    return used[0] && used[1] && written;
}

/* By the name of each field that is shared. => false: none is; only their line is one */
static bool add_fields(struct sharing_found *found, const struct lines_line *line,
                       struct sharing_line *shared)
{
    struct sharing_name name;
    bool any = false;
    unsigned i;

    for (i = 0; i < line->uses; i++) {
        sharing_name(line->address + line->use[i].at, &name);
        if (!is_field_shared(line, &name))
            continue;
        shared->table = name.leaf;
        snprintf(shared->key, sizeof(shared->key), "%s: %s", name.object, name.field);
        add(found, line, shared);
        any = true;
    }
    return any;
}

/* A field that is written, and one of the other CPU's. */
static void add_neighbours(struct sharing_found *found, const struct lines_line *line,
                           struct sharing_line *shared)
{
    const struct lines_use *use = line->use, *other = line->use;
    struct sharing_name name, beside;

    while (!use->write)
        use++;
    while (other->cpu == use->cpu)
        other++;
    sharing_name(line->address + use->at, &name);
    sharing_name(line->address + other->at, &beside);
    shared->table = name.leaf && beside.leaf;
    snprintf(shared->key, sizeof(shared->key), "%s: %s, beside %s: %s", name.object, name.field,
             beside.object, beside.field);
    add(found, line, shared);
}

static void add_line(struct sharing_found *found, const struct lines_line *line)
{
    struct sharing_line shared = {.interrupt = !is_shared(line, false)};

    if (!add_fields(found, line, &shared))
        add_neighbours(found, line, &shared);
}

/* What operations answer goes there. */
static bool is_result(uintptr_t address)
{
    return address + LINES_SIZE - (uintptr_t)&pair_run < sizeof(pair_run) + LINES_SIZE;
}

void sharing_look(struct sharing_found *found)
{
    const struct lines_line *list;
    size_t count = lines_end(&list), i;

    for (i = 0; i < count; i++)
        if (is_shared(&list[i], true) && !is_result(list[i].address))
            add_line(found, &list[i]);
}
