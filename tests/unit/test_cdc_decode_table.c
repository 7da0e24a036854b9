/* tests/unit/test_cdc_decode_table.c — table maps: the metadata of each type, the optional
 * metadata, definitions that somebody else knows, the caches; and malformed ones. */
#include "base/mem.h"
#include "schemas/labels.h"
#include "tests/support/decode_feeder.h"

/* The definition that the schema function was asked about last. */
struct asked {
    unsigned n;
    struct schema_table *table;
    const struct schema_table *known; /* the answer */
    enum err_code code;
};

static const struct schema_table *answer(void *ctx, const struct log_span *at,
                                         const struct schema_table *log, struct err *e)
{
    struct asked *a = ctx;
    (void)at;
    a->n++;
    if (a->table)
        schema_table_unref(a->table);
    a->table = schema_table_ref(log);
    if (a->code != ERR_NONE) {
        err_set(e, a->code, "nobody knows");
        err_cure(e, "ask again");
    }
    return a->known && a->code == ERR_NONE ? schema_table_ref(a->known) : NULL;
}

static void start_asking(struct feeder *f, struct asked *a, const char *version)
{
    struct cdc_decode_options o = {.schema = answer, .schema_ctx = a};
    *a = (struct asked){0};
    start_with(f, &o, version, NULL);
}

static void stop_asking(struct feeder *f, struct asked *a)
{
    if (a->table)
        schema_table_unref(a->table);
    stop(f);
}

/* Table id 9, d.t. */
static void put_map(struct buf *map, const uint8_t *types, size_t n, const char *meta,
                    size_t meta_len)
{
    buf_put(map, "\x09\0\0\0\0\0\1\0\1d\0\1t", 14);
    buf_put_u8(map, (uint8_t)n);
    buf_put(map, types, n);
    buf_put_u8(map, (uint8_t)meta_len);
    buf_put(map, meta, meta_len);
    for (size_t i = 0; i < n; i += 8)
        buf_put_u8(map, 0xff);
}

static void put_field(struct buf *map, uint8_t type, const char *value, size_t n)
{
    buf_put_u8(map, type);
    buf_put_u8(map, (uint8_t)n);
    buf_put(map, value, n);
}

/* ---- the metadata of each type ---- */

static const struct {
    uint8_t type;
    const char *meta;
    size_t n;
    uint8_t real_type;
    uint16_t real_meta;
} types[] = {
    {SCHEMA_TYPE_LONG, BYTES(""), SCHEMA_TYPE_LONG, 0},
    {SCHEMA_TYPE_FLOAT, BYTES("\4"), SCHEMA_TYPE_FLOAT, 4},
    {SCHEMA_TYPE_DOUBLE, BYTES("\x08"), SCHEMA_TYPE_DOUBLE, 8},
    {SCHEMA_TYPE_BLOB, BYTES("\2"), SCHEMA_TYPE_BLOB, 2},
    {SCHEMA_TYPE_BLOB_COMPRESSED, BYTES("\3"), SCHEMA_TYPE_BLOB_COMPRESSED, 3},
    {SCHEMA_TYPE_JSON, BYTES("\4"), SCHEMA_TYPE_JSON, 4},
    {SCHEMA_TYPE_GEOMETRY, BYTES("\4"), SCHEMA_TYPE_GEOMETRY, 4},
    {SCHEMA_TYPE_VECTOR, BYTES("\4"), SCHEMA_TYPE_VECTOR, 4},
    {SCHEMA_TYPE_TIMESTAMP2, BYTES("\6"), SCHEMA_TYPE_TIMESTAMP2, 6},
    {SCHEMA_TYPE_DATETIME2, BYTES("\3"), SCHEMA_TYPE_DATETIME2, 3},
    {SCHEMA_TYPE_TIME2, BYTES("\0"), SCHEMA_TYPE_TIME2, 0},
    {SCHEMA_TYPE_VARCHAR, BYTES("\x2c\1"), SCHEMA_TYPE_VARCHAR, 300},
    {SCHEMA_TYPE_VARCHAR_COMPRESSED, BYTES("\x2c\1"), SCHEMA_TYPE_VARCHAR_COMPRESSED, 300},
    {SCHEMA_TYPE_VAR_STRING, BYTES("\x2c\1"), SCHEMA_TYPE_VAR_STRING, 300},
    {SCHEMA_TYPE_NEWDECIMAL, BYTES("\x0a\2"), SCHEMA_TYPE_NEWDECIMAL, 10 << 8 | 2},
    {SCHEMA_TYPE_BIT, BYTES("\1\x08"), SCHEMA_TYPE_BIT, 8 << 8 | 1},
    {SCHEMA_TYPE_STRING, BYTES("\xfe\x10"), SCHEMA_TYPE_STRING, 16},
    {SCHEMA_TYPE_STRING, BYTES("\xee\xfc"), SCHEMA_TYPE_STRING, 508}, /* length in bits 4 and 5 */
    {SCHEMA_TYPE_STRING, BYTES("\xce\xfc"), SCHEMA_TYPE_STRING, 1020},
    {SCHEMA_TYPE_STRING, BYTES("\xf7\2"), SCHEMA_TYPE_ENUM, 2},
    {SCHEMA_TYPE_STRING, BYTES("\xf8\x08"), SCHEMA_TYPE_SET, 8},
    {SCHEMA_TYPE_ENUM, BYTES("\1\x7f"), SCHEMA_TYPE_ENUM, 1},
    {SCHEMA_TYPE_SET, BYTES("\1\x7f"), SCHEMA_TYPE_SET, 1},
};

