/* SPDX-License-Identifier: MIT */
/*
 * user.c - the kernel's accesses to the memory of the address space loaded.
 *
 * They go through the CPU's TLB and its walker, as the program's accesses, and never fault: what
 * cannot be translated is left (<mmkit/port/user.h>). As with SMAP they are allowed between
 * mmk_user_begin() and mmk_user_end() only.
 */
#include "internal.h"
#include "pieces.h"

#include <mmkit/port/user.h>

bool machine_user_is_mapped = true;

void machine_user_by_tables(bool by_tables)
{
    machine_user_is_mapped = !by_tables;
}

void machine_user_section(bool open)
{
    struct machine_vcpu *self = machine_this();

    mmk_assert(self->user_open != open, "machine: user access begins and ends in turn");
    self->user_open = open;
}

/* => host address; NULL: the access faults */
static char *reach(mmk_vaddr_t addr, bool write)
{
    struct machine_cpu *cpu = machine_this_cpu();

    mmk_assert(cpu->vcpu.user_open, "machine: user access outside begin and end");
    return machine_translate(cpu, addr, write);
}

size_t mmk_user_raw_read(void *to, mmk_vaddr_t from, size_t n)
{
    size_t part, done, piece;
    char *ram;

    for (; n > 0; n -= part, from += part) {
        ram = reach(from, false);
        if (!ram)
            return n;
        part = in_page(from, n);
        for (done = 0; done < part; done += piece, to = (char *)to + piece)
            piece = load_piece(ram + done, to, part - done);
    }
    return 0;
}

/* => how many bytes are left; from NULL: zeros */
static size_t write_or_clear(mmk_vaddr_t to, const char *from, size_t n)
{
    static const char zeros[8];
    size_t part, done, piece;
    char *ram;

    for (; n > 0; n -= part, to += part) {
        ram = reach(to, true);
        if (!ram)
            return n;
        part = in_page(to, n);
        for (done = 0; done < part; done += piece) {
            piece = store_piece(ram + done, from ? from : zeros, part - done);
            if (from)
                from += piece;
        }
    }
    return 0;
}

size_t mmk_user_raw_write(mmk_vaddr_t to, const void *from, size_t n)
{
    return write_or_clear(to, from, n);
}

size_t mmk_user_raw_clear(mmk_vaddr_t to, size_t n)
{
    return write_or_clear(to, NULL, n);
}

bool mmk_user_raw_cmpxchg(mmk_vaddr_t addr, uint32_t old, uint32_t desired, uint32_t *found)
{
    uint32_t *word = (uint32_t *)(void *)reach(addr, true);

    if (!word)
        return false;
    *found = old;
    (void)__atomic_compare_exchange_n(word, found, desired, false, __ATOMIC_ACQ_REL,
                                      __ATOMIC_RELAXED);
    return true;
}
