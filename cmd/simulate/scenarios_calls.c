/* SPDX-License-Identifier: MIT */
/*
 * scenarios_calls.c - see calls.h.
 *
 * Two bytes say which memory there is, how many CPUs, whether allocations may fail, and how many
 * operations follow; each of these is two more: which, by whom, on which pages. What does not fit
 * (a call on an object where there is none) is passed over.
 *
 * C1 What came out must come out of the flat model in some order of the steps, if there is a model
 *    of it (is_modelled()), and not too many orders. Else still everything is looked at: the
 * machine checks.
 */
#include "calls.h"

#include "pairs.h"

#include <string.h>

#define PREFIX "calls."

enum { HEADER = 2, BYTES_MAX = HEADER + 2 * PAIR_ACTS };

static struct {
    char name[CALLS_NAME];
    struct scenario scenario;
    const struct ground *ground;
    struct act act[PAIR_ACTS];
    unsigned acts;
    uint64_t number; /* of the name */
    bool in_child;   /* the last CPU works in the child */
} calls;

/* ---- from bytes ------------------------------------------------------------------------------ */

/* Without larger pages: what comes last in the lists would change what the bytes kept mean. */
static unsigned count_ops(void)
{
    static unsigned count;

    while (pair_op(count) && !(pair_op(count)->traits & OP_LARGER))
        count++;
    return count;
}

static unsigned count_grounds(void)
{
    unsigned count = 0;

    while (pair_grounds[count].name && !pair_grounds[count].keeps)
        count++;
    return count;
}

static size_t bytes_wanted(const uint8_t *bytes)
{
    return HEADER + 2 * (size_t)((bytes[1] >> 2) % PAIR_ACTS + 1);
}

static bool works_in_child(unsigned cpu)
{
    return calls.in_child && cpu + 1 == calls.scenario.cpus;
}

/* Does the CPU already do such a thing? */
static bool has_one(unsigned cpu, unsigned traits)
{
    unsigned i;

    for (i = 0; i < calls.acts; i++)
        if (calls.act[i].cpu == cpu && (calls.act[i].op->traits & traits))
            return true;
    return false;
}

static bool fits(const struct op *op, unsigned cpu)
{
    unsigned other;

    if (!ground_fits(op->traits & ~(unsigned)OP_RARE, calls.ground) || (op->traits & OP_LEAVES))
        return false;
    if ((op->traits & OP_ONCE) && (has_one(cpu, OP_ONCE) || works_in_child(cpu)))
        return false;
    if ((op->traits & OP_CHILD) && !works_in_child(cpu))
        return false;
    for (other = 0; other < calls.scenario.cpus; other++)
        if ((op->traits & OP_PARENT) && (has_one(other, OP_PARENT) || calls.in_child))
            return false;
    return true;
}

static void add(const uint8_t bytes[2])
{
    const struct op *op = pair_op(bytes[0] % count_ops());
    struct act act = {.op = op,
                      .cpu = (bytes[1] & 3) % calls.scenario.cpus,
                      .page = PAIR_FIRST + (bytes[1] >> 2 & 3),
                      .count = 1 + (bytes[1] >> 4 & 1)};

    if (!fits(op, act.cpu))
        return;
    if (act.page + act.count > PAIR_END || (op->traits & OP_ONE_PAGE))
        act.count = 1;
    if (op->traits & OP_HEAP) {
        act.page = PAIR_HEAP - 1;
        act.count = 1;
    }
    if (works_in_child(act.cpu))
        act.space = SPACE_CHILD;
    calls.act[calls.acts++] = act;
}

static void setup(void)
{
    ground_start(calls.ground, calls.act, calls.acts);
}

static void body(unsigned cpu)
{
    unsigned i;

    for (i = 0; i < pair_run.acts; i++)
        if (pair_run.act[i].cpu == cpu)
            pair_run.act[i].op->run(&pair_run.act[i]);
}

/*
 * An access may still find what a call is taking away: munmap has taken the mapping away, and then
 * takes the entries; a TLB forgets last. That is the order "access, call", unless something in
 * between has seen the call's doing: an operation before on the access's CPU, or a third CPU's.
 */
