/* tests/component/test_sidecar_live.c — the tables of _sluice on real servers: made once by whoever
 * comes first, brought up from an older version whatever died in between, and left alone when they
 * are of a newer one. */
#include "base/fault.h"
#include "cdc/sidecar/note.h"
#include "cdc/sidecar/sidecar.h"
#include "cdc/sidecar/sidecar_version.h"
#include "tests/support/live_server.h"

#include <pthread.h>

#define N_SESSIONS 4
#define MANY_STEPS 20

static uint64_t number(struct live *l, const char *sql)
{
    struct err e = ERR_INIT;
    uint64_t n = 0;
    assert_ok(my_query_u64(l->admin, sql, &n, &e), e);
    return n;
}

static uint64_t version(struct live *l)
{
    return number(l, "SELECT version FROM _sluice.version WHERE id = 1");
}

static struct live *begin(void **state)
{
    struct live *l = live_begin(state);
    live_exec(l, "DROP DATABASE IF EXISTS " SLUICE_SIDECAR_DB);
    return l;
}

static void end(struct live *l)
{
    live_exec(l, "DROP DATABASE " SLUICE_SIDECAR_DB);
}

/* Of the tables that a change of version concerns, as they were without one. */
static void make_version_0(struct live *l)
{
    live_exec(l, "DROP DATABASE IF EXISTS " SLUICE_SIDECAR_DB);
    live_exec(l, "CREATE DATABASE _sluice CHARACTER SET utf8mb4");
    live_exec(l,
              "CREATE TABLE _sluice.position (workflow VARCHAR(255) NOT NULL, stream VARCHAR(255) "
              "NOT NULL, n BIGINT UNSIGNED NOT NULL, phase VARCHAR(16) NOT NULL, pos LONGTEXT NOT "
              "NULL, u_pos LONGTEXT NOT NULL, PRIMARY KEY (workflow, stream)) ENGINE=InnoDB");
    live_exec(l, "INSERT INTO _sluice.position VALUES ('k/w', 's', 7, 'catchup', 'P', 'U')");
    live_exec(l, "CREATE TABLE _sluice.watermark (name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE "
                 "utf8mb4_bin NOT NULL PRIMARY KEY, n BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB");
    live_exec(l, "INSERT INTO _sluice.watermark VALUES ('copy', 3), ('k/w', 9), ('routing:i', 41), "
                 "('ended:cancel:k/w', 1)");
}

static void assert_migrated(struct live *l)
{
    assert_int_equal(version(l), SIDECAR_VERSION);
    assert_int_equal(number(l, "SELECT COUNT(*) FROM _sluice.position WHERE workflow = 'k/w' AND "
                               "n = 7 AND pos = 'P' AND high_pos = 'U'"),
                     1);
    assert_int_equal(number(l, "SELECT COUNT(*) FROM _sluice.note"), 2);
    assert_int_equal(number(l, "SELECT n FROM _sluice.note WHERE name = 'routing:i'"), 41);
    assert_int_equal(number(l, "SELECT n FROM _sluice.note WHERE name = 'ended:cancel:k/w'"), 1);
    assert_int_equal(number(l,
                            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = "
                            "'_sluice' AND TABLE_NAME IN ('watermark', 'log_mark', 'workflow')"),
                     2);
}

static void tables_of_version_0_are_brought_up(void **state)
{
    struct live *l = begin(state);
    struct err e = ERR_INIT;
    make_version_0(l);
    assert_ok(sidecar_check(l->admin, &e), e);
    assert_migrated(l);
    assert_ok(sidecar_check(l->admin, &e) && sidecar_create(l->admin, &e), e);
    assert_migrated(l);
    end(l);
}

static void a_check_makes_nothing_where_there_is_nothing(void **state)
{
    struct live *l = begin(state);
    struct err e = ERR_INIT;
    assert_ok(sidecar_check(l->admin, &e), e);
    assert_int_equal(number(l, "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME "
                               "= '_sluice'"),
                     0);
}

