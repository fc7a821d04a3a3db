/* SPDX-License-Identifier: MIT */
/*
 * test_object.c - objects without mappings: filling, errors, sizes, holes, threads.
 *
 * A "file" here computes its content from the position, counts reads and fails when told to.
 * TEST_SEED=n repeats a run; the seed is printed when something differs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <pthread.h>
#include <cmocka.h>

#include "frame.h"
#include "object.h"
#include "object_setup.h"
#include "random.h"
#include <machine.h>

#define PAGE ((size_t)MMK_PAGE_SIZE)

static uint64_t seed, state;

static uint64_t below(uint64_t limit)
{
    return random_below(&state, limit);
}

struct file {
    struct mmk_a32 reads;
    struct mmk_a32 fail_in; /* n > 0: the nth read from now fails */
    struct mmk_a32 released;
};

/* Never 0, so that zeros are always something that mmkit has done. */
static uint8_t content(uint64_t position)
{
    return (uint8_t)(1 + position * 31 % 251);
}

static bool fails_now(struct file *file)
{
    uint32_t left = mmk_a32_load(&file->fail_in, MMK_RELAXED);

    while (left > 0)
        if (mmk_a32_cmpxchg(&file->fail_in, &left, left - 1, MMK_RELAXED))
            return left == 1;
    return false;
}

static int file_read(struct mmk_object *object, uint64_t index, void *page)
{
    struct file *file = mmk_object_private(object);
    uint8_t *bytes = page;
    size_t i;

    mmk_a32_fetch_add(&file->reads, 1, MMK_RELAXED);
    if (fails_now(file))
        return MMK_EIO;
    for (i = 0; i < PAGE; i++)
        bytes[i] = content(index * PAGE + i);
    return 0;
}

static void file_release(struct mmk_object *object)
{
    struct file *file = mmk_object_private(object);

    mmk_a32_fetch_add(&file->released, 1 + (uint32_t)object->pages.count, MMK_RELAXED);
}

/* Its content comes back. */
static int file_punch(struct mmk_object *object, uint64_t offset, uint64_t length)
{
    (void)object;
    (void)offset;
    (void)length;
    return 0;
}

static const struct mmk_object_ops file_ops = {
    .read_page = file_read, .release = file_release, .punch_hole = file_punch};

static struct mmk_object *open_file(struct file *file, uint64_t size)
{
    struct mmk_object *object;

    memset(file, 0, sizeof(*file));
    assert_int_equal(mmk_object_create(&file_ops, size, file, &object), 0);
    return object;
}

static struct mmk_object *open_memory(uint64_t size)
{
    struct mmk_object *object;

    assert_int_equal(mmk_object_create(NULL, size, NULL, &object), 0);
    return object;
}

/* The page, with a reference, not locked. */
static struct mmk_page *get(struct mmk_object *object, uint64_t index)
{
    struct mmk_page *page = NULL;

    assert_int_equal(mmk_object_get_page(object, index, &page), 0);
    assert_true(mmk_page_test(page, MMK_PF_LOCKED));
    assert_ptr_equal(mmk_aptr_load(&page->user.object, MMK_RELAXED), object);
    assert_int_equal(page->user.index, index);
    mmk_page_unlock(page);
    return page;
}

static void touch(struct mmk_object *object, uint64_t index)
{
    mmk_page_put(get(object, index));
}

/* Bytes [from, to) of a page are the file's, or zeros. */
static void expect_bytes(struct mmk_object *object, uint64_t index, size_t from, size_t to,
                         bool zeros)
{
    struct mmk_page *page = get(object, index);
    const uint8_t *bytes = mmk_page_address(page);
    size_t i;

    for (i = from; i < to; i++)
        assert_int_equal(bytes[i], zeros ? 0 : content(index * PAGE + i));
    mmk_page_put(page);
}

static bool is_cached(struct mmk_object *object, uint64_t index)
{
    bool there;

    mmk_rcu_read_lock();
    there = mmk_page_index_find_rcu(&object->pages, index) != NULL;
    mmk_rcu_read_unlock();
    return there;
}

static void expect_error(struct mmk_object *object, uint64_t index, int error)
{
    struct mmk_page *page;

    assert_int_equal(mmk_object_get_page(object, index, &page), error);
}

