/* SPDX-License-Identifier: MIT */
/*
 * mmu.c - the software machine's translation hardware, and guest accesses through it.
 *
 * It knows the x86-64 page-table format from the manual's side, not from mmkit's: nothing here
 * comes from src/. An access looks into the TLB; on a miss the tables in RAM are walked, which
 * sets the accessed and dirty bits; when that fails, mmk_fault() is called and the access retried.
 *
 * H1 The TLB and the paging-structure cache keep what they have until it is flushed, replaced, or
 *    found insufficient by an access: clearing an entry in RAM changes neither.
 * H2 Nothing is cached for an entry that is not present or whose accessed bit is not set.
 * H3 A store sets the dirty bit in RAM before it changes memory. Both bits are set by
 *    compare-exchange on the very entry the walk has used; if that changed, the walk starts anew.
 * H4 Rights are the AND of W and U and the OR of NX over all levels. U is required: all accesses
 *    are user accesses.
 * H5 A fault drops the entries of the caches that it has used (SDM volume 3, 4.10.4.1): what a
 * stale entry has caused it does not cause again.
 *
 * ASIDs: a CPU remembers MACHINE_ASIDS address spaces across switches (PCID). Each has a
 * generation number, part of the tag of its entries: giving it a new one drops them all at once.
 * Flushing a page drops the address space's paging-structure entries, as invlpg does.
 *
 * Large pages are cached in pieces of 4 KiB. An ASID that may have such pieces is flushed as a
 * whole when one page is to be flushed, since any address in the large page names it.
 */
#include "internal.h"
#include "pieces.h"

#include <mmkit/fault.h>
#include <stdlib.h>
#include <string.h>

/* The format: one entry. */
#define PT_PRESENT  ((uint64_t)1 << 0)
#define PT_WRITE    ((uint64_t)1 << 1)
#define PT_USER     ((uint64_t)1 << 2)
#define PT_ACCESSED ((uint64_t)1 << 5)
#define PT_DIRTY    ((uint64_t)1 << 6)
#define PT_LARGE    ((uint64_t)1 << 7) /* at levels 1 and 2: no table below */
#define PT_ADDRESS  (((uint64_t)1 << 52) - MMK_PAGE_SIZE)
#define PT_NOEXEC   ((uint64_t)1 << 63)

#define INDEX_BITS    9
#define LARGEST_LEVEL 2
#define ADDRESS_BITS  (MMK_PAGE_SHIFT + INDEX_BITS * MMK_PT_LEVELS)

/* Tags: generation in the low bits, page number (or number of the region a table covers) above. */
#define GEN_BITS 19
#define GEN_LAST (((uint64_t)1 << GEN_BITS) - 1)

/* Rights in the low bits of machine_tlb_entry.frame. */
#define TLB_STORE ((uint64_t)1) /* writable, and the dirty bit is known to be set */
#define TLB_EXEC  ((uint64_t)2)

/* What an entry allows, each bit set when it does: PT_NOEXEC is stored the other way round. */
#define PT_RIGHTS  (PT_WRITE | PT_USER | PT_NOEXEC)
#define RIGHT_EXEC PT_NOEXEC

/* Faults for one access before the machine says that it gets nowhere. */
#define LIVELOCK 1000000

enum outcome { WALK_DONE, WALK_AGAIN, WALK_FAULT };

/* Where a walk has got to: the table to read next, and the rights so far. */
struct walk {
    mmk_vaddr_t addr;
    enum mmk_access access;
    mmk_paddr_t table;
    unsigned level;
    uint64_t rights;
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
    for (i = 0; i < MACHINE_ASIDS; i++) {
        mmu->asids[i].tlb_gen = mmu->asids[i].walk_gen = ++mmu->last_gen;
        mmu->asids[i].large = false;
    }
}

/* From 1: a tag of zeros matches nothing. */
static uint64_t new_gen(struct machine_mmu *mmu)
{
    if (mmu->last_gen == GEN_LAST)
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
    unsigned i;

    for (i = 0; i < MACHINE_ASIDS; i++)
        if (mmu->asids[i].context == context)
            return &mmu->asids[i];
    return NULL;
}

