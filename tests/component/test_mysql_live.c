/* tests/component/test_mysql_live.c — connections, statements and checks against a real MariaDB and
 * a real MySQL; values are compared with what the server itself says. */
#include "base/clock.h"
#include "mysql/checks.h"
#include "tests/support/live_server.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

/* ── login ─────────────────────────────────────────────────────────────── */

static void the_server_tells_what_it_is(void **state)
{
    struct live *l = live_begin(state);
    const struct my_server *s = my_conn_server(l->admin);
    struct err e = ERR_INIT;
    char *text CLEANUP(mem_free_ptr) = NULL;
    assert_ok(my_query_text(l->admin, "SELECT VERSION()", &text, &e), e);
    assert_int_equal(strstr(text, "MariaDB") != NULL, s->flavor == MY_FLAVOR_MARIADB);
    assert_int_equal(s->version / 10000, strtoul(text, NULL, 10));
    assert_int_equal(s->bulk, s->flavor == MY_FLAVOR_MARIADB && live_client_is_connector());
    assert_int_equal(s->server_uuid[0] != 0, s->flavor == MY_FLAVOR_MYSQL);
}

static void the_session_is_pinned(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    char *text CLEANUP(mem_free_ptr) = NULL;
    assert_ok(
        my_query_text(l->admin,
                      "SELECT CONCAT(@@time_zone, '|', @@sql_mode, '|', @@autocommit + 0, '|', "
                      "@@character_set_client, '|', @@character_set_connection)",
                      &text, &e),
        e);
    assert_string_equal(text,
                        "+00:00|NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION|1|"
                        "binary|binary");
}

#define SECRET "wr0ng-s3cret"

static void a_wrong_password_is_told_without_the_password(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    assert_null(live_connect(l, l->params.user, SECRET, &e));
    assert_int_equal(e.code, ERR_DB_AUTH);
    assert_int_equal(e.class_, ERR_CLASS_RETRY);
    assert_int_equal(e.native, 1045);
    assert_null(strstr(e.text, SECRET));
    assert_null(strstr(e.cure, SECRET));
}

static void write_password(const char *path, const char *password)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%s\n", password);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static void the_password_file_is_read_at_each_connect(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    char path[] = "/tmp/sluice-password-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    struct my_params p = l->params;
    p.password = NULL;
    p.password_file = path;
    write_password(path, SECRET);
    assert_null(my_connect(&p, "test", &e));
    assert_int_equal(e.code, ERR_DB_AUTH);
    write_password(path, l->params.password);
    struct my_conn *c = my_connect(&p, "test", &e);
    assert_ok(c, e);
    my_close(c);
    assert_int_equal(chmod(path, 0666), 0);
    assert_null(my_connect(&p, "test", &e));
    assert_int_equal(e.code, ERR_CONFIG);
    unlink(path);
    assert_null(my_connect(&p, "test", &e)); /* it is on its way: a rotation, another mount */
    assert_int_equal(e.code, ERR_DB_AUTH);
    assert_int_equal(e.class_, ERR_CLASS_RETRY);
}

static void a_password_command_gives_the_password(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    char failing[] = "echo " SECRET "; exit 3";
    char *working = mem_printf("printf '%%s\\n' '%s'", l->params.password);
    struct my_params p = l->params;
    p.password = NULL;
    p.password_command = working;
    struct my_conn *c = my_connect(&p, "test", &e);
    assert_ok(c, e);
    my_close(c);
    p.password_command = failing;
    assert_null(my_connect(&p, "test", &e));
    assert_int_equal(e.code, ERR_DB_AUTH);
    assert_null(strstr(e.text, SECRET));
    free(working);
}

static void a_closed_port_is_a_connection_error_that_may_pass(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct my_params p = l->params;
    p.port = 1;
    assert_null(my_connect(&p, "test", &e));
    assert_int_equal(e.code, ERR_DB_CONNECT);
    assert_int_equal(e.class_, ERR_CLASS_RETRY);
    assert_non_null(strstr(e.text, ":1 (test)"));
}

static void a_new_account_logs_in_without_and_with_encryption(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    live_exec(l, "DROP USER IF EXISTS sluice_tls@'127.0.0.1'");
    live_exec(l, "CREATE USER sluice_tls@'127.0.0.1' IDENTIFIED BY 'pw-tls'");
    char *has_tls CLEANUP(mem_free_ptr) = NULL;
    assert_ok(my_query_text(l->admin, "SELECT @@version_ssl_library", &has_tls, &e) || true, e);
    struct my_params p = l->params;
    char user[] = "sluice_tls", password[] = "pw-tls";
    p.user = user;
    p.password = password;
    for (unsigned mode = MY_TLS_DISABLED; mode <= MY_TLS_PREFERRED; mode++) {
        p.tls_mode = (enum my_tls_mode)mode;
        struct my_conn *c = my_connect(&p, "test", &e);
        assert_ok(c, e);
        my_close(c);
        live_exec(l, "FLUSH PRIVILEGES"); /* empties the cache: the next login sends the password */
    }
    live_exec(l, "DROP USER sluice_tls@'127.0.0.1'");
}

