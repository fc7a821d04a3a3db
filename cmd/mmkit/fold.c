/* SPDX-License-Identifier: MIT */
/*
 * fold.c - moves what a recorded program mapped closer together.
 *
 * Programs on x86-64 use 47 bits of addresses, and little of that: some GiB around their code, some
 * below their stack. Where a page-table format has fewer bits, the gaps are made smaller. For each
 * address space (what lasts from one exec to the next, its forks included):
 *
 * 1 Addresses move by multiples of 1 GiB. So tables that map less stay as full as they were.
 * 2 Their order remains, and each GiB in use has its own place.
 * 3 Neighbouring GiB in use stay neighbours; between others at least one GiB stays free. So what
 *   touched still touches, and nothing else does.
 *
 * The whole recording is known before the first address is moved: a GiB is in use if anything was
 * ever mapped there, or accessed. Calls on ranges use the first and the last GiB that they name,
 * mapped or not; what they pass over in between was not mapped if nobody else uses it.
 *
 * Addresses of the kernel's half stay as they are: an access there fails anyway. Of what brk was
 * asked in vain it is kept whether that was above or below the heap's end.
 */
#include "fold.h"

#include "host_alloc.h"

#include <mmkit/fault.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDED_BITS = 47, CHUNK_BITS = 30 };

/* Places for every GiB in use, in order. */
struct family {
    uint32_t *chunks, *places;
    size_t count, capacity;
};

struct folder {
    struct program *program;
    unsigned bits;
    const char *format;
    struct family *families; /* one for each exec, by their order; 0 is no program's */
    uint32_t count;          /* of those begun */
    uint32_t *task_family;   /* where operations are gone through */
    const struct op *op;     /* likewise */
};

static bool complain(const struct folder *folder, uint64_t address)
{
    fprintf(stderr,
            "%s:%" PRIu32 ": 0x%" PRIx64 " needs more address bits than %s has, expected %s%u\n",
            folder->program->name, folder->op->line, address, folder->format,
            folder->bits < RECORDED_BITS ? "memory that can be moved together into " : "at most ",
            folder->bits);
    return false;
}

