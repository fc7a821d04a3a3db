/* SPDX-License-Identifier: MIT */
/*
 * fibers_atomic.h - <mmkit/port/atomic.h> for the deterministic machine: each access to a shared
 * word is a scheduling point (sched.c), then the access itself, or what weak memory makes of it
 * (memory.c).
 *
 * The operations are macros, so that each place that names an order is known by file and line: the
 * section fibers_sites lists them, and one can be made weaker while the program runs (sites.c).
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

enum fibers_op {
    FIBERS_LOAD,
    FIBERS_STORE,
    FIBERS_XCHG,
    FIBERS_CMPXCHG,
    FIBERS_ADD,
    FIBERS_SUB,
    FIBERS_OR,
    FIBERS_AND,
    FIBERS_BARRIER
};

/* 32 bytes, which no compiler aligns to more: the section is an array of them. */
struct fibers_site {
    const char *file, *word; /* as it is written there */
    uint32_t line;
    uint8_t op, order;
    uint16_t number; /* sites.c: of the place, which may have several of these; 0: not yet known */
} __attribute__((aligned(32)));

#define FIBERS_SITE(op, order, word)                                                               \
    (__extension__({                                                                               \
        static struct fibers_site site_ __attribute__((section("fibers_sites"), used)) = {         \
            __FILE__, word, __LINE__, op, order, 0};                                               \
        &site_;                                                                                    \
    }))

/* Another CPU may run before the access to `word` that follows. */
void fibers_point(uintptr_t word, enum fibers_access access);

/* A plain store follows: what is there is lost. */
void fibers_overwrites(uintptr_t word);

/*
 * memory.c: the access that follows the point, when memory is weak; of 4 or 8 bytes. So is any,
 * where the compiler notes plain accesses (plain.c): it would note these.
 */
extern bool fibers_weak;
#ifdef FIBERS_PLAIN
#define FIBERS_OUT_OF_LINE true
#else
#define FIBERS_OUT_OF_LINE mmk_unlikely(fibers_weak)
#endif
uint64_t fibers_weak_load(const void *word, unsigned size, const struct fibers_site *site);
void fibers_weak_store(void *word, unsigned size, uint64_t value, const struct fibers_site *site);
/* Likewise what site->op says. => the old value */
uint64_t fibers_weak_change(void *word, unsigned size, uint64_t value,
                            const struct fibers_site *site);
bool fibers_weak_cmpxchg(void *word, unsigned size, uint64_t *expected, uint64_t desired,
                         const struct fibers_site *site);
void fibers_weak_barrier(const struct fibers_site *site);

/* ThreadSanitizer does not watch the machinery (FIBER_TSAN), but has to know what that orders. */
#ifdef FIBER_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);

MMK_ALWAYS_INLINE void fibers_tell_before(const void *word, int order)
{
    if (order == MMK_RELEASE || order == MMK_ACQ_REL)
        __tsan_release((void *)(uintptr_t)word);
}

MMK_ALWAYS_INLINE void fibers_tell_after(const void *word, int order)
{
    if (order == MMK_ACQUIRE || order == MMK_ACQ_REL)
        __tsan_acquire((void *)(uintptr_t)word);
}
#else
#define fibers_tell_before(word, order) ((void)0)
#define fibers_tell_after(word, order)  ((void)0)
#endif

#define FIBERS_DEFINE_ATOMIC(kind, type)                                                           \
    MMK_ALWAYS_INLINE type fibers_##kind##_load(const struct mmk_##kind *p, int order,             \
                                                const struct fibers_site *site)                    \
    {                                                                                              \
        type value;                                                                                \
                                                                                                   \
        fibers_point((uintptr_t)p, FIBERS_READ);                                                   \
        if (FIBERS_OUT_OF_LINE)                                                                    \
            return (type)(uintptr_t)fibers_weak_load(p, sizeof(*p), site);                         \
        value = __atomic_load_n(&p->v, order);                                                     \
        fibers_tell_after(p, order);                                                               \
        return value;                                                                              \
    }                                                                                              \
    MMK_ALWAYS_INLINE void fibers_##kind##_store(struct mmk_##kind *p, type value, int order,      \
                                                 const struct fibers_site *site)                   \
    {                                                                                              \
        fibers_point((uintptr_t)p, FIBERS_WRITE);                                                  \
        if (sizeof(*p) == sizeof(uint64_t))                                                        \
            fibers_overwrites((uintptr_t)p);                                                       \
        fibers_tell_before(p, order);                                                              \
        if (FIBERS_OUT_OF_LINE)                                                                    \
            fibers_weak_store(p, sizeof(*p), (uintptr_t)value, site);                              \
        else                                                                                       \
            __atomic_store_n(&p->v, value, order);                                                 \
    }                                                                                              \
    MMK_ALWAYS_INLINE type fibers_##kind##_xchg(struct mmk_##kind *p, type value, int order,       \
                                                const struct fibers_site *site)                    \
    {                                                                                              \
        fibers_point((uintptr_t)p, FIBERS_WRITE);                                                  \
        if (FIBERS_OUT_OF_LINE)                                                                    \
            return (type)(uintptr_t)fibers_weak_change(p, sizeof(*p), (uintptr_t)value, site);     \
        fibers_tell_before(p, order);                                                              \
        value = __atomic_exchange_n(&p->v, value, order);                                          \
        fibers_tell_after(p, order);                                                               \
        return value;                                                                              \
    }                                                                                              \
    MMK_ALWAYS_INLINE bool fibers_##kind##_cmpxchg(struct mmk_##kind *p, type *expected,           \
                                                   type desired, int order,                        \
                                                   const struct fibers_site *site)                 \
    {                                                                                              \
        uint64_t found = (uintptr_t)*expected;                                                     \
        bool done;                                                                                 \
                                                                                                   \
        fibers_point((uintptr_t)p, FIBERS_WRITE);                                                  \
        if (!FIBERS_OUT_OF_LINE) {                                                                 \
            fibers_tell_before(p, order);                                                          \
            done = __atomic_compare_exchange_n(&p->v, expected, desired, false, order,             \
                                               __ATOMIC_RELAXED);                                  \
            fibers_tell_after(p, order);                                                           \
            return done;                                                                           \
        }                                                                                          \
        done = fibers_weak_cmpxchg(p, sizeof(*p), &found, (uintptr_t)desired, site);               \
        *expected = (type)(uintptr_t)found;                                                        \
        return done;                                                                               \
    }