static void each_type_has_metadata_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct feeder f;
        struct asked a;
        struct buf map CLEANUP(buf_fini) = BUF_INIT, cut CLEANUP(buf_fini) = BUF_INIT;
        start_asking(&f, &a, FEEDER_MYSQL);
        put_map(&map, &types[i].type, 1, types[i].meta, types[i].n);
        assert_true(feed_buf(&f, 19, &map));
        assert_int_equal(a.n, 1);
        assert_int_equal(a.table->columns[0].type, types[i].real_type);
        assert_int_equal(a.table->columns[0].meta, types[i].real_meta);
        assert_true(a.table->columns[0].nullable && a.table->columns[0].visible);
        if (types[i].n > 0) { /* one byte fewer */
            put_map(&cut, &types[i].type, 1, types[i].meta, types[i].n - 1);
            assert_false(feed_buf(&f, 19, &cut));
            assert_fails(&f, "cut", ERR_LOG_FORMAT,
                         "TABLE_MAP_EVENT (type 19) → d.t: the column list goes beyond the event");
        }
        stop_asking(&f, &a);
    }
}

static const struct {
    const char *what, *body;
    size_t n;
    const char *text;
} malformed[] = {
    {"no table id", BYTES("\x09\0\0\0\0"), "beyond its 5 bytes"},
    {"a table id alone", BYTES("\x09\0\0\0\0\0"), "beyond its 6 bytes"},
    {"no names", BYTES("\x09\0\0\0\0\0\1\0"), "beyond its 8 bytes"},
    {"a database that is cut", BYTES("\x09\0\0\0\0\0\1\0\5d\0\1t\0"), "beyond its 14 bytes"},
    {"a database that does not end", BYTES("\x09\0\0\0\0\0\1\0\1dx\1t\0\1\3\0\0"),
     "beyond its 18 bytes"},
    {"a database with a zero byte", BYTES("\x09\0\0\0\0\0\1\0\2\0d\0\1t\0\1\3\0\0"),
     "beyond its 19 bytes"},
    {"no table", BYTES("\x09\0\0\0\0\0\1\0\1d\0"), "beyond its 11 bytes"},
    {"a table that does not end", BYTES("\x09\0\0\0\0\0\1\0\1d\0\1tx\1\3\0\0"),
     "beyond its 18 bytes"},
    {"no columns' number", BYTES("\x09\0\0\0\0\0\1\0\1d\0\1t\0"), "beyond its 14 bytes"},
    {"no column", BYTES("\x09\0\0\0\0\0\1\0\1d\0\1t\0\0"), "d.t: 0 columns"},
    {"more columns than bytes", BYTES("\x09\0\0\0\0\0\1\0\1d\0\1t\0\3\3\3"), "d.t: 3 columns"},
    {"more columns than any server has", BYTES("\x09\0\0\0\0\0\1\0\1d\0\1t\0\xfc\x41\x10"),
     "d.t: 4161 columns"},
    {"no metadata", BYTES("\x09\0\0\0\0\0\1\0\1d\0\1t\0\1\3"), "d.t: the column list"},
    {"metadata longer than the event", BYTES("\x09\0\0\0\0\0\1\0\1d\0\1t\0\1\3\2\0"),
     "d.t: the column list"},
    {"no bits of NULL", BYTES("\x09\0\0\0\0\0\1\0\1d\0\1t\0\1\3\0"), "d.t: the column list"},
};

static void malformed_table_maps_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct feeder f;
        start(&f, 0, NULL);
        bool ok = feed(&f, 19, malformed[i].body, malformed[i].n);
        if (ok)
            print_error("%s was accepted\n", malformed[i].what);
        assert_false(ok);
        assert_fails(&f, malformed[i].what, ERR_LOG_FORMAT, malformed[i].text);
        stop(&f);
    }
}

/* ---- optional metadata ---- */

