/* SPDX-License-Identifier: MIT */
/*
 * own.h - pages that one thread changes, in the parent and in the child that it is in: it knows
 * what each of its accesses and calls must answer.
 */
#ifndef OWN_H
#define OWN_H

#include "world.h"

/* Page i of all own pages: thread (i / 2) % THREADS. */
static mmk_vaddr_t own_addr_of(unsigned i)
{
    unsigned cluster = i / OWN_PAGES;
    mmk_vaddr_t base = cluster < 3 ? BASE + cluster * MB2 : BASE + (cluster - 2) * GB1;

    return base + MB2 / 2 + i % OWN_PAGES * PAGE;
}

static mmk_vaddr_t own_addr(unsigned n)
{
    return own_addr_of(own_number(n));
}

static uint64_t own_offset(unsigned i)
{
    return i * 0x9e5u % (PAGE / 8) * 8;
}

/* Is its word where a file of the size that this thread's has does not reach? */
static bool own_is_beyond_end(unsigned n)
{
    return own_number(n) * PAGE + own_offset(own_number(n)) >= self->file_size;
}

/* What this access to one's own page must answer. */
static unsigned own_expects(unsigned n, unsigned prot)
{
    const struct own_page *page = &self->here[n];

    if (page->map == OWN_NONE)
        return MAY(MMK_FAULT_SEGV_MAPERR);
    if (!(page->prot & prot))
        return MAY(MMK_FAULT_SEGV_ACCERR);
    if (page->map != OWN_ANON && own_number(n) * PAGE >= mmk_page_up(self->file_size))
        return MAY(MMK_FAULT_BUS);
    return MAY_DONE;
}

static void own_load(unsigned n)
{
    struct own_page *page = &self->here[n];
    bool file = page->map == OWN_SHARED || (page->map == OWN_PRIVATE && !page->copied);
    uint64_t word, expected = file ? self->file_word[n] : page->value;

    if (!load(own_addr(n) + own_offset(own_number(n)), &word, own_expects(n, RW | MMK_PROT_EXEC)))
        return;
    if (file && word == 0 && self->file_maybe_zero[n])
        self->file_word[n] = expected = 0;
    if (page->maybe_zero && word == 0)
        page->value = expected = 0;
    if (word != expected)
        fail("own page %u at %llx holds %016llx, not %016llx", n, (unsigned long long)own_addr(n),
             (unsigned long long)word, (unsigned long long)expected);
}

static void own_written(unsigned n, uint64_t word)
{
    struct own_page *page = &self->here[n];

    if (page->map == OWN_SHARED) {
        self->file_word[n] = word;
        self->file_maybe_zero[n] = self->id % 2 && own_is_beyond_end(n);
        return;
    }
    page->value = word;
    page->copied = true;
    page->maybe_zero = false;
}

/*
 * There was no memory to write to the page. Perhaps a copy of the file's page had been made, and
 * had gone to swap, before there was none to bring it back. Now there is no copy.
 */
static void own_not_written(unsigned n)
{
    const struct own_page *page = &self->here[n];

    if (page->map == OWN_PRIVATE && !page->copied && own_expects(n, RW | MMK_PROT_EXEC) == MAY_DONE)
        check(mmk_madvise(stress.mm, own_addr(n), PAGE, MMK_MADV_DONTNEED) == 0);
}

/* => false: no memory, or not allowed; as it must be */
static bool own_write(unsigned n, uint64_t word)
{
    if (store(own_addr(n) + own_offset(own_number(n)), word, own_expects(n, MMK_PROT_WRITE))) {
        own_written(n, word);
        return true;
    }
    own_not_written(n);
    return false;
}

static void own_store(unsigned n)
{
    (void)own_write(
        n, stamp(KIND_OWN, own_number(n), self->id, self->here != self->own, ++self->number));
}

static void own_map(struct mmk_mm *mm, unsigned n, unsigned count)
{
    static const unsigned flags[] = {0, ANON, MMK_MAP_SHARED, MMK_MAP_PRIVATE};
    struct own_page page = {.map = 1 + random_below(3)};

    page.prot = random_below(4) ? RW : random_below(8);
    if (!done(map_fixed(own_addr(n), count * PAGE, page.prot, flags[page.map],
                        page.map == OWN_ANON ? NULL : self->file, own_number(n) * PAGE, mm)))
        return;
    while (count-- > 0)
        self->here[n++] = page;
}

