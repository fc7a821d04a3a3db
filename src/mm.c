/* SPDX-License-Identifier: MIT */
/*
 * mm.c - life of an address space, its counters, and the CPUs that run it.
 *
 * Two counts: users have what is mapped; all users together are one holder, and holders have the
 * structure and the root (mm_users and mm_count of Linux). What the last user leaves goes with the
 * mmap lock held for writing, so that a holder who takes the lock sees all of it or, `users` being
 * 0, knows that there is nothing. Objects find an mm through their interval trees without a
 * reference: its VMAs leave those trees after their entries are gone and before the last user's
 * hold goes, under the interval lock that a visitor holds shared (P16). Private pages find it
 * through its family, which it leaves likewise.
 *
 * The structure and the root go a grace period after the last hold. A CPU that leaves an mm still
 * has its root loaded until it has loaded another; that is a moment in which it is in no quiescent
 * state, so a grace period ends after it (P17).
 */
#include "mm.h"

#include "account.h"
#include "charge.h"
#include "family.h"
#include "huge_zero.h"
#include "list.h"
#include "notifier.h"
#include "planted.h"
#include "slab.h"
#include "table.h"
#include "tlb.h"
#include "waiting.h"
#include "zap.h"

#include "core.h"
#include <mmkit/stats.h>

/* Order of the block that holds one struct mmk_mm_cpu for each CPU. */
#define CPU_BYTES (sizeof(struct mmk_mm_cpu) * MMK_MAX_CPUS)
#define CPU_ORDER (CPU_BYTES <= 4096 ? 0 : CPU_BYTES <= 8192 ? 1 : CPU_BYTES <= 16384 ? 2 : 3)

_Static_assert(CPU_BYTES <= (4096u << 3), "counters of all CPUs fit a block");

static struct mmk_slab_cache mm_cache;
static struct mmk_a64 last_id;
static struct mmk_a64 existing;

static struct mmk_percpu_count made; /* mmk_mm_tables_made() */

/* All that have users: a ring, whose first is the next to be looked at. */
static struct mmk_spinlock spaces_lock;
static struct mmk_list spaces;

/* What each CPU has loaded. */
struct MMK_CACHE_ALIGNED loaded {
    struct mmk_aptr mm; /* own CPU */
};

static struct loaded loaded[MMK_MAX_CPUS];

void mmk_mm_module_init(void)
{
    unsigned cpu;

    mmk_slab_cache_init(&mm_cache, "mm", sizeof(struct mmk_mm));
    mmk_a64_store(&existing, 0, MMK_RELAXED);
    mmk_percpu_count_init(&made);
    mmk_spin_init(&spaces_lock);
    mmk_list_init(&spaces);
    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        mmk_aptr_store(&loaded[cpu].mm, NULL, MMK_RELAXED);
}

bool mmk_mm_is_loaded(unsigned cpu)
{
    return mmk_aptr_load(&loaded[cpu].mm, MMK_RELAXED) != NULL;
}

uint64_t mmk_mm_count_all(void)
{
    return mmk_a64_load(&existing, MMK_RELAXED);
}

uint64_t mmk_mm_tables_made(void)
{
    int64_t sum = (int64_t)mmk_percpu_count_sum(&made);

    return sum > 0 ? (uint64_t)sum : 0; /* one CPU's may be seen to go before another's to come */
}

void mmk_mm_count_made(int64_t delta)
{
    mmk_percpu_count_add(&made, delta);
}

/* A level's count: the word, the place in it, and how many bits there. */
#define LEAF_APART   (MMK_TABLE_WORDS - 1u)
#define WORD(level)  (LEAF_APART * ((level) != 0))
#define PLACE(level) MMK_TABLE_BITS(MMK_PT_LEVELS - 1u - WORD(level), -WORD(level) + (level))
#define BITS(level)  ((MMK_PT_LEVELS - 1 - (level)) * MMK_PT_INDEX_BITS + 1)

_Static_assert(PLACE(MMK_PT_LEVELS - 1) + 1 <= 64, "the counts of upper levels fit one word");
_Static_assert(WORD(0) == 0 && PLACE(0) == 0, "leaf tables are counted from the lowest bit on");