static bool server_offers_tls(struct live *l)
{
    struct err e = ERR_INIT;
    struct my_params p = l->params;
    p.tls_mode = MY_TLS_PREFERRED;
    struct my_conn *c = my_connect(&p, "test", &e);
    assert_ok(c, e);
    struct my_result *r = my_query(c, "SHOW SESSION STATUS LIKE 'Ssl_cipher'", &e);
    assert_ok(r, e);
    struct my_cell cells[2];
    assert_int_equal(my_result_next(r, cells, &e), MY_ROW);
    bool encrypted = cells[1].n > 0;
    my_result_free(r);
    my_close(c);
    return encrypted;
}

static void required_encryption_is_used_or_the_connection_refused(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct my_params p = l->params;
    p.tls_mode = MY_TLS_REQUIRED;
    struct my_conn *c = my_connect(&p, "test", &e);
    if (server_offers_tls(l)) {
        assert_ok(c, e);
    } else {
        assert_null(c);
        assert_int_equal(e.code, ERR_DB_TLS);
        assert_int_equal(e.class_, ERR_CLASS_FATAL);
    }
    my_close(c);
}

static void an_unknown_issuer_is_refused_when_the_certificate_is_verified(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct my_params p = l->params;
    for (unsigned mode = MY_TLS_VERIFY_CA; mode <= MY_TLS_VERIFY_IDENTITY; mode++) {
        p.tls_mode = (enum my_tls_mode)mode;
        assert_null(my_connect(&p, "test", &e));
        assert_int_equal(e.code, ERR_DB_TLS);
    }
}

/* ── errors and their classes ──────────────────────────────────────────── */

static void a_missing_grant_is_denied_with_the_way_to_the_cure(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    live_exec(l, "DROP USER IF EXISTS sluice_poor@'127.0.0.1'");
    live_exec(l, "CREATE USER sluice_poor@'127.0.0.1' IDENTIFIED BY 'pw-poor'");
    live_exec(l, "CREATE TABLE denied (id INT PRIMARY KEY)");
    live_exec(l, "GRANT SELECT ON " LIVE_DATABASE ".denied TO sluice_poor@'127.0.0.1'");
    struct my_conn *c = live_connect(l, "sluice_poor", "pw-poor", &e);
    assert_ok(c, e);
    assert_false(my_exec(c, "INSERT INTO denied VALUES (1)", NULL, &e));
    assert_int_equal(e.code, ERR_DB_DENIED);
    assert_int_equal(e.class_, ERR_CLASS_FATAL);
    assert_non_null(strstr(e.cure, "doctor"));
    my_close(c);
    live_exec(l, "DROP USER sluice_poor@'127.0.0.1'");
}

static void a_killed_connection_is_lost_and_may_be_retried(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct my_conn *c = live_connect(l, NULL, NULL, &e);
    assert_ok(c, e);
    struct my_stmt *s = my_prepare(c, "SELECT 1", &e);
    assert_ok(s, e);
    assert_ok(my_execf(l->admin, &e, "KILL %llu", (unsigned long long)my_conn_id(c)), e);
    assert_false(my_exec(c, "DO SLEEP(5)", NULL, &e));
    assert_int_equal(e.code, ERR_DB_LOST);
    assert_int_equal(e.class_, ERR_CLASS_RETRY);
    assert_false(my_stmt_exec(s, NULL, NULL, &e));
    assert_int_equal(e.code, ERR_DB_LOST);
    my_stmt_free(s);
    my_close(c);
}

/* Kills the result's own connection after its first row: what follows must not look like the end.
 */
static void a_result_cut_in_the_middle_is_a_failure_and_no_end(void **state)
{
    struct live *l = live_begin(state);
    static const char endless[] = "SELECT REPEAT('x', 1000) FROM few a, few b, few c, few d";
    live_exec(l, "CREATE TABLE few (id INT PRIMARY KEY AUTO_INCREMENT, v INT)");
    live_exec(l, "INSERT INTO few (v) VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)");
    live_exec(l, "INSERT INTO few (v) SELECT a.v FROM few a, few b");
    struct err e = ERR_INIT;
    for (unsigned binary = 0; binary < 2; binary++) {
        struct my_conn *c = live_connect(l, NULL, NULL, &e);
        struct my_stmt *s = binary ? my_prepare(c, endless, &e) : NULL;
        struct my_result *r = binary ? NULL : my_query_stream(c, endless, &e);
        struct my_wire wire;
        struct my_cell cell;
        if (binary)
            assert_ok(my_stmt_query(s, NULL, &e), e);
        enum my_next next = binary ? my_stmt_next(s, &wire, &e) : my_result_next(r, &cell, &e);
        assert_int_equal(next, MY_ROW);
        assert_ok(my_execf(l->admin, &e, "KILL %llu", (unsigned long long)my_conn_id(c)), e);
        while (next == MY_ROW)
            next = binary ? my_stmt_next(s, &wire, &e) : my_result_next(r, &cell, &e);
        assert_int_equal(next, MY_FAIL);
        assert_int_equal(e.class_, ERR_CLASS_RETRY);
        my_result_free(r);
        my_stmt_free(s);
        my_close(c);
    }
}

