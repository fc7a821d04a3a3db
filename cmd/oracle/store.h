/* SPDX-License-Identifier: MIT */
/* store.h - what is behind a file that mmkit reads in and writes back, as a disk would be. */
#ifndef ORACLE_STORE_H
#define ORACLE_STORE_H

#include <mmkit/object.h>

/* Of objects that are created with store_of() as private data. */
extern const struct mmk_object_ops store_ops;

/* => where the file is kept; NULL: it lives in memory */
struct store *store_of(unsigned file);

/* All are zeros. */
void store_clear_all(void);

/* So do these bytes become: a file system does it when a file is cut. */
void store_zero(struct store *store, uint64_t offset, uint64_t length);

#endif
