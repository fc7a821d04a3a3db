/* SPDX-License-Identifier: MIT */
/*
 * mmu.c - the software machine's translation hardware: TLB, paging-structure cache, page walks.
 *
 * What an entry says is in format.h. An access looks into the TLB (guest.c); on a miss the tables
 * in RAM are walked, which sets the accessed and dirty bits; when that fails, mmk_fault() is called
 * and the access retried.
 *
 * H1 The TLB and the paging-structure cache keep what they have until it is flushed, replaced, or
 *    (H5) dropped by a fault: clearing an entry in RAM changes neither.
 * H2 Nothing is cached for an entry whose accessed bit is not set, nor, but for H5, for one that is
 *    invalid.
 * H3 A store sets the dirty bit in RAM before it changes memory. Both bits are set by
 *    compare-exchange on the very entry the walk has used; if that changed, the walk starts anew.
 *    With MACHINE_SOFTWARE_BITS, where the format has that, an access that would set one faults.
 * H4 A right is there when no level takes it away. All accesses are user accesses.
 * H5 With FORMAT_FAULT_DROPS a fault drops the entries of the caches that it has used, and what the
 *    TLB has for its page by then: what a stale entry has caused it does not cause again, nor does
 *    the next access go through. Without, a cached translation that lacks the right
 *    stays, and the access faults, whatever the tables say by now, until the translation is flushed
 *    or mmk_tlb_local_spurious() drops it; with MACHINE_KEEPS_ABSENCE, where the format allows it,
 *    the same holds for an entry that a walk has found invalid.
 * H6 Where FORMAT_NEEDS_BREAK, a valid entry may not become another valid one that names other
 *    memory, or the same by other attributes or in other pieces, while a translation by the first
 *    is cached, be it made invalid in between or not. Misses compare: their own address, and one
 *    cached page more.
 * H7 The same memory is not cached by entries of two sizes: which of the two hardware uses, nobody
 *    says, nor that it uses only one of them (HG3, PG2). Where large pages or groups are cached,
 *    what fills the TLB compares with the pages around.
 *
 * ASIDs: a CPU remembers MMK_ASIDS address spaces across switches. Each has a generation
 * number, part of the tag of its entries: giving it a new one drops them all at once. Flushing a
 * page drops the address space's paging-structure entries, as the port contract asks.
 *
 * Large pages are cached in pieces of 4 KiB. An ASID that may have such pieces is flushed as a
 * whole when one page is to be flushed, since any address in the large page names it.
 */
#include "mmu.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Faults for one access before others get the host's CPU in between: they may be what it waits for;
 * and before the machine says that it gets nowhere.
 */
#define PATIENCE 16
#define LIVELOCK 1000000

#define COMPARED 16 /* pages around one (H7): in small tables, all that a large page has */

enum outcome {
    WALK_DONE,
    WALK_AGAIN,
    WALK_FAULT,  /* an entry does not allow it */
    WALK_ABSENT, /* there is none */
};

/* Where a walk has got to: the table to read next, and the rights so far. */
struct walk {
    mmk_vaddr_t addr;
    enum mmk_access access;
    mmk_paddr_t table;
    unsigned level;
    uint64_t rights;
};

unsigned machine_mmu_flags;

_Static_assert(MMK_PT_LEVELS - 1 <= MACHINE_WALK_LEVELS, "a cache for each level but the last");

const struct machine_format machine_format = {
    .levels = MMK_PT_LEVELS,
    .index_bits = FORMAT_INDEX_BITS,
    .user_bits = MMK_PAGE_SHIFT + FORMAT_INDEX_BITS * MMK_PT_LEVELS - FORMAT_SIGNED,
};

bool machine_mmu_init(struct machine_mmu *mmu, unsigned tlb_entries)
{
    mmu->tlb = calloc(tlb_entries, sizeof(*mmu->tlb));
    mmu->tlb_mask = tlb_entries - 1;
    return mmu->tlb != NULL;
}

void machine_mmu_free(struct machine_mmu *mmu)
{
    free(mmu->tlb);
}

