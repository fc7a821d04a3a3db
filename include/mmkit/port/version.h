/* SPDX-License-Identifier: MIT */
/*
 * version.h - the version of the port contract (port headers here, host.h): raised whenever a
 * port that compiled before could now misbehave. mmk_port.h defines MMK_PORT_VERSION to the
 * version it was written for; a mismatch stops the build instead of a kernel.
 */
#ifndef MMKIT_PORT_VERSION_H
#define MMKIT_PORT_VERSION_H

#include <mmk_port.h>

#define MMK_PORT_CONTRACT 1

#ifndef MMK_PORT_VERSION
#error "mmk_port.h must define MMK_PORT_VERSION: the contract version it was written for"
#elif MMK_PORT_VERSION != MMK_PORT_CONTRACT
#error "mmk_port.h was written for another version of mmkit's port contract: see docs/PORTING.md"
#endif

#endif
