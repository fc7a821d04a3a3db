/* SPDX-License-Identifier: MIT */
/* group.h - groups of address spaces, inside the library. Public half: <mmkit/group.h>. */
#ifndef MMK_SRC_GROUP_H
#define MMK_SRC_GROUP_H

#include <mmkit/group.h>

void mmk_group_module_init(void);

#endif
