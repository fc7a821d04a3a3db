/* SPDX-License-Identifier: MIT */
/*
 * user.h - the kernel reads and writes memory of programs.
 *
 * Two ways. The calls with `user` in their name are for system calls, which work on the program
 * that the CPU runs: where the port offers it (MMK_PORT_USER, port/user.h), they go through the
 * program's own mappings, as fast as a copy, under the CPU's protection of user memory (SMAP, PAN).
 * Everywhere else, and for an address space that this CPU does not run (mmk_mm_read(),
 * mmk_mm_write(): debuggers), they follow the page tables and use the direct map.
 *
 * Either way an access does what one by the program does: it faults pages in, copies on write,
 * makes stacks grow, marks pages used and written; and it is allowed what the program is. Aligned
 * words of 1, 2, 4 and 8 bytes are read and written whole. Nothing more is atomic or ordered.
 *
 * Results are those of the functions of the same name in Linux.
 *
 * Except where said: may sleep; no locks held; no mmap lock, page lock or spin lock of anybody that
 * a fault could want.
 */
#ifndef MMKIT_USER_H
#define MMKIT_USER_H

#include <mmkit/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Copies n bytes. mm is the address space that this CPU runs.
 * => how many of them could not be copied: the last ones; 0: all were. What copy_from could not
 *    fill of `to` is zeroed, so that no old kernel memory is taken for the program's
 * => any address and n: what lies outside user memory is not touched, and nothing is copied then
 */
MMK_MUST_CHECK size_t mmk_copy_from_user(struct mmk_mm *mm, void *to, mmk_vaddr_t from, size_t n);
MMK_MUST_CHECK size_t mmk_copy_to_user(struct mmk_mm *mm, mmk_vaddr_t to, const void *from,
                                       size_t n);

/* Zeroes n bytes of the program. => as mmk_copy_to_user() */
MMK_MUST_CHECK size_t mmk_clear_user(struct mmk_mm *mm, mmk_vaddr_t to, size_t n);

/*
 * Copies a string with its 0, n bytes at most.
 * => its length; n: there is no 0 in the first n bytes, which were copied; MMK_EFAULT: it cannot be
 *    read up to its end, and `to` may hold a part of it
 */
MMK_MUST_CHECK int64_t mmk_strncpy_from_user(struct mmk_mm *mm, char *to, mmk_vaddr_t from,
                                             size_t n);

/*
 * One number of `size` bytes: 1, 2, 4 or 8. It need not be aligned.
 * => 0; MMK_EFAULT: it cannot be accessed (*value is 0 then); MMK_EINVAL: another size
 */
MMK_MUST_CHECK int mmk_get_user(struct mmk_mm *mm, mmk_vaddr_t from, uint64_t *value,
                                unsigned size);
MMK_MUST_CHECK int mmk_put_user(struct mmk_mm *mm, mmk_vaddr_t to, uint64_t value, unsigned size);

/*
 * Atomically, for futexes: *found is what the word holds; if that is `old`, it becomes `desired`.
 * Orders memory as a read-modify-write of both kinds. The word must be writable in any case.
 * => 0; MMK_EFAULT: it cannot be accessed; MMK_EINVAL: misaligned
 */
MMK_MUST_CHECK int mmk_cmpxchg_user(struct mmk_mm *mm, mmk_vaddr_t addr, uint32_t old,
                                    uint32_t desired, uint32_t *found);

/*
 * The same without a fault: what is not mapped for the access just then counts as what cannot be
 * accessed. May give up on memory that is there, when somebody changes its page table: a caller
 * that finds something missing goes where it may sleep, and tries the other form. Nothing is
 * zeroed.
 * => never sleeps; any context but NMI: interrupt handlers, spin locks held
 */
MMK_MUST_CHECK size_t mmk_copy_from_user_nofault(struct mmk_mm *mm, void *to, mmk_vaddr_t from,
                                                 size_t n);
MMK_MUST_CHECK size_t mmk_copy_to_user_nofault(struct mmk_mm *mm, mmk_vaddr_t to, const void *from,
                                               size_t n);
MMK_MUST_CHECK int mmk_cmpxchg_user_nofault(struct mmk_mm *mm, mmk_vaddr_t addr, uint32_t old,
                                            uint32_t desired, uint32_t *found);

/* Flags of mmk_mm_read() and mmk_mm_write(). */
enum mmk_mm_access {
    MMK_MM_ALLOWED = 0, /* what the program may do */
    /*
     * For a debugger: memory under PROT_NONE is read, and a mapping that the program may not write
     * is written when it is private: it gets a copy of its own first. What it may do is unchanged.
     */
    MMK_MM_FORCE = 1,
};

/*
 * Copies n bytes out of, or into, any address space that the caller keeps alive, as ptrace(2) and
 * process_vm_readv(2). flags: enum mmk_mm_access. Frames that mmkit was not given by
 * mmk_add_memory() are out of reach here; above, where the port has no raw accesses.
 * => how many bytes were copied: the first ones
 */
MMK_MUST_CHECK size_t mmk_mm_read(struct mmk_mm *mm, mmk_vaddr_t from, void *to, size_t n,
                                  unsigned flags);
MMK_MUST_CHECK size_t mmk_mm_write(struct mmk_mm *mm, mmk_vaddr_t to, const void *from, size_t n,
                                   unsigned flags);

#ifdef __cplusplus
}
#endif

#endif
