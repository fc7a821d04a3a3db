/* SPDX-License-Identifier: MIT */
/*
 * mm.c - a stress of address spaces: four virtual CPUs in one mm, and in the children they fork.
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
 *            drops ranges, of several kinds, and moves them from one view to the other: a read sees
 *            zero or a word of this page number
 *   file     a private and a shared view of an object whose size changes all the time, that stay
 *            mapped: at quiet points what lies beyond the size is a bus error, what is below is not
 *   heap, stack   brk, and a mapping that grows down
 *
 * Meanwhile entries of pages anywhere are looked for, and taken where that loses nothing; pages go
 * to other frames, and private ones to swap.
 */
#include "swap.h" /* with back.h: first */

#include "own.h"

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

/*
 * A page that nobody drops is resident once it was written, whatever is copied meanwhile, if it
 * does not go to swap: that is the first one.
 */
static void word_resident(unsigned page)
{
    uint8_t vec[2] = {2, 2};
    int error;

    if (page != 0)
        return;
    if (mmk_a32_load(&world.completed[page][self->id], MMK_RELAXED) == 0)
        return;
    CALL(error, mmk_mincore(world.mm, WORD_BASE + page * PAGE, PAGE, vec));
    check(error == 0 && vec[1] == 2);
    if (vec[0] != 1)
        fail("page %u is not resident", page);
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
        else if (!drops && random_below(8) == 0)
            word_resident(page);
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

    if (random_below(8) == 0)
        type |= random_below(2) ? MMK_MAP_POPULATE : MMK_MAP_LOCKED;
    if (kind >= 4)
        return map_fixed(addr, count * PAGE, prot, type | MMK_MAP_ANONYMOUS, NULL, 0, mm);
    return map_fixed(addr, count * PAGE, prot, type, object, page * PAGE, mm);
}

/* In children, which come to an end: nobody predicts there what is locked or sealed. */
static int mixed_child(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    switch (random_below(3)) {
    case 0:
        return mmk_mseal(mm, addr, (1 + random_below(2)) * PAGE, 0);
    case 1:
        return mmk_mlockall(mm, 1 + random_below(7));
    default:
        return mmk_munlockall(mm);
    }
}

struct listing {
    mmk_vaddr_t last; /* where the mapping before ends */
    uint64_t bytes;   /* of the pages of words that nobody unmaps */
};

static int note_mapping(const struct mmk_mapping *mapping, void *arg)
{
    const mmk_vaddr_t end = WORD_BASE + WORD_EACH * PAGE;
    struct listing *listing = arg;

    check(mapping->start >= listing->last && mapping->start < mapping->end);
    check(mapping->object || !(mapping->flags & MMK_MAPPING_SHARED));
    if (mapping->object) { /* is there: it can be kept */
        mmk_object_get(mapping->object);
        mmk_object_put(mapping->object);
    }
    listing->last = mapping->end;
    if (mapping->start < end && mapping->end > WORD_BASE)
        listing->bytes += mmk_min(mapping->end, end) - mmk_max(mapping->start, WORD_BASE);
    return random_below(64) == 0;
}

/* The list of mappings, beside those who change them: in order, and what stays is in it. */
static int mixed_list(struct mmk_mm *mm)
{
    struct listing listing = {0};
    int stopped;

    CALL(stopped, mmk_for_each_mapping(mm, 0, UINT64_MAX, note_mapping, &listing));
    check(stopped || mm != world.mm || listing.bytes == WORD_EACH * PAGE);
    return 0;
}

/* What leaves contents as they are. */
static void mixed_rest(struct mmk_mm *mm, mmk_vaddr_t addr, uint64_t count)
{
    static const int advice[] = {MMK_MADV_POPULATE_READ, MMK_MADV_POPULATE_WRITE,
                                 MMK_MADV_WILLNEED};
    unsigned kind = random_below(mm == world.mm ? 9 : 10);
    uint8_t vec[MIXED_PAGES];
    int error;

    if (kind < 3)
        CALL(error, mmk_madvise(mm, addr, count * PAGE, advice[kind]));
    else if (kind < 4)
        CALL(error, mmk_mincore(mm, addr, count * PAGE, vec));
    else if (kind < 6)
        CALL(error, mmk_mlock2(mm, addr, count * PAGE, random_below(2)));
    else if (kind < 8)
        CALL(error, mmk_munlock(mm, addr, count * PAGE));
    else if (kind < 9)
        error = mixed_list(mm);
    else
        CALL(error, mixed_child(mm, addr));
    if (error != 0 && error != MMK_ENOMEM && error != MMK_EINVAL && error != MMK_EFAULT &&
        error != MMK_EAGAIN)
        fail("a call on %llx answers %d", (unsigned long long)addr, error);
}