static void own_unmap(struct mmk_mm *mm, unsigned n, unsigned count)
{
    int error;

    CALL(error, mmk_munmap(mm, own_addr(n), count * PAGE));
    if (!done(error))
        return;
    while (count-- > 0)
        self->here[n++] = (struct own_page){.map = OWN_NONE};
}

static void own_protect(struct mmk_mm *mm, unsigned n, unsigned count)
{
    unsigned prot = random_below(3) ? RW : random_below(8), i = 0;
    int error;

    CALL(error, mmk_mprotect(mm, own_addr(n), count * PAGE, prot));
    if (error == MMK_ENOMEM && stress.injected) /* nothing is changed, or what lies before a hole */
        error = mmk_mprotect(mm, own_addr(n), count * PAGE, prot);
    for (i = 0; i < count && self->here[n + i].map != OWN_NONE; i++)
        self->here[n + i].prot = prot;
    check(error == (i < count ? MMK_ENOMEM : 0)); /* up to the first hole, as Linux */
}

static void own_dontneed(struct mmk_mm *mm, unsigned n, unsigned count)
{
    int error, expected = 0;
    unsigned i;

    CALL(error, mmk_madvise(mm, own_addr(n), count * PAGE, MMK_MADV_DONTNEED));
    for (i = n; i < n + count; i++) {
        struct own_page *page = &self->here[i];

        if (page->map == OWN_NONE)
            expected = MMK_ENOMEM;
        if (page->locked) {
            expected = MMK_EINVAL;
            break;
        }
        page->value = 0;
        page->copied = false;
    }
    check(error == expected);
}

static void own_free(struct mmk_mm *mm, unsigned n)
{
    struct own_page *page = &self->here[n];
    bool may = page->map == OWN_ANON && !page->locked;
    int error;

    CALL(error, mmk_madvise(mm, own_addr(n), PAGE, MMK_MADV_FREE));
    if (may)
        page->maybe_zero = true;
    check(error == (may ? 0 : page->map == OWN_NONE ? MMK_ENOMEM : MMK_EINVAL));
}

/* The first of `count` pages that is not mapped; `count`: none. */
static unsigned own_hole(unsigned n, unsigned count)
{
    unsigned i = 0;

    while (i < count && self->here[n + i].map != OWN_NONE)
        i++;
    return i;
}

/* What lies before a hole is unlocked, whatever else. */
static void own_unlock(struct mmk_mm *mm, unsigned n, unsigned count)
{
    unsigned hole = own_hole(n, count), i;
    int error;

    CALL(error, mmk_munlock(mm, own_addr(n), count * PAGE));
    if (error == MMK_ENOMEM && stress.injected)
        error = mmk_munlock(mm, own_addr(n), count * PAGE);
    check(error == (hole < count ? MMK_ENOMEM : 0));
    for (i = 0; i < hole; i++)
        self->here[n + i].locked = false;
}

/* Locked pages are there, and stay. */
static void own_resident(struct mmk_mm *mm, unsigned n, unsigned count)
{
    uint8_t vec[2] = {2, 2};
    int error = mmk_mincore(mm, own_addr(n), count * PAGE, vec);

    check(error == 0 && vec[0] == 1 && vec[1] == (count == 2 ? 1 : 2));
}

static void own_lock(struct mmk_mm *mm, unsigned n, unsigned count)
{
    unsigned flags = random_below(3) ? 0 : MMK_MLOCK_ONFAULT, hole = own_hole(n, count), i;
    int error, expected = hole < count ? MMK_ENOMEM : 0;

    for (i = 0; i < count; i++)
        if (self->here[n + i].map == OWN_PRIVATE)
            return;
        else if (!flags && own_expects(n + i, RW | MMK_PROT_EXEC) != MAY_DONE)
            expected = MMK_ENOMEM;
    CALL(error, mmk_mlock2(mm, own_addr(n), count * PAGE, flags));
    if (stress.injected && (error == MMK_ENOMEM || error == MMK_EAGAIN)) {
        own_unlock(mm, n, count); /* whether it was locked first is not known */
        return;
    }
    check(error == expected);
    for (i = 0; i < hole; i++)
        self->here[n + i].locked = true;
    if (error == 0 && !flags)
        own_resident(mm, n, count);
}

