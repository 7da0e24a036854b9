/* tests/component/test_schemas_live.c — table definitions, edits and character sets against real
 * servers: every value is compared with what the server itself does. */
#include "schemas/charset.h"
#include "schemas/inspect.h"
#include "tests/support/live_server.h"

/* ── definitions ───────────────────────────────────────────────────────── */

static void ddl(struct live *l, const char *sql)
{
    struct err e = ERR_INIT;
    if (!schema_exec_ddl(l->admin, sql, &e))
        fail_msg("%s: %s", sql, e.text);
}

static const char types_sql[] =
    "CREATE TABLE types (id bigint unsigned NOT NULL AUTO_INCREMENT, a tinyint(1), b smallint "
    "unsigned, c mediumint, d int, e float, f double, g decimal(12,2), h bit(10), i bit(8), j "
    "date, k time(3), l datetime(6), m timestamp(2) NULL, n year, o char(10), q varchar(20) "
    "character set latin1, r varchar(300), s binary(16), t varbinary(1000), u tinyblob, x "
    "longblob, y tinytext, z text, aa mediumtext, cc enum('a','b''c','ü,x') character set latin1, "
    "dd set('x','y','z\\\\','1','2','3','4','5','6') NOT NULL, ee json, ff geometry, gg point NOT "
    "NULL, hh int GENERATED ALWAYS AS (d+1) VIRTUAL, ii int GENERATED ALWAYS AS (d+2) STORED, "
    "`odd ``name` int DEFAULT 3 COMMENT 'AUTO_INCREMENT=5, KEY `x` (`y`)', pp text character set "
    "ucs2, vv int INVISIBLE, PRIMARY KEY (id), UNIQUE KEY uq (b,c), UNIQUE KEY pre (q(5)), KEY sec "
    "(d), KEY `odd``k` (`odd ``name`,r(10)), FULLTEXT KEY ft (z), SPATIAL KEY sp (gg), CHECK (d > "
    "0)) ENGINE=InnoDB AUTO_INCREMENT=77 DEFAULT CHARSET=utf8mb4 COMMENT='it''s AUTO_INCREMENT=3'";

struct expected {
    const char *name;
    enum schema_type type;
    uint16_t meta;
    const char *charset; /* NULL: not a string */
};

static const struct expected expected_columns[] = {
    {"id", SCHEMA_TYPE_LONGLONG, 0, NULL},    {"a", SCHEMA_TYPE_TINY, 0, NULL},
    {"b", SCHEMA_TYPE_SHORT, 0, NULL},        {"c", SCHEMA_TYPE_INT24, 0, NULL},
    {"d", SCHEMA_TYPE_LONG, 0, NULL},         {"e", SCHEMA_TYPE_FLOAT, 4, NULL},
    {"f", SCHEMA_TYPE_DOUBLE, 8, NULL},       {"g", SCHEMA_TYPE_NEWDECIMAL, 12 << 8 | 2, NULL},
    {"h", SCHEMA_TYPE_BIT, 1 << 8 | 2, NULL}, {"i", SCHEMA_TYPE_BIT, 1 << 8, NULL},
    {"j", SCHEMA_TYPE_DATE, 0, NULL},         {"k", SCHEMA_TYPE_TIME2, 3, NULL},
    {"l", SCHEMA_TYPE_DATETIME2, 6, NULL},    {"m", SCHEMA_TYPE_TIMESTAMP2, 2, NULL},
    {"n", SCHEMA_TYPE_YEAR, 0, NULL},         {"o", SCHEMA_TYPE_STRING, 40, "utf8mb4"},
    {"q", SCHEMA_TYPE_VARCHAR, 20, "latin1"}, {"r", SCHEMA_TYPE_VARCHAR, 1200, "utf8mb4"},
    {"s", SCHEMA_TYPE_STRING, 16, "binary"},  {"t", SCHEMA_TYPE_VARCHAR, 1000, "binary"},
    {"u", SCHEMA_TYPE_BLOB, 1, "binary"},     {"x", SCHEMA_TYPE_BLOB, 4, "binary"},
    {"y", SCHEMA_TYPE_BLOB, 1, "utf8mb4"},    {"z", SCHEMA_TYPE_BLOB, 2, "utf8mb4"},
    {"aa", SCHEMA_TYPE_BLOB, 3, "utf8mb4"},   {"cc", SCHEMA_TYPE_ENUM, 1, "latin1"},
    {"dd", SCHEMA_TYPE_SET, 2, "utf8mb4"},    {"ff", SCHEMA_TYPE_GEOMETRY, 4, NULL},
    {"gg", SCHEMA_TYPE_GEOMETRY, 4, NULL},    {"pp", SCHEMA_TYPE_BLOB, 2, "ucs2"},
};