static void signs_count_the_numeric_columns(void **state)
{
    static const uint8_t columns[] = {
        SCHEMA_TYPE_LONG,  SCHEMA_TYPE_VARCHAR, SCHEMA_TYPE_TINY,  SCHEMA_TYPE_NEWDECIMAL,
        SCHEMA_TYPE_FLOAT, SCHEMA_TYPE_DOUBLE,  SCHEMA_TYPE_YEAR,  SCHEMA_TYPE_DECIMAL,
        SCHEMA_TYPE_DATE,  SCHEMA_TYPE_SHORT,   SCHEMA_TYPE_INT24, SCHEMA_TYPE_LONGLONG};
    struct feeder f;
    struct asked a;
    struct buf map CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start_asking(&f, &a, FEEDER_MYSQL);
    put_map(&map, columns, sizeof columns, BYTES("\x14\0\x0a\2\4\x08"));
    put_field(&map, 1, BYTES("\xa9\xc0")); /* 1010 1001, 11 */
    assert_true(feed_buf(&f, 19, &map));
    for (size_t i = 0; i < sizeof columns; i++) {
        bool number = columns[i] != SCHEMA_TYPE_VARCHAR && columns[i] != SCHEMA_TYPE_DATE;
        assert_int_equal(a.table->columns[i].unsigned_known, number);
    }
    static const size_t numbers[] = {0, 2, 3, 4, 5, 6, 7, 9, 10, 11};
    static const bool bits[] = {1, 0, 1, 0, 1, 0, 0, 1, 1, 1};
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(a.table->columns[numbers[i]].is_unsigned, bits[i]);
    stop_asking(&f, &a);
}

static const uint8_t strings[] = {
    SCHEMA_TYPE_STRING,          SCHEMA_TYPE_LONG,     SCHEMA_TYPE_VAR_STRING,
    SCHEMA_TYPE_VARCHAR,         SCHEMA_TYPE_BLOB,     SCHEMA_TYPE_VARCHAR_COMPRESSED,
    SCHEMA_TYPE_BLOB_COMPRESSED, SCHEMA_TYPE_GEOMETRY, SCHEMA_TYPE_VECTOR};
static const char strings_meta[] = "\xfe\x10\x0a\0\x0a\0\2\x0a\0\2\4\4";

static void assert_collations(const struct asked *a, const uint16_t *want)
{
    for (size_t i = 0; i < a->table->n_columns; i++)
        assert_int_equal(a->table->columns[i].collation, want[i]);
}

/* MariaDB counts GEOMETRY, MySQL VECTOR. */
static void charsets_count_the_character_columns(void **state)
{
    static const uint16_t by_default[2][9] = {{45, 0, 8, 45, 63, 45, 45, 0, 45},
                                              {45, 0, 8, 45, 63, 45, 45, 45, 0}};
    static const uint16_t by_column[2][9] = {{1, 0, 2, 3, 4, 5, 6, 0, 700},
                                             {1, 0, 2, 3, 4, 5, 6, 700, 0}};
    (void)state;
    for (int mariadb = 0; mariadb < 2; mariadb++) {
        struct feeder f;
        struct asked a;
        struct buf map CLEANUP(buf_fini) = BUF_INIT;
        start_asking(&f, &a, mariadb ? FEEDER_MARIADB : FEEDER_MYSQL);
        put_map(&map, strings, sizeof strings, BYTES(strings_meta));
        size_t plain = map.len;
        put_field(&map, 2, BYTES("\x2d\1\x08\3\x3f"));
        assert_true(feed_buf(&f, 19, &map));
        assert_collations(&a, by_default[mariadb]);
        map.len = plain;
        put_field(&map, 3, BYTES("\1\2\3\4\5\6\xfc\xbc\2"));
        assert_true(feed_buf(&f, 19, &map));
        assert_collations(&a, by_column[mariadb]);
        stop_asking(&f, &a);
    }
}

static void labels_are_converted_from_their_charset(void **state)
{
    static const uint8_t columns[] = {SCHEMA_TYPE_ENUM, SCHEMA_TYPE_SET, SCHEMA_TYPE_ENUM,
                                      SCHEMA_TYPE_LONG};
    struct feeder f;
    struct asked a;
    struct buf map CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start_asking(&f, &a, FEEDER_MYSQL);
    put_map(&map, columns, sizeof columns, BYTES("\xf7\1\xf8\1\xf7\1"));
    put_field(&map, 6, BYTES("\2\1\xe9\1b\1\1\xff")); /* two labels; one */
    put_field(&map, 5, BYTES("\2\1x\0"));
    put_field(&map, 10, BYTES("\x2d\0\x08")); /* utf8mb4; the first latin1 */
    assert_true(feed_buf(&f, 19, &map));
    const struct schema_column *c = a.table->columns;
    assert_int_equal(c[0].n_labels, 2);
    assert_string_equal(c[0].labels[0].p, "\xc3\xa9");
    assert_string_equal(c[0].labels[1].p, "b");
    assert_int_equal(c[1].n_labels, 2);
    assert_string_equal(c[1].labels[0].p, "x");
    assert_string_equal(c[1].labels[1].p, "");
    assert_string_equal(c[2].labels[0].p, "\xff"); /* not valid: as it is */
    assert_true(c[2].label_known && !c[3].label_known);
    assert_int_equal(c[2].collation, 45);
    buf_reset(&map);
    put_map(&map, columns, sizeof columns, BYTES("\xf7\1\xf8\1\xf7\1"));
    put_field(&map, 6, BYTES("\1\2\xc3\xa9\0")); /* no charset is known: utf8mb4; no labels */
    put_field(&map, 11, BYTES("\0\x08\x21"));
    assert_true(feed_buf(&f, 19, &map));
    c = a.table->columns;
    assert_string_equal(c[0].labels[0].p, "\xc3\xa9");
    assert_true(c[2].label_known && c[2].n_labels == 0);
    assert_int_equal(c[1].collation, 8);
    assert_int_equal(c[2].collation, 33);
    stop_asking(&f, &a);
}

