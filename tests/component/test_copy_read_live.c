/* tests/component/test_copy_read_live.c — the same rows from the log and from copy_read have the
 * same bytes; chunks and splits cover a table exactly; what a proven view shows includes what was
 * received.
 */
#include "base/clock.h"
#include "cdc/copy/copy_read.h"
#include "cdc/reader.h"
#include "schemas/inspect.h"
#include "tests/support/live_server.h"

static const char *const types_columns[] = {
    "id INT UNSIGNED PRIMARY KEY",
    "t1 TINYINT, t2 TINYINT UNSIGNED, s1 SMALLINT, s2 SMALLINT UNSIGNED, m1 MEDIUMINT, m2 "
    "MEDIUMINT UNSIGNED",
    "i1 INT, i2 INT UNSIGNED, b1 BIGINT, b2 BIGINT UNSIGNED, f FLOAT, d DOUBLE",
    "d1 DECIMAL(65,30), d2 DECIMAL(9,0), d3 DECIMAL(10,9), d4 DECIMAL(12,2), d5 DECIMAL(1,1), d6 "
    "DECIMAL(18,9)",
    "y YEAR, da DATE, ti TIME, ti1 TIME(1), ti3 TIME(3), ti6 TIME(6)",
    "dt DATETIME, dt2 DATETIME(2), dt5 DATETIME(5), dt6 DATETIME(6)",
    "ts TIMESTAMP NULL, ts1 TIMESTAMP(1) NULL, ts4 TIMESTAMP(4) NULL, ts6 TIMESTAMP(6) NULL",
    "c CHAR(10) CHARACTER SET utf8mb4, cb CHAR(100) CHARACTER SET utf8mb4, cl CHAR(20) CHARACTER "
    "SET latin1",
    "cu CHAR(8) CHARACTER SET ucs2, bi BINARY(16), bi3 BINARY(3), vb VARBINARY(300)",
    "v VARCHAR(50) CHARACTER SET utf8mb4, vl VARCHAR(300) CHARACTER SET latin1, vs VARCHAR(20) "
    "CHARACTER SET sjis",
    "tt TINYTEXT, te TEXT, mt MEDIUMTEXT, lt LONGTEXT, tb TINYBLOB, bb BLOB, mb MEDIUMBLOB, lb "
    "LONGBLOB",
    "e ENUM('a','b','c,d'), se SET('x','y','z'), b_1 BIT(1), b_9 BIT(9), b_64 BIT(64)",
    "p POINT, g GEOMETRY, j JSON",
    "gv INT GENERATED ALWAYS AS (i1 + 1) VIRTUAL, gs BIGINT GENERATED ALWAYS AS (b1 DIV 2) STORED",
};
#define ALL_NAMES                                                                                  \
    "id,t1,t2,s1,s2,m1,m2,i1,i2,b1,b2,f,d,d1,d2,d3,d4,d5,d6,y,da,ti,ti1,ti3,ti6,dt,dt2,dt5,dt6,"   \
    "ts,ts1,ts4,"                                                                                  \
    "ts6,c,cb,cl,cu,bi,bi3,vb,v,vl,vs,tt,te,mt,lt,tb,bb,mb,lb,e,se,b_1,b_9,b_64,p,g,j"

