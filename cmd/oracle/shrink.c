/* SPDX-License-Identifier: MIT */
/* shrink.c - see shrink.h. */
#include "shrink.h"

#include "child.h"
#include "ddmin.h"
#include "possible.h"
#include "window.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_TRIES = 600 };

struct shrinking {
    struct ddmin list;
    struct failure *failure;
    struct op *rest; /* room for as many as there were */
};

/* The operations in `rest`: if they fail in the same way, they are the sequence now. */
static bool try(struct shrinking *shrinking, size_t count)
{
    struct failure *failure = shrinking->failure;
    const struct ops ops = {shrinking->rest, count};
    const struct sequence_options options = {.thorough = failure->thorough};
    char text[FAILURE_TEXT];

    if (run_one(&ops, &options, NULL, text) != RESULT_FAILURE ||
        !child_same_failure(text, failure->text))
        return false;
    memcpy(failure->ops.list, shrinking->rest, count * sizeof(*shrinking->rest));
    failure->ops.count = count;
    shrinking->list.count = count;
    memcpy(failure->text, text, sizeof(text));
    return true;
}

static bool try_without(struct ddmin *list, size_t start, size_t length)
{
    struct shrinking *shrinking = (struct shrinking *)list;
    const struct ops *ops = &shrinking->failure->ops;
    size_t behind = ops->count - start - length;

    memcpy(shrinking->rest, ops->list, start * sizeof(*ops->list));
    memcpy(shrinking->rest + start, ops->list + start + length, behind * sizeof(*ops->list));
    return try(shrinking, start + behind);
}

/* One argument of one operation becomes another. */
static bool try_argument(struct shrinking *shrinking, size_t number, unsigned argument,
                         uint64_t value)
{
    const struct ops *ops = &shrinking->failure->ops;
    struct op *op = &shrinking->rest[number];

    if (ops->list[number].args[argument] == value || shrinking->list.tries >= MOST_TRIES)
        return false;
    memcpy(shrinking->rest, ops->list, ops->count * sizeof(*ops->list));
    op->args[argument] = value;
    shrinking->list.tries++;
    return op_is_possible(op) && try(shrinking, ops->count);
}

/* Bits go one by one. */
static void simplify_bits(struct shrinking *shrinking, size_t number, unsigned argument)
{
    unsigned bit;

    for (bit = 0; bit < 32; bit++) {
        uint64_t now = shrinking->failure->ops.list[number].args[argument];

        if (now >> bit & 1)
            try_argument(shrinking, number, argument, now & ~((uint64_t)1 << bit));
    }
}

static void simplify_length(struct shrinking *shrinking, size_t number, unsigned argument)
{
    uint64_t now = shrinking->failure->ops.list[number].args[argument], pages;

    if (now > GIB)
        return; /* its size is the point */
    for (pages = 1; pages * PAGE < now; pages *= 2)
        if (try_argument(shrinking, number, argument, pages * PAGE))
            return;
}

static void simplify(struct shrinking *shrinking, size_t number)
{
    const enum argument *kinds;
    const struct op *op = &shrinking->failure->ops.list[number];
    unsigned count = call_arguments(op->call, &kinds), i;

    for (i = 0; i < count; i++)
        if (argument_is_bits(kinds[i]))
            simplify_bits(shrinking, number, i);
    if (op->call < CALL_MSEAL && count >= 2 && kinds[1] == ARG_NUMBER)
        simplify_length(shrinking, number, 1);
}

/*
 * Looked at closely it may show earlier, or as something else, which is the failure then; or no
 * more: to look at other processes flushes what one has in its TLB.
 */
static bool fails_again(struct failure *failure)
{
    const struct sequence_options close = {.thorough = true}, as_it_was = {.thorough = false};

    failure->thorough = run_one(&failure->ops, &close, NULL, failure->text) == RESULT_FAILURE;
    return failure->thorough ||
           run_one(&failure->ops, &as_it_was, NULL, failure->text) == RESULT_FAILURE;
}

unsigned shrink(struct failure *failure)
{
    struct shrinking shrinking = {.list = {.count = failure->ops.count,
                                           .tries = 1,
                                           .most = MOST_TRIES,
                                           .without = try_without},
                                  .failure = failure};
    size_t i;

    if (!fails_again(failure))
        return 0;
    shrinking.rest = calloc(failure->ops.count, sizeof(*shrinking.rest));
    if (!shrinking.rest)
        return 0;
    ddmin(&shrinking.list);
    for (i = 0; i < failure->ops.count; i++)
        simplify(&shrinking, i);
    ddmin(&shrinking.list);
    free(shrinking.rest);
    return shrinking.list.tries;
}