static void keys_visibility_and_kinds_are_read(void **state)
{
    static const uint8_t columns[] = {SCHEMA_TYPE_LONG, SCHEMA_TYPE_GEOMETRY, SCHEMA_TYPE_VECTOR,
                                      SCHEMA_TYPE_GEOMETRY};
    struct feeder f;
    struct asked a;
    struct buf map CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start_asking(&f, &a, FEEDER_MYSQL);
    put_map(&map, columns, sizeof columns, BYTES("\4\4\4"));
    size_t plain = map.len;
    put_field(&map, 7, BYTES("\1\3"));
    put_field(&map, 13, BYTES("\xfc\0\4"));
    put_field(&map, 12, BYTES("\xb0"));
    put_field(&map, 8, BYTES("\2\0"));
    put_field(&map, 99, BYTES("of a later server"));
    assert_true(feed_buf(&f, 19, &map));
    const struct schema_table *t = a.table;
    assert_int_equal(t->columns[1].geometry_type, 1);
    assert_int_equal(t->columns[3].geometry_type, 3);
    assert_int_equal(t->columns[2].vector_dim, 1024);
    assert_true(t->columns[0].visible && !t->columns[1].visible && t->columns[2].visible);
    assert_int_equal(t->n_pk, 2);
    assert_int_equal(t->pk[0], 2);
    assert_int_equal(t->pk[1], 0);
    map.len = plain;
    put_field(&map, 9, BYTES("\3\x0a\1\0"));
    assert_true(feed_buf(&f, 19, &map));
    assert_int_equal(a.table->n_pk, 2);
    assert_int_equal(a.table->pk[0], 3);
    stop_asking(&f, &a);
}

/* Behind a map of LONG, VARCHAR, ENUM, SET, GEOMETRY, VECTOR. */
static const struct {
    const char *what, *bytes;
    size_t n;
} bad_metadata[] = {
    {"a field without length", BYTES("\1")},
    {"a field longer than the event", BYTES("\1\5\0")},
    {"a length that is none", BYTES("\1\xff")},
    {"signs of too few columns", BYTES("\1\0")},
    {"a default charset that is cut", BYTES("\2\1\xfc")},
    {"a default charset with half a pair", BYTES("\2\2\x2d\0")},
    {"charsets of too few columns", BYTES("\3\1\x2d")},
    {"names of too few columns", BYTES("\4\4\1a\1b")},
    {"a name longer than the field", BYTES("\4\2\5a")},
    {"a name with a zero byte", BYTES("\4\14\1a\1\0\1c\1d\1e\1f")},
    {"no labels' number", BYTES("\6\0")},
    {"more labels than bytes", BYTES("\6\1\5")},
    {"more labels than a column may have", BYTES("\6\4\xfd\0\0\1")},
    {"a label that is cut", BYTES("\6\3\1\5a")},
    {"labels twice", BYTES("\6\3\1\1a\6\3\1\1a")},
    {"labels of a SET that are cut", BYTES("\5\3\2\1a")},
    {"no geometry type", BYTES("\7\0")},
    {"a key's column that is none", BYTES("\x08\1\6")},
    {"a key of more columns than there are", BYTES("\x08\7\0\1\2\3\4\5\0")},
    {"a key's number that is cut", BYTES("\x08\1\xfc")},
    {"a key's prefix that is missing", BYTES("\x09\1\0")},
    {"charsets of too few ENUMs", BYTES("\x0b\1\x2d")},
    {"visibility of no column", BYTES("\x0c\0")},
    {"no dimension", BYTES("\x0d\0")},
};

static void malformed_metadata_is_refused(void **state)
{
    static const uint8_t columns[] = {SCHEMA_TYPE_LONG, SCHEMA_TYPE_VARCHAR,  SCHEMA_TYPE_ENUM,
                                      SCHEMA_TYPE_SET,  SCHEMA_TYPE_GEOMETRY, SCHEMA_TYPE_VECTOR};
    (void)state;
    for (size_t i = 0; i < sizeof bad_metadata / sizeof *bad_metadata; i++) {
        struct feeder f;
        struct buf map CLEANUP(buf_fini) = BUF_INIT;
        start(&f, 0, NULL);
        put_map(&map, columns, sizeof columns, BYTES("\x14\0\xf7\1\xf8\1\4\4"));
        buf_put(&map, bad_metadata[i].bytes, bad_metadata[i].n);
        bool ok = feed_buf(&f, 19, &map);
        if (ok)
            print_error("%s was accepted\n", bad_metadata[i].what);
        assert_false(ok);
        assert_fails(&f, bad_metadata[i].what, ERR_LOG_FORMAT,
                     "d.t → the optional metadata is not well-formed");
        stop(&f);
    }
}

/* ---- what somebody else knows ---- */

