/* tests/unit/test_schemas_vindex.c — parameters, placements, ranges and lookups of vindexes. What
 * they map to is compared with Vitess's own results in tests/golden/test_vindex_golden.c; the
 * expected ids here are some of these. */
#include "schemas/sharding/unicode_loose.h"
#include "schemas/sharding/vindex_line.h"
#include "schemas/sharding/vindex_lookup.h"
#include "schemas/sharding/vschema_change.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_line(const char *line, const char *expected)
{
    struct buf got CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    if (!vindex_line_eval(line, &got, &e))
        fail_msg("%s: %s", line, e.text);
    assert_string_equal(buf_str(&got), expected);
}

static void assert_refused(const char *type, const char *params, const char *says)
{
    struct err e = ERR_INIT;
    struct vindex *v = vindex_new("v", type, params, &e);
    if (v != NULL)
        fail_msg("accepted: %s %s", type, params);
    assert_int_equal(e.code, ERR_VSCHEMA);
    if (strstr(e.text, says) == NULL)
        fail_msg("%s %s: '%s' is not in '%s'", type, params, says, e.text);
}

static void parameters_of_others_are_ignored_and_named(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    const struct vindex_input one = {.kind = VINDEX_IN_U64, .u64 = 1};
    struct vindex *v = vindex_new("v", "hash", "{\"table\":\"t\",\"x\":\"1\"}", &e);
    struct ksid id;
    assert_string_equal(vindex_unknown_param(v, 0), "table");
    assert_string_equal(vindex_unknown_param(v, 1), "x");
    assert_null(vindex_unknown_param(v, 2));
    assert_int_equal(vindex_map(v, &one, 1, &id, &e), VINDEX_KSID);
    assert_int_equal(id.bytes[0], 0x16);
    vindex_free(v);
    v = vindex_new("v", "cfc", "{\"hash\":\"md5\",\"offsets\":\"[2]\"}", &e);
    assert_null(vindex_unknown_param(v, 0));
    vindex_free(v);
}

static void wrong_parameters_are_refused_by_name(void **state)
{
    (void)state;
    assert_refused("nosuch", "{}", "'nosuch' is not known");
    assert_refused("lookup_cost", "{}", "'lookup_cost' is not known");
    assert_refused("hash", "[]", "not an object");
    assert_refused("hash", "{\"a\":1}", "'a' is not a string");
    assert_refused("multicol", "{}", "column_count is missing");
    assert_refused("multicol", "{\"column_count\":\"9\"}", "from 1 to 8, not 9");
    assert_refused("multicol", "{\"column_count\":\"2\",\"column_bytes\":\"-1,2\"}", "-1");
    assert_refused("multicol", "{\"column_count\":\"2\",\"column_bytes\":\"8\"}",
                   "8 bytes of an id");
    assert_refused("multicol", "{\"column_count\":\"1\",\"column_vindex\":\"null\"}", "null");
    assert_refused("multicol",
                   "{\"column_count\":\"1\",\"column_vindex\":\"lookup_unique\","
                   "\"table\":\"t\",\"from\":\"a\",\"to\":\"k\"}",
                   "lookup_unique");
    assert_refused("cfc", "{\"hash\":\"sha1\",\"offsets\":\"[1]\"}", "sha1");
    assert_refused("cfc", "{\"hash\":\"md5\",\"offsets\":\"[2,2]\"}", "[2,2]");
    assert_refused("region_experimental", "{}", "region_bytes is missing");
    assert_refused("region_experimental", "{\"region_bytes\":\"3\"}", "not 3");
    assert_refused("region_json", "{\"region_bytes\":\"1\"}", "region_map is missing");
    assert_refused("numeric_static_map", "{}", "json or json_path");
    assert_refused("numeric_static_map", "{\"json\":\"{\\\"1\\\":-1}\"}", "no number from 0");
    assert_refused("numeric_static_map", "{\"json\":\"{\\\"1\\\":1.5}\"}", "no number from 0");
    assert_refused("numeric_static_map", "{\"json\":\"{\\\"1\\\":1,\\\"01\\\":2}\"}", "twice");
    assert_refused("numeric_static_map", "{\"json\":\"{}\",\"fallback_type\":\"null\"}", "null");
}

