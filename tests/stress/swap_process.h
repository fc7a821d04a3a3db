/* SPDX-License-Identifier: MIT */
/*
 * swap_process.h - processes of the stress of swap: address spaces with private memory, of which
 * each byte is known.
 *
 * Who has a process's lock is alone in changing it, and knows what each of his calls must answer.
 * Others may be in its address space as well, where they read, and ask for what may not be noticed;
 * and its pages and slots are shared with the processes that it was forked from, and has forked.
 *
 * Pages are anonymous (the first ones, which are mapped, moved and freed), or private ones of a
 * file that nobody changes.
 */
#ifndef SWAP_PROCESS_H
#define SWAP_PROCESS_H

#include "swap_memory.h"
#include "swap_object.h"

#define PROCESSES   6
#define ANON_PAGES  48
#define IMAGE_PAGES 16
#define PAGES       (ANON_PAGES + IMAGE_PAGES)
#define ANON_AT     (BASE + 4 * MB2 - ANON_PAGES / 2 * PAGE)
#define IMAGE_AT    (BASE + 6 * MB2 - IMAGE_PAGES / 2 * PAGE)

struct known {
    bool mapped, readonly;
    bool maybe_zero; /* after MADV_FREE */
    bool locked;
};

static struct process {
    pthread_mutex_t lock; /* only tried: a CPU does not wait for the host */
    struct mmk_mm *mm;
    struct known known[PAGES];
    uint64_t words[PAGES][PAGE / 8]; /* as they must be */
} processes[PROCESSES];

static struct mmk_object *image;

static __thread struct process *here; /* locked by this thread, and loaded */

static mmk_vaddr_t page_addr(unsigned n)
{
    return n < ANON_PAGES ? ANON_AT + n * PAGE : IMAGE_AT + (n - ANON_PAGES) * PAGE;
}

/* --- contents -------------------------------------------------------------------------------- */

static void image_fill(unsigned index, uint64_t *words)
{
    unsigned i;

    for (i = 0; i < PAGE / 8; i++)
        words[i] = (uint64_t)0x1000000 * (index + 1) + i;
}

static int image_read(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    image_fill((unsigned)index, (uint64_t *)page);
    return io_of_file(FAILS_READ);
}

static const struct mmk_object_ops image_ops = {.read_page = image_read};

/* As it is when it has just been mapped. */
static void forget(struct process *process, unsigned n)
{
    process->known[n].maybe_zero = false;
    if (n < ANON_PAGES)
        memset(process->words[n], 0, PAGE);
    else
        image_fill(n - ANON_PAGES, process->words[n]);
}

static bool all_zero(const uint64_t *words)
{
    unsigned i = 0;

    while (i < PAGE / 8 && words[i] == 0)
        i++;
    return i == PAGE / 8;
}

static void page_compare(struct process *process, unsigned n)
{
    static __thread uint64_t found[PAGE / 8];

    io_read_page(process->mm, page_addr(n), found);
    if (process->known[n].maybe_zero && all_zero(found))
        forget(process, n);
    if (memcmp(found, process->words[n], PAGE) != 0)
        differs("private memory", page_addr(n), found, process->words[n]);
}

static enum mmk_fault_result page_expects(unsigned n, bool write)
{
    const struct known *known = &here->known[n];

    if (!known->mapped)
        return MMK_FAULT_SEGV_MAPERR;
    return write && known->readonly ? MMK_FAULT_SEGV_ACCERR : MMK_FAULT_DONE;
}

static void page_load(unsigned n)
{
    enum mmk_fault_result expected = page_expects(n, false);
    unsigned i = random_below(PAGE / 8);
    uint64_t word;

    if (expected == MMK_FAULT_DONE && (here->known[n].maybe_zero || random_below(2))) {
        page_compare(here, n);
        return;
    }
    io_load(page_addr(n) + i * 8, &word, expected);
    if (expected == MMK_FAULT_DONE && word != here->words[n][i])
        fail("private memory at %llx has %016llx, not %016llx",
             (unsigned long long)page_addr(n) + i * 8, (unsigned long long)word,
             (unsigned long long)here->words[n][i]);
}

static void page_fill(unsigned n)
{
    uint64_t first = random_bits();
    unsigned i;

    here->known[n].maybe_zero = false;
    for (i = 0; i < PAGE / 8; i++)
        here->words[n][i] = first + i * 0x100000001u;
}

static void page_store(unsigned n)
{
    enum mmk_fault_result expected = page_expects(n, true);
    unsigned i = random_below(PAGE / 8);
    uint64_t word = random_bits();

    if (expected == MMK_FAULT_DONE && (here->known[n].maybe_zero || random_below(3) == 0)) {
        page_fill(n);
        io_write_page(here->mm, page_addr(n), here->words[n]);
        return;
    }
    io_store(page_addr(n) + i * 8, word, expected);
    if (expected == MMK_FAULT_DONE)
        here->words[n][i] = word;
}

/* --- calls ----------------------------------------------------------------------------------- */

/* => true: it was done; false: there was no memory */
static bool process_done(int error)
{
    return (error == MMK_ENOMEM && io.tight) ? false : done(error);
}

