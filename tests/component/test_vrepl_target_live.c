/* tests/component/test_vrepl_target_live.c — transactions on a real target: a newer owner fences
 * the older one, a COMMIT that landed is not repeated, a change that hits no row is an error, and
 * statements that went out without waiting leave nothing behind when one of them fails. */
#include "base/clock.h"
#include "cdc/sidecar/journal.h"
#include "cdc/sidecar/sidecar.h"
#include "schemas/inspect.h"
#include "tests/support/live_server.h"
#include "vrepl/move/target_tx.h"
#include "vrepl/move/writer.h"

#define STREAM "customer/-80"

/* ---- owners of one stream, each with a connection of its own ---- */

struct owner {
    struct my_conn *conn;
    struct target_tx_key key;
    struct target_tx *tx;
};

static void owner_begin(struct owner *o, struct live *l, uint64_t epoch)
{
    struct err e = ERR_INIT;
    o->conn = live_connect(l, NULL, NULL, &e);
    assert_ok(o->conn, e);
    assert_ok(my_exec(o->conn, "SET innodb_lock_wait_timeout = 1", NULL, &e), e);
    o->key = (struct target_tx_key){.workflow = "customer/split", .stream = STREAM, .epoch = epoch};
    o->tx = target_tx_new(o->conn, &o->key);
}

static void owner_end(struct owner *o)
{
    target_tx_rollback(o->tx);
    target_tx_free(o->tx);
    my_close(o->conn);
}

static void take_over(struct owner *o)
{
    struct err e = ERR_INIT;
    assert_ok(target_tx_take_over(o->tx, &e), e);
}

/* Sidecar tables without rows. */
static struct live *begin(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    live_exec(l, "DROP DATABASE IF EXISTS " SLUICE_SIDECAR_DB);
    assert_ok(sidecar_create(l->admin, &e), e);
    return l;
}

static void end(struct live *l)
{
    live_exec(l, "DROP DATABASE " SLUICE_SIDECAR_DB);
}

static void an_older_owner_is_fenced_at_its_next_transaction(void **state)
{
    struct live *l = begin(state);
    struct owner older, newer;
    struct err e = ERR_INIT;
    owner_begin(&older, l, 1);
    owner_begin(&newer, l, 2);
    take_over(&older);
    assert_ok(target_tx_begin(older.tx, &e), e);
    assert_ok(target_tx_commit(older.tx, &e), e);
    take_over(&newer);
    assert_false(target_tx_begin(older.tx, &e));
    assert_int_equal(e.code, ERR_WF_FENCED);
    target_tx_rollback(older.tx);
    assert_false(target_tx_take_over(older.tx, &e));
    assert_int_equal(e.code, ERR_WF_FENCED);
    owner_end(&older);
    owner_end(&newer);
    end(l);
}

static void a_take_over_waits_for_a_transaction_under_way(void **state)
{
    struct live *l = begin(state);
    struct owner older, newer;
    struct err e = ERR_INIT;
    owner_begin(&older, l, 1);
    owner_begin(&newer, l, 2);
    take_over(&older);
    assert_ok(target_tx_begin(older.tx, &e), e);
    assert_false(target_tx_take_over(newer.tx, &e)); /* the wait is cut short here */
    assert_int_equal(e.class_, ERR_CLASS_RETRY);
    assert_ok(target_tx_commit(older.tx, &e), e);
    take_over(&newer);
    owner_end(&older);
    owner_end(&newer);
    end(l);
}

