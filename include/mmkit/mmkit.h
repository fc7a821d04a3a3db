/* SPDX-License-Identifier: MIT */
/* mmkit.h - everything an embedder calls. */
#ifndef MMKIT_MMKIT_H
#define MMKIT_MMKIT_H

#include <mmkit/check.h>
#include <mmkit/compact.h>
#include <mmkit/cpu.h>
#include <mmkit/errno.h>
#include <mmkit/fault.h>
#include <mmkit/group.h>
#include <mmkit/host.h>
#include <mmkit/huge.h>
#include <mmkit/init.h>
#include <mmkit/limit.h>
#include <mmkit/maps.h>
#include <mmkit/mm.h>
#include <mmkit/notifier.h>
#include <mmkit/object.h>
#include <mmkit/page.h>
#include <mmkit/pin.h>
#include <mmkit/reclaim.h>
#include <mmkit/stats.h>
#include <mmkit/swap.h>
#include <mmkit/table.h>
#include <mmkit/tlb.h>
#include <mmkit/types.h>
#include <mmkit/user.h>

#endif
