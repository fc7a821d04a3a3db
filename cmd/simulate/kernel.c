/* SPDX-License-Identifier: MIT */
/* kernel.c - see kernel.h. */
#include "kernel.h"

#include <mmkit/port/cpu.h>
#include <mmkit/port/directmap.h>
#include <string.h>

struct kernel kernel;

static struct mmk_page *frame(void)
{
    struct mmk_page *page = mmk_page_alloc(0, MMK_ALLOC_ZERO);

    expect(page != NULL);
    return page;
}

void kernel_begin(void)
{
    unsigned i;

    memset(&kernel, 0, sizeof(kernel));
    for (i = 0; i < KERNEL_PAYLOADS; i++)
        kernel.payload[i] = frame();
    for (i = 0; i < FIBERS_CPUS; i++)
        kernel.scratch[i] = frame();
}

void kernel_end(void)
{
    unsigned i;

    for (i = 0; i < KERNEL_PAYLOADS; i++)
        mmk_page_put(kernel.payload[i]);
    for (i = 0; i < FIBERS_CPUS; i++)
        mmk_page_put(kernel.scratch[i]);
}

void payload_write(unsigned i)
{
    mmk_clear_page(mmk_page_address(kernel.payload[i]));
}

void payload_read(unsigned i)
{
    mmk_copy_page(mmk_page_address(kernel.scratch[mmk_cpu_id()]),
                  mmk_page_address(kernel.payload[i]));
}

void tell(unsigned flag)
{
    mmk_a32_store(&kernel.flag[flag], 1, MMK_RELAXED);
}

bool told(unsigned flag)
{
    return mmk_a32_load(&kernel.flag[flag], MMK_RELAXED) != 0;
}

void await(unsigned flag)
{
    while (!told(flag))
        mmk_cpu_relax();
}

void pass_on(unsigned flag)
{
    mmk_a32_store(&kernel.flag[flag], 1, MMK_RELEASE);
}

void await_all(unsigned flag)
{
    while (!mmk_a32_load(&kernel.flag[flag], MMK_ACQUIRE))
        mmk_cpu_relax();
}

void kernel_store(unsigned page, uint64_t word)
{
    expect(put_word(page, word) == MMK_FAULT_DONE);
}

uint64_t kernel_load(unsigned page)
{
    uint64_t word = 0;
    enum mmk_fault_result result = get_word(page, &word);

    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_MAPERR);
    return result == MMK_FAULT_DONE ? word : ~(uint64_t)0;
}

void kernel_give_back(unsigned page, unsigned count)
{
    expect(mmk_madvise(world.mm, page_at(page), count * PAGE, MMK_MADV_DONTNEED) == 0);
}
