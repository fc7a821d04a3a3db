/* SPDX-License-Identifier: MIT */
/*
 * sharing_memory.c - the memory that the pairs of sharing.h find, and where in it they work.
 *
 * Kinds of memory, by what is there when the two begin:
 *
 *   new      private memory that nobody has touched; its tables are not there, either
 *   beside   the same, but its tables are there: a page beside has been stored to
 *   anon     pages that both CPUs have stored to
 *   zeros    pages that were read only
 *   fork     as `anon`, and shared with a child since
 *   swap     as `anon`, but written to swap, in whose cache it still is
 *   private  a file's pages, in memory; the mapping is private, and has its tables
 *   cached   the same, and the mapping is shared
 *   cold     the same, but the pages have to be read from the file
 *   shared   a file's pages, which both CPUs have stored to
 */
#include "sharing.h"

const struct ground sharing_grounds[] = {
    {.name = "new", .all = true},
    {.name = "beside", .beside = true, .all = true},
    {.name = "anon", .stored = true, .warm = true, .all = true},
    {.name = "zeros", .loaded = true, .warm = true, .all = true},
    {.name = "fork", .stored = true, .forked = true, .warm = true, .all = true},
    {.name = "swap", .stored = true, .swapped = true, .all = true},
    {.name = "private", .object = true, .cached = true, .beside = true, .all = true},
    {.name = "cached", .object = true, .shared = true, .cached = true, .beside = true, .all = true},
    {.name = "cold", .object = true, .shared = true, .beside = true, .all = true},
    {.name = "shared", .object = true, .shared = true, .stored = true, .warm = true, .all = true},
    {.name = NULL},
};

const struct sharing_place sharing_places[] = {
    {.name = "same", .page = {3, 3}},
    {.name = "table", .page = {2, 3}},  /* two pages in one table */
    {.name = "tables", .page = {3, 4}}, /* in two */
    {.name = "mappings", .page = {2, PAIR_AGAIN + 3}, .again = true},
    {.name = "processes", .page = {2, 3}, .other = true},
    {.name = "processes-same", .page = {3, 3}, .other = true},
    {.name = "child", .page = {2, 3}, .child = true},
    {.name = "child-same", .page = {3, 3}, .child = true},
    {.name = NULL},
};