struct sleeper {
    struct my_conn *c;
    struct err e;
    bool ok;
};

static void *run_sleep(void *arg)
{
    struct sleeper *s = arg;
    s->ok = my_exec(s->c, "DO SLEEP(60)", NULL, &s->e);
    return NULL;
}

static void wait_for_count(struct live *l, const char *sql)
{
    struct err e = ERR_INIT;
    uint64_t n = 0;
    int64_t deadline_ms = clock_mono_ms() + 20000;
    for (;;) {
        assert_ok(my_query_u64(l->admin, sql, &n, &e), e);
        if (n > 0)
            return;
        assert_true(clock_mono_ms() < deadline_ms);
    }
}

static void an_interrupt_from_another_thread_ends_a_waiting_statement(void **state)
{
    struct live *l = live_begin(state);
    struct sleeper s = {0};
    s.c = live_connect(l, NULL, NULL, &s.e);
    assert_ok(s.c, s.e);
    pthread_t thread;
    int64_t begin_ms = clock_mono_ms();
    assert_int_equal(pthread_create(&thread, NULL, run_sleep, &s), 0);
    wait_for_count(l, "SELECT COUNT(*) FROM information_schema.processlist "
                      "WHERE info = 'DO SLEEP(60)'");
    my_conn_interrupt(s.c);
    pthread_join(thread, NULL);
    assert_false(s.ok);
    assert_int_equal(s.e.code, ERR_SHUTDOWN);
    assert_true(clock_mono_ms() - begin_ms < 30000);
    my_close(s.c);
}

static void *lock_second_row(void *arg)
{
    struct sleeper *s = arg;
    s->ok = my_exec(s->c, "UPDATE locks SET v = v + 1 WHERE id = 2", NULL, &s->e);
    return NULL;
}

static void lock_waits_and_deadlocks_have_one_class(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    live_exec(l, "CREATE TABLE locks (id INT PRIMARY KEY, v INT) ENGINE = InnoDB");
    live_exec(l, "INSERT INTO locks VALUES (1, 0), (2, 0)");
    struct my_conn *a = live_connect(l, NULL, NULL, &e), *b = live_connect(l, NULL, NULL, &e);
    assert_ok(a && b, e);
    assert_ok(my_exec(a, "START TRANSACTION", NULL, &e) &&
                  my_exec(a, "UPDATE locks SET v = 1 WHERE id = 1", NULL, &e),
              e);
    assert_ok(my_exec(b, "SET innodb_lock_wait_timeout = 1", NULL, &e), e);
    assert_false(my_exec(b, "UPDATE locks SET v = 2 WHERE id = 1", NULL, &e));
    assert_int_equal(e.code, ERR_DB_DEADLOCK);
    assert_int_equal(e.native, 1205);
    assert_ok(my_exec(b, "SET innodb_lock_wait_timeout = 50", NULL, &e) &&
                  my_exec(b, "START TRANSACTION", NULL, &e) &&
                  my_exec(b, "UPDATE locks SET v = 2 WHERE id = 2", NULL, &e),
              e);
    struct sleeper waiting = {.c = a};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, lock_second_row, &waiting), 0);
    /* Whichever of the two waits first, the second closes the circle. */
    bool ok = my_exec(b, "UPDATE locks SET v = 2 WHERE id = 1", NULL, &e);
    pthread_join(thread, NULL);
    assert_int_not_equal(ok, waiting.ok); /* exactly one of them was chosen */
    const struct err *victim = ok ? &waiting.e : &e;
    assert_int_equal(victim->code, ERR_DB_DEADLOCK);
    assert_int_equal(victim->class_, ERR_CLASS_RETRY);
    assert_int_equal(victim->native, 1213);
    my_close(a);
    my_close(b);
}

static void duplicates_and_read_only_have_their_codes(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    live_exec(l, "CREATE TABLE twice (id INT PRIMARY KEY)");
    live_exec(l, "INSERT INTO twice VALUES (1)");
    assert_false(my_exec(l->admin, "INSERT INTO twice VALUES (1)", NULL, &e));
    assert_int_equal(e.code, ERR_DB_DUPLICATE);
    live_exec(l, "START TRANSACTION READ ONLY");
    assert_false(my_exec(l->admin, "INSERT INTO twice VALUES (2)", NULL, &e));
    assert_int_equal(e.code, ERR_DB_READ_ONLY);
    live_exec(l, "ROLLBACK");
}

static void an_update_counts_the_rows_that_it_matched(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    uint64_t affected = 99;
    live_exec(l, "CREATE TABLE matched (id INT PRIMARY KEY, v INT)");
    live_exec(l, "INSERT INTO matched VALUES (1, 5)");
    assert_ok(my_exec(l->admin, "UPDATE matched SET v = 5 WHERE id = 1", &affected, &e), e);
    assert_int_equal(affected, 1);
}

/* ── statements ────────────────────────────────────────────────────────── */

static struct my_value text_value(const char *p, size_t n)
{
    return (struct my_value){MY_VALUE_BYTES, {.bytes = {p, n}}};
}

static const char nasty[] = "a\0b'c\"d\\e`f\n\r\x1a%_\xff\xfe";
#define NASTY_LEN (sizeof nasty - 1)