static struct schema_table *known_table(void)
{
    struct schema_table *t = schema_table_new("d", "t", 5);
    static const uint8_t column_types[5] = {SCHEMA_TYPE_LONG, SCHEMA_TYPE_STRING, SCHEMA_TYPE_ENUM,
                                            SCHEMA_TYPE_GEOMETRY, SCHEMA_TYPE_VECTOR};
    static const uint16_t metas[5] = {0, 16, 1, 4, 4};
    for (size_t i = 0; i < 5; i++) {
        t->columns[i].name = mem_printf("c%zu", i);
        t->columns[i].type = column_types[i];
        t->columns[i].meta = metas[i];
    }
    t->columns[0].unsigned_known = t->columns[0].is_unsigned = true;
    t->columns[0].auto_increment = true;
    t->columns[1].ext = SCHEMA_EXT_UUID;
    t->columns[1].collation = 63;
    t->columns[1].visible = false;
    t->columns[2].label_known = true;
    schema_labels_add(&t->columns[2], "x", 1);
    t->columns[3].geometry_type = 2;
    t->columns[4].vector_dim = 7;
    t->pk = mem_calloc(1, sizeof *t->pk);
    t->n_pk = 1;
    t->full_metadata = true;
    schema_table_seal(t);
    return t;
}

static void put_known_map(struct buf *map)
{
    static const uint8_t columns[] = {SCHEMA_TYPE_LONG, SCHEMA_TYPE_STRING, SCHEMA_TYPE_STRING,
                                      SCHEMA_TYPE_GEOMETRY, SCHEMA_TYPE_VECTOR};
    put_map(map, columns, sizeof columns, BYTES("\xfe\x10\xf7\1\4\4"));
}

/* A row of NULLs, whose table is then at hand. */
static bool null_row(struct feeder *f, unsigned n_columns)
{
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    buf_put(&body, "\x09\0\0\0\0\0\1\0\2\0", 10);
    buf_put_u8(&body, (uint8_t)n_columns);
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < n_columns; i += 8)
            buf_put_u8(&body, 0xff);
    return feed_buf(f, 30, &body);
}

static struct schema_table *row_table(struct feeder *f, unsigned n_columns)
{
    assert_true(null_row(f, n_columns));
    struct cdc_batch *b = cdc_decoder_take(f->d, true);
    assert_non_null(b);
    assert_int_equal(b->n_changes, 3);
    struct schema_table *t = schema_table_ref(b->changes[1].rows.table);
    cdc_batch_unref(b);
    return t;
}

static void a_known_definition_completes_the_logs(void **state)
{
    struct feeder f;
    struct asked a;
    struct buf map CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start_asking(&f, &a, FEEDER_MYSQL);
    a.known = known_table();
    put_known_map(&map);
    assert_true(feed_buf(&f, 19, &map));
    struct schema_table *t = row_table(&f, 5);
    assert_string_equal(t->columns[4].name, "c4");
    assert_true(t->columns[0].is_unsigned && t->columns[0].auto_increment);
    assert_int_equal(t->columns[1].ext, SCHEMA_EXT_UUID);
    assert_int_equal(t->columns[1].collation, 63);
    assert_false(t->columns[1].visible);
    assert_string_equal(t->columns[2].labels[0].p, "x");
    assert_int_equal(t->columns[3].geometry_type, 2);
    assert_int_equal(t->columns[4].vector_dim, 7);
    assert_int_equal(t->n_pk, 1);
    assert_true(t->full_metadata);
    schema_table_unref(t);
    schema_table_unref(a.known);
    stop_asking(&f, &a);
}

/* What the log says itself is not replaced. */
static void the_log_is_right_where_it_says_something(void **state)
{
    struct feeder f;
    struct asked a;
    struct buf map CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start_asking(&f, &a, FEEDER_MYSQL);
    a.known = known_table();
    put_known_map(&map);
    put_field(&map, 1, BYTES("\0"));
    put_field(&map, 3, BYTES("\x08\x08"));
    put_field(&map, 6, BYTES("\1\1y"));
    put_field(&map, 7, BYTES("\5"));
    put_field(&map, 13, BYTES("\6"));
    assert_true(feed_buf(&f, 19, &map));
    struct schema_table *t = row_table(&f, 5);
    assert_false(t->columns[0].is_unsigned);
    assert_int_equal(t->columns[1].collation, 8);
    assert_string_equal(t->columns[2].labels[0].p, "y");
    assert_int_equal(t->columns[3].geometry_type, 5);
    assert_int_equal(t->columns[4].vector_dim, 6);
    schema_table_unref(t);
    schema_table_unref(a.known);
    stop_asking(&f, &a);
}

static void a_definition_of_other_types_is_not_used(void **state)
{
    static const uint8_t columns[] = {SCHEMA_TYPE_LONG};
    struct feeder f;
    struct asked a;
    struct buf map CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start_asking(&f, &a, FEEDER_MYSQL);
    a.known = known_table();
    put_map(&map, columns, 1, "", 0);
    assert_true(feed_buf(&f, 19, &map));
    struct schema_table *t = row_table(&f, 1);
    assert_null(t->columns[0].name);
    assert_false(t->full_metadata);
    schema_table_unref(t);
    schema_table_unref(a.known);
    stop_asking(&f, &a);
}

