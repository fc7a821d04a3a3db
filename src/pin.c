/* SPDX-License-Identifier: MIT */
/*
 * pin.c - pages of programs that others use directly.
 *
 * P9 A pin is taken under the lock of the table whose entry maps the page, and of anonymous pages
 *    only on one that is exclusive. Fork, under that lock, copies pinned pages instead of sharing
 *    them; so a pinned page stays exclusive as long as it is mapped, and copy-on-write never takes
 *    the program away from it.
 *
 * What is not there yet, or not the program's own, is made so by a fault, holding nothing; then one
 * looks again:
 *
 *   to write                        a write fault, which asks whether the program may
 *   to read, private mapping        a forced write fault: an own page, with the mapping's rights
 *     a file's page, not LONGTERM   a read fault
 *   to read, shared mapping         a read fault
 *
 * The mmap lock is held for reading over a run of pages, as the entry does not say which kind of
 * mapping it belongs to.
 *
 * Rejected: pins that add a large number to `refs` (Linux): they save the word, which a descriptor
 * here has to spare, and cannot be told from many references.
 */
#include "pin.h"

#include "fault.h"
#include "huge.h"
#include "object.h"
#include "planted.h"

#define ALL_FLAGS (MMK_PIN_WRITE | MMK_PIN_LONGTERM)

static struct mmk_percpu_count held; /* pins */

/* One call. */
struct pin {
    struct mmk_mm *mm;
    unsigned flags;
    mmk_vaddr_t addr; /* of the next page */
    size_t left;
    struct mmk_page **pages;
};

/* What the next page needs before it can be pinned. */
enum need { NEED_NOTHING, NEED_READ, NEED_WRITE, NEED_OWN, REFUSED };

void mmk_pin_init(void)
{
    mmk_percpu_count_init(&held);
}

uint64_t mmk_pin_count(void)
{
    return mmk_percpu_count_sum(&held);
}

/* A file's page will do, though the mapping is private. */
static bool borrows(const struct pin *pin, const struct mmk_vma *vma)
{
    return vma->object && !(pin->flags & MMK_PIN_LONGTERM);
}

/* To read, where the entry maps no page, or one that may not be pinned. */
static enum need need_to_read(const struct pin *pin, const struct mmk_vma *vma, mmk_pte_t pte)
{
    if (!mmk_vma_accessible(mmk_vma_flags(vma)))
        return REFUSED;
    if (mmk_vma_flags(vma) & MMK_VM_SHARED)
        return NEED_READ;
    return mmk_pte_none(pte) && borrows(pin, vma) ? NEED_READ : NEED_OWN;
}

/* Of a page that pte maps for the access. => its table locked */
static bool pinnable(const struct pin *pin, const struct mmk_vma *vma, const struct mmk_page *page)
{
    if (mmk_page_type(page) == MMK_PAGE_ANON)
        return mmk_page_test(page, MMK_PF_EXCLUSIVE) || MMK_MISTAKE(PIN_SHARED);
    return (mmk_vma_flags(vma) & MMK_VM_SHARED) || borrows(pin, vma);
}

/* => walk locked */
static enum need judge(const struct pin *pin, const struct mmk_vma *vma, mmk_pte_t pte)
{
    const struct mmk_page *page = mmk_pte_page(pte);
    bool write = pin->flags & MMK_PIN_WRITE;

    if (mmk_vma_has_frames(vma))
        return REFUSED;
    if (page && mmk_pte_accessible(pte) && (!write || mmk_pte_write(pte)) &&
        pinnable(pin, vma, page))
        return NEED_NOTHING;
    return write ? NEED_WRITE : need_to_read(pin, vma, pte);
}

