/* SPDX-License-Identifier: MIT */
/*
 * cpu.h - CPUs come and go.
 */
#ifndef MMKIT_CPU_H
#define MMKIT_CPU_H

#include <mmkit/port/annotate.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The calling CPU starts to use mmkit: step 3 at boot (init.h), or once more after it was offline.
 * Its TLB holds nothing that it did not hold when it went, under the same names: a port that has
 * lost track of these flushes all of it first.
 * => before mmk_selftest() and all that follows there
 */
void mmk_cpu_online(void);

/*
 * The calling CPU stops: what it has cached goes back, so that nothing is out of reach: frames,
 * zeroed tables, small objects. It may come online again. RCU callbacks that it has queued run
 * elsewhere.
 * => it has left every mm, lazily ones included; it calls nothing of mmkit any more, and no
 *    shootdown is sent to it
 */
void mmk_cpu_offline(void);

#ifdef __cplusplus
}
#endif

#endif