/* The file shrank to self->file_size: what is beyond is gone, private copies too. */
static void own_forget(struct own_page *page)
{
    unsigned n;

    for (n = 0; page && n < OWN_COUNT; n++, page++)
        if (page->map == OWN_PRIVATE && own_number(n) * PAGE >= mmk_page_up(self->file_size))
            page->copied = false;
}

/* --- files of own pages, and the disk of those that have one */

static int own_read_page(struct mmk_object *object, uint64_t index, void *page)
{
    const struct thread *owner = mmk_object_private(object);

    memset(page, 0, PAGE);
    *(uint64_t *)((char *)page + own_offset((unsigned)index)) =
        mmk_a64_load(&owner->disk_word[index], MMK_RELAXED);
    return 0;
}

static int own_write_page(struct mmk_object *object, uint64_t index, const void *page)
{
    struct thread *owner = mmk_object_private(object);
    const char *word = (const char *)page + own_offset((unsigned)index);

    if (self && random_below(64) == 0)
        return MMK_EIO;
    mmk_a64_store(&owner->disk_word[index],
                  mmk_a64_load((const struct mmk_a64 *)(const void *)word, MMK_RELAXED),
                  MMK_RELAXED);
    return 0;
}

/* Bytes that are whole pages. */
static int own_punch_hole(struct mmk_object *object, uint64_t offset, uint64_t length)
{
    struct thread *owner = mmk_object_private(object);
    uint64_t i;

    for (i = offset / PAGE; i < (offset + length) / PAGE; i++)
        mmk_a64_store(&owner->disk_word[i], 0, MMK_RELAXED);
    return 0;
}

static const struct mmk_object_ops own_ops = {
    .read_page = own_read_page,
    .write_page = own_write_page,
    .punch_hole = own_punch_hole,
};

/* What was stored beyond the end in the last page is cut by shrinking, or by writing it back. */
static void own_cut(void)
{
    unsigned n;

    for (n = 0; n < OWN_COUNT; n++)
        if (own_is_beyond_end(n))
            self->file_word[n] = 0;
}

/* The disk loses what is cut off when nobody can read it, or write it back, any more. */
static void own_resize(void)
{
    uint64_t size = random_bytes(OWN_CLUSTERS * OWN_PAGES * PAGE), i;
    bool shrinks;
    int error;

    if (random_below(2))
        size = OWN_CLUSTERS * OWN_PAGES * PAGE;
    CALL(error, mmk_object_resize(self->file, size));
    if (!done(error))
        return;
    for (i = mmk_page_up(size) / PAGE; i < OWN_CLUSTERS * OWN_PAGES; i++)
        mmk_a64_store(&self->disk_word[i], 0, MMK_RELAXED);
    shrinks = size < self->file_size;
    self->file_size = size;
    if (shrinks)
        own_cut();
    own_forget(self->here);
    own_forget(self->other);
}

static void own_punch(unsigned n, unsigned count)
{
    int error;

    CALL(error, mmk_object_punch_hole(self->file, own_number(n) * PAGE, count * PAGE));
    if (!done(error))
        return;
    while (count-- > 0)
        self->file_word[n++] = 0;
}

/* The disk has it. */
static void own_check_disk(unsigned n)
{
    uint64_t word = mmk_a64_load(&self->disk_word[own_number(n)], MMK_RELAXED);

    if (word == 0 && self->file_maybe_zero[n])
        self->file_word[n] = 0;
    if (word != self->file_word[n])
        fail("the disk has %016llx of own page %u, not %016llx", (unsigned long long)word, n,
             (unsigned long long)self->file_word[n]);
}