/* The sign bits of a canonical address drop out at the top: bit 47, or 56, tells them. */
MMK_ALWAYS_INLINE uint64_t tag_of(mmk_vaddr_t addr, unsigned shift, uint64_t gen)
{
    return addr >> shift << GEN_BITS | gen;
}

/* The one place where a translation can be. Address spaces use different orders. */
MMK_ALWAYS_INLINE struct machine_tlb_entry *tlb_place(struct machine_mmu *mmu, mmk_vaddr_t addr,
                                                      uint64_t gen)
{
    return &mmu->tlb[((addr >> MMK_PAGE_SHIFT) ^ gen) & mmu->tlb_mask];
}

/* Likewise for the entry at `level`, which covers 1 << shift bytes. */
MMK_ALWAYS_INLINE struct machine_tlb_entry *walk_place(struct machine_mmu *mmu, unsigned level,
                                                       mmk_vaddr_t addr, unsigned shift,
                                                       uint64_t gen)
{
    return &mmu->walk_cache[level - 1][((addr >> shift) + gen) % MACHINE_WALK_ENTRIES];
}

MMK_ALWAYS_INLINE unsigned shift_of(unsigned level)
{
    return MMK_PAGE_SHIFT + INDEX_BITS * level;
}

static void drop_page(struct machine_mmu *mmu, struct machine_asid *asid, mmk_vaddr_t addr)
{
    struct machine_tlb_entry *entry = tlb_place(mmu, addr, asid->tlb_gen);

    if (entry->tag == tag_of(addr, MMK_PAGE_SHIFT, asid->tlb_gen))
        entry->tag = 0;
}

void machine_tlb_flush_page(uint64_t context, mmk_vaddr_t addr)
{
    struct machine_mmu *mmu = &machine_this_cpu()->mmu;
    struct machine_asid *asid = find_asid(mmu, context);

    if (!asid)
        return;
    if (asid->large) {
        flush_asid(mmu, asid);
        return;
    }
    drop_page(mmu, asid, addr);
    asid->walk_gen = new_gen(mmu);
}

void machine_tlb_flush_all(uint64_t context)
{
    struct machine_mmu *mmu = &machine_this_cpu()->mmu;
    struct machine_asid *asid = find_asid(mmu, context);

    if (asid)
        flush_asid(mmu, asid);
}

static void load_asid(struct machine_mmu *mmu, uint64_t context)
{
    mmu->asid = find_asid(mmu, context);
    if (mmu->asid)
        return;
    mmu->asid = &mmu->asids[mmu->victim++ % MACHINE_ASIDS];
    mmu->asid->context = context;
    flush_asid(mmu, mmu->asid);
}

void machine_switch_mm(struct mmk_mm *mm)
{
    struct machine_mmu *mmu = &machine_this_cpu()->mmu;
    struct mmk_mm *old = mmu->mm;

    if (old == mm)
        return;
    mmu->mm = NULL;
    mmu->asid = NULL;
    if (old)
        mmk_mm_leave(old);
    if (!mm)
        return;
    mmu->root = mmk_mm_enter(mm);
    load_asid(mmu, mmk_mm_id(mm));
    mmu->mm = mm;
}

/* Starts as far down as the paging-structure cache reaches. => the entry used; NULL: at the root */
static struct machine_tlb_entry *walk_start(struct machine_mmu *mmu, struct walk *walk)
{
    uint64_t gen = mmu->asid->walk_gen;
    unsigned level;

    for (level = 1; level < MMK_PT_LEVELS; level++) {
        unsigned shift = shift_of(level);
        struct machine_tlb_entry *entry = walk_place(mmu, level, walk->addr, shift, gen);

        if (entry->tag == tag_of(walk->addr, shift, gen)) {
            walk->table = entry->frame & PT_ADDRESS;
            walk->rights = entry->frame & PT_RIGHTS;
            walk->level = level - 1;
            return entry;
        }
    }
    walk->table = mmu->root;
    walk->rights = PT_RIGHTS;
    walk->level = MMK_PT_LEVELS - 1;
    return NULL;
}

