/* SPDX-License-Identifier: MIT */
/*
 * clean.h - write-protecting the entries of objects' pages, for a write-back.
 */
#ifndef MMK_SRC_CLEAN_H
#define MMK_SRC_CLEAN_H

#include "gather.h"

/*
 * Makes every entry in [start, end) that maps an object's page clean and read-only, and the pages
 * of those that were dirty DIRTY. Once the gather has flushed, a store faults first, and says that
 * its page is dirty.
 * => as mmk_zap_range()
 */
void mmk_clean_range(struct mmk_gather *gather, mmk_vaddr_t start, mmk_vaddr_t end);

#endif
