/* tests/unit/test_schemas_charset.c — known texts of every kind of character set, and what is
 * invalid there. */
#include "schemas/charset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    LATIN1 = 8,
    UCS2 = 35,
    UTF16 = 54,
    UTF16LE = 56,
    UTF32 = 60,
    ASCII = 65,
    SWE7 = 10,
    BIG5 = 1,
    SJIS = 13,
    UJIS = 12,
    GBK = 28,
    EUCKR = 19,
    CP932 = 95,
    GB18030 = 248,
    UTF8MB3 = 33,
    UTF8MB4 = 45,
    KOI8R = 7,
    TIS620 = 18,
    BINARY = 63,
    UCA1400 = 2048 + 256
};

static void expect(uint16_t id, const char *bytes, size_t n, const char *expected)
{
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    buf_put_str(&out, "<");
    bool ok = charset_to_utf8(id, bytes, n, &out);
    if (!expected) {
        assert_false(ok);
        assert_string_equal(buf_str(&out), "<"); /* nothing was appended */
        return;
    }
    assert_true(ok);
    assert_int_equal(out.len, strlen(expected) + 1);
    assert_string_equal(buf_str(&out) + 1, expected);
}
#define TEXT(id, bytes, expected) expect(id, bytes, sizeof bytes - 1, expected)

static void eight_bit_text_is_mapped(void **state)
{
    (void)state;
    TEXT(LATIN1, "\x80 caf\xe9 \x81", "€ café \xc2\x81");
    TEXT(KOI8R, "\xd0\xd2\xc9", "при");
    TEXT(SWE7, "[\\]", "ÄÖÅ");
    TEXT(TIS620, "\xa1", "ก");
    TEXT(TIS620, "\xdb", NULL);
    TEXT(ASCII, "a\x80", NULL);
}

static void wide_text_is_mapped(void **state)
{
    (void)state;
    TEXT(UCS2, "\0a\x20\xac", "a€");
    TEXT(UCS2, "\xd8\0", NULL);
    TEXT(UCS2, "\0a\0", NULL);
    TEXT(UTF16, "\xd8\x3d\xde\x00\0a", "😀a");
    TEXT(UTF16LE,
         "\x3d\xd8\x00\xde"
         "a\0",
         "😀a");
    TEXT(UTF16, "\xd8\x3d", NULL);
    TEXT(UTF16, "\xde\x00\xd8\x3d", NULL);
    TEXT(UTF16, "\xd8\x3d\0a", NULL);
    TEXT(UTF32, "\0\1\xf6\0", "😀");
    TEXT(UTF32, "\0\x11\0\0", NULL);
    TEXT(UTF32, "\0\0\xd8\0", NULL);
}

static void east_asian_text_is_mapped(void **state)
{
    (void)state;
    TEXT(SJIS, "\x93\xfa\x96\x7b\xb1", "日本ｱ");
    TEXT(CP932, "\x87\x40", "①");
    TEXT(UJIS, "\xc6\xfc\xcb\xdc\x8e\xb1\x8f\xb0\xa1", "日本ｱ丂");
    TEXT(GBK, "\xd6\xd0\xce\xc4", "中文");
    TEXT(GB18030, "\xd6\xd0\x81\x30\x84\x36\x94\x39\xda\x33", "中¥💩");
    TEXT(GB18030, "\xe3\x32\x9a\x36", NULL);
    TEXT(BIG5, "\xa4\xa4\xa4\xe5", "中文");
    TEXT(EUCKR, "\xc7\xd1\xb1\xdb", "한글");
    TEXT(GBK, "\xd6", NULL);
    TEXT(GBK, "\x80", NULL);
    TEXT(SJIS, "\x81", NULL);
}

static void utf8_is_checked_strictly(void **state)
{
    (void)state;
    TEXT(UTF8MB4, "plain text longer than eight bytes, então 😀",
         "plain text longer than eight bytes, então 😀");
    TEXT(UCA1400, "é", "é");
    TEXT(UTF8MB3, "日", "日");
    TEXT(UTF8MB3, "😀", NULL);
    TEXT(UTF8MB4, "\xc0\xaf", NULL);
    TEXT(UTF8MB4, "\xe0\x80\xaf", NULL);
    TEXT(UTF8MB4, "\xed\xa0\x80", NULL);
    TEXT(UTF8MB4, "\xf4\x90\x80\x80", NULL);
    TEXT(UTF8MB4, "12345678\xe2\x82", NULL);
    assert_true(charset_is_valid_utf8("\xf4\x8f\xbf\xbf", 4));
    assert_false(charset_is_valid_utf8("\x80", 1));
}

static void nul_is_a_character_everywhere(void **state)
{
    (void)state;
    for (unsigned id = 1; id < 4000; id++) {
        unsigned width = charset_max_bytes((uint16_t)id);
        if (width == 0)
            continue;
        const char *name = charset_name((uint16_t)id);
        bool wide = strncmp(name, "utf16", 5) == 0 || strcmp(name, "ucs2") == 0;
        size_t n = wide ? 2 : strcmp(name, "utf32") == 0 ? 4 : 1;
        struct buf out CLEANUP(buf_fini) = BUF_INIT;
        assert_true(charset_to_utf8((uint16_t)id, "\0\0\0", n, &out));
        assert_int_equal(out.len, 1);
        assert_true(charset_to_utf8((uint16_t)id, NULL, 0, &out));
    }
}

static void ids_have_names_and_widths(void **state)
{
    (void)state;
    assert_string_equal(charset_name(LATIN1), "latin1");
    assert_string_equal(charset_name(255), "utf8mb4");
    assert_string_equal(charset_name(BINARY), "binary");
    assert_string_equal(charset_name(2304), "utf8mb4");
    assert_string_equal(charset_name(GB18030), "gb18030");
    assert_null(charset_name(0));
    assert_null(charset_name(17));
    assert_null(charset_name(65535));
    assert_int_equal(charset_max_bytes(UJIS), 3);
    assert_int_equal(charset_max_bytes(UTF8MB4), 4);
    assert_true(charset_is_utf8_compatible(UTF8MB3) && charset_is_utf8_compatible(ASCII));
    assert_false(charset_is_utf8_compatible(LATIN1) || charset_is_utf8_compatible(BINARY) ||
                 charset_is_utf8_compatible(0));
    TEXT(0, "a", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_bit_text_is_mapped),
        cmocka_unit_test(wide_text_is_mapped),
        cmocka_unit_test(east_asian_text_is_mapped),
        cmocka_unit_test(utf8_is_checked_strictly),
        cmocka_unit_test(nul_is_a_character_everywhere),
        cmocka_unit_test(ids_have_names_and_widths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
