/* SPDX-License-Identifier: MIT */
/*
 * cpu.c - the CPU of the mini kernel's machine, as it runs programs.
 *
 * C1 Tables are those of x86-64, of MMK_PT_LEVELS levels; the half of the kernel is empty.
 * C2 What the TLB has it does not look up again: who changes an entry and flushes too little sees
 *    the old one. What it answers "no" to it has dropped: a fault is never on a stale entry.
 * C3 An entry is accessed before it is in the TLB, and dirty before it is written through.
 */
#include "hardware.h"

#ifndef MMK_PT_LEVELS
#define MMK_PT_LEVELS 4 /* mmkit's default for x86-64 */
#endif

#define PAGE_BITS  12
#define INDEX_BITS 9

#define ENTRY_PRESENT  ((uint64_t)1 << 0)
#define ENTRY_WRITE    ((uint64_t)1 << 1)
#define ENTRY_USER     ((uint64_t)1 << 2)
#define ENTRY_ACCESSED ((uint64_t)1 << 5)
#define ENTRY_DIRTY    ((uint64_t)1 << 6)
#define ENTRY_NO_EXEC  ((uint64_t)1 << 63)
#define ENTRY_ADDR     ((uint64_t)0x000ffffffffff000)

#define TLB_SLOTS 16

struct tlb_slot {
    uint64_t page;  /* virtual address */
    uint64_t entry; /* not present: the slot is free */
};

static uint64_t root;
static struct tlb_slot tlb[TLB_SLOTS];

static struct tlb_slot *slot_of(uint64_t addr)
{
    return &tlb[(addr >> PAGE_BITS) % TLB_SLOTS];
}

static uint64_t page_of(uint64_t addr)
{
    return addr >> PAGE_BITS << PAGE_BITS;
}

void cpu_load_root(uint64_t table)
{
    root = table;
    for (unsigned i = 0; i < TLB_SLOTS; i++)
        tlb[i].entry = 0;
}

uint64_t cpu_root(void)
{
    return root;
}

void cpu_flush_page(uint64_t addr)
{
    if (slot_of(addr)->page == page_of(addr))
        slot_of(addr)->entry = 0;
}

static bool allows(uint64_t entry, enum cpu_access access)
{
    uint64_t needs = ENTRY_PRESENT | ENTRY_USER | (access == CPU_WRITE ? ENTRY_WRITE : 0);

    return (entry & needs) == needs && !(access == CPU_EXECUTE && entry & ENTRY_NO_EXEC);
}

/* Sets bits with the locked operation of real walkers: another CPU might change the entry. */
static uint64_t mark(uint64_t *entry, uint64_t bits)
{
    return __atomic_or_fetch(entry, bits, __ATOMIC_RELAXED);
}

/* => the leaf entry; 0: some level does not allow the access */
static uint64_t walk(uint64_t addr, enum cpu_access access)
{
    uint64_t table = root;

    if (!table || addr >> (PAGE_BITS + INDEX_BITS * MMK_PT_LEVELS - 1))
        return 0;
    for (unsigned level = MMK_PT_LEVELS - 1;; level--) {
        uint64_t index = addr >> (PAGE_BITS + INDEX_BITS * level) & ((1u << INDEX_BITS) - 1);
        uint64_t *entry = (uint64_t *)(uintptr_t)table + index;

        if (!allows(*entry, access))
            return 0;
        if (level == 0)
            return mark(entry, ENTRY_ACCESSED | (access == CPU_WRITE ? ENTRY_DIRTY : 0));
        table = mark(entry, ENTRY_ACCESSED) & ENTRY_ADDR;
    }
}

bool cpu_translate(uint64_t addr, enum cpu_access access, uint64_t *phys)
{
    struct tlb_slot *slot = slot_of(addr);
    bool dirty = access != CPU_WRITE || slot->entry & ENTRY_DIRTY;

    if (slot->page != page_of(addr) || !(slot->entry & ENTRY_PRESENT) || !dirty) {
        slot->page = page_of(addr);
        slot->entry = walk(addr, access);
    }
    if (!allows(slot->entry, access)) {
        slot->entry = 0; /* C2 */
        return false;
    }
    *phys = (slot->entry & ENTRY_ADDR) | (addr - page_of(addr));
    return true;
}

