/* SPDX-License-Identifier: MIT */
/* bench_calls.h - `mmkit bench fork', dontneed, map, touch. */
#ifndef BENCH_CALLS_H
#define BENCH_CALLS_H

/* => exit status */
int bench_fork(int argc, char **argv);
int bench_dontneed(int argc, char **argv);
int bench_map(int argc, char **argv);
int bench_touch(int argc, char **argv);

#endif
