/* SPDX-License-Identifier: MIT */
/* bench_tables.h - `mmkit bench tables`. */
#ifndef BENCH_TABLES_H
#define BENCH_TABLES_H

/* => exit status */
int bench_tables(int argc, char **argv);

#endif