static struct schema_table *inspect_in(struct live *l, const char *db, const char *table)
{
    struct err e = ERR_INIT;
    struct schema_table *t = schema_inspect(l->admin, db, table, &e);
    assert_ok(t, e);
    return t;
}

static struct schema_table *inspect(struct live *l, const char *table)
{
    return inspect_in(l, LIVE_DATABASE, table);
}

static const struct schema_column *column(const struct schema_table *t, const char *name)
{
    int i = schema_table_column(t, name);
    if (i < 0)
        fail_msg("no column %s", name);
    return &t->columns[i];
}

static void columns_have_the_words_of_the_table_map(void **state)
{
    struct live *l = live_begin(state);
    ddl(l, types_sql);
    struct schema_table *t = inspect(l, "types");
    for (size_t i = 0; i < sizeof expected_columns / sizeof expected_columns[0]; i++) {
        const struct expected *x = &expected_columns[i];
        const struct schema_column *c = column(t, x->name);
        const char *charset = c->collation ? charset_name(c->collation) : NULL;
        if (c->type != x->type || c->meta != x->meta || !charset != !x->charset ||
            (charset && strcmp(charset, x->charset) != 0))
            fail_msg("%s: type %u, meta 0x%x, character set %s", x->name, c->type, c->meta,
                     charset ? charset : "none");
    }
    assert_true(column(t, "b")->is_unsigned && column(t, "id")->auto_increment);
    assert_false(column(t, "c")->is_unsigned || column(t, "id")->nullable);
    assert_true(column(t, "a")->nullable && column(t, "hh")->generated);
    assert_true(column(t, "ii")->generated && !column(t, "a")->generated);
    assert_false(column(t, "vv")->visible);
    assert_int_equal(column(t, "gg")->geometry_type, 1);
    bool is_json = column(t, "ee")->type == SCHEMA_TYPE_JSON;
    assert_true(is_json || column(t, "ee")->ext == SCHEMA_EXT_JSON_TEXT);
    assert_int_equal(is_json, !live_is_mariadb(l));
    assert_non_null(column(t, "odd `name"));
    assert_string_equal(t->engine, "InnoDB");
    assert_string_equal(column(t, "g")->column_type, "decimal(12,2)");
    schema_table_unref(t);
}

static void labels_are_utf8_without_quotes(void **state)
{
    struct live *l = live_begin(state);
    struct schema_table *t = inspect(l, "types");
    const struct schema_column *cc = column(t, "cc"), *dd = column(t, "dd");
    assert_int_equal(cc->n_labels, 3);
    assert_string_equal(cc->labels[1].p, "b'c");
    assert_string_equal(cc->labels[2].p, "ü,x");
    assert_int_equal(dd->n_labels, 9);
    assert_string_equal(dd->labels[2].p, "z\\");
    schema_table_unref(t);
}

static const struct schema_key *key(const struct schema_table *t, const char *name)
{
    for (size_t i = 0; i < t->n_keys; i++)
        if (strcmp(t->keys[i].name, name) == 0)
            return &t->keys[i];
    fail_msg("no key %s", name);
    return NULL;
}

static void keys_have_their_columns_and_prefixes(void **state)
{
    struct live *l = live_begin(state);
    struct schema_table *t = inspect(l, "types");
    assert_string_equal(t->keys[0].name, "PRIMARY");
    assert_ptr_equal(schema_table_identity(t), &t->keys[0]);
    assert_int_equal(t->n_pk, 1);
    assert_int_equal(t->pk[0], 0);
    assert_true(key(t, "uq")->unique && !key(t, "uq")->not_null && key(t, "uq")->n == 2);
    assert_int_equal(key(t, "pre")->prefix[0], 5);
    assert_false(key(t, "sec")->unique);
    assert_int_equal(key(t, "odd`k")->n, 2);
    assert_int_equal(key(t, "odd`k")->prefix[1], 10);
    schema_table_unref(t);
}

