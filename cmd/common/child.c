/* SPDX-License-Identifier: MIT */
/* child.c - see child.h. */
#include "child.h"

#include <errno.h>
#include <error.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { STATUS_NO_MEANS = 2, MESSAGES = 65536 };

/* A report ends the process, as it does with the other sanitizers; its end is not waited for. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "halt_on_error=1:atexit_sleep_ms=0";
}

static void become_child(const struct child *child)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(child->messages, STDERR_FILENO);
}

pid_t child_fork(struct child *child)
{
    if (!child->messages)
        child->messages = memfd_create("messages", 0);
    if (child->messages < 0 || ftruncate(child->messages, 0) != 0)
        error(STATUS_NO_MEANS, errno, "a file for messages");
    lseek(child->messages, 0, SEEK_SET);
    fflush(NULL);
    child->pid = fork();
    if (child->pid < 0)
        error(STATUS_NO_MEANS, errno, "fork");
    if (child->pid == 0)
        become_child(child);
    return child->pid;
}

static size_t read_messages(const struct child *child, char *text, size_t size)
{
    ssize_t length = pread(child->messages, text, size - 1, 0);

    text[length > 0 ? length : 0] = '\0';
    return length > 0 ? (size_t)length : 0;
}

/* The line that says what it is about; of a sanitizer's report that may be the last. */
static const char *telling_line(char *text)
{
    static const char *const telling[] = {"runtime error: ", "SUMMARY: "};
    char *line = NULL;
    unsigned i;

    for (i = 0; i < sizeof(telling) / sizeof(telling[0]) && !line; i++)
        line = strstr(text, telling[i]);
    while (line && line > text && line[-1] != '\n')
        line--;
    if (!line)
        line = text;
    line[strcspn(line, "\n")] = '\0';
    return line;
}

bool child_ended_well(const struct child *child, int status, char *text, size_t size)
{
    static char messages[MESSAGES];
    const char *line;

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        snprintf(text, size, "%s", CHILD_HANGS);
        return false;
    }
    read_messages(child, messages, sizeof(messages));
    line = telling_line(messages);
    if (*line)
        snprintf(text, size, "%s", line);
    else if (WIFSIGNALED(status))
        snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "exit status %d", WEXITSTATUS(status));
    return false;
}

bool child_lacked_means(int status)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status) == STATUS_NO_MEANS;
    return WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGXCPU ||
           WTERMSIG(status) == SIGXFSZ || WTERMSIG(status) == SIGTERM;
}

void child_show_messages(const struct child *child)
{
    static char messages[MESSAGES];
    size_t length = read_messages(child, messages, sizeof(messages));
    const char *newline = strchr(messages, '\n');

    if (newline && newline[1])
        fwrite(messages, 1, length, stderr);
}

bool child_same_failure(const char *a, const char *b)
{
    static const char ignored[] = "0123456789abcdefx";

    for (;;) {
        a += strspn(a, ignored);
        b += strspn(b, ignored);
        if (*a != *b)
            return false;
        if (*a == '\0')
            return true;
        a++;
        b++;
    }
}

void *child_shared_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        error(STATUS_NO_MEANS, errno, "memory to share");
    return memory;
}