/* One of each level below `level`, as a word counts them. */
#define ONE(word, level)                                                                           \
    (WORD(level) != (word) || (level) >= MMK_PT_LEVELS ? 0 : (uint64_t)1 << PLACE(level) % 64)
#define BELOW(word)                                                                                \
    {                                                                                              \
        0, ONE(word, 0), ONE(word, 0) + ONE(word, 1), ONE(word, 0) + ONE(word, 1) + ONE(word, 2),  \
            ONE(word, 0) + ONE(word, 1) + ONE(word, 2) + ONE(word, 3),                             \
            ONE(word, 0) + ONE(word, 1) + ONE(word, 2) + ONE(word, 3) + ONE(word, 4),              \
    }
const uint64_t mmk_tables_below[2][6] = {BELOW(0), BELOW(1)};

uint64_t mmk_mm_tables(const struct mmk_mm *mm, unsigned level)
{
    uint64_t mask = ((uint64_t)1 << BITS(level)) - 1;

    return mmk_a64_load(&mm->tables[WORD(level)], MMK_RELAXED) >> PLACE(level) & mask;
}

uint64_t mmk_mm_counter(const struct mmk_mm *mm, enum mmk_counter counter)
{
    uint64_t sum = 0;
    unsigned cpu;

    for (cpu = 0; cpu < MMK_MAX_CPUS; cpu++)
        sum += mmk_a64_load(&mm->cpu[cpu].count[counter], MMK_RELAXED);
    return sum;
}

/* Nobody is to be told or woken. */
static void init_death(struct mmk_mm *mm)
{
    mmk_a32_store(&mm->killed, 0, MMK_RELAXED);
    mmk_a64_store(&mm->reap_next, 0, MMK_RELAXED);
    mmk_a64_store(&mm->shrink_next, 0, MMK_RELAXED);
    mmk_a64_store(&mm->collapse_next, 0, MMK_RELAXED);
    mmk_aptr_store(&mm->huge_zero, NULL, MMK_RELAXED);
    mmk_list_init(&mm->in_ring);
    mmk_spin_init(&mm->lock);
    mmk_list_init(&mm->sleepers);
    mmk_aptr_store(&mm->notifiers, NULL, MMK_RELAXED);
    mm->notify_epoch = 0;
    mm->notify_gen = 0;
    mmk_a32_store(&mm->notifying[0], 0, MMK_RELAXED);
    mmk_a32_store(&mm->notifying[1], 0, MMK_RELAXED);
}

static void init_fields(struct mmk_mm *mm, struct mmk_mm_cpu *cpu, struct mmk_page *root)
{
    unsigned level;

    mmk_rw_init(&mm->mmap_lock);
    mmk_vma_tree_init(&mm->vmas);
    mm->vma_seq = 0;
    mmk_a32_store(&mm->table_moves, 0, MMK_RELAXED);
    mm->root = root;
    mm->top = mmk_table_entries(root);
    mm->context.id = mmk_a64_fetch_add(&last_id, 1, MMK_RELAXED) + 1;
    mm->context.root = mmk_page_phys(root);
    mm->cpu = cpu;
    mm->brk_start = mm->brk = 0;
    mmk_a64_store(&mm->anon_source, 0, MMK_RELAXED);
    mm->def_flags = 0;
    mm->usage = (struct mmk_usage){0};
    mm->charged = 0;
    mmk_limit_init_mm(mm);
    mm->ops = NULL;
    mm->private_data = NULL;
    mmk_a32_store(&mm->users, 1, MMK_RELAXED);
    mmk_a32_store(&mm->holds, 1, MMK_RELAXED);
    init_death(mm);
    mmk_a32_store(&mm->flush_pending, 0, MMK_RELAXED);
    mmk_a32_store(&mm->flush_unasked, 0, MMK_RELAXED);
    mmk_a64_store(&mm->cpus, 0, MMK_RELAXED);
    mmk_a64_store(&mm->tlb_gen, 1, MMK_RELAXED); /* no CPU is as new: the first entry flushes */
    for (level = 0; level < MMK_TABLE_WORDS; level++)
        mmk_a64_store(&mm->tables[level], 0, MMK_RELAXED);
    mmk_mm_count_tables(mm, MMK_PT_LEVELS - 1, 1, 1);
    mmk_mm_count_made(1);
}