static void several_columns_share_the_bytes_of_an_id(void **state)
{
    (void)state;
    assert_line("multicol\t{\"column_count\":\"3\"}\tINT64,INT64,INT64\t\"1\",\"1\",\"1\"",
                "166b40166b40166b");
    assert_line(
        "multicol\t{\"column_count\":\"2\",\"column_vindex\":\"binary,xxhash\"}\tINT64,INT64"
        "\t\"0\",\"0\"",
        "30000000ecaf4412");
    assert_line("multicol\t{\"column_count\":\"3\"}\tINT64\t\"1\"", "KEYRANGE:166b40-166b41");
    assert_line("multicol\t{\"column_count\":\"2\"}\tINT64,NULL_TYPE\t\"1\",NULL", "NONE");
    assert_line("region_experimental\t{\"region_bytes\":\"1\"}\tINT64,INT64\t\"256\",\"1\"",
                "00166b40b44aba4bd6");
    assert_line("region_experimental\t{\"region_bytes\":\"1\"}\tINT64\t\"255\"", "KEYRANGE:ff-");
    assert_line("cfc(prefix)\t{}\tVARCHAR\thex:61ff25", "KEYRANGE:61ff-6200");
    assert_line("cfc(prefix)\t{}\tVARCHAR\t\"%\"", "ALLSHARDS");
}

static void the_first_columns_of_a_row_are_no_place(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct vindex *v = vindex_new("v", "multicol", "{\"column_count\":\"2\"}", &e);
    const struct vindex_input one = {.kind = VINDEX_IN_U64, .u64 = 1};
    struct ksid id;
    assert_int_equal(vindex_columns(v), 2);
    assert_int_equal(vindex_map(v, &one, 1, &id, &e), VINDEX_NONE);
    assert_int_equal(id.n, 0);
    vindex_free(v);
}

static void ids_are_appended_whole(void **state)
{
    (void)state;
    static const char *const types[][3] = {
        {"multicol", "{\"column_count\":\"2\",\"column_vindex\":\"binary\"}", "31000000166b40b4"},
        {"region_experimental", "{\"region_bytes\":\"1\"}", "01166b40b44aba4bd6"},
        {"region_experimental", "{\"region_bytes\":\"2\"}", "0001166b40b44aba4bd6"},
    };
    const struct vindex_input in[] = {{.kind = VINDEX_IN_U64, .u64 = 1},
                                      {.kind = VINDEX_IN_U64, .u64 = 1}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct buf ids CLEANUP(buf_fini) = BUF_INIT, hex CLEANUP(buf_fini) = BUF_INIT;
        struct err e = ERR_INIT;
        struct vindex *v = vindex_new("v", types[i][0], types[i][1], &e);
        buf_put_str(&ids, "before it, some bytes");
        size_t before = ids.len;
        assert_int_equal(vindex_map_buf(v, in, 2, &ids, &e), VINDEX_KSID);
        buf_put_hex(&hex, ids.data + before, ids.len - before);
        assert_string_equal(buf_str(&hex), types[i][2]);
        vindex_free(v);
    }
}

static const char *placement(const char *type, const char *params, char out[256])
{
    struct err e = ERR_INIT;
    struct buf text CLEANUP(buf_fini) = BUF_INIT;
    struct vindex *v = vindex_new("v", type, params, &e);
    if (v == NULL)
        fail_msg("%s", e.text);
    vindex_put_placement(v, &text);
    snprintf(out, 256, "%s", buf_str(&text));
    vindex_free(v);
    return out;
}