static void test_arguments(void **context)
{
    struct mmk_object *object = NULL;

    (void)context;
    assert_int_equal(mmk_object_create(NULL, (uint64_t)1 << 63, NULL, &object), MMK_EFBIG);
    assert_null(object);
    object = open_memory(5000);
    assert_int_equal(mmk_object_count(), 1);
    assert_int_equal(mmk_object_resize(object, (uint64_t)1 << 63), MMK_EFBIG);
    assert_int_equal(mmk_object_punch_hole(object, 0, 0), MMK_EINVAL);
    assert_int_equal(mmk_object_punch_hole(object, 2, UINT64_MAX - 1), MMK_EINVAL);
    assert_int_equal(mmk_object_punch_hole(object, (uint64_t)1 << 63, 1), MMK_EINVAL);
    assert_int_equal(mmk_object_punch_hole(object, 1, ((uint64_t)1 << 63) - 1), MMK_EFBIG);
    assert_int_equal(mmk_object_punch_hole(object, 5000, ((uint64_t)1 << 63) - 5001), 0);
    assert_int_equal(mmk_object_size(object), 5000);
    expect_error(object, 2, MMK_EFAULT);
    expect_error(object, UINT64_MAX, MMK_EFAULT);
    assert_int_equal(mmk_object_resize(object, ((uint64_t)1 << 63) - 1), 0);
    touch(object, ((uint64_t)1 << 51) - 1);
    expect_error(object, (uint64_t)1 << 51, MMK_EFAULT);
    mmk_object_get(object);
    mmk_object_put(object);
    mmk_object_check(object);
    mmk_object_put(object);
    assert_int_equal(mmk_object_count(), 0);
}

static void test_memory_is_zero(void **context)
{
    struct mmk_object *object = open_memory(3 * PAGE);
    struct mmk_page *page;

    (void)context;
    expect_bytes(object, 1, 0, PAGE, true);
    page = get(object, 1);
    assert_ptr_equal(page, get(object, 1));
    assert_int_equal(mmk_page_refs(page), 3); /* F1: the index and two holders */
    mmk_page_put(page);
    mmk_page_put(page);
    assert_int_equal(object->pages.count, 1);
    assert_false(is_cached(object, 0));
    assert_true(is_cached(object, 1));
    mmk_object_check(object);
    mmk_object_put(object);
}

static void test_file_content(void **context)
{
    struct file file;
    struct mmk_object *object = open_file(&file, 2 * PAGE + 100);

    (void)context;
    expect_bytes(object, 1, 0, PAGE, false);
    expect_bytes(object, 2, 0, 100, false);
    expect_bytes(object, 2, 100, PAGE, true);
    expect_bytes(object, 1, 0, PAGE, false);
    assert_int_equal(mmk_a32_load(&file.reads, MMK_RELAXED), 2);
    mmk_object_check(object);
    mmk_object_put(object);
    assert_int_equal(mmk_a32_load(&file.released, MMK_RELAXED), 1); /* once, without pages */
}

static void test_read_error(void **context)
{
    struct file file;
    struct mmk_object *object = open_file(&file, 4 * PAGE);

    (void)context;
    mmk_a32_store(&file.fail_in, 1, MMK_RELAXED);
    expect_error(object, 3, MMK_EIO);
    assert_int_equal(object->pages.count, 0);
    mmk_a32_store(&file.fail_in, 1, MMK_RELAXED);
    expect_error(object, 3, MMK_EIO);
    expect_bytes(object, 3, 0, PAGE, false);
    mmk_object_check(object);
    mmk_object_put(object);
}

/* A cut page stays zero behind the cut when the object grows again, cached before or not. */
static void test_shrink_and_grow(void **context)
{
    struct file file;
    struct mmk_object *object = open_file(&file, 10 * PAGE);
    int cached;

    (void)context;
    for (cached = 0; cached < 2; cached++) {
        assert_int_equal(mmk_object_resize(object, 10 * PAGE), 0);
        touch(object, 9);
        if (cached)
            touch(object, 4);
        assert_int_equal(mmk_object_resize(object, 4 * PAGE + 1), 0);
        mmk_object_check(object);
        expect_error(object, 5, MMK_EFAULT);
        expect_error(object, 9, MMK_EFAULT);
        assert_int_equal(object->pages.count, 1);
        assert_int_equal(mmk_object_resize(object, 5 * PAGE + 7), 0);
        expect_bytes(object, 4, 0, 1, false);
        expect_bytes(object, 4, 1, PAGE, true);
        expect_bytes(object, 5, 0, 7, false);
        assert_int_equal(mmk_object_resize(object, 0), 0);
        assert_int_equal(object->pages.count, 0);
        mmk_object_check(object);
    }
    mmk_object_put(object);
}

