/* tests/unit/test_base_piece.c — references of pieces, and what the pool may give again. */
#include "base/piece.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_piece_lives_as_long_as_its_last_reference(void **state)
{
    (void)state;
    struct piece *p = piece_new(PIECE_BYTES);
    assert_int_equal(p->cap, PIECE_BYTES);
    assert_false(piece_is_shared(p));
    memset(p->bytes, 7, p->cap);
    struct piece *held = piece_ref(p);
    assert_true(piece_is_shared(p));
    piece_unref(p);
    assert_false(piece_is_shared(held));
    struct piece *other = piece_new(PIECE_BYTES);
    assert_ptr_not_equal(other, held);
    memset(other->bytes, 8, other->cap);
    assert_int_equal(held->bytes[0], 7);
    assert_int_equal(held->bytes[held->cap - 1], 7);
    piece_unref(held);
    piece_unref(other);
    piece_unref(NULL);
}

static void pieces_of_other_sizes_are_not_kept(void **state)
{
    (void)state;
    struct piece *p = piece_new(100);
    assert_int_equal(p->cap, 100);
    memset(p->bytes, 9, p->cap);
    p = piece_grow(p, 3 * PIECE_BYTES);
    assert_int_equal(p->cap, 3 * PIECE_BYTES);
    assert_int_equal(p->bytes[99], 9);
    p->bytes[p->cap - 1] = 1;
    piece_unref(p);
    struct piece *next = piece_new(PIECE_BYTES);
    assert_int_equal(next->cap, PIECE_BYTES);
    piece_unref(next);
}

static void more_than_the_pool_keeps_are_given_back(void **state)
{
    struct piece *many[100];
    (void)state;
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < 100; i++) {
            many[i] = piece_new(PIECE_BYTES);
            assert_false(piece_is_shared(many[i]));
        }
        for (size_t i = 0; i < 100; i++)
            piece_unref(many[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_piece_lives_as_long_as_its_last_reference),
        cmocka_unit_test(pieces_of_other_sizes_are_not_kept),
        cmocka_unit_test(more_than_the_pool_keeps_are_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
