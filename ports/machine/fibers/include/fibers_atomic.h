/* SPDX-License-Identifier: MIT */
/*
 * fibers_atomic.h - <mmkit/port/atomic.h> for the deterministic machine: each access to a shared
 * word is a scheduling point (sched.c), then the access itself.
 */
#define MMK_RELAXED __ATOMIC_RELAXED
#define MMK_ACQUIRE __ATOMIC_ACQUIRE
#define MMK_RELEASE __ATOMIC_RELEASE
#define MMK_ACQ_REL __ATOMIC_ACQ_REL

struct mmk_a32 {
    uint32_t v;
};

struct mmk_a64 {
    uint64_t v;
};

struct mmk_aptr {
    void *v;
};

enum fibers_access { FIBERS_READ, FIBERS_WRITE };

/* Another CPU may run before the access to `word` that follows. */
void fibers_point(uintptr_t word, enum fibers_access access);

#define FIBERS_DEFINE_ATOMIC(kind, type)                                                           \
    MMK_ALWAYS_INLINE type mmk_##kind##_load(const struct mmk_##kind *p, int order)                \
    {                                                                                              \
        fibers_point((uintptr_t)p, FIBERS_READ);                                                   \
        return __atomic_load_n(&p->v, order);                                                      \
    }                                                                                              \
    MMK_ALWAYS_INLINE void mmk_##kind##_store(struct mmk_##kind *p, type value, int order)         \
    {                                                                                              \
        fibers_point((uintptr_t)p, FIBERS_WRITE);                                                  \
        __atomic_store_n(&p->v, value, order);                                                     \
    }                                                                                              \
    MMK_ALWAYS_INLINE type mmk_##kind##_xchg(struct mmk_##kind *p, type value, int order)          \
    {                                                                                              \
        fibers_point((uintptr_t)p, FIBERS_WRITE);                                                  \
        return __atomic_exchange_n(&p->v, value, order);                                           \
    }                                                                                              \
    MMK_ALWAYS_INLINE bool mmk_##kind##_cmpxchg(struct mmk_##kind *p, type *expected,              \
                                                type desired, int order)                           \
    {                                                                                              \
        fibers_point((uintptr_t)p, FIBERS_WRITE);                                                  \
        return __atomic_compare_exchange_n(&p->v, expected, desired, false, order,                 \
                                           __ATOMIC_RELAXED);                                      \
    }

FIBERS_DEFINE_ATOMIC(a32, uint32_t)
FIBERS_DEFINE_ATOMIC(a64, uint64_t)
FIBERS_DEFINE_ATOMIC(aptr, void *)

#define FIBERS_DEFINE_ATOMIC_OP(kind, type, op)                                                    \
    MMK_ALWAYS_INLINE type mmk_##kind##_fetch_##op(struct mmk_##kind *p, type value, int order)    \
    {                                                                                              \
        fibers_point((uintptr_t)p, FIBERS_WRITE);                                                  \
        return __atomic_fetch_##op(&p->v, value, order);                                           \
    }

FIBERS_DEFINE_ATOMIC_OP(a32, uint32_t, add)
FIBERS_DEFINE_ATOMIC_OP(a32, uint32_t, sub)
FIBERS_DEFINE_ATOMIC_OP(a32, uint32_t, or)
FIBERS_DEFINE_ATOMIC_OP(a32, uint32_t, and)
FIBERS_DEFINE_ATOMIC_OP(a64, uint64_t, add)
FIBERS_DEFINE_ATOMIC_OP(a64, uint64_t, sub)
FIBERS_DEFINE_ATOMIC_OP(a64, uint64_t, or)
FIBERS_DEFINE_ATOMIC_OP(a64, uint64_t, and)

MMK_ALWAYS_INLINE void mmk_full_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