static void a_functional_key_is_no_identity(void **state)
{
    struct live *l = live_begin(state);
    if (live_is_mariadb(l)) {
        print_message("skipped: MariaDB has no functional keys\n");
        skip();
    }
    live_exec(l, "CREATE TABLE fn (a int NOT NULL, b int NOT NULL, UNIQUE KEY f (a, (b + 1)))");
    struct schema_table *t = inspect(l, "fn");
    assert_true(t->keys[0].functional && t->keys[0].unique);
    assert_int_equal(t->keys[0].n, 1);
    assert_null(schema_table_identity(t));
    schema_table_unref(t);
}

static void types_of_one_server_are_known(void **state)
{
    struct live *l = live_begin(state);
    live_exec(l, live_is_mariadb(l)
                     ? "CREATE TABLE own (u uuid PRIMARY KEY, i4 inet4, i6 inet6, c varchar(100) "
                       "COMPRESSED, b text COMPRESSED, ua varchar(9) COLLATE utf8mb4_uca1400_ai_ci)"
                     : "CREATE TABLE own (u int PRIMARY KEY, v vector(3), j json, ua varchar(9) "
                       "COLLATE utf8mb4_ja_0900_as_cs)");
    struct schema_table *t = inspect(l, "own");
    assert_string_equal(charset_name(column(t, "ua")->collation), "utf8mb4");
    if (live_is_mariadb(l)) {
        assert_int_equal(column(t, "u")->ext, SCHEMA_EXT_UUID);
        assert_int_equal(column(t, "u")->meta, 16);
        assert_int_equal(column(t, "i4")->ext, SCHEMA_EXT_INET4);
        assert_int_equal(column(t, "i6")->ext, SCHEMA_EXT_INET6);
        assert_int_equal(column(t, "c")->type, SCHEMA_TYPE_VARCHAR_COMPRESSED);
        assert_int_equal(column(t, "b")->type, SCHEMA_TYPE_BLOB_COMPRESSED);
        assert_true(column(t, "ua")->collation >= 2048);
    } else {
        assert_int_equal(column(t, "v")->vector_dim, 3);
        assert_int_equal(column(t, "v")->type, SCHEMA_TYPE_VECTOR);
    }
    schema_table_unref(t);
}

static void a_missing_table_and_a_view_are_unknown(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    live_exec(l, "CREATE VIEW v AS SELECT 1 AS one");
    assert_null(schema_inspect(l->admin, LIVE_DATABASE, "nothing", &e));
    assert_int_equal(e.code, ERR_SCHEMA_UNKNOWN);
    assert_null(schema_inspect(l->admin, LIVE_DATABASE, "v", &e));
    assert_int_equal(e.code, ERR_SCHEMA_UNKNOWN);
}

static void the_list_has_base_tables_without_internal_ones(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    live_exec(l, "DROP DATABASE IF EXISTS sluice_live_list");
    live_exec(l, "CREATE DATABASE sluice_live_list");
    static const char *const tables[] = {
        "b",     "a", "_a_gho", "_a_old", "_c_old", "_sluice_x", "_sluice_f_0123456789abcdef",
        "_vt_x", "_a"};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        char *sql = mem_printf("CREATE TABLE sluice_live_list.%s (a int)", tables[i]);
        live_exec(l, sql);
        free(sql);
    }
    live_exec(l, "CREATE VIEW sluice_live_list.v AS SELECT 1 AS one");
    char **names;
    size_t n;
    assert_ok(schema_list_tables(l->admin, "sluice_live_list", &names, &n, &e), e);
    struct buf joined CLEANUP(buf_fini) = BUF_INIT;
    for (size_t i = 0; i < n; i++)
        buf_printf(&joined, "%s ", names[i]);
    assert_string_equal(buf_str(&joined), "_a _a_gho _a_old _c_old _sluice_x _vt_x a b ");
    live_exec(l, "CREATE TABLE sluice_live_list._a_ghc (id bigint, last_update timestamp, hint "
                 "varchar(64), value text)");
    struct buf left CLEANUP(buf_fini) = BUF_INIT;
    assert_ok(schema_leave_ghosts(l->admin, "sluice_live_list", names, &n, &left, &e), e);
    assert_non_null(strstr(buf_str(&left), "_a_gho"));
    assert_null(strstr(buf_str(&left), "_a_old"));
    assert_int_equal(n, 7);
    schema_names_free(names, n);
    live_exec(l, "DROP DATABASE sluice_live_list");
}

