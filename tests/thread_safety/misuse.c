/* SPDX-License-Identifier: MIT */
/*
 * misuse.c - uses of locks, and misuses that clang's analysis has to report where it is said here.
 * Never compiled to code. thread_safety.py runs it; a function without a comment is right.
 */
#include "frame.h"
#include "map.h"
#include "object.h"
#include "table.h"

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

/* --- tables, and the read sections in which they are found -------------------------------------
 */

void right_walk(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    struct mmk_walk walk;

    mmk_rcu_read_lock();
    mmk_walk_lock(mm, addr, &walk);
    (void)mmk_walk_next_path(&walk, MMK_USER_END);
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
}

void outside_of_a_section(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    struct mmk_walk walk;

    mmk_walk_rcu(mm, addr, &walk); /* expected-warning {{requires holding RCU read section}} */
}

void section_left_too_early(struct mmk_mm *mm, mmk_vaddr_t addr, struct mmk_gather *gather)
{
    struct mmk_walk walk;

    mmk_rcu_read_lock();
    mmk_walk_lock(mm, addr, &walk);
    mmk_rcu_read_unlock();
    /* expected-warning@+1 {{'mmk_table_unlock_free' requires holding RCU read section}} */
    mmk_table_unlock_free(&walk, gather);
}

void section_never_left(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    struct mmk_walk walk;

    mmk_rcu_read_lock(); /* expected-note {{RCU read section acquired here}} */
    mmk_walk_rcu(mm, addr, &walk);
} /* expected-warning {{RCU read section 'mmk_rcu' is still held at the end of function}} */

void set_in_a_table_that_is_not_locked(struct mmk_mm *mm, mmk_vaddr_t addr, mmk_pte_t pte)
{
    struct mmk_walk walk;

    mmk_rcu_read_lock();
    mmk_walk_rcu(mm, addr, &walk);
    mmk_walk_set_leaf(&walk, pte); /* expected-warning {{requires holding spinlock}} */
    mmk_rcu_read_unlock();
}

void wrong_table(struct mmk_mm *mm, mmk_vaddr_t addr, mmk_vaddr_t other, mmk_pte_t pte)
{
    struct mmk_walk walk, far;

    mmk_rcu_read_lock();
    mmk_walk_rcu(mm, other, &far);
    mmk_walk_lock(mm, addr, &walk); /* what is locked is near */
    /* expected-warning@+2 {{requires holding spinlock 'far.table->.table.lock'}} */
    /* expected-note@+1 {{found near match 'walk.table->.table.lock'}} */
    mmk_walk_set_leaf(&far, pte);
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
}

bool table_left_locked(struct mmk_mm *mm, mmk_vaddr_t addr)
{
    struct mmk_walk walk;

    mmk_rcu_read_lock();
    mmk_walk_lock(mm, addr, &walk); /* expected-note {{spinlock acquired here}} */
    if (walk.level == 0) {
        mmk_rcu_read_unlock();
        return true;
    }
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    return false; /* expected-warning@+1 {{is not held on every path through here}} */
}

void locked_twice(struct mmk_page *table)
{
    mmk_table_lock(table); /* expected-note {{spinlock acquired here}} */
    mmk_table_lock(table); /* expected-warning {{acquiring spinlock}} */
    mmk_table_unlock(table);
}

void count_without_the_lock(struct mmk_page *table, struct mmk_page *other)
{
    mmk_table_lock(other);
    /* expected-warning@+2 {{requires holding spinlock 'table->.table.lock'}} */
    /* expected-note@+1 {{found near match 'other->.table.lock'}} */
    mmk_pte_put_many(table, 1);
    mmk_table_unlock(other);
}

/* --- objects, pages, CPUs ----------------------------------------------------------------------
 */

int right_page(struct mmk_object *object)
{
    struct mmk_page *page;
    int error = mmk_object_get_page(object, 0, &page);

    if (error)
        return error;
    (void)mmk_page_take_dirty(page);
    mmk_page_unlock(page);
    mmk_page_put(page);
    return 0;
}

int page_left_locked(struct mmk_object *object)
{
    struct mmk_page *page;
    int error =
        mmk_object_get_page(object, 0, &page); /* expected-note {{page lock acquired here}} */

    if (error)
        return error;
    mmk_page_put(page);
    return 0; /* expected-warning@+1 {{page lock 'page' is not held on every path through here}} */
}

bool page_not_locked(struct mmk_page *page)
{
    return mmk_page_take_dirty(page); /* expected-warning {{requires holding page lock 'page'}} */
}

struct mmk_page *index_without_its_lock(struct mmk_object *object)
{
    mmk_rw_write_lock(&object->invalidate, MMK_LOCK_INVALIDATE);
    /* expected-warning@+1 {{requires holding spinlock 'object->index_lock' exclusively}} */
    struct mmk_page *page = mmk_page_index_remove_locked(mmk_object_pages(object), 0);

    mmk_rw_write_unlock(&object->invalidate, MMK_LOCK_INVALIDATE);
    return page;
}

void mappings_changed_by_a_reader(struct mmk_object *object, struct mmk_interval *interval)
{
    mmk_rw_read_lock(&object->interval_lock, MMK_LOCK_INTERVAL);
    /* expected-warning@+1 {{requires holding rwlock 'object->interval_lock' exclusively}} */
    mmk_interval_insert(mmk_object_vmas(object), interval);
    mmk_rw_read_unlock(&object->interval_lock, MMK_LOCK_INTERVAL);
}

void cpu_not_kept(struct mmk_a64 *share)
{
    mmk_percpu_add(share, 1); /* expected-warning {{requires holding per-CPU section}} */
}

void cpu_kept_twice(struct mmk_a64 *share)
{
    unsigned long outer = mmk_percpu_enter(); /* expected-note {{per-CPU section acquired here}} */
    unsigned long inner = mmk_percpu_enter(); /* expected-warning {{acquiring per-CPU section}} */

    mmk_percpu_add(share, 1);
    mmk_percpu_leave(inner); /* expected-note {{per-CPU section released here}} */
    mmk_percpu_leave(outer); /* expected-warning {{releasing per-CPU section}} */
}