/* The word at addr. => NULL, with *trap set: it cannot be accessed so */
static uint64_t *word(uint64_t addr, enum cpu_access access, struct cpu_trap *trap)
{
    uint64_t phys;

    *trap = (struct cpu_trap){CPU_TRAP_ILLEGAL, access, addr};
    if (addr % sizeof(uint64_t))
        return NULL;
    trap->kind = CPU_TRAP_PAGE;
    return cpu_translate(addr, access, &phys) ? (uint64_t *)(uintptr_t)phys : NULL;
}

static bool load(uint64_t addr, uint64_t *value, struct cpu_trap *trap)
{
    const uint64_t *from = word(addr, CPU_READ, trap);

    if (from)
        *value = *from;
    return from != NULL;
}

static bool store(uint64_t addr, uint64_t value, struct cpu_trap *trap)
{
    uint64_t *to = word(addr, CPU_WRITE, trap);

    if (to)
        *to = value;
    return to != NULL;
}

static bool push(struct cpu_registers *registers, uint64_t value, struct cpu_trap *trap)
{
    if (!store(registers->r[CPU_SP] - sizeof(value), value, trap))
        return false;
    registers->r[CPU_SP] -= sizeof(value);
    return true;
}

static bool pop(struct cpu_registers *registers, uint64_t *value, struct cpu_trap *trap)
{
    if (!load(registers->r[CPU_SP], value, trap))
        return false;
    registers->r[CPU_SP] += sizeof(*value);
    return true;
}

static bool trap_as(struct cpu_trap *trap, enum cpu_trap_kind kind)
{
    trap->kind = kind;
    return false;
}

/* One instruction, at pc. => false, with *trap set: it traps, and has changed nothing */
static bool execute(struct cpu_registers *registers, uint64_t code, struct cpu_trap *trap)
{
    uint64_t value = (uint64_t)(int64_t)(int32_t)(code >> 32);
    uint64_t next = registers->pc + CPU_INSTRUCTION_SIZE;
    uint64_t jump = registers->pc + value * CPU_INSTRUCTION_SIZE;
    uint64_t *a = &registers->r[(code >> 8) % CPU_REGISTERS];
    uint64_t *b = &registers->r[(code >> 16) % CPU_REGISTERS];
    bool done = true;

    switch (code & 0xff) {
    case CPU_SET:
        *a = value;
        break;
    case CPU_COPY:
        *a = *b;
        break;
    case CPU_ADD:
        *a += *b;
        break;
    case CPU_RAISE:
        *a += value;
        break;
    case CPU_LOAD:
        done = load(*b + value, a, trap);
        break;
    case CPU_STORE:
        done = store(*b + value, *a, trap);
        break;
    case CPU_PUSH:
        done = push(registers, *a, trap);
        break;
    case CPU_POP:
        done = pop(registers, a, trap);
        break;
    case CPU_SAME:
        next = *a == *b ? jump : next;
        break;
    case CPU_DIFFER:
        next = *a != *b ? jump : next;
        break;
    case CPU_CALL:
        done = push(registers, next, trap);
        next = jump;
        break;
    case CPU_RETURN:
        done = pop(registers, &next, trap);
        break;
    case CPU_SYSTEM:
        return trap_as(trap, CPU_TRAP_SYSTEM);
    default:
        return trap_as(trap, CPU_TRAP_ILLEGAL);
    }
    if (done)
        registers->pc = next;
    return done;
}

struct cpu_trap cpu_run(struct cpu_registers *registers)
{
    struct cpu_trap trap;
    uint64_t *code;

    do
        code = word(registers->pc, CPU_EXECUTE, &trap);
    while (code && execute(registers, *code, &trap));
    return trap;
}
