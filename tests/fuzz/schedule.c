/* SPDX-License-Identifier: MIT */
/*
 * schedule.c - any bytes are short sequences of calls for the CPUs of the deterministic machine
 * (cmd/simulate/calls.h), and then what is chosen there (STRATEGY_BYTES): who runs next, what
 * hardware does, what fails.
 *
 * The machine checks itself: translations, frames, locks, waiting; mmk_check() of all address
 * spaces follows, and what came out must come out of the flat model in some order of the steps.
 *
 * With FUZZ_PRINT set, the run is a child's, and is told: its calls, how it ended, and how `mmkit
 * simulate' repeats it. With FUZZ_PLANT, the library makes that mistake (cmd/simulate/corpus.c).
 */
#include "calls.h"
#include "child.h"
#include "corpus.h"
#include "deviations.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEVIATIONS = 4096 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *name = getenv("FUZZ_PLANT");
    const struct mistake *mistake = name ? corpus_find(name) : NULL;

    (void)argc;
    (void)argv;
    if (name && !mistake) {
        fprintf(stderr, "FUZZ_PLANT: %s is no mistake\n", name);
        return -1;
    }
    if (mistake)
        mmk_planted = mistake->planted;
    return 0;
}

/* Ends the process, if it fails. */
static void run(const struct scenario *scenario, struct strategy *strategy)
{
    struct fibers_outcome outcome = run_once(scenario, 1, strategy);

    if (outcome.failure) {
        fprintf(stderr, "%s\n", outcome.failure);
        abort();
    }
}

static void run_and_tell(const struct scenario *scenario, struct strategy *strategy)
{
    struct strategy *shared;
    struct deviation *list;
    int status;

    shared = child_shared_memory(sizeof(*shared) + DEVIATIONS * sizeof(*list));
    *shared = *strategy;
    list = (struct deviation *)(shared + 1);
    shared->run = (struct deviations){.list = list, .size = DEVIATIONS};
    calls_print(stdout);
    fflush(stdout);
    if (fork() == 0) {
        run(scenario, shared);
        _exit(0);
    }
    wait(&status);
    printf("%s: mmkit simulate --scenario %s --format tiny %s%s--replay ",
           status == 0 ? "goes well" : "fails", scenario->name,
           getenv("FUZZ_PLANT") ? "--plant " : "",
           getenv("FUZZ_PLANT") ? getenv("FUZZ_PLANT") : "");
    deviations_print(stdout, &shared->run);
    putchar('\n');
    fflush(stdout);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct strategy strategy = {.kind = STRATEGY_BYTES};
    char name[CALLS_NAME];
    size_t used = calls_name(bytes, size, name);

    if (used == 0)
        return -1;
    strategy.bytes = bytes + used;
    strategy.left = size - used;
    if (getenv("FUZZ_PRINT"))
        run_and_tell(calls_scenario(name), &strategy);
    else
        run(calls_scenario(name), &strategy);
    return 0;
}
