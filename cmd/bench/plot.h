/* SPDX-License-Identifier: MIT */
/* plot.h - table bytes over time of sparse.h as a picture, drawn by gnuplot(1). */
#ifndef PLOT_H
#define PLOT_H

#include "sparse.h"

#include <stdbool.h>

/*
 * Before the work: the file can be written, and there is a gnuplot. => its descriptor; below 0
 * after a message
 */
int plot_open(const char *path);

/* path: for messages; file: is closed. => false after a message */
bool plot_draw(const char *path, int file, const char *kernel, const struct sparse *sparse,
               const struct sparse_result *theirs, const struct sparse_result *ours);

#endif
