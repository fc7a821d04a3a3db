/* SPDX-License-Identifier: MIT */
/*
 * tlb.h - the receiving end of a TLB shootdown.
 */
#ifndef MMKIT_TLB_H
#define MMKIT_TLB_H

#include <mmkit/port/annotate.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The handler of the interrupt that mmk_host_send_ipi() sends: does every flush queued for this
 * CPU and acknowledges each. Spurious calls are harmless.
 * => interrupt context, on the CPU that was asked; takes no locks
 */
void mmk_tlb_interrupt(void);

#ifdef __cplusplus
}
#endif

#endif
