/* SPDX-License-Identifier: MIT */
/*
 * orders_unshown.c - orders for which there is no kernel yet: weaker, they survive all that is
 * tried. A debt: each needs a kernel, or is not needed. No other may survive.
 */
#include "orders.h"

const struct justified orders_unshown[] = {
    {NULL, NULL, FIBERS_LOAD, 0, 0, NULL, NULL},
};