static void a_commit_that_landed_is_not_repeated(void **state)
{
    struct live *l = begin(state);
    struct owner o;
    struct err e = ERR_INIT;
    struct target_row row = {.phase = COPY_PHASE_CATCHUP};
    struct position *pos = &row.pos;
    owner_begin(&o, l, 1);
    take_over(&o);
    assert_ok(position_parse("FilePos/binlog.000001:4", pos, &e), e);
    assert_ok(target_tx_begin(o.tx, &e) && target_tx_create_row(o.tx, &row, &e), e);
    assert_ok(target_tx_commit(o.tx, &e), e);
    for (unsigned i = 0; i < 2; i++) { /* the second time as if the first one's answer was lost */
        assert_ok(target_tx_begin(o.tx, &e), e);
        assert_int_equal(target_tx_mark(o.tx, 0, i ? NULL : pos, COPY_PHASE_CATCHUP, &e),
                         i ? TARGET_TX_MOVED : TARGET_TX_OK);
        assert_ok(target_tx_commit(o.tx, &e), e);
    }
    assert_ok(target_tx_read(o.tx, &row, &e), e);
    assert_int_equal(row.n, 1);
    assert_int_equal(row.phase, COPY_PHASE_CATCHUP);
    target_row_fini(&row);
    owner_end(&o);
    end(l);
}

/* ---- rows of a table (id INT PRIMARY KEY, n INT) ---- */

struct table {
    struct schema_table *definition;
    struct plan_column columns[2];
    uint16_t key[1];
    struct vrepl_plan plan;
};

static void table_begin(struct table *t, struct live *l)
{
    static char parameter[] = "?";
    struct err e = ERR_INIT;
    live_exec(l, "DROP TABLE IF EXISTS t");
    live_exec(l, "CREATE TABLE t (id INT PRIMARY KEY, n INT) ENGINE=InnoDB");
    *t = (struct table){.definition = schema_inspect(l->admin, LIVE_DATABASE, "t", &e)};
    assert_ok(t->definition, e);
    for (uint16_t i = 0; i < 2; i++)
        t->columns[i] = (struct plan_column){.source = i,
                                             .target = i,
                                             .bind = PLAN_BIND_I64,
                                             .value = parameter,
                                             .where = parameter,
                                             .key = i == 0};
    t->plan = (struct vrepl_plan){.source = t->definition,
                                  .target = t->definition,
                                  .columns = t->columns,
                                  .n_columns = 2,
                                  .key = t->key,
                                  .n_key = 1};
}

static struct cdc_row *row_of(const struct table *t, uint8_t (*bytes)[4], uint8_t id, uint8_t n)
{
    struct cdc_row *row = cdc_row_new(2);
    memset(bytes, 0, 8);
    bytes[0][0] = id;
    bytes[1][0] = n;
    for (size_t i = 0; i < 2; i++)
        row->values[i] =
            (struct cdc_value){.column = &t->definition->columns[i], .p = bytes[i], .n = 4};
    return row;
}

/* One change that is put and sent at once. */
static bool change(struct vrepl_writer *w, const struct table *t, enum copy_verb verb, bool strict,
                   uint8_t id, uint8_t n, struct err *e)
{
    uint8_t bytes[2][4];
    struct cdc_row *row = row_of(t, bytes, id, n);
    struct copy_statement s = {.verb = verb, .strict = strict};
    bool ok = vrepl_writer_put(w, &t->plan, s, row, row, e) && vrepl_writer_flush(w, e);
    vrepl_writer_reset(w);
    cdc_row_free(row);
    return ok;
}

static void a_strict_change_that_hits_no_row_is_an_error(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct table t;
    table_begin(&t, l);
    struct vrepl_writer *w = vrepl_writer_new(l->admin, 0, 0);
    assert_ok(change(w, &t, COPY_INSERT, true, 1, 5, &e), e);
    assert_ok(change(w, &t, COPY_UPDATE, true, 1, 5, &e), e); /* the same values are a hit too */
    assert_ok(change(w, &t, COPY_UPDATE, true, 1, 6, &e), e);
    assert_false(change(w, &t, COPY_UPDATE, true, 2, 6, &e));
    assert_int_equal(e.code, ERR_APPLY_MISSED);
    assert_false(change(w, &t, COPY_DELETE, true, 2, 6, &e));
    assert_int_equal(e.code, ERR_APPLY_MISSED);
    assert_ok(change(w, &t, COPY_DELETE, false, 2, 6, &e), e);
    assert_ok(change(w, &t, COPY_DELETE, true, 1, 6, &e), e);
    vrepl_writer_free(w);
    schema_table_unref(t.definition);
}

