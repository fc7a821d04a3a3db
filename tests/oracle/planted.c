/* SPDX-License-Identifier: MIT */
/*
 * planted.c - `mmkit oracle' with a library that makes a mistake: it has to be found. The mistake
 * is the first argument, the rest are the oracle's.
 */
#include "oracle_cmd.h"
#include "planted.h"

#include <stdio.h>
#include <string.h>

enum mmk_mistake mmk_planted;

static const struct {
    const char *name;
    enum mmk_mistake mistake;
} mistakes[] = {
    {"flush-one-short", MMK_MISTAKE_FLUSH_ONE_SHORT},
    {"move-unflushed", MMK_MISTAKE_MOVE_UNFLUSHED},
    {"fork-unflushed", MMK_MISTAKE_FORK_UNFLUSHED},
};

int main(int argc, char **argv)
{
    unsigned i;

    for (i = 0; argc > 1 && i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
        if (strcmp(argv[1], mistakes[i].name) == 0)
            mmk_planted = mistakes[i].mistake;
    if (mmk_planted == MMK_MISTAKE_NONE) {
        fprintf(stderr, "usage: planted MISTAKE [OPTION...]\n");
        return 2;
    }
    argv[1] = argv[0];
    return oracle_cmd(argc - 1, argv + 1);
}
