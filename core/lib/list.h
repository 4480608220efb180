/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Doubly linked circular lists whose nodes live inside the listed structures. Owns nothing; the
 * caller's lock protects a list. Runs on the host in tests.
 */
#ifndef CORE_LIB_LIST_H
#define CORE_LIB_LIST_H

#include "core/lib/types.h"

struct list_node {
	struct list_node *next;
	struct list_node *prev;
};

struct list {
	struct list_node head;
};

/* Make `list` empty. */
static inline void list_init(struct list *list)
{
	list->head.next = &list->head;
	list->head.prev = &list->head;
}

static inline bool list_is_empty(const struct list *list)
{
	return list->head.next == &list->head;
}

/* Put `node`, which is in no list, before `next`. */
static inline void list_insert_before(struct list_node *next, struct list_node *node)
{
	node->prev = next->prev;
	node->next = next;
	next->prev->next = node;
	next->prev = node;
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
	list_insert_before(&list->head, node);
}

/* Take `node` out of its list; its links are NULL afterwards, so that use after it shows. */
static inline void list_remove(struct list_node *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = NULL;
	node->prev = NULL;
}

/* The first node, or NULL. */
static inline struct list_node *list_first(const struct list *list)
{
	return list_is_empty(list) ? NULL : list->head.next;
}

/* The node after `node`, or NULL. */
static inline struct list_node *list_next(const struct list *list, const struct list_node *node)
{
	return node->next == &list->head ? NULL : node->next;
}

/* Walk `list`; the loop must not remove `node`. */
#define list_for_each(node, list)                                                                  \
	for ((node) = list_first(list); (node); (node) = list_next(list, node))

#endif