/* From one view to the other, of the same size or not, or a second mapping of the same. */
static void mixed_move(struct mmk_mm *mm, uint64_t page, uint64_t count)
{
    unsigned view = random_below(2), flags = MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED;
    uint64_t length = count;
    int64_t result;

    if (random_below(4) == 0)
        flags |= MMK_MREMAP_DONTUNMAP;
    else if (random_below(4) == 0)
        length = 1 + random_below((unsigned)(MIXED_PAGES - page));
    else if (random_below(8) == 0)
        count = 0;
    call_begin();
    result = mmk_mremap(mm, mixed_addr(view, page), count * PAGE, length * PAGE, flags,
                        mixed_addr(!view, page));
    call_end();
    if (result == (int64_t)mixed_addr(!view, page))
        return;
    /* A hole, or several mappings; an old length of 0 and a private one; sealed. */
    check(result == MMK_EFAULT || (result == MMK_EINVAL && count == 0) ||
          (result == MMK_EPERM && mm != world.mm) || (result == MMK_ENOMEM && stress.injected));
}

static void mixed_shape(struct mmk_mm *mm)
{
    uint64_t count, page = random_pages(MIXED_PAGES, &count);
    mmk_vaddr_t addr = mixed_addr(random_below(2), page);
    unsigned kind = random_below(21);
    int error;

    if (random_below(2) && count > 3)
        count = 1 + random_below(3);
    if (kind >= 18) {
        mixed_move(mm, page, count);
        return;
    }
    if (kind >= 12) {
        mixed_rest(mm, addr, count);
        return;
    }
    if (kind < 4)
        error = mixed_map(mm, addr, page, count);
    else if (kind < 6)
        CALL(error, mmk_munmap(mm, addr, count * PAGE));
    else if (kind < 8)
        CALL(error, mmk_mprotect(mm, addr, count * PAGE, random_below(2) ? RW : random_below(8)));
    else
        CALL(error,
             mmk_madvise(mm, addr, count * PAGE, kind < 10 ? MMK_MADV_DONTNEED : MMK_MADV_FREE));
    if (error == MMK_EPERM && mm != world.mm)
        return; /* sealed */
    if (error != 0 && error != MMK_ENOMEM && (kind < 8 || error != MMK_EINVAL))
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
    if (random_below(3) == 0)
        CALL(error, mmk_object_sync(object, from, 8 + random_bytes(all - from)));
    else if (random_below(2))
        CALL(error, mmk_object_punch_hole(object, from, 8 + random_bytes(all - from)));
    else
        CALL(error, mmk_object_resize(object, random_below(2) ? all : from));
    (void)done(error == MMK_EIO ? 0 : error);
}

static void mixed_sync(struct mmk_mm *mm)
{
    uint64_t count, page = random_pages(MIXED_PAGES, &count);
    int error;

    CALL(error, mmk_msync(mm, mixed_addr(random_below(2), page), count * PAGE, MMK_MS_SYNC));
    check(error == 0 || error == MMK_ENOMEM || error == MMK_EIO);
}

/* Tables that nobody would miss; nothing of it shows. */
static void mixed_shrink(struct mmk_mm *mm)
{
    (void)mmk_shrink_tables(random_below(2) ? mm : NULL, random_below(8) * PAGE);
}

