/* SPDX-License-Identifier: MIT */
/*
 * list.h - doubly linked rings of struct mmk_list: a head, and the links inside what is listed.
 */
#ifndef MMK_SRC_LIST_H
#define MMK_SRC_LIST_H

#include "page.h"

/* The object of `type` whose field `member` is at `link`. */
#define mmk_list_entry(link, type, member)                                                         \
    ((type *)(void *)((unsigned char *)(link)-offsetof(type, member)))

MMK_ALWAYS_INLINE void mmk_list_init(struct mmk_list *head)
{
    head->next = head;
    head->prev = head;
}

MMK_ALWAYS_INLINE bool mmk_list_empty(const struct mmk_list *head)
{
    return head->next == head;
}

/* Behind `at`: right after a head is the front of its list. */
MMK_ALWAYS_INLINE void mmk_list_add(struct mmk_list *at, struct mmk_list *link)
{
    link->prev = at;
    link->next = at->next;
    at->next->prev = link;
    at->next = link;
}

MMK_ALWAYS_INLINE void mmk_list_add_tail(struct mmk_list *head, struct mmk_list *link)
{
    mmk_list_add(head->prev, link);
}

MMK_ALWAYS_INLINE void mmk_list_del(struct mmk_list *link)
{
    mmk_assert(link->next->prev == link && link->prev->next == link,
               "a list's links point at each other");
    link->next->prev = link->prev;
    link->prev->next = link->next;
}

#endif
