/* SPDX-License-Identifier: MIT */
/*
 * atomic.h - hot port contract: every word that two CPUs may touch at once goes through here.
 *
 * The words are small structs, so that a plain access does not compile by accident and the header
 * compiles as C++. Each access names its order. There are no stand-alone acquire or release
 * fences (ThreadSanitizer misjudges them); mmk_full_barrier() is for the few places where a store
 * must be seen before a later load is made.
 *
 * Only 32 and 64 bits: some targets have no smaller atomic operations without a library.
 *
 * MMK_PORT_ATOMIC: a port may supply all of this itself (the simulator does).
 */
#ifndef MMKIT_PORT_ATOMIC_H
#define MMKIT_PORT_ATOMIC_H

#include <mmkit/port/annotate.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef MMK_PORT_ATOMIC
#include MMK_PORT_ATOMIC
#else

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

/*
 * For each kind K of word (a32, a64, aptr):
 *   mmk_K_load(p, order), mmk_K_store(p, value, order)
 *   mmk_K_xchg(p, value, order)                     => the old value
 *   mmk_K_cmpxchg(p, &expected, desired, order)     => true when stored; else expected is the
 *                                                      value found, read relaxed
 */
#define MMK_DEFINE_ATOMIC(kind, type)                                                              \
    MMK_ALWAYS_INLINE type mmk_##kind##_load(const struct mmk_##kind *p, int order)                \
    {                                                                                              \
        return __atomic_load_n(&p->v, order);                                                      \
    }                                                                                              \
    MMK_ALWAYS_INLINE void mmk_##kind##_store(struct mmk_##kind *p, type value, int order)         \
    {                                                                                              \
        __atomic_store_n(&p->v, value, order);                                                     \
    }                                                                                              \
    MMK_ALWAYS_INLINE type mmk_##kind##_xchg(struct mmk_##kind *p, type value, int order)          \
    {                                                                                              \
        return __atomic_exchange_n(&p->v, value, order);                                           \
    }                                                                                              \
    MMK_ALWAYS_INLINE bool mmk_##kind##_cmpxchg(struct mmk_##kind *p, type *expected,              \
                                                type desired, int order)                           \
    {                                                                                              \
        return __atomic_compare_exchange_n(&p->v, expected, desired, false, order,                 \
                                           __ATOMIC_RELAXED);                                      \
    }

MMK_DEFINE_ATOMIC(a32, uint32_t)
MMK_DEFINE_ATOMIC(a64, uint64_t)
MMK_DEFINE_ATOMIC(aptr, void *)

/* For the integers: mmk_K_fetch_add, _sub, _or, _and (p, value, order) => the old value. */
#define MMK_DEFINE_ATOMIC_OP(kind, type, op)                                                       \
    MMK_ALWAYS_INLINE type mmk_##kind##_fetch_##op(struct mmk_##kind *p, type value, int order)    \
    {                                                                                              \
        return __atomic_fetch_##op(&p->v, value, order);                                           \
    }

MMK_DEFINE_ATOMIC_OP(a32, uint32_t, add)
MMK_DEFINE_ATOMIC_OP(a32, uint32_t, sub)
MMK_DEFINE_ATOMIC_OP(a32, uint32_t, or)
MMK_DEFINE_ATOMIC_OP(a32, uint32_t, and)
MMK_DEFINE_ATOMIC_OP(a64, uint64_t, add)
MMK_DEFINE_ATOMIC_OP(a64, uint64_t, sub)
MMK_DEFINE_ATOMIC_OP(a64, uint64_t, or)
MMK_DEFINE_ATOMIC_OP(a64, uint64_t, and)

/* Every access before it is seen by all CPUs before any access after it. */
MMK_ALWAYS_INLINE void mmk_full_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif /* MMK_PORT_ATOMIC */

#ifdef __cplusplus
}
#endif

#endif
