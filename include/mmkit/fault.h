/* SPDX-License-Identifier: MIT */
/*
 * fault.h - the page fault.
 */
#ifndef MMKIT_FAULT_H
#define MMKIT_FAULT_H

#include <mmkit/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

enum mmk_access { MMK_ACCESS_READ, MMK_ACCESS_WRITE, MMK_ACCESS_EXEC };

enum mmk_fault_result {
    MMK_FAULT_DONE,        /* try the access again: it is allowed now */
    MMK_FAULT_RETRY,       /* nothing is wrong, nothing was done: try again */
    MMK_FAULT_OOM,         /* no memory: the state is as before */
    MMK_FAULT_SEGV_MAPERR, /* nothing is mapped there: SIGSEGV, SEGV_MAPERR */
    MMK_FAULT_SEGV_ACCERR, /* mapped, but not for this access: SIGSEGV, SEGV_ACCERR */
    MMK_FAULT_BUS,    /* beyond the object's end, or it could not be read: SIGBUS, BUS_ADRERR */
    MMK_FAULT_KILLED, /* the address space was killed: no user code may go on in it */
};

/*
 * Resolves the page fault of an access to `addr` by user code, or by the kernel on its behalf.
 * => any address, canonical or not
 * => may sleep; no locks held; interrupts on
 */
MMK_MUST_CHECK enum mmk_fault_result mmk_fault(struct mmk_mm *mm, mmk_vaddr_t addr,
                                               enum mmk_access access);

#ifdef __cplusplus
}
#endif

#endif
