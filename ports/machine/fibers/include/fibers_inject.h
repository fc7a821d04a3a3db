/* SPDX-License-Identifier: MIT */
/* fibers_inject.h - what fails is chosen as the schedule is: fibers/inject.c. */
bool fibers_inject(enum mmk_inject_point point);

MMK_ALWAYS_INLINE bool mmk_inject(enum mmk_inject_point point)
{
    return fibers_inject(point);
}