static void triggers_are_listed_without_our_own(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    live_exec(l, "CREATE TABLE parent (id int PRIMARY KEY)");
    live_exec(l, "CREATE TABLE child (id int PRIMARY KEY, p int, KEY (p), CONSTRAINT fk FOREIGN "
                 "KEY (p) REFERENCES parent (id) ON DELETE CASCADE)");
    live_exec(l, "CREATE TRIGGER tr BEFORE INSERT ON child FOR EACH ROW SET NEW.p = NULL");
    live_exec(l, "CREATE TRIGGER _sluice_fence BEFORE UPDATE ON child FOR EACH ROW SET @a = 1");
    struct buf triggers CLEANUP(buf_fini) = BUF_INIT, none CLEANUP(buf_fini) = BUF_INIT;
    assert_ok(schema_triggers(l->admin, LIVE_DATABASE, "child", &triggers, &e), e);
    assert_string_equal(buf_str(&triggers), "tr BEFORE INSERT");
    assert_ok(schema_triggers(l->admin, LIVE_DATABASE, "parent", &none, &e), e);
    assert_int_equal(none.len, 0);
}

/* ── edits ─────────────────────────────────────────────────────────────── */

#define OTHER_DATABASE "sluice_live_other" /* names of CHECKs are unique in a database */

static void edited(struct live *l, const char *db, const char *table,
                   const struct schema_create_edit *edit, struct buf *out, struct buf *dropped)
{
    struct schema_table *t = inspect_in(l, db, table);
    struct err e = ERR_INIT;
    assert_ok(schema_create_edit(t->create_sql, edit, out, dropped, &e), e);
    schema_table_unref(t);
}

/* Dropping secondary keys, creating and adding them back gives the definition from before. */
static void comes_back_whole(struct live *l, const char *table)
{
    struct schema_create_edit away = {.new_name = "again",
                                      .drop_foreign_keys = true,
                                      .drop_auto_increment = true,
                                      .drop_secondary_keys = true};
    struct schema_create_edit same = away;
    same.drop_secondary_keys = false;
    struct buf create CLEANUP(buf_fini) = BUF_INIT, keys CLEANUP(buf_fini) = BUF_INIT;
    struct buf before CLEANUP(buf_fini) = BUF_INIT, after CLEANUP(buf_fini) = BUF_INIT;
    edited(l, LIVE_DATABASE, table, &away, &create, &keys);
    live_exec(l, "DROP DATABASE IF EXISTS " OTHER_DATABASE);
    live_exec(l, "CREATE DATABASE " OTHER_DATABASE);
    live_exec(l, "USE " OTHER_DATABASE);
    ddl(l, buf_str(&create));
    if (keys.len > 0) {
        char *alter = mem_printf("ALTER TABLE again %s", buf_str(&keys));
        ddl(l, alter);
        free(alter);
    }
    /* Keys stand in the order in which the server made them: compare the lines as a set. */
    edited(l, LIVE_DATABASE, table, &same, &before, NULL);
    edited(l, OTHER_DATABASE, "again", &same, &after, NULL);
    char *at = (char *)before.data, *line;
    while ((line = strsep(&at, "\n"))) {
        size_t n = strlen(line);
        if (n > 0 && line[n - 1] == ',')
            line[n - 1] = 0;
        if (!strstr(buf_str(&after), line))
            fail_msg("%s is gone from %s", line, buf_str(&after));
    }
    live_exec(l, "DROP DATABASE " OTHER_DATABASE);
    live_exec(l, "USE " LIVE_DATABASE);
}

