/* tests/unit/test_schemas_fits.c — which column changes keep every value, and types read from their
 * names. */
#include "base/mem.h"
#include "schemas/column_info.h"
#include "schemas/inspect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A one-column table from "type" or "type|octets|precision|scale|fraction|collation". */
static struct schema_table *column(const char *text)
{
    struct schema_table *t = schema_table_new("d", "t", 1);
    char copy[200];
    snprintf(copy, sizeof copy, "%s", text);
    char *at = copy, *type = strsep(&at, "|");
    unsigned long numbers[5] = {0};
    for (size_t i = 0; i < 5 && at; i++)
        numbers[i] = strtoul(strsep(&at, "|"), NULL, 10);
    char data_type[64];
    snprintf(data_type, sizeof data_type, "%.*s", (int)strcspn(type, "( "), type);
    struct schema_column_info info = {.data_type = data_type,
                                      .column_type = type,
                                      .octet_length = numbers[0],
                                      .precision = (unsigned)numbers[1],
                                      .scale = (unsigned)numbers[2],
                                      .fraction_digits = (unsigned)numbers[3],
                                      .collation = (uint16_t)numbers[4]};
    struct err e = ERR_INIT;
    if (!schema_column_from_info(&info, &t->columns[0], &e))
        fail_msg("%s: %s", text, e.text);
    t->columns[0].name = mem_strdup("c");
    t->columns[0].nullable = true;
    return t;
}

/* why NULL: fits */
static void expect(const char *from, const char *to, const char *why)
{
    struct schema_table *s = column(from), *t = column(to);
    char reason[200];
    bool fits = schema_column_fits(&s->columns[0], &t->columns[0], reason, sizeof reason);
    if (fits != (why == NULL))
        fail_msg("%s to %s: %s", from, to, fits ? "fits" : reason);
    if (why && !strstr(reason, why))
        fail_msg("%s to %s: '%s' does not say '%s'", from, to, reason, why);
    schema_table_unref(s);
    schema_table_unref(t);
}

static void numbers_need_range_scale_and_sign(void **state)
{
    (void)state;
    expect("int", "int", NULL);
    expect("int", "bigint", NULL);
    expect("bigint", "int", "smaller range");
    expect("int unsigned", "bigint", NULL);
    expect("int unsigned", "int", "smaller range");
    expect("int", "int unsigned", "negative");
    expect("int", "bigint unsigned", "negative");
    expect("bigint unsigned", "decimal(20,0)|0|20|0", NULL);
    expect("bigint unsigned", "decimal(20,2)|0|20|2", "integer digits");
    expect("decimal(12,2)|0|12|2", "decimal(13,2)|0|13|2", NULL);
    expect("decimal(12,2)|0|12|2", "decimal(12,3)|0|12|3", "integer digits");
    expect("decimal(12,2)|0|12|2", "decimal(12,1)|0|12|1", "scale");
    expect("decimal(12,2)|0|12|2", "decimal(12,2) unsigned|0|12|2", "negative");
    expect("float", "double", NULL);
    expect("double", "float", "precision");
    expect("float", "float(7,3)", "rounds");
    expect("float(7,3)", "float(8,3)", NULL);
    expect("float(7,3)", "float(8,5)", "rounds");
    expect("bit(10)|0|10", "bit(16)|0|16", NULL);
    expect("bit(10)|0|10", "bit(9)|0|9", "bits");
    expect("int", "varchar(20)|80|0|0|0|45", "another type");
    expect("int", "double", "another type");
}

static void times_need_their_fraction(void **state)
{
    (void)state;
    expect("datetime(3)|0|0|0|3", "datetime(6)|0|0|0|6", NULL);
    expect("datetime(6)|0|0|0|6", "datetime(3)|0|0|0|3", "fraction");
    expect("time(1)|0|0|0|1", "time", "fraction");
    expect("timestamp", "datetime", "another type");
    expect("date", "datetime", "another type");
    expect("year", "year", NULL);
}

static void text_needs_length_and_character_set(void **state)
{
    (void)state;
    expect("varchar(20)|80|0|0|0|45", "varchar(20)|80|0|0|0|255", NULL);
    expect("varchar(20)|80|0|0|0|45", "varchar(19)|76|0|0|0|45", "shorter");
    expect("varchar(20)|20|0|0|0|8", "varchar(20)|80|0|0|0|45", NULL);
    expect("varchar(20)|80|0|0|0|45", "varchar(80)|80|0|0|0|8", "character set");
    expect("varchar(20)|60|0|0|0|33", "varchar(20)|80|0|0|0|45", NULL);
    expect("varchar(20)|80|0|0|0|45", "varchar(30)|90|0|0|0|33", "character set");
    expect("varchar(20)|20|0|0|0|11", "varchar(20)|20|0|0|0|8", NULL);
    expect("varchar(20)|80|0|0|0|45", "char(20)|80|0|0|0|45", "trailing");
    expect("char(20)|80|0|0|0|45", "varchar(20)|80|0|0|0|45", NULL);
    expect("varchar(63)|252|0|0|0|45", "tinytext|255|0|0|0|45", NULL);
    expect("varchar(64)|256|0|0|0|45", "tinytext|255|0|0|0|45", "shorter");
    expect("text|65535|0|0|0|45", "mediumtext|0|0|0|0|45", NULL);
    expect("text|65535|0|0|0|45", "tinytext|0|0|0|0|45", "shorter");
    expect("text|65535|0|0|0|8", "text|65535|0|0|0|45", "shorter");
    expect("text|65535|0|0|0|8", "mediumtext|65535|0|0|0|45", NULL);
    expect("text|65535|0|0|0|45", "varchar(100)|400|0|0|0|45", "shorter");
    expect("varchar(20)|80|0|0|0|45", "varbinary(80)|80", "text to binary");
    expect("blob|65535", "text|65535|0|0|0|45", "binary to text");
}

