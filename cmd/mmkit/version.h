/* SPDX-License-Identifier: MIT */
/* version.h - which mmkit this is. */
#ifndef VERSION_H
#define VERSION_H

extern const char tool_version[];

#endif