/* An entry at `level` linked a table: remembers it, with the rights so far. */
MMK_ALWAYS_INLINE void walk_remember(struct machine_mmu *mmu, mmk_vaddr_t addr, unsigned level,
                                     uint64_t table_and_rights)
{
    uint64_t gen = mmu->asid->walk_gen;
    struct machine_tlb_entry *entry = walk_place(mmu, level, addr, shift_of(level), gen);

    entry->tag = tag_of(addr, shift_of(level), gen);
    entry->frame = table_and_rights;
}

static void check_in_ram(mmk_paddr_t phys)
{
    if (mmk_unlikely(phys < MACHINE_RAM_START || phys >= machine_ram_end))
        mmk_host_panic(__FILE__, __LINE__, "machine: a page-table entry points outside RAM");
}

MMK_ALWAYS_INLINE struct mmk_a64 *walk_entry(mmk_paddr_t table, mmk_vaddr_t addr, unsigned level)
{
    uint64_t index = addr >> shift_of(level) & ((1 << INDEX_BITS) - 1);

    check_in_ram(table);
    return (struct mmk_a64 *)mmk_phys_to_virt(table) + index;
}

/* Sets bits in an entry seen as `seen`. => false: it has changed since */
static bool mark(struct mmk_a64 *entry, uint64_t seen, uint64_t bits)
{
    if ((seen & bits) == bits)
        return true;
    return mmk_a64_cmpxchg(entry, &seen, seen | bits, MMK_ACQ_REL);
}

static bool allowed(uint64_t rights, enum mmk_access access)
{
    if (!(rights & PT_USER))
        return false;
    if (access == MMK_ACCESS_WRITE)
        return (rights & PT_WRITE) != 0;
    return access != MMK_ACCESS_EXEC || (rights & RIGHT_EXEC) != 0;
}

/* The walk has found the entry that maps the page: fills the TLB. */
static enum outcome walk_leaf(struct machine_mmu *mmu, const struct walk *walk,
                              struct mmk_a64 *entry, uint64_t seen)
{
    uint64_t bits = walk->access == MMK_ACCESS_WRITE ? PT_ACCESSED | PT_DIRTY : PT_ACCESSED;
    uint64_t size = MMK_PAGE_SIZE << (INDEX_BITS * walk->level), gen = mmu->asid->tlb_gen;
    struct machine_tlb_entry *cached = tlb_place(mmu, walk->addr, gen);

    if (!allowed(walk->rights, walk->access))
        return WALK_FAULT;
    if (!mark(entry, seen, bits))
        return WALK_AGAIN;
    cached->tag = tag_of(walk->addr, MMK_PAGE_SHIFT, gen);
    cached->frame = (seen & PT_ADDRESS & ~(size - 1)) | (walk->addr & (size - 1) & MMK_PAGE_MASK);
    check_in_ram(cached->frame);
    if ((walk->rights & PT_WRITE) && ((seen | bits) & PT_DIRTY))
        cached->frame |= TLB_STORE;
    if (walk->rights & RIGHT_EXEC)
        cached->frame |= TLB_EXEC;
    if (walk->level > 0)
        mmu->asid->large = true;
    return WALK_DONE;
}

/* From where walk stands down to the leaf. */
static enum outcome walk_down(struct machine_cpu *cpu, struct walk *walk)
{
    const mmk_vaddr_t addr = walk->addr;
    mmk_paddr_t table = walk->table;
    uint64_t rights = walk->rights, seen;
    unsigned level = walk->level;
    struct mmk_a64 *entry;

    for (;; level--) {
        entry = walk_entry(table, addr, level);
        seen = mmk_a64_load(entry, MMK_ACQUIRE);
        machine_count(&cpu->counters.walk_reads);
        if (!(seen & PT_PRESENT))
            return WALK_FAULT;
        rights &= seen ^ PT_NOEXEC;
        if (level == 0 || (seen & PT_LARGE))
            break;
        if (!mark(entry, seen, PT_ACCESSED))
            return WALK_AGAIN;
        table = seen & PT_ADDRESS;
        walk_remember(&cpu->mmu, addr, level, table | rights);
    }
    if (level > LARGEST_LEVEL) /* the bit is reserved there */
        return WALK_FAULT;
    walk->rights = rights;
    walk->level = level;
    return walk_leaf(&cpu->mmu, walk, entry, seen);
}