static const char *const types_rows[] = {
    "(1, "
    "127,255,32767,65535,8388607,16777215,2147483646,4294967295,9223372036854775807,"
    "18446744073709551615,"
    "1.1,2.2, "
    "12345678901234567890123456789012345.123456789012345678901234567890,999999999,9.999999999,12."
    "30,0.9,"
    "123456789.000000001, "
    "2026,'2026-11-22','23:59:59','12:34:56.7','-00:00:01.234','838:59:59.000000',"
    "'2026-11-22 23:59:59','2026-01-02 03:04:05.67','1000-01-01 00:00:00.12345','9999-12-31 "
    "23:59:59.999999',"
    "'1970-01-01 00:00:01','2001-09-09 01:46:40.5','2038-01-19 03:14:07.1234','2026-11-22 "
    "12:00:00.000001',"
    "'héllo  ', REPEAT('é',100), 'caf\xe9 ', 'ab', X'0102030000000000000000000000000000', 'ab\\0', "
    "X'00FF00',"
    "'naïve 😀  ','tail  ', X'8341', 'tiny','text', REPEAT('m',70000), 'long', X'01', X'0200', "
    "X'03', X'04',"
    "'c,d','x,z', b'1', b'101010101', X'8000000000000001', ST_GeomFromText('POINT(1 2)'),"
    "ST_GeomFromText('LINESTRING(0 0,1 1)'), '{\"b\": [1, 2.50, null], \"a\": \"\\\\u00e9\"}')",
    "(2, "
    "-128,0,-32768,0,-8388608,0,-2147483648,0,-9223372036854775808,0,-0.0,-1.7976931348623157e308,"
    "-0.000000000000000000000000000001,-1,-0.000000001,-99999999.99,-0.1,-999999999.999999999, "
    "1901,'0000-00-00',"
    "'-838:59:59','-00:00:00.1','-12:00:00','-00:00:00.000001','0000-00-00 00:00:00','2026-00-00 "
    "00:00:00',"
    "'2000-02-29 12:00:00.00001','0001-01-01 00:00:00.000001','0000-00-00 00:00:00','0000-00-00 "
    "00:00:00',"
    "'0000-00-00 00:00:00','2000-01-01 00:00:00.999999', '','','','',"
    "'','','', '','','', '','','','','','','','', '','', b'0', b'0', b'0', NULL, NULL, 'null')",
    "(3, "
    "NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,"
    "NULL,NULL,"
    "NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,"
    "NULL,NULL,NULL,"
    "NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL)",
    "(4294967295, "
    "1,1,-1,1,-1,1,-1,1,-1,1,1.17549435e-38,4.9406564584124654e-324,0,0,0,0,0,0,0,'2155-12-31',"
    "'00:00:00','00:00:00.1','00:00:00.001','-00:00:00.100000','2026-11-22','2026-11-22','2026-11-"
    "22','2026-11-22',"
    "'2026-03-29 02:30:00','2026-03-29 02:30:00','2026-03-29 02:30:00','2026-03-29 "
    "02:30:00','x','y','z','w',"
    "X'20','b','c','d ','e ', 'f','g','h','i','j','k','l','m','n','a','y',b'1',b'1',b'1',"
    "ST_GeomFromText('POINT(-0.5 1e300)'),ST_GeomFromText('POLYGON((0 0,0 1,1 1,0 0))'),'[]')",
};

static struct schema_table *inspect(struct live *l, const char *table)
{
    struct err e = ERR_INIT;
    struct schema_table *t = schema_inspect(l->admin, LIVE_DATABASE, table, &e);
    assert_ok(t, e);
    return t;
}

static void make_types(struct live *l)
{
    struct buf sql = BUF_INIT;
    live_exec(l, "SET SESSION sql_mode = ''");
    live_exec(l, "SET SESSION time_zone = '+00:00'");
    live_exec(l, "SET NAMES utf8mb4");
    buf_put_str(&sql, "CREATE TABLE types (");
    for (size_t i = 0; i < sizeof types_columns / sizeof *types_columns; i++)
        buf_printf(&sql, "%s%s", i ? ", " : "", types_columns[i]);
    if (live_is_mariadb(l))
        buf_put_str(
            &sql,
            ", uu UUID, ip4 INET4, ip6 INET6, vc VARCHAR(100) COMPRESSED, bc BLOB COMPRESSED");
    buf_put_str(&sql, ") CHARACTER SET utf8mb4");
    live_exec(l, buf_str(&sql));
    buf_fini(&sql);
}

static void fill_types(struct live *l)
{
    struct buf sql = BUF_INIT;
    for (size_t i = 0; i < sizeof types_rows / sizeof *types_rows; i++) {
        buf_reset(&sql);
        buf_printf(&sql, "INSERT INTO types (%s) VALUES %s", ALL_NAMES, types_rows[i]);
        live_exec(l, buf_str(&sql));
    }
    if (live_is_mariadb(l))
        live_exec(l, "INSERT INTO types (id, uu, ip4, ip6, vc, bc) VALUES (77, "
                     "'f47ac10b-58cc-4372-a567-0e02b2c3d479', '10.0.0.0', '2001:db8::', "
                     "REPEAT('ab', 40), '')");
    buf_fini(&sql);
}

