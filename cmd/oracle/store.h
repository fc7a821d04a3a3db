/* SPDX-License-Identifier: MIT */
/* store.h - what is behind a file that mmkit reads in and writes back, as a disk would be. */
#ifndef ORACLE_STORE_H
#define ORACLE_STORE_H

#include <mmkit/object.h>

extern const struct mmk_object_ops store_ops;

/* All zeros. */
void store_clear(void);

/* So do these bytes become: a file system does it when a file is cut, or gets a hole. */
void store_zero(uint64_t offset, uint64_t length);

#endif
