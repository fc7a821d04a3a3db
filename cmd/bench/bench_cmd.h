/* SPDX-License-Identifier: MIT */
/* bench_cmd.h - `mmkit bench`. */
#ifndef BENCH_CMD_H
#define BENCH_CMD_H

/* => the exit status; argv[0] is the name that usage messages show */
int bench_cmd(int argc, char **argv);

#endif
