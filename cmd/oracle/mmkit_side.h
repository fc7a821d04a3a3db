/* SPDX-License-Identifier: MIT */
/*
 * mmkit_side.h - operations on mmkit: address spaces on the software machine, and what can be seen
 * of them through the library's public interface.
 */
#ifndef ORACLE_MMKIT_SIDE_H
#define ORACLE_MMKIT_SIDE_H

#include "linux_side.h"
#include "observation.h"

#include <mmkit/init.h>

/* Builds the machine. => false: after a message */
bool mmkit_side_create(const struct linux_constants *constants);

/* Larger pages, never by default. => set: before create; has: are they possible? */
void mmkit_side_set_huge(enum mmk_huge_policy policy);
bool mmkit_side_has_huge(void);

/*
 * An episode: process 0 with nothing but what lies beyond the window, in as many mappings as on
 * Linux; files.
 * => false: no memory
 */
bool mmkit_side_start(uint64_t base_count);

/* Ends all processes. => false: frames have not come back */
bool mmkit_side_stop(void);

/*
 * Does op. `chosen` is where Linux put what it could have put anywhere: there it has to be possible
 * here, too; 0: no choice was left.
 */
void mmkit_side_do(const struct op *op, uint64_t chosen, struct outcome *outcome);

/* => false: there is no such process, nor can it do anything */
bool mmkit_side_has(unsigned process);

/* Its tables that would not be missed, used or not. */
void mmkit_side_give_back(unsigned process);

void mmkit_side_look(unsigned process, struct observation *seen, bool full);

/* The number of the file that is mapped as that object. => FILES: none */
unsigned mmkit_side_file(uint64_t object);

uint64_t mmkit_side_file_size(unsigned file);

/* Every invariant. */
void mmkit_side_check(unsigned process);

#endif
