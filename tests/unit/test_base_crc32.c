/* tests/unit/test_base_crc32.c — the fast CRC against the published check value and zlib. */
#include "base/crc32.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static void the_check_value_is_right(void **state)
{
    (void)state;
    assert_int_equal(crc32_compute(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(crc32_portable(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(crc32_compute(0, "", 0), 0);
}

static void fill(unsigned char *p, size_t n)
{
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        p[i] = (unsigned char)x;
    }
}

static void every_length_and_alignment_agrees_with_zlib(void **state)
{
    (void)state;
    unsigned char bytes[1300];
    fill(bytes, sizeof bytes);
    for (int way = CRC32_PORTABLE; way <= (int)crc32_best(); way++)
        for (size_t n = 0; n <= 1200; n++)
            for (size_t at = 0; at < 17; at++) {
                assert_int_equal(crc32_by((enum crc32_way)way, 0, bytes + at, n),
                                 crc32(0, bytes + at, (uInt)n));
                assert_int_equal(crc32_by((enum crc32_way)way, (uint32_t)n, bytes + at, n),
                                 crc32((uLong)n, bytes + at, (uInt)n));
            }
}

/* The pages before and behind cannot be read. */
static void bytes_outside_are_never_touched(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *map = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    unsigned char *begin = map + page, *end = begin + page;
    assert_int_equal(mprotect(begin, page, PROT_READ | PROT_WRITE), 0);
    fill(begin, page);
    for (int way = CRC32_PORTABLE; way <= (int)crc32_best(); way++)
        for (size_t n = 0; n <= 700; n++) {
            assert_int_equal(crc32_by((enum crc32_way)way, 0, begin, n), crc32(0, begin, (uInt)n));
            assert_int_equal(crc32_by((enum crc32_way)way, 0, end - n, n),
                             crc32(0, end - n, (uInt)n));
            assert_int_equal(crc32_by((enum crc32_way)way, 7, begin, n), crc32(7, begin, (uInt)n));
        }
    assert_int_equal(munmap(map, 3 * page), 0);
}

static void random_spans_agree_with_zlib(void **state)
{
    (void)state;
    enum { BYTES = 1 << 18 };
    unsigned char *bytes = malloc(BYTES);
    fill(bytes, BYTES);
    unsigned seed = 20011;
    for (int i = 0; i < 3000; i++) {
        seed = seed * 1103515245u + 12345u;
        size_t at = seed >> 14 & 0xffff;
        size_t n = (seed & 0x3fff) << (seed >> 28 & 3);
        for (int way = CRC32_PORTABLE; way <= (int)crc32_best(); way++)
            assert_int_equal(crc32_by((enum crc32_way)way, seed, bytes + at, n),
                             crc32(seed, bytes + at, (uInt)n));
    }
    free(bytes);
}

static void parts_give_the_same_as_the_whole(void **state)
{
    (void)state;
    size_t n = 1 << 20;
    unsigned char *bytes = malloc(n);
    fill(bytes, n);
    uint32_t whole = crc32_compute(0, bytes, n);
    assert_int_equal(whole, crc32(0, bytes, (uInt)n));
    for (size_t cut = 1; cut < n; cut = cut * 3 + 5)
        assert_int_equal(crc32_compute(crc32_compute(0, bytes, cut), bytes + cut, n - cut), whole);
    free(bytes);
}

static void the_best_way_is_what_the_cpu_has(void **state)
{
    (void)state;
#if defined(__x86_64__)
    __builtin_cpu_init();
    assert_int_equal(crc32_best() >= CRC32_PCLMUL, __builtin_cpu_supports("pclmul") != 0);
#else
    assert_int_equal(crc32_best(), CRC32_PORTABLE);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_check_value_is_right),
        cmocka_unit_test(every_length_and_alignment_agrees_with_zlib),
        cmocka_unit_test(bytes_outside_are_never_touched),
        cmocka_unit_test(random_spans_agree_with_zlib),
        cmocka_unit_test(parts_give_the_same_as_the_whole),
        cmocka_unit_test(the_best_way_is_what_the_cpu_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
