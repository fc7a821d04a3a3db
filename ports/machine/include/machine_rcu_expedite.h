/* SPDX-License-Identifier: MIT */
/* machine_rcu_expedite.h - the thread that runs callbacks does not wait for more: rcu.c. */

void machine_rcu_expedite(void);

MMK_ALWAYS_INLINE void mmk_rcu_expedite(void)
{
    machine_rcu_expedite();
}
