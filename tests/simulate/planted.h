/* SPDX-License-Identifier: MIT */
/*
 * planted.h - runs a scenario that does what the library must not, in a process of its own, and
 * compares what the machine says to it.
 */
#ifndef TESTS_PLANTED_H
#define TESTS_PLANTED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

/* Nothing happens but what must: no task is kept from its next step. */
static unsigned choose_plain(struct fibers_chooser *self, enum fibers_choice choice, unsigned n,
                             const uint8_t *tasks)
{
    (void)self;
    (void)choice;
    (void)n;
    (void)tasks;
    return 0;
}

static struct fibers_chooser plain = {.choose = choose_plain};

/* What a run of the scenario says to `to`; nothing when it ends well. => does not return */
static void tell(const struct scenario *scenario, struct fibers_chooser *chooser, int to)
{
    const struct fibers_program program = {
        .cpus = scenario->cpus, .body = scenario->body, .most_steps = 100000};
    struct fibers_outcome outcome;

    if (!world_start(scenario, 1))
        _exit(2);
    outcome = fibers_run(&program, chooser);
    if (outcome.failure)
        (void)!write(to, outcome.failure, strlen(outcome.failure));
    _exit(0);
}

/* The run fails and says `text`; NULL: it does not fail. */
static void expect_from(const struct scenario *scenario, struct fibers_chooser *chooser,
                        const char *text)
{
    char said[512] = "";
    int ends[2], status;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        tell(scenario, chooser, ends[1]);
    close(ends[1]);
    (void)!read(ends[0], said, sizeof(said) - 1);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    if (!text) {
        assert_string_equal(said, "");
    } else if (!strstr(said, text)) {
        print_error("wanted \"%s\", got \"%s\"\n", text, said);
        fail();
    }
}

#endif
