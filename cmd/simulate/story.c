/* SPDX-License-Identifier: MIT */
/*
 * story.c - see story.h.
 *
 * addr2line(1) knows the source lines; where it is not installed, or nothing was compiled with -g,
 * the steps and CPUs alone are told.
 */
#include "story.h"

#include <execinfo.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 512, CALLERS = 3 };

/* ---- writing down ---------------------------------------------------------------------------- */

static struct story *recorded;
static bool preempted; /* by the answer given last */

static struct moment *next_moment(const struct strategy *strategy)
{
    static struct moment surplus;
    struct moment *moment =
        recorded->count < STORY_MOMENTS ? &recorded->moment[recorded->count] : &surplus;

    recorded->count++;
    *moment = (struct moment){.step = strategy->chooser.step};
    moment->frames = backtrace(moment->frame, STORY_FRAMES);
    return moment;
}

static void watch(struct strategy *strategy, enum fibers_choice choice, unsigned answer,
                  const uint8_t *tasks)
{
    struct moment *moment;

    preempted = answer && choice == FIBERS_PREEMPT;
    if (!answer || tasks)
        return;
    moment = next_moment(strategy);
    moment->choice = choice;
    moment->answer = answer;
}

static void switched(struct fibers_chooser *self, unsigned from, unsigned to)
{
    struct moment *moment = next_moment((const struct strategy *)self);

    moment->choice = preempted ? FIBERS_PREEMPT : FIBERS_NEXT;
    moment->from = (uint8_t)from;
    moment->to = (uint8_t)to;
    preempted = false;
}

void story_record(struct story *story, struct strategy *strategy)
{
    recorded = story;
    strategy->watch = watch;
    strategy->chooser.switched = switched;
}

void story_prepare(void)
{
    void *frame[1];

    backtrace(frame, 1); /* the first time it loads a library */
}

/* ---- where that is --------------------------------------------------------------------------- */

struct place {
    char where[LINE];
};

/* The machinery between the library's code and the scheduler is no news to anybody. */
static bool is_machinery(const char *file)
{
    static const char *const parts[] = {"/fibers/", "/fibers_", "cmd/simulate/story.c",
                                        "cmd/simulate/strategy.c", "include/mmkit/port/"};
    unsigned i;

    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strstr(file, parts[i]))
            return true;
    return *file == '?';
}

static const char *from_root(const char *file)
{
    const char *up = strstr(file, "/../");

    while (up && strstr(up + 1, "/../"))
        up = strstr(up + 1, "/../");
    return up ? up + 4 : file;
}

static void append(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void append(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
}

/* What addr2line says of one moment's frames: pairs of lines, function and FILE:LINE. */
static void read_place(FILE *lines, struct place *place)
{
    char function[LINE], file[LINE];
    int callers = -1;

    place->where[0] = '\0';
    while (fgets(function, sizeof(function), lines) && fgets(file, sizeof(file), lines)) {
        function[strcspn(function, "\n")] = '\0';
        file[strcspn(file, " \n")] = '\0';
        if (is_machinery(file) || callers == CALLERS)
            continue;
        if (callers < 0)
            append(place->where, LINE, "%s (%s)", from_root(file), function);
        else
            append(place->where, LINE, "%s %s", callers == 0 ? ", in" : " <", function);
        callers++;
    }
}

static int find_base(struct dl_phdr_info *info, size_t size, void *base)
{
    (void)size;
    *(uintptr_t *)base = (uintptr_t)info->dlpi_addr;
    return 1; /* the first is the program */
}

static void find_place(const struct moment *moment, struct place *place)
{
    char command[LINE];
    uintptr_t base = 0;
    FILE *lines;
    int i;

    dl_iterate_phdr(find_base, &base);
    snprintf(command, sizeof(command), "addr2line -f -i -e /proc/%d/exe 2>/dev/null",
             (int)getpid());
    for (i = 0; i < moment->frames; i++)
        append(command, sizeof(command), " %#lx",
               (unsigned long)((uintptr_t)moment->frame[i] - base - 1));
    place->where[0] = '\0';
    lines = popen(command, "r");
    if (!lines)
        return;
    read_place(lines, place);
    pclose(lines);
}

/* ---- telling --------------------------------------------------------------------------------- */

static void tell_moment(const struct moment *moment, char *text, size_t size)
{
    static const char *const names[FIBERS_CHOICES] = {[FIBERS_INTERRUPT] = "an interrupt arrives",
                                                      [FIBERS_INJECT] = "fails as injected",
                                                      [FIBERS_VALUE] = "loads an older value",
                                                      [FIBERS_HARDWARE] = "the hardware acts"};
    struct place place;

    find_place(moment, &place);
    append(text, size, "    step %lu: ", (unsigned long)moment->step);
    if (moment->choice == FIBERS_PREEMPT)
        append(text, size, "CPU %u stops, CPU %u runs", moment->from, moment->to);
    else if (moment->choice == FIBERS_NEXT)
        append(text, size, "CPU %u waits or is done, CPU %u runs", moment->from, moment->to);
    else
        append(text, size, "%s (%u)", names[moment->choice], moment->answer);
    if (place.where[0])
        append(text, size, "; at %s", place.where);
    append(text, size, "\n");
}

void story_tell(const struct story *story, char *text, size_t size)
{
    size_t i;

    text[0] = '\0';
    for (i = 0; i < story->count && i < STORY_MOMENTS; i++)
        tell_moment(&story->moment[i], text, size);
    if (story->count > STORY_MOMENTS)
        append(text, size, "    ... and %zu moments more\n", story->count - STORY_MOMENTS);
}
