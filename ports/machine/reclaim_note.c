/* SPDX-License-Identifier: MIT */
/* reclaim_note.c - who watches what goes when memory is short, and what comes back. */
#include "internal.h"

const struct machine_reclaim_watch *machine_reclaim_watch;

void machine_watch_reclaim(const struct machine_reclaim_watch *watch)
{
    machine_reclaim_watch = watch;
}

void machine_note_evicted(struct mmk_object *object, uint64_t index, bool used)
{
    machine_reclaim_watch->evicted(machine_reclaim_watch->context, object, index, used);
}

void machine_note_returned(struct mmk_object *object, uint64_t index)
{
    machine_reclaim_watch->returned(machine_reclaim_watch->context, object, index);
}
