/* SPDX-License-Identifier: MIT */
/*
 * machine_cpu.h - the calling thread's virtual CPU, as far as inline code needs to know it.
 * The rest of it, and how interrupts travel, is in ports/machine/cpu.c.
 */
struct machine_vcpu {
    unsigned number;
    bool interrupts_off; /* in the handler, or between mmk_percpu_enter() and leave */
    bool user_open;      /* between mmk_user_begin() and mmk_user_end() */
    uint64_t rcu_tag;    /* its address stands for "read sections ended here" to TSan */
    struct mmk_a32 pending MMK_CACHE_ALIGNED; /* an interrupt was sent and not taken yet */
};

/* NULL: the thread has not attached. The initial-exec model makes it one load. */
#ifdef MACHINE_FIBERS /* of one thread: whoever runs */
extern struct machine_vcpu *machine_self;
#else
extern __thread struct machine_vcpu *machine_self __attribute__((tls_model("initial-exec")));
#endif

MMK_NORETURN MMK_COLD void machine_not_attached(void);
void machine_relax(void);

MMK_ALWAYS_INLINE struct machine_vcpu *machine_this(void)
{
    struct machine_vcpu *self = machine_self;

#ifndef MACHINE_NO_LOCK_CHECK
    if (mmk_unlikely(!self))
        machine_not_attached();
#endif
    return self;
}

MMK_ALWAYS_INLINE unsigned mmk_cpu_id(void)
{
    return machine_this()->number;
}

MMK_ALWAYS_INLINE void mmk_cpu_relax(void)
{
    machine_relax();
}

MMK_ALWAYS_INLINE bool mmk_interrupts_on(void)
{
    return !machine_this()->interrupts_off;
}
