/* SPDX-License-Identifier: MIT */
/* results.h - where results go: files of JSON, and a standard output that is checked. */
#ifndef RESULTS_H
#define RESULTS_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Before the work, which may take minutes, is when a name that cannot be written is noticed.
 * path: NULL: no JSON is asked for, *stream is NULL; "-": standard output. => false after a message
 */
bool results_open_json(const char *path, FILE **stream);

/* => false after a message. What is lost on the way to standard output is noticed at exit. */
bool results_close_json(const char *path, FILE *stream);

/*
 * From now on the process exits with `status`, after a message, when what it printed did not reach
 * standard output. Before any file is opened: a standard output that is closed stays one that
 * cannot be written.
 */
void results_check_stdout(int status);

#endif