/* => true: the TLB holds a translation that allows the access; false: a fault (H5) */
static bool walk_tables(struct machine_cpu *cpu, mmk_vaddr_t addr, enum mmk_access access)
{
    struct walk walk = {.addr = addr, .access = access};
    struct machine_tlb_entry *cached;
    enum outcome outcome;

    do {
        machine_count(&cpu->counters.walks);
        cached = walk_start(&cpu->mmu, &walk);
        outcome = walk_down(cpu, &walk);
    } while (outcome == WALK_AGAIN);
    if (outcome == WALK_FAULT && cached)
        cached->tag = 0;
    return outcome == WALK_DONE;
}

static bool canonical(mmk_vaddr_t addr)
{
    return (uint64_t)((int64_t)(addr << (64 - ADDRESS_BITS)) >> (64 - ADDRESS_BITS)) == addr;
}

/* Host address of `addr` by the TLB alone; NULL: a walk is needed. */
MMK_ALWAYS_INLINE void *tlb_find(struct machine_mmu *mmu, mmk_vaddr_t addr, uint64_t rights)
{
    uint64_t gen = mmu->asid->tlb_gen;
    struct machine_tlb_entry *entry = tlb_place(mmu, addr, gen);

    if (mmk_unlikely(entry->tag != tag_of(addr, MMK_PAGE_SHIFT, gen) ||
                     (entry->frame & rights) != rights))
        return NULL;
    return mmk_phys_to_virt((entry->frame & PT_ADDRESS) | (addr & (MMK_PAGE_SIZE - 1)));
}

/* By a walk, once what the TLB had for the page is dropped. => host address; NULL: a fault */
static void *translate_again(struct machine_cpu *cpu, mmk_vaddr_t addr, enum mmk_access access)
{
    if (mmk_unlikely(mmk_a32_load(&cpu->vcpu.pending, MMK_RELAXED)))
        machine_take_interrupts(cpu);
    drop_page(&cpu->mmu, cpu->mmu.asid, addr);
    if (!canonical(addr) || !walk_tables(cpu, addr, access))
        return NULL;
    machine_count(&cpu->counters.misses);
    return tlb_find(&cpu->mmu, addr, 0);
}

/* => host address; NULL: the access fails for the reason in *result */
static MMK_NOINLINE void *translate_slow(struct machine_cpu *cpu, mmk_vaddr_t addr,
                                         enum mmk_access access, enum mmk_fault_result *result)
{
    unsigned tries;
    void *found;

    if (!cpu->mmu.mm)
        mmk_host_panic(__FILE__, __LINE__, "machine: access without an address space loaded");
    for (tries = 0; tries < LIVELOCK; tries++) {
        found = translate_again(cpu, addr, access);
        if (found)
            return found;
        machine_count(&cpu->counters.faults);
        *result = mmk_fault(cpu->mmu.mm, addr, access);
        if (*result == MMK_FAULT_RETRY)
            mmk_cpu_relax();
        else if (*result != MMK_FAULT_DONE)
            return NULL;
    }
    mmk_host_panic(__FILE__, __LINE__, "machine: livelock: an access faults for ever");
}

/* Host address of `addr` when nothing at all is in the way; NULL: translate_slow() knows more. */
MMK_ALWAYS_INLINE void *translate_fast(struct machine_cpu *cpu, mmk_vaddr_t addr, uint64_t rights)
{
    void *found;

    if (mmk_unlikely(!cpu->mmu.mm || mmk_a32_load(&cpu->vcpu.pending, MMK_RELAXED) ||
                     !canonical(addr)))
        return NULL;
    found = tlb_find(&cpu->mmu, addr, rights);
    if (mmk_likely(found != NULL))
        machine_count(&cpu->counters.hits);
    return found;
}

void *machine_translate(struct machine_cpu *cpu, mmk_vaddr_t addr, bool write)
{
    void *found = translate_fast(cpu, addr, write ? TLB_STORE : 0);

    if (found || !cpu->mmu.mm)
        return found;
    return translate_again(cpu, addr, write ? MMK_ACCESS_WRITE : MMK_ACCESS_READ);
}

