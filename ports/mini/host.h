/* SPDX-License-Identifier: MIT */
/* host.h - what the port asks of its kernel. */
#ifndef MINI_HOST_H
#define MINI_HOST_H

/* Frees what waited for readers. The kernel calls it on its way back to a program. */
void host_rcu_poll(void);

#endif