static void a_placement_is_what_decides_where_rows_go(void **state)
{
    (void)state;
    char a[256], b[256];
    assert_string_equal(placement("hash", "{\"foreign\":\"x\"}", a), "hash");
    assert_string_equal(placement("multicol", "{\"column_count\":\"2\"}", a),
                        "multicol(4:hash,4:hash)");
    assert_string_equal(placement("cfc", "{\"hash\":\"md5\",\"offsets\":\"[2, 4]\"}", a),
                        "cfc(md5,2,4)");
    assert_string_equal(placement("region_experimental", "{\"region_bytes\":\"2\"}", a),
                        "region_experimental(2)");
    placement("numeric_static_map", "{\"json\":\"{\\\"1\\\":2,\\\"3\\\":4}\"}", a);
    placement("numeric_static_map", "{\"json\":\" { \\\"3\\\" : 4, \\\"1\\\" : 2 }\"}", b);
    assert_string_equal(a, b);
    placement("numeric_static_map", "{\"json\":\"{\\\"1\\\":2,\\\"3\\\":5}\"}", b);
    assert_string_not_equal(a, b);
}

static void a_map_in_a_file_is_part_of_the_placement(void **state)
{
    (void)state;
    char path[] = "/tmp/sluice_map_XXXXXX", params[128], a[256], b[256];
    int fd = mkstemp(path);
    static const char first[] = "{\"US\":1}", second[] = "{\"US\":2}";
    snprintf(params, sizeof params, "{\"region_bytes\":\"1\",\"region_map\":\"%s\"}", path);
    assert_int_equal(write(fd, first, sizeof first - 1), sizeof first - 1);
    placement("region_json", params, a);
    assert_int_equal(pwrite(fd, second, sizeof second - 1, 0), sizeof second - 1);
    placement("region_json", params, b);
    assert_string_not_equal(a, b);
    close(fd);
    unlink(path);
}

static void loose_text_has_one_place(void **state)
{
    (void)state;
    if (!unicode_loose_available()) {
        assert_refused("unicode_loose_md5", "{}", "built without the weights");
        assert_refused("unicode_loose_xxhash", "{}", "built without the weights");
        printf("skipped: built without the weights of unicode_loose_*\n");
        skip();
    }
    static const char *const same[] = {"Test", "TEST", "Tést", "Te\\u0301st", "Test   "};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        char line[128];
        snprintf(line, sizeof line, "unicode_loose_md5\t{}\tVARCHAR\t\"%s\"", same[i]);
        assert_line(line, "0b5edbb401fd7524393690491d64f1f5");
    }
    assert_line("unicode_loose_xxhash\t{}\tVARCHAR\t\"TéstLooong\"", "d3ea873942b484a7");
    assert_line("unicode_loose_xxhash\t{}\tVARCHAR\thex:c3",
                "ERR: vindex unicode_loose_xxhash: the "
                "value is not UTF-8");
}

/* The ids are those of golang.org/x/text 0.7.0 for these texts. */
static void contractions_reach_behind_marks(void **state)
{
    (void)state;
    if (!unicode_loose_available()) {
        printf("skipped: built without the weights of unicode_loose_*\n");
        skip();
    }
    assert_line("unicode_loose_md5\t{}\tVARCHAR\t\"\\u0e40\\u0e01\"",
                "86187c9735263683eeee39fbdcc4bc32");
    assert_line("unicode_loose_md5\t{}\tVARCHAR\t\"\\u0fb2\\u0f71\\u0f80\"",
                "eb436a9e4aa0aab3e26081682522f794");
    assert_line("unicode_loose_md5\t{}\tVARCHAR\t\"\\u0fb2\\u0f39\\u0f80\"",
                "2c53bcfaf00507acb612edb0d6897e14");
    assert_line("unicode_loose_md5\t{}\tVARCHAR\t\"\\u0627\\u0653\\u0327\"",
                "7bca3a264a379d1c0875a2f19427d3a6");
    assert_line("unicode_loose_md5\t{}\tVARCHAR\t\"\\u0061\\u0301\\u0327\\u0323\"",
                "cecd92a198405e4449bac0d33407e52f");
    assert_line("unicode_loose_md5\t{}\tVARCHAR\t\"\\ud55c\\uae00\"",
                "9dc80e9673ff9b522bae02130d5b9ecd");
    assert_line("unicode_loose_md5\t{}\tVARCHAR\t\"\\u0438\\u0327\\u0306\"",
                "ce9a8b4d4e6af75135cfa2e154495895");
    assert_line("unicode_loose_md5\t{}\tVARCHAR\t\"\\ufdfa\\u0f77\"",
                "e1892b8d767bed967c9705ebf046035f");
    assert_line("unicode_loose_md5\t{}\tVARCHAR\t\"\\u09c7\\u09bc\\u09be\"",
                "f347bf247d244df1202fe8ecd5e4a3ed");
    assert_line("unicode_loose_md5\t{}\tVARCHAR\t\"\\ud8bf\\udfff\"",
                "d4d09c4b9524c4e9cb65efb03c377b41");
}

