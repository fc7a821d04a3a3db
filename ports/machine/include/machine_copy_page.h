/* SPDX-License-Identifier: MIT */
/*
 * machine_copy_page.h - copying a page.
 *
 * Guests store with relaxed atomics (ports/machine/mmu.c). A copy may run beside such stores, so
 * ThreadSanitizer has to see it read atomically too; elsewhere memcpy() does, as on hardware.
 */
MMK_ALWAYS_INLINE void machine_copy_page(void *to, const void *from)
{
#ifdef MACHINE_TSAN
    const uint64_t *in = (const uint64_t *)from;
    uint64_t *out = (uint64_t *)to;
    size_t i;

    for (i = 0; i < MMK_PAGE_SIZE / sizeof(*in); i++)
        out[i] = __atomic_load_n(&in[i], __ATOMIC_RELAXED);
#else
    memcpy(to, from, MMK_PAGE_SIZE);
#endif
}
