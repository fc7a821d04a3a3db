/* SPDX-License-Identifier: MIT */
/* machine_lock_note.h - every lock and possible sleep is checked: ports/machine/lock_check.c. */
void machine_note_acquire(enum mmk_lock_class cls, const void *lock, bool tried);
void machine_note_release(enum mmk_lock_class cls, const void *lock);
void machine_note_may_sleep(void);

MMK_ALWAYS_INLINE void mmk_note_acquire(enum mmk_lock_class cls, const void *lock, bool tried)
{
    machine_note_acquire(cls, lock, tried);
}

MMK_ALWAYS_INLINE void mmk_note_release(enum mmk_lock_class cls, const void *lock)
{
    machine_note_release(cls, lock);
}

MMK_ALWAYS_INLINE void mmk_note_may_sleep(void)
{
    machine_note_may_sleep();
}