static struct topology topo = {.server_id_first = 44100, .server_id_last = 44120};

struct log_rows {
    struct cdc_batch *batches[64];
    size_t n;
};

/* Everything from start to the log's end. */
static void read_log(struct live *l, const struct position *start, struct log_rows *out)
{
    struct topo_shard shard = {
        .keyspace = (char[]){"live"}, .name = (char[]){"-"}, .primary = l->params};
    struct cdc_reader_options o = {.heartbeat_ms = 500};
    struct cdc_stream_options so = {.name = "test", .until_idle = true};
    struct err e = ERR_INIT;
    enum cdc_next next;
    struct cdc_reader *r = cdc_reader_new(&topo, &shard, &o);
    struct cdc_stream *s = cdc_reader_attach(r, start, &so, &e);
    assert_ok(s, e);
    out->n = 0;
    while ((next = cdc_stream_next(s, &out->batches[out->n], 20000, &e)) == CDC_NEXT_OK) {
        out->n++;
        assert_true(out->n < 64);
    }
    if (next != CDC_NEXT_END)
        fail_msg("stream ended with %d: %s", (int)next, e.text);
    cdc_stream_close(s);
    cdc_reader_free(r);
}

static void log_rows_fini(struct log_rows *r)
{
    for (size_t i = 0; i < r->n; i++)
        cdc_batch_unref(r->batches[i]);
}

static void hex(const struct cdc_value *v, char *out, size_t n)
{
    struct buf b = BUF_INIT;
    buf_put_hex(&b, v->p, v->n > 60 ? 60 : v->n);
    snprintf(out, n, "%s (%zu bytes)%s", buf_str(&b), v->n, v->null ? " NULL" : "");
    buf_fini(&b);
}

static bool same_value(const struct cdc_value *log, const struct cdc_value *copy)
{
    struct buf a = BUF_INIT, b = BUF_INIT;
    struct err e = ERR_INIT;
    if (log->null || copy->null || log->column->type != SCHEMA_TYPE_JSON)
        return cdc_value_equal(log, copy);
    assert_ok(cdc_value_json(log, &a, &e) && cdc_value_json(copy, &b, &e), e);
    bool same = strcmp(buf_str(&a), buf_str(&b)) == 0;
    buf_fini(&a);
    buf_fini(&b);
    return same;
}

static void assert_same_row(const struct schema_table *t, const struct cdc_row *log,
                            const struct cdc_row *copy)
{
    char a[200], b[200];
    assert_int_equal(log->n_columns, copy->n_columns);
    for (size_t i = 0; i < t->n_columns; i++) {
        if (same_value(&log->values[i], &copy->values[i]))
            continue;
        hex(&log->values[i], a, sizeof a);
        hex(&copy->values[i], b, sizeof b);
        fail_msg("row %llu column %s: the log has %s, the copy %s",
                 (unsigned long long)cdc_value_u64(&log->values[0]), t->columns[i].name, a, b);
    }
}

/* The row of the log whose first column (the key) is id. */
static bool find_in_log(const struct log_rows *l, const char *table, uint64_t id,
                        struct cdc_row *out)
{
    struct err e = ERR_INIT;
    for (size_t i = 0; i < l->n; i++) {
        for (size_t k = 0; k < l->batches[i]->n_changes; k++) {
            const struct cdc_change *c = &l->batches[i]->changes[k];
            struct cdc_rows_iter it;
            if (c->kind != CDC_ROWS || strcmp(c->rows.table->name, table) != 0)
                continue;
            cdc_rows_begin(&it, &c->rows);
            while (cdc_rows_next(&it, NULL, out, &e) == CDC_ROWS_ROW) {
                if (cdc_value_u64(&out->values[0]) == id)
                    return true;
            }
        }
    }
    return false;
}

