/* SPDX-License-Identifier: MIT */
/*
 * ddmin.h - makes a list that fails shorter, by Zeller's ddmin: leaves out a part of it, half, then
 * a quarter, and so on; keeps what still fails; until no single element can be left out.
 */
#ifndef DDMIN_H
#define DDMIN_H

#include <stdbool.h>
#include <stddef.h>

struct ddmin {
    size_t count;         /* elements; `without` may change it */
    unsigned tries, most; /* made, and how many may be */
    /*
     * Does it still fail without `length` elements from `start`?
     * => true: what still fails is the list now, and count its length
     */
    bool (*without)(struct ddmin *list, size_t start, size_t length);
};

/* => count is what it could be brought down to */
void ddmin(struct ddmin *list);

#endif