static void edited_texts_are_accepted_and_come_back_whole(void **state)
{
    struct live *l = live_begin(state);
    comes_back_whole(l, "types");
    comes_back_whole(l, "child");
    live_exec(l, "CREATE TABLE parts (a int NOT NULL AUTO_INCREMENT, b int, PRIMARY KEY (a), KEY k "
                 "(b)) AUTO_INCREMENT=9 PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (5) "
                 "COMMENT 'AUTO_INCREMENT=7', PARTITION p1 VALUES LESS THAN MAXVALUE)");
    comes_back_whole(l, "parts");
    live_exec(l, live_is_mariadb(l)
                     ? "CREATE TABLE special (a int PRIMARY KEY, b int, KEY k (b) IGNORED, CHECK "
                       "(b > 3)) WITH SYSTEM VERSIONING"
                     : "CREATE TABLE special (a int PRIMARY KEY, b int, KEY k (b) INVISIBLE, KEY f "
                       "((b + 1)), CHECK (b > 3) NOT ENFORCED)");
    comes_back_whole(l, "special");
}

/* Their own texts show labels and defaults through utf8mb3: '?' for each of these. */
static void labels_and_defaults_beyond_utf8mb3_come_back_whole(void **state)
{
    struct live *l = live_begin(state);
    char *values CLEANUP(mem_free_ptr) = NULL;
    struct buf again CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    ddl(l, "CREATE TABLE beyond (id int PRIMARY KEY COMMENT 'DEFAULT ''?''', e enum('😀','😡','?') "
           "COLLATE utf8mb4_bin DEFAULT '😡', s set('🍎','a') COLLATE utf8mb4_bin DEFAULT '🍎,a', b "
           "enum(x'ff00fe',x'01','?') CHARACTER SET binary, v varchar(9) DEFAULT '😀?', k "
           "varbinary(9) DEFAULT x'ff3f00', n varchar(9) DEFAULT '?', x varchar(9) DEFAULT NULL) "
           "DEFAULT CHARSET=utf8mb4");
    comes_back_whole(l, "beyond");
    struct schema_table *t = inspect(l, "beyond");
    assert_string_equal(column(t, "e")->labels[1].p, "😡");
    assert_memory_equal(column(t, "b")->labels[0].p, "\xff\0\xfe", 4);
    assert_false(column(t, "b")->labels[0].is_text);
    schema_table_unref(t);
    edited(l, LIVE_DATABASE, "beyond", &(struct schema_create_edit){.new_name = "beyond2"}, &again,
           NULL);
    ddl(l, buf_str(&again));
    live_exec(l, "INSERT INTO beyond2 (id, b) VALUES (1, 1)");
    assert_ok(my_query_text(l->admin,
                            "SELECT CONCAT_WS(' ', HEX(e), HEX(s), HEX(b), HEX(v), HEX(k), HEX(n), "
                            "HEX(x)) FROM beyond2",
                            &values, &e),
              e);
    assert_string_equal(values, "F09F98A1 F09F8D8E2C61 FF00FE F09F98803F FF3F00 3F");
}

/* MariaDB tells such a default of a NOT NULL column only by a row. */
static void a_default_that_nothing_tells_is_named(void **state)
{
    struct live *l = live_begin(state);
    ddl(l, "CREATE TABLE told (id int, q varchar(9) NOT NULL DEFAULT '😀') CHARSET=utf8mb4");
    struct schema_table *t = inspect(l, "told");
    assert_int_equal(t->narrowed != NULL, live_is_mariadb(l));
    assert_string_equal(t->narrowed ? t->narrowed : "q", "q");
    schema_table_unref(t);
    live_exec(l, "INSERT INTO told (id) VALUES (1)");
    t = inspect(l, "told");
    assert_null(t->narrowed);
    assert_non_null(strcasestr(t->create_sql, "f09f9880"));
    schema_table_unref(t);
}

static void literals_of_a_definition_are_text(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    ddl(l, "CREATE TABLE lit (a enum('ü') CHARACTER SET latin1, b varchar(9) CHARACTER SET latin1 "
           "DEFAULT 'é', g int AS (b = 'É') VIRTUAL)");
    live_exec(l, "INSERT INTO lit (a) VALUES (x'fc')"); /* ü in latin1 */
    uint64_t matches = 0;
    char *hex CLEANUP(mem_free_ptr) = NULL;
    assert_ok(my_query_text(l->admin, "SELECT HEX(b) FROM lit", &hex, &e), e);
    assert_string_equal(hex, "E9");
    assert_ok(my_query_u64(l->admin, "SELECT g FROM lit", &matches, &e), e);
    assert_int_equal(matches, 1); /* compared by the column's collation, not bytewise */
    assert_false(schema_exec_ddl(l->admin, "CREATE TABLE lit (a int)", &e));
    char *client CLEANUP(mem_free_ptr) = NULL;
    assert_ok(my_query_text(l->admin, "SELECT @@character_set_client", &client, &e), e);
    assert_string_equal(client, "binary");
}

