/* SPDX-License-Identifier: MIT */
/* inject.c - makes chosen allocations of the calling thread fail. */
#include "internal.h"

static __thread struct {
    uint64_t left; /* allocations until the one that fails */
    bool onward;   /* all later ones fail too */
    bool failed;   /* one has */
} own;

__thread bool machine_inject_armed;

void machine_fail_nth(uint64_t n, bool onward)
{
    own.left = n;
    own.onward = onward;
    own.failed = false;
    machine_inject_armed = true;
}

bool machine_fail_stop(void)
{
    machine_inject_armed = false;
    return own.failed;
}

/* => armed: true when this allocation is to fail */
bool machine_inject(void)
{
    if (own.left > 0) {
        own.left--;
        return false;
    }
    own.failed = true;
    machine_inject_armed = own.onward;
    return true;
}
