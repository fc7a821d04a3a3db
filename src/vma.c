/* SPDX-License-Identifier: MIT */
/* vma.c - life of a VMA. */
#include "vma.h"

#include "object.h"
#include "planted.h"
#include "slab.h"
#include "waiting.h"

static struct mmk_slab_cache vma_cache;

void mmk_vma_module_init(void)
{
    mmk_slab_cache_init(&vma_cache, "vma", sizeof(struct mmk_vma));
}

struct mmk_vma *mmk_vma_alloc_blank(void)
{
    struct mmk_vma *vma = mmk_slab_alloc(&vma_cache, MMK_ALLOC_NORMAL);

    if (!vma)
        return NULL;
    mmk_a32_store(&vma->users, 1, MMK_RELAXED);
    vma->object = NULL;
    return vma;
}

static void fill(struct mmk_vma *vma, struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end,
                 uint64_t flags, struct mmk_object *object, uint64_t origin, uint64_t anon,
                 uint64_t shift)
{
    mmk_a64_store(&vma->seq, 1, MMK_RELAXED); /* VS1 */
    mmk_a64_store(&vma->start, start, MMK_RELAXED);
    mmk_a64_store(&vma->end, end, MMK_RELAXED);
    mmk_a32_store(&vma->flags, (uint32_t)flags, MMK_RELAXED);
    mmk_a64_store(&vma->origin, origin, MMK_RELAXED);
    mmk_a64_store(&vma->anon, anon, MMK_RELAXED);
    mmk_vma_set_shift(vma, shift);
    vma->mm = mm;
    vma->object = object;
    vma->next = NULL;
    if (object)
        mmk_object_get(object);
}

struct mmk_vma *mmk_vma_alloc(struct mmk_mm *mm, mmk_vaddr_t start, mmk_vaddr_t end, uint64_t flags,
                              struct mmk_object *object, uint64_t origin)
{
    struct mmk_vma *vma = mmk_vma_alloc_blank();

    if (vma)
        fill(vma, mm, start, end, flags, object, origin, 0, object ? 0 : origin);
    return vma;
}

void mmk_vma_copy_upper(struct mmk_vma *upper, const struct mmk_vma *vma, mmk_vaddr_t addr)
{
    uint64_t end = mmk_vma_end(vma), flags = mmk_vma_flags(vma), origin = mmk_vma_origin(vma);
    uint64_t anon = mmk_vma_anon(vma), shift = mmk_vma_shift(vma);

    fill(upper, vma->mm, addr, end, flags, vma->object, origin, anon, shift);
}

static void free_rcu(struct mmk_rcu_head *head)
{
    struct mmk_vma *vma = (struct mmk_vma *)((char *)head - offsetof(struct mmk_vma, rcu));

    mmk_slab_free(&vma_cache, vma);
    mmk_waiting_done(MMK_WAITING_OTHERS, sizeof(*vma));
}

bool mmk_vma_get_unless_zero(struct mmk_vma *vma)
{
    uint32_t users = mmk_a32_load(&vma->users, MMK_RELAXED);

    while (users != 0 || MMK_MISTAKE(HINT_REVIVES))
        if (mmk_a32_cmpxchg(&vma->users, &users, users + 1, MMK_RELAXED))
            return true;
    return false;
}

void mmk_vma_put(struct mmk_vma *vma)
{
    if (mmk_a32_fetch_sub(&vma->users, 1, MMK_ACQ_REL) != 1)
        return;
    mmk_waiting_add(MMK_WAITING_OTHERS, sizeof(*vma));
    if (MMK_MISTAKE(VMA_WITHOUT_GRACE))
        free_rcu(&vma->rcu);
    else
        mmk_host_call_rcu(&vma->rcu, free_rcu);
}

void mmk_vma_free(struct mmk_vma *vma)
{
    if (vma->object)
        mmk_object_put(vma->object);
    mmk_vma_put(vma);
}

bool mmk_vma_compatible(const struct mmk_vma *vma, uint64_t flags, const struct mmk_object *object,
                        uint64_t origin)
{
    uint64_t different = (mmk_vma_flags(vma) ^ flags) & ~(uint64_t)MMK_VM_GUARDED;

    return different == 0 && vma->object == object && mmk_vma_origin(vma) == origin &&
           !mmk_vma_has_frames(vma);
}