/* ---- statements that are sent without waiting ---- */

static struct my_conn *pipelined(struct live *l)
{
    struct err e = ERR_INIT;
    struct my_conn *c = live_connect(l, NULL, NULL, &e);
    assert_ok(c && my_pipeline_open(c, &e), e);
    return c;
}

/* Puts without flushing. */
static bool put(struct vrepl_writer *w, const struct table *t, enum copy_verb verb, uint8_t id,
                uint8_t n, struct err *e)
{
    uint8_t bytes[2][4];
    struct cdc_row *row = row_of(t, bytes, id, n);
    struct copy_statement s = {.verb = verb, .strict = true};
    vrepl_writer_one_by_one(w, false);
    bool ok = vrepl_writer_put(w, &t->plan, s, row, row, e);
    cdc_row_free(row);
    return ok;
}

static uint64_t count(struct live *l, const char *sql)
{
    struct err e = ERR_INIT;
    uint64_t n = 0;
    assert_ok(my_query_u64(l->admin, sql, &n, &e), e);
    return n;
}

static void a_miss_is_found_among_many_statements_under_way(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct table t;
    table_begin(&t, l);
    struct my_conn *c = pipelined(l);
    struct vrepl_writer *w = vrepl_writer_new(c, 1, 0);
    vrepl_writer_pipelined(w);
    for (unsigned i = 0; i < 200; i++)
        assert_ok(put(w, &t, COPY_INSERT, (uint8_t)i, 1, &e), e);
    assert_ok(vrepl_writer_flush(w, &e) && my_exec(c, "COMMIT", NULL, &e), e);
    assert_int_equal(count(l, "SELECT COUNT(*) FROM t WHERE n = 1"), 200);
    bool ok = true;
    for (unsigned i = 0; i < 200 && ok; i++)
        ok = put(w, &t, COPY_UPDATE, (uint8_t)(i == 100 ? 250 : i), 2, &e);
    assert_false(ok && vrepl_writer_flush(w, &e));
    assert_int_equal(e.code, ERR_APPLY_MISSED);
    vrepl_writer_reset(w);
    assert_ok(my_exec(c, "ROLLBACK", NULL, &e), e); /* the connection is in step again */
    assert_int_equal(count(l, "SELECT COUNT(*) FROM t WHERE n = 1"), 200);
    vrepl_writer_free(w);
    my_close(c);
    schema_table_unref(t.definition);
}

/* information_schema.innodb_trx would not do: it is only refreshed when it was not read for 100 ms.
 */
static void wait_for_a_lock_wait(struct live *l)
{
    const char *waits = live_is_mariadb(l)
                            ? "SELECT variable_value + 0 FROM information_schema.global_status "
                              "WHERE variable_name = 'Innodb_row_lock_current_waits'"
                            : "SELECT variable_value + 0 FROM performance_schema.global_status "
                              "WHERE variable_name = 'Innodb_row_lock_current_waits'";
    int64_t until_ms = clock_mono_ms() + 20000;
    while (count(l, waits) == 0)
        assert_true(clock_mono_ms() < until_ms);
}