static void bytes_need_their_length(void **state)
{
    (void)state;
    expect("varbinary(10)|10", "varbinary(20)|20", NULL);
    expect("varbinary(20)|20", "varbinary(10)|10", "shorter");
    expect("binary(16)|16", "binary(16)|16", NULL);
    expect("binary(16)|16", "binary(20)|20", "BINARY");
    expect("varbinary(16)|16", "binary(16)|16", "zero bytes");
    expect("binary(16)|16", "blob", NULL);
    expect("longblob", "mediumblob", "shorter");
}

static void labels_and_documents(void **state)
{
    (void)state;
    expect("enum('a','b')|0|0|0|0|45", "enum('b','c','a')|0|0|0|0|45", NULL);
    expect("enum('a','b')|0|0|0|0|45", "enum('a')|0|0|0|0|45", "no label 'b'");
    expect("set('a','b')|0|0|0|0|45", "set('a','b','c')|0|0|0|0|45", NULL);
    expect("enum('a')|0|0|0|0|45", "set('a')|0|0|0|0|45", "another type");
    expect("json", "json", NULL);
    expect("json", "longtext|0|0|0|0|45", NULL);
    expect("json", "text|0|0|0|0|45", "another type");
    expect("point", "geometry", NULL);
    expect("geometry", "point", "geometry");
    expect("vector(3)", "vector(2)", "dimensions");
    expect("uuid", "uuid", NULL);
    expect("uuid", "inet6", "another type");
    expect("inet4", "varbinary(16)|16", "another type");
}

static void null_and_generated_columns(void **state)
{
    (void)state;
    struct schema_table *s = column("int"), *t = column("int");
    char reason[200];
    t->columns[0].nullable = false;
    assert_false(schema_column_fits(&s->columns[0], &t->columns[0], reason, sizeof reason));
    assert_string_equal(reason, "c: int to int: no NULL");
    t->columns[0].generated = true;
    assert_false(schema_column_fits(&s->columns[0], &t->columns[0], reason, sizeof reason));
    s->columns[0].generated = true;
    assert_true(schema_column_fits(&s->columns[0], &t->columns[0], reason, sizeof reason));
    assert_string_equal(reason, "");
    schema_table_unref(s);
    schema_table_unref(t);
}

static void a_type_from_the_future_is_refused(void **state)
{
    (void)state;
    struct schema_column c = {.name = NULL};
    struct schema_column_info info = {.data_type = "hologram", .column_type = "hologram(3)"};
    struct err e = ERR_INIT;
    assert_false(schema_column_from_info(&info, &c, &e));
    assert_int_equal(e.code, ERR_SCHEMA_MISMATCH);
}

static void labels_are_read_with_their_quotes(void **state)
{
    (void)state;
    struct schema_table *t = column("set('a','b''c','d,e','z\\\\','')|0|0|0|0|45");
    const struct schema_column *c = &t->columns[0];
    static const char *const labels[] = {"a", "b'c", "d,e", "z\\", ""};
    assert_int_equal(c->n_labels, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(c->labels[i].p, labels[i]);
    assert_int_equal(c->meta, 1);
    schema_table_unref(t);
}

static void the_identity_is_the_first_whole_unique_key_without_null(void **state)
{
    (void)state;
    struct schema_table *t = schema_table_new("d", "t", 3);
    assert_null(schema_table_identity(t));
    struct schema_key *k = schema_table_add_key(t, "prefix", 1);
    k->unique = k->not_null = true;
    k->prefix[0] = 5;
    k = schema_table_add_key(t, "nullable", 1);
    k->unique = true;
    k = schema_table_add_key(t, "functional", 1);
    k->unique = k->not_null = k->functional = true;
    k = schema_table_add_key(t, "plain", 1);
    k->not_null = true;
    assert_null(schema_table_identity(t));
    k = schema_table_add_key(t, "good", 2);
    k->unique = k->not_null = true;
    assert_string_equal(schema_table_identity(t)->name, "good");
    schema_table_unref(t);
}

static void equal_definitions_have_equal_hashes(void **state)
{
    (void)state;
    struct schema_table *a = column("int"), *b = column("int"), *c = column("int unsigned");
    schema_table_seal(a);
    schema_table_seal(b);
    schema_table_seal(c);
    assert_true(a->content_hash == b->content_hash);
    assert_true(a->content_hash != c->content_hash);
    struct schema_table *again = schema_table_ref(a);
    assert_ptr_equal(again, a);
    schema_table_unref(again);
    schema_table_unref(a);
    schema_table_unref(b);
    schema_table_unref(c);
    schema_table_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_need_range_scale_and_sign),
        cmocka_unit_test(times_need_their_fraction),
        cmocka_unit_test(text_needs_length_and_character_set),
        cmocka_unit_test(bytes_need_their_length),
        cmocka_unit_test(labels_and_documents),
        cmocka_unit_test(null_and_generated_columns),
        cmocka_unit_test(a_type_from_the_future_is_refused),
        cmocka_unit_test(labels_are_read_with_their_quotes),
        cmocka_unit_test(the_identity_is_the_first_whole_unique_key_without_null),
        cmocka_unit_test(equal_definitions_have_equal_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
