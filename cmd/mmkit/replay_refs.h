/* SPDX-License-Identifier: MIT */
/*
 * replay_refs.h - the references to pages that a recording tells of: its faults, each to a file's
 * page, or to one of an address space's own.
 *
 * That is the least of what the programs did: of most pages the first access alone, by each process
 * that has it. A page that was given back and touched again counts as the same.
 */
#ifndef REPLAY_REFS_H
#define REPLAY_REFS_H

#include "lab.h"
#include "program.h"

/* => refs is empty before */
void replay_refs(const struct program *program, struct refs *refs);

#endif
