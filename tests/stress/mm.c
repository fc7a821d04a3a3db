/* SPDX-License-Identifier: MIT */
/*
 * mm.c - a stress of address spaces: four virtual CPUs in one mm, and in the children they fork.
 *
 *     stress_mm [SECONDS [SEED]]       exit status 0: nothing found; otherwise 1, or an abort
 *
 * Every word written says whose it is: kind of area, page, thread, and a number that grows. So a
 * read tells whether its page is the right one, and how old it is. Areas differ in what is known:
 *
 *   own      pages that one thread changes, in pairs between the pairs of the others, in tables
 *            that all share: the thread predicts every outcome and every word, exactly; so it does
 *            in a child that it forks. The others read them.
 *   words    pages that all write, each thread its own word. Those that nobody drops: a read is
 *            never older than the last write that was completed before. Those that all drop: after
 *            one's own drop (MADV_DONTNEED, or a hole in the object) nothing from before it is seen
 *   mixed    two views of the same page numbers in which everybody maps, unmaps, protects and
 *            drops ranges, of several kinds: a read sees zero or a word of this page number
 *   file     a private and a shared view of an object whose size changes all the time, that stay
 *            mapped: at quiet points what lies beyond the size is a bus error, what is below is not
 *   heap, stack   brk, and a mapping that grows down
 *
 * Rounds end in a barrier. Then one thread checks all invariants and counts, with nothing running.
 */
#include "stress.h"

#include <mmkit/port/atomic.h>

#define THREADS   4
#define MEMORY    ((uint64_t)64 << 20)
#define ROUND_OPS 2000

#define PAGE MMK_PAGE_SIZE
#define MB2  ((mmk_vaddr_t)2 << 20)
#define GB1  ((mmk_vaddr_t)1 << 30)
#define BASE ((mmk_vaddr_t)1 << 39)
#define RW   (MMK_PROT_READ | MMK_PROT_WRITE)

/* own: clusters of pages, some in neighbouring tables, some far apart; pairs go round. */
#define OWN_CLUSTERS 6
#define OWN_PAGES    16                                   /* in a cluster */
#define OWN_COUNT    (OWN_CLUSTERS * OWN_PAGES / THREADS) /* pages of one thread: whole pairs */

/* words: four kinds, a quarter of the pages each. */
#define WORD_KEEP     0 /* private anonymous, never dropped */
#define WORD_DROP     1
#define WORD_KEEP_SHM 2 /* shared memory, mapped twice */
#define WORD_DROP_SHM 3
#define WORD_KINDS    4
#define WORD_EACH     6
#define WORD_PAGES    (WORD_KINDS * WORD_EACH)
#define WORD_BASE     (BASE + MB2 - WORD_EACH * PAGE) /* crosses into the next table */
#define WORD_ALIAS    (BASE + 6 * GB1)
/* WORD_DROP: a table each, on both sides of a 1 GiB boundary, so that tables come and go. */
#define LONE (BASE + 13 * GB1 - WORD_EACH / 2 * MB2)

/* mixed: two views, one around a 1 GiB boundary, one beside own pages. */
#define MIXED_PAGES 64
#define MIXED_FAR   (BASE + 8 * GB1 - MIXED_PAGES / 2 * PAGE)
#define MIXED_NEAR  (BASE + 1 * GB1 + MB2 - MIXED_PAGES / 2 * PAGE)

#define FILE_PAGES   32
#define FILE_PRIVATE (BASE + 2 * GB1 + MB2 - FILE_PAGES / 2 * PAGE)
#define FILE_SHARED  (BASE + 9 * GB1)

#define HEAP_PAGES  40
#define HEAP        (BASE + 10 * GB1 + MB2 - HEAP_PAGES / 2 * PAGE)
#define STACK_PAGES 48
#define STACK_TOP   (BASE + 11 * GB1 + STACK_PAGES / 2 * PAGE)

/* A word: kind, page, thread, whether written in a child, number. Never zero. */
enum kind { KIND_OWN = 1, KIND_WORD, KIND_MIXED, KIND_FILE, KIND_HEAP, KIND_STACK };

