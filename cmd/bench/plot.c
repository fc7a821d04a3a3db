/* SPDX-License-Identifier: MIT */
/* plot.c - see plot.h: gnuplot reads its commands, and the figures, from a file in memory. */
#include "plot.h"

#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char commands[] =
    "set terminal svg size 760,420 dynamic font 'sans-serif,13' background rgb 'white'\n"
    "set encoding utf8\n"
    "set key left top\n"
    "set grid ytics lc rgb '#dddddd'\n"
    "set xlabel 'pages touched and, half of them, given back: percent of the run'\n"
    "set ylabel 'page tables, MiB'\n"
    "set yrange [0:*]\n"
    "set xrange [0:100]\n";

/* => its exit status; 127: there is none */
static int run_gnuplot(int in, int out)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        dup2(in, STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        execlp("gnuplot", "gnuplot", (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

int plot_open(const char *path)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC), file = -1;

    if (run_gnuplot(nothing, nothing) != 0)
        error(0, 0, "--plot %s: expected gnuplot(1) to be installed", path);
    else if ((file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) < 0)
        error(0, errno, "--plot %s", path);
    close(nothing);
    return file;
}

static void write_column(FILE *stream, const uint64_t bytes[])
{
    unsigned mark;

    for (mark = 0; mark <= SPARSE_MARKS; mark++)
        fprintf(stream, "%u %.3f\n", mark, (double)bytes[mark] / (1 << 20));
    fputs("e\n", stream);
}

/* The picture, without the blanks that gnuplot has at the ends of lines. */
static bool copy_lines(int from, int to)
{
    FILE *in = fdopen(dup(from), "r"), *out = fdopen(dup(to), "w");
    size_t room = 0, length;
    char *line = NULL;
    bool fine = in != NULL && out != NULL;

    if (fine)
        rewind(in);
    while (fine && getline(&line, &room, in) >= 0) {
        for (length = strlen(line); length > 0 && strchr(" \t\n", line[length - 1]); length--)
            continue;
        fprintf(out, "%.*s\n", (int)length, line);
    }
    free(line);
    if (in != NULL)
        fclose(in);
    return out != NULL && fclose(out) == 0 && fine;
}

bool plot_draw(const char *path, int file, const char *kernel, const struct sparse *sparse,
               const struct sparse_result *theirs, const struct sparse_result *ours)
{
    int script = memfd_create("gnuplot", MFD_CLOEXEC);
    int picture = memfd_create("picture", MFD_CLOEXEC), copy = script < 0 ? -1 : dup(script);
    FILE *stream = copy < 0 ? NULL : fdopen(copy, "w");
    bool drawn, fine;

    if (stream == NULL) {
        error(0, errno, "--plot %s", path);
        return false;
    }
    fputs(commands, stream);
    fprintf(stream,
            "set title '%.0f GiB mapped, %.0f MiB resident: a server of 55 TiB, 1:%u'\n"
            "plot '-' with lines lw 2 lc rgb '#c03030' title 'Linux %.*s', "
            "'-' with lines lw 3 lc rgb '#2050a0' title 'mmkit', "
            "'-' with lines lw 1 dt 2 lc rgb 'black' title 'least'\n",
            (double)sparse->mapped / (1 << 30), (double)sparse->resident / (1 << 20),
            sparse->factor, (int)strspn(kernel, "0123456789."), kernel);
    write_column(stream, theirs->tables);
    write_column(stream, ours->tables);
    write_column(stream, ours->least);
    drawn =
        fclose(stream) == 0 && lseek(script, 0, SEEK_SET) == 0 && run_gnuplot(script, picture) == 0;
    fine = drawn && copy_lines(picture, file);
    if (drawn && !fine)
        error(0, errno, "--plot %s", path);
    if (close(file) != 0 && fine) {
        error(0, errno, "--plot %s", path);
        fine = false;
    }
    close(script);
    close(picture);
    if (!drawn)
        error(0, 0, "--plot %s: gnuplot(1) fails", path);
    return fine;
}
