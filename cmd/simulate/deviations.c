/* SPDX-License-Identifier: MIT */
/* deviations.c - see deviations.h. */
#include "deviations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char plain[] = "plain";

static bool parse_field(const char **text, char end, uint32_t *field)
{
    unsigned long number;
    char *rest;

    if (**text < '0' || **text > '9')
        return false; /* strtoul would take signs and spaces */
    errno = 0;
    number = strtoul(*text, &rest, 10);
    if (errno != 0 || number > UINT32_MAX || (*rest != end && (*rest != '\0' || end != ',')))
        return false;
    *field = (uint32_t)number;
    *text = *rest == '\0' ? rest : rest + 1;
    return true;
}

static size_t count_fields(const char *text)
{
    size_t count = 1;

    for (; *text != '\0'; text++)
        count += *text == ',';
    return count;
}

bool deviations_parse(const char *text, struct deviations *deviations)
{
    struct deviation *next;

    *deviations = (struct deviations){.size = count_fields(text)};
    deviations->list = calloc(deviations->size, sizeof(*deviations->list));
    if (!deviations->list)
        return false;
    if (strcmp(text, plain) == 0)
        return true;
    do {
        next = &deviations->list[deviations->count];
        if (!parse_field(&text, ':', &next->step) || !parse_field(&text, ',', &next->answer))
            return false;
        if (deviations->count > 0 && next[-1].step >= next->step)
            return false;
    } while (++deviations->count < deviations->size);
    return *text == '\0';
}

void deviations_print(FILE *stream, const struct deviations *deviations)
{
    size_t i;

    if (deviations->count == 0)
        fputs(plain, stream);
    for (i = 0; i < deviations->count; i++)
        fprintf(stream, "%s%u:%u", i > 0 ? "," : "", deviations->list[i].step,
                deviations->list[i].answer);
}
