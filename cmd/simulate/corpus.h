/* SPDX-License-Identifier: MIT */
/*
 * corpus.h - the mistakes that src/planted.h plants: what each is, and the scenario that shows it.
 */
#ifndef SIMULATE_CORPUS_H
#define SIMULATE_CORPUS_H

#include "planted.h"

struct mistake {
    enum mmk_mistake planted;
    const char *name;
    const char *what;     /* what is done wrong, and what it would lead to */
    const char *scenario; /* that finds it */
};

/* Ends with one without a name. */
extern const struct mistake corpus[];

/* => NULL: there is none of that name */
const struct mistake *corpus_find(const char *name);

/*
 * Where one matters in some page-table formats alone, what their names begin with; NULL: in all. It
 * is searched for by programs that have one of these.
 */
const char *corpus_family(const struct mistake *mistake);

#endif
