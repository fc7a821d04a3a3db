/* SPDX-License-Identifier: MIT */
/*
 * child.h - processes for what may end badly: what they print to stderr is kept, and told only of
 * one that fails.
 */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child {
    pid_t pid;
    int messages; /* a file in memory; 0: not there yet */
};

enum { CHILD_SILENCE = 120 }; /* seconds without the end of a run, after which it hangs */

/* What is said of that. */
#define CHILD_HANGS "hangs: makes no step"

/* fork(2). => 0 in the child, which ends by _exit(), and does not outlive the parent */
pid_t child_fork(struct child *child);

/* From waitpid(). => false: it ended badly; why is in `text` */
bool child_ended_well(const struct child *child, int status, char *text, size_t size);

/*
 * It ended for want of memory or the like, or by somebody else's hand (the OOM killer's, a
 * limit's): that tells nothing of what it did. A child without means says so by exit status 2.
 */
bool child_lacked_means(int status);

/* What the last one has printed, if that is more than the line that is in the text. */
void child_show_messages(const struct child *child);

/* Two texts say the same, but for numbers, which may be addresses, or a process's. */
bool child_same_failure(const char *a, const char *b);

/* Memory that a child writes and the parent reads. => zeros; never NULL */
void *child_shared_memory(size_t size);

#endif
