/* SPDX-License-Identifier: MIT */
/*
 * core.h - the configuration, and what is counted for the whole library.
 */
#ifndef MMK_SRC_CORE_H
#define MMK_SRC_CORE_H

#include <mmkit/init.h>

extern struct mmk_config mmk_config; /* c after mmk_init() */

#endif