static void dropped_things_are_gone(void **state)
{
    struct live *l = live_begin(state);
    struct schema_create_edit all = {
        .drop_foreign_keys = true, .drop_auto_increment = true, .drop_secondary_keys = true};
    struct buf create CLEANUP(buf_fini) = BUF_INIT, keys CLEANUP(buf_fini) = BUF_INIT;
    edited(l, LIVE_DATABASE, "child", &all, &create, &keys);
    assert_null(strstr(buf_str(&create), "FOREIGN KEY"));
    assert_string_equal(buf_str(&keys), "ADD KEY `p` (`p`)");
    buf_reset(&create);
    edited(l, LIVE_DATABASE, "types", &all, &create, NULL);
    assert_null(strstr(buf_str(&create), "NOT NULL AUTO_INCREMENT"));
    assert_null(strstr(buf_str(&create), "AUTO_INCREMENT=77"));
    assert_non_null(strstr(buf_str(&create), "UNIQUE KEY `uq`"));
    assert_non_null(strstr(buf_str(&create), "FULLTEXT KEY `ft`"));
    assert_non_null(strstr(buf_str(&create), "it''s AUTO_INCREMENT=3"));
}

/* ── character sets ────────────────────────────────────────────────────── */

struct sweep {
    const char *charset;
    uint16_t collation;
    size_t checked, characters;
};

static void add_code(struct buf *sql, const uint8_t *code, size_t n)
{
    buf_put_str(sql, sql->len && buf_str(sql)[sql->len - 1] == ')' ? ",(x'" : "(x'");
    buf_put_hex(sql, code, n);
    buf_put_str(sql, "')");
}

/* The server's text is no character where it holds more question marks than the code does. */
static bool server_knows(const struct my_cell *code, const struct my_cell *text)
{
    static const char replacement[] = "\xef\xbf\xbd";
    bool is_replacement = text->n == 3 && text->p && memcmp(text->p, replacement, 3) == 0;
    if (!text->p || text->n == 0 || is_replacement)
        return false;
    size_t asked = 0, given = 0;
    for (size_t i = 0; i < text->n; i++)
        asked += text->p[i] == '?';
    for (size_t i = 0; i < code->n; i++)
        given += code->p[i] == '?';
    return asked <= given && charset_is_valid_utf8(text->p, text->n) &&
           !memmem(text->p, text->n, replacement, 3);
}

static void check_code(struct sweep *s, const struct my_cell *code, const struct my_cell *text)
{
    struct buf ours CLEANUP(buf_fini) = BUF_INIT, hex CLEANUP(buf_fini) = BUF_INIT;
    bool known = charset_to_utf8(s->collation, code->p, code->n, &ours);
    bool expected = server_knows(code, text) || (strcmp(s->charset, "gb18030") == 0 && known &&
                                                 ours.len == 3 && text->p && text->n == 3);
    buf_put_hex(&hex, code->p, code->n);
    if (known != expected)
        fail_msg("%s %s: %s here, %s there", s->charset, buf_str(&hex), known ? "known" : "unknown",
                 expected ? "known" : "unknown");
    if (known && (ours.len != text->n || memcmp(ours.data, text->p, text->n) != 0))
        fail_msg("%s %s: '%s' here, '%s' there", s->charset, buf_str(&hex), buf_str(&ours),
                 text->p);
    s->checked++;
    s->characters += known;
}

