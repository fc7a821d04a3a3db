/* SPDX-License-Identifier: MIT */
/* hand_tiny.h - tables of four entries like x86-64's, for addresses without a sign. */
#define HAND_INDEX_BITS 2
#define HAND_SIGNED     0

#include "hand_x86_64.h"