static uint64_t stamp(enum kind kind, uint64_t page, unsigned thread, bool child, uint32_t number)
{
    return (uint64_t)kind << 60 | page << 40 | (uint64_t)thread << 36 | (uint64_t)child << 32 |
           number;
}

#define STAMP_ID(word)     ((word) >> 40)
#define STAMP_CHILD(word)  ((word) >> 32 & 1)
#define STAMP_NUMBER(word) ((uint32_t)(word))

enum own_map { OWN_NONE, OWN_ANON, OWN_SHARED, OWN_PRIVATE };

/* What a thread knows of one of its pages in one address space. */
struct own_page {
    enum own_map map;
    unsigned prot;
    bool copied;     /* OWN_PRIVATE: has a copy, `value` is in it */
    bool maybe_zero; /* after MADV_FREE */
    uint64_t value;
};

struct thread {
    pthread_t thread;
    unsigned id;
    uint64_t ops;
    uint32_t forks;                 /* as last seen */
    uint32_t number;                /* of its last word */
    struct own_page own[OWN_COUNT]; /* in the parent */
    struct own_page *here;          /* of the address space that it is in */
    struct own_page *other;         /* while in a child: the parent's */
    struct mmk_object *file;        /* its own, for own pages */
    uint64_t file_word[OWN_COUNT];
    uint64_t file_size; /* bytes */
};

/* What a round is about. All at once hides what needs quiet around it, or many at one place. */
enum mode { MODE_ALL, MODE_CALM, MODE_TABLES, MODE_FILE, MODES };

#define SLOTS 3

/* Children that go on living, for others to visit. */
struct slot {
    pthread_mutex_t lock;
    struct mmk_mm *mm;
};

static struct {
    struct mmk_mm *mm;
    struct mmk_object *words; /* shared memory */
    struct mmk_object *shm;   /* of the mixed area */
    struct mmk_object *disk;  /* of the mixed area, with operations */
    struct mmk_object *file;  /* changes its size */
    struct mmk_a32 completed[WORD_PAGES][THREADS];
    struct mmk_a32 forks;
    pthread_mutex_t file_lock; /* only tried: a CPU does not wait for the host */
    struct slot slots[SLOTS];
    struct thread thread[THREADS];
    pthread_barrier_t barrier;
    double end;
    bool stop; /* these two change at quiet points */
    enum mode mode;
} world;

static __thread struct thread *self;

/* Zero, or a word of this page. */
static void check_identity(uint64_t word, enum kind kind, uint64_t page, mmk_vaddr_t addr)
{
    if (word != 0 && STAMP_ID(word) != STAMP_ID(stamp(kind, page, 0, false, 0)))
        fail("%llx holds %016llx, a word of another page", (unsigned long long)addr,
             (unsigned long long)word);
}

static void touch(bool write, enum kind kind, uint64_t page, mmk_vaddr_t addr, unsigned may)
{
    uint64_t word;

    if (write)
        store(addr, stamp(kind, page, self->id, false, ++self->number), may);
    else if (load(addr, &word, may))
        check_identity(word, kind, page, addr);
}

/* --- own pages ------------------------------------------------------------------------------- */

/* Page i of all own pages: thread (i / 2) % THREADS. */
static mmk_vaddr_t own_addr_of(unsigned i)
{
    unsigned cluster = i / OWN_PAGES;
    mmk_vaddr_t base = cluster < 3 ? BASE + cluster * MB2 : BASE + (cluster - 2) * GB1;

    return base + MB2 / 2 + i % OWN_PAGES * PAGE;
}

static unsigned own_number(unsigned n)
{
    return (n / 2 * THREADS + self->id) * 2 + n % 2;
}

static mmk_vaddr_t own_addr(unsigned n)
{
    return own_addr_of(own_number(n));
}

static uint64_t own_offset(unsigned i)
{
    return i * 0x9e5u % (PAGE / 8) * 8;
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
    if (page->maybe_zero && word == 0)
        page->value = expected = 0;
    if (word != expected)
        fail("own page %u at %llx holds %016llx, not %016llx", n, (unsigned long long)own_addr(n),
             (unsigned long long)word, (unsigned long long)expected);
}

