/* SPDX-License-Identifier: MIT */
/* machine_inject.h - allocations that fail on demand, per thread: ports/machine/inject.c. */
extern __thread bool machine_inject_armed __attribute__((tls_model("initial-exec")));

bool machine_inject(void);

MMK_ALWAYS_INLINE bool mmk_inject(enum mmk_inject_point point)
{
    return point < MMK_INJECT_ALLOCATIONS && mmk_unlikely(machine_inject_armed) && machine_inject();
}
