/* SPDX-License-Identifier: MIT */
/* speculate.h - what hardware does without being asked: speculate.c. */
#ifndef MACHINE_FIBERS_SPECULATE_H
#define MACHINE_FIBERS_SPECULATE_H

#include <mmkit/types.h>

void speculate_begin(void); /* a new machine */

/* A program uses addr: speculation may, too. */
void speculate_near(mmk_vaddr_t addr);

/* Hardware may act now, of any CPU: the chooser says what. => alone, or in no hardware's step */
void speculate_here(void);

#endif