static void put_hex(char *out, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02X", p[i]);
    out[2 * n] = 0;
}

static void values_arrive_as_they_were_given(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    live_exec(l, "CREATE TABLE vals (id BIGINT PRIMARY KEY, u BIGINT UNSIGNED, f FLOAT, d DOUBLE, "
                 "b VARBINARY(100), n DECIMAL(12,2), t DATETIME(6))");
    struct my_stmt *s = my_prepare(l->admin, "INSERT INTO vals VALUES (?, ?, ?, ?, ?, ?, ?)", &e);
    assert_ok(s, e);
    struct my_value row[7] = {{MY_VALUE_I64, {.i64 = INT64_MIN}},
                              {MY_VALUE_U64, {.u64 = UINT64_MAX}},
                              {MY_VALUE_FLOAT, {.f = 16777216.0f}},
                              {MY_VALUE_DOUBLE, {.d = 0.1}},
                              text_value(nasty, NASTY_LEN),
                              text_value("-1234567890.12", 14),
                              text_value("2026-02-03 04:05:06.000789", 26)};
    uint64_t affected = 0;
    assert_ok(my_stmt_exec(s, row, &affected, &e), e);
    assert_int_equal(affected, 1);
    for (unsigned i = 1; i < 7; i++)
        row[i].type = MY_VALUE_NULL;
    row[0].v.i64 = 7;
    assert_ok(my_stmt_exec(s, row, NULL, &e), e);
    my_stmt_free(s);
    char expected[2 * NASTY_LEN + 1];
    put_hex(expected, (const uint8_t *)nasty, NASTY_LEN);
    struct my_result *r =
        my_query(l->admin, "SELECT id, u, f + 0e0, d, HEX(b), n, t, b FROM vals ORDER BY id", &e);
    assert_ok(r, e);
    assert_int_equal(my_result_rows(r), 2);
    assert_string_equal(my_result_column_name(r, 6), "t");
    struct my_cell c[8];
    assert_int_equal(my_result_next(r, c, &e), MY_ROW);
    assert_string_equal(c[0].p, "-9223372036854775808");
    assert_string_equal(c[1].p, "18446744073709551615");
    assert_string_equal(c[2].p, "16777216");
    assert_string_equal(c[3].p, "0.1");
    assert_string_equal(c[4].p, expected);
    assert_string_equal(c[5].p, "-1234567890.12");
    assert_string_equal(c[6].p, "2026-02-03 04:05:06.000789");
    assert_int_equal(c[7].n, NASTY_LEN);
    assert_memory_equal(c[7].p, nasty, NASTY_LEN);
    assert_int_equal(my_result_next(r, c, &e), MY_ROW);
    for (unsigned i = 1; i < 7; i++)
        assert_null(c[i].p);
    assert_int_equal(my_result_next(r, c, &e), MY_END);
    my_result_free(r);
}

static void binary_rows_carry_the_wire_form_of_each_type(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    live_exec(l, "CREATE TABLE forms (a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, d INT, f FLOAT, "
                 "y YEAR, t TIME(3), dt DATETIME, dd DATE, z DATETIME, s VARCHAR(10) CHARACTER SET "
                 "latin1, bi BIT(10), n DECIMAL(10,3))");
    live_exec(l, "SET sql_mode = ''");
    live_exec(l, "INSERT INTO forms VALUES (-1, 65535, -8388608, 5, 0.1, 2026, '-100:01:02.5', "
                 "'2026-01-02 03:04:05', '1000-01-01', '0000-00-00', X'E4', b'1000000001', -0.5)");
    struct my_stmt *s = my_prepare(l->admin, "SELECT * FROM forms", &e);
    assert_ok(s, e);
    assert_ok(my_stmt_query(s, NULL, &e), e);
    const struct my_column *columns;
    assert_int_equal(my_stmt_columns(s, &columns), 13);
    assert_string_equal(columns[10].name, "s");
    assert_int_equal(columns[10].charset, 8); /* the column's own, not the session's */
    assert_int_equal(columns[6].decimals, 3);
    assert_int_equal(columns[1].flags & 32, 32);
    static const char *const expected[13] = {"FF",
                                             "FFFF",
                                             "000080FF",
                                             "05000000",
                                             "CDCCCC3D",
                                             "EA07",
                                             "010400000004010220A10700",
                                             "EA070102030405",
                                             "E8030101",
                                             "",
                                             "E4",
                                             "0201",
                                             "2D302E353030"};
    struct my_wire w[13];
    assert_int_equal(my_stmt_next(s, w, &e), MY_ROW);
    for (unsigned i = 0; i < 13; i++) {
        char hex[64];
        assert_non_null(w[i].p);
        put_hex(hex, w[i].p, w[i].n);
        assert_string_equal(hex, expected[i]);
    }
    assert_int_equal(my_stmt_next(s, w, &e), MY_END);
    assert_int_equal(my_stmt_next(s, w, &e), MY_END);
    my_stmt_free(s);
    live_exec(l, "SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'");
}