/* Afterwards the disk has every word. Others may write this file back, but nobody stores to it. */
static void own_sync(void)
{
    int error = mmk_object_sync(self->file, 0, UINT64_MAX);
    unsigned n;

    if (self->id % 2 == 0) {
        check(error == 0);
        return;
    }
    check(error == 0 || error == MMK_EIO);
    own_cut();
    for (n = 0; !error && n < OWN_COUNT; n++)
        own_check_disk(n);
}

/* A page of one's own that may be pinned for this, with what is known of it; NULL: not now. */
static struct mmk_page *own_pin(unsigned n, unsigned prot)
{
    unsigned flags = prot == MMK_PROT_WRITE ? MMK_PIN_WRITE : MMK_PIN_READ;
    bool may = own_expects(n, prot) == MAY_DONE;
    struct mmk_page *page;
    int64_t pinned;

    CALL(pinned, mmk_pin_pages(stress.mm, own_addr(n), 1, flags | MMK_PIN_LONGTERM, &page));
    if (pinned == 1 && may) {
        if (self->here[n].map == OWN_PRIVATE && !self->here[n].copied) { /* into a copy */
            own_written(n, self->file_word[n]);
            self->here[n].maybe_zero = self->file_maybe_zero[n];
        }
        return page;
    }
    if (pinned == 1 || (pinned != MMK_EFAULT && !(pinned == MMK_ENOMEM && stress.injected)) ||
        (pinned == MMK_EFAULT && may))
        fail("a pin of own page %u answers %d", n, (int)pinned);
    own_not_written(n);
    return NULL;
}

/* Its word, as a device sees it. */
static struct mmk_a64 *own_word(const struct mmk_page *page, unsigned n)
{
    return (struct mmk_a64 *)((char *)mmk_page_address(page) + own_offset(own_number(n)));
}

/* Device and program see each other's words. */
static void own_device(unsigned n)
{
    bool write = random_below(2);
    struct mmk_page *page = own_pin(n, write ? MMK_PROT_WRITE : RW | MMK_PROT_EXEC);
    uint64_t word, seen;

    if (!page)
        return;
    own_load(n); /* no memory is needed: it is mapped */
    word = stamp(KIND_OWN, own_number(n), self->id, self->here != self->own, ++self->number);
    if (write) {
        mmk_a64_store(own_word(page, n), word, MMK_RELAXED);
        own_written(n, word);
        own_load(n);
    } else if (own_write(n, word)) {
        seen = mmk_a64_load(own_word(page, n), MMK_RELAXED);
        check(seen == word || (seen == 0 && self->file_maybe_zero[n]));
    }
    mmk_unpin_pages(&page, 1, write);
}

static void own_op(struct mmk_mm *mm)
{
    unsigned n = random_below(OWN_COUNT), kind = random_below(74);
    unsigned count = n % 2 == 0 && random_below(2) ? 2 : 1;

    if (kind < 22)
        own_load(n);
    else if (kind < 42)
        own_store(n);
    else if (kind < 44)
        fetch(own_addr(n), own_expects(n, MMK_PROT_EXEC));
    else if (kind < 49)
        own_map(mm, n, count);
    else if (kind < 51)
        own_unmap(mm, n, count);
    else if (kind < 54)
        own_protect(mm, n, count);
    else if (kind < 58)
        own_dontneed(mm, n, count);
    else if (kind < 60)
        own_free(mm, n);
    else if (kind < 62)
        own_punch(n, count);
    else if (kind < 64)
        own_resize();
    else if (kind < 66)
        own_device(n);
    else if (kind < 69)
        own_lock(mm, n, count);
    else if (kind < 72)
        own_unlock(mm, n, count);
    else
        own_sync();
}

static void own_verify(void)
{
    unsigned n;

    for (n = 0; n < OWN_COUNT; n++)
        own_load(n);
}

/* Reads somebody's page: keeps translations of it, and races with what its owner does. */
static void peek_op(void)
{
    unsigned i = random_below(OWN_CLUSTERS * OWN_PAGES);
    mmk_vaddr_t addr = own_addr_of(i) + own_offset(i);
    uint64_t word;

    if (load(addr, &word, MAY_ANY))
        check_identity(word, KIND_OWN, i, addr);
}

#endif
