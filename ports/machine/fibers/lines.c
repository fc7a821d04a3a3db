/* SPDX-License-Identifier: MIT */
/*
 * lines.c - see lines.h.
 *
 * Left out are stacks, and what the machine itself keeps beside RAM: no CPU has these. So are the
 * contents of programs' pages: what programs share is their business.
 */
#include "lines.h"
#include "sched.h"

#include <stdlib.h>
#include <string.h>

enum {
    MOST = 8192,          /* lines; a power of two */
    WAYS = LINES_CPUS * 4 /* of using one: read, write; in an interrupt, or not */
};

bool lines_noted;

static struct lines_line *lines; /* those used, from the first */
static unsigned count;
static uint16_t place[2 * MOST]; /* by hash: number + 1, or 0 */

/* The linker's. */
extern const char __executable_start[], _end[];

bool lines_begin(void)
{
    if (!lines)
        lines = calloc(MOST, sizeof(*lines));
    count = 0;
    memset(place, 0, sizeof(place));
    lines_noted = lines != NULL;
    return lines_noted;
}

size_t lines_end(const struct lines_line **list)
{
    lines_noted = false;
    *list = lines;
    return count;
}

bool lines_in_ram(uintptr_t at)
{
    return at - machine_ram_base < machine_ram_end;
}

/* What CPUs are made of. */
static bool is_hardware(uintptr_t at)
{
    return at - (uintptr_t)machine_cpus < MMK_MAX_CPUS * sizeof(*machine_cpus);
}

static bool is_kept(uintptr_t at)
{
    if (lines_in_ram(at))
        return true;
    return at - (uintptr_t)__executable_start < (size_t)(_end - __executable_start) &&
           !is_hardware(at);
}

static struct lines_line *find(uintptr_t address)
{
    size_t at = (size_t)(address / LINES_SIZE * 0x9e3779b97f4a7c15u >> 50);

    for (; place[at]; at = (at + 1) % (2 * MOST))
        if (lines[place[at] - 1].address == address)
            return &lines[place[at] - 1];
    mmk_assert(count < MOST, "lines: too many for one pair of operations");
    lines[count] = (struct lines_line){.address = address};
    place[at] = (uint16_t)(count + 1);
    return &lines[count++];
}

static bool is_same(const struct lines_use *a, const struct lines_use *b, bool in_detail)
{
    return a->cpu == b->cpu && a->write == b->write && a->interrupt == b->interrupt &&
           (!in_detail || (a->at == b->at && a->where == b->where));
}

/* One place is kept for each way of using it. */
static void add(struct lines_line *line, const struct lines_use *use)
{
    bool is_new = true;
    unsigned i;

    for (i = 0; i < line->uses; i++) {
        if (is_same(&line->use[i], use, true))
            return;
        is_new &= !is_same(&line->use[i], use, false);
    }
    if (line->uses < LINES_USES - WAYS || is_new)
        line->use[line->uses++] = *use;
}

void lines_note(uintptr_t at, size_t size, enum fibers_access access, const void *where)
{
    uintptr_t end = at + size;
    struct lines_use use = {.where = where,
                            .cpu = (uint8_t)sim.current,
                            .write = access == FIBERS_WRITE,
                            .interrupt = sim_current()->interrupted};

    if (sim.current >= LINES_CPUS || !is_kept(at))
        return;
    for (; at < end; at = (at | (LINES_SIZE - 1)) + 1) {
        use.at = (uint8_t)(at % LINES_SIZE);
        add(find(at - use.at), &use);
    }
}