static void a_dropped_result_leaves_the_connection_usable(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct my_stmt *s =
        my_prepare(l->admin, "SELECT table_name FROM information_schema.tables", &e);
    struct my_wire w;
    for (unsigned i = 0; i < 3; i++) {
        assert_ok(my_stmt_query(s, NULL, &e), e);
        assert_int_equal(my_stmt_next(s, &w, &e), MY_ROW);
    }
    my_stmt_reset(s);
    assert_ok(my_ping(l->admin, &e), e);
    my_stmt_free(s);
}

#define BLOB_BYTES ((size_t)64 << 20)

static char *big_blob(size_t n)
{
    char *blob = malloc(n);
    assert_non_null(blob);
    uint32_t x = 12345;
    for (size_t i = 0; i < n; i++) {
        x = x * 1103515245u + 12345u;
        blob[i] = (char)(x >> 16);
    }
    return blob;
}

static void a_blob_of_64_mib_goes_in_and_out(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    char *blob = big_blob(BLOB_BYTES);
    live_exec(l, "CREATE TABLE blobs (id INT PRIMARY KEY, b LONGBLOB) ENGINE = InnoDB");
    struct my_stmt *s = my_prepare(l->admin, "INSERT INTO blobs VALUES (?, ?)", &e);
    struct my_value row[2] = {{MY_VALUE_I64, {.i64 = 1}}, text_value(blob, BLOB_BYTES)};
    assert_ok(my_stmt_exec(s, row, NULL, &e), e);
    my_stmt_free(s);
    s = my_prepare(l->admin, "SELECT b, LENGTH(b) FROM blobs", &e);
    assert_ok(my_stmt_query(s, NULL, &e), e);
    struct my_wire w[2];
    assert_int_equal(my_stmt_next(s, w, &e), MY_ROW);
    assert_int_equal(w[0].n, BLOB_BYTES);
    assert_memory_equal(w[0].p, blob, BLOB_BYTES);
    assert_int_equal(my_stmt_next(s, w, &e), MY_END);
    my_stmt_free(s);
    free(blob);
}

static void a_value_beyond_the_servers_limit_is_refused_before_it_is_sent(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    live_exec(l, "SET GLOBAL max_allowed_packet = 1048576");
    struct my_conn *c = live_connect(l, NULL, NULL, &e);
    live_exec(l, "SET GLOBAL max_allowed_packet = 268435456");
    assert_ok(c, e);
    char *blob = big_blob(2u << 20);
    struct my_stmt *s = my_prepare(c, "DO LENGTH(?)", &e);
    assert_ok(s, e);
    struct my_value v = text_value(blob, 2u << 20);
    assert_false(my_stmt_exec(s, &v, NULL, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.text, "max_allowed_packet"));
    v.v.bytes.n = 1000;
    assert_ok(my_stmt_exec(s, &v, NULL, &e), e); /* the connection is still there */
    my_stmt_free(s);
    my_close(c);
    free(blob);
}

/* ── bulk ──────────────────────────────────────────────────────────────── */

static struct live *begin_bulk(void **state)
{
    struct live *l = live_begin(state);
    if (!my_conn_server(l->admin)->bulk)
        live_skip("this server has no bulk statements");
    return l;
}

static uint64_t count(struct live *l, const char *sql)
{
    struct err e = ERR_INIT;
    uint64_t n = 0;
    assert_ok(my_query_u64(l->admin, sql, &n, &e), e);
    return n;
}

#define BULK_ROWS 5000u

static void bulk_rows_of_mixed_nulls_arrive(void **state)
{
    struct live *l = begin_bulk(state);
    struct err e = ERR_INIT;
    live_exec(l, "CREATE TABLE bulk (id INT PRIMARY KEY, s VARBINARY(100), d DOUBLE, "
                 "x INT DEFAULT 42)");
    struct my_value *rows = mem_calloc((size_t)BULK_ROWS * 4, sizeof *rows);
    for (unsigned i = 0; i < BULK_ROWS; i++) {
        struct my_value *r = rows + (size_t)i * 4;
        r[0] = (struct my_value){MY_VALUE_I64, {.i64 = i}};
        r[1] = i % 3 ? text_value(nasty, i % NASTY_LEN) : (struct my_value){.type = MY_VALUE_NULL};
        r[2] = i % 5 ? (struct my_value){MY_VALUE_DOUBLE, {.d = i / 4.0}}
                     : (struct my_value){.type = MY_VALUE_NULL};
        r[3] = i % 7 ? (struct my_value){MY_VALUE_I64, {.i64 = -(int64_t)i}}
                     : (struct my_value){.type = MY_VALUE_DEFAULT};
    }
    struct my_stmt *s = my_prepare(l->admin, "INSERT INTO bulk VALUES (?, ?, ?, ?)", &e);
    uint64_t affected = 0;
    assert_ok(my_stmt_exec_bulk(s, rows, BULK_ROWS, &affected, &e), e);
    assert_int_equal(affected, BULK_ROWS);
    my_stmt_free(s);
    struct my_result *r = my_query_stream(l->admin, "SELECT * FROM bulk ORDER BY id", &e);
    struct my_cell c[4];
    for (unsigned i = 0; i < BULK_ROWS; i++) {
        assert_int_equal(my_result_next(r, c, &e), MY_ROW);
        assert_int_equal(c[1].p == NULL, i % 3 == 0);
        if (c[1].p) {
            assert_int_equal(c[1].n, i % NASTY_LEN);
            assert_memory_equal(c[1].p, nasty, c[1].n);
        }
        assert_int_equal(c[2].p == NULL, i % 5 == 0);
        if (c[2].p)
            assert_true(strtod(c[2].p, NULL) == i / 4.0);
        assert_int_equal(strtol(c[3].p, NULL, 10), i % 7 ? -(long)i : 42);
    }
    assert_int_equal(my_result_next(r, c, &e), MY_END);
    my_result_free(r);
    free(rows);
}