/* Sends the codes collected in values, compares each one's text, and empties values. */
static void compare_codes(struct live *l, struct sweep *s, struct buf *values)
{
    struct err e = ERR_INIT;
    live_exec(l, "TRUNCATE codes");
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    buf_printf(&sql, "INSERT INTO codes VALUES %s", buf_str(values));
    live_exec(l, buf_str(&sql));
    struct my_result *r =
        my_queryf(l->admin, &e, "SELECT b, CONVERT(CONVERT(b USING %s) USING utf8mb4) FROM codes",
                  s->charset);
    assert_ok(r, e);
    struct my_cell cells[2];
    enum my_next next;
    while ((next = my_result_next(r, cells, &e)) == MY_ROW)
        check_code(s, &cells[0], &cells[1]);
    assert_ok(next == MY_END, e);
    my_result_free(r);
    buf_reset(values);
}

/* Every byte, and every pair whose second byte is not the question mark that servers answer with.
 */
static void sweep_bytes(struct live *l, struct sweep *s, bool pairs)
{
    struct buf values CLEANUP(buf_fini) = BUF_INIT;
    for (unsigned a = 0; a < 256; a++) {
        uint8_t code[2] = {(uint8_t)a, 0};
        add_code(&values, code, 1);
        for (unsigned b = 0; pairs && a >= 0x80 && b < 256; b++) {
            code[1] = (uint8_t)b;
            if (b != '?')
                add_code(&values, code, 2);
        }
    }
    compare_codes(l, s, &values);
}

static void sweep_three_bytes(struct live *l, struct sweep *s)
{
    struct buf values CLEANUP(buf_fini) = BUF_INIT;
    for (unsigned a = 0xa1; a < 0xff; a++)
        for (unsigned b = 0xa1; b < 0xff; b++)
            add_code(&values, (const uint8_t[]){0x8f, (uint8_t)a, (uint8_t)b}, 3);
    compare_codes(l, s, &values);
}

static void sweep_four_bytes(struct live *l, struct sweep *s)
{
    struct buf values CLEANUP(buf_fini) = BUF_INIT;
    for (unsigned i = 0; i < 0x66 * 12600; i += i < 4 * 12600 ? 1 : 37) {
        const uint8_t code[4] = {(uint8_t)(0x81 + i / 12600), (uint8_t)(0x30 + i / 1260 % 10),
                                 (uint8_t)(0x81 + i / 10 % 126), (uint8_t)(0x30 + i % 10)};
        add_code(&values, code, 4);
    }
    compare_codes(l, s, &values);
}

static bool has_charset(struct live *l, const char *charset)
{
    struct err e = ERR_INIT;
    uint64_t n = 0;
    char *sql = mem_printf("SELECT COUNT(*) FROM information_schema.CHARACTER_SETS WHERE "
                           "CHARACTER_SET_NAME = '%s'",
                           charset);
    assert_ok(my_query_u64(l->admin, sql, &n, &e), e);
    free(sql);
    return n > 0;
}

static void every_byte_and_pair_is_the_servers_character(void **state)
{
    struct live *l = live_begin(state);
    live_exec(l, "CREATE TABLE codes (b varbinary(4))");
    size_t checked = 0, characters = 0;
    for (unsigned id = 1; id < 256; id++) {
        struct sweep s = {.charset = charset_name((uint16_t)id), .collation = (uint16_t)id};
        bool first = s.charset != NULL;
        for (unsigned before = 1; first && before < id; before++) {
            const char *name = charset_name((uint16_t)before);
            first = !name || strcmp(name, s.charset) != 0;
        }
        if (!first || strncmp(s.charset, "utf", 3) == 0 || strcmp(s.charset, "ucs2") == 0 ||
            strcmp(s.charset, "binary") == 0 || !has_charset(l, s.charset))
            continue;
        unsigned width = charset_max_bytes((uint16_t)id);
        sweep_bytes(l, &s, width > 1);
        if (width == 3)
            sweep_three_bytes(l, &s);
        if (width == 4)
            sweep_four_bytes(l, &s);
        checked += s.checked;
        characters += s.characters;
    }
    print_message("%zu codes compared, %zu of them characters\n", checked, characters);
    assert_true(characters > 130000);
}

static size_t put_unit(uint8_t *to, uint32_t unit, bool little)
{
    to[little] = (uint8_t)(unit >> 8);
    to[!little] = (uint8_t)unit;
    return 2;
}

