/* SPDX-License-Identifier: MIT */
/*
 * tables.c - stage 1: two frames of the kernel's, mapped where no program has asked for them, and
 * looked at by the CPU. What is not mapped is not there: nothing faults into memory.
 *
 * Before each change the CPU looks once more, so that its TLB knows what is about to be wrong.
 */
#include "kernel.h"

#define WINDOW ((mmk_vaddr_t)0x12345000)
#define SIZE   (2 * MMK_PAGE_SIZE)

/* What the CPU makes of an access to addr, and whether it is what the kernel expects. */
static void probe(mmk_vaddr_t addr, enum cpu_access access, bool expected, mmk_paddr_t expected_at)
{
    static const char *const names[] = {"read", "write", "execute"};
    uint64_t phys = 0;
    bool allowed = cpu_translate(addr, access, &phys);

    if (allowed)
        say("%s 0x%lx: frame 0x%lx\n", names[access], addr, phys >> MMK_PAGE_SHIFT);
    else
        say("%s 0x%lx: page fault\n", names[access], addr);
    must(allowed == expected && (!allowed || phys == expected_at), "the CPU sees what is mapped");
}

static uint64_t count_tables(struct mmk_mm *mm)
{
    uint64_t tables = mmk_mm_table_bytes(mm) / MMK_PAGE_SIZE;

    mmk_check(mm);
    say("page tables: %lu\n", tables);
    return tables;
}

static void use_window(struct mmk_mm *mm, mmk_paddr_t frames)
{
    must(mmk_map_frames(mm, WINDOW, SIZE, MMK_PROT_READ | MMK_PROT_WRITE, MMK_MAP_FIXED, frames) ==
             (int64_t)WINDOW,
         "mmk_map_frames");
    count_tables(mm);
    probe(WINDOW, CPU_READ, true, frames);
    probe(WINDOW, CPU_EXECUTE, false, 0);
    probe(WINDOW + SIZE, CPU_READ, false, 0);
    probe(WINDOW, CPU_WRITE, true, frames);
    probe(WINDOW + SIZE - 8, CPU_WRITE, true, frames + SIZE - 8);

    must(mmk_mprotect(mm, WINDOW, MMK_PAGE_SIZE, MMK_PROT_READ) == 0, "mmk_mprotect");
    probe(WINDOW, CPU_WRITE, false, 0);
    probe(WINDOW, CPU_READ, true, frames);
    must(mmk_munmap(mm, WINDOW, SIZE) == 0, "mmk_munmap");
    probe(WINDOW, CPU_READ, false, 0);
    must(count_tables(mm) == 1, "the root is the only table left");
}

void stage_tables(void)
{
    struct mmk_page *page = mmk_page_alloc(1, MMK_ALLOC_ZERO);
    struct mmk_mm *mm;

    must(page != NULL, "mmk_page_alloc");
    must(mmk_mm_create(&mm) == 0, "mmk_mm_create");
    cpu_load_root(mmk_mm_enter(mm));
    use_window(mm, mmk_page_phys(page));
    mmk_mm_leave(mm);
    cpu_load_root(0);
    mmk_mm_put(mm);
    mmk_page_put(page);
}
