/* tests/unit/test_base_containers.c — arena, map and checked allocation. */
#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int freed;
static void count_free(void *p)
{
    freed++;
    free(p);
}

static void arena_memory_is_aligned_and_distinct(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    unsigned char *seen[1000];
    for (size_t i = 0; i < 1000; i++) {
        seen[i] = arena_alloc(&a, i % 97 + 1);
        assert_int_equal((uintptr_t)seen[i] % 16, 0);
        memset(seen[i], (int)(i & 255), i % 97 + 1);
    }
    for (size_t i = 0; i < 1000; i++)
        for (size_t j = 0; j <= i % 97; j++)
            assert_int_equal(seen[i][j], i & 255);
    assert_true(a.used_bytes <= a.total_bytes);
    arena_fini(&a);
    assert_null(a.head);
}

static void arena_takes_wishes_larger_than_a_block(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    char *small = arena_strndup(&a, "abcdef", 3);
    char *big = arena_alloc(&a, (size_t)5 * 1024 * 1024);
    memset(big, 1, (size_t)5 * 1024 * 1024);
    assert_string_equal(small, "abc");
    assert_string_equal(arena_copy(&a, "xyz", 4), "xyz");
    arena_reset(&a);
    assert_int_equal(a.used_bytes, 0);
    assert_non_null(a.head);
    char *again = arena_alloc(&a, 100);
    memset(again, 2, 100);
    arena_fini(&a);
}

static void map_finds_replaces_and_removes(void **state)
{
    (void)state;
    struct map *m = map_new(count_free);
    freed = 0;
    for (int i = 0; i < 5000; i++) {
        int *v = malloc(sizeof *v);
        *v = i;
        map_put(m, &i, sizeof i, v);
    }
    assert_int_equal(map_count(m), 5000);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(*(int *)map_get(m, &i, sizeof i), i);
    int key = 17, absent = 5000;
    int *new = malloc(sizeof *new);
    *new = -1;
    map_put(m, &key, sizeof key, new);
    assert_int_equal(freed, 1);
    assert_int_equal(*(int *)map_get(m, &key, sizeof key), -1);
    assert_null(map_get(m, &absent, sizeof absent));
    assert_false(map_remove(m, &absent, sizeof absent));
    assert_true(map_remove(m, &key, sizeof key));
    assert_null(map_get(m, &key, sizeof key));
    assert_int_equal(map_count(m), 4999);
    map_clear(m);
    assert_int_equal(freed, 5001);
    assert_int_equal(map_count(m), 0);
    map_free(m);
    map_free(NULL);
}

static void map_keys_are_bytes_and_may_be_empty(void **state)
{
    (void)state;
    static char one, two, three;
    struct map *m = map_new(NULL);
    map_put(m, "a\0b", 3, &one);
    map_put(m, "a\0c", 3, &two);
    map_put(m, "", 0, &three);
    assert_ptr_equal(map_get(m, "a\0b", 3), &one);
    assert_ptr_equal(map_get(m, "a\0c", 3), &two);
    assert_ptr_equal(map_get_str(m, ""), &three);
    assert_null(map_get_str(m, "a"));
    map_free(m);
}

static size_t keys_in_order(const struct map *m, char *out, size_t cap)
{
    size_t it = 0, n = 0, key_len;
    const void *key;
    void *value;
    while (map_next(m, &it, &key, &key_len, &value)) {
        assert_true(n + key_len < cap);
        memcpy(out + n, key, key_len);
        n += key_len;
    }
    return n;
}

static void iteration_visits_each_key_once_in_an_order_without_history(void **state)
{
    (void)state;
    static char forward[8192], backward[8192];
    struct map *a = map_new(NULL), *b = map_new(NULL);
    for (int i = 0; i < 1000; i++) {
        char key[8] = {(char)('a' + i % 26), (char)('a' + i / 26 % 26), (char)('0' + i / 676)};
        map_put_str(a, key, a);
        int j = 999 - i;
        char other[8] = {(char)('a' + j % 26), (char)('a' + j / 26 % 26), (char)('0' + j / 676)};
        map_put_str(b, other, b);
    }
    assert_int_equal(keys_in_order(a, forward, sizeof forward), 3000);
    assert_int_equal(keys_in_order(b, backward, sizeof backward), 3000);
    assert_memory_equal(forward, backward, 3000);
    map_free(a);
    map_free(b);
}

static void growing_keeps_the_elements(void **state)
{
    (void)state;
    void *items = NULL;
    size_t cap = 0;
    for (size_t i = 0; i < 1000; i++) {
        mem_grow(&items, &cap, i + 1, sizeof(size_t));
        ((size_t *)items)[i] = i;
    }
    assert_true(cap >= 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(((size_t *)items)[i], i);
    free(items);
}

static void strings_are_copied_and_printed(void **state)
{
    (void)state;
    CLEANUP(mem_free_ptr) char *a = mem_strdup("abc");
    CLEANUP(mem_free_ptr) char *b = mem_strndup("abc", 2);
    CLEANUP(mem_free_ptr) char *c = mem_printf("%s-%d", a, 5);
    assert_string_equal(a, "abc");
    assert_string_equal(b, "ab");
    assert_string_equal(c, "abc-5");
    assert_null(mem_strdup(NULL));
    mem_free_ptr(&c);
    assert_null(c);
    unsigned char *zero = mem_calloc(3, 5);
    for (int i = 0; i < 15; i++)
        assert_int_equal(zero[i], 0);
    free(zero);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_memory_is_aligned_and_distinct),
        cmocka_unit_test(arena_takes_wishes_larger_than_a_block),
        cmocka_unit_test(map_finds_replaces_and_removes),
        cmocka_unit_test(map_keys_are_bytes_and_may_be_empty),
        cmocka_unit_test(iteration_visits_each_key_once_in_an_order_without_history),
        cmocka_unit_test(growing_keeps_the_elements),
        cmocka_unit_test(strings_are_copied_and_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