/* A code point as the server stores it in a Unicode character set; 0: it cannot. */
static size_t encode(const char *charset, uint32_t point, uint8_t *to)
{
    if (strcmp(charset, "utf32") == 0) {
        to[0] = 0;
        to[1] = (uint8_t)(point >> 16);
        return 2 + put_unit(to + 2, point & 0xffff, false);
    }
    bool little = strcmp(charset, "utf16le") == 0;
    if (point < 0x10000)
        return put_unit(to, point, little);
    if (strcmp(charset, "ucs2") == 0)
        return 0;
    put_unit(to, 0xd800 + ((point - 0x10000) >> 10), little);
    return 2 + put_unit(to + 2, 0xdc00 + (point & 0x3ff), little);
}

/* All of the basic plane, a part of the others. */
static void unicode_encodings_give_the_servers_utf8(void **state)
{
    struct live *l = live_begin(state);
    static const struct sweep all[] = {
        {"ucs2", 35, 0, 0}, {"utf16", 54, 0, 0}, {"utf16le", 56, 0, 0}, {"utf32", 60, 0, 0}};
    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) {
        struct sweep s = all[k];
        struct buf values CLEANUP(buf_fini) = BUF_INIT;
        for (uint32_t point = 0; point < 0x110000; point += point < 0x10000 ? 1 : 61) {
            uint8_t code[4];
            size_t n = point >= 0xd800 && point < 0xe000 ? 0 : encode(s.charset, point, code);
            if (n > 0 && point != 0xfffd)
                add_code(&values, code, n);
        }
        compare_codes(l, &s, &values);
        assert_int_equal(s.characters, s.checked);
    }
}

static void every_collation_has_the_servers_character_set(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    const char *sql =
        live_is_mariadb(l)
            ? "SELECT ID, CHARACTER_SET_NAME, MAXLEN FROM "
              "information_schema.COLLATION_CHARACTER_SET_APPLICABILITY JOIN "
              "information_schema.CHARACTER_SETS USING (CHARACTER_SET_NAME)"
            : "SELECT ID, CHARACTER_SET_NAME, MAXLEN FROM information_schema.COLLATIONS JOIN "
              "information_schema.CHARACTER_SETS USING (CHARACTER_SET_NAME)";
    struct my_result *r = my_query(l->admin, sql, &e);
    assert_ok(r, e);
    struct my_cell cells[3];
    enum my_next next;
    while ((next = my_result_next(r, cells, &e)) == MY_ROW) {
        uint16_t id = (uint16_t)strtoul(cells[0].p, NULL, 10);
        const char *name = charset_name(id);
        if (!name || strcmp(name, cells[1].p) != 0 ||
            charset_max_bytes(id) != strtoul(cells[2].p, NULL, 10))
            fail_msg("collation %u: %s (%u) here, %s (%s) there", id, name ? name : "unknown",
                     charset_max_bytes(id), cells[1].p, cells[2].p);
    }
    assert_true(my_result_rows(r) > 200);
    my_result_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_have_the_words_of_the_table_map),
        cmocka_unit_test(labels_are_utf8_without_quotes),
        cmocka_unit_test(keys_have_their_columns_and_prefixes),
        cmocka_unit_test(a_functional_key_is_no_identity),
        cmocka_unit_test(types_of_one_server_are_known),
        cmocka_unit_test(a_missing_table_and_a_view_are_unknown),
        cmocka_unit_test(the_list_has_base_tables_without_internal_ones),
        cmocka_unit_test(triggers_are_listed_without_our_own),
        cmocka_unit_test(edited_texts_are_accepted_and_come_back_whole),
        cmocka_unit_test(labels_and_defaults_beyond_utf8mb3_come_back_whole),
        cmocka_unit_test(a_default_that_nothing_tells_is_named),
        cmocka_unit_test(literals_of_a_definition_are_text),
        cmocka_unit_test(dropped_things_are_gone),
        cmocka_unit_test(every_byte_and_pair_is_the_servers_character),
        cmocka_unit_test(unicode_encodings_give_the_servers_utf8),
        cmocka_unit_test(every_collation_has_the_servers_character_set),
    };
    int failed = cmocka_run_group_tests_name("mariadb", tests, live_setup_mariadb, live_teardown);
    return failed + cmocka_run_group_tests_name("mysql", tests, live_setup_mysql, live_teardown);
}
