/* SPDX-License-Identifier: MIT */
/*
 * pairs_life.c - address spaces come, go and are killed; CPUs leave and enter them; devices and
 * mirrors use their pages.
 */
#include "pairs.h"

#include <mmkit/port/directmap.h>
#include <mmkit/stats.h>
#include <string.h>

/* One step: a store that others still make to a page that is copied came before. */
static void run_fork(struct act *act)
{
    act->code = mmk_fork(act_mm(act), &pair_run.mm[SPACE_FORKED + act->cpu]);
}

/* A larger page is split for a page of it that is pinned, and may not be when it is copied. */
static bool model_fork(struct flat *flat, struct act *act)
{
    if (act->step++ == 0 && flat_split_pinned(flat, act->space))
        return false;
    flat_fork(flat, act->space, SPACE_FORKED + act->cpu);
    return true;
}

/* The child that was there goes. */
static void run_exit(struct act *act)
{
    struct mmk_mm *child = pair_run.mm[SPACE_CHILD];

    (void)act;
    pair_run.mm[SPACE_CHILD] = NULL;
    mmk_mm_put(child);
}

static bool model_exit(struct flat *flat, struct act *act)
{
    (void)act;
    memset(&flat->space[SPACE_CHILD], 0, sizeof(flat->space[SPACE_CHILD]));
    return true;
}

/* All threads of a process end: scenarios_pairs.c. The last one takes the address space down. */
static void run_leave(struct act *act)
{
    (void)act;
}

static bool model_leave(struct flat *flat, struct act *act)
{
    (void)flat;
    (void)act;
    return true;
}

/* Killed, and reaped until there is nothing left. The reaper only tries the lock: so wait for it.
 */
static void run_kill(struct act *act)
{
    struct mmk_mm_stats stats;
    uint64_t freed = 0;

    mmk_kill(act_mm(act));
    while (mmk_reap(act_mm(act), FLAT_PAGES, &freed) == MMK_EAGAIN)
        mmk_mm_stats(act_mm(act), &stats);
}

/* The reaper holds the mmap lock for reading, and takes an entry at a time. */
static bool model_kill(struct flat *flat, struct act *act)
{
    struct flat_page *p;
    unsigned page;

    if (act->step == 0) {
        flat->space[act->space].killed = true;
        act->step++;
        return false;
    }
    for (page = act->step - 1; page < FLAT_PAGES; page++) {
        p = &flat->space[act->space].page[page];
        if (!p->present)
            continue;
        p->guard = false;
        flat_drop(flat, act->space, page);
        act->step = page + 2;
        return false;
    }
    return true;
}

/* ---- a CPU leaves the address space, and comes back --------------------------------------------
 */

static void load(struct act *act)
{
    act->code = machine_load(act_addr(act), &act->word, sizeof(act->word));
}

static void run_switch(struct act *act)
{
    machine_switch_mm(NULL);
    machine_switch_mm(act_mm(act));
    load(act);
}

static void run_lazy(struct act *act)
{
    machine_switch_lazy();
    machine_switch_mm(act_mm(act));
    load(act);
}

static bool model_load(struct flat *flat, struct act *act)
{
    uint32_t word = 0;

    act->code = act->step == 0 ? flat_fault(flat, act->space, act->page, false)
                               : flat_access(flat, act->space, act->page, false, &word);
    act->word = word;
    return act->step++ == 1 || act->code != MMK_FAULT_DONE;
}

/* ---- pins ---------------------------------------------------------------------------------------
 */

static struct mmk_page **pinned_by(const struct act *act)
{
    return &pair_run.pinned[act - pair_run.act];
}

void act_run_write_pinned(const struct act *act)
{
    struct mmk_page **pinned = pinned_by(act);

    if (!*pinned)
        return;
    fibers_touch(mmk_page_address(*pinned), FIBERS_WRITE);
    __atomic_store_n((uint64_t *)mmk_page_address(*pinned), WORD_PINNED(act->cpu),
                     __ATOMIC_RELAXED);
    mmk_unpin_pages(pinned, 1, true);
    *pinned = NULL;
}

void act_write_pinned(struct flat *flat, const struct act *act)
{
    unsigned space, page;

    if (!act->frame)
        return;
    for (page = 0; page < FLAT_OBJECT; page++)
        if (flat->object.page[page].cached && flat->object.page[page].frame == act->frame)
            flat->object.page[page].word = WORD_PINNED(act->cpu);
    for (space = 0; space < FLAT_SPACES; space++)
        for (page = 0; page < FLAT_PAGES; page++) {
            struct flat_page *p = &flat->space[space].page[page];

            if (p->own && p->frame == act->frame) {
                p->word = WORD_PINNED(act->cpu);
                p->pins--;
            }
        }
}

/* Pinned until all is over: what its holder writes then, the program must see. */
static void run_hold(struct act *act)
{
    act->code = mmk_pin_pages(act_mm(act), act_addr(act), 1, MMK_PIN_WRITE, pinned_by(act));
}

