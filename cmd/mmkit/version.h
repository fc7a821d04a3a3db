/* SPDX-License-Identifier: MIT */
/* version.h - which mmkit this is. */
#ifndef VERSION_H
#define VERSION_H

extern const char tool_version[];
extern const char tool_format[];  /* of page tables, as Meson was asked for */
extern const char tool_libexec[]; /* where the simulators are, when installed */

#endif
