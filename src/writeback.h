/* SPDX-License-Identifier: MIT */
/*
 * writeback.h - dirty pages back to where the object is kept. Public half: mmk_object_sync().
 */
#ifndef MMK_SRC_WRITEBACK_H
#define MMK_SRC_WRITEBACK_H

#include "object.h"

/* Before an object's pages are freed for good: writes what is dirty. => nobody else knows it */
void mmk_writeback_last(struct mmk_object *object);

#endif
