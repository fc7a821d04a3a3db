/* SPDX-License-Identifier: MIT */
/*
 * pin.h - pages of a program that a device, or the kernel, is to use directly (pin_user_pages of
 * Linux).
 *
 * A pin is a reference to a page, and a promise: as long as the program's mapping is there, what
 * the pin's holder sees in the page is what the program sees, and the other way round. Neither a
 * fork nor copy-on-write comes between the two: fork gives the child a copy at once. When the
 * program gives the memory back (munmap, MADV_DONTNEED, truncation, exit), the frame lives on until
 * it is unpinned, as the holder's alone.
 */
#ifndef MMKIT_PIN_H
#define MMKIT_PIN_H

#include <mmkit/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

enum mmk_pin {
    MMK_PIN_READ = 0,     /* the holder reads */
    MMK_PIN_WRITE = 1,    /* the holder writes, too: what the program could not write is refused */
    MMK_PIN_LONGTERM = 2, /* held longer than one transfer: see below */
};

/*
 * Pins the n pages from `addr` on, faulting them in; flags: enum mmk_pin, or'ed. pages[i] becomes
 * the page i, to be used through mmk_page_phys() or mmk_page_address().
 *
 * What is pinned in private memory is a page of the program's own, a copy if need be, even where it
 * is only read. A file's page that a private mapping has not copied yet is pinned itself, unless
 * LONGTERM: the program's next store would go to a copy then, which a short transfer may miss.
 * => how many were pinned: the first ones; all, or up to the first that cannot be
 * => none: MMK_EFAULT: not mapped, not for this access, beyond an object's end, or not memory of
 *    mmkit's; MMK_ENOMEM; MMK_EINTR: mmk_kill(); MMK_EINVAL: misaligned, unknown flag
 * => may sleep; no locks held
 */
MMK_MUST_CHECK int64_t mmk_pin_pages(struct mmk_mm *mm, mmk_vaddr_t addr, size_t n, unsigned flags,
                                     struct mmk_page *pages[]);

/*
 * Gives the n pins back. `dirty`: the pages were written; say so for each pin that may have been.
 * => any context but NMI
 */
void mmk_unpin_pages(struct mmk_page *const pages[], size_t n, bool dirty);

#ifdef __cplusplus
}
#endif

#endif
