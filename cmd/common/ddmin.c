/* SPDX-License-Identifier: MIT */
/* ddmin.c - see ddmin.h. */
#include "ddmin.h"

/* One part after the other, of `length` elements. => whether any could go */
static bool leave_out_parts(struct ddmin *list, size_t length)
{
    bool any = false;
    size_t start = 0;

    while (start < list->count && list->tries < list->most) {
        size_t part = length < list->count - start ? length : list->count - start;

        list->tries++;
        if (list->without(list, start, part))
            any = true;
        else
            start += part;
    }
    return any;
}

void ddmin(struct ddmin *list)
{
    size_t length = list->count;
    bool any;

    while (length > 0 && list->tries < list->most) {
        any = leave_out_parts(list, length);
        if (length == 1 && !any)
            return;
        length = length > 1 ? length / 2 : 1;
    }
}
