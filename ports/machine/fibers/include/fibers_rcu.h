/* SPDX-License-Identifier: MIT */
/* fibers_rcu.h - read sections are counted; grace periods end when they may: fibers/rcu.c. */
void fibers_rcu_read_lock(void);
void fibers_rcu_read_unlock(void);

MMK_ALWAYS_INLINE void mmk_rcu_read_lock(void)
{
    fibers_rcu_read_lock();
}

MMK_ALWAYS_INLINE void mmk_rcu_read_unlock(void)
{
    fibers_rcu_read_unlock();
}
