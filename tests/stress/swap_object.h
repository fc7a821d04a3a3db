/* SPDX-License-Identifier: MIT */
/*
 * swap_object.h - what is shared by all processes of the stress of swap: for each thread shared
 * memory, and a file on a disk. The thread alone changes them, and knows each byte of them, of the
 * disk as well when it has asked for that.
 */
#ifndef SWAP_OBJECT_H
#define SWAP_OBJECT_H

#include "swap_io.h"

#include <mmkit/reclaim.h>

#define KINDS        2 /* memory, file */
#define OBJECT_PAGES 16
#define OBJECT_BYTES (OBJECT_PAGES * PAGE)
#define MAY_OOM      (io.tight ? MAY(MMK_FAULT_OOM) : 0)
#define OBJECT_AT(k) (BASE + (8 + (k)) * MB2 - OBJECT_BYTES / 2) /* crosses into the next table */

struct object {
    unsigned number;
    struct mmk_object *object;
    uint64_t size;                           /* bytes */
    _Alignas(8) uint8_t bytes[OBJECT_BYTES]; /* as they must be; beyond the size, zeros */
    _Alignas(8) uint8_t disk[OBJECT_BYTES];  /* of a file */
};

static struct object objects[THREADS * KINDS];

/* Zero, or a word of this page, with 32 bits that grow. */
static uint64_t object_word(const struct object *object, uint64_t page, uint32_t number)
{
    return (uint64_t)(0x80000000u | object->number << 16 | (uint32_t)page) << 32 | number;
}

/* --- the disk -------------------------------------------------------------------------------- */

/* Words, as some may look at those beyond the end while they are cut off. */
static void copy_words(void *to, const void *from, uint64_t bytes)
{
    const struct mmk_a64 *f = (const struct mmk_a64 *)from;
    struct mmk_a64 *t = (struct mmk_a64 *)to;
    uint64_t i;

    for (i = 0; i < bytes / 8; i++)
        mmk_a64_store(&t[i], f ? mmk_a64_load(&f[i], MMK_RELAXED) : 0, MMK_RELAXED);
}

/* What is read when it fails is anything. */
static int disk_read(struct mmk_object *object, uint64_t index, void *page)
{
    const struct object *file = mmk_object_private(object);
    int error = io_of_file(FAILS_READ);

    if (error)
        memset(page, 0xa5, PAGE);
    else
        copy_words(page, file->disk + index * PAGE, PAGE);
    return error;
}

/* Programs may store to the page meanwhile. Half of it is written when it fails. */
static int disk_write(struct mmk_object *object, uint64_t index, const void *page)
{
    struct object *file = mmk_object_private(object);
    int error = io_of_file(FAILS_WRITE);

    copy_words(file->disk + index * PAGE, page, error ? PAGE / 2 : PAGE);
    return error;
}

static int disk_punch(struct mmk_object *object, uint64_t offset, uint64_t length)
{
    struct object *file = mmk_object_private(object);

    copy_words(file->disk + offset, NULL, length);
    return 0;
}

static const struct mmk_object_ops disk_ops = {
    .read_page = disk_read, .write_page = disk_write, .punch_hole = disk_punch};

/* --- operations of its thread ---------------------------------------------------------------- */

static mmk_vaddr_t object_addr(const struct object *object, uint64_t offset)
{
    return OBJECT_AT(object->number) + offset;
}

/* What an access there must answer. */
static enum mmk_fault_result object_expects(const struct object *object, uint64_t offset)
{
    return offset < mmk_page_up(object->size) ? MMK_FAULT_DONE : MMK_FAULT_BUS;
}

static void differs(const char *what, mmk_vaddr_t addr, const void *found, const void *expected)
{
    const uint64_t *f = (const uint64_t *)found, *e = (const uint64_t *)expected;
    unsigned i = 0;

    while (i < PAGE / 8 - 1 && f[i] == e[i])
        i++;
    fail("%s at %llx has %016llx, not %016llx", what, (unsigned long long)(addr + i * 8),
         (unsigned long long)f[i], (unsigned long long)e[i]);
}

static void object_compare(struct mmk_mm *mm, const struct object *object, uint64_t page)
{
    static __thread uint64_t found[PAGE / 8];

    io_read_page(mm, object_addr(object, page * PAGE), found);
    if (memcmp(found, object->bytes + page * PAGE, PAGE) != 0)
        differs("an object", object_addr(object, page * PAGE), found, object->bytes + page * PAGE);
}

static void object_load(const struct object *object, uint64_t offset)
{
    enum mmk_fault_result expected = object_expects(object, offset);
    uint64_t word, right;

    if (expected == MMK_FAULT_DONE && random_below(2)) {
        object_compare(stress.mm, object, offset / PAGE);
        return;
    }
    io_load(object_addr(object, offset), &word, expected);
    memcpy(&right, object->bytes + offset, 8);
    if (expected == MMK_FAULT_DONE && word != right)
        fail("an object at %llx has %016llx, not %016llx",
             (unsigned long long)object_addr(object, offset), (unsigned long long)word,
             (unsigned long long)right);
}

