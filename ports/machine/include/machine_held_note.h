/* SPDX-License-Identifier: MIT */
/* machine_held_note.h - what is said to be held is: ports/machine/lock_check.c. */
void machine_note_held(enum mmk_lock_class cls, const void *lock);

MMK_ALWAYS_INLINE void mmk_note_held(enum mmk_lock_class cls, const void *lock)
{
    machine_note_held(cls, lock);
}
