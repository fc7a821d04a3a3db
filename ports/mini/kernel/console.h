/* SPDX-License-Identifier: MIT */
/* console.h - the mini kernel talks. */
#ifndef MINI_CONSOLE_H
#define MINI_CONSOLE_H

/* printf, as far as needed: %s, %d, %lu, %lx, %ld. A line of more than 200 characters is cut. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
