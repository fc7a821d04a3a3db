/* SPDX-License-Identifier: MIT */
/*
 * machine_percpu.h - a thread is a CPU, so nobody moves; interrupts are held off as a kernel that
 * allocates frames in interrupt context would.
 */
MMK_ALWAYS_INLINE unsigned long mmk_percpu_enter(void)
{
    struct machine_vcpu *self = machine_this();
    unsigned long state = self->interrupts_off;

    self->interrupts_off = true;
    return state;
}

MMK_ALWAYS_INLINE void mmk_percpu_leave(unsigned long state)
{
    machine_this()->interrupts_off = state != 0;
}
