/* SPDX-License-Identifier: MIT */
/* results.c - see results.h. */
#include "results.h"

#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int status_when_lost;

bool results_open_json(const char *path, FILE **stream)
{
    *stream = NULL;
    if (path == NULL)
        return true;
    *stream = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    if (*stream == NULL)
        error(0, errno, "%s", path);
    return *stream != NULL;
}

bool results_close_json(const char *path, FILE *stream)
{
    bool failed;

    if (stream == NULL || stream == stdout)
        return true;
    failed = ferror(stream) != 0;
    if (fclose(stream) == 0 && !failed)
        return true;
    error(0, errno, "%s", path);
    return false;
}

/* At exit, as argp ends the program itself after --help. */
static void check_stdout(void)
{
    bool failed = ferror(stdout) != 0;

    if (fflush(stdout) == 0 && !failed)
        return;
    error(0, errno, "standard output");
    _exit(status_when_lost);
}

/* Else the first files that are opened are taken for those that a program is started with. */
static void keep_standard_files(int status)
{
    int file;

    for (file = STDIN_FILENO; file <= STDERR_FILENO; file++)
        if (fcntl(file, F_GETFD) < 0 &&
            open("/dev/null", file == STDIN_FILENO ? O_WRONLY : O_RDONLY) != file)
            error(status, errno, "/dev/null");
}

void results_check_stdout(int status)
{
    keep_standard_files(status);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is one that cannot be written */
    status_when_lost = status;
    if (atexit(check_stdout) != 0)
        error(status, 0, "no memory");
}
