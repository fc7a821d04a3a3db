/* SPDX-License-Identifier: MIT */
/*
 * limit.h - what an address space may grow to: setrlimit(2), and prctl(2) PR_SET_MDWE.
 *
 * The limits of a new address space: none, but for MMK_LIMIT_STACK, which is mmk_config's
 * stack_limit. mmk_fork() hands them on; exec, which makes a new address space, sets them anew.
 */
#ifndef MMKIT_LIMIT_H
#define MMKIT_LIMIT_H

#include <mmkit/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

enum mmk_limit {
    MMK_LIMIT_AS,      /* all mappings. Beyond: MMK_ENOMEM; a stack does not grow */
    MMK_LIMIT_DATA,    /* private writable mappings but stacks, and the heap. Beyond: MMK_ENOMEM */
    MMK_LIMIT_STACK,   /* one mapping that grows down. Beyond: it does not grow */
    MMK_LIMIT_MEMLOCK, /* locked mappings, unless mmk_set_lock_privilege() */
    MMK_LIMITS
};

#define MMK_LIMIT_INFINITY UINT64_MAX

/*
 * setrlimit(2), of the soft limit. What is mapped already stays, beyond the limit, too. Setting
 * MMK_LIMIT_STACK while nothing is mapped also moves the place below which mmk_mmap() looks for
 * room, as exec does on Linux: the stack can then grow to its limit.
 * => bytes: any value; fractions of a page are dropped
 * => 0; MMK_EINVAL: no such limit
 * => may sleep; takes the mmap lock
 */
MMK_MUST_CHECK int mmk_set_limit(struct mmk_mm *mm, enum mmk_limit limit, uint64_t bytes);

/* The limit in bytes; 0: no such limit. => as mmk_set_limit() */
uint64_t mmk_get_limit(struct mmk_mm *mm, enum mmk_limit limit);

/*
 * Whether MMK_LIMIT_MEMLOCK is passed over, as for a task with CAP_IPC_LOCK (capabilities(7)).
 * Not at first; mmk_fork() hands it on.
 * => as mmk_set_limit()
 */
void mmk_set_lock_privilege(struct mmk_mm *mm, bool privileged);

/* Memory-Deny-Write-Execute, as PR_SET_MDWE of prctl(2). */
#define MMK_MDWE_REFUSE_EXEC_GAIN 1u
#define MMK_MDWE_NO_INHERIT       2u

/*
 * From now on mmk_mmap() refuses what is writable and executable, and mmk_mprotect() refuses to
 * make executable what is not, or writable what is: MMK_EACCES. What is mapped already stays as it
 * is. Children inherit it, unless bit NO_INHERIT says no. For every new address space from its
 * beginning: mmk_config's refuse_write_exec.
 * => 0; MMK_EINVAL: unknown bits, or NO_INHERIT alone; MMK_EPERM: other bits are set already, which
 *    cannot be taken back
 * => may sleep; takes the mmap lock
 */
MMK_MUST_CHECK int mmk_set_mdwe(struct mmk_mm *mm, unsigned bits);

/* The bits, as PR_GET_MDWE. => as mmk_set_mdwe() */
unsigned mmk_get_mdwe(struct mmk_mm *mm);

#ifdef __cplusplus
}
#endif

#endif