static void a_failing_bulk_leaves_nothing_of_itself(void **state)
{
    struct live *l = begin_bulk(state);
    struct err e = ERR_INIT;
    live_exec(l, "CREATE TABLE atom (id INT PRIMARY KEY, v INT) ENGINE = InnoDB");
    live_exec(l, "INSERT INTO atom VALUES (7, 0)");
    struct my_value rows[20] = {0};
    for (unsigned i = 0; i < 10; i++) {
        rows[2 * i] = (struct my_value){MY_VALUE_I64, {.i64 = i}};
        rows[2 * i + 1] = (struct my_value){MY_VALUE_I64, {.i64 = 100}};
    }
    struct my_stmt *s = my_prepare(l->admin, "INSERT INTO atom VALUES (?, ?)", &e);
    live_exec(l, "START TRANSACTION");
    live_exec(l, "INSERT INTO atom VALUES (99, 0)");
    assert_false(my_stmt_exec_bulk(s, rows, 10, NULL, &e));
    assert_int_equal(e.code, ERR_DB_DUPLICATE);
    live_exec(l, "COMMIT");
    assert_int_equal(count(l, "SELECT COUNT(*) FROM atom"), 2); /* 7 and 99 */
    my_stmt_free(s);
}

static void a_bulk_of_updates_is_one_statement_too(void **state)
{
    struct live *l = begin_bulk(state);
    struct err e = ERR_INIT;
    live_exec(l, "CREATE TABLE ups (id INT PRIMARY KEY, v INT UNIQUE) ENGINE = InnoDB");
    live_exec(l, "INSERT INTO ups VALUES (1, 10), (2, 20), (3, 30)");
    /* v = ? where id = ?: the second row collides with row 3 */
    struct my_value rows[6] = {{MY_VALUE_I64, {.i64 = 11}}, {MY_VALUE_I64, {.i64 = 1}},
                               {MY_VALUE_I64, {.i64 = 30}}, {MY_VALUE_I64, {.i64 = 2}},
                               {MY_VALUE_I64, {.i64 = 33}}, {MY_VALUE_I64, {.i64 = 3}}};
    struct my_stmt *s = my_prepare(l->admin, "UPDATE ups SET v = ? WHERE id = ?", &e);
    assert_false(my_stmt_exec_bulk(s, rows, 3, NULL, &e));
    assert_int_equal(count(l, "SELECT SUM(v) FROM ups"), 60);
    rows[2].v.i64 = 21;
    uint64_t affected = 0;
    assert_ok(my_stmt_exec_bulk(s, rows, 3, &affected, &e), e);
    assert_int_equal(affected, 3);
    assert_int_equal(count(l, "SELECT SUM(v) FROM ups"), 11 + 21 + 33);
    my_stmt_free(s);
}

static void a_bulk_longer_than_a_packet_goes_in_pieces_and_fails_whole(void **state)
{
    struct live *l = begin_bulk(state);
    struct err e = ERR_INIT;
    enum { ROWS = 60, BYTES = 300000 }; /* 18 MB: three requests */
    live_exec(l, "CREATE TABLE pieces (id INT PRIMARY KEY, b LONGBLOB) ENGINE = InnoDB");
    char *blob = big_blob(BYTES);
    struct my_value rows[ROWS * 2];
    for (unsigned i = 0; i < ROWS; i++) {
        rows[2 * i] = (struct my_value){MY_VALUE_I64, {.i64 = i == ROWS - 1 ? 0 : i}};
        rows[2 * i + 1] = text_value(blob, BYTES);
    }
    struct my_stmt *s = my_prepare(l->admin, "INSERT INTO pieces VALUES (?, ?)", &e);
    assert_false(my_stmt_exec_bulk(s, rows, ROWS, NULL, &e));
    assert_int_equal(e.code, ERR_DB_DUPLICATE);
    assert_int_equal(count(l, "SELECT COUNT(*) FROM pieces"), 0);
    rows[2 * (ROWS - 1)].v.i64 = ROWS;
    uint64_t affected = 0;
    assert_ok(my_stmt_exec_bulk(s, rows, ROWS, &affected, &e), e);
    assert_int_equal(affected, ROWS);
    assert_int_equal(count(l, "SELECT SUM(LENGTH(b)) FROM pieces"), (uint64_t)ROWS * BYTES);
    my_stmt_free(s);
    free(blob);
}

/* ── positions and checks ──────────────────────────────────────────────── */