/* Generations are used up: empties the caches and starts over. */
static void restart_generations(struct machine_mmu *mmu)
{
    unsigned i;

    memset(mmu->tlb, 0, (size_t)(mmu->tlb_mask + 1) * sizeof(*mmu->tlb));
    memset(mmu->walk_cache, 0, sizeof(mmu->walk_cache));
    mmu->last_gen = 0;
    for (i = 0; i < MMK_ASIDS; i++) {
        mmu->asids[i].tlb_gen = mmu->asids[i].walk_gen = ++mmu->last_gen;
        mmu->asids[i].large = false;
    }
}

/* From 1: a tag of zeros matches nothing. */
static uint64_t new_gen(struct machine_mmu *mmu)
{
    if (mmu->last_gen == MMU_GEN_LAST)
        restart_generations(mmu);
    return ++mmu->last_gen;
}

static void flush_asid(struct machine_mmu *mmu, struct machine_asid *asid)
{
    asid->tlb_gen = asid->walk_gen = new_gen(mmu);
    asid->large = false;
}

static struct machine_asid *find_asid(struct machine_mmu *mmu, uint64_t context)
{
    unsigned number = mmk_asid_find(&mmu->numbers, context);

    return number == MMK_ASID_NONE ? NULL : &mmu->asids[number];
}

/* Likewise for the entry at `level`, which covers 1 << shift bytes. */
MMK_ALWAYS_INLINE struct machine_tlb_entry *walk_place(struct machine_mmu *mmu, unsigned level,
                                                       mmk_vaddr_t addr, unsigned shift,
                                                       uint64_t gen)
{
    return hardware_place(mmu, mmu->walk_cache[level - 1], MACHINE_WALK_ENTRIES,
                          ((addr >> shift) + gen) % MACHINE_WALK_ENTRIES,
                          mmu_tag(addr, shift, gen));
}

MMK_ALWAYS_INLINE unsigned shift_of(unsigned level)
{
    return MMK_PAGE_SHIFT + FORMAT_INDEX_BITS * level;
}

static void drop_page(struct machine_mmu *mmu, struct machine_asid *asid, mmk_vaddr_t addr)
{
    struct machine_tlb_entry *entry = mmu_place(mmu, addr, asid->tlb_gen);

    if (entry->tag == mmu_tag(addr, MMK_PAGE_SHIFT, asid->tlb_gen))
        entry->tag = 0;
}

void machine_tlb_flush_page(uint64_t context, mmk_vaddr_t addr)
{
    struct machine_mmu *mmu = &machine_this_cpu()->mmu;
    struct machine_asid *asid = find_asid(mmu, context);

    hardware_forgets();
    if (!asid)
        return;
    if (asid->large) {
        flush_asid(mmu, asid);
        return;
    }
    drop_page(mmu, asid, addr);
    asid->walk_gen = new_gen(mmu);
}

/* The page alone: what leads to it is not what the access has faulted on. */
void machine_tlb_spurious(uint64_t context, mmk_vaddr_t addr)
{
    struct machine_mmu *mmu = &machine_this_cpu()->mmu;
    struct machine_asid *asid = find_asid(mmu, context);

    if (FORMAT_FAULT_DROPS)
        return;
    hardware_forgets();
    if (asid)
        drop_page(mmu, asid, addr);
}

void machine_tlb_flush_all(uint64_t context)
{
    struct machine_mmu *mmu = &machine_this_cpu()->mmu;
    struct machine_asid *asid = find_asid(mmu, context);

    hardware_forgets();
    if (asid)
        flush_asid(mmu, asid);
}

static void load_asid(struct machine_mmu *mmu, uint64_t context)
{
    bool stale;

    mmu->context = context;
    mmu->asid = &mmu->asids[mmk_asid_load(&mmu->numbers, context, &stale)];
    if (stale)
        flush_asid(mmu, mmu->asid);
}

/* Until another root is loaded hardware walks this one. */
static void leave(struct machine_mmu *mmu, struct mmk_mm *mm)
{
    hardware_leaves(mmu);
    mmk_mm_leave(mm);
    hardware_left(mmu);
}

