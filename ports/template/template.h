/* SPDX-License-Identifier: MIT */
/* template.h - what the empty port asks of its kernel. */
#ifndef TEMPLATE_H
#define TEMPLATE_H

/*
 * Runs the RCU callbacks that are queued. Call it from the idle loop, or after a system call.
 * => in no RCU read section, with no spin lock held: outside mmkit, or in mmk_host_rcu_barrier()
 */
void template_rcu_poll(void);

#endif