/* ---- lookups ---- */

static const char lookup_params[] =
    "{\"table\":\"ks.by_mail\",\"from\":\"mail, name\",\"to\":\"id\"}";

static void a_lookup_is_never_a_function(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    const struct vindex_input in = {.kind = VINDEX_IN_U64, .u64 = 1};
    struct ksid id;
    struct vindex *v = vindex_new("v", "lookup_unique", lookup_params, &e);
    assert_true(vindex_is_lookup(v));
    assert_int_equal(vindex_columns(v), 2);
    assert_int_equal(vindex_map(v, &in, 1, &id, &e), VINDEX_ERROR);
    assert_int_equal(e.code, ERR_VINDEX);
    assert_string_equal(vindex_lookup_of(v)->table, "ks.by_mail");
    assert_string_equal(vindex_lookup_of(v)->from[1], "name");
    vindex_free(v);
}

static void lookups_need_their_table_and_take_their_own_parameters(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_refused("lookup", "{\"from\":\"a\",\"to\":\"k\"}", "table is missing");
    assert_refused("lookup", "{\"table\":\"t\",\"to\":\"k\"}", "from is missing");
    assert_refused("lookup", "{\"table\":\"t\",\"from\":\"a,,b\",\"to\":\"k\"}", "from names");
    assert_refused("lookup", "{\"table\":\"t\",\"from\":\"a\",\"to\":\"k\",\"write_only\":\"yes\"}",
                   "write_only");
    assert_refused("lookup", "{\"table\":\"t\",\"from\":\"a\",\"to\":\"k\",\"read_lock\":\"x\"}",
                   "read_lock");
    static const char params[] =
        "{\"table\":\"t\",\"from\":\"a\",\"to\":\"k\",\"no_verify\":\"true\"}";
    struct vindex *v = vindex_new("v", "lookup", params, &e);
    assert_null(vindex_unknown_param(v, 0));
    assert_false(vindex_is_unique(v));
    vindex_free(v);
    v = vindex_new("v", "consistent_lookup_unique", params, &e);
    assert_string_equal(vindex_unknown_param(v, 0), "no_verify");
    assert_true(vindex_is_unique(v));
    vindex_free(v);
}

static void the_question_keeps_values_apart(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    const struct vindex_input in[] = {
        {.kind = VINDEX_IN_I64, .i64 = -1},
        {.kind = VINDEX_IN_BYTES, .p = (const uint8_t *)"a'b", .n = 3},
        {.kind = VINDEX_IN_BYTES, .p = (const uint8_t *)"\xff", .n = 1},
    };
    struct vindex *v = vindex_new("v", "lookup", lookup_params, &e);
    assert_true(vindex_lookup_sql(v, "`d`.`by_mail`", in, 3, &sql, &e));
    assert_string_equal(
        buf_str(&sql), "SELECT 0,`id` FROM `d`.`by_mail` WHERE `mail`=-1 UNION ALL "
                       "SELECT 1,`id` FROM `d`.`by_mail` WHERE `mail`=_utf8mb4 X'612762' UNION ALL "
                       "SELECT 2,`id` FROM `d`.`by_mail` WHERE `mail`=X'ff'");
    vindex_free(v);
}