/* Nothing is stored in the last page beyond the end, where it would come to light later. */
static void object_store(struct object *object, uint64_t offset)
{
    enum mmk_fault_result expected = object_expects(object, offset);
    uint64_t word = object_word(object, offset / PAGE, (uint32_t)stress.ops);

    if (expected == MMK_FAULT_DONE && offset >= object->size)
        return;
    io_store(object_addr(object, offset), word, expected);
    if (expected == MMK_FAULT_DONE)
        memcpy(object->bytes + offset, &word, 8);
}

static void object_resize(struct object *object)
{
    uint64_t size = random_below(2) ? OBJECT_BYTES : random_bytes(OBJECT_BYTES);
    uint64_t failed = io_failed();
    int error;

    CALL(error, mmk_object_resize(object->object, size));
    if (!io_done(error, failed))
        return;
    object->size = size;
    memset(object->bytes + size, 0, OBJECT_BYTES - size);
    copy_words(object->disk + size, NULL, OBJECT_BYTES - size); /* before it grows again */
}

static void object_punch(struct object *object)
{
    uint64_t offset = random_bytes(OBJECT_BYTES), length = 8 + random_bytes(OBJECT_BYTES - offset);
    uint64_t failed = io_failed();
    int error;

    if (random_below(2)) {
        offset &= ~(uint64_t)(PAGE - 1);
        length = PAGE;
    }
    CALL(error, mmk_object_punch_hole(object->object, offset, length));
    if (io_done(error, failed))
        memset(object->bytes + offset, 0, length);
}

/* All that was stored is there; others may just have it written once more. */
static void disk_compare(const struct object *object)
{
    static __thread uint64_t disk[OBJECT_BYTES / 8];

    copy_words(disk, object->disk, object->size);
    if (memcmp(disk, object->bytes, object->size) != 0)
        fail("the disk of object %u is not what was stored", object->number);
}

/* Afterwards the disk has every byte. */
static void object_sync(const struct object *object)
{
    uint64_t failed = io_failed();
    int error;

    CALL(error, mmk_object_sync(object->object, 0, UINT64_MAX));
    if (!io_done(error, failed) || object->number % KINDS == 0)
        return;
    disk_compare(object);
}

/* => in a process */
static void object_op(void)
{
    struct object *object = &objects[stress.thread * KINDS + random_below(KINDS)];
    uint64_t offset = random_bytes(OBJECT_BYTES);
    unsigned kind = random_below(40);

    if (kind < 14)
        object_load(object, offset);
    else if (kind < 28)
        object_store(object, offset);
    else if (kind < 35)
        io_page_out(stress.mm, object_addr(object, offset));
    else if (kind < 37)
        object_punch(object);
    else if (kind < 38)
        object_resize(object);
    else if (kind < 39)
        object_sync(object);
    else
        (void)mmk_reclaim(1 + random_below(32));
}

/* --- of others ------------------------------------------------------------------------------- */

/* Somebody else's page: zero, a word of it, or there is none. */
static void object_peek(void)
{
    const struct object *object = &objects[random_below(THREADS * KINDS)];
    uint64_t offset = random_bytes(OBJECT_BYTES), word;
    mmk_vaddr_t addr = object_addr(object, offset);
    enum mmk_fault_result result;

    CALL(result, machine_load(addr, &word, sizeof(word)));
    if (!legal(result, addr, MAY_DONE | MAY(MMK_FAULT_BUS) | MAY_OOM))
        return;
    if (word != 0 && word >> 32 != object_word(object, offset / PAGE, 0) >> 32)
        fail("%llx has %016llx, a word of another page", (unsigned long long)addr,
             (unsigned long long)word);
}

/* --- all ------------------------------------------------------------------------------------- */

static void objects_map(struct mmk_mm *mm)
{
    unsigned k;

    for (k = 0; k < THREADS * KINDS; k++)
        must_map(mm, OBJECT_AT(k), OBJECT_BYTES, MMK_MAP_SHARED, objects[k].object, 0);
}

static void objects_begin(void)
{
    unsigned k;

    for (k = 0; k < THREADS * KINDS; k++) {
        struct object *object = &objects[k];

        object->number = k;
        object->size = OBJECT_BYTES;
        check(mmk_object_create(k % KINDS ? &disk_ops : NULL, OBJECT_BYTES, object,
                                &object->object) == 0);
    }
}

/* => nothing else runs, nothing fails */
static void objects_compare(struct mmk_mm *mm)
{
    uint64_t page;
    unsigned k;

    for (k = 0; k < THREADS * KINDS; k++)
        for (page = 0; page < mmk_page_up(objects[k].size) / PAGE; page++)
            object_compare(mm, &objects[k], page);
}

static void objects_check(void)
{
    unsigned k;

    for (k = 0; k < THREADS * KINDS; k++)
        mmk_check_object(objects[k].object);
}

static void objects_end(void)
{
    unsigned k;

    for (k = 0; k < THREADS * KINDS; k++) {
        struct object *object = &objects[k];

        mmk_object_put(object->object);
        if (k % KINDS)
            disk_compare(object);
    }
}

#endif
