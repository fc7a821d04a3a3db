/* SPDX-License-Identifier: MIT */
/* shadow_slots.h - pages of a region, for the shadow's own files only. */
#ifndef SHADOW_SLOTS_H
#define SHADOW_SLOTS_H

#include "shadow.h"

/* Removes every slot of the part of region that lies in [start, end). */
void shadow_zap(struct shadow *shadow, const struct shadow_region *region, uint64_t start,
                uint64_t end);

/* Marks them lazy instead, where the region is private anonymous memory. */
void shadow_mark_lazy(struct shadow *shadow, const struct shadow_region *region, uint64_t start,
                      uint64_t end);

#endif
