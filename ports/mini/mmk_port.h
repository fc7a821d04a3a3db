/* SPDX-License-Identifier: MIT */
/*
 * mmk_port.h - mmkit in the mini kernel: one CPU with a TLB, no threads, no interrupts, all memory
 * mapped where it is. A port to copy: this header, the two that it names, and host.c.
 */
#ifndef MMK_PORT_H
#define MMK_PORT_H

#define MMK_PORT_VERSION   1
#define MMK_MAX_CPUS       1
#define MMK_PORT_DIRECTMAP "mini_directmap.h"
#define MMK_PORT_TLB       "mini_tlb.h"

#endif