static void what_is_not_known_fails_where_rows_are_wanted(void **state)
{
    struct feeder f;
    struct asked a;
    struct buf map CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start_asking(&f, &a, FEEDER_MYSQL);
    put_known_map(&map);
    assert_true(feed_buf(&f, 19, &map)); /* nothing known, no reason given */
    struct schema_table *t = row_table(&f, 5);
    assert_null(t->unknown);
    schema_table_unref(t);
    assert_true(query(&f, "ALTER TABLE t ADD b INT")); /* asked again after a DDL */
    assert_seen(&f, "B D C ");
    a.code = ERR_SCHEMA_UNKNOWN;
    assert_true(feed_buf(&f, 19, &map));
    t = row_table(&f, 5);
    assert_string_equal(t->unknown, "nobody knows");
    assert_string_equal(t->unknown_cure, "ask again");
    schema_table_unref(t);
    assert_true(query(&f, "ALTER TABLE t ADD b INT"));
    assert_seen(&f, "B D C ");
    a.code = ERR_DB_LOST;
    assert_false(feed_buf(&f, 19, &map));
    assert_fails(&f, "lost", ERR_DB_LOST, "TABLE_MAP_EVENT (type 19) → definition of d.t → nobody");
    assert_int_equal(a.n, 3);
    stop_asking(&f, &a);
}

/* UUID, INET4 and JSON of MariaDB look like BINARY(16), BINARY(4) and LONGTEXT: asked about even
 * where the log names its columns. */