void machine_switch_mm(struct mmk_mm *mm)
{
    struct machine_mmu *mmu = &machine_this_cpu()->mmu;
    struct mmk_mm *old = mmu->mm;
    bool back = mmu->lazy && mm && old == mm;

    if (mm && old == mm && !back)
        return;
    hardware_forgets();
    mmu->mm = NULL;
    mmu->asid = NULL;
    mmu->lazy = false;
    if (old && !back)
        leave(mmu, old);
    if (!mm)
        return;
    mmu->root = mmk_mm_enter(mm);
    load_asid(mmu, mmk_mm_id(mm));
    mmu->mm = mm;
    hardware_entered(machine_this_cpu());
}

void machine_switch_lazy(void)
{
    struct machine_mmu *mmu = &machine_this_cpu()->mmu;

    mmk_assert(mmu->mm && !mmu->lazy, "machine: lazy without an address space");
    hardware_forgets();
    mmk_mm_leave_lazy(mmu->mm);
    mmu->asid = NULL;
    mmu->lazy = true;
}

void machine_switch_tables(const struct mmk_tlb_context *context)
{
    struct machine_mmu *mmu = &machine_this_cpu()->mmu;

    machine_switch_mm(NULL);
    mmu->root = context->root;
    load_asid(mmu, context->id);
}

/* Starts as far down as the paging-structure cache reaches. => the entry used; NULL: at the root */
MMK_ALWAYS_INLINE struct machine_tlb_entry *walk_start(struct machine_mmu *mmu, struct walk *walk)
{
    uint64_t gen = mmu->asid->walk_gen;
    unsigned level;

    for (level = 1; level < MMK_PT_LEVELS; level++) {
        unsigned shift = shift_of(level);
        struct machine_tlb_entry *entry = walk_place(mmu, level, walk->addr, shift, gen);

        if (entry->tag == mmu_tag(walk->addr, shift, gen)) {
            walk->table = entry->frame & MACHINE_TLB_ADDRESS;
            walk->rights = entry->frame & FORMAT_ALL_RIGHTS;
            walk->level = level - 1;
            return entry;
        }
    }
    walk->table = mmu->root;
    walk->rights = FORMAT_ALL_RIGHTS;
    walk->level = MMK_PT_LEVELS - 1;
    return NULL;
}

/* An entry at `level` linked a table: remembers it, with the rights so far. */
MMK_ALWAYS_INLINE void walk_remember(struct machine_mmu *mmu, mmk_vaddr_t addr, unsigned level,
                                     uint64_t table_and_rights)
{
    uint64_t gen = mmu->asid->walk_gen;
    struct machine_tlb_entry *entry = walk_place(mmu, level, addr, shift_of(level), gen);

    entry->tag = mmu_tag(addr, shift_of(level), gen);
    entry->frame = table_and_rights;
    hardware_filled(entry, table_and_rights & MACHINE_TLB_ADDRESS);
}

/* The library has written what the architecture forbids. */
static MMK_NORETURN MMK_COLD void stop(const char *rule, mmk_vaddr_t addr, unsigned level,
                                       uint64_t seen)
{
    char text[256];

    snprintf(text, sizeof(text),
             "machine: " FORMAT_NAME ": %s (entry 0x%016" PRIx64 " for 0x%" PRIx64 ", level %u)",
             rule, seen, addr, level);
    mmk_host_panic(__FILE__, __LINE__, text);
}

static void check_in_ram(mmk_paddr_t phys)
{
    if (mmk_unlikely(phys < MACHINE_RAM_START || phys >= machine_ram_end))
        mmk_host_panic(__FILE__, __LINE__, "machine: a page-table entry points outside RAM");
}

MMK_ALWAYS_INLINE void check_entry(mmk_vaddr_t addr, unsigned level, uint64_t seen)
{
    const char *wrong = format_wrong(seen, level);

    if (mmk_unlikely(wrong != NULL))
        stop(wrong, addr, level, seen);
}