/* => how many pages from n on are mapped, `most` at most, and as the first one is */
static unsigned page_alike(unsigned n, unsigned most)
{
    const struct known *known = here->known;
    unsigned i = 0;

    while (i < most && n + i < ANON_PAGES && known[n + i].mapped &&
           known[n + i].readonly == known[n].readonly && known[n + i].locked == known[n].locked)
        i++;
    return i;
}

static void page_map(unsigned n, unsigned count)
{
    unsigned i;

    if (!process_done(map_fixed(page_addr(n), count * PAGE, RW, ANON, NULL, 0, here->mm)))
        return;
    for (i = n; i < n + count; i++) {
        here->known[i] = (struct known){.mapped = true};
        forget(here, i);
    }
}

static void page_unmap(unsigned n, unsigned count)
{
    unsigned i;
    int error;

    CALL(error, mmk_munmap(here->mm, page_addr(n), count * PAGE));
    if (!process_done(error))
        return;
    for (i = n; i < n + count; i++)
        here->known[i] = (struct known){0};
}

static void page_protect(unsigned n, unsigned count)
{
    bool readonly = random_below(2);
    int error;

    count = page_alike(n, count);
    if (count == 0)
        return;
    CALL(error, mmk_mprotect(here->mm, page_addr(n), count * PAGE, readonly ? MMK_PROT_READ : RW));
    if (!process_done(error))
        return;
    while (count-- > 0)
        here->known[n++].readonly = readonly;
}

static void page_move(unsigned from, unsigned count)
{
    unsigned to = random_below(ANON_PAGES), i;
    int64_t result;

    if (count > ANON_PAGES - to || io.tight)
        count = 1; /* moved, or not */
    count = page_alike(from, count);
    if (count == 0 || (to < from + count && from < to + count))
        return;
    page_unmap(to, count);
    if (here->known[to].mapped)
        return; /* no memory */
    result = mmk_mremap(here->mm, page_addr(from), count * PAGE, count * PAGE,
                        MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, page_addr(to));
    if ((result == MMK_EFAULT && count > 1) || (result == MMK_ENOMEM && io.tight))
        return; /* several mappings, which are not merged */
    check(result == (int64_t)page_addr(to));
    for (i = 0; i < count; i++) {
        here->known[to + i] = here->known[from + i];
        here->known[from + i] = (struct known){0};
        memcpy(here->words[to + i], here->words[from + i], PAGE);
    }
}

static void page_dontneed(unsigned n, unsigned count)
{
    int error;

    count = n < ANON_PAGES ? page_alike(n, count) : 1;
    if (count == 0 || here->known[n].locked)
        return;
    CALL(error, mmk_madvise(here->mm, page_addr(n), count * PAGE, MMK_MADV_DONTNEED));
    if (!process_done(error))
        return;
    while (count-- > 0)
        forget(here, n++);
}

static void page_free(unsigned n, unsigned count)
{
    int error;

    count = page_alike(n, count);
    if (count == 0 || here->known[n].locked)
        return;
    CALL(error, mmk_madvise(here->mm, page_addr(n), count * PAGE, MMK_MADV_FREE));
    while (count-- > 0) /* if it fails, of some of them */
        here->known[n++].maybe_zero = true;
    (void)process_done(error);
}

/* Locked memory is there, and stays. */
static void page_resident(unsigned n)
{
    uint8_t there = 2;

    if (!here->known[n].locked)
        return;
    check(mmk_mincore(here->mm, page_addr(n), PAGE, &there) == 0);
    if (there != 1)
        fail("page %u is locked, and not resident", n);
}

static void page_lock(unsigned n)
{
    int error;

    if (!here->known[n].mapped)
        return;
    if (!here->known[n].locked && random_below(4) == 0) {
        CALL(error, mmk_mlock(here->mm, page_addr(n), PAGE));
        here->known[n].locked = error == 0;
        if (error == 0)
            return;
    }
    do
        error = mmk_munlock(here->mm, page_addr(n), PAGE);
    while (error == MMK_ENOMEM && io.tight);
    check(error == 0);
    here->known[n].locked = false;
}

/* By words, as whoever looks at another's memory (process_visit) reads them: they may meet. */
static void device_write(struct mmk_page *page, const uint64_t words[PAGE / 8])
{
    struct mmk_a64 *to = (struct mmk_a64 *)mmk_page_address(page);
    size_t i;

    for (i = 0; i < PAGE / 8; i++)
        mmk_a64_store(&to[i], words[i], MMK_RELAXED);
}

/* A device writes to the page, which everybody tries to swap meanwhile. */
static void page_device(unsigned n)
{
    uint64_t failed = io_failed();
    struct mmk_page *page;
    int64_t pinned;

    CALL(pinned, mmk_pin_pages(here->mm, page_addr(n), 1, MMK_PIN_WRITE | MMK_PIN_LONGTERM, &page));
    if (pinned != 1) {
        check(page_expects(n, true) != MMK_FAULT_DONE || io_may_fail(failed));
        return;
    }
    page_fill(n);
    io_page_out(here->mm, page_addr(n));
    device_write(page, here->words[n]);
    mmk_unpin_pages(&page, 1, true);
}