static void an_answer_is_ids_or_every_shard(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct vindex_answer a;
    const struct vindex_input null = {.kind = VINDEX_IN_NULL},
                              one = {.kind = VINDEX_IN_U64, .u64 = 1};
    struct vindex *v =
        vindex_new("v", "lookup_hash_unique", "{\"table\":\"t\",\"from\":\"a\",\"to\":\"k\"}", &e);
    assert_false(vindex_lookup_needs_table(v, &null, &a));
    assert_false(a.everywhere);
    assert_true(vindex_lookup_needs_table(v, &one, &a));
    assert_true(vindex_lookup_take(v, "1", 1, &a, &e));
    assert_int_equal(a.ids[0].n, 8);
    assert_int_equal(a.ids[0].bytes[0], 0x16);
    assert_false(vindex_lookup_take(v, "2", 1, &a, &e)); /* unique */
    assert_int_equal(e.code, ERR_VINDEX);
    vindex_answers_fini(&a, 1);
    vindex_free(v);
    v = vindex_new("v", "lookup",
                   "{\"table\":\"t\",\"from\":\"a\",\"to\":\"k\",\"ignore_nulls\":"
                   "\"true\"}",
                   &e);
    assert_false(vindex_lookup_needs_table(v, &null, &a));
    assert_true(a.everywhere);
    assert_true(vindex_lookup_needs_table(v, &one, &a));
    assert_true(vindex_lookup_take(v, "\x16", 1, &a, &e));
    assert_true(vindex_lookup_take(v, "\x80", 1, &a, &e));
    assert_int_equal(a.n, 2);
    assert_false(vindex_lookup_take(v, NULL, 0, &a, &e));
    vindex_answers_fini(&a, 1);
    vindex_free(v);
    v = vindex_new("v", "lookup",
                   "{\"table\":\"t\",\"from\":\"a\",\"to\":\"k\",\"write_only\":"
                   "\"true\"}",
                   &e);
    assert_false(vindex_lookup_needs_table(v, &one, &a));
    assert_true(a.everywhere); /* it is still being filled */
    vindex_free(v);
}

/* ---- vschema ---- */

static const char vschema[] =
    "{\"sharded\":true,\"vindexes\":{\"h\":{\"type\":\"hash\"},\"m\":{\"type\":\"multicol\","
    "\"params\":{\"column_count\":\"2\"}},\"l\":{\"type\":\"lookup\",\"owner\":\"t\",\"params\":{"
    "\"table\":\"x\",\"from\":\"a\",\"to\":\"k\",\"other\":\"1\"}},\"u\":{\"type\":\"lookup_"
    "unique\","
    "\"owner\":\"o\",\"params\":{\"table\":\"x\",\"from\":\"a\",\"to\":\"k\"}}},"
    "\"tables\":{\"t\":{\"column_vindexes\":[%s]}}}";

static struct vschema *parse(const char *column_vindexes, struct err *e)
{
    char text[1024];
    /* NOLINTNEXTLINE: the format stands above */
    snprintf(text, sizeof text, vschema, column_vindexes);
    return vschema_parse(text, e);
}

static void count_param(void *count, const struct vindex *v, const char *param)
{
    assert_string_equal(vindex_name(v), "l");
    assert_string_equal(param, "other");
    ++*(int *)count;
}

static void a_table_has_all_its_vindexes(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    int unknown = 0;
    struct vschema *v = parse("{\"columns\":[\"a\",\"b\"],\"name\":\"m\"},"
                              "{\"column\":\"Mail\",\"name\":\"l\"},"
                              "{\"column\":\"mail\",\"name\":\"u\"}",
                              &e);
    if (v == NULL)
        fail_msg("%s", e.text);
    const struct vschema_table *t = vschema_table(v, "t");
    assert_int_equal(t->n_columns, 2);
    assert_string_equal(t->columns[1], "b");
    assert_string_equal(vindex_name(vschema_vindex_of(t, "MAIL")->vindex), "u");
    assert_null(vschema_vindex_of(t, "b"));
    vschema_unknown_params(v, count_param, &unknown);
    assert_int_equal(unknown, 1);
    vschema_free(v);
}

static void a_primary_vindex_gives_one_place(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"{\"columns\":[\"a\"],\"name\":\"m\"}", "takes 2 columns, not 1"},
        {"{\"columns\":[\"a\",\"b\"],\"name\":\"h\"}", "takes 1 column, not 2"},
        {"{\"column\":\"a\",\"name\":\"l\"}", "several places"},
        {"{\"column\":\"a\",\"name\":\"h\"},{\"column\":\"b\",\"name\":\"z\"}",
         "'z' is not defined"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct err e = ERR_INIT;
        assert_null(parse(wrong[i][0], &e));
        if (strstr(e.text, wrong[i][1]) == NULL)
            fail_msg("'%s' is not in '%s'", wrong[i][1], e.text);
    }
}