/* Absent shared memory is zero: cutting it makes no page. */
static void test_absent_memory_stays_absent(void **context)
{
    struct mmk_object *object = open_memory(10 * PAGE);

    (void)context;
    assert_int_equal(mmk_object_punch_hole(object, PAGE + 1, 2 * PAGE), 0);
    assert_int_equal(mmk_object_resize(object, 3 * PAGE + 1), 0);
    assert_int_equal(object->pages.count, 0);
    mmk_object_put(object);
}

static void test_pinned_page_outlives(void **context)
{
    struct file file;
    struct mmk_object *object = open_file(&file, PAGE);
    struct mmk_page *page = get(object, 0);
    const uint8_t *bytes = mmk_page_address(page);

    (void)context;
    assert_int_equal(mmk_object_resize(object, 0), 0);
    assert_int_equal(mmk_page_refs(page), 1);
    assert_null(mmk_aptr_load(&page->user.object, MMK_RELAXED));
    assert_int_equal(bytes[17], content(17));
    mmk_page_put(page);
    mmk_object_put(object);
}

/* ---- model: what a file or memory holds after any sequence of resizes, holes and stores -------
 */

#define MODEL_PAGES 12

struct model {
    bool is_file;
    uint64_t size;
    bool cached[MODEL_PAGES];
    uint8_t bytes[MODEL_PAGES][MMK_PAGE_SIZE];
};

/* The page as mmkit fills it. */
static uint8_t *model_page(struct model *model, uint64_t index)
{
    size_t i;

    if (!model->cached[index]) {
        model->cached[index] = true;
        for (i = 0; i < PAGE; i++)
            model->bytes[index][i] =
                model->is_file && index * PAGE + i < model->size ? content(index * PAGE + i) : 0;
    }
    return model->bytes[index];
}

/* Bytes [start, end): whole pages are forgotten, parts of pages below the size zeroed. */
static void model_cut(struct model *model, uint64_t start, uint64_t end)
{
    uint64_t index, from, to;

    for (index = start / PAGE; index < MODEL_PAGES && index * PAGE < end; index++) {
        from = index * PAGE > start ? 0 : start - index * PAGE;
        to = (index + 1) * PAGE < end ? PAGE : end - index * PAGE;
        if (from == 0 && to == PAGE)
            model->cached[index] = false;
        else if (index * PAGE < model->size && (model->is_file || model->cached[index]))
            memset(model_page(model, index) + from, 0, (size_t)(to - from));
    }
}

static void model_resize(struct model *model, uint64_t size)
{
    if (size < model->size)
        model_cut(model, size, MODEL_PAGES * PAGE);
    model->size = size;
}

static void model_compare(struct model *model, struct mmk_object *object, uint64_t index)
{
    struct mmk_page *page;

    if (index * PAGE >= model->size) {
        expect_error(object, index, MMK_EFAULT);
        return;
    }
    page = get(object, index);
    if (memcmp(mmk_page_address(page), model_page(model, index), PAGE) != 0)
        fail_msg("TEST_SEED=%llu: page %u differs", (unsigned long long)seed, (unsigned)index);
    mmk_page_put(page);
}

/* Half of them are at page borders. */
static uint64_t random_position(void)
{
    return below(2) ? below(MODEL_PAGES + 1) * PAGE : below(MODEL_PAGES * PAGE + 1);
}

static void store_somewhere(struct model *model, struct mmk_object *object)
{
    uint64_t index = below(MODEL_PAGES), at = below(PAGE);
    struct mmk_page *page;

    if (index * PAGE + at >= model->size)
        return;
    page = get(object, index);
    ((uint8_t *)mmk_page_address(page))[at] = 255;
    model_page(model, index)[at] = 255;
    mmk_page_put(page);
}

static void model_step(struct model *model, struct mmk_object *object)
{
    uint64_t a = random_position(), b = random_position();
    unsigned choice = (unsigned)below(8);

    if (choice == 0) {
        assert_int_equal(mmk_object_resize(object, a), 0);
        model_resize(model, a);
    } else if (choice == 1 && a < b) {
        assert_int_equal(mmk_object_punch_hole(object, a, b - a), 0);
        model_cut(model, a, b);
    } else if (choice < 4) {
        model_compare(model, object, below(MODEL_PAGES));
    } else {
        store_somewhere(model, object);
    }
}