/* --- a range that goes, or comes ------------------------------------------------------------- */

static void advise(struct mmk_mm *mm, mmk_vaddr_t addr, unsigned count)
{
    static const int advice[] = {MMK_MADV_PAGEOUT, MMK_MADV_PAGEOUT, MMK_MADV_WILLNEED,
                                 MMK_MADV_COLD, MMK_MADV_POPULATE_READ};
    int error, which = random_of(advice);

    CALL(error, mmk_madvise(mm, addr, count * PAGE, which));
    check(error == 0 || error == MMK_ENOMEM || error == MMK_EINVAL || error == MMK_EFAULT ||
          error == MMK_EAGAIN);
}

/* What nobody may notice. */
static void page_goes(struct mmk_mm *mm, unsigned n, unsigned count)
{
    if (random_below(2))
        advise(mm, page_addr(n), count);
    else
        while (count-- > 0)
            io_page_out(mm, page_addr(n++));
}

static void page_op(void)
{
    unsigned n = random_below(PAGES), kind = random_below(100);
    unsigned m = n % ANON_PAGES, count = 1 + random_below(6);

    if (count > ANON_PAGES - m)
        count = ANON_PAGES - m;
    if (kind < 30)
        page_load(n);
    else if (kind < 60)
        page_store(n);
    else if (kind < 74)
        page_goes(here->mm, random_below(4) ? m : n, n == m ? count : 1);
    else if (kind < 78)
        page_map(m, count);
    else if (kind < 80)
        page_unmap(m, count);
    else if (kind < 83)
        page_protect(m, count);
    else if (kind < 87)
        page_move(m, count);
    else if (kind < 90)
        page_dontneed(n, count);
    else if (kind < 93)
        page_free(m, count);
    else if (kind < 95)
        page_lock(m);
    else if (kind < 98)
        page_resident(m);
    else
        page_device(n);
}

/* --- processes ------------------------------------------------------------------------------- */

static void process_new(struct process *process)
{
    unsigned n;

    memory_new_mm(&process->mm);
    must_map(process->mm, ANON_AT, ANON_PAGES * PAGE, ANON, NULL, 0);
    must_map(process->mm, IMAGE_AT, IMAGE_PAGES * PAGE, MMK_MAP_PRIVATE, image, 0);
    objects_map(process->mm);
    for (n = 0; n < PAGES; n++) {
        process->known[n] = (struct known){.mapped = true};
        forget(process, n);
    }
}

/* A process that nobody changes; NULL: not now. => its lock is held */
static struct process *process_take(void)
{
    struct process *process = &processes[random_below(PROCESSES)];

    return pthread_mutex_trylock(&process->lock) == 0 ? process : NULL;
}

/* A process takes the place of another, which comes to an end. */
static void process_fork(void)
{
    struct process *process = process_take(); /* not this one: it is locked */
    struct mmk_mm *child;
    unsigned n;
    int error;

    if (!process)
        return;
    CALL(error, mmk_fork(here->mm, &child));
    if (process_done(error)) {
        mmk_mm_put(process->mm);
        process->mm = child;
        memcpy(process->words, here->words, sizeof(here->words));
        memcpy(process->known, here->known, sizeof(here->known));
        for (n = 0; n < PAGES; n++)
            process->known[n].locked = false;
    }
    pthread_mutex_unlock(&process->lock);
}

/* Another program in its place: a family begins. */
static void process_exec(void)
{
    if (io.tight)
        return; /* all of it must be possible */
    enter_mm(NULL);
    mmk_mm_put(here->mm);
    process_new(here);
    enter_mm(here->mm);
}

/* Beside him who changes it. */
static void process_visit(void)
{
    struct process *process = process_take();
    unsigned i, count = random_below(30);
    struct mmk_mm *mm, *mine = stress.mm;
    uint64_t word;

    if (!process)
        return;
    mm = process->mm;
    mmk_mm_get(mm);
    pthread_mutex_unlock(&process->lock);
    enter_mm(mm);
    for (i = 0; i < count; i++) {
        unsigned n = random_below(PAGES);

        if (random_below(4) == 0)
            object_peek();
        else if (random_below(2))
            page_goes(mm, n, 1);
        else
            (void)load(page_addr(n), &word, MAY_ANY | MAY_OOM);
    }
    enter_mm(mine);
    mmk_mm_put(mm);
}

static void processes_begin(void)
{
    unsigned i;

    check(mmk_object_create(&image_ops, IMAGE_PAGES * PAGE, NULL, &image) == 0);
    for (i = 0; i < PROCESSES; i++) {
        pthread_mutex_init(&processes[i].lock, NULL);
        process_new(&processes[i]);
    }
}

/* => nothing else runs */
static void process_compare(struct process *process)
{
    unsigned n;

    for (n = 0; n < PAGES; n++)
        if (process->known[n].mapped)
            page_compare(process, n);
}

static void processes_end(void)
{
    unsigned i;

    for (i = 0; i < PROCESSES; i++)
        mmk_mm_put(processes[i].mm);
    mmk_object_put(image);
}

#endif