MMK_ALWAYS_INLINE struct mmk_a64 *walk_entry(mmk_paddr_t table, mmk_vaddr_t addr, unsigned level)
{
    uint64_t index = addr >> shift_of(level) & ((1 << FORMAT_INDEX_BITS) - 1);

    check_in_ram(table);
    return (struct mmk_a64 *)mmk_phys_to_virt(table) + index;
}

/* Makes of an entry seen as `seen` what use has made of it. => false: it has changed since */
MMK_ALWAYS_INLINE bool mark(struct mmk_a64 *entry, uint64_t seen, uint64_t used)
{
    return used == seen || mmk_a64_cmpxchg(entry, &seen, used, MMK_ACQ_REL);
}

MMK_ALWAYS_INLINE uint64_t right_for(enum mmk_access access)
{
    if (access == MMK_ACCESS_WRITE)
        return MACHINE_STORE;
    return access == MMK_ACCESS_EXEC ? MACHINE_EXEC : MACHINE_LOAD;
}

/* The rights that a leaf gives without further ado: a store may have to set the dirty bit first. */
MMK_ALWAYS_INLINE uint64_t rights_now(uint64_t seen, uint64_t rights)
{
    if ((rights & MACHINE_STORE) && format_leaf_used(seen, MMK_ACCESS_WRITE) != seen)
        rights ^= MACHINE_STORE | MACHINE_CLEAN;
    return rights;
}

/* What the TLB keeps of a leaf for the page at addr. */
MMK_ALWAYS_INLINE uint64_t tlb_word(uint64_t seen, unsigned level, mmk_vaddr_t addr,
                                    uint64_t rights)
{
    uint64_t inside = ((uint64_t)1 << shift_of(level)) - MMK_PAGE_SIZE;
    mmk_paddr_t frame = (format_address(seen) & ~inside) | (addr & inside);

    check_in_ram(frame);
    return frame | rights_now(seen, rights) | format_kind(seen, level);
}

MMK_ALWAYS_INLINE unsigned level_of(uint64_t word)
{
    return (unsigned)((word & MACHINE_TLB_LEVEL) >> MACHINE_TLB_LEVEL_AT);
}

/* Of what one entry of the TLB covers, in bytes, as a shift. */
MMK_ALWAYS_INLINE unsigned size_of(uint64_t word)
{
    return shift_of(level_of(word)) +
           (word & MACHINE_TLB_GROUP ? (unsigned)__builtin_ctz(FORMAT_GROUP) : 0);
}

/* H7: what comes to be cached for addr against what is for it, and for those around it. */
static MMK_NOINLINE void check_sizes(struct machine_mmu *mmu, mmk_vaddr_t addr, uint64_t word)
{
    uint64_t gen = mmu->asid->tlb_gen;
    unsigned size = size_of(word), i;

    for (i = 0; i < COMPARED && word != 0; i++) {
        mmk_vaddr_t other = addr ^ (uint64_t)i << MMK_PAGE_SHIFT;
        const struct machine_tlb_entry *held = mmu_place(mmu, other, gen);
        unsigned as = size_of(held->frame);

        if (held->tag == mmu_tag(other, MMK_PAGE_SHIFT, gen) && held->frame != 0 && as != size &&
            (addr ^ other) >> (as > size ? as : size) == 0)
            stop("memory is cached by entries of two sizes", addr, level_of(word), word);
    }
}

MMK_ALWAYS_INLINE void fill(struct machine_mmu *mmu, mmk_vaddr_t addr, uint64_t word)
{
    uint64_t gen = mmu->asid->tlb_gen;
    struct machine_tlb_entry *cached = mmu_place(mmu, addr, gen);

    if (mmk_unlikely(mmu->asid->large || size_of(word) > MMK_PAGE_SHIFT))
        check_sizes(mmu, addr, word);
    cached->tag = mmu_tag(addr, MMK_PAGE_SHIFT, gen);
    cached->frame = word;
    hardware_filled(cached, word & MACHINE_TLB_ADDRESS);
}

/*
 * The leaf belongs to a group that hardware may cache as one. It does, where they are small pages:
 * with the accessed and dirty state of any of them, which it may take for that of all; those
 * included that are none just now, as the group comes or goes.
 */