static bool looks_late(void)
{
    unsigned at, i, looks = 0;
    bool late = false;

    for (at = 0; at < calls.acts; at++) {
        if (!(calls.act[at].op->traits & OP_LOOKS))
            continue;
        looks++;
        late |= calls.scenario.cpus > 2;
        for (i = 0; i < at; i++)
            late |= calls.act[i].cpu == calls.act[at].cpu;
    }
    return late && looks < calls.acts;
}

/*
 * Not of a failing allocation, nor of what somebody does who was killed, nor where it matters which
 * neighbours have become one mapping (mlockall, DONTUNMAP). A stack grows, and then its page comes,
 * which is one step there. So is truncation, which goes page by page; and as on Linux, a load may
 * find what lies under a private copy: it has looked while the copy was made, and truncation has
 * taken that away before the load looks again; its page goes right after, with the rest.
 */
static bool is_modelled(void)
{
    unsigned cpu;

    for (cpu = 0; cpu < calls.scenario.cpus; cpu++)
        if (has_one(cpu, OP_PAIRED))
            return false;
    return !calls.scenario.inject && !calls.ground->grows && !looks_late();
}

static void check(void)
{
    pair_check(is_modelled() ? calls.number : 0, calls.act);
    ground_stop();
}

static void decode(const uint8_t *bytes, size_t size)
{
    bool fails = bytes[1] >> 1 & 1;
    size_t at;

    calls.scenario = (struct scenario){.name = calls.name,
                                       .what = "calls as bytes choose them",
                                       .cpus = 2 + (bytes[1] & 1),
                                       .inject = fails ? FIBERS_FAIL_ALL : 0,
                                       .exact_faults = !fails,
                                       .independent = true,
                                       .setup = setup,
                                       .body = body,
                                       .check = check};
    calls.ground = &pair_grounds[bytes[0] % count_grounds()];
    calls.in_child = calls.ground->forked && (bytes[0] & 128);
    calls.acts = 0;
    for (at = HEADER; at < size; at += 2)
        add(bytes + at);
}

/* ---- names ----------------------------------------------------------------------------------- */

size_t calls_name(const uint8_t *bytes, size_t size, char name[CALLS_NAME])
{
    size_t used = strlen(PREFIX), i;

    if (size < HEADER || size < bytes_wanted(bytes))
        return 0;
    size = bytes_wanted(bytes);
    memcpy(name, PREFIX, used);
    for (i = 0; i < size; i++)
        used += (size_t)snprintf(name + used, CALLS_NAME - used, "%02x", bytes[i]);
    return size;
}

static unsigned digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c ? strchr(digits, c) : NULL;

    return found ? (unsigned)(found - digits) : 16;
}

/* => how many bytes; 0: it is no such name */
static size_t parse(const char *name, uint8_t bytes[BYTES_MAX])
{
    size_t count = 0;

    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
        return 0;
    for (name += strlen(PREFIX); *name; name += 2) {
        if (count == BYTES_MAX || digit(name[0]) > 15 || digit(name[1]) > 15)
            return 0;
        bytes[count++] = (uint8_t)(digit(name[0]) << 4 | digit(name[1]));
    }
    return count >= HEADER && count == bytes_wanted(bytes) ? count : 0;
}

static uint64_t number_of(const uint8_t *bytes, size_t size)
{
    uint64_t number = 0xcbf29ce484222325u;

    while (size-- > 0)
        number = (number ^ *bytes++) * 0x100000001b3u;
    return number | 1;
}

const struct scenario *calls_scenario(const char *name)
{
    uint8_t bytes[BYTES_MAX];
    size_t size = parse(name, bytes);

    if (size == 0)
        return NULL;
    if (strcmp(name, calls.name) != 0) {
        strcpy(calls.name, name);
        calls.number = number_of(bytes, size);
        decode(bytes, size);
    }
    return &calls.scenario;
}

void calls_print(FILE *stream)
{
    unsigned cpu, i;

    fprintf(stream, "memory: %s%s\n", calls.ground->name,
            calls.scenario.inject ? ", allocations may fail" : "");
    for (cpu = 0; cpu < calls.scenario.cpus; cpu++) {
        fprintf(stream, "CPU %u%s:", cpu, works_in_child(cpu) ? ", in the child" : "");
        for (i = 0; i < calls.acts; i++)
            if (calls.act[i].cpu == cpu)
                fprintf(stream, " %s %u+%u;", calls.act[i].op->name, calls.act[i].page,
                        calls.act[i].count);
        fputc('\n', stream);
    }
}