static void run_model(bool is_file)
{
    static struct model model;
    struct file file;
    struct mmk_object *object = is_file ? open_file(&file, 0) : open_memory(0);
    uint64_t index, cached = 0;
    unsigned n;

    memset(&model, 0, sizeof(model));
    model.is_file = is_file;
    for (n = 0; n < 4000; n++) {
        model_step(&model, object);
        mmk_object_check(object);
        assert_int_equal(mmk_object_size(object), model.size);
    }
    for (index = 0; index < MODEL_PAGES; index++)
        cached += model.cached[index];
    assert_int_equal(object->pages.count, cached);
    for (index = 0; index < MODEL_PAGES; index++)
        model_compare(&model, object, index);
    mmk_object_put(object);
}

static void test_model(void **context)
{
    (void)context;
    run_model(false);
    run_model(true);
}

/* ---- failures at every point: nothing changes, the next try succeeds --------------------------
 */

static int do_create(struct mmk_object *object)
{
    struct mmk_object *other = NULL;
    int error = mmk_object_create(NULL, mmk_object_size(object), NULL, &other);

    if (!error)
        mmk_object_put(other);
    return error;
}

static int do_get(struct mmk_object *object)
{
    struct mmk_page *page;
    int error = mmk_object_get_page(object, 4, &page);

    if (!error) {
        mmk_page_unlock(page);
        mmk_page_put(page);
    }
    return error;
}

static int do_shrink(struct mmk_object *object)
{
    return mmk_object_resize(object, 4 * PAGE + 5);
}

/* Both ends are in pages that must be read in. */
static int do_punch(struct mmk_object *object)
{
    return mmk_object_punch_hole(object, PAGE + 5, 3 * PAGE);
}

/* Pages 0 and 2 of a file of 6 are cached; what the operation needs is not. */
static struct mmk_object *file_for_failures(struct file *file)
{
    struct mmk_object *object = open_file(file, 6 * PAGE);

    touch(object, 0);
    touch(object, 2);
    touch(object, 5);
    return object;
}

static void expect_unchanged(struct mmk_object *object)
{
    uint64_t index;

    mmk_object_check(object);
    assert_int_equal(mmk_object_size(object), 6 * PAGE);
    assert_true(is_cached(object, 0) && is_cached(object, 2) && is_cached(object, 5));
    for (index = 0; index < 6; index++)
        expect_bytes(object, index, 0, PAGE, false);
}

/* => how many points of failure it has */
static uint64_t fail_everywhere(int (*operation)(struct mmk_object *), bool onward)
{
    struct mmk_object *object;
    struct file file;
    bool failed;
    uint64_t n;
    int error;

    for (n = 0;; n++) {
        object = file_for_failures(&file);
        machine_fail_nth(n, onward);
        error = operation(object);
        failed = machine_fail_stop();
        if (failed) {
            assert_int_equal(error, MMK_ENOMEM);
            expect_unchanged(object);
        }
        mmk_object_put(object);
        if (!failed)
            break;
    }
    assert_int_equal(error, 0);
    return n;
}

/* The operation makes `reads`; each of them fails in turn. */
static void fail_reads(int (*operation)(struct mmk_object *), unsigned reads)
{
    struct mmk_object *object;
    struct file file;
    unsigned n;

    for (n = 1; n <= reads; n++) {
        object = file_for_failures(&file);
        mmk_a32_store(&file.fail_in, n, MMK_RELAXED);
        assert_int_equal(operation(object), MMK_EIO);
        assert_int_equal(mmk_a32_load(&file.fail_in, MMK_RELAXED), 0);
        expect_unchanged(object);
        assert_int_equal(operation(object), 0);
        mmk_object_put(object);
    }
}

static void test_no_memory(void **context)
{
    int onward;

    (void)context;
    for (onward = 0; onward < 2; onward++) {
        assert_in_range(fail_everywhere(do_create, onward), 1, 10);
        assert_in_range(fail_everywhere(do_get, onward), 3, 10);
        assert_in_range(fail_everywhere(do_shrink, onward), 3, 10);
        assert_in_range(fail_everywhere(do_punch, onward), 6, 20);
    }
}

static void test_failing_reads(void **context)
{
    (void)context;
    fail_reads(do_get, 1);
    fail_reads(do_shrink, 1);
    fail_reads(do_punch, 2);
}