/* => NULL: no memory */
static struct mmk_mm *alloc_mm(struct mmk_kin *kin, struct mmk_group *group)
{
    struct mmk_mm *mm = mmk_slab_alloc(&mm_cache, MMK_ALLOC_NORMAL);
    struct mmk_page *cpu = mm ? mmk_page_alloc(CPU_ORDER, MMK_ALLOC_ZERO | MMK_ALLOC_STAYS) : NULL;
    struct mmk_page *root = NULL;

    if (cpu) {
        mm->group = group;
        root = mmk_table_alloc_root(mm);
    }
    if (!root) {
        if (cpu)
            mmk_page_put(cpu);
        if (mm)
            mmk_slab_free(&mm_cache, mm);
        return NULL;
    }
    mm->kin = kin;
    init_fields(mm, (struct mmk_mm_cpu *)mmk_page_virt(cpu), root);
    return mm;
}

static int create(struct mmk_kin *parent, struct mmk_group *group, struct mmk_mm **mm_out)
{
    struct mmk_kin *kin;
    struct mmk_mm *mm;

    mmk_waiting_throttle();
    if (mmk_zero_page_ready())
        return MMK_ENOMEM;
    kin = mmk_kin_alloc(parent);
    if (!kin)
        return MMK_ENOMEM;
    mm = alloc_mm(kin, group);
    if (!mm) {
        mmk_kin_discard(kin);
        return MMK_ENOMEM;
    }
    if (group)
        mmk_group_get(group);
    mmk_kin_join(kin, parent, mm);
    mmk_a64_fetch_add(&existing, 1, MMK_RELAXED);
    *mm_out = mm;
    return 0;
}

void mmk_mm_list(struct mmk_mm *mm)
{
    mmk_spin_lock(&spaces_lock, MMK_LOCK_SPACES);
    mmk_list_add_tail(&spaces, &mm->in_ring);
    mmk_spin_unlock(&spaces_lock, MMK_LOCK_SPACES);
}

/* The last user has left. Its hold, which keeps what is listed, is dropped later. */
static void unlist(struct mmk_mm *mm)
{
    mmk_spin_lock(&spaces_lock, MMK_LOCK_SPACES);
    mmk_list_del(&mm->in_ring);
    mmk_spin_unlock(&spaces_lock, MMK_LOCK_SPACES);
}

struct mmk_mm *mmk_mm_next(void)
{
    struct mmk_mm *mm = NULL;

    mmk_spin_lock(&spaces_lock, MMK_LOCK_SPACES);
    if (!mmk_list_empty(&spaces)) {
        mm = mmk_list_entry(spaces.next, struct mmk_mm, in_ring);
        mmk_list_del(&mm->in_ring);
        mmk_list_add_tail(&spaces, &mm->in_ring);
        if (!MMK_MISTAKE(SHRINK_NOT_HELD))
            mmk_mm_hold(mm);
    }
    mmk_spin_unlock(&spaces_lock, MMK_LOCK_SPACES);
    return mm;
}

static int create_listed(struct mmk_group *group, struct mmk_mm **mm_out)
{
    int error = create(NULL, group, mm_out);

    if (!error)
        mmk_mm_list(*mm_out);
    return error;
}

int mmk_mm_create(struct mmk_mm **mm_out)
{
    return create_listed(NULL, mm_out);
}

int mmk_group_mm_create(struct mmk_group *group, struct mmk_mm **mm_out)
{
    return create_listed(group, mm_out);
}

int mmk_mm_create_child(struct mmk_mm *parent, struct mmk_mm **child)
{
    return create(parent->kin, parent->group, child);
}

void mmk_mm_get(struct mmk_mm *mm)
{
    mmk_a32_fetch_add(&mm->users, 1, MMK_RELAXED);
}

bool mmk_mm_get_unless_gone(struct mmk_mm *mm)
{
    uint32_t users = mmk_a32_load(&mm->users, MMK_RELAXED);

    while (users != 0)
        if (mmk_a32_cmpxchg(&mm->users, &users, users + 1, MMK_RELAXED))
            return true;
    return false;
}

void mmk_mm_hold(struct mmk_mm *mm)
{
    mmk_a32_fetch_add(&mm->holds, 1, MMK_RELAXED);
}

void mmk_mm_set_ops(struct mmk_mm *mm, const struct mmk_mm_ops *ops, void *private_data)
{
    mm->ops = ops;
    mm->private_data = private_data;
}