static MMK_NOINLINE void fill_group(struct machine_mmu *mmu, const struct walk *walk,
                                    struct mmk_a64 *entry, uint64_t seen)
{
    const uint64_t size = (uint64_t)1 << shift_of(walk->level);
    const unsigned own = (unsigned)((uintptr_t)entry / sizeof(*entry) % FORMAT_GROUP);
    const uint64_t head = seen - own * size; /* what the group's first says, or would */
    mmk_vaddr_t addr = walk->addr & ~(size * FORMAT_GROUP - 1);
    uint64_t value, rights = 0;
    const char *wrong;
    unsigned i;

    for (i = 0; i < FORMAT_GROUP; i++) {
        value = i == own ? seen : mmk_a64_load(entry - own + i, MMK_RELAXED);
        wrong = value == 0 ? NULL : format_group_wrong(head, value, i, walk->level);
        if (wrong)
            stop(wrong, addr + i * size, walk->level, value);
        if (value != 0)
            rights |= rights_now(value, format_leaf_rights(walk->rights, value, true));
    }
    mmu->asid->large = true;
    for (i = 0; walk->level == 0 && i < FORMAT_GROUP; i++)
        fill(mmu, addr + i * size,
             (format_address(head) + i * size) | format_kind(seen, 0) | rights);
}

/* The walk has found the entry that maps the page: fills the TLB. */
MMK_ALWAYS_INLINE enum outcome walk_leaf(struct machine_mmu *mmu, const struct walk *walk,
                                         struct mmk_a64 *entry, uint64_t seen)
{
    bool hardware = !(machine_mmu_flags & MACHINE_SOFTWARE_BITS);
    uint64_t rights = format_leaf_rights(walk->rights, seen, hardware);
    uint64_t used = format_leaf_used(seen, walk->access);
    bool grouped = FORMAT_GROUP > 1 && (format_kind(seen, walk->level) & MACHINE_TLB_GROUP);

    if (!(rights & right_for(walk->access))) {
        if (!FORMAT_FAULT_DROPS && format_leaf_used(seen, MMK_ACCESS_READ) == seen)
            fill(mmu, walk->addr, tlb_word(seen, walk->level, walk->addr, rights));
        return WALK_FAULT;
    }
    if (!mark(entry, seen, used))
        return WALK_AGAIN;
    if (!grouped || walk->level > 0)
        fill(mmu, walk->addr, tlb_word(used, walk->level, walk->addr, rights));
    if (walk->level > 0)
        mmu->asid->large = true;
    if (grouped)
        fill_group(mmu, walk, entry, used);
    return WALK_DONE;
}

/* From where walk stands, by the cache's entry `cached` perhaps, down to the leaf. */
MMK_ALWAYS_INLINE enum outcome walk_down(struct machine_cpu *cpu, struct walk *walk,
                                         const struct machine_tlb_entry *cached)
{
    const mmk_vaddr_t addr = walk->addr;
    mmk_paddr_t table = walk->table;
    uint64_t rights = walk->rights, seen;
    unsigned level = walk->level;
    struct mmk_a64 *entry;

    for (;; level--, cached = NULL) {
        entry = walk_entry(table, addr, level);
        hardware_reads_table(cpu, table, cached);
        seen = mmk_a64_load(entry, MMK_ACQUIRE);
        machine_count(&cpu->counters.walk_reads);
        if (!format_valid(seen))
            return WALK_ABSENT;
        check_entry(addr, level, seen);
        if (format_is_leaf(seen, level))
            break;
        rights = format_table_rights(rights, seen);
        if (!mark(entry, seen, format_table_used(seen)))
            return WALK_AGAIN;
        table = format_address(seen);
        walk_remember(&cpu->mmu, addr, level, table | rights);
    }
    walk->rights = rights;
    walk->level = level;
    return walk_leaf(&cpu->mmu, walk, entry, seen);
}

/*
 * => true: the TLB holds a translation that allows the access; false: an access would fault, and
 * `used` is the entry of the paging-structure cache that the walk has started from, or NULL
 */