/* Host address of `addr`; NULL: why is in *result. No interrupt is taken after this looks. */
static void *translate(struct machine_cpu *cpu, mmk_vaddr_t addr, uint64_t rights,
                       enum mmk_access access, enum mmk_fault_result *result)
{
    void *found = translate_fast(cpu, addr, rights);

    return found ? found : translate_slow(cpu, addr, access, result);
}

/* Most accesses: worth a path without loops. */
MMK_ALWAYS_INLINE bool is_word(mmk_vaddr_t addr, size_t size)
{
    return size == sizeof(uint64_t) && addr % sizeof(uint64_t) == 0;
}

static MMK_NOINLINE enum mmk_fault_result load_any(struct machine_cpu *cpu, mmk_vaddr_t addr,
                                                   void *to, size_t size)
{
    enum mmk_fault_result result = MMK_FAULT_DONE;
    size_t part, done, piece;
    char *ram;

    for (; size > 0; size -= part, addr += part) {
        part = in_page(addr, size);
        ram = translate(cpu, addr, 0, MMK_ACCESS_READ, &result);
        if (!ram)
            return result;
        for (done = 0; done < part; done += piece, to = (char *)to + piece)
            piece = load_piece(ram + done, to, part - done);
    }
    return MMK_FAULT_DONE;
}

static MMK_NOINLINE enum mmk_fault_result store_any(struct machine_cpu *cpu, mmk_vaddr_t addr,
                                                    const void *from, size_t size)
{
    enum mmk_fault_result result = MMK_FAULT_DONE;
    size_t part, done, piece;
    char *ram;

    for (; size > 0; size -= part, addr += part) {
        part = in_page(addr, size);
        ram = translate(cpu, addr, TLB_STORE, MMK_ACCESS_WRITE, &result);
        if (!ram)
            return result;
        for (done = 0; done < part; done += piece, from = (const char *)from + piece)
            piece = store_piece(ram + done, from, part - done);
    }
    return MMK_FAULT_DONE;
}

static MMK_NOINLINE enum mmk_fault_result load_word_slow(struct machine_cpu *cpu, mmk_vaddr_t addr,
                                                         void *to)
{
    enum mmk_fault_result result = MMK_FAULT_DONE;
    void *ram = translate_slow(cpu, addr, MMK_ACCESS_READ, &result);

    if (!ram)
        return result;
    load_word(ram, to);
    return MMK_FAULT_DONE;
}

enum mmk_fault_result machine_load(mmk_vaddr_t addr, void *to, size_t size)
{
    struct machine_cpu *cpu = machine_this_cpu();
    void *ram;

    if (mmk_unlikely(!is_word(addr, size)))
        return load_any(cpu, addr, to, size);
    ram = translate_fast(cpu, addr, 0);
    if (mmk_unlikely(!ram))
        return load_word_slow(cpu, addr, to);
    load_word(ram, to);
    return MMK_FAULT_DONE;
}

static MMK_NOINLINE enum mmk_fault_result store_word_slow(struct machine_cpu *cpu, mmk_vaddr_t addr,
                                                          const void *from)
{
    enum mmk_fault_result result = MMK_FAULT_DONE;
    void *ram = translate_slow(cpu, addr, MMK_ACCESS_WRITE, &result);

    if (!ram)
        return result;
    store_word(ram, from);
    return MMK_FAULT_DONE;
}

enum mmk_fault_result machine_store(mmk_vaddr_t addr, const void *from, size_t size)
{
    struct machine_cpu *cpu = machine_this_cpu();
    void *ram;

    if (mmk_unlikely(!is_word(addr, size)))
        return store_any(cpu, addr, from, size);
    ram = translate_fast(cpu, addr, TLB_STORE);
    if (mmk_unlikely(!ram))
        return store_word_slow(cpu, addr, from);
    store_word(ram, from);
    return MMK_FAULT_DONE;
}

enum mmk_fault_result machine_fetch(mmk_vaddr_t addr)
{
    enum mmk_fault_result result = MMK_FAULT_DONE;
    void *ram = translate(machine_this_cpu(), addr, TLB_EXEC, MMK_ACCESS_EXEC, &result);
    char byte;

    if (!ram)
        return result;
    (void)load_piece(ram, &byte, 1);
    return MMK_FAULT_DONE;
}