void *mmk_mm_private(const struct mmk_mm *mm)
{
    return mm->private_data;
}

/*
 * Entries first, then the ways back from objects and private pages, then the VMAs (P16). => mmap
 * lock held for writing
 */
static void unmap_everything(struct mmk_mm *mm) MMK_REQUIRES(mm->mmap_lock)
{
    struct mmk_gather gather;
    struct mmk_vma *vma;
    mmk_vaddr_t addr = 0;

    mmk_gather_begin_range(&gather, mm, 0, MMK_USER_END, MMK_NOTIFY_UNMAP);
    mmk_gather_policy(&gather, MMK_GATHER_UNMAP, 0, UINT64_MAX);
    mmk_zap_range(&gather, 0, MMK_USER_END, MMK_ZAP_ALL);
    mmk_gather_finish(&gather);
    while ((vma = mmk_mm_find_vma(mm, addr)) != NULL) {
        addr = mmk_vma_end(vma);
        mmk_vma_unlink(vma);
        mmk_vma_free(vma);
    }
    mmk_vma_tree_destroy(mmk_mm_vmas(mm));
    mmk_kin_leave(mm->kin);
}

/*
 * No CPU has it loaded but lazily. A lazy one may leave meanwhile, and is not seen to turn busy:
 * `lazy` stays set until the CPU enters again, which takes a user.
 */
static bool is_unused(const struct mmk_mm *mm)
{
    uint64_t cpus = mmk_a64_load(&mm->cpus, MMK_RELAXED);
    unsigned cpu;

    for (cpu = 0; cpus != 0; cpu++, cpus >>= 1)
        if ((cpus & 1) && !mmk_a32_load(&mm->cpu[cpu].lazy, MMK_RELAXED))
            return false;
    return true;
}

static void tear_down(struct mmk_mm *mm)
{
    const struct mmk_mm_ops *ops = mm->ops;

    mmk_assert(is_unused(mm), "P17 the last user puts after the last CPU has left");
    if (ops && ops->last_user)
        ops->last_user(mm, mm->private_data);
    unlist(mm);
    mmk_rw_write_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    mmk_notify_release(mm);
    unmap_everything(mm);
    mmk_huge_zero_put(mm);
    mmk_account_exit_mm(mm);
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    if (ops && ops->torn_down)
        ops->torn_down(mm, mm->private_data);
}

void mmk_mm_put(struct mmk_mm *mm)
{
    uint32_t users = mmk_a32_fetch_sub(&mm->users, 1, MMK_ACQ_REL);

    mmk_assert(users != 0, "an address space is put once for each user");
    if (users != 1)
        return;
    tear_down(mm);
    mmk_mm_drop(mm);
}

/* What of an address space goes last: the structure, its block of CPUs, the root. */
#define LAST_BYTES (sizeof(struct mmk_mm) + (MMK_PAGE_SIZE << CPU_ORDER) + MMK_PAGE_SIZE)

static void free_rcu(struct mmk_rcu_head *head)
{
    struct mmk_mm *mm = (struct mmk_mm *)((char *)head - offsetof(struct mmk_mm, rcu));

    mmk_table_free_root(mm->root);
    mmk_page_put(mmk_virt_to_page(mm->cpu));
    if (mm->group)
        mmk_group_put(mm->group);
    mmk_slab_free(&mm_cache, mm);
    mmk_waiting_done(MMK_WAITING_OTHERS, LAST_BYTES);
}

void mmk_mm_drop(struct mmk_mm *mm)
{
    uint32_t holds = mmk_a32_fetch_sub(&mm->holds, 1, MMK_ACQ_REL);

    mmk_assert(holds != 0, "an address space is dropped once for each hold");
    if (holds != 1)
        return;
    mmk_assert(mmk_a64_load(&mm->cpus, MMK_RELAXED) == 0,
               "P17 the root is freed after the last CPU has left");
    mmk_table_forget(mm);
    mmk_mm_count_tables(mm, MMK_PT_LEVELS - 1, 1, -1);
    mmk_mm_count_made(-1);
    mmk_a64_fetch_sub(&existing, 1, MMK_RELAXED);
    mmk_waiting_add(MMK_WAITING_OTHERS, LAST_BYTES);
    if (MMK_MISTAKE(MM_WITHOUT_GRACE))
        free_rcu(&mm->rcu);
    else
        mmk_host_call_rcu(&mm->rcu, free_rcu);
}