static void every_type_has_the_same_bytes_in_log_and_copy(void **state)
{
    struct live *l = live_begin(state);
    struct position start = POSITION_INIT;
    struct err e = ERR_INIT;
    struct log_rows log;
    struct copy_bound last = {0};
    struct cdc_batch *b;
    bool end;
    make_types(l);
    assert_ok(my_current_position(l->admin, &start, &e), e);
    fill_types(l);
    read_log(l, &start, &log);
    struct schema_table *t = inspect(l, "types");
    struct copy_reader *r = copy_reader_open(&l->params, &e);
    assert_ok(r, e);
    assert_ok(copy_read_chunk(r, t, NULL, NULL, 10000000, &b, &last, &end, &e), e);
    assert_true(end);
    assert_non_null(b);
    assert_int_equal(b->changes[0].rows.n_rows, live_is_mariadb(l) ? 5 : 4);
    assert_ok(cdc_rows_validate(&b->changes[0].rows, &e), e);
    struct cdc_row *copied = cdc_row_new(t->n_columns), *logged = cdc_row_new(t->n_columns);
    struct cdc_rows_iter it;
    cdc_rows_begin(&it, &b->changes[0].rows);
    while (cdc_rows_next(&it, NULL, copied, &e) == CDC_ROWS_ROW) {
        uint64_t id = cdc_value_u64(&copied->values[0]);
        if (!find_in_log(&log, "types", id, logged))
            fail_msg("row %llu is not in the log", (unsigned long long)id);
        assert_same_row(t, logged, copied);
    }
    assert_string_equal(last.sql, "4294967295");
    cdc_row_free(copied);
    cdc_row_free(logged);
    cdc_batch_unref(b);
    free(last.sql);
    copy_reader_close(r);
    schema_table_unref(t);
    log_rows_fini(&log);
    position_fini(&start);
}

/* Reads a range in small chunks; the number of rows. */
static uint64_t read_range(struct copy_reader *r, const struct schema_table *t,
                           const struct copy_range *range, size_t max_bytes)
{
    struct copy_range rest = {.lower.sql = mem_strdup(range->lower.sql),
                              .upper.sql = mem_strdup(range->upper.sql)};
    struct err e = ERR_INIT;
    struct cdc_batch *b;
    uint64_t rows = 0;
    for (bool end = false; !end;) {
        assert_ok(copy_read_chunk(r, t, &rest, NULL, max_bytes, &b, &rest.lower, &end, &e), e);
        rows += b ? b->changes[0].rows.n_rows : 0;
        cdc_batch_unref(b);
    }
    copy_range_fini(&rest);
    return rows;
}

static void assert_split_covers(struct live *l, const char *table, unsigned n, uint64_t rows,
                                size_t at_least)
{
    struct err e = ERR_INIT;
    struct copy_range *ranges;
    size_t n_ranges;
    uint64_t seen = 0;
    struct schema_table *t = inspect(l, table);
    struct copy_reader *r = copy_reader_open(&l->params, &e);
    assert_ok(r, e);
    assert_ok(copy_split(r, t, n, &ranges, &n_ranges, &e), e);
    assert_true(n_ranges >= at_least && n_ranges <= n);
    for (size_t i = 0; i < n_ranges; i++) {
        seen += read_range(r, t, &ranges[i], 3000);
        copy_range_fini(&ranges[i]);
    }
    assert_int_equal(seen, rows);
    free(ranges);
    copy_reader_close(r);
    schema_table_unref(t);
}

static void make_sequence(struct live *l, const char *create, const char *insert,
                          const char *analyze)
{
    live_exec(l, create);
    live_exec(l, insert);
    live_exec(l, analyze);
}

#define DIGITS                                                                                     \
    "(SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 "     \
    "UNION ALL "                                                                                   \
    "SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
#define NUMBERS                                                                                    \
    "(SELECT a.d + 10*b.d + 100*c.d + 1000*f.d AS n FROM " DIGITS " a, " DIGITS " b, " DIGITS      \
    " c, " DIGITS " f)"

