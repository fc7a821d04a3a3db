/* SPDX-License-Identifier: MIT */
/* shadow_object.h - the pages of objects, for the shadow's own files only. */
#ifndef SHADOW_OBJECT_H
#define SHADOW_OBJECT_H

#include "shadow.h"

/* A page of an object that has been mapped at least once. */
struct shadow_page {
    uint32_t mappings; /* slots, of all shadows */
    struct content *content;
};

/* The page at `index`, made on first use. */
struct shadow_page *shadow_object_page(struct shadow_world *world, struct shadow_object *object,
                                       uint64_t index);

/* One slot more, or fewer, maps the page. */
void shadow_page_map(struct shadow_world *world, struct shadow_page *page);
void shadow_page_unmap(struct shadow_world *world, struct shadow_page *page);

#endif