MMK_ALWAYS_INLINE bool walk_tables(struct machine_cpu *cpu, mmk_vaddr_t addr,
                                   enum mmk_access access, struct machine_tlb_entry **used)
{
    struct walk walk = {.addr = addr, .access = access};
    bool state = hardware_begin(cpu);
    enum outcome outcome;

    do {
        machine_count(&cpu->counters.walks);
        *used = walk_start(&cpu->mmu, &walk);
        outcome = walk_down(cpu, &walk, *used);
    } while (outcome == WALK_AGAIN);
    hardware_end(cpu, state);
    if (FORMAT_KEEPS_ABSENCE && outcome == WALK_ABSENT &&
        (machine_mmu_flags & MACHINE_KEEPS_ABSENCE))
        fill(&cpu->mmu, addr, 0);
    return outcome == WALK_DONE;
}

/*
 * H6, on addr's way from the root: what is cached against what the tables say now.
 * => `held`: the TLB's word for addr, or 0
 */
static void check_way(struct machine_mmu *mmu, mmk_vaddr_t addr, uint64_t held)
{
    uint64_t gen = mmu->asid->walk_gen, seen, now;
    unsigned level = MMK_PT_LEVELS - 1;
    mmk_paddr_t table = mmu->root;
    const struct machine_tlb_entry *way;

    for (;; level--) {
        seen = mmk_a64_load(walk_entry(table, addr, level), MMK_ACQUIRE);
        if (!format_valid(seen))
            return;
        check_entry(addr, level, seen);
        way = level == 0 ? NULL : walk_place(mmu, level, addr, shift_of(level), gen);
        if (way && way->tag != mmu_tag(addr, shift_of(level), gen))
            way = NULL;
        if (format_is_leaf(seen, level))
            break;
        table = format_address(seen);
        if (way && (way->frame & MACHINE_TLB_ADDRESS) != table)
            stop("another table linked without break-before-make", addr, level, seen);
    }
    now = tlb_word(seen, level, addr, 0);
    if (way || (held && ((held ^ now) & (MACHINE_TLB_ADDRESS | MACHINE_TLB_KIND))))
        stop("an entry changed without break-before-make", addr, level, seen);
}

/* H6 for addr, and for one cached page more, another each time. */
static void check_breaks(struct machine_mmu *mmu, mmk_vaddr_t addr)
{
    const uint64_t gen = mmu->asid->tlb_gen;
    struct machine_tlb_entry *held = mmu_place(mmu, addr, gen);

    check_way(mmu, addr, held->tag == mmu_tag(addr, MMK_PAGE_SHIFT, gen) ? held->frame : 0);
    held = &mmu->tlb[mmu->checked++ & mmu->tlb_mask];
    if ((held->tag & MMU_GEN_LAST) == gen)
        check_way(mmu, held->tag >> MMU_GEN_BITS << MMK_PAGE_SHIFT, held->frame);
}

/* H5: is a translation cached that does not allow the access, so that hardware looks no further? */
static bool sticks(struct machine_mmu *mmu, mmk_vaddr_t addr, enum mmk_access access)
{
    uint64_t gen = mmu->asid->tlb_gen, wanted = right_for(access);
    const struct machine_tlb_entry *held = mmu_place(mmu, addr, gen);

    if (access == MMK_ACCESS_WRITE)
        wanted |= MACHINE_CLEAN;
    return held->tag == mmu_tag(addr, MMK_PAGE_SHIFT, gen) && !(held->frame & wanted);
}

/* => true: the TLB holds a translation that allows the access; false: a fault */
MMK_ALWAYS_INLINE bool reach(struct machine_cpu *cpu, mmk_vaddr_t addr, enum mmk_access access)
{
    struct machine_tlb_entry *used;

    if (mmk_unlikely(!format_reaches(addr)))
        return false;
    if (FORMAT_NEEDS_BREAK)
        check_breaks(&cpu->mmu, addr);
    if (FORMAT_FAULT_DROPS)
        drop_page(&cpu->mmu, cpu->mmu.asid, addr);
    else if (sticks(&cpu->mmu, addr, access))
        return false;
    if (walk_tables(cpu, addr, access, &used))
        return true;
    if (FORMAT_FAULT_DROPS) {
        drop_page(&cpu->mmu, cpu->mmu.asid, addr); /* filled meanwhile, by speculation */
        if (used)
            used->tag = 0;
    }
    return false;
}