/* Pins the page at pin->addr if nothing is missing. => mmap lock held for reading */
static enum need pin_one(struct pin *pin, const struct mmk_vma *vma)
    MMK_REQUIRES_SHARED(pin->mm->mmap_lock)
{
    struct mmk_walk walk;
    mmk_pte_t pte = {0};
    enum need need;

    mmk_rcu_read_lock();
    mmk_walk_lock(pin->mm, pin->addr, &walk);
    if (walk.level == 0)
        pte = mmk_pte_read(walk.entry);
    else if (mmk_walk_huge(&walk, mmk_pte_read(walk.entry)))
        pte = mmk_huge_piece(&walk, mmk_pte_read(walk.entry));
    need = judge(pin, vma, pte);
    if (need == NEED_NOTHING) {
        *pin->pages = mmk_pte_page(pte);
        mmk_page_get(*pin->pages);
        mmk_a32_fetch_add(&(*pin->pages)->user.pins, 1, MMK_RELAXED);
    }
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    return need;
}

/* Pins as far as that needs no fault; *need: what the next page needs. => 0, or MMK_EINTR */
static int pin_run(struct pin *pin, enum need *need)
{
    const struct mmk_vma *vma = NULL;
    int error = mmk_mm_read_lock(pin->mm);

    if (error)
        return error;
    *need = NEED_NOTHING;
    while (pin->left > 0) {
        if (!vma || pin->addr >= mmk_vma_end(vma))
            vma = mmk_mm_find_vma(pin->mm, pin->addr);
        /* Nothing is mapped there: a fault finds out, or makes a stack grow. */
        if (vma && mmk_vma_start(vma) <= pin->addr)
            *need = pin_one(pin, vma);
        else
            *need = pin->flags & MMK_PIN_WRITE ? NEED_WRITE : NEED_READ;
        if (*need != NEED_NOTHING)
            break;
        pin->addr += MMK_PAGE_SIZE;
        pin->pages++;
        pin->left--;
    }
    mmk_rw_read_unlock(&pin->mm->mmap_lock, MMK_LOCK_MMAP);
    return 0;
}

/* => 0: try again; or the error */
static int fault_in(const struct pin *pin, enum need need)
{
    enum mmk_fault_result result;

    if (need == REFUSED)
        return MMK_EFAULT;
    if (need == NEED_OWN)
        result = mmk_fault_force(pin->mm, pin->addr, MMK_ACCESS_WRITE);
    else
        result =
            mmk_fault(pin->mm, pin->addr, need == NEED_WRITE ? MMK_ACCESS_WRITE : MMK_ACCESS_READ);
    if (result == MMK_FAULT_DONE || result == MMK_FAULT_RETRY)
        return 0;
    if (result == MMK_FAULT_KILLED)
        return MMK_EINTR;
    return result == MMK_FAULT_OOM ? MMK_ENOMEM : MMK_EFAULT;
}

int64_t mmk_pin_pages(struct mmk_mm *mm, mmk_vaddr_t addr, size_t n, unsigned flags,
                      struct mmk_page *pages[])
{
    struct pin pin = {.mm = mm, .flags = flags, .addr = addr, .left = n, .pages = pages};
    enum need need = NEED_NOTHING;
    int error = 0;

    if ((addr & ~MMK_PAGE_MASK) || (flags & ~(unsigned)ALL_FLAGS))
        return MMK_EINVAL;
    while (pin.left > 0 && !error) {
        error = pin_run(&pin, &need);
        if (!error && need != NEED_NOTHING)
            error = fault_in(&pin, need);
    }
    if (pin.left == n && error)
        return error;
    mmk_percpu_count_add(&held, (int64_t)(n - pin.left));
    return (int64_t)(n - pin.left);
}

void mmk_unpin_pages(struct mmk_page *const pages[], size_t n, bool dirty)
{
    uint32_t pins;
    size_t i;

    for (i = 0; i < n; i++) {
        if (dirty)
            mmk_page_mkdirty(pages[i]);
        /* Release: fork may share the page from now on, and then sees what was written to it. */
        pins = mmk_a32_fetch_sub(&pages[i]->user.pins, 1, MMK_RELEASE);
        mmk_assert(pins != 0, "F1 a page is unpinned once for each pin");
        mmk_page_put(pages[i]);
    }
    mmk_percpu_count_add(&held, -(int64_t)n);
}
