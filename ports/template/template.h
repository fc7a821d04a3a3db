/* SPDX-License-Identifier: MIT */
/* template.h - what the empty port asks of its kernel. */
#ifndef TEMPLATE_H
#define TEMPLATE_H

/*
 * Runs the RCU callbacks that are queued. Call it from the idle loop, or after a system call.
 * => not inside mmkit: no RCU read section, no lock of mmkit's is held
 */
void template_rcu_poll(void);

#endif
