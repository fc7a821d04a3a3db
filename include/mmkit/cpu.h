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
 * The calling CPU starts to use mmkit: step 3 at boot (init.h).
 * => before mmk_selftest() and all that follows there
 */
void mmk_cpu_online(void);

/* The calling CPU stops: its cached frames and tables go back. => has left every mm */
void mmk_cpu_offline(void);

#ifdef __cplusplus
}
#endif

#endif
