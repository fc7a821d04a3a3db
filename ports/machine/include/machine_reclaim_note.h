/* SPDX-License-Identifier: MIT */
/* machine_reclaim_note.h - tells whoever watches reclaim: machine_watch_reclaim(). */
extern const struct machine_reclaim_watch *machine_reclaim_watch;

void machine_note_evicted(struct mmk_object *object, uint64_t index, bool used);
void machine_note_returned(struct mmk_object *object, uint64_t index);

MMK_ALWAYS_INLINE void mmk_note_evicted(struct mmk_object *object, uint64_t index, bool used)
{
    if (mmk_unlikely(machine_reclaim_watch != NULL))
        machine_note_evicted(object, index, used);
}

MMK_ALWAYS_INLINE void mmk_note_returned(struct mmk_object *object, uint64_t index)
{
    if (mmk_unlikely(machine_reclaim_watch != NULL))
        machine_note_returned(object, index);
}
