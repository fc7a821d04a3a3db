/* SPDX-License-Identifier: MIT */
/*
 * writeback.h - dirty pages back to where the object is kept. Public half: mmk_object_sync().
 */
#ifndef MMK_SRC_WRITEBACK_H
#define MMK_SRC_WRITEBACK_H

#include "object.h"

/* Before an object's pages are freed for good: writes what is dirty. => nobody else knows it */
void mmk_writeback_last(struct mmk_object *object);

/* What is written to the object's pages is kept elsewhere, too. */
MMK_ALWAYS_INLINE bool mmk_object_writes(const struct mmk_object *object)
{
    return object->ops && object->ops->write_page;
}

/*
 * Writes one page, if it is dirty, for reclaim.
 * => false: it could not be written, or the object is just being truncated: it is dirty still
 * => page locked, and user.object; may sleep in write_page, but waits for no lock
 */
bool mmk_writeback_nowait(struct mmk_object *object, struct mmk_page *page) MMK_REQUIRES(page);

#endif