/* Each statement of the steps in turn is the one before which a daemon dies. */
static void a_step_that_died_anywhere_is_done_again(void **state)
{
    struct live *l = begin(state);
    struct err e = ERR_INIT;
    bool died = true;
    unsigned at = 0;
    while (died) {
        char fault[64];
        assert_in_range(++at, 1, MANY_STEPS);
        make_version_0(l);
        snprintf(fault, sizeof fault, "sidecar.step:fail:%u", at);
        assert_ok(fault_arm(fault, &e), e);
        died = !sidecar_create(l->admin, &e);
        err_clear(&e);
        assert_ok(fault_arm("", &e), e);
        assert_ok(sidecar_create(l->admin, &e), e);
        assert_migrated(l);
    }
    assert_true(at > 5); /* five statements and the end */
    end(l);
}

static void a_newer_version_is_left_as_it_is(void **state)
{
    struct live *l = begin(state);
    struct err e = ERR_INIT;
    assert_ok(sidecar_create(l->admin, &e), e);
    live_exec(l, "UPDATE _sluice.version SET version = 7");
    live_exec(l, "DROP TABLE _sluice.note");
    assert_false(sidecar_create(l->admin, &e));
    assert_int_equal(e.code, ERR_SIDECAR_NEWER);
    assert_non_null(strstr(e.text, "version 7"));
    assert_non_null(strstr(e.text, "version 1"));
    err_clear(&e);
    assert_false(sidecar_check(l->admin, &e));
    assert_int_equal(e.code, ERR_SIDECAR_NEWER);
    assert_int_equal(version(l), 7);
    assert_int_equal(number(l,
                            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = "
                            "'_sluice' AND TABLE_NAME = 'note'"),
                     0);
    end(l);
}

struct session {
    pthread_t thread;
    struct my_conn *conn;
    struct err e;
    bool ok;
};

static void *create(void *arg)
{
    struct session *s = arg;
    s->ok = sidecar_create(s->conn, &s->e);
    return NULL;
}

static void several_daemons_come_at_once(void **state)
{
    struct live *l = begin(state);
    for (unsigned round = 0; round < 2; round++) {
        struct session sessions[N_SESSIONS] = {0};
        make_version_0(l);
        if (round == 1)
            live_exec(l, "DROP DATABASE _sluice");
        for (unsigned i = 0; i < N_SESSIONS; i++) {
            sessions[i].conn = live_connect(l, NULL, NULL, &sessions[i].e);
            assert_ok(sessions[i].conn, sessions[i].e);
        }
        for (unsigned i = 0; i < N_SESSIONS; i++)
            assert_int_equal(pthread_create(&sessions[i].thread, NULL, create, &sessions[i]), 0);
        for (unsigned i = 0; i < N_SESSIONS; i++) {
            pthread_join(sessions[i].thread, NULL);
            assert_ok(sessions[i].ok, sessions[i].e);
            my_close(sessions[i].conn);
        }
        assert_int_equal(version(l), SIDECAR_VERSION);
        if (round == 0)
            assert_migrated(l);
    }
    end(l);
}

/* The time for which a session waits for locks is its own again. */
static void the_session_is_as_it_was(void **state)
{
    struct live *l = begin(state);
    struct err e = ERR_INIT;
    live_exec(l, "SET SESSION lock_wait_timeout = 1234");
    assert_ok(sidecar_create(l->admin, &e), e);
    assert_int_equal(number(l, "SELECT @@SESSION.lock_wait_timeout"), 1234);
    assert_int_equal(number(l, "SELECT IS_FREE_LOCK('sluice_sidecar')"), 1);
    end(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_of_version_0_are_brought_up),
        cmocka_unit_test(a_check_makes_nothing_where_there_is_nothing),
        cmocka_unit_test(a_step_that_died_anywhere_is_done_again),
        cmocka_unit_test(a_newer_version_is_left_as_it_is),
        cmocka_unit_test(several_daemons_come_at_once),
        cmocka_unit_test(the_session_is_as_it_was),
    };
    int failed = cmocka_run_group_tests_name("mariadb", tests, live_setup_mariadb, live_teardown);
    return failed + cmocka_run_group_tests_name("mysql", tests, live_setup_mysql, live_teardown);
}
