/* SPDX-License-Identifier: MIT */
/* machine_directmap.h - RAM is one host mapping: physical address 0 would be at this base. */
extern uintptr_t machine_ram_base;

MMK_ALWAYS_INLINE void *mmk_phys_to_virt(mmk_paddr_t phys)
{
    return (void *)(machine_ram_base + (uintptr_t)phys);
}

MMK_ALWAYS_INLINE mmk_paddr_t mmk_virt_to_phys(const void *virt)
{
    return (mmk_paddr_t)((uintptr_t)virt - machine_ram_base);
}