static void own_store(unsigned n)
{
    struct own_page *page = &self->here[n];
    uint64_t word =
        stamp(KIND_OWN, own_number(n), self->id, self->here != self->own, ++self->number);

    if (!store(own_addr(n) + own_offset(own_number(n)), word, own_expects(n, MMK_PROT_WRITE)))
        return;
    if (page->map == OWN_SHARED) {
        self->file_word[n] = word;
        return;
    }
    page->value = word;
    page->copied = true;
    page->maybe_zero = false;
}

static void own_map(struct mmk_mm *mm, unsigned n, unsigned count)
{
    static const unsigned flags[] = {0, MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS, MMK_MAP_SHARED,
                                     MMK_MAP_PRIVATE};
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
    if (error == MMK_ENOMEM && stress.injected)
        return;
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
        page->value = 0;
        page->copied = false;
    }
    check(error == expected);
}

static void own_free(struct mmk_mm *mm, unsigned n)
{
    struct own_page *page = &self->here[n];
    int error;

    CALL(error, mmk_madvise(mm, own_addr(n), PAGE, MMK_MADV_FREE));
    if (page->map == OWN_ANON)
        page->maybe_zero = true;
    check(error == (page->map == OWN_ANON ? 0 : page->map == OWN_NONE ? MMK_ENOMEM : MMK_EINVAL));
}

/* The file shrank to self->file_size: what is beyond is gone, private copies too. */
static void own_forget(struct own_page *page)
{
    unsigned n;

    for (n = 0; page && n < OWN_COUNT; n++, page++)
        if (page->map == OWN_PRIVATE && own_number(n) * PAGE >= mmk_page_up(self->file_size))
            page->copied = false;
}

