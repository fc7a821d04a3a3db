/* SPDX-License-Identifier: MIT */
/* bench_faults.h - `mmkit bench faults'. */
#ifndef BENCH_FAULTS_H
#define BENCH_FAULTS_H

/* => exit status */
int bench_faults(int argc, char **argv);

#endif