static bool model_hold(struct flat *flat, struct act *act)
{
    enum mmk_fault_result result = flat_fault(flat, act->space, act->page, true);
    struct flat_page *p = act_page(flat, act, 0);

    act->code = result == MMK_FAULT_KILLED ? MMK_EINTR : MMK_EFAULT;
    if (result != MMK_FAULT_DONE)
        return true;
    if (act->step++ == 0)
        return false;
    act->frame = p->own ? p->frame : flat->object.page[p->index].frame;
    p->pins += p->own;
    act->code = 1;
    return true;
}

/* A short transfer. */
static void run_pin(struct act *act)
{
    run_hold(act);
    if (act->code != 1)
        return;
    act_run_write_pinned(act);
}

static bool model_pin(struct flat *flat, struct act *act)
{
    if (act->step < 2)
        return model_hold(flat, act) && act->code != 1;
    act_write_pinned(flat, act);
    act->frame = 0;
    return true;
}

/* ---- a mirror of one page
 * ------------------------------------------------------------------------- */

static int invalidate(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    struct mirror *mirror = (struct mirror *)notifier;

    mmk_spin_lock(&mirror->lock, MMK_LOCK_MM);
    if (range->start <= mirror->addr && mirror->addr < range->end)
        mirror->valid = false;
    mmk_spin_unlock(&mirror->lock, MMK_LOCK_MM);
    return 0;
}

static const struct mmk_notifier_ops mirror_ops = {.invalidate_begin = invalidate};

/* Installs the translation, and reads through it. => false: it may be out of date */
static bool install(struct mirror *mirror, uint64_t seq, struct act *act)
{
    bool again;

    mmk_spin_lock(&mirror->lock, MMK_LOCK_MM);
    again = mmk_notifier_read_retry(&mirror->notifier, seq);
    if (!again) {
        mirror->valid = true;
        fibers_touch(mmk_phys_to_virt(mirror->phys), FIBERS_READ);
        act->word = __atomic_load_n((uint64_t *)mmk_phys_to_virt(mirror->phys), __ATOMIC_RELAXED);
    }
    mmk_spin_unlock(&mirror->lock, MMK_LOCK_MM);
    return !again;
}

static void run_mirror(struct act *act)
{
    struct mirror *mirror = &pair_run.mirror[act->cpu];
    uint64_t seq;
    unsigned prot;

    mirror->notifier.ops = &mirror_ops;
    mirror->addr = act_addr(act);
    act->code = mmk_notifier_register(act_mm(act), &mirror->notifier);
    if (act->code)
        return;
    mirror->registered = true;
    do {
        seq = mmk_notifier_read_begin(&mirror->notifier);
        while (mmk_translate(act_mm(act), mirror->addr, MMK_ACCESS_READ, &mirror->phys, &prot)) {
            act->code = mmk_fault(act_mm(act), mirror->addr, MMK_ACCESS_READ);
            if (act->code != MMK_FAULT_DONE)
                return;
        }
    } while (!install(mirror, seq, act));
}

bool mirror_is_true(const struct act *act)
{
    const struct mirror *mirror = &pair_run.mirror[act->cpu];
    mmk_paddr_t phys;
    unsigned prot;

    return !mirror->valid ||
           (!mmk_translate(act_mm(act), mirror->addr, MMK_ACCESS_READ, &phys, &prot) &&
            phys == mirror->phys);
}

/* ---- counters
 * --------------------------------------------------------------------------------------- */

static void run_stats(struct act *act)
{
    struct mmk_mm_stats stats;

    mmk_mm_stats(act_mm(act), &stats);
    act->word = stats.virt_bytes / PAGE << 8 | stats.locked_bytes / PAGE;
}

static bool model_stats(struct flat *flat, struct act *act)
{
    act->word = flat_mapped(flat, act->space) << 8 | flat_locked(flat, act->space);
    return true;
}

const struct op pair_ops_life[] = {
    {"fork", OP_WRITER | OP_ONCE | OP_NOWHERE, run_fork, model_fork},
    {"exit", OP_PARENT | OP_ACCESS | OP_NOWHERE, run_exit, model_exit},
    {"leave", OP_ACCESS | OP_RARE | OP_LEAVES | OP_NOWHERE, run_leave, model_leave},
    {"kill", OP_ACCESS | OP_PRIVATE | OP_RARE | OP_PAIRED | OP_NOWHERE, run_kill, model_kill},
    {"switch", OP_ONE_PAGE | OP_ACCESS | OP_RARE | OP_LOOKS, run_switch, model_load},
    {"lazy", OP_ONE_PAGE | OP_ACCESS | OP_RARE | OP_LOOKS, run_lazy, model_load},
    {"hold", OP_ONE_PAGE | OP_RARE | OP_ONCE, run_hold, model_hold},
    {"pin", OP_ONE_PAGE | OP_ONCE, run_pin, model_pin},
    {"mirror", OP_ONE_PAGE | OP_RARE | OP_ONCE | OP_LOOKS, run_mirror, model_load},
    {"stats", OP_ACCESS | OP_RARE | OP_NOWHERE, run_stats, model_stats},
    {NULL, 0, NULL, NULL},
};