static void own_resize(void)
{
    uint64_t size = random_bytes(OWN_CLUSTERS * OWN_PAGES * PAGE);
    unsigned n;
    int error;

    if (random_below(2))
        size = OWN_CLUSTERS * OWN_PAGES * PAGE;
    CALL(error, mmk_object_resize(self->file, size));
    if (!done(error))
        return;
    /* What was stored beyond the end in the last page is cut by shrinking only, as on tmpfs. */
    for (n = 0; n < OWN_COUNT; n++)
        if (size < self->file_size && own_number(n) * PAGE + own_offset(own_number(n)) >= size)
            self->file_word[n] = 0;
    self->file_size = size;
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

static void own_op(struct mmk_mm *mm)
{
    unsigned n = random_below(OWN_COUNT), kind = random_below(64);
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
    else
        own_resize();
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

/* --- words ----------------------------------------------------------------------------------- */

static mmk_vaddr_t word_addr(unsigned page, unsigned thread)
{
    unsigned kind = page / WORD_EACH;
    mmk_vaddr_t base = WORD_BASE;

    if (kind == WORD_DROP)
        return LONE + page % WORD_EACH * MB2 + thread * 8 + page * 64;
    if (kind >= WORD_KEEP_SHM && random_below(2))
        base = WORD_ALIAS;
    return base + page * PAGE + thread * 8 + page * 64;
}

static void word_write(unsigned page)
{
    struct mmk_a32 *completed = &world.completed[page][self->id];
    uint64_t word = stamp(KIND_WORD, page, self->id, false, ++self->number);

    if (store(word_addr(page, self->id), word, MAY_DONE))
        mmk_a32_store(completed, self->number, MMK_RELEASE);
}

/* What is there, of this page; answers its number, 0: nothing was written since a drop. */
static uint32_t word_read(unsigned page, unsigned thread, uint32_t or_this)
{
    mmk_vaddr_t addr = word_addr(page, thread);
    uint64_t word;

    if (!load(addr, &word, MAY_DONE))
        return or_this; /* no memory */
    check_identity(word, KIND_WORD, page, addr);
    check(word == 0 || (word >> 36 & 15) == thread);
    if (STAMP_CHILD(word))
        fail("page %u of the parent holds %016llx, written in a child", page,
             (unsigned long long)word);
    return STAMP_NUMBER(word);
}

/* Pages that nobody drops: never older than what was completed before. */
static void word_keep(unsigned page)
{
    unsigned thread = random_below(THREADS);
    uint32_t least = mmk_a32_load(&world.completed[page][thread], MMK_ACQUIRE);
    uint32_t number = word_read(page, thread, least);

    if (number < least || (thread == self->id && number != least))
        fail("page %u: word %u of thread %u is %u, older than %u", page, page, thread, number,
             least);
}

/* One page, or it and all after it. */
static int drop_pages(unsigned page)
{
    unsigned kind = page / WORD_EACH;
    uint64_t count = random_below(2) ? 1 : WORD_EACH - page % WORD_EACH;

    if (kind == WORD_DROP_SHM)
        return mmk_object_punch_hole(world.words, page * PAGE, count * PAGE);
    return mmk_madvise(world.mm, LONE + page % WORD_EACH * MB2, count * MB2, MMK_MADV_DONTNEED);
}

/* After one's own drop nothing is seen that was completed before it. */
static void word_drop(unsigned page)
{
    uint32_t last[THREADS], number;
    unsigned i;
    int error;

    for (i = 0; i < THREADS; i++) {
        last[i] = mmk_a32_load(&world.completed[page][i], MMK_ACQUIRE);
        (void)word_read(page, i, 0); /* a translation that is to go */
    }
    CALL(error, drop_pages(page));
    if (!done(error))
        return;
    for (i = 0; i < THREADS; i++) {
        number = word_read(page, i, 0);
        if (number != 0 && number <= last[i])
            fail("page %u: word of thread %u is %u, dropped after %u", page, i, number, last[i]);
    }
}

/* One page several times in a row, so that CPUs meet there. */
static void word_burst(unsigned page)
{
    unsigned kind = page / WORD_EACH, i, count = 1 + random_below(8);
    bool drops = kind == WORD_DROP || kind == WORD_DROP_SHM;

    for (i = 0; i < count; i++)
        if (random_below(2))
            word_write(page);
        else if (!drops)
            word_keep(page);
        else if (random_below(2))
            word_drop(page);
        else
            (void)word_read(page, random_below(THREADS), 0);
    stress.ops += count - 1;
}

static void word_op(void)
{
    unsigned kind = random_below(4) ? random_below(2) : random_below(WORD_KINDS);

    word_burst(kind * WORD_EACH + (random_below(2) ? 0 : random_below(WORD_EACH)));
}

/* --- mixed ----------------------------------------------------------------------------------- */

static mmk_vaddr_t mixed_addr(unsigned view, uint64_t page)
{
    return (view ? MIXED_FAR : MIXED_NEAR) + page * PAGE;
}

static int mixed_map(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t page, uint64_t count)
{
    unsigned prot = random_below(4) ? RW : random_below(8), kind = random_below(6);
    unsigned type = random_below(2) ? MMK_MAP_SHARED : MMK_MAP_PRIVATE;
    struct mmk_object *object = kind < 2 ? world.shm : world.disk;

    if (kind >= 4)
        return map_fixed(addr, count * PAGE, prot, type | MMK_MAP_ANONYMOUS, NULL, 0, mm);
    return map_fixed(addr, count * PAGE, prot, type, object, page * PAGE, mm);
}

static void mixed_shape(struct mmk_mm *mm)
{
    uint64_t page = random_below(MIXED_PAGES);
    uint64_t count = 1 + random_below((unsigned)(MIXED_PAGES - page));
    mmk_vaddr_t addr = mixed_addr(random_below(2), page);
    unsigned kind = random_below(12);
    int error;

    if (random_below(2) && count > 3)
        count = 1 + random_below(3);
    if (kind < 4)
        error = mixed_map(mm, addr, page, count);
    else if (kind < 6)
        CALL(error, mmk_munmap(mm, addr, count * PAGE));
    else if (kind < 8)
        CALL(error, mmk_mprotect(mm, addr, count * PAGE, random_below(2) ? RW : random_below(8)));
    else
        CALL(error,
             mmk_madvise(mm, addr, count * PAGE, kind < 10 ? MMK_MADV_DONTNEED : MMK_MADV_FREE));
    if (error != 0 && error != MMK_ENOMEM && (kind < 10 || error != MMK_EINVAL))
        fail("a call on %llx answers %d", (unsigned long long)addr, error);
    check(error != MMK_ENOMEM || kind >= 6 || stress.injected);
}

static void mixed_touch(void)
{
    uint64_t page = random_below(MIXED_PAGES);
    mmk_vaddr_t addr = mixed_addr(random_below(2), page) + random_below(4) * 1000 / 8 * 8;
    unsigned kind = random_below(16);

    if (kind == 0)
        fetch(addr, MAY_ANY);
    else
        touch(kind < 8, KIND_MIXED, page, addr, MAY_ANY);
}

/* Sizes and holes of the objects in the mixed area. */
static void mixed_object(void)
{
    struct mmk_object *object = random_below(2) ? world.shm : world.disk;
    uint64_t all = MIXED_PAGES * PAGE, from = random_bytes(all);
    int error;

    if (random_below(2))
        from &= ~(PAGE - 1);
    if (random_below(2))
        CALL(error, mmk_object_punch_hole(object, from, 8 + random_bytes(all - from)));
    else
        CALL(error, mmk_object_resize(object, random_below(2) ? all : from));
    (void)done(error == MMK_EIO ? 0 : error);
}

static void mixed_op(struct mmk_mm *mm)
{
    unsigned kind = random_below(64);

    if (kind == 0)
        mixed_object();
    else if (kind < 14)
        mixed_shape(mm);
    else
        mixed_touch();
}

/* The operation of the object on disk: each page says its number. */
static int read_disk(struct mmk_object *object, uint64_t index, void *page)
{
    uint64_t *words = page;
    unsigned i;

    (void)object;
    if (random_below(32) == 0)
        return MMK_EIO;
    for (i = 0; i < PAGE / 8; i++)
        words[i] = stamp(KIND_MIXED, index, 0, false, 1);
    return 0;
}

static const struct mmk_object_ops disk_ops = {.read_page = read_disk};

/* --- file, heap, stack ----------------------------------------------------------------------- */

/* The views of the file: beyond its end nothing is left, not even copies. => nobody resizes it */
static void check_file(void)
{
    uint64_t pages = mmk_page_up(mmk_object_size(world.file)) / PAGE, page, word;

    for (page = 0; page < FILE_PAGES; page++) {
        unsigned may = page < pages ? MAY_DONE : MAY(MMK_FAULT_BUS);

        (void)load(FILE_SHARED + page * PAGE, &word, may);
        (void)load(FILE_PRIVATE + page * PAGE, &word, may);
    }
}

/* One at a time, so that what the size cuts off can be looked for. */
static void file_resize(void)
{
    uint64_t size = random_below(2) ? FILE_PAGES * PAGE : random_bytes(FILE_PAGES * PAGE);
    int error;

    if (pthread_mutex_trylock(&world.file_lock) != 0)
        return;
    CALL(error, mmk_object_resize(world.file, size));
    if (done(error))
        check_file();
    pthread_mutex_unlock(&world.file_lock);
}

static void file_op(struct mmk_mm *mm)
{
    uint64_t page = random_below(FILE_PAGES);
    mmk_vaddr_t addr = (random_below(2) ? FILE_SHARED : FILE_PRIVATE) + page * PAGE;
    unsigned kind = random_below(24), may = MAY_DONE | MAY(MMK_FAULT_BUS);
    int error;

    if (kind == 0) {
        file_resize();
    } else if (kind < 4) {
        CALL(error, mmk_madvise(mm, addr, PAGE, MMK_MADV_DONTNEED));
        check(error == 0);
    } else {
        touch(kind < 14, KIND_FILE, page, addr, may);
    }
}

static void heap_op(struct mmk_mm *mm)
{
    uint64_t page = random_below(HEAP_PAGES);
    unsigned kind = random_below(12);
    mmk_vaddr_t addr = HEAP + page * PAGE, end;

    if (kind < 2) {
        call_begin();
        end = mmk_brk(mm, addr + random_below(PAGE));
        call_end();
        check(end >= HEAP && end <= HEAP + HEAP_PAGES * PAGE);
    } else {
        touch(kind < 7, KIND_HEAP, page, addr, MAY_ANY);
    }
}

/* The part below the top page goes, then accesses make it grow again. */
static void stack_op(struct mmk_mm *mm)
{
    uint64_t page = 1 + random_below(STACK_PAGES);
    mmk_vaddr_t addr = STACK_TOP - page * PAGE;
    unsigned kind = random_below(12);
    int error;

    if (kind == 0) {
        CALL(error, mmk_munmap(mm, STACK_TOP - STACK_PAGES * PAGE, (STACK_PAGES - 1) * PAGE));
        (void)done(error);
    } else {
        touch(kind < 6, KIND_STACK, page, addr, MAY_DONE);
    }
}

/* --- children -------------------------------------------------------------------------------- */

/* In a child forked by this thread: its own words are as it left them; it changes them here. */
static void child_words(void)
{
    unsigned page;
    uint64_t word;

    for (page = 0; page < WORD_PAGES; page++) {
        mmk_vaddr_t addr = word_addr(page, self->id);
        uint32_t last = mmk_a32_load(&world.completed[page][self->id], MMK_RELAXED);

        if (!load(addr, &word, MAY_DONE))
            continue;
        check_identity(word, KIND_WORD, page, addr);
        if (page / WORD_EACH == WORD_KEEP || page / WORD_EACH == WORD_KEEP_SHM)
            check(STAMP_NUMBER(word) == last);
        if (page / WORD_EACH <= WORD_DROP && random_below(3) == 0)
            store(addr, stamp(KIND_WORD, page, self->id, true, last), MAY_DONE);
    }
}

/* Nobody else is in the child: what this thread knows of its own pages holds there, too. */
static void child_own(struct mmk_mm *child)
{
    struct own_page pages[OWN_COUNT];
    unsigned i, count = random_below(60);

    for (i = 0; i < OWN_COUNT; i++)
        pages[i] = self->own[i];
    self->here = pages;
    self->other = self->own;
    child_words();
    own_verify();
    for (i = 0; i < count; i++)
        own_op(child);
    own_verify();
    self->here = self->own;
    self->other = NULL;
}

/* Others may meet here. => loaded */
static void child_visit(struct mmk_mm *child)
{
    unsigned i, count = random_below(80), kind;

    for (i = 0; i < count; i++) {
        kind = random_below(16);
        if (kind < 9)
            mixed_op(child);
        else if (kind < 12)
            peek_op();
        else if (kind < 14)
            file_op(child);
        else if (kind < 15)
            heap_op(child);
        else
            stack_op(child);
    }
    stress.ops += count;
}

static void fork_op(struct mmk_mm *parent)
{
    struct slot *slot = &world.slots[random_below(SLOTS)];
    struct mmk_mm *child = NULL, *old;
    int error;

    CALL(error, mmk_fork(parent, &child));
    if (!done(error))
        return;
    mmk_a32_fetch_add(&world.forks, 1, MMK_RELAXED);
    enter_mm(child);
    if (parent == world.mm)
        child_own(child);
    child_visit(child);
    enter_mm(world.mm);
    if (pthread_mutex_trylock(&slot->lock) == 0) {
        old = slot->mm;
        slot->mm = child;
        child = old;
        pthread_mutex_unlock(&slot->lock);
    }
    if (child)
        mmk_mm_put(child);
}

/* Runs in a child for a while, perhaps with others, perhaps as the last who knows it. */
static void visit_op(void)
{
    struct slot *slot = &world.slots[random_below(SLOTS)];
    struct mmk_mm *child;

    if (pthread_mutex_trylock(&slot->lock) != 0)
        return;
    child = slot->mm;
    if (child)
        mmk_mm_get(child);
    pthread_mutex_unlock(&slot->lock);
    if (!child)
        return;
    enter_mm(child);
    child_visit(child);
    enter_mm(world.mm);
    if (random_below(4) == 0)
        fork_op(child);
    mmk_mm_put(child);
}

/* --- rounds ---------------------------------------------------------------------------------- */

/*
 * Little is flushed here, so that a flush that is missing, or late, shows: half of the threads only
 * read, so their translations stay what they are until they are flushed.
 */
static void calm_op(void)
{
    uint32_t forks = mmk_a32_load(&world.forks, MMK_RELAXED);
    unsigned i;

    for (i = 0; self->forks != forks && i < 3; i++)
        word_keep(i); /* translations of what is read-only now */
    self->forks = forks;
    if (random_below(60) == 0)
        fork_op(world.mm);
    else if (self->id % 2)
        word_keep(random_below(3));
    else
        word_burst(random_below(3));
}

static void any_op(void)
{
    unsigned kind = random_below(200);

    if (kind < 60)
        own_op(world.mm);
    else if (kind < 70)
        peek_op();
    else if (kind < 120)
        word_op();
    else if (kind < 160)
        mixed_op(world.mm);
    else if (kind < 182)
        file_op(world.mm);
    else if (kind < 188)
        heap_op(world.mm);
    else if (kind < 194)
        stack_op(world.mm);
    else if (kind < 197)
        fork_op(world.mm);
    else
        visit_op();
}

static void one_op(void)
{
    if (stress.ops++ % 8 == 0)
        sched_yield();
    if (world.mode == MODE_CALM)
        calm_op();
    else if (world.mode == MODE_TABLES && random_below(8))
        word_burst(WORD_DROP * WORD_EACH + random_below(WORD_EACH));
    else if (world.mode == MODE_FILE && random_below(32))
        file_op(world.mm);
    else
        any_op();
}

static uint64_t check_mm(struct mmk_mm *mm)
{
    struct mmk_mm_stats stats;
    uint64_t tables = 0;
    unsigned level;

    enter_mm(mm);
    check_file();
    enter_mm(world.mm);
    mmk_check(mm);
    mmk_mm_stats(mm, &stats);
    for (level = 0; level < MMK_STATS_LEVELS; level++)
        tables += stats.tables[level];
    return tables;
}

/* => nothing else runs */
static void check_everything(void)
{
    uint64_t tables = check_mm(world.mm), spaces = 1;
    struct mmk_stats stats;
    unsigned i;

    for (i = 0; i < SLOTS; i++)
        if (world.slots[i].mm) {
            tables += check_mm(world.slots[i].mm);
            spaces++;
        }
    mmk_check_object(world.words);
    mmk_check_object(world.shm);
    mmk_check_object(world.disk);
    mmk_check_object(world.file);
    for (i = 0; i < THREADS; i++)
        mmk_check_object(world.thread[i].file);
    mmk_host_rcu_barrier(); /* callbacks use the allocator, too */
    mmk_check_frames();
    mmk_stats_read(&stats);
    check(stats.address_spaces == spaces);
    check(stats.tables_linked == tables);
    check(stats.tables_waiting == 0);
}

static void *run(void *argument)
{
    unsigned i;

    self = argument;
    stress_thread_begin(self->id);
    machine_cpu_attach(self->id);
    enter_mm(world.mm);
    while (!world.stop) {
        for (i = 0; i < ROUND_OPS; i++)
            one_op();
        own_verify();
        stress_wait(&world.barrier);
        if (self->id == 0) {
            check_everything();
            world.stop = now() > world.end;
            world.mode = world.mode ? MODE_ALL : 1 + random_below(MODES - 1);
        }
        stress_wait(&world.barrier);
    }
    machine_cpu_detach();
    stress_thread_end();
    self->ops = stress.ops;
    return NULL;
}

/* --- building and taking down ---------------------------------------------------------------- */

static void must_map(mmk_vaddr_t addr, uint64_t pages, unsigned flags, struct mmk_object *object,
                     uint64_t offset)
{
    check(mmk_mmap(world.mm, addr, pages * PAGE, RW, flags | MMK_MAP_FIXED, object, offset) ==
          (int64_t)addr);
}

static void build(void)
{
    const unsigned anon = MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS;
    unsigned i;

    check(mmk_mm_create(&world.mm) == 0);
    check(mmk_object_create(NULL, WORD_PAGES * PAGE, NULL, &world.words) == 0);
    check(mmk_object_create(NULL, MIXED_PAGES * PAGE, NULL, &world.shm) == 0);
    check(mmk_object_create(&disk_ops, MIXED_PAGES * PAGE, NULL, &world.disk) == 0);
    check(mmk_object_create(NULL, FILE_PAGES * PAGE, NULL, &world.file) == 0);
    must_map(WORD_BASE, WORD_EACH, anon, NULL, 0);
    must_map(LONE, WORD_EACH * MB2 / PAGE, anon, NULL, 0);
    for (i = WORD_KEEP_SHM * WORD_EACH; i < WORD_PAGES; i += WORD_EACH) {
        must_map(WORD_BASE + i * PAGE, WORD_EACH, MMK_MAP_SHARED, world.words, i * PAGE);
        must_map(WORD_ALIAS + i * PAGE, WORD_EACH, MMK_MAP_SHARED, world.words, i * PAGE);
    }
    must_map(FILE_PRIVATE, FILE_PAGES, MMK_MAP_PRIVATE, world.file, 0);
    must_map(FILE_SHARED, FILE_PAGES, MMK_MAP_SHARED, world.file, 0);
    must_map(STACK_TOP - PAGE, 1, anon | MMK_MAP_GROWSDOWN, NULL, 0);
    check(mmk_set_brk(world.mm, HEAP) == 0);
    for (i = 0; i < THREADS; i++) {
        struct thread *thread = &world.thread[i];

        thread->id = i;
        thread->here = thread->own;
        thread->file_size = OWN_CLUSTERS * OWN_PAGES * PAGE;
        check(mmk_object_create(NULL, thread->file_size, NULL, &thread->file) == 0);
    }
    for (i = 0; i < SLOTS; i++)
        pthread_mutex_init(&world.slots[i].lock, NULL);
    pthread_mutex_init(&world.file_lock, NULL);
    pthread_barrier_init(&world.barrier, NULL, THREADS);
}

static void take_down(void)
{
    unsigned i;

    for (i = 0; i < SLOTS; i++)
        if (world.slots[i].mm)
            mmk_mm_put(world.slots[i].mm);
    for (i = 0; i < THREADS; i++)
        mmk_object_put(world.thread[i].file);
    mmk_object_put(world.words);
    mmk_object_put(world.shm);
    mmk_object_put(world.disk);
    mmk_mm_put(world.mm);
    mmk_object_put(world.file);
}

int main(int argc, char **argv)
{
    struct machine_config config = {.memory = MEMORY, .cpus = THREADS, .mmkit = MMK_CONFIG_DEFAULT};
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5, i;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    struct mmk_stats before, after;
    uint64_t ops = 0;

    printf("stress mm: %u seconds, seed %llu\n", seconds, (unsigned long long)seed);
    fflush(stdout);
    stress_begin(seconds, seed);
    check(machine_create(&config) == 0);
    machine_cpu_attach(0);
    mmk_stats_read(&before);
    build();
    machine_cpu_detach();
    world.end = now() + seconds;
    for (i = 0; i < THREADS; i++)
        check(pthread_create(&world.thread[i].thread, NULL, run, &world.thread[i]) == 0);
    for (i = 0; i < THREADS; i++)
        pthread_join(world.thread[i].thread, NULL);
    machine_cpu_attach(0);
    take_down();
    mmk_drain();
    mmk_check_frames();
    mmk_stats_read(&after);
    check(after.address_spaces == 0 && after.objects == 0 && after.tables_linked == 0);
    check(after.frames_free == before.frames_free);
    machine_cpu_detach();
    machine_destroy();
    for (i = 0; i < THREADS; i++)
        ops += world.thread[i].ops;
    printf("stress mm: %llu operations, nothing found\n", (unsigned long long)ops);
    return 0;
}
