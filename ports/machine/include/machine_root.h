/* SPDX-License-Identifier: MIT */
/*
 * machine_root.h - a kernel's half that nobody uses: each entry gets a value of its own, which
 * hardware takes for absent, and must have it still when the root is given back.
 * ports/machine/root.c
 */
void machine_root_fill(uint64_t *entries, unsigned first, unsigned count, mmk_paddr_t root);
void machine_root_release(const uint64_t *entries, unsigned first, unsigned count,
                          mmk_paddr_t root);

MMK_ALWAYS_INLINE void mmk_root_fill(uint64_t *entries, unsigned first, unsigned count,
                                     mmk_paddr_t root)
{
    machine_root_fill(entries, first, count, root);
}

MMK_ALWAYS_INLINE void mmk_root_release(uint64_t *entries, unsigned first, unsigned count,
                                        mmk_paddr_t root)
{
    machine_root_release(entries, first, count, root);
}
