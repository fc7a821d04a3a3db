/* SPDX-License-Identifier: MIT */
/*
 * partner.h - the process in which Linux's side runs: one that has no machine in it, so that its
 * fork and its exit are those of a small program.
 */
#ifndef PARTNER_H
#define PARTNER_H

#include "calls.h"

/* => false after a message. Before the machine is made; ends with this process */
bool partner_start(const struct call_group *group, const struct side_config *config);
void partner_end(void);

/* Runs a case. => ns a unit; below 0: it has failed */
double partner_run(unsigned number);

/* What costs the program something beside the kernel's work: a fault, a system call; in ns. */
void partner_traps(double *fault_ns, double *call_ns);

#endif
