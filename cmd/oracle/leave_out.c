/* SPDX-License-Identifier: MIT */
/* leave_out.c - see leave_out.h. */
#include "leave_out.h"

#include "files.h"
#include "mmkit_side.h"

#include <sys/mman.h>

static bool has_stack(const struct observation *seen)
{
    unsigned i;

    for (i = 0; i < seen->mappings; i++)
        if (seen->mapping[i].flags & MAPPING_GROWSDOWN)
            return true;
    return false;
}

static const struct mapping *next_in(const struct observation *seen, const struct mapping *from,
                                     uint64_t start, uint64_t length)
{
    uint64_t end = length < WINDOW_END - start ? start + length : WINDOW_END;

    for (; from < seen->mapping + seen->mappings; from++)
        if (from->end > start && from->start < end)
            return from;
    return NULL;
}

/* "mremap": Linux goes on counting as locked what it has unlocked. */
static bool locks_are_miscounted(const struct op *op, const struct situation *now)
{
    const struct mapping *mapping = now->here->mapping;

    if ((op->args[3] & MREMAP_DONTUNMAP) == 0)
        return false;
    for (; (mapping = next_in(now->here, mapping, op->args[0], op->args[1])); mapping++)
        if (mapping->flags & MAPPING_LOCKED)
            return true;
    return false;
}

static bool is_stored(unsigned file)
{
    return file == FILE_STORED || file == FILE_DISK;
}

/* "madvise": WILLNEED reads in at once; Linux some time, or, what lives in memory, never. */
static bool reads_in(uint64_t start, uint64_t length, uint64_t advice, const struct situation *now)
{
    const struct mapping *mapping = now->here->mapping;

    if (advice != MADV_WILLNEED)
        return false;
    for (; (mapping = next_in(now->here, mapping, start, length)); mapping++)
        if (mapping->object && is_stored(mmkit_side_file(mapping->object)))
            return true;
    return false;
}

/* "mincore": which pages of a file on a disk are in memory is the system's to decide. */
static bool is_on_disk(uint64_t start, uint64_t length, const struct situation *now)
{
    const struct mapping *mapping = now->here->mapping;

    for (; (mapping = next_in(now->here, mapping, start, length)); mapping++)
        if (mapping->object && mmkit_side_file(mapping->object) == FILE_DISK)
            return true;
    return false;
}

/* Is it in the file's last page, behind the end? */
static bool is_behind(uint64_t at, uint64_t size)
{
    return size % PAGE != 0 && at >= size && at / PAGE == size / PAGE;
}

/* "hole punching": whether the page with the file's end goes from memory, all of which is beyond
   the hole or the end, and what lies behind the end goes, is the file system's to decide. */
static bool punches_end(const struct op *op)
{
    uint64_t size = mmkit_side_file_size((unsigned)op->args[0]);

    return op->args[0] == FILE_DISK &&
           (is_behind(op->args[1], size) || is_behind(op->args[1] + op->args[2], size));
}

/* "fault": Linux on x86-64 brings a page in, of a stack that grows, too, before it sees that it may
   not be executed. */
static bool brings_page_in(const struct op *op, const struct situation *now)
{
    const struct mapping *mapping = next_in(now->here, now->here->mapping, op->args[0], 1);

    if (!mapping)
        return has_stack(now->here);
    return mapping->prot != 0 && (mapping->prot & PROT_EXEC) == 0;
}

/* What is mapped in the range, in bytes. */
static uint64_t mapped_in(const struct situation *now, uint64_t start, uint64_t length)
{
    const struct mapping *mapping = now->here->mapping;
    uint64_t bytes = 0;

    for (; (mapping = next_in(now->here, mapping, start, length)); mapping++)
        bytes += mapping->end - mapping->start;
    return bytes;
}

/* No difference: there would not be the memory for it. */
static bool locks_too_much(const struct op *op, const struct situation *now)
{
    if (!now->locks_much)
        return false;
    switch (op->call) {
    case CALL_MLOCKALL:
        return mapped_in(now, WINDOW_START, WINDOW_END - WINDOW_START) > 2 * LOCKED_MOST;
    case CALL_MLOCK:
    case CALL_MLOCK2:
        return mapped_in(now, op->args[0], op->args[1]) > 2 * LOCKED_MOST;
    case CALL_MMAP:
        return op->args[1] > LOCKED_MOST && op->args[1] < ADDRESS_END;
    case CALL_MREMAP:
        return op->args[2] > LOCKED_MOST && op->args[2] < ADDRESS_END;
    default:
        return false;
    }
}

bool is_left_out(const struct op *op, const struct situation *now)
{
    const uint64_t *args = op->args;

    if (locks_too_much(op, now))
        return true;
    switch (op->call) {
    case CALL_MREMAP:
        return locks_are_miscounted(op, now);
    case CALL_MADVISE:
        return reads_in(args[0], args[1], args[2], now);
    case CALL_PROCESS_MADVISE:
        return reads_in(args[0], args[1], args[4], now) || reads_in(args[2], args[3], args[4], now);
    case CALL_MINCORE:
        return is_on_disk(args[0], args[1], now);
    case CALL_PUNCH:
        return punches_end(op);
    case CALL_EXEC:
        return brings_page_in(op, now);
    default:
        return false;
    }
}
