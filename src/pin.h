/* SPDX-License-Identifier: MIT */
/*
 * pin.h - pins inside the library. Public half: <mmkit/pin.h>.
 */
#ifndef MMK_SRC_PIN_H
#define MMK_SRC_PIN_H

#include <mmkit/pin.h>

void mmk_pin_init(void);
uint64_t mmk_pin_count(void); /* that are held */

#endif
