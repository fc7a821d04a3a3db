/* SPDX-License-Identifier: MIT */
/*
 * test_selftest.c - mmk_selftest() passes on the machine, on every CPU, and fails on ports that
 * are broken, each in one thing, naming that thing.
 *
 * The self-test is compiled into this program a second time, with the port's functions replaced
 * by ones that misbehave when told to. Each such port runs in a process of its own.
 */
#include "frame.h"
#include "run_cpus.h"

#include <mmkit/port/lock.h>
#include <mmkit/port/percpu.h>
#include <mmkit/port/tlb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum fault {
    NOTHING,
    STORE_LOST,
    STORE_WIDE,
    XCHG_ANSWERS_NEW,
    CMPXCHG_ALWAYS,
    CMPXCHG_NEVER,
    CMPXCHG_KEEPS_EXPECTED,
    ADD_ANSWERS_NEW,
    ADD_SATURATES,
    SUB_ADDS,
    AND_KEEPS,
    OR_REPLACES,
    TRYLOCK_ALWAYS,
    TRYLOCK_NEVER,
    UNLOCK_KEEPS,
    TRY_READ_ALWAYS,
    TRY_READ_NEVER,
    DOWNGRADE_KEEPS,
    CPU_TOO_HIGH,
    INTERRUPTS_STAY_OFF,
    PHYS_ELSEWHERE,
    VIRT_WITHOUT_OFFSET,
    CLEAR_SHORT,
    CLEAR_LONG,
    COPY_SHORT,
    COPY_BACKWARD,
    RCU_AT_ONCE,
    RCU_NEVER,
    RCU_TWICE,
    FLUSH_WRITES_ROOT,
    WAIT_WRITES,
    RANDOM_CONSTANT,
    RANDOM_SHORT,
    NO_MEMORY,
};

enum kind { A32, A64, APTR };

static enum fault fault;
static enum kind fault_kind; /* of atomics */

#define DEFINE_BROKEN(kind, type, KIND)                                                            \
    static type broken_##kind##_xchg(struct mmk_##kind *p, type value, int order)                  \
    {                                                                                              \
        type old = mmk_##kind##_xchg(p, value, order);                                             \
                                                                                                   \
        return fault == XCHG_ANSWERS_NEW && fault_kind == (KIND) ? value : old;                    \
    }                                                                                              \
    static bool broken_##kind##_cmpxchg(struct mmk_##kind *p, type *expected, type desired,        \
                                        int order)                                                 \
    {                                                                                              \
        type before = *expected;                                                                   \
        bool stored;                                                                               \
                                                                                                   \
        if (fault_kind == (KIND) && fault == CMPXCHG_ALWAYS)                                       \
            *expected = mmk_##kind##_load(p, MMK_RELAXED);                                         \
        if (fault_kind == (KIND) && fault == CMPXCHG_NEVER)                                        \
            return *expected = mmk_##kind##_load(p, MMK_RELAXED), false;                           \
        stored = mmk_##kind##_cmpxchg(p, expected, desired, order);                                \
        if (fault_kind == (KIND) && fault == CMPXCHG_KEEPS_EXPECTED)                               \
            *expected = before;                                                                    \
        return stored;                                                                             \
    }

#define DEFINE_BROKEN_INTEGER(kind, type, KIND)                                                    \
    DEFINE_BROKEN(kind, type, KIND)                                                                \
    static void broken_##kind##_store(struct mmk_##kind *p, type value, int order)                 \
    {                                                                                              \
        bool applies = fault_kind == (KIND) && value >> (sizeof(type) * 8 - 1) != 0;               \
                                                                                                   \
        if (applies && fault == STORE_WIDE)                                                        \
            mmk_##kind##_store(p + 1, value, order);                                               \
        mmk_##kind##_store(p, applies &&fault == STORE_LOST ? 0 : value, order);                   \
    }                                                                                              \
    static type broken_##kind##_fetch_add(struct mmk_##kind *p, type value, int order)             \
    {                                                                                              \
        type old = mmk_##kind##_load(p, MMK_RELAXED);                                              \
                                                                                                   \
        if (fault_kind == (KIND) && fault == ADD_SATURATES && (type)(old + value) < old)           \
            return old;                                                                            \
        mmk_##kind##_fetch_add(p, value, order);                                                   \
        return fault_kind == (KIND) && fault == ADD_ANSWERS_NEW ? (type)(old + value) : old;       \
    }                                                                                              \
    static type broken_##kind##_fetch_sub(struct mmk_##kind *p, type value, int order)             \
    {                                                                                              \
        if (fault_kind == (KIND) && fault == SUB_ADDS)                                             \
            return mmk_##kind##_fetch_add(p, value, order);                                        \
        return mmk_##kind##_fetch_sub(p, value, order);                                            \
    }                                                                                              \
    static type broken_##kind##_fetch_and(struct mmk_##kind *p, type value, int order)             \
    {                                                                                              \
        if (fault_kind == (KIND) && fault == AND_KEEPS)                                            \
            return mmk_##kind##_load(p, MMK_RELAXED);                                              \
        return mmk_##kind##_fetch_and(p, value, order);                                            \
    }                                                                                              \
    static type broken_##kind##_fetch_or(struct mmk_##kind *p, type value, int order)              \
    {                                                                                              \
        if (fault_kind == (KIND) && fault == OR_REPLACES)                                          \
            return mmk_##kind##_xchg(p, value, order);                                             \
        return mmk_##kind##_fetch_or(p, value, order);                                             \
    }