/* Back from laziness: the CPU's bit is set, and it has its hold. */
static void enter_again(struct mmk_mm *mm, struct mmk_mm_cpu *own)
{
    uint32_t holds;

    mmk_assert(mmk_a32_load(&own->lazy, MMK_RELAXED), "a CPU enters an mm once");
    mmk_a32_store(&own->lazy, 0, MMK_RELAXED);
    mmk_full_barrier(); /* seen before tlb_gen is read, as the bit is below */
    if (!MMK_MISTAKE(LAZY_NOT_CAUGHT_UP))
        mmk_tlb_catch_up(mm);
    holds = mmk_a32_fetch_sub(&mm->holds, 1, MMK_RELAXED); /* it will leave, with release */
    mmk_assert(holds > 1, "P17 whoever enters an mm is a user of it");
}

mmk_paddr_t mmk_mm_enter(struct mmk_mm *mm)
{
    unsigned cpu = mmk_cpu_id();
    struct mmk_aptr *here = &loaded[cpu].mm;
    struct mmk_mm *old = (struct mmk_mm *)mmk_aptr_load(here, MMK_RELAXED);

    mmk_assert(mmk_cpu_is_online(cpu), "a CPU is online before it enters an mm");
    if (old == mm) {
        enter_again(mm, &mm->cpu[cpu]);
        return mm->context.root;
    }
    mmk_assert(!old, "a CPU leaves an mm before it enters another");
    mmk_aptr_store(here, mm, MMK_RELAXED);
    if (!MMK_MISTAKE(LAZY_STAYS))
        mmk_a32_store(&mm->cpu[cpu].lazy, 0, MMK_RELAXED); /* it left lazily, perhaps */
    if (MMK_MISTAKE(CATCH_UP_FIRST))
        mmk_tlb_catch_up(mm);
    mmk_a64_fetch_or(&mm->cpus, (uint64_t)1 << cpu, MMK_RELAXED);
    mmk_full_barrier(); /* our bit is seen before tlb_gen is read: see tlb.c */
    if (!MMK_MISTAKE(CATCH_UP_FIRST))
        mmk_tlb_catch_up(mm);
    return mm->context.root;
}

void mmk_mm_leave(struct mmk_mm *mm)
{
    unsigned cpu = mmk_cpu_id();
    bool was_lazy = mmk_a32_load(&mm->cpu[cpu].lazy, MMK_RELAXED) != 0;

    mmk_assert(mmk_aptr_load(&loaded[cpu].mm, MMK_RELAXED) == mm,
               "a CPU leaves the mm that it entered");
    mmk_aptr_store(&loaded[cpu].mm, NULL, MMK_RELAXED);
    mmk_a64_fetch_and(&mm->cpus, ~((uint64_t)1 << cpu), MMK_RELEASE);
    if (was_lazy)
        mmk_mm_drop(mm);
}

void mmk_mm_leave_lazy(struct mmk_mm *mm)
{
    unsigned cpu = mmk_cpu_id();
    struct mmk_a32 *lazy = &mm->cpu[cpu].lazy;

    mmk_assert(mmk_aptr_load(&loaded[cpu].mm, MMK_RELAXED) == mm &&
                   !mmk_a32_load(lazy, MMK_RELAXED),
               "a CPU leaves the mm that it entered");
    mmk_mm_hold(mm);
    mmk_a32_store(lazy, 1, MMK_RELEASE); /* after the last access by its translations */
}

mmk_vaddr_t mmk_address_end(void)
{
    return MMK_USER_END;
}

mmk_vaddr_t mmk_map_window(void)
{
    return MMK_MAP_WINDOW;
}

uint64_t mmk_mm_id(const struct mmk_mm *mm)
{
    return mm->context.id;
}

uint64_t mmk_mm_table_bytes(const struct mmk_mm *mm)
{
    uint64_t tables = 0;
    unsigned level;

    MMK_UNROLL
    for (level = 0; level < MMK_PT_LEVELS; level++)
        tables += mmk_mm_tables(mm, level);
    return tables << MMK_PAGE_SHIFT;
}

