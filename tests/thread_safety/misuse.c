/* SPDX-License-Identifier: MIT */
/*
 * misuse.c - uses of locks, and misuses that clang's analysis has to report where it is said here.
 * Never compiled to code. thread_safety.py runs it; a function without a comment is right.
 */
#include "map.h"

static void change(struct mmk_mm *mm) MMK_REQUIRES(mm->mmap_lock)
{
    mm->brk++;
}

static mmk_vaddr_t look(const struct mmk_mm *mm) MMK_REQUIRES_SHARED(mm->mmap_lock)
{
    return mm->brk;
}

int right(struct mmk_mm *mm)
{
    int error = mmk_mm_write_lock(mm);

    if (error)
        return error;
    change(mm);
    mmk_rw_downgrade(&mm->mmap_lock);
    (void)look(mm);
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return 0;
}

void without(struct mmk_mm *mm)
{
    change(mm); /* expected-warning {{requires holding rwlock 'mm->mmap_lock' exclusively}} */
}

int ignoring_the_answer(struct mmk_mm *mm)
{
    int error = mmk_mm_read_lock(mm);

    (void)look(mm); /* expected-warning {{requires holding rwlock 'mm->mmap_lock'}} */
    if (!error)
        mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return error;
}

int shared_for_exclusive(struct mmk_mm *mm)
{
    if (mmk_mm_read_lock(mm))
        return MMK_EINTR;
    change(mm); /* expected-warning {{requires holding rwlock 'mm->mmap_lock' exclusively}} */
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return 0;
}

void after_the_downgrade(struct mmk_mm *mm)
{
    mmk_rw_write_lock(&mm->mmap_lock, MMK_LOCK_MMAP);
    mmk_rw_downgrade(&mm->mmap_lock);
    change(mm); /* expected-warning {{requires holding rwlock 'mm->mmap_lock' exclusively}} */
    mmk_rw_read_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
}

/* expected-note@+4 {{found near match 'other->mmap_lock'}} */
void another_address_space(struct mmk_mm *mm, struct mmk_mm *other)
{
    mmk_rw_write_lock(&other->mmap_lock, MMK_LOCK_MMAP);
    change(mm); /* expected-warning {{requires holding rwlock 'mm->mmap_lock' exclusively}} */
    mmk_rw_write_unlock(&other->mmap_lock, MMK_LOCK_MMAP);
}

int left_held(struct mmk_mm *mm, bool give_up)
{
    int error = mmk_mm_write_lock(mm); /* expected-note {{rwlock acquired here}} */

    if (error)
        return error;
    if (give_up)
        return MMK_ENOMEM;
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
    return 0; /* expected-warning@+1 {{rwlock 'mm->mmap_lock' is not held on every path}} */
}

int released_twice(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end)
{
    int error = mmk_mm_write_lock(mm);

    if (error)
        return error;
    error = mmk_unmap_and_unlock(mm, start, end);       /* expected-note {{rwlock released here}} */
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP); /* expected-warning {{releasing rwlock}} */
    return error;
}

void wrong_way_out(struct mmk_mm *mm)
{
    mmk_rw_read_lock(&mm->mmap_lock, MMK_LOCK_MMAP); /* expected-note {{rwlock acquired here}} */
    /* expected-warning@+1 {{using exclusive access, expected shared access}} */
    mmk_rw_write_unlock(&mm->mmap_lock, MMK_LOCK_MMAP);
}
