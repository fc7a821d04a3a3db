/* SPDX-License-Identifier: MIT */
/* shadow_slots.h - pages of a region, for the shadow's own files only. */
#ifndef SHADOW_SLOTS_H
#define SHADOW_SLOTS_H

#include "shadow.h"

/* Removes every slot of the part of region that lies in [start, end); of pages: guards stay. */
void shadow_zap(struct shadow *shadow, const struct shadow_region *region, uint64_t start,
                uint64_t end);
void shadow_zap_pages(struct shadow *shadow, const struct shadow_region *region, uint64_t start,
                      uint64_t end);

/* In place of what is there, on every page; and takes them away. */
void shadow_set_guards(struct shadow *shadow, const struct shadow_region *region, uint64_t start,
                       uint64_t end);
void shadow_clear_guards(struct shadow *shadow, const struct shadow_region *region, uint64_t start,
                         uint64_t end);

/* Marks them lazy instead, where the region is private anonymous memory. */
void shadow_mark_lazy(struct shadow *shadow, const struct shadow_region *region, uint64_t start,
                      uint64_t end);

/* Takes the slots of [start, end) away to the same distance from `to`, where there are none. */
void shadow_move_slots(struct shadow *shadow, uint64_t start, uint64_t end, uint64_t to);

/* shadow_regions.c: a region where nothing is mapped; makes one of it and its neighbours. */
void shadow_place(struct shadow *shadow, const struct shadow_region *region);

/* The index of the first region of [start, end), once both ends are borders. */
size_t shadow_isolate(struct shadow *shadow, uint64_t start, uint64_t end);

#endif