static void columns_that_may_be_extensions_are_asked_about(void **state)
{
    static const struct {
        uint8_t type;
        const char *meta;
        size_t n;
        const char *charset;
        bool mariadb, asked;
    } cases[] = {
        {SCHEMA_TYPE_STRING, BYTES("\xfe\x10"), "\x3f", true, true},
        {SCHEMA_TYPE_STRING, BYTES("\xfe\4"), "\x3f", true, true},
        {SCHEMA_TYPE_STRING, BYTES("\xfe\4"), "\0", true, true},
        {SCHEMA_TYPE_STRING, BYTES("\xfe\4"), "\x2d", true, false},
        {SCHEMA_TYPE_STRING, BYTES("\xfe\5"), "\x3f", true, false},
        {SCHEMA_TYPE_BLOB, BYTES("\4"), "\x2e", true, true},
        {SCHEMA_TYPE_BLOB, BYTES("\4"), "\x2d", true, false},
        {SCHEMA_TYPE_BLOB, BYTES("\3"), "\x2e", true, false},
        {SCHEMA_TYPE_VARCHAR, BYTES("\4\0"), "\x3f", true, false},
        {SCHEMA_TYPE_DATETIME, BYTES(""), "\0", true, true},
        {SCHEMA_TYPE_DATETIME, BYTES(""), "\0", false, false},
        {SCHEMA_TYPE_STRING, BYTES("\xfe\x10"), "\x3f", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct feeder f;
        struct asked a;
        struct buf map CLEANUP(buf_fini) = BUF_INIT;
        start_asking(&f, &a, cases[i].mariadb ? FEEDER_MARIADB : FEEDER_MYSQL);
        a.code = ERR_SCHEMA_UNKNOWN; /* only who needs the rows fails */
        put_map(&map, &cases[i].type, 1, cases[i].meta, cases[i].n);
        put_field(&map, 3, cases[i].charset, 1);
        put_field(&map, 4, "\1c", 2);
        assert_true(feed_buf(&f, 19, &map));
        assert_int_equal(a.n, cases[i].asked);
        stop_asking(&f, &a);
    }
}

static void a_full_definition_takes_only_what_the_log_cannot_say(void **state)
{
    static const uint8_t columns[] = {SCHEMA_TYPE_STRING};
    struct feeder f;
    struct asked a;
    struct buf map CLEANUP(buf_fini) = BUF_INIT;
    struct schema_table *known = schema_table_new("d", "t", 1);
    (void)state;
    known->columns[0].name = mem_strdup("c");
    known->columns[0].type = SCHEMA_TYPE_STRING;
    known->columns[0].meta = 16;
    known->columns[0].ext = SCHEMA_EXT_UUID;
    known->columns[0].collation = 45;
    known->pk = mem_calloc(1, sizeof *known->pk);
    known->n_pk = 1;
    schema_table_seal(known);
    start_asking(&f, &a, FEEDER_MARIADB);
    a.known = known;
    put_map(&map, columns, 1, BYTES("\xfe\x10"));
    put_field(&map, 4, "\1c", 2);
    put_field(&map, 3, "\x3f", 1);
    assert_true(feed_buf(&f, 19, &map));
    struct schema_table *t = row_table(&f, 1);
    assert_int_equal(t->columns[0].ext, SCHEMA_EXT_UUID);
    assert_int_equal(t->columns[0].collation, 63);
    assert_int_equal(t->n_pk, 0);
    schema_table_unref(t);
    schema_table_unref(known);
    stop_asking(&f, &a);
}

/* ---- tables that nobody wants ---- */

static bool want_u(void *ctx, const char *db, const char *table)
{
    (void)ctx;
    (void)db;
    return strcmp(table, "u") == 0;
}

static void rows_of_unwanted_tables_only_count(void **state)
{
    struct cdc_decode_options o = {.want_table = want_u};
    static const uint8_t old_decimal[] = {SCHEMA_TYPE_DECIMAL};
    struct feeder f;
    struct buf map CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start_with(&f, &o, FEEDER_MYSQL, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && rows(&f, 3));
    map_table(&f, 'u');
    assert_true(null_row(&f, 1));
    put_map(&map, old_decimal, 1, "", 0);
    assert_true(feed_buf(&f, 19, &map) &&
                null_row(&f, 1)); /* cannot be decoded: not even counted */
    xid(&f);
    assert_seen(&f, "B 3+1 C ");
    stop(&f);
    start(&f, 0, NULL);
    assert_true(feed_buf(&f, 19, &map));
    assert_false(null_row(&f, 1));
    assert_fails(&f, "of a wanted table", ERR_LOG_UNSUPPORTED, "type 0 with metadata 0x0000");
    stop(&f);
}

/* ---- caches ---- */

static void ids_of_one_transaction_are_many(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN"));
    for (unsigned id = 0; id < 200; id++)
        map_table_id(&f, (uint8_t)id, (char)(id % 2 ? 't' : 'u'));
    for (unsigned id = 0; id < 200; id++) {
        uint8_t row[] = {(uint8_t)id, 0, 0, 0, 0, 0, 1, 0, 2, 0, 1, 0xff, 1};
        assert_true(feed(&f, 30, row, sizeof row));
    }
    struct cdc_batch *b = cdc_decoder_take(f.d, true);
    assert_int_equal(b->n_changes, 201);
    for (unsigned id = 0; id < 200; id++)
        assert_string_equal(b->changes[1 + id].rows.table->name, id % 2 ? "t" : "u");
    cdc_batch_unref(b);
    stop(&f);
}

/* A map of table id, whose name is a number. */
static void put_numbered(struct buf *map, uint32_t id, unsigned name)
{
    char text[16];
    int n = snprintf(text, sizeof text, "t%u", name);
    buf_reset(map);
    buf_put_le(map, id, 6);
    buf_put(map, "\1\0\1d\0", 5);
    buf_put_u8(map, (uint8_t)n);
    buf_put(map, text, (size_t)n + 1);
    buf_put(map, "\1\3\0\1", 4);
}

static bool numbered_row(struct feeder *f, uint32_t id)
{
    struct buf row CLEANUP(buf_fini) = BUF_INIT;
    buf_put_le(&row, id, 6);
    buf_put(&row, "\1\0\2\0\1\xff\1", 7);
    return feed_buf(f, 30, &row);
}

/* 17,000 tables in one transaction: those that it announced first are still there at its end. */
static void tables_of_an_open_transaction_are_never_forgotten(void **state)
{
    struct feeder f;
    struct buf map CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN"));
    for (unsigned i = 0; i < 17000; i++) {
        put_numbered(&map, i, i);
        assert_true(feed_buf(&f, 19, &map));
    }
    assert_true(numbered_row(&f, 0) && numbered_row(&f, 16999));
    xid(&f);
    assert_seen(&f, "B 0+1 1+1 C ");
    assert_false(numbered_row(&f, 0)); /* between transactions the caches were emptied */
    assert_fails(&f, "forgotten", ERR_LOG_FORMAT, "rows of table id 0 without a table map");
    stop(&f);
}

/* The server gives a table a new id whenever it opens it: old ones must not pile up. */
static void old_ids_of_one_table_are_forgotten(void **state)
{
    struct feeder f;
    struct buf map CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start(&f, 0, NULL);
    for (unsigned i = 0; i < 17000; i++) {
        put_numbered(&map, i, 1);
        assert_true(feed_buf(&f, 19, &map) && numbered_row(&f, i));
        take(&f, true);
        f.seen[0] = 0;
    }
    assert_false(numbered_row(&f, 0));
    assert_fails(&f, "forgotten", ERR_LOG_FORMAT, "rows of table id 0 without a table map");
    stop(&f);
}

/* ---- what only MariaDB has ---- */

#define NOW  "\x60\0\0\0\0\0\1"
#define EVER "\xff\xff\xff\xff\x0f\x42\x3f"
#define OLD  "\x7f\xff\xff\xff\x0f\x42\x3f" /* the end of time before 11.5 */

/* d.t (id INT PRIMARY KEY) WITH SYSTEM VERSIONING, as the server describes it. */
static struct schema_table *versioned_table(void)
{
    struct schema_table *t = schema_table_new("d", "t", 3);
    static const char *const names[] = {"id", "row_start", "row_end"};
    for (size_t i = 0; i < 3; i++) {
        t->columns[i].name = mem_strdup(names[i]);
        t->columns[i].type = i == 0 ? SCHEMA_TYPE_LONG : SCHEMA_TYPE_TIMESTAMP2;
        t->columns[i].meta = i == 0 ? 0 : 6;
    }
    t->pk = mem_calloc(1, sizeof *t->pk);
    t->n_pk = 1;
    schema_table_hide(t, 2);
    t->full_metadata = t->keeps_history = true;
    schema_table_seal(t);
    return t;
}

/* One row an image: id 1, row_start, row_end. */
static bool versioned_rows(struct feeder *f, uint8_t type, const char *images, size_t n)
{
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    buf_put(&body, "\x09\0\0\0\0\0\1\0\3\7", 10);
    if (type == 24)
        buf_put_u8(&body, 7);
    buf_put(&body, images, n);
    return feed_buf(f, type, &body);
}
#define IMAGE(end) "\0\1\0\0\0" NOW end

static void history_is_not_published(void **state)
{
    struct asked a;
    struct feeder f;
    struct buf map CLEANUP(buf_fini) = BUF_INIT;
    static const uint8_t kinds[] = {SCHEMA_TYPE_LONG, SCHEMA_TYPE_TIMESTAMP2,
                                    SCHEMA_TYPE_TIMESTAMP2};
    (void)state;
    start_asking(&f, &a, FEEDER_MARIADB);
    struct schema_table *known = versioned_table();
    a.known = known;
    put_map(&map, kinds, 3, "\6\6", 2);
    assert_true(query(&f, "BEGIN") && feed_buf(&f, 19, &map));
    assert_true(versioned_rows(&f, 23, BYTES(IMAGE(EVER) IMAGE(NOW) IMAGE(OLD))));
    assert_true(versioned_rows(&f, 24, BYTES(IMAGE(EVER) IMAGE(EVER) IMAGE(EVER) IMAGE(NOW))));
    assert_true(versioned_rows(&f, 25, BYTES(IMAGE(NOW))));
    struct cdc_batch *b = cdc_decoder_take(f.d, true);
    assert_int_equal(b->n_changes, 5);
    assert_int_equal(b->changes[1].rows.op, CDC_OP_INSERT);
    assert_int_equal(b->changes[1].rows.first_seq, 0);
    assert_int_equal(b->changes[2].rows.first_seq, 2);
    assert_int_equal(b->changes[3].rows.op, CDC_OP_UPDATE);
    assert_int_equal(b->changes[3].rows.n_rows, 1);
    const struct cdc_rows *deleted = &b->changes[4].rows;
    assert_int_equal(deleted->op, CDC_OP_DELETE);
    assert_int_equal(deleted->first_seq, 4);
    assert_int_equal(deleted->images_len, sizeof(IMAGE(EVER)) - 1);
    assert_int_equal(deleted->table->n_columns, 1);
    assert_int_equal(cdc_decoder_stats(f.d)->skipped_history_rows, 2);
    cdc_batch_unref(b);
    assert_false(versioned_rows(&f, 24, BYTES(IMAGE(NOW) IMAGE(EVER))));
    assert_fails(&f, "revived", ERR_LOG_UNSUPPORTED, "system-versioned");
    stop_asking(&f, &a);
    schema_table_unref(known);
}

static void a_sequences_rows_only_count(void **state)
{
    struct asked a;
    struct feeder f;
    struct buf map CLEANUP(buf_fini) = BUF_INIT;
    static const uint8_t kinds[] = {SCHEMA_TYPE_LONG, SCHEMA_TYPE_TIMESTAMP2,
                                    SCHEMA_TYPE_TIMESTAMP2};
    (void)state;
    start_asking(&f, &a, FEEDER_MARIADB);
    struct schema_table *known = versioned_table();
    known->sequence = true;
    a.known = known;
    put_map(&map, kinds, 3, "\6\6", 2);
    assert_true(query(&f, "BEGIN") && feed_buf(&f, 19, &map));
    assert_true(versioned_rows(&f, 23, BYTES(IMAGE(EVER))));
    assert_seen(&f, "B / ");
    assert_int_equal(cdc_decoder_stats(f.d)->skipped_sequence_rows, 1);
    stop_asking(&f, &a);
    schema_table_unref(known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_has_metadata_of_its_own),
        cmocka_unit_test(malformed_table_maps_are_refused),
        cmocka_unit_test(signs_count_the_numeric_columns),
        cmocka_unit_test(charsets_count_the_character_columns),
        cmocka_unit_test(labels_are_converted_from_their_charset),
        cmocka_unit_test(keys_visibility_and_kinds_are_read),
        cmocka_unit_test(malformed_metadata_is_refused),
        cmocka_unit_test(a_known_definition_completes_the_logs),
        cmocka_unit_test(the_log_is_right_where_it_says_something),
        cmocka_unit_test(a_definition_of_other_types_is_not_used),
        cmocka_unit_test(what_is_not_known_fails_where_rows_are_wanted),
        cmocka_unit_test(columns_that_may_be_extensions_are_asked_about),
        cmocka_unit_test(a_full_definition_takes_only_what_the_log_cannot_say),
        cmocka_unit_test(history_is_not_published),
        cmocka_unit_test(a_sequences_rows_only_count),
        cmocka_unit_test(rows_of_unwanted_tables_only_count),
        cmocka_unit_test(ids_of_one_transaction_are_many),
        cmocka_unit_test(tables_of_an_open_transaction_are_never_forgotten),
        cmocka_unit_test(old_ids_of_one_table_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
