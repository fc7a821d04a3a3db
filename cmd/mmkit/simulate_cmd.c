/* SPDX-License-Identifier: MIT */
/*
 * simulate_cmd.c - `mmkit simulate`.
 *
 * The simulator is the library on another port, compiled anew for each page-table format: programs
 * of their own. The one for `tiny` is always there, and finds the others beside it.
 */
#include "simulate_cmd.h"

#include "version.h"

#include <errno.h>
#include <error.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATUS_NO_PROGRAM = 2 };

static const char program[] = "mmkit-simulate-tiny";

/* => comes back when it is not there; what is there must run */
static void try(const char *folder, const char *between, char **argv)
{
    char *path;

    if (asprintf(&path, "%s%s%s", folder, between, program) < 0)
        error(STATUS_NO_PROGRAM, 0, "no memory");
    execv(path, argv);
    if (errno != ENOENT)
        error(STATUS_NO_PROGRAM, errno, "%s", path);
    free(path);
}

int simulate_cmd(int argc, char **argv)
{
    char folder[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
    char *slash;

    (void)argc;
    folder[length > 0 ? length : 0] = '\0';
    slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    try(folder, "/", argv);
    try(folder, "/cmd/simulate/", argv); /* not installed, but built */
    try(tool_libexec, "/", argv);
    error(0, 0, "no %s beside this program, nor in %s: `make' builds it", program, tool_libexec);
    return STATUS_NO_PROGRAM;
}
