/* SPDX-License-Identifier: MIT */
/*
 * template.c - the empty port at work, and the snippet of README.md with it: a kernel's first
 * steps, in a process. The port's direct map is the identity, so an array serves as RAM.
 */
#include "template.h"

#include <mmkit/mmkit.h>

#include <stdio.h>

/* README.md */
int boot_memory(mmk_paddr_t start, mmk_paddr_t end);
int page_fault(struct mmk_mm *mm, mmk_vaddr_t addr, bool write);
int64_t sys_mmap(struct mmk_mm *mm, uint64_t addr, uint64_t length, int prot, int flags);

#define RAM_BYTES (8u << 20)

static unsigned char ram[RAM_BYTES] __attribute__((aligned(4096)));
static int failures;

static void expect(bool fine, const char *what)
{
    if (fine)
        return;
    printf("failed: %s\n", what);
    failures++;
}

static void use_memory(struct mmk_mm *mm)
{
    struct mmk_mm_stats stats;
    int64_t addr = sys_mmap(mm, 0, 1u << 20, MMK_PROT_READ | MMK_PROT_WRITE,
                            MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS);

    expect(addr > 0, "mmap answers an address");
    expect(page_fault(mm, (mmk_vaddr_t)addr, true) == 0, "a write to it is fine");
    expect(page_fault(mm, 0, false) == 11, "a read of nothing is SIGSEGV");
    mmk_mm_stats(mm, &stats);
    expect(stats.rss_anon == 1 && stats.tables[0] == 1, "one page, one leaf table");
    mmk_check(mm);
    expect(mmk_madvise(mm, (mmk_vaddr_t)addr, 4096, MMK_MADV_DONTNEED) == 0, "madvise");
    mmk_mm_stats(mm, &stats);
    expect(stats.rss_anon == 0 && stats.tables[0] == 0 && stats.tables[1] == 0,
           "no page, no table but the root");
    mmk_check(mm);
}

int main(void)
{
    mmk_paddr_t start = (mmk_paddr_t)(uintptr_t)ram;
    struct mmk_stats stats;
    struct mmk_mm *mm;

    expect(boot_memory(start, start + RAM_BYTES) == 0, "boot");
    if (mmk_mm_create(&mm) != 0) {
        puts("failed: mmk_mm_create");
        return 1;
    }
    use_memory(mm);
    mmk_mm_put(mm);
    template_rcu_poll();
    mmk_drain();
    mmk_stats_read(&stats);
    expect(stats.frames_free == stats.frames_total, "every frame is back");
    mmk_shutdown();
    return failures != 0;
}