static void chunks_and_splits_cover_each_kind_of_key(void **state)
{
    struct live *l = live_begin(state);
    make_sequence(
        l, "CREATE TABLE k_int (id BIGINT PRIMARY KEY, v VARCHAR(20))",
        "INSERT INTO k_int SELECT IF(n < 5000, -n * 3 - 1, n * 1000000007), n FROM " NUMBERS " x",
        "ANALYZE TABLE k_int");
    assert_split_covers(l, "k_int", 4, 10000, 3);
    make_sequence(l, "CREATE TABLE k_two (a INT, b SMALLINT UNSIGNED, v INT, PRIMARY KEY (a, b))",
                  "INSERT INTO k_two SELECT n DIV 700, n, n FROM " NUMBERS " x",
                  "ANALYZE TABLE k_two");
    assert_split_covers(l, "k_two", 3, 10000, 2);
    make_sequence(
        l,
        "CREATE TABLE k_text (id VARCHAR(80) CHARACTER SET utf8mb4 COLLATE "
        "utf8mb4_general_ci, d DATETIME(3), "
        "PRIMARY KEY (id, d))",
        "INSERT INTO k_text SELECT CONCAT('Ä', SHA2(n DIV 3, 224)), '2026-01-01' + INTERVAL n "
        "SECOND FROM " NUMBERS " x",
        "ANALYZE TABLE k_text");
    assert_split_covers(l, "k_text", 4, 10000, 3);
    make_sequence(l, "CREATE TABLE k_bin (id BINARY(16) NOT NULL, v INT, UNIQUE KEY (id))",
                  "INSERT INTO k_bin SELECT LEFT(UNHEX(SHA2(n, 224)), 16), n FROM " NUMBERS " x",
                  "ANALYZE TABLE k_bin");
    assert_split_covers(l, "k_bin", 2, 10000, 2);
    make_sequence(l,
                  "CREATE TABLE k_odd (e ENUM('z','a','m') NOT NULL, de DECIMAL(10,2), t TIME(2), "
                  "f DOUBLE, y YEAR, b BIT(20), "
                  "PRIMARY KEY (e, de, t, f, y, b))",
                  "INSERT INTO k_odd SELECT 1 + n % 3, n / 7, SEC_TO_TIME(n % 100 - 50), n / 3, "
                  "1990 + n % 50, n FROM " NUMBERS " x",
                  "ANALYZE TABLE k_odd");
    assert_split_covers(l, "k_odd", 2, 10000, 1);
    make_sequence(l, "CREATE TABLE k_none (v INT)",
                  "INSERT INTO k_none SELECT n FROM " NUMBERS " x", "ANALYZE TABLE k_none");
    assert_split_covers(l, "k_none", 2, 10000, 1);
}

/* A statement's plan names the key and reads a range of it. */
static void bounds_of_composite_keys_use_the_index(void **state)
{
    struct live *l = live_begin(state);
    uint64_t before, after;
    struct err e = ERR_INIT;
    struct cdc_batch *b;
    bool end;
    make_sequence(l, "CREATE TABLE k_use (a VARCHAR(80), b INT, v INT, PRIMARY KEY (a, b))",
                  "INSERT INTO k_use SELECT SHA2(n DIV 10, 224), n, n FROM " NUMBERS " x",
                  "ANALYZE TABLE k_use");
    struct schema_table *t = inspect(l, "k_use");
    struct copy_reader *r = copy_reader_open(&l->params, &e);
    struct copy_range range = {0};
    assert_ok(r, e);
    assert_ok(copy_read_chunk(r, t, NULL, NULL, 300000, &b, &range.lower, &end, &e), e);
    cdc_batch_unref(b);
    const char *sql =
        "SELECT SUM(VARIABLE_VALUE) FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME IN "
        "('HANDLER_READ_NEXT', 'HANDLER_READ_RND_NEXT')";
    if (!live_is_mariadb(l))
        sql = "SELECT SUM(VARIABLE_VALUE) FROM performance_schema.session_status WHERE "
              "VARIABLE_NAME IN "
              "('Handler_read_next', 'Handler_read_rnd_next')";
    assert_ok(my_query_u64(copy_reader_conn(r), sql, &before, &e), e);
    assert_ok(copy_read_chunk(r, t, &range, NULL, 1000, &b, &range.lower, &end, &e), e);
    assert_ok(my_query_u64(copy_reader_conn(r), sql, &after, &e), e);
    assert_true(after - before <
                3000); /* reading from the table's beginning would pass 5,000 rows */
    cdc_batch_unref(b);
    copy_range_fini(&range);
    copy_reader_close(r);
    schema_table_unref(t);
}