/* A walk that finds nothing is no fault: what is cached stays. */
void machine_speculate_on(struct machine_cpu *cpu, mmk_vaddr_t addr)
{
    struct machine_asid *loaded = cpu->mmu.asid;
    struct machine_tlb_entry *used;

    load_asid(&cpu->mmu, cpu->mmu.context);
    if (format_reaches(addr))
        (void)walk_tables(cpu, addr, MMK_ACCESS_READ, &used);
    cpu->mmu.asid = loaded;
}

void machine_speculate(mmk_vaddr_t addr)
{
    struct machine_cpu *cpu = machine_this_cpu();

    mmk_assert(cpu->mmu.mm, "machine: nothing is loaded");
    machine_speculate_on(cpu, addr);
}

#ifdef MACHINE_FIBERS /* what its scheduler and its checks want */
void machine_evict(struct machine_cpu *cpu)
{
    if (cpu->mmu.asid)
        flush_asid(&cpu->mmu, cpu->mmu.asid);
}

bool machine_tables_agree(struct machine_cpu *cpu, mmk_vaddr_t addr, uint64_t cached)
{
    bool hardware = !(machine_mmu_flags & MACHINE_SOFTWARE_BITS);
    uint64_t rights = FORMAT_ALL_RIGHTS, seen, word;
    unsigned level = MMK_PT_LEVELS - 1;
    mmk_paddr_t table = cpu->mmu.root;

    for (;; level--) {
        seen = walk_entry(table, addr, level)->v;
        if (!format_valid(seen))
            return false;
        if (format_is_leaf(seen, level))
            break;
        rights = format_table_rights(rights, seen);
        table = format_address(seen);
    }
    /* An entry is made old without a flush: what is cached goes on, and does not mark it. */
    seen = format_leaf_used(seen, MMK_ACCESS_READ);
    word = tlb_word(seen, level, addr, format_leaf_rights(rights, seen, hardware));
    return ((word ^ cached) & MACHINE_TLB_ADDRESS) == 0 &&
           (cached & ~word & (MACHINE_LOAD | MACHINE_STORE | MACHINE_EXEC)) == 0;
}
#endif

MMK_ALWAYS_INLINE void *walk_once(struct machine_cpu *cpu, mmk_vaddr_t addr, enum mmk_access access)
{
    if (mmk_unlikely(mmk_a32_load(&cpu->vcpu.pending, MMK_RELAXED)))
        machine_take_interrupts(cpu);
    if (!reach(cpu, addr, access))
        return NULL;
    machine_count(&cpu->counters.misses);
    return mmu_find(cpu, addr, 0, access == MMK_ACCESS_WRITE);
}

void *mmu_walk(struct machine_cpu *cpu, mmk_vaddr_t addr, enum mmk_access access)
{
    return walk_once(cpu, addr, access);
}

MMK_NOINLINE void *mmu_translate(struct machine_cpu *cpu, mmk_vaddr_t addr, enum mmk_access access,
                                 enum mmk_fault_result *result)
{
    unsigned tries;
    void *found;

    if (!cpu->mmu.asid)
        mmk_host_panic(__FILE__, __LINE__, "machine: access without an address space loaded");
    for (tries = 0; tries < LIVELOCK; tries++) {
        found = hardware_faults(cpu) ? NULL : walk_once(cpu, addr, access);
        if (found)
            return found;
        machine_count(&cpu->counters.faults);
        *result = cpu->mmu.mm ? mmk_fault(cpu->mmu.mm, addr, access) : MMK_FAULT_RETRY;
        if (*result == MMK_FAULT_RETRY ? !cpu->mmu.mm : *result != MMK_FAULT_DONE)
            return NULL;
        if (*result == MMK_FAULT_RETRY || tries > PATIENCE)
            mmk_cpu_relax();
    }
    mmk_host_panic(__FILE__, __LINE__, "machine: livelock: an access faults for ever");
}