static void the_current_position_moves_with_a_write(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct position before = POSITION_INIT, after = POSITION_INIT, again = POSITION_INIT;
    live_exec(l, "CREATE TABLE moves (id INT PRIMARY KEY)");
    assert_ok(my_current_position(l->admin, &before, &e), e);
    assert_ok(my_current_position(l->admin, &again, &e), e);
    assert_true(position_equal(&before, &again));
    live_exec(l, "INSERT INTO moves VALUES (1)");
    assert_ok(my_current_position(l->admin, &after, &e), e);
    assert_true(after.pos > before.pos);
    assert_true(position_at_or_after(&after, &before));
    assert_false(position_at_or_after(&before, &after));
    assert_int_equal(after.gtids != NULL, my_conn_server(l->admin)->gtid_mode);
    position_fini(&before);
    position_fini(&after);
    position_fini(&again);
}

static const struct my_check *find_check(const struct my_checks *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->items[i].name, name) == 0)
            return &c->items[i];
    fail_msg("no check named %s", name);
    return NULL;
}

#define ALL_ROLES (MY_ROLE_STREAM | MY_ROLE_COPY_SOURCE | MY_ROLE_TARGET | MY_ROLE_SWITCH)

static void a_fit_server_passes_every_role(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct my_checks c;
    assert_ok(my_checks_run(l->admin, ALL_ROLES, MY_PLATFORM_AUTO, LIVE_DATABASE, &c, &e), e);
    assert_int_equal(c.platform, MY_PLATFORM_SELF);
    assert_ok(my_checks_require(&c, "commerce/-", &e), e);
    assert_int_equal(find_check(&c, "binlog_format")->level, MY_CHECK_OK);
    my_checks_fini(&c);
}

static void a_log_that_is_not_row_based_is_refused_with_the_platforms_cure(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct my_checks c;
    live_exec(l, "SET GLOBAL binlog_format = MIXED");
    bool ran = my_checks_run(l->admin, MY_ROLE_STREAM, MY_PLATFORM_AUTO, LIVE_DATABASE, &c, &e);
    live_exec(l, "SET GLOBAL binlog_format = ROW");
    assert_ok(ran, e);
    assert_false(my_checks_require(&c, "commerce/-", &e));
    assert_int_equal(e.code, ERR_SRC_BINLOG_FORMAT);
    assert_non_null(strstr(e.text, "commerce/-: binlog_format is MIXED"));
    assert_non_null(strstr(e.cure, "binlog_format = ROW"));
    my_checks_fini(&c);
    live_exec(l, "SET GLOBAL binlog_format = STATEMENT");
    ran = my_checks_run(l->admin, MY_ROLE_STREAM, MY_PLATFORM_RDS, LIVE_DATABASE, &c, &e);
    live_exec(l, "SET GLOBAL binlog_format = ROW");
    assert_ok(ran, e);
    assert_non_null(strstr(find_check(&c, "binlog_format")->cure, "parameter group"));
    my_checks_fini(&c);
}

static void a_partial_row_image_warns_a_stream_and_stops_a_copy(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct my_checks stream, copy;
    live_exec(l, "SET GLOBAL binlog_row_image = MINIMAL");
    bool ran = my_checks_run(l->admin, MY_ROLE_STREAM, MY_PLATFORM_AUTO, NULL, &stream, &e) &&
               my_checks_run(l->admin, MY_ROLE_COPY_SOURCE, MY_PLATFORM_AUTO, NULL, &copy, &e);
    live_exec(l, "SET GLOBAL binlog_row_image = FULL");
    assert_ok(ran, e);
    assert_int_equal(find_check(&stream, "binlog_row_image")->level, MY_CHECK_WARN);
    assert_int_equal(find_check(&copy, "binlog_row_image")->level, MY_CHECK_FAIL);
    my_checks_fini(&stream);
    my_checks_fini(&copy);
}

/* Runs the checks as the account; its grants are what the test gave it. */
static void run_as(struct live *l, const char *user, unsigned roles, struct my_checks *out)
{
    struct err e = ERR_INIT;
    struct my_params p = l->params;
    char name[64], password[] = "pw-check";
    snprintf(name, sizeof name, "%s", user);
    p.user = name;
    p.password = password;
    struct my_conn *c = my_connect(&p, "test", &e);
    assert_ok(c, e);
    assert_ok(my_checks_run(c, roles, MY_PLATFORM_AUTO, LIVE_DATABASE, out, &e), e);
    my_close(c);
}