static void mixed_op(struct mmk_mm *mm)
{
    unsigned kind = random_below(64);

    if (kind == 0)
        mixed_object();
    else if (kind == 1)
        mixed_sync(mm);
    else if (kind == 2)
        mixed_shrink(mm);
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

/* Where it is written to is nobody's business: it is the page's own, whatever races with it. */
static int write_disk(struct mmk_object *object, uint64_t index, const void *page)
{
    const struct mmk_a64 *words = page;
    unsigned i;

    (void)object;
    for (i = 0; i < PAGE / 8; i++)
        check_identity(mmk_a64_load(&words[i], MMK_RELAXED), KIND_MIXED, index, index * PAGE);
    return self && random_below(32) == 0 ? MMK_EIO : 0;
}

static const struct mmk_object_ops disk_ops = {
    .read_page = read_disk, .write_page = write_disk, .punch_hole = punch_nothing};

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
        check(error == 0 || (error == MMK_EINVAL && mm != world.mm)); /* locked */
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

    for (i = 0; i < OWN_COUNT; i++) {
        pages[i] = self->own[i];
        pages[i].locked = false;
    }
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
        kind = random_below(18);
        if (kind == 17)
            swap_op(child);
        else if (kind == 16)
            back_op(child);
        else if (kind < 9)
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

/* Has a fork, and what became of the child, come between the device and the parent? */
static void own_release(unsigned n, struct mmk_page *page)
{
    uint64_t word = stamp(KIND_OWN, own_number(n), self->id, false, ++self->number);

    if (!page)
        return;
    if (self->own[n].map == OWN_ANON) { /* the child may have cut the file */
        mmk_a64_store(own_word(page, n), word, MMK_RELAXED);
        own_written(n, word);
        own_load(n);
    }
    mmk_unpin_pages(&page, 1, true);
}

static void fork_op(struct mmk_mm *parent)
{
    unsigned n = random_below(OWN_COUNT);
    struct mmk_page *page = parent == world.mm ? own_pin(n, MMK_PROT_WRITE) : NULL;
    struct mmk_mm *child = NULL;
    int error;

    CALL(error, mmk_fork(parent, &child));
    if (!done(error)) {
        own_release(n, page);
        return;
    }
    mmk_a32_fetch_add(&world.forks, 1, MMK_RELAXED);
    enter_mm(child);
    if (parent == world.mm)
        child_own(child);
    child_visit(child);
    enter_mm(world.mm);
    own_release(n, page);
    slot_give(child);
}

/* Runs in a child for a while, perhaps with others, perhaps as the last who knows it. */
static void visit_op(void)
{
    struct mmk_mm *child = slot_take();

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
    unsigned kind = random_below(226);

    if (kind >= 225)
        check(mmk_group_set_limit(world.group, MEMORY) == 0); /* collects all stocks */
    else if (kind >= 210)
        swap_op(world.mm);
    else if (kind >= 200)
        back_op(world.mm);
    else if (kind < 60)
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
    if (stress.ops % 8 == 0)
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

static void check_space(struct mmk_mm *mm)
{
    enter_mm(mm);
    check_file();
    enter_mm(world.mm);
    check_mm(mm);
    swap.entries += mmk_mm_counter(mm, MMK_COUNT_SWAP);
}

/* Checks everything, and says what the next round is about. => nothing else runs */
static void quiet(void)
{
    unsigned i;

    check_space(world.mm);
    slots_check(check_space);
    swap_check();
    mmk_check_group(world.group);
    mmk_check_object(world.words);
    mmk_check_object(world.shm);
    mmk_check_object(world.disk);
    mmk_check_object(world.file);
    for (i = 0; i < THREADS; i++)
        mmk_check_object(world.thread[i].file);
    world.mode = world.mode ? MODE_ALL : 1 + random_below(MODES - 1);
}

static void enter(void)
{
    self = &world.thread[stress.thread];
    enter_mm(world.mm);
}

/* --- building and taking down ---------------------------------------------------------------- */

static void build(void)
{
    unsigned i;

    check(mmk_group_create(MMK_GROUP_UNLIMITED, NULL, NULL, &world.group) == 0);
    check(mmk_group_mm_create(world.group, &world.mm) == 0);
    check(mmk_object_create(NULL, WORD_PAGES * PAGE, NULL, &world.words) == 0);
    check(mmk_object_create(NULL, MIXED_PAGES * PAGE, NULL, &world.shm) == 0);
    check(mmk_object_create(&disk_ops, MIXED_PAGES * PAGE, NULL, &world.disk) == 0);
    check(mmk_object_create(NULL, FILE_PAGES * PAGE, NULL, &world.file) == 0);
    must_map(world.mm, WORD_BASE, WORD_EACH * PAGE, ANON, NULL, 0);
    must_map(world.mm, LONE, WORD_EACH * MB2, ANON, NULL, 0);
    for (i = WORD_KEEP_SHM * WORD_EACH; i < WORD_PAGES; i += WORD_EACH) {
        must_map(world.mm, WORD_BASE + i * PAGE, WORD_EACH * PAGE, MMK_MAP_SHARED, world.words,
                 i * PAGE);
        must_map(world.mm, WORD_ALIAS + i * PAGE, WORD_EACH * PAGE, MMK_MAP_SHARED, world.words,
                 i * PAGE);
    }
    must_map(world.mm, FILE_PRIVATE, FILE_PAGES * PAGE, MMK_MAP_PRIVATE, world.file, 0);
    must_map(world.mm, FILE_SHARED, FILE_PAGES * PAGE, MMK_MAP_SHARED, world.file, 0);
    must_map(world.mm, STACK_TOP - PAGE, PAGE, ANON | MMK_MAP_GROWSDOWN, NULL, 0);
    check(mmk_set_brk(world.mm, HEAP) == 0);
    for (i = 0; i < THREADS; i++) {
        struct thread *thread = &world.thread[i];

        thread->id = i;
        thread->here = thread->own;
        thread->file_size = OWN_CLUSTERS * OWN_PAGES * PAGE;
        check(mmk_object_create(i % 2 ? &own_ops : NULL, thread->file_size, thread,
                                &thread->file) == 0);
    }
    pthread_mutex_init(&world.file_lock, NULL);
    swap_begin();
    slots_begin();
}

static void take_down(void)
{
    unsigned i;

    slots_end();
    for (i = 0; i < THREADS; i++)
        mmk_object_put(world.thread[i].file);
    mmk_object_put(world.words);
    mmk_object_put(world.shm);
    mmk_object_put(world.disk);
    mmk_object_put(world.file);
    mmk_mm_put(world.mm);
    swap_end();
    mmk_group_put(world.group);
}

int main(int argc, char **argv)
{
    static const struct program program = {
        .name = "mm",
        .round = 2000,
        .build = build,
        .enter = enter,
        .operate = one_op,
        .settle = own_verify,
        .quiet = quiet,
        .take_down = take_down,
    };

    return stress_main(argc, argv, &program);
}
