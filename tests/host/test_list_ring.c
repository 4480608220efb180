/* SPDX-License-Identifier: BSD-2-Clause */
/* LINK: */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/lib/list.h"
#include "core/lib/ring.h"

struct item {
	int value;
	struct list_node node;
};

static void expect_items(const struct list *list, const char *values)
{
	struct list_node *node;

	list_for_each(node, list) {
		assert_int_equal(container_of(node, struct item, node)->value, *values++);
		assert_ptr_equal(node->next->prev, node);
	}
	assert_int_equal(*values, 0);
}

static void list_keeps_order(void **state)
{
	struct item a = { .value = 'a' }, b = { .value = 'b' };
	struct item c = { .value = 'c' }, d = { .value = 'd' };
	struct list list;

	(void)state;
	list_init(&list);
	assert_true(list_is_empty(&list));
	assert_null(list_first(&list));
	list_push_back(&list, &b.node);
	list_push_back(&list, &d.node);
	list_insert_before(list.head.next, &a.node);
	list_insert_before(&d.node, &c.node);
	expect_items(&list, "abcd");
	assert_null(list_next(&list, &d.node));
	list_remove(&a.node);
	list_remove(&c.node);
	expect_items(&list, "bd");
	assert_null(c.node.next);
	assert_null(c.node.prev);
	list_remove(&d.node);
	list_remove(&b.node);
	assert_true(list_is_empty(&list));
	list_push_back(&list, &c.node);
	expect_items(&list, "c");
}

static void ring_is_a_bounded_queue(void **state)
{
	struct ring ring;
	u8 data[4], byte = 77;
	u32 round;

	(void)state;
	ring_init(&ring, data, sizeof(data));
	ring.head = ring.tail = 0xfffffffe; /* positions wrap around */
	assert_false(ring_get(&ring, &byte));
	assert_int_equal(byte, 77);
	for (round = 0; round < 10; round++) {
		assert_true(ring_put(&ring, 1));
		assert_true(ring_put(&ring, 2));
		assert_true(ring_put(&ring, 3));
		assert_false(ring_is_full(&ring));
		assert_true(ring_put(&ring, 4));
		assert_true(ring_is_full(&ring));
		assert_false(ring_put(&ring, 5));
		assert_int_equal(ring_used(&ring), 4);
		assert_int_equal(ring_peek(&ring, 2), 3);
		assert_true(ring_get(&ring, &byte));
		assert_int_equal(byte, 1);
		assert_true(ring_put(&ring, 5));
		assert_true(ring_get(&ring, &byte));
		assert_int_equal(byte, 2);
		assert_true(ring_get(&ring, &byte) && ring_get(&ring, &byte));
		assert_true(ring_get(&ring, &byte));
		assert_int_equal(byte, 5);
		assert_false(ring_get(&ring, &byte));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_keeps_order),
		cmocka_unit_test(ring_is_a_bounded_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
