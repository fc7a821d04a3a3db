/* SPDX-License-Identifier: MIT */
/* template_directmap.h - physical memory is mapped one to one. */

MMK_ALWAYS_INLINE void *mmk_phys_to_virt(mmk_paddr_t phys)
{
    return (void *)(uintptr_t)phys;
}

MMK_ALWAYS_INLINE mmk_paddr_t mmk_virt_to_phys(const void *virt)
{
    return (mmk_paddr_t)(uintptr_t)virt;
}
