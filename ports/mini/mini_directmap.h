/* SPDX-License-Identifier: MIT */
/* mini_directmap.h - the kernel sees physical memory where it is: identity. */

MMK_ALWAYS_INLINE void *mmk_phys_to_virt(mmk_paddr_t phys)
{
    return (void *)(uintptr_t)phys;
}

MMK_ALWAYS_INLINE mmk_paddr_t mmk_virt_to_phys(const void *virt)
{
    return (mmk_paddr_t)(uintptr_t)virt;
}