/* ---- threads -----------------------------------------------------------------------------------
 */

#define ROUNDS 200

static struct mmk_object *shared;
static struct mmk_a32 arrived, stop, faults;

static void start_threads(void *(*function)(void *), pthread_t *threads)
{
    static unsigned cpus[THREADS] = {1, 2};
    unsigned i;

    mmk_a32_store(&arrived, 0, MMK_RELAXED);
    mmk_a32_store(&stop, 0, MMK_RELAXED);
    mmk_a32_store(&faults, 0, MMK_RELAXED);
    for (i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, function, &cpus[i]), 0);
}

static void join_threads(pthread_t *threads)
{
    unsigned i;

    machine_idle_begin();
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    machine_idle_end();
    assert_int_equal(mmk_a32_load(&faults, MMK_RELAXED), 0);
}

static void wait_for_all(uint32_t round)
{
    mmk_a32_fetch_add(&arrived, 1, MMK_ACQ_REL);
    while (mmk_a32_load(&arrived, MMK_ACQUIRE) < round * THREADS)
        mmk_cpu_relax();
}

/* Each touches page after page at the same time as the others. */
static void *touch_together(void *cpu)
{
    struct mmk_page *page;
    const uint8_t *bytes;
    uint32_t i;
    int error;

    machine_cpu_attach(*(unsigned *)cpu);
    for (i = 0; i < ROUNDS; i++) {
        wait_for_all(i + 1);
        error = mmk_object_get_page(shared, i, &page);
        if (error) {
            mmk_a32_fetch_add(&faults, 1, MMK_RELAXED);
            continue;
        }
        bytes = mmk_page_address(page);
        if (bytes[i] != content(i * PAGE + i))
            mmk_a32_fetch_add(&faults, 1, MMK_RELAXED);
        mmk_page_unlock(page);
        mmk_page_put(page);
    }
    machine_cpu_detach();
    return NULL;
}

static void test_one_read_for_all(void **context)
{
    pthread_t threads[THREADS];
    struct file file;

    (void)context;
    shared = open_file(&file, ROUNDS * PAGE);
    start_threads(touch_together, threads);
    join_threads(threads);
    assert_int_equal(mmk_a32_load(&file.reads, MMK_RELAXED), ROUNDS);
    assert_int_equal(shared->pages.count, ROUNDS);
    mmk_object_check(shared);
    mmk_object_put(shared);
}

/* The same with every read failing once: one of the two reports it, the other reads again. */
static struct file failing;

static void *touch_failing(void *cpu)
{
    struct mmk_page *page;
    uint32_t i, errors = 0;
    int error;

    machine_cpu_attach(*(unsigned *)cpu);
    for (i = 0; i < ROUNDS; i++) {
        if (*(unsigned *)cpu == 1)
            mmk_a32_store(&failing.fail_in, 1, MMK_RELAXED);
        wait_for_all(2 * i + 1);
        error = mmk_object_get_page(shared, i, &page);
        if (!error) {
            mmk_page_unlock(page);
            mmk_page_put(page);
        } else if (error == MMK_EIO) {
            errors++;
        } else {
            mmk_a32_fetch_add(&faults, 1, MMK_RELAXED);
        }
        wait_for_all(2 * i + 2);
    }
    mmk_a32_fetch_add(&faults, ROUNDS - errors, MMK_RELAXED); /* balanced by the other's */
    machine_cpu_detach();
    return NULL;
}

static void test_error_for_one(void **context)
{
    pthread_t threads[THREADS];

    (void)context;
    shared = open_file(&failing, ROUNDS * PAGE);
    start_threads(touch_failing, threads);
    machine_idle_begin();
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    machine_idle_end();
    /* Two threads, one error a round. */
    assert_int_equal(mmk_a32_load(&faults, MMK_RELAXED), ROUNDS);
    assert_int_equal(mmk_a32_load(&failing.reads, MMK_RELAXED), 2 * ROUNDS);
    assert_int_equal(shared->pages.count, ROUNDS);
    mmk_object_check(shared);
    mmk_object_put(shared);
}

#define RACE_PAGES 24

