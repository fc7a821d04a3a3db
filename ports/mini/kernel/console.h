/* SPDX-License-Identifier: MIT */
/* console.h - the mini kernel talks. */
#ifndef MINI_CONSOLE_H
#define MINI_CONSOLE_H

/* printf, as far as needed: %s, %c, %d, %lu, %lx, %ld. More than 200 characters a line are cut. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
