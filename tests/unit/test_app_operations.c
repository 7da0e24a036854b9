/* tests/unit/test_app_operations.c — an Idempotency-Key belongs to one request and gives its answer again. */
#include "app/server/operations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <string.h>

#define CREATE "POST /v1/workflows/c/w/create\n{}"

/* The status; *answer is emptied first. */
static int begin(struct operations *o, const char *key, const char *request, unsigned *id,
                 struct buf *answer)
{
    buf_reset(answer);
    return operations_begin(o, key, request, id, answer);
}

static void the_same_request_gets_the_same_answer(void **state)
{
    struct operations *o = operations_new();
    struct buf answer = BUF_INIT;
    unsigned id = 0, other = 0;
    (void)state;
    assert_int_equal(begin(o, "k", CREATE, &id, &answer), 0);
    assert_int_equal(begin(o, "k", CREATE, &other, &answer), 409);
    operations_end(o, id, 412, "{\"error\":1}");
    assert_int_equal(begin(o, "k", CREATE, &other, &answer), 412);
    assert_string_equal(buf_str(&answer), "{\"error\":1}");
    buf_fini(&answer);
    operations_free(o);
}

static void another_request_never_gets_it(void **state)
{
    static const char *const others[] = {"POST /v1/workflows/c/w/cancel\n{}",
                                         "POST /v1/workflows/c/w/create\n{\"dry_run\":true}",
                                         "DELETE /v1/workflows/c/w/create\n{}"};
    struct operations *o = operations_new();
    struct buf answer = BUF_INIT;
    unsigned id = 0;
    (void)state;
    assert_int_equal(begin(o, "k", CREATE, &id, &answer), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(begin(o, "k", others[i], &id, &answer), 422);
    operations_end(o, id, 200, "{\"done\":1}");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(begin(o, "k", others[i], &id, &answer), 422);
        assert_null(strstr(buf_str(&answer), "done"));
    }
    buf_fini(&answer);
    operations_free(o);
}

static void a_key_is_forgotten_after_as_many_as_are_kept(void **state)
{
    struct operations *o = operations_new();
    struct buf answer = BUF_INIT;
    unsigned id = 0;
    (void)state;
    for (unsigned i = 0; i <= OPERATIONS_KEPT; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(begin(o, key, CREATE, &id, &answer), 0);
        operations_end(o, id, 200, "{}");
    }
    assert_int_equal(begin(o, "k1", CREATE, &id, &answer), 200);
    assert_int_equal(begin(o, "k0", CREATE, &id, &answer), 0);
    buf_fini(&answer);
    operations_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_request_gets_the_same_answer),
        cmocka_unit_test(another_request_never_gets_it),
        cmocka_unit_test(a_key_is_forgotten_after_as_many_as_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
