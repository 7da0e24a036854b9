/* tests/unit/test_app_config.c — configuration files: what is read, and what is refused with line
 * and cure. */
#include "app/config/config.h"
#include "app/config/config_keys.h"
#include "schemas/sharding/vschema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

static struct config *load(const char *text, struct err *e)
{
    snprintf(path, sizeof path, "/tmp/sluice-config-%ld.yaml", (long)getpid());
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    struct config *c = config_load(path, e);
    unlink(path);
    return c;
}

#define LOGIN "credentials: {app: {user: u, password_file: /p}}\n"
#define SHARD "{primary: \"127.0.0.1:3306\", database: d, credentials: app}"

static void a_whole_file_becomes_a_topology(void **state)
{
    struct err e = ERR_INIT;
    struct config *c =
        load("name: prod\nstate: /tmp/s\nserver_ids: 10-12\n" LOGIN
             "keyspaces:\n  ks:\n    shards:\n      \"80-\": " SHARD "\n      \"-80\": " SHARD
             "\nsinks:\n  out: {keyspace: ks, to: stdout, tables: [a, b]}\n",
             &e);
    (void)state;
    if (c == NULL)
        fail_msg("%s", e.text);
    assert_string_equal(c->listen, "unix:/tmp/s/api.sock");
    assert_int_equal(c->topo->keyspaces[0].n_shards, 2);
    assert_string_equal(c->topo->keyspaces[0].shards[0].name, "-80");
    assert_int_equal(c->topo->keyspaces[0].shards[0].primary.tls_mode, MY_TLS_PREFERRED);
    assert_int_equal(c->copy_memory_bytes, 16 << 20);
    assert_int_equal(c->sinks[0].n_tables, 2);
    assert_false(c->topo->keyspaces[0].vschema->sharded);
    config_free(c);
}

static void an_unknown_key_names_line_and_nearest(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    assert_null(
        load("name: x\nserver_id: 1-2\nkeyspaces: {k: {shards: {\"-\": " SHARD "}}}\n" LOGIN, &e));
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.text, ":2: unknown key 'server_id'"));
    assert_non_null(strstr(e.cure, "server_ids"));
}

static void missing_and_wrong_values_are_named(void **state)
{
    static const struct {
        const char *text, *expect;
    } cases[] = {
        {"state: /x\nkeyspaces: {}\n", "'name' is missing"},
        {"name: x\nlimits: {ring: lots}\nkeyspaces: {}\n", "'ring' must be a size"},
        {"name: x\nfence: {mode: wall}\nkeyspaces: {}\n", "must be one of auto|trigger|rename"},
        {"name: x\nname: y\nkeyspaces: {}\n", "'name' is given twice"},
        {"name: x\nkeyspaces: {k: {shards: {\"-\": {primary: a, database: d, credentials: "
         "app}}}}\n",
         "credentials 'app' are not defined"},
        {"name: x\nkeyspaces: {k: {shards: {\"8-\": " SHARD "}}}\n" LOGIN, "8-"},
        {"name: x\ncredentials: {app: {user: u, cleartext_password: verify_identity}}\n"
         "keyspaces: {k: {shards: {\"-\": " SHARD "}}}\n",
         "cleartext_password would show the password"},
        {"name: x\nrouting: {kafka_topic: t}\nkeyspaces: {k: {shards: {\"-\": " SHARD "}}}\n" LOGIN,
         "not published to Kafka yet"},
        {"name: x\nrouting: {to: \"kafka://h:1\"}\nkeyspaces: {k: {shards: {\"-\": " SHARD
         "}}}\n" LOGIN,
         "routing.to: the routing document is not published to Kafka yet"},
        {"name: x\n  keyspaces: [\n", ":2:"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = ERR_INIT;
        assert_null(load(cases[i].text, &e));
        if (strstr(e.text, cases[i].expect) == NULL)
            fail_msg("case %zu: %s", i, e.text);
    }
}

static void a_template_makes_equal_ranges(void **state)
{
    struct err e = ERR_INIT;
    struct config *c = load("name: x\n" LOGIN "keyspaces: {k: {shards: {template: \"db{n}:3306\", "
                            "ranges: 4, database: d, credentials: app}}}\n",
                            &e);
    (void)state;
    if (c == NULL)
        fail_msg("%s", e.text);
    assert_int_equal(c->topo->keyspaces[0].n_shards, 4);
    assert_string_equal(c->topo->keyspaces[0].shards[2].name, "80-c0");
    assert_string_equal(c->topo->keyspaces[0].shards[2].primary_address, "db2:3306");
    assert_int_equal(c->topo->keyspaces[0].shards[2].primary.tls_mode, MY_TLS_REQUIRED);
    config_free(c);
}

static void what_is_shown_holds_no_secret(void **state)
{
    struct err e = ERR_INIT;
    struct buf out = BUF_INIT;
    struct config *c =
        load("name: x\ncredentials: {app: {user: u, password_command: \"echo CANARY\"}}\n"
             "keyspaces: {k: {shards: {\"-\": " SHARD "}}}\n",
             &e);
    (void)state;
    assert_non_null(c);
    config_show(c, false, &out);
    assert_null(strstr(buf_str(&out), "CANARY"));
    assert_non_null(strstr(buf_str(&out), "password: (set)"));
    buf_fini(&out);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_becomes_a_topology),
        cmocka_unit_test(an_unknown_key_names_line_and_nearest),
        cmocka_unit_test(missing_and_wrong_values_are_named),
        cmocka_unit_test(a_template_makes_equal_ranges),
        cmocka_unit_test(what_is_shown_holds_no_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