static void a_proven_view_shows_what_was_received(void **state)
{
    struct live *l = live_begin(state);
    struct position a = POSITION_INIT;
    struct err e = ERR_INIT;
    uint64_t n;
    live_exec(l, "CREATE TABLE seen (id INT PRIMARY KEY)");
    struct copy_reader *r = copy_reader_open(&l->params, &e);
    assert_ok(r, e);
    for (int i = 1; i <= 30; i++) {
        struct buf sql = BUF_INIT;
        buf_printf(&sql, "INSERT INTO seen VALUES (%d)", i);
        live_exec(l, buf_str(&sql));
        buf_fini(&sql);
        assert_ok(my_current_position(l->admin, &a, &e), e);
        assert_ok(copy_prove_visible(r, &a, 5000, &e), e);
        assert_ok(my_query_u64(copy_reader_conn(r), "SELECT COUNT(*) FROM " LIVE_DATABASE ".seen",
                               &n, &e),
                  e);
        assert_int_equal(n, i);
    }
    live_exec(l, "INSERT INTO seen VALUES (1000)");
    assert_ok(
        my_query_u64(copy_reader_conn(r), "SELECT COUNT(*) FROM " LIVE_DATABASE ".seen", &n, &e),
        e);
    assert_int_equal(n, 30); /* the view stands still */
    assert_ok(copy_end_view(r, &e), e);
    copy_reader_close(r);
    position_fini(&a);
}

static void a_place_that_the_server_has_not_reached_times_out(void **state)
{
    struct live *l = live_begin(state);
    struct position a = POSITION_INIT;
    struct err e = ERR_INIT;
    assert_ok(my_current_position(l->admin, &a, &e), e);
    struct copy_reader *r = copy_reader_open(&l->params, &e);
    assert_ok(r, e);
    bool maria = live_is_mariadb(l);
    gtid_set_free(a.gtids);
    a.gtids =
        gtid_set_parse(maria ? GTID_FLAVOR_MARIADB : GTID_FLAVOR_MYSQL,
                       maria ? "0-7777-4000000000" : "11111111-1111-1111-1111-111111111111:1", &e);
    int64_t before_ms = clock_mono_ms();
    assert_false(copy_prove_visible(r, &a, 300, &e));
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_true(clock_mono_ms() - before_ms < 5000);
    copy_reader_close(r);
    position_fini(&a);
}

/* After a fail-over, file and offset of what was received are the old server's. */
static void a_place_in_another_servers_log_is_found_by_its_gtids(void **state)
{
    struct live *l = live_begin(state);
    struct position a = POSITION_INIT;
    struct err e = ERR_INIT;
    assert_ok(my_current_position(l->admin, &a, &e), e);
    struct copy_reader *r = copy_reader_open(&l->params, &e);
    assert_ok(r, e);
    snprintf(a.file, sizeof a.file, "other-bin.999999");
    a.pos = 4000000000u;
    assert_ok(copy_prove_visible(r, &a, 3000, &e), e);
    copy_reader_close(r);
    position_fini(&a);
}

/* The XA COMMIT that a snapshot's place includes and its rows do not cannot be had at will; that a
 * row of ours was committed before the snapshot can be seen. */
static void a_row_of_ours_is_part_of_the_proof_on_mariadb(void **state)
{
    struct live *l = live_begin(state);
    struct position a = POSITION_INIT;
    struct err e = ERR_INIT;
    uint64_t before = 0, after = 0;
    static const char count[] =
        "SELECT IFNULL(SUM(n), 0) FROM _sluice.log_mark WHERE name = 'copy'";
    live_exec(l, "CREATE DATABASE IF NOT EXISTS _sluice");
    live_exec(l, "CREATE TABLE IF NOT EXISTS _sluice.log_mark (name VARCHAR(255) PRIMARY KEY, n "
                 "BIGINT UNSIGNED NOT NULL)");
    assert_ok(my_query_u64(l->admin, count, &before, &e), e);
    assert_ok(my_current_position(l->admin, &a, &e), e);
    struct copy_reader *r = copy_reader_open(&l->params, &e);
    assert_ok(r && copy_prove_visible(r, &a, 3000, &e), e);
    assert_ok(my_query_u64(l->admin, count, &after, &e), e);
    assert_int_equal(after - before, live_is_mariadb(l) ? 1 : 0);
    copy_reader_close(r);
    position_fini(&a);
}