/* The server ends the transaction at the deadlock and runs what was sent behind it. */
static void what_follows_a_deadlock_is_rolled_back(void **state)
{
    struct live *l = live_begin(state);
    if (!live_client_is_connector())
        live_skip("this client library waits for each answer: nothing is sent behind a failure");
    struct err e = ERR_INIT;
    struct table t;
    uint64_t hits = 0;
    table_begin(&t, l);
    live_exec(l, "INSERT INTO t VALUES (1, 0), (2, 0), (3, 0)");
    struct my_conn *ours = pipelined(l), *other = pipelined(l);
    struct vrepl_writer *w = vrepl_writer_new(ours, 1, 0);
    vrepl_writer_pipelined(w);
    /* The other one has changed more rows, so that ours is the one to be rolled back. */
    assert_ok(my_exec(other, "UPDATE t SET n = 7 WHERE id = 2", NULL, &e), e);
    for (unsigned i = 0; i < 40; i++)
        assert_ok(my_execf(other, &e, "INSERT INTO t VALUES (%u, 0)", 100 + i), e);
    assert_ok(put(w, &t, COPY_UPDATE, 1, 9, &e) && vrepl_writer_flush(w, &e), e);
    struct my_stmt *blocked = my_prepare(other, "UPDATE t SET n = 7 WHERE id = 1", &e);
    assert_ok(blocked && my_stmt_send(blocked, NULL, &e), e);
    wait_for_a_lock_wait(l);
    bool ok = put(w, &t, COPY_UPDATE, 2, 9, &e) && put(w, &t, COPY_UPDATE, 3, 9, &e) &&
              vrepl_writer_flush(w, &e);
    assert_false(ok);
    assert_int_equal(e.code, ERR_DB_DEADLOCK);
    vrepl_writer_reset(w);
    assert_ok(my_exec(ours, "ROLLBACK", NULL, &e), e);
    assert_ok(my_pipeline_answer(other, &hits, &e) && my_exec(other, "COMMIT", NULL, &e), e);
    assert_int_equal(count(l, "SELECT COUNT(*) FROM t WHERE n = 9"), 0);
    assert_int_equal(count(l, "SELECT COUNT(*) FROM t WHERE n = 7"), 2);
    my_stmt_free(blocked);
    vrepl_writer_free(w);
    my_close(ours);
    my_close(other);
    schema_table_unref(t.definition);
}

static void a_fenced_owner_learns_it_in_one_round_trip(void **state)
{
    struct live *l = begin(state);
    struct owner older, newer;
    struct err e = ERR_INIT;
    struct target_row row = {.phase = COPY_PHASE_PLAIN};
    owner_begin(&older, l, 1);
    owner_begin(&newer, l, 2);
    take_over(&older);
    assert_ok(target_tx_begin(older.tx, &e) && target_tx_create_row(older.tx, &row, &e), e);
    assert_ok(target_tx_commit(older.tx, &e) && my_pipeline_open(older.conn, &e), e);
    assert_int_equal(target_tx_open(older.tx, 0, NULL, COPY_PHASE_PLAIN, &e), TARGET_TX_OK);
    assert_ok(target_tx_commit(older.tx, &e), e);
    assert_int_equal(target_tx_open(older.tx, 0, NULL, COPY_PHASE_PLAIN, &e), TARGET_TX_MOVED);
    target_tx_rollback(older.tx);
    take_over(&newer);
    assert_int_equal(target_tx_open(older.tx, 1, NULL, COPY_PHASE_PLAIN, &e), TARGET_TX_FAIL);
    assert_int_equal(e.code, ERR_WF_FENCED);
    target_tx_rollback(older.tx);
    assert_ok(target_tx_read(newer.tx, &row, &e), e);
    assert_int_equal(row.n, 1);
    target_row_fini(&row);
    owner_end(&older);
    owner_end(&newer);
    end(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_older_owner_is_fenced_at_its_next_transaction),
        cmocka_unit_test(a_take_over_waits_for_a_transaction_under_way),
        cmocka_unit_test(a_commit_that_landed_is_not_repeated),
        cmocka_unit_test(a_strict_change_that_hits_no_row_is_an_error),
        cmocka_unit_test(a_miss_is_found_among_many_statements_under_way),
        cmocka_unit_test(what_follows_a_deadlock_is_rolled_back),
        cmocka_unit_test(a_fenced_owner_learns_it_in_one_round_trip),
    };
    int failed = cmocka_run_group_tests_name("mariadb", tests, live_setup_mariadb, live_teardown);
    return failed + cmocka_run_group_tests_name("mysql", tests, live_setup_mysql, live_teardown);
}