DEFINE_BROKEN_INTEGER(a32, uint32_t, A32)
DEFINE_BROKEN_INTEGER(a64, uint64_t, A64)
DEFINE_BROKEN(aptr, void *, APTR)

static bool broken_spin_trylock(struct mmk_spinlock *lock, enum mmk_lock_class cls)
{
    if (fault == TRYLOCK_ALWAYS || fault == TRYLOCK_NEVER)
        return fault == TRYLOCK_ALWAYS;
    return mmk_spin_trylock(lock, cls);
}

static void broken_spin_unlock(struct mmk_spinlock *lock, enum mmk_lock_class cls)
{
    if (fault == UNLOCK_KEEPS)
        mmk_note_release(cls, lock);
    else
        mmk_spin_unlock(lock, cls);
}

static bool broken_rw_try_read_lock(struct mmk_rwlock *lock, enum mmk_lock_class cls)
{
    if (fault == TRY_READ_NEVER)
        return false;
    if (fault == TRY_READ_ALWAYS) {
        mmk_a32_fetch_add(&lock->state, 1, MMK_RELAXED);
        mmk_note_acquire(cls, lock, true);
        return true;
    }
    return mmk_rw_try_read_lock(lock, cls);
}

static void broken_rw_downgrade(struct mmk_rwlock *lock)
{
    if (fault != DOWNGRADE_KEEPS)
        mmk_rw_downgrade(lock);
}

static unsigned broken_cpu_id(void)
{
    return fault == CPU_TOO_HIGH ? MMK_MAX_CPUS : mmk_cpu_id();
}

static void broken_percpu_leave(unsigned long state)
{
    if (fault != INTERRUPTS_STAY_OFF)
        mmk_percpu_leave(state);
}

static void *broken_phys_to_virt(mmk_paddr_t phys)
{
    return mmk_phys_to_virt(fault == PHYS_ELSEWHERE ? phys + MMK_PAGE_SIZE : phys);
}

static mmk_paddr_t broken_virt_to_phys(const void *virt)
{
    mmk_paddr_t phys = mmk_virt_to_phys(virt);

    return fault == VIRT_WITHOUT_OFFSET ? phys & MMK_PAGE_MASK : phys;
}

static void broken_clear_page(void *page)
{
    size_t size = MMK_PAGE_SIZE;

    if (fault == CLEAR_SHORT)
        size -= 1;
    else if (fault == CLEAR_LONG)
        size += 1;
    memset(page, 0, size);
}

static void broken_copy_page(void *to, const void *from)
{
    if (fault == COPY_BACKWARD)
        memcpy((void *)(uintptr_t)from, to, MMK_PAGE_SIZE);
    else
        memcpy(to, from, fault == COPY_SHORT ? MMK_PAGE_SIZE - 8 : MMK_PAGE_SIZE);
}

static struct mmk_rcu_head *last_head;
static void (*last_function)(struct mmk_rcu_head *head);

static void broken_call_rcu(struct mmk_rcu_head *head, void (*function)(struct mmk_rcu_head *head))
{
    last_head = head;
    last_function = function;
    if (fault == RCU_AT_ONCE)
        function(head);
    else if (fault != RCU_NEVER)
        mmk_host_call_rcu(head, function);
}

static void broken_rcu_barrier(void)
{
    mmk_host_rcu_barrier();
    if (fault == RCU_TWICE)
        last_function(last_head);
}

static void broken_tlb_local_all(const struct mmk_tlb_context *context)
{
    mmk_tlb_local_all(context);
    if (fault == FLUSH_WRITES_ROOT)
        memset(mmk_phys_to_virt(context->root), 0, 8);
}

static void broken_wait(struct mmk_a32 *word, uint32_t expected)
{
    mmk_host_wait(word, expected);
    if (fault == WAIT_WRITES)
        mmk_a32_store(word, expected, MMK_RELAXED);
}

static uint64_t broken_random(void)
{
    if (fault == RANDOM_CONSTANT)
        return 0x123456789abcdefu;
    return fault == RANDOM_SHORT ? mmk_host_random() >> 32 : mmk_host_random();
}

static int broken_selftest(const char **what);

