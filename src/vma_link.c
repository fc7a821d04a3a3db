/* SPDX-License-Identifier: MIT */
/*
 * vma_link.c - a VMA's place in the trees by which pages find it: its object's interval tree, and,
 * if it has a shift, the tree of its kin (family.h).
 *
 * An interval may be wider than its VMA while a part is being unmapped: it shrinks only after the
 * entries are gone, and grows before the first can appear, so that whoever looks for the mappings
 * of a page never misses one (R1). Addresses follow from `origin` and `shift`, which trims do not
 * change.
 *
 * Private pages of a VMA without a shift are where they were made, and are looked for there: these
 * VMAs, nearly all, are in no tree for that.
 */
#include "family.h"
#include "mm.h"
#include "object.h"
#include "vma.h"

static void set_interval(struct mmk_vma *vma)
{
    vma->interval.first = mmk_vma_index(vma, mmk_vma_start(vma));
    vma->interval.last = mmk_vma_index(vma, mmk_vma_end(vma) - 1);
}

/*
 * A file's mapping that is moved down, grows and is cut from below, over and over, comes to have
 * indices that begin anew at 0: it is looked at for all then. (Of anonymous memory they are page
 * indices as well, which do not.)
 */
static void set_moved(struct mmk_vma *vma)
{
    vma->moved.first = mmk_vma_anon_index(vma, mmk_vma_start(vma));
    vma->moved.last = mmk_vma_anon_index(vma, mmk_vma_end(vma) - 1);
    if (vma->moved.first > vma->moved.last) {
        vma->moved.first = 0;
        vma->moved.last = UINT64_MAX;
    }
}

void mmk_vma_link(struct mmk_vma *vma)
{
    struct mmk_object *object = vma->object;
    struct mmk_kin *kin = vma->mm->kin;

    if (object) {
        mmk_rw_write_lock(&object->interval_lock, MMK_LOCK_INTERVAL);
        set_interval(vma);
        mmk_interval_insert(mmk_object_vmas(object), &vma->interval);
        mmk_rw_write_unlock(&object->interval_lock, MMK_LOCK_INTERVAL);
    }
    if (mmk_vma_shift(vma) == 0)
        return;
    mmk_rw_write_lock(&kin->lock, MMK_LOCK_KIN);
    set_moved(vma);
    mmk_interval_insert(mmk_kin_moved(kin), &vma->moved);
    mmk_rw_write_unlock(&kin->lock, MMK_LOCK_KIN);
}

void mmk_vma_unlink(struct mmk_vma *vma)
{
    struct mmk_object *object = vma->object;
    struct mmk_kin *kin = vma->mm->kin;

    if (object) {
        mmk_rw_write_lock(&object->interval_lock, MMK_LOCK_INTERVAL);
        mmk_interval_remove(mmk_object_vmas(object), &vma->interval);
        mmk_rw_write_unlock(&object->interval_lock, MMK_LOCK_INTERVAL);
    }
    if (mmk_vma_shift(vma) == 0)
        return;
    mmk_rw_write_lock(&kin->lock, MMK_LOCK_KIN);
    mmk_interval_remove(mmk_kin_moved(kin), &vma->moved);
    mmk_rw_write_unlock(&kin->lock, MMK_LOCK_KIN);
}

MMK_NOINLINE void mmk_vma_reshift_locked(struct mmk_kin *kin, struct mmk_vma *vma, uint64_t shift)
{
    struct mmk_interval_tree *moved = mmk_kin_moved(kin);

    if (mmk_vma_shift(vma) != 0)
        mmk_interval_remove(moved, &vma->moved);
    mmk_vma_set_shift(vma, shift);
    if (shift != 0) {
        set_moved(vma);
        mmk_interval_insert(moved, &vma->moved);
    }
}

void mmk_vma_reshift(struct mmk_vma *vma, uint64_t shift)
{
    struct mmk_kin *kin = vma->mm->kin;

    if (mmk_vma_shift(vma) == 0 && shift == 0)
        return;
    mmk_rw_write_lock(&kin->lock, MMK_LOCK_KIN);
    mmk_vma_reshift_locked(kin, vma, shift);
    mmk_rw_write_unlock(&kin->lock, MMK_LOCK_KIN);
}

void mmk_vma_relink(struct mmk_vma *vma)
{
    struct mmk_object *object = vma->object;

    if (object) {
        mmk_rw_write_lock(&object->interval_lock, MMK_LOCK_INTERVAL);
        mmk_interval_remove(mmk_object_vmas(object), &vma->interval);
        set_interval(vma);
        mmk_interval_insert(mmk_object_vmas(object), &vma->interval);
        mmk_rw_write_unlock(&object->interval_lock, MMK_LOCK_INTERVAL);
    }
    if (mmk_vma_shift(vma) != 0)
        mmk_vma_reshift(vma, mmk_vma_shift(vma));
}
