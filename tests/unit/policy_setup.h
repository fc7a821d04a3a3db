/* SPDX-License-Identifier: MIT */
/* policy_setup.h - set-ups of the fixture, each with another policy of what tables are kept. */
#ifndef POLICY_SETUP_H
#define POLICY_SETUP_H

#include "fixture.h"

static inline int setup_policy(enum mmk_table_policy policy)
{
    struct mmk_config config = fixture_config();

    config.table_policy = policy;
    return fixture_setup_with(&config);
}

static inline int setup_linux(void **state)
{
    (void)state;
    return setup_policy(MMK_TABLES_LINUX_618);
}

static inline int setup_never(void **state)
{
    (void)state;
    return setup_policy(MMK_TABLES_NEVER);
}

#endif
