/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - what the concurrency kernels have in common: memory that is to be used in order, and
 * words that order nothing.
 */
#ifndef SIMULATE_KERNEL_H
#define SIMULATE_KERNEL_H

#include "world.h"

#include <mmkit/port/atomic.h>

enum { KERNEL_PAYLOADS = 2, KERNEL_FLAGS = 4 };

struct kernel {
    struct mmk_page *payload[KERNEL_PAYLOADS]; /* frames */
    struct mmk_page *scratch[FIBERS_CPUS];
    struct mmk_a32 flag[KERNEL_FLAGS];
    struct mmk_mm *other;
    struct mmk_object *object;
    struct mmk_page *page;
    struct mmk_vma *vma;
};

extern struct kernel kernel;

/* In a setup, and in a check. */
void kernel_begin(void);
void kernel_end(void);

/* Uses a payload as plain memory: two uses without order, one of them a write, are a race. */
void payload_write(unsigned i);
void payload_read(unsigned i);

/* Says so, and waits until it is said; orders nothing else. */
void tell(unsigned flag);
bool told(unsigned flag);
void await(unsigned flag);

/* Likewise, as an embedder orders two calls: what came before the one comes before the other. */
void pass_on(unsigned flag);
void await_all(unsigned flag);

void kernel_store(unsigned page, uint64_t word);
/* => ~0: nothing is mapped there */
uint64_t kernel_load(unsigned page);
void kernel_give_back(unsigned page, unsigned count); /* MADV_DONTNEED */

#define RW   (MMK_PROT_READ | MMK_PROT_WRITE)
#define ANON (MMK_MAP_PRIVATE | MMK_MAP_ANONYMOUS)

#endif