static void missing_privileges_are_named_and_the_printed_grants_are_enough(void **state)
{
    struct live *l = live_begin(state);
    struct my_checks c;
    struct err e = ERR_INIT;
    static const char account[] = "'sluice_check'@'127.0.0.1'";
    live_exec(l, "DROP USER IF EXISTS sluice_check@'127.0.0.1'");
    live_exec(l, "CREATE USER sluice_check@'127.0.0.1' IDENTIFIED BY 'pw-check'");
    live_exec(l, "GRANT SELECT ON " LIVE_DATABASE ".* TO sluice_check@'127.0.0.1'");
    run_as(l, "sluice_check", MY_ROLE_STREAM, &c);
    const struct my_check *global = find_check(&c, "privileges on *.*");
    assert_int_equal(global->level, MY_CHECK_FAIL);
    assert_int_equal(global->code, ERR_DB_DENIED);
    assert_non_null(strstr(global->cure, "GRANT REPLICATION SLAVE, "));
    assert_non_null(strstr(global->cure, account));
    assert_int_equal(find_check(&c, "privileges on " LIVE_DATABASE ".*")->level, MY_CHECK_OK);
    my_checks_fini(&c);

    struct buf grants CLEANUP(buf_fini) = BUF_INIT;
    my_checks_grants(my_conn_server(l->admin), ALL_ROLES, LIVE_DATABASE, account, &grants);
    char *rest = NULL;
    for (char *line = strtok_r((char *)grants.data, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest))
        live_exec(l, line);
    run_as(l, "sluice_check", ALL_ROLES, &c);
    assert_ok(my_checks_require(&c, "", &e), e);
    my_checks_fini(&c);
    live_exec(l, "DROP USER sluice_check@'127.0.0.1'");
}

static void privileges_of_an_active_role_count(void **state)
{
    struct live *l = live_begin(state);
    struct my_checks c;
    live_exec(l, "DROP USER IF EXISTS sluice_check@'127.0.0.1'");
    live_exec(l, "DROP ROLE IF EXISTS sluice_role");
    live_exec(l, "CREATE USER sluice_check@'127.0.0.1' IDENTIFIED BY 'pw-check'");
    live_exec(l, "CREATE ROLE sluice_role");
    live_exec(l, "GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO sluice_role");
    live_exec(l, "GRANT sluice_role TO sluice_check@'127.0.0.1'");
    run_as(l, "sluice_check", MY_ROLE_STREAM, &c);
    assert_int_equal(find_check(&c, "privileges on *.*")->level, MY_CHECK_FAIL);
    my_checks_fini(&c);
    live_exec(l, live_is_mariadb(l) ? "SET DEFAULT ROLE sluice_role FOR sluice_check@'127.0.0.1'"
                                    : "SET DEFAULT ROLE sluice_role TO sluice_check@'127.0.0.1'");
    run_as(l, "sluice_check", MY_ROLE_STREAM, &c);
    assert_int_equal(find_check(&c, "privileges on *.*")->level, MY_CHECK_OK);
    my_checks_fini(&c);
    live_exec(l, "DROP USER sluice_check@'127.0.0.1'");
    live_exec(l, "DROP ROLE sluice_role");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_server_tells_what_it_is),
        cmocka_unit_test(the_session_is_pinned),
        cmocka_unit_test(a_wrong_password_is_told_without_the_password),
        cmocka_unit_test(the_password_file_is_read_at_each_connect),
        cmocka_unit_test(a_password_command_gives_the_password),
        cmocka_unit_test(a_closed_port_is_a_connection_error_that_may_pass),
        cmocka_unit_test(a_new_account_logs_in_without_and_with_encryption),
        cmocka_unit_test(required_encryption_is_used_or_the_connection_refused),
        cmocka_unit_test(an_unknown_issuer_is_refused_when_the_certificate_is_verified),
        cmocka_unit_test(a_missing_grant_is_denied_with_the_way_to_the_cure),
        cmocka_unit_test(a_killed_connection_is_lost_and_may_be_retried),
        cmocka_unit_test(a_result_cut_in_the_middle_is_a_failure_and_no_end),
        cmocka_unit_test(an_interrupt_from_another_thread_ends_a_waiting_statement),
        cmocka_unit_test(lock_waits_and_deadlocks_have_one_class),
        cmocka_unit_test(duplicates_and_read_only_have_their_codes),
        cmocka_unit_test(an_update_counts_the_rows_that_it_matched),
        cmocka_unit_test(values_arrive_as_they_were_given),
        cmocka_unit_test(binary_rows_carry_the_wire_form_of_each_type),
        cmocka_unit_test(a_dropped_result_leaves_the_connection_usable),
        cmocka_unit_test(a_blob_of_64_mib_goes_in_and_out),
        cmocka_unit_test(a_value_beyond_the_servers_limit_is_refused_before_it_is_sent),
        cmocka_unit_test(bulk_rows_of_mixed_nulls_arrive),
        cmocka_unit_test(a_failing_bulk_leaves_nothing_of_itself),
        cmocka_unit_test(a_bulk_of_updates_is_one_statement_too),
        cmocka_unit_test(a_bulk_longer_than_a_packet_goes_in_pieces_and_fails_whole),
        cmocka_unit_test(the_current_position_moves_with_a_write),
        cmocka_unit_test(a_fit_server_passes_every_role),
        cmocka_unit_test(a_log_that_is_not_row_based_is_refused_with_the_platforms_cure),
        cmocka_unit_test(a_partial_row_image_warns_a_stream_and_stops_a_copy),
        cmocka_unit_test(missing_privileges_are_named_and_the_printed_grants_are_enough),
        cmocka_unit_test(privileges_of_an_active_role_count),
    };
    int failed = cmocka_run_group_tests_name("mariadb", tests, live_setup_mariadb, live_teardown);
    return failed + cmocka_run_group_tests_name("mysql", tests, live_setup_mysql, live_teardown);
}
