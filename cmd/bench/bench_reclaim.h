/* SPDX-License-Identifier: MIT */
/* bench_reclaim.h - `mmkit bench reclaim`. */
#ifndef BENCH_RECLAIM_H
#define BENCH_RECLAIM_H

/* => exit status */
int bench_reclaim(int argc, char **argv);

#endif
