/* SPDX-License-Identifier: MIT */
/* machine_held_note.h - what code relies on is held: ports/machine/lock_check.c. */
void machine_note_held(enum mmk_lock_class cls, const void *lock);
void machine_note_rcu(enum mmk_lock_class instead);

MMK_ALWAYS_INLINE void mmk_note_held(enum mmk_lock_class cls, const void *lock)
{
    machine_note_held(cls, lock);
}

MMK_ALWAYS_INLINE void mmk_note_rcu(enum mmk_lock_class instead)
{
    machine_note_rcu(instead);
}