/* A page that is got belongs to the object and begins with the file's byte, whatever the size. */
static void check_got(struct mmk_page *page, uint64_t index)
{
    const uint8_t *bytes = mmk_page_address(page);

    if (mmk_aptr_load(&page->user.object, MMK_RELAXED) != shared || page->user.index != index ||
        bytes[0] != content(index * PAGE) || !mmk_page_test(page, MMK_PF_UPTODATE))
        mmk_a32_fetch_add(&faults, 1, MMK_RELAXED);
    mmk_page_unlock(page);
    mmk_page_put(page);
}

static void *get_all_the_time(void *cpu)
{
    uint64_t random = *(unsigned *)cpu, index;
    struct mmk_page *page;
    int error;

    machine_cpu_attach(*(unsigned *)cpu);
    while (!mmk_a32_load(&stop, MMK_RELAXED)) {
        index = next_random(&random) % RACE_PAGES;
        error = mmk_object_get_page(shared, index, &page);
        if (!error)
            check_got(page, index);
        else if (error != MMK_EFAULT)
            mmk_a32_fetch_add(&faults, 1, MMK_RELAXED);
        mmk_a32_fetch_add(&arrived, 1, MMK_RELAXED);
    }
    machine_cpu_detach();
    return NULL;
}

static void test_get_against_resize(void **context)
{
    pthread_t threads[THREADS];
    struct file file;
    uint64_t at;
    unsigned n;

    (void)context;
    shared = open_file(&file, RACE_PAGES * PAGE);
    start_threads(get_all_the_time, threads);
    for (n = 0; n < 4000 || mmk_a32_load(&arrived, MMK_RELAXED) < 20000; n++) {
        assert_int_equal(mmk_object_resize(shared, below(RACE_PAGES * PAGE)), 0);
        at = below(RACE_PAGES) * PAGE;
        assert_int_equal(mmk_object_punch_hole(shared, at, 3 * PAGE), 0);
    }
    mmk_a32_store(&stop, 1, MMK_RELAXED);
    join_threads(threads);
    mmk_object_check(shared);
    mmk_object_put(shared);
}

/* CPU 1 truncates; CPU 2, once the size is 0, asks for a page that is still in the index. */
static void *shrink_and_get(void *cpu)
{
    struct mmk_page *page;
    int error;

    machine_cpu_attach(*(unsigned *)cpu);
    if (*(unsigned *)cpu == 1) {
        error = mmk_object_resize(shared, 0);
    } else {
        while (mmk_object_size(shared) != 0)
            mmk_cpu_relax();
        mmk_a32_store(&arrived, 1, MMK_RELAXED);
        error = mmk_object_get_page(shared, 6, &page) == MMK_EFAULT ? 0 : MMK_EINVAL;
    }
    if (error)
        mmk_a32_fetch_add(&faults, 1, MMK_RELAXED);
    machine_cpu_detach();
    return NULL;
}

/* P4: a page that a truncation has yet to reach is not handed out any more. */
static void test_truncation_under_way(void **context)
{
    const struct timespec while_it_asks = {0, 5000000};
    pthread_t threads[THREADS];
    struct mmk_page *page;

    (void)context;
    shared = open_memory(8 * PAGE);
    touch(shared, 1);
    touch(shared, 6);
    assert_true(is_cached(shared, 6));
    assert_int_equal(mmk_object_get_page(shared, 3, &page), 0);
    start_threads(shrink_and_get, threads);
    while (is_cached(shared, 1)) /* it cannot come further than to page 3 */
        mmk_cpu_relax();
    assert_int_equal(mmk_object_size(shared), 0);
    assert_true(is_cached(shared, 6));
    while (!mmk_a32_load(&arrived, MMK_RELAXED))
        mmk_cpu_relax();
    nanosleep(&while_it_asks, NULL);
    mmk_page_unlock(page);
    join_threads(threads);
    assert_int_equal(shared->pages.count, 0);
    assert_int_equal(mmk_page_refs(page), 1);
    mmk_page_put(page);
    mmk_object_put(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_arguments),
        TEST(test_memory_is_zero),
        TEST(test_file_content),
        TEST(test_read_error),
        TEST(test_shrink_and_grow),
        TEST(test_absent_memory_stays_absent),
        TEST(test_pinned_page_outlives),
        TEST(test_model),
        TEST(test_no_memory),
        TEST(test_failing_reads),
        TEST(test_one_read_for_all),
        TEST(test_error_for_one),
        TEST(test_get_against_resize),
        TEST(test_truncation_under_way),
    };

    seed = seed_of_run();
    state = seed;
    return cmocka_run_group_tests_name("object", tests, NULL, NULL);
}