static void an_exact_snapshot_and_its_position_meet(void **state)
{
    static const char *const tables[] = {"`" LIVE_DATABASE "`.`exact`"};
    struct live *l = live_begin(state);
    struct position at = POSITION_INIT;
    struct err e = ERR_INIT;
    struct log_rows log;
    uint64_t n;
    live_exec(l, "CREATE TABLE exact (id INT UNSIGNED PRIMARY KEY)");
    live_exec(l, "INSERT INTO exact VALUES (1), (2)");
    struct copy_reader *r = copy_reader_open(&l->params, &e);
    assert_ok(r, e);
    assert_ok(copy_exact_snapshot(r, &l->params, tables, 1, &at, &e), e);
    live_exec(l, "INSERT INTO exact VALUES (3)");
    assert_ok(
        my_query_u64(copy_reader_conn(r), "SELECT COUNT(*) FROM " LIVE_DATABASE ".exact", &n, &e),
        e);
    assert_int_equal(n, 2);
    read_log(l, &at, &log);
    struct cdc_row *row = cdc_row_new(1);
    assert_true(find_in_log(&log, "exact", 3, row));
    assert_false(find_in_log(&log, "exact", 2, row));
    cdc_row_free(row);
    log_rows_fini(&log);
    assert_ok(copy_end_view(r, &e), e);
    copy_reader_close(r);
    position_fini(&at);
}

static void a_position_beyond_the_log_is_an_error(void **state)
{
    struct live *l = live_begin(state);
    struct topo_shard shard = {
        .keyspace = (char[]){"live"}, .name = (char[]){"-"}, .primary = l->params};
    struct position a = POSITION_INIT;
    struct err e = ERR_INIT;
    struct cdc_batch *b;
    assert_ok(my_current_position(l->admin, &a, &e), e);
    gtid_set_free(a.gtids);
    a.gtids = NULL;
    a.pos += 1000000;
    struct cdc_reader *r = cdc_reader_new(&topo, &shard, NULL);
    struct cdc_stream *s = cdc_reader_attach(r, &a, NULL, &e);
    assert_ok(s, e);
    assert_int_equal(cdc_stream_next(s, &b, 20000, &e), CDC_NEXT_FAIL);
    assert_int_equal(e.code, ERR_SRC_AHEAD);
    snprintf(a.file, sizeof a.file, "binlog.000000");
    assert_ok(cdc_stream_rewind(s, &a, &e), e);
    assert_int_equal(cdc_stream_next(s, &b, 20000, &e), CDC_NEXT_FAIL);
    assert_int_equal(e.code, ERR_SRC_PURGED);
    cdc_stream_close(s);
    cdc_reader_free(r);
    position_fini(&a);
}

int main(void)
{
#define ON(setup, test) cmocka_unit_test_setup_teardown(test, setup, live_teardown)
#define ON_BOTH(test)   ON(live_setup_mariadb, test), ON(live_setup_mysql, test)
    const struct CMUnitTest tests[] = {
        ON_BOTH(every_type_has_the_same_bytes_in_log_and_copy),
        ON_BOTH(chunks_and_splits_cover_each_kind_of_key),
        ON_BOTH(bounds_of_composite_keys_use_the_index),
        ON_BOTH(a_proven_view_shows_what_was_received),
        ON_BOTH(a_place_that_the_server_has_not_reached_times_out),
        ON_BOTH(a_place_in_another_servers_log_is_found_by_its_gtids),
        ON_BOTH(a_row_of_ours_is_part_of_the_proof_on_mariadb),
        ON_BOTH(an_exact_snapshot_and_its_position_meet),
        ON_BOTH(a_position_beyond_the_log_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
