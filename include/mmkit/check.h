/* SPDX-License-Identifier: MIT */
/*
 * check.h - checks of every invariant, for tests and for a kernel's debug builds.
 */
#ifndef MMKIT_CHECK_H
#define MMKIT_CHECK_H

#include <mmkit/group.h>
#include <mmkit/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Walks all of mm and checks the numbered invariants (docs/DESIGN.md has what each check covers):
 * tables T1 T2 T3, entries R1 F1, counters C1, the VMA tree. Panics naming the first that is
 * broken.
 * => no call on this mm runs at the same time, nor one that takes pages from an object that it
 *    maps; other address spaces may be at work, on pages that they share with it, too
 * => the kernel's half of the root is not looked at
 */
void mmk_check(struct mmk_mm *mm);

/*
 * The same for the part of mm around addr: its VMA and the tables on the way to it.
 * => as mmk_check()
 */
void mmk_check_address(struct mmk_mm *mm, mmk_vaddr_t addr);

/*
 * Checks what belongs to no single mm: the frame allocator's lists and counts, and that every
 * page of `object` is where the index says.
 * => nothing else runs in mmkit; mmk_check_frames() waits for a grace period, since callbacks free
 *    frames
 */
void mmk_check_frames(void);
void mmk_check_object(struct mmk_object *object);

/*
 * Checks what is charged to the group, frame by frame.
 * => nothing else runs in mmkit; waits for a grace period; the caller is a user of group
 */
void mmk_check_group(struct mmk_group *group);

/*
 * Conformance of the port: atomics, locks, per-CPU sections, direct map, RCU, local flushes, wait
 * and wake with a word that does not match. Once on each CPU, after its mmk_cpu_online(); the rest
 * of the order at boot is in init.h.
 * => 0; a negative error, with the failing item in *what, a static string, and in the log
 * => may sleep: waits for a grace period; no locks held
 */
MMK_MUST_CHECK int mmk_selftest(const char **what);

#ifdef __cplusplus
}
#endif

#endif
