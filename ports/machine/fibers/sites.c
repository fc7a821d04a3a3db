/* SPDX-License-Identifier: MIT */
/*
 * sites.c - the places in the library that name a memory order, and each of these orders made one
 * step weaker.
 *
 * An inline function of a header is in the section once for each file that includes it: a place is
 * a file, a line, an operation, a word and an order.
 */
#include "weak.h"

#include <string.h>

#define PLACES 1024

extern struct fibers_site __start_fibers_sites[], __stop_fibers_sites[];

static struct fibers_mutant mutants[PLACES];
static unsigned count, planted;
static uint16_t planted_number;

/* From "src/" or "include/mmkit/" on. => NULL: not the library's */
static const char *path_of(const char *file)
{
    const char *path = strstr(file, "include/mmkit/");

    if (!path)
        path = strstr(file, "src/");
    return path;
}

static bool is_of(const struct fibers_site *site, const struct fibers_mutant *mutant)
{
    return site->line == mutant->line && site->op == mutant->op && site->order == mutant->order &&
           strcmp(path_of(site->file), mutant->file) == 0 && strcmp(site->word, mutant->word) == 0;
}

static void add(const struct fibers_site *site, uint16_t number, int weaker)
{
    mmk_assert(count < PLACES, "fibers: too many places that name an order");
    mutants[count++] = (struct fibers_mutant){.file = path_of(site->file),
                                              .word = site->word,
                                              .line = site->line,
                                              .number = number,
                                              .op = (enum fibers_op)site->op,
                                              .order = site->order,
                                              .weaker = weaker};
}

/* One step: acquire and release to relaxed, both to either, a full barrier to an acq_rel fence. */
static void add_all(const struct fibers_site *site, uint16_t number)
{
    switch (site->order) {
    case MMK_ACQUIRE:
    case MMK_RELEASE:
        add(site, number, MMK_RELAXED);
        break;
    case MMK_ACQ_REL:
        add(site, number, MMK_ACQUIRE);
        add(site, number, MMK_RELEASE);
        break;
    case __ATOMIC_SEQ_CST:
        add(site, number, MMK_ACQ_REL);
        break;
    default:
        break;
    }
}

static void look(struct fibers_site *site, uint16_t *last)
{
    unsigned i = 0;

    if (site->order == MMK_RELAXED || !path_of(site->file))
        return;
    while (i < count && !is_of(site, &mutants[i]))
        i++;
    site->number = i < count ? mutants[i].number : ++*last;
    if (i == count)
        add_all(site, site->number);
}

unsigned fibers_mutants(const struct fibers_mutant **list)
{
    struct fibers_site *site;
    uint16_t last = 0;

    if (count == 0)
        for (site = __start_fibers_sites; site < __stop_fibers_sites; site++)
            look(site, &last);
    *list = mutants;
    return count;
}

void fibers_plant(const struct fibers_mutant *mutant)
{
    planted = mutant ? (unsigned)(mutant - mutants) : 0;
    planted_number = mutant ? mutant->number : 0;
}

bool sites_in_library(const struct fibers_site *site)
{
    return path_of(site->file) != NULL;
}

int sites_order(const struct fibers_site *site)
{
    return mmk_unlikely(site->number != 0 && site->number == planted_number)
               ? mutants[planted].weaker
               : site->order;
}