#define mmk_selftest         broken_selftest
#define mmk_a32_store        broken_a32_store
#define mmk_a32_xchg         broken_a32_xchg
#define mmk_a32_cmpxchg      broken_a32_cmpxchg
#define mmk_a32_fetch_add    broken_a32_fetch_add
#define mmk_a32_fetch_sub    broken_a32_fetch_sub
#define mmk_a32_fetch_and    broken_a32_fetch_and
#define mmk_a32_fetch_or     broken_a32_fetch_or
#define mmk_a64_store        broken_a64_store
#define mmk_a64_xchg         broken_a64_xchg
#define mmk_a64_cmpxchg      broken_a64_cmpxchg
#define mmk_a64_fetch_add    broken_a64_fetch_add
#define mmk_a64_fetch_sub    broken_a64_fetch_sub
#define mmk_a64_fetch_and    broken_a64_fetch_and
#define mmk_a64_fetch_or     broken_a64_fetch_or
#define mmk_aptr_xchg        broken_aptr_xchg
#define mmk_aptr_cmpxchg     broken_aptr_cmpxchg
#define mmk_spin_trylock     broken_spin_trylock
#define mmk_spin_unlock      broken_spin_unlock
#define mmk_rw_try_read_lock broken_rw_try_read_lock
#define mmk_rw_downgrade     broken_rw_downgrade
#define mmk_cpu_id           broken_cpu_id
#define mmk_percpu_leave     broken_percpu_leave
#define mmk_phys_to_virt     broken_phys_to_virt
#define mmk_virt_to_phys     broken_virt_to_phys
#define mmk_clear_page       broken_clear_page
#define mmk_copy_page        broken_copy_page
#define mmk_host_call_rcu    broken_call_rcu
#define mmk_host_rcu_barrier broken_rcu_barrier
#define mmk_tlb_local_all    broken_tlb_local_all
#define mmk_host_wait        broken_wait
#define mmk_host_random      broken_random
#include "selftest.c"
#undef mmk_selftest

static const struct machine_config config = {
    .memory = (uint64_t)16 << 20, .cpus = 4, .mmkit = MMK_CONFIG_DEFAULT};

static void pass_on_cpu(unsigned cpu, void *unused)
{
    const char *what = "";

    (void)cpu;
    (void)unused;
    check(mmk_selftest(&what) == 0 && what == NULL);
}

static void test_passes_on_every_cpu(void **state)
{
    (void)state;
    assert_int_equal(machine_create(&config), 0);
    run_cpus(config.cpus, pass_on_cpu, NULL);
    machine_destroy();
}

/* In a child: 0 when the broken port was found out with `error`, the text naming `item`. */
static int judge(int error, const char *item)
{
    const char *what = "";
    int answer;

    alarm(30); /* a self-test that hangs */
    if (machine_create(&config) != 0)
        return 2;
    machine_cpu_attach(0);
    if (fault == NO_MEMORY)
        machine_fail_nth(0, true);
    answer = broken_selftest(&what);
    if (answer == error && what && strstr(what, item))
        return 0;
    fprintf(stderr, "fault %d, kind %d: answer %d, %s; expected %s\n", (int)fault, (int)fault_kind,
            answer, what ? what : "passed", item);
    return 1;
}

static void expect_error(enum fault which, enum kind kind, int error, const char *item)
{
    int status = -1;
    pid_t child;

    fault = which;
    fault_kind = kind;
    fflush(NULL);
    child = fork();
    if (child == 0)
        syscall(SYS_exit_group, judge(error, item)); /* _exit() takes a second under TSan */
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_finds_broken_atomics(void **state)
{
    enum fault which;

    (void)state;
    for (which = STORE_LOST; which <= OR_REPLACES; which++) {
        expect_error(which, A32, MMK_EIO, "32 bits");
        expect_error(which, A64, MMK_EIO, "64 bits");
    }
    for (which = XCHG_ANSWERS_NEW; which <= CMPXCHG_KEEPS_EXPECTED; which++)
        expect_error(which, APTR, MMK_EIO, "pointers");
}

static void test_finds_broken_ports(void **state)
{
    static const struct {
        enum fault from, to;
        const char *item;
    } faults[] = {
        {TRYLOCK_ALWAYS, UNLOCK_KEEPS, "spin lock"},
        {TRY_READ_ALWAYS, DOWNGRADE_KEEPS, "read-write lock"},
        {CPU_TOO_HIGH, INTERRUPTS_STAY_OFF, "this CPU"},
        {PHYS_ELSEWHERE, VIRT_WITHOUT_OFFSET, "physical to virtual"},
        {CLEAR_SHORT, COPY_BACKWARD, "clearing and copying"},
        {RCU_AT_ONCE, RCU_TWICE, "rcu"},
        {FLUSH_WRITES_ROOT, FLUSH_WRITES_ROOT, "tlb"},
        {WAIT_WRITES, WAIT_WRITES, "wait"},
        {RANDOM_CONSTANT, RANDOM_SHORT, "random"},
    };
    enum fault which;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        for (which = faults[i].from; which <= faults[i].to; which++)
            expect_error(which, A32, MMK_EIO, faults[i].item);
    expect_error(NO_MEMORY, A32, MMK_ENOMEM, "memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes_on_every_cpu),
        cmocka_unit_test(test_finds_broken_atomics),
        cmocka_unit_test(test_finds_broken_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