/* ---- changes ---- */

static bool add_move(void *ctx, const char *table, const char *before, const char *after,
                     struct err *e)
{
    (void)e;
    buf_printf(ctx, "%s: %s -> %s;", table, before, after);
    return true;
}

static const char *moves(const char *vindexes, const char *tables, struct buf *out)
{
    static const char before[] =
        "{\"sharded\":true,\"vindexes\":{\"h\":{\"type\":\"hash\"}},\"tables\":{"
        "\"t\":{\"column_vindexes\":[{\"column\":\"a\",\"name\":\"h\"}]},"
        "\"r\":{\"type\":\"reference\"}}}";
    struct buf placements CLEANUP(buf_fini) = BUF_INIT, text CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    struct vschema *from = vschema_parse(before, &e);
    buf_printf(&text, "{\"sharded\":true,\"vindexes\":{%s},\"tables\":{%s}}", vindexes, tables);
    struct vschema *to = vschema_parse(buf_str(&text), &e);
    if (to == NULL)
        fail_msg("%s", e.text);
    vschema_placements(from, &placements);
    buf_reset(out);
    assert_true(vschema_moved_tables(buf_str(&placements), to, add_move, out, &e));
    vschema_free(from);
    vschema_free(to);
    return buf_str(out);
}

#define REFERENCE "\"r\":{\"type\":\"reference\"}"

static void what_places_rows_otherwise_is_a_move(void **state)
{
    (void)state;
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    assert_string_equal(moves("\"x\":{\"type\":\"hash\",\"params\":{\"foreign\":\"1\"}}",
                              "\"t\":{\"column_vindexes\":[{\"column\":\"A\",\"name\":\"x\"}]},"
                              "\"new\":{\"type\":\"reference\"}," REFERENCE,
                              &out),
                        "");
    assert_string_equal(
        moves("\"h\":{\"type\":\"xxhash\"}",
              "\"t\":{\"column_vindexes\":[{\"column\":\"a\",\"name\":\"h\"}]}," REFERENCE, &out),
        "t: vindex h: hash over a -> vindex h: xxhash over a;");
    assert_string_equal(
        moves("\"h\":{\"type\":\"hash\"}",
              "\"t\":{\"column_vindexes\":[{\"column\":\"b\",\"name\":\"h\"}]}," REFERENCE, &out),
        "t: vindex h: hash over a -> vindex h: hash over b;");
    assert_string_equal(moves("", REFERENCE, &out), "t: vindex h: hash over a -> not placed;");
    assert_string_equal(moves("\"h\":{\"type\":\"hash\"}",
                              "\"t\":{\"column_vindexes\":[{\"column\":\"a\",\"name\":\"h\"}]},"
                              "\"r\":{\"column_vindexes\":[{\"column\":\"a\",\"name\":\"h\"}]}",
                              &out),
                        "r: on every shard -> vindex h: hash over a;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_of_others_are_ignored_and_named),
        cmocka_unit_test(wrong_parameters_are_refused_by_name),
        cmocka_unit_test(several_columns_share_the_bytes_of_an_id),
        cmocka_unit_test(the_first_columns_of_a_row_are_no_place),
        cmocka_unit_test(ids_are_appended_whole),
        cmocka_unit_test(a_placement_is_what_decides_where_rows_go),
        cmocka_unit_test(a_map_in_a_file_is_part_of_the_placement),
        cmocka_unit_test(loose_text_has_one_place),
        cmocka_unit_test(contractions_reach_behind_marks),
        cmocka_unit_test(a_lookup_is_never_a_function),
        cmocka_unit_test(lookups_need_their_table_and_take_their_own_parameters),
        cmocka_unit_test(the_question_keeps_values_apart),
        cmocka_unit_test(an_answer_is_ids_or_every_shard),
        cmocka_unit_test(a_table_has_all_its_vindexes),
        cmocka_unit_test(a_primary_vindex_gives_one_place),
        cmocka_unit_test(what_places_rows_otherwise_is_a_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
