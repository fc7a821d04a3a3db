/* SPDX-License-Identifier: MIT */
/*
 * larger.h - what the scenarios of larger pages (scenarios_huge*.c) have in common. In tables of
 * four entries one is four pages: pages 0 to 3 are the first, 4 to 7 the second.
 */
#ifndef SIMULATE_LARGER_H
#define SIMULATE_LARGER_H

#include "rules.h"

enum { HUGE_PAGES = 4 };

/* Of a scenario. */
#define HUGE .cpus = 2, .huge = MMK_HUGE_ALWAYS, .independent = true

/* How many mm has. */
uint64_t count_larger(struct mmk_mm *mm);

/* Set-ups: one larger page, which all CPUs have cached; page i has the word i + 1. */
void map_larger(void);
/* The same, for parent and child; the child's is known to nobody's TLB. */
void share_larger(void);
/* This page has been read, and there is a table where a larger one would be. */
void make_table(unsigned at);

/* Pages of [from, HUGE_PAGES) are as the set-up has left them. */
void expect_rest(unsigned from);
void only_the_root(void);
/* Page 0 has been given back; all of it has. */
void first_gone(void);
void all_gone(void);
/* All is checked, and the other address space goes. */
void end_larger(void);

/* To another frame; `must`: it is there, and goes. */
void migrate_page(struct mmk_mm *mm, unsigned at, bool must);

#endif