/* The index of the first chunk in use that is not below `chunk`. */
static size_t find(const struct family *family, uint32_t chunk)
{
    size_t low = 0, high = family->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (family->chunks[middle] < chunk)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* => places needed, from 0 upwards */
static uint32_t place_all(struct family *family)
{
    uint32_t place = family->chunks[0] > 0;
    size_t i;

    for (i = 0; i < family->count; i++) {
        if (i > 0)
            place += family->chunks[i] == family->chunks[i - 1] + 1 ? 1 : 2;
        family->places[i] = place;
    }
    return place + 1;
}

static void insert(struct family *family, size_t at, uint32_t chunk)
{
    size_t capacity = family->capacity;

    family->places = host_grow(family->places, family->count, &capacity, sizeof(family->places[0]));
    family->chunks =
        host_grow(family->chunks, family->count, &family->capacity, sizeof(family->chunks[0]));
    memmove(&family->chunks[at + 1], &family->chunks[at],
            (family->count - at) * sizeof(family->chunks[0]));
    family->chunks[at] = chunk;
    family->count++;
}

/* The GiB from `first` to that of `last` are in use. => false after a message */
static bool use(struct folder *folder, struct family *family, uint64_t first, uint64_t last)
{
    const unsigned bits = folder->bits < CHUNK_BITS ? CHUNK_BITS : folder->bits;
    uint32_t chunk;
    size_t at;

    if (last >> (folder->bits < RECORDED_BITS ? RECORDED_BITS : folder->bits) != 0)
        return complain(folder, last);
    if (folder->bits >= RECORDED_BITS)
        return true;
    for (chunk = (uint32_t)(first >> CHUNK_BITS); chunk <= last >> CHUNK_BITS; chunk++) {
        at = find(family, chunk);
        if (at < family->count && family->chunks[at] == chunk)
            continue;
        insert(family, at, chunk);
        if (place_all(family) > (uint32_t)1 << (bits - CHUNK_BITS))
            return complain(folder, (uint64_t)chunk << CHUNK_BITS);
    }
    return folder->bits >= CHUNK_BITS || last >> folder->bits == 0 || complain(folder, last);
}

static bool is_kernels(uint64_t address)
{
    return address >> 63 != 0;
}

/* Of the operation's range, which may be empty. */
static bool use_ends(struct folder *folder, struct family *family)
{
    uint64_t address = folder->op->address, length = folder->op->length;
    uint64_t last = address + (length == 0 ? 0 : length - 1);

    return use(folder, family, address, address) && use(folder, family, last, last);
}

static bool use_op(struct folder *folder, struct family *family)
{
    const struct op *op = folder->op;
    uint64_t last = op->address + op->length - 1;

    switch ((enum op_kind)op->kind) {
    case OP_FAULT:
        return is_kernels(op->address) || use(folder, family, op->address, op->address);
    case OP_MMAP:
    case OP_EXEC_MAP:
        return use(folder, family, op->address, last);
    case OP_MREMAP:
        last = op->target + op->argument - 1;
        return use_ends(folder, family) && use(folder, family, op->target, last);
    case OP_BRK:
        return use(folder, family, op->argument, op->argument);
    default:
        return !op_is_range(op) || use_ends(folder, family);
    }
}

/* => its GiB is in use */
static uint64_t fold(const struct family *family, uint64_t address)
{
    uint32_t chunk = (uint32_t)(address >> CHUNK_BITS);
    size_t at = find(family, chunk);

    return address - ((uint64_t)(chunk - family->places[at]) << CHUNK_BITS);
}

static void fold_range(const struct family *family, struct op *op)
{
    uint64_t start = fold(family, op->address);

    if (op->length > 0)
        op->length = fold(family, op->address + op->length - 1) + 1 - start;
    op->address = start;
}

static void fold_op(struct op *op, const struct family *family)
{
    uint64_t result;

    switch ((enum op_kind)op->kind) {
    case OP_FAULT:
        if (!is_kernels(op->address))
            op->address = fold(family, op->address);
        break;
    case OP_MREMAP:
        fold_range(family, op);
        op->target = fold(family, op->target);
        break;
    case OP_BRK:
        result = fold(family, op->argument);
        if (op->address == op->argument)
            op->address = result;
        else
            op->address = op->address > op->argument ? UINT64_MAX : 0;
        op->argument = result;
        break;
    default:
        if (op_is_range(op))
            fold_range(family, op);
        break;
    }
}

/* The family of the operation's address space, new after exec. */
static struct family *follow(struct folder *folder, const struct op *op)
{
    uint32_t *own = &folder->task_family[op->task];

    if (op->kind == OP_EXEC)
        *own = ++folder->count;
    else if (op->kind == OP_FORK || op->kind == OP_SHARE)
        folder->task_family[op->child] = *own;
    return &folder->families[*own];
}

static bool use_all(struct folder *folder)
{
    struct program *program = folder->program;
    struct family *family;
    size_t i;

    for (i = 0; i < program->op_count; i++) {
        folder->op = &program->ops[i];
        family = follow(folder, folder->op);
        if (!use_op(folder, family))
            return false;
    }
    return true;
}

static void fold_all(struct folder *folder)
{
    struct program *program = folder->program;
    struct family *family;
    size_t i;

    folder->count = 0;
    memset(folder->task_family, 0, program->task_count * sizeof(folder->task_family[0]));
    for (i = 0; i < program->op_count; i++) {
        family = follow(folder, &program->ops[i]);
        fold_op(&program->ops[i], family);
    }
}

bool fold_program(struct program *program, unsigned bits, const char *format)
{
    struct folder folder = {.program = program, .bits = bits, .format = format};
    size_t families = 1, i;
    bool fits;

    for (i = 0; i < program->op_count; i++)
        families += program->ops[i].kind == OP_EXEC;
    folder.families = host_alloc(families, sizeof(folder.families[0]));
    folder.task_family = host_alloc(program->task_count, sizeof(folder.task_family[0]));
    fits = use_all(&folder);
    if (fits && bits < RECORDED_BITS)
        fold_all(&folder);
    for (i = 0; i < families; i++) {
        free(folder.families[i].chunks);
        free(folder.families[i].places);
    }
    free(folder.families);
    free(folder.task_family);
    return fits;
}