void mmk_mm_stats(struct mmk_mm *mm, struct mmk_mm_stats *stats)
{
    const struct mmk_usage *usage;
    unsigned level;

    mmk_rw_read_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    usage = mmk_mm_usage(mm);
    stats->virt_bytes = usage->virt;
    stats->data_bytes = usage->data;
    stats->stack_bytes = usage->stack;
    stats->locked_bytes = usage->locked;
    stats->committed_bytes = usage->committed;
    stats->vmas = mm->vmas.count;
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    stats->rss_anon = mmk_mm_counter(mm, MMK_COUNT_RSS_ANON);
    stats->rss_file = mmk_mm_counter(mm, MMK_COUNT_RSS_FILE);
    stats->rss_shmem = mmk_mm_counter(mm, MMK_COUNT_RSS_SHMEM);
    stats->swapped = mmk_mm_counter(mm, MMK_COUNT_SWAP);
    for (level = 0; level < MMK_STATS_LEVELS; level++)
        stats->tables[level] = level < MMK_PT_LEVELS ? mmk_mm_tables(mm, level) : 0;
    stats->fault_anon = mmk_mm_counter(mm, MMK_COUNT_FAULT_ANON);
    stats->fault_zero = mmk_mm_counter(mm, MMK_COUNT_FAULT_ZERO);
    stats->fault_file = mmk_mm_counter(mm, MMK_COUNT_FAULT_FILE);
    stats->fault_cow = mmk_mm_counter(mm, MMK_COUNT_FAULT_COW);
    stats->fault_reuse = mmk_mm_counter(mm, MMK_COUNT_FAULT_REUSE);
    stats->fault_spurious = mmk_mm_counter(mm, MMK_COUNT_FAULT_SPURIOUS);
    stats->fault_swap = mmk_mm_counter(mm, MMK_COUNT_FAULT_SWAP);
    stats->fault_major = mmk_mm_counter(mm, MMK_COUNT_FAULT_MAJOR);
    stats->fault_failed = mmk_mm_counter(mm, MMK_COUNT_FAULT_FAILED);
    stats->locked_vma = mmk_mm_counter(mm, MMK_COUNT_LOCKED_VMA);
    stats->locked_first = mmk_mm_counter(mm, MMK_COUNT_LOCKED_FIRST);
    stats->locked_memory = mmk_mm_counter(mm, MMK_COUNT_LOCKED_MEMORY);
    stats->locked_page = mmk_mm_counter(mm, MMK_COUNT_LOCKED_PAGE);
    stats->locked_kind = mmk_mm_counter(mm, MMK_COUNT_LOCKED_KIND);
    stats->locked_changed = mmk_mm_counter(mm, MMK_COUNT_LOCKED_CHANGED);
    stats->advice_locked_vma = mmk_mm_counter(mm, MMK_COUNT_ADVICE_LOCKED_VMA);
    stats->advice_locked_kind = mmk_mm_counter(mm, MMK_COUNT_ADVICE_LOCKED_KIND);
    stats->advice_locked_changed = mmk_mm_counter(mm, MMK_COUNT_ADVICE_LOCKED_CHANGED);
    stats->mapped_around = mmk_mm_counter(mm, MMK_COUNT_MAPPED_AROUND);
    stats->huge = mmk_mm_counter(mm, MMK_COUNT_HUGE);
    stats->huge_zero = mmk_mm_counter(mm, MMK_COUNT_HUGE_ZERO);
    stats->huge_upper = mmk_mm_counter(mm, MMK_COUNT_HUGE_UPPER);
    stats->huge_faults = mmk_mm_counter(mm, MMK_COUNT_HUGE_FAULT);
    stats->huge_fallbacks = mmk_mm_counter(mm, MMK_COUNT_HUGE_FALLBACK);
    stats->huge_collapses = mmk_mm_counter(mm, MMK_COUNT_HUGE_COLLAPSE);
    stats->huge_splits = mmk_mm_counter(mm, MMK_COUNT_HUGE_SPLIT);
    stats->huge_unused = mmk_mm_counter(mm, MMK_COUNT_HUGE_UNUSED);
    stats->table_bytes_saved =
        (stats->huge + stats->huge_zero + stats->huge_upper * MMK_PT_ENTRIES) * MMK_PAGE_SIZE;
}
