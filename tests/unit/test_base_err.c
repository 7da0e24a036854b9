/* tests/unit/test_base_err.c — texts, context, codes and their exits. */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void setting_fills_code_class_and_text(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_false(err_set(&e, ERR_DB_LOST, "lost %s", "db1"));
    assert_int_equal(e.code, ERR_DB_LOST);
    assert_int_equal(e.class_, ERR_CLASS_RETRY);
    assert_int_equal(e.native, 0);
    assert_string_equal(e.text, "lost db1");
    assert_false(err_set_native(&e, ERR_DB_QUERY, ERR_CLASS_SKIP_ROW, 1062, "twice"));
    assert_int_equal(e.class_, ERR_CLASS_SKIP_ROW);
    assert_int_equal(e.native, 1062);
}

static void setting_clears_an_older_cure(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    err_set(&e, ERR_IO, "a");
    err_cure(&e, "do %d", 1);
    assert_string_equal(e.cure, "do 1");
    err_set(&e, ERR_IO, "b");
    assert_string_equal(e.cure, "");
}

static void context_is_put_in_front_with_arrows(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    err_set(&e, ERR_LOG_FORMAT, "decimal needs 9 bytes, 4 left");
    err_prepend(&e, "binlog.%06d:%d", 7, 1234);
    err_prepend(&e, "stream orders");
    assert_string_equal(e.text,
                        "stream orders → binlog.000007:1234 → decimal needs 9 bytes, 4 left");
    assert_int_equal(e.code, ERR_LOG_FORMAT);
}

static void the_own_text_may_be_an_argument(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    err_set(&e, ERR_IO, "inner");
    err_set(&e, ERR_IO, "outer: %s", e.text);
    assert_string_equal(e.text, "outer: inner");
    err_prepend(&e, "%s", e.text);
    assert_string_equal(e.text, "outer: inner → outer: inner");
}

static void control_characters_and_broken_utf8_are_escaped(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    err_set(&e, ERR_IO, "a\nb\x7f|%s|\xc3\xa9", "\xff\xc3");
    assert_string_equal(e.text, "a\\x0ab\\x7f|\\xff\\xc3|\xc3\xa9");
}

static void long_texts_are_cut_at_a_whole_character(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    char long_text[4000];
    for (size_t i = 0; i + 2 < sizeof long_text; i += 2)
        memcpy(long_text + i, "\xc3\xa9", 3);
    for (int lead = 0; lead < 2; lead++) {
        err_set(&e, ERR_IO, "%s%s", lead ? "x" : "", long_text);
        size_t n = strlen(e.text);
        assert_in_range(n, sizeof e.text - 3, sizeof e.text - 1);
        assert_int_equal((unsigned char)e.text[n - 2], 0xc3);
        assert_int_equal((unsigned char)e.text[n - 1], 0xa9);
    }
    err_prepend(&e, "%s", long_text);
    assert_true(strlen(e.text) < sizeof e.text);
}

static void a_null_error_is_allowed_everywhere(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_false(err_set(NULL, ERR_IO, "x"));
    assert_false(err_set_native(NULL, ERR_IO, ERR_CLASS_FATAL, 1, "x"));
    assert_false(err_cure(NULL, "x"));
    assert_false(err_prepend(NULL, "x"));
    assert_false(err_copy(NULL, &e));
    assert_false(err_copy(&e, NULL));
    err_clear(NULL);
    assert_int_equal(e.code, ERR_NONE);
}

static void formatting_names_text_cure_and_code(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    char out[256];
    err_set(&e, ERR_SRC_BINLOG_FORMAT, "binlog_format is MIXED");
    err_format(&e, out, sizeof out);
    assert_string_equal(out, "error: binlog_format is MIXED (code SRC_BINLOG_FORMAT)");
    err_cure(&e, "run SET GLOBAL binlog_format=ROW");
    err_format(&e, out, sizeof out);
    assert_string_equal(out, "error: binlog_format is MIXED; run SET GLOBAL binlog_format=ROW"
                             " (code SRC_BINLOG_FORMAT)");
    err_format(&e, out, 8);
    assert_string_equal(out, "error: ");
}

static void every_code_has_a_name_a_sentence_and_an_exit(void **state)
{
    (void)state;
    for (unsigned i = 1; i < ERR_CODE_COUNT; i++) {
        const char *doc = err_code_doc((enum err_code)i);
        assert_true(strlen(err_code_name((enum err_code)i)) > 1);
        assert_true(strlen(doc) > 10 && doc[strlen(doc) - 1] == '.');
        assert_int_not_equal(err_code_exit((enum err_code)i), ERR_EXIT_OK);
    }
    assert_int_equal(err_code_exit(ERR_NONE), ERR_EXIT_OK);
    assert_string_equal(err_code_name(ERR_CODE_COUNT), "INTERNAL");
    assert_int_equal(err_code_exit(ERR_VDIFF_DIFFERENCES), 6);
    assert_int_equal(err_code_exit(ERR_SHUTDOWN), 130);
}

static void classes_have_names_and_clearing_forgets(void **state)
{
    (void)state;
    struct err e = ERR_INIT, other = ERR_INIT;
    assert_string_equal(err_class_name(ERR_CLASS_FATAL), "fatal");
    assert_string_equal(err_class_name(ERR_CLASS_RETRY), "retry");
    assert_string_equal(err_class_name(ERR_CLASS_SKIP_ROW), "skip-row");
    assert_string_equal(err_class_name(ERR_CLASS_SHUTDOWN), "shutdown");
    err_set(&e, ERR_DB_LOST, "x");
    err_copy(&other, &e);
    assert_int_equal(other.code, ERR_DB_LOST);
    err_clear(&e);
    assert_int_equal(e.code, ERR_NONE);
    assert_string_equal(e.text, "");
    assert_string_equal(other.text, "x");
}

static void an_errno_that_passes_is_tried_again(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_false(err_set_errno(&e, ERR_IO, EMFILE, "%s: cannot open", "/x"));
    assert_int_equal(e.code, ERR_IO);
    assert_int_equal(e.class_, ERR_CLASS_RETRY);
    assert_int_equal(e.native, EMFILE);
    assert_string_equal(e.text, "/x: cannot open");
    (void)err_set_errno(&e, ERR_SINK_FATAL, ENOSPC, "x");
    assert_int_equal(e.code, ERR_DISK_FULL);
    assert_int_equal(e.class_, ERR_CLASS_RETRY);
    assert_string_not_equal(e.cure, "");
    (void)err_set_errno(&e, ERR_IO, EACCES, "x");
    assert_int_equal(e.class_, ERR_CLASS_FATAL);
    assert_false(err_set_errno(NULL, ERR_IO, EMFILE, "x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_fills_code_class_and_text),
        cmocka_unit_test(setting_clears_an_older_cure),
        cmocka_unit_test(context_is_put_in_front_with_arrows),
        cmocka_unit_test(the_own_text_may_be_an_argument),
        cmocka_unit_test(control_characters_and_broken_utf8_are_escaped),
        cmocka_unit_test(long_texts_are_cut_at_a_whole_character),
        cmocka_unit_test(a_null_error_is_allowed_everywhere),
        cmocka_unit_test(formatting_names_text_cure_and_code),
        cmocka_unit_test(every_code_has_a_name_a_sentence_and_an_exit),
        cmocka_unit_test(classes_have_names_and_clearing_forgets),
        cmocka_unit_test(an_errno_that_passes_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