FIBERS_DEFINE_ATOMIC(a32, uint32_t)
FIBERS_DEFINE_ATOMIC(a64, uint64_t)
FIBERS_DEFINE_ATOMIC(aptr, void *)

#define FIBERS_DEFINE_ATOMIC_OP(kind, type, op)                                                    \
    MMK_ALWAYS_INLINE type fibers_##kind##_fetch_##op(struct mmk_##kind *p, type value, int order, \
                                                      const struct fibers_site *site)              \
    {                                                                                              \
        fibers_point((uintptr_t)p, FIBERS_WRITE);                                                  \
        if (FIBERS_OUT_OF_LINE)                                                                    \
            return (type)fibers_weak_change(p, sizeof(*p), value, site);                           \
        fibers_tell_before(p, order);                                                              \
        value = __atomic_fetch_##op(&p->v, value, order);                                          \
        fibers_tell_after(p, order);                                                               \
        return value;                                                                              \
    }

FIBERS_DEFINE_ATOMIC_OP(a32, uint32_t, add)
FIBERS_DEFINE_ATOMIC_OP(a32, uint32_t, sub)
FIBERS_DEFINE_ATOMIC_OP(a32, uint32_t, or)
FIBERS_DEFINE_ATOMIC_OP(a32, uint32_t, and)
FIBERS_DEFINE_ATOMIC_OP(a64, uint64_t, add)
FIBERS_DEFINE_ATOMIC_OP(a64, uint64_t, sub)
FIBERS_DEFINE_ATOMIC_OP(a64, uint64_t, or)
FIBERS_DEFINE_ATOMIC_OP(a64, uint64_t, and)

MMK_ALWAYS_INLINE void fibers_full_barrier(const struct fibers_site *site)
{
    if (FIBERS_OUT_OF_LINE)
        fibers_weak_barrier(site);
    else
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#define FIBERS_AT(access, order, word) (order), FIBERS_SITE(FIBERS_##access, order, word)

#define mmk_a32_load(p, o)             fibers_a32_load(p, FIBERS_AT(LOAD, o, #p))
#define mmk_a32_store(p, value, o)     fibers_a32_store(p, value, FIBERS_AT(STORE, o, #p))
#define mmk_a32_xchg(p, value, o)      fibers_a32_xchg(p, value, FIBERS_AT(XCHG, o, #p))
#define mmk_a32_cmpxchg(p, e, d, o)    fibers_a32_cmpxchg(p, e, d, FIBERS_AT(CMPXCHG, o, #p))
#define mmk_a32_fetch_add(p, value, o) fibers_a32_fetch_add(p, value, FIBERS_AT(ADD, o, #p))
#define mmk_a32_fetch_sub(p, value, o) fibers_a32_fetch_sub(p, value, FIBERS_AT(SUB, o, #p))
#define mmk_a32_fetch_or(p, value, o)  fibers_a32_fetch_or(p, value, FIBERS_AT(OR, o, #p))
#define mmk_a32_fetch_and(p, value, o) fibers_a32_fetch_and(p, value, FIBERS_AT(AND, o, #p))

#define mmk_a64_load(p, o)             fibers_a64_load(p, FIBERS_AT(LOAD, o, #p))
#define mmk_a64_store(p, value, o)     fibers_a64_store(p, value, FIBERS_AT(STORE, o, #p))
#define mmk_a64_xchg(p, value, o)      fibers_a64_xchg(p, value, FIBERS_AT(XCHG, o, #p))
#define mmk_a64_cmpxchg(p, e, d, o)    fibers_a64_cmpxchg(p, e, d, FIBERS_AT(CMPXCHG, o, #p))
#define mmk_a64_fetch_add(p, value, o) fibers_a64_fetch_add(p, value, FIBERS_AT(ADD, o, #p))
#define mmk_a64_fetch_sub(p, value, o) fibers_a64_fetch_sub(p, value, FIBERS_AT(SUB, o, #p))
#define mmk_a64_fetch_or(p, value, o)  fibers_a64_fetch_or(p, value, FIBERS_AT(OR, o, #p))
#define mmk_a64_fetch_and(p, value, o) fibers_a64_fetch_and(p, value, FIBERS_AT(AND, o, #p))

#define mmk_aptr_load(p, o)          fibers_aptr_load(p, FIBERS_AT(LOAD, o, #p))
#define mmk_aptr_store(p, value, o)  fibers_aptr_store(p, value, FIBERS_AT(STORE, o, #p))
#define mmk_aptr_xchg(p, value, o)   fibers_aptr_xchg(p, value, FIBERS_AT(XCHG, o, #p))
#define mmk_aptr_cmpxchg(p, e, d, o) fibers_aptr_cmpxchg(p, e, d, FIBERS_AT(CMPXCHG, o, #p))

#define mmk_full_barrier() fibers_full_barrier(FIBERS_SITE(FIBERS_BARRIER, __ATOMIC_SEQ_CST, ""))
