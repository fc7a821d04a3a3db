/* SPDX-License-Identifier: MIT */
/*
 * guest.c - guest accesses: bytes between a virtual address and the host.
 *
 * An access that the TLB answers costs a compare and a copy here; everything else is mmu.c's.
 */
#include "mmu.h"
#include "pieces.h"

/* Host address of `addr` when nothing is in the way; NULL: mmu_translate() knows more. */
MMK_ALWAYS_INLINE void *translate_fast(struct machine_cpu *cpu, mmk_vaddr_t addr, uint64_t rights)
{
    void *found;

    if (mmk_unlikely(!cpu->mmu.asid || mmk_a32_load(&cpu->vcpu.pending, MMK_RELAXED) ||
                     !format_reaches(addr)))
        return NULL;
    found = mmu_find(cpu, addr, rights, rights == MACHINE_STORE);
    if (mmk_likely(found != NULL))
        machine_count(&cpu->counters.hits);
    return found;
}

void *machine_translate(struct machine_cpu *cpu, mmk_vaddr_t addr, bool write)
{
    void *found = translate_fast(cpu, addr, write ? MACHINE_STORE : FORMAT_LOAD);

    if (found || !cpu->mmu.asid)
        return found;
    return mmu_walk(cpu, addr, write ? MMK_ACCESS_WRITE : MMK_ACCESS_READ);
}

/* Host address of `addr`; NULL: why is in *result. No interrupt is taken after this looks. */
static void *translate(struct machine_cpu *cpu, mmk_vaddr_t addr, uint64_t rights,
                       enum mmk_access access, enum mmk_fault_result *result)
{
    void *found = translate_fast(cpu, addr, rights);

    return found ? found : mmu_translate(cpu, addr, access, result);
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
        ram = translate(cpu, addr, FORMAT_LOAD, MMK_ACCESS_READ, &result);
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
        ram = translate(cpu, addr, MACHINE_STORE, MMK_ACCESS_WRITE, &result);
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
    void *ram = mmu_translate(cpu, addr, MMK_ACCESS_READ, &result);

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
    ram = translate_fast(cpu, addr, FORMAT_LOAD);
    if (mmk_unlikely(!ram))
        return load_word_slow(cpu, addr, to);
    load_word(ram, to);
    return MMK_FAULT_DONE;
}

static MMK_NOINLINE enum mmk_fault_result store_word_slow(struct machine_cpu *cpu, mmk_vaddr_t addr,
                                                          const void *from)
{
    enum mmk_fault_result result = MMK_FAULT_DONE;
    void *ram = mmu_translate(cpu, addr, MMK_ACCESS_WRITE, &result);

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
    ram = translate_fast(cpu, addr, MACHINE_STORE);
    if (mmk_unlikely(!ram))
        return store_word_slow(cpu, addr, from);
    store_word(ram, from);
    return MMK_FAULT_DONE;
}

enum mmk_fault_result machine_fetch(mmk_vaddr_t addr)
{
    enum mmk_fault_result result = MMK_FAULT_DONE;
    void *ram = translate(machine_this_cpu(), addr, MACHINE_EXEC, MMK_ACCESS_EXEC, &result);
    char byte;

    if (!ram)
        return result;
    (void)load_piece(ram, &byte, 1);
    return MMK_FAULT_DONE;
}
