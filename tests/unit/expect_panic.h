/* SPDX-License-Identifier: MIT */
/*
 * expect_panic.h - runs something that must panic, in a child process, and checks what it said.
 * The child prints the panic to standard error and ends by SIGABRT (the machine port does that).
 *
 * It has one thread of the machine's several: what another one had locked of the host's in that
 * moment, a sanitizer's memory for example, stays locked. So one that hangs is made once more.
 */
#ifndef EXPECT_PANIC_H
#define EXPECT_PANIC_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXPECT_PANIC_SECONDS = 20, EXPECT_PANIC_TRIES = 3 };

/* The child's half: does not return. */
static inline void expect_panic_child(void (*function)(void *), void *argument, int error)
{
    const struct rlimit none = {0, 0};

    alarm(EXPECT_PANIC_SECONDS);
    (void)setrlimit(RLIMIT_CORE, &none);
    signal(SIGABRT, SIG_DFL); /* cmocka's handler would report a failing test */
    dup2(error, STDERR_FILENO);
    function(argument);
    _exit(0);
}

/* => *hung: the child said nothing, and did not end */
static inline bool expect_panic_once(void (*function)(void *), void *argument, const char *text,
                                     bool *hung)
{
    char said[4096];
    size_t length = 0;
    ssize_t n;
    int pipes[2], status = 0;
    pid_t child;

    fflush(NULL);
    if (pipe(pipes) != 0)
        return false;
    child = fork();
    if (child == 0)
        expect_panic_child(function, argument, pipes[1]);
    close(pipes[1]);
    while (length < sizeof(said) - 1 &&
           (n = read(pipes[0], said + length, sizeof(said) - 1 - length)) > 0)
        length += (size_t)n;
    said[length] = '\0';
    close(pipes[0]);
    *hung = false;
    if (child < 0 || waitpid(child, &status, 0) != child)
        return false;
    *hung = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(said, text))
        return true;
    fprintf(stderr, "expected a panic with \"%s\"; status %#x, it said: %s\n", text,
            (unsigned)status, said);
    return false;
}

/* True when function(argument) panicked with a message that contains `text`. */
static inline bool expect_panic(void (*function)(void *), void *argument, const char *text)
{
    bool as_expected = false, hung = true;
    unsigned tries;

    for (tries = 0; hung && tries < EXPECT_PANIC_TRIES; tries++)
        as_expected = expect_panic_once(function, argument, text, &hung);
    return as_expected;
}

#endif
