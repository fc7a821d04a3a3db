/* SPDX-License-Identifier: MIT */
/* partner.c - see partner.h. It is told a case by a pipe, and answers in memory that both have. */
#include "partner.h"

#include "child.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRAPS = 0xffff }; /* in place of a case */

static struct {
    struct child child;
    int ask, answer;
    struct answer {
        double ns, call_ns;
    } * shared;
} own;

static void answer(const struct call_group *group, unsigned number)
{
    const struct call_case *wanted = &group->cases[number];

    if (number == TRAPS) {
        own.shared->ns = side_linux_trap_ns();
        own.shared->call_ns = side_linux_call_ns();
    } else if (side_linux.open()) {
        own.shared->ns = wanted->run(&side_linux, wanted->parameter);
        side_linux.close();
    } else {
        own.shared->ns = -1;
    }
}

/* Ends when the other end of the pipe is closed. */
static void serve(const struct call_group *group, const struct side_config *config, int asked,
                  int answered)
{
    unsigned number;

    if (!side_linux.begin(config))
        _exit(1);
    while (read(asked, &number, sizeof(number)) == sizeof(number)) {
        answer(group, number);
        if (write(answered, &number, sizeof(number)) != sizeof(number))
            break;
    }
    _exit(0);
}

bool partner_start(const struct call_group *group, const struct side_config *config)
{
    int ask[2], answered[2];

    own.shared = child_shared_memory(sizeof(*own.shared));
    if (pipe(ask) != 0 || pipe(answered) != 0) {
        fputs("mmkit bench: no pipe\n", stderr);
        return false;
    }
    if (child_fork(&own.child) == 0) {
        close(ask[1]);
        close(answered[0]);
        serve(group, config, ask[0], answered[1]);
    }
    close(ask[0]);
    close(answered[1]);
    own.ask = ask[1];
    own.answer = answered[0];
    return true;
}

/* What went wrong, if anything has. */
void partner_end(void)
{
    char text[512];
    int status;

    close(own.ask);
    close(own.answer);
    if (waitpid(own.child.pid, &status, 0) == own.child.pid &&
        !child_ended_well(&own.child, status, text, sizeof(text)))
        fprintf(stderr, "%s\n", text);
    munmap(own.shared, sizeof(*own.shared));
}

double partner_run(unsigned number)
{
    unsigned done;

    own.shared->ns = -1;
    if (write(own.ask, &number, sizeof(number)) != sizeof(number) ||
        read(own.answer, &done, sizeof(done)) != sizeof(done))
        return -1;
    return own.shared->ns;
}

void partner_traps(double *fault_ns, double *call_ns)
{
    *fault_ns = partner_run(TRAPS);
    *call_ns = own.shared->call_ns;
}
