/* SPDX-License-Identifier: MIT */
/*
 * machine_user.h - the kernel's accesses to the address space loaded, through the CPU's TLB and
 * table walker, as the program's; what cannot be translated is left. ports/machine/user.c
 */
extern bool machine_user_is_mapped; /* machine_user_by_tables() */

void machine_user_section(bool open);
size_t mmk_user_raw_read(void *to, mmk_vaddr_t from, size_t n);
size_t mmk_user_raw_write(mmk_vaddr_t to, const void *from, size_t n);
size_t mmk_user_raw_clear(mmk_vaddr_t to, size_t n);
bool mmk_user_raw_cmpxchg(mmk_vaddr_t addr, uint32_t old, uint32_t desired, uint32_t *found);

MMK_ALWAYS_INLINE bool mmk_user_mapped(void)
{
    return machine_user_is_mapped;
}

MMK_ALWAYS_INLINE void mmk_user_begin(void)
{
    machine_user_section(true);
}

MMK_ALWAYS_INLINE void mmk_user_end(void)
{
    machine_user_section(false);
}
