/* SPDX-License-Identifier: MIT */
/*
 * machine_swap.h - devices for swap areas (<mmkit/swap.h>): one keeps pages in the process's
 * memory, one in a file. Both fail when told to, and see to it that mmkit keeps its promises: no
 * slot is read and written, or written by two, at once; none is read that was not written since it
 * was new, was discarded, or failed to be written. What breaks one panics.
 *
 * On the deterministic machine each call is a few scheduling points.
 */
#ifndef MACHINE_SWAP_H
#define MACHINE_SWAP_H

#include <mmkit/swap.h>

#ifdef __cplusplus
extern "C" {
#endif

struct machine_swap;

/* For all devices: mmk_swapon(&machine_swap_ops, device, ...) */
extern const struct mmk_swap_ops machine_swap_ops, machine_swap_ops_discard;

/* => NULL: no memory, or the file cannot be made. The file has no name any more: it goes by itself
 */
struct machine_swap *machine_swap_memory(uint64_t slots);
struct machine_swap *machine_swap_file(const char *directory, uint64_t slots);

/* => no area uses it */
void machine_swap_close(struct machine_swap *swap);

/* Which calls fail. What a read that fails was to fill is garbage then. */
struct machine_swap_errors {
    uint32_t read_nth, write_nth;       /* every nth; 0: none */
    uint32_t read_one_in, write_one_in; /* at random, by `seed`; 0: none */
    uint64_t seed;
    int read_error, write_error; /* what they answer: negative */
};

/* From now on; NULL: none fails. => no I/O is under way */
void machine_swap_set_errors(struct machine_swap *swap, const struct machine_swap_errors *errors);

struct machine_swap_stats {
    uint64_t reads, writes;       /* calls, those that fail as well */
    uint64_t discarded;           /* slots */
    uint64_t read_bad, write_bad; /* calls that failed */
};

void machine_swap_stats(struct machine_swap *swap, struct machine_swap_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
