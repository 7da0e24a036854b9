/* tests/unit/test_workflow_serving.c — which shards serve follows from the journals, never from the
 * order of the configuration; definitions, decisions and names survive their text forms. */
#include "base/mem.h"
#include "cdc/vstream/serving_shards.h"
#include "vrepl/move/object_names.h"
#include "vrepl/workflow/definition.h"
#include "vrepl/workflow/foreign_keys.h"
#include "vrepl/workflow/living.h"
#include "vrepl/workflow/workflow.h"
#include "vrepl/workflow/workflow_type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST 8

static struct topo_shard shards[MOST];
static char ks_name[] = "customer";

static struct topo_keyspace keyspace(const char *const *names, size_t n)
{
    struct topo_keyspace ks = {.name = ks_name, .shards = shards, .n_shards = n};
    memset(shards, 0, sizeof shards);
    for (size_t i = 0; i < n; i++) {
        shards[i].name = mem_strdup(names[i]);
        shards[i].keyspace = ks_name;
        assert_true(keyrange_parse(names[i], &shards[i].range, NULL));
    }
    return ks;
}

static void keyspace_free(struct topo_keyspace *ks)
{
    for (size_t i = 0; i < ks->n_shards; i++)
        free(ks->shards[i].name);
}

static void list_set(struct cdc_journal_shard *list, size_t *n, const char *text)
{
    static char names[32][16];
    static unsigned at;
    for (*n = 0; *text != '\0'; (*n)++) {
        size_t len = strcspn(text, ",");
        char *name = names[at++ % 32];
        snprintf(name, 16, "%.*s", (int)len, text);
        list[*n] = (struct cdc_journal_shard){.keyspace = ks_name, .shard = name};
        text += len + (text[len] == ',');
    }
}

struct move {
    const char *from, *to;
};

/* "1010": serving flags after the moves. */
static const char *serving_after(struct topo_keyspace *ks, const struct move *moves, size_t n,
                                 const char *pending)
{
    static char text[MOST + 1];
    static struct cdc_journal_shard from[MOST][MOST], to[MOST][MOST];
    struct cdc_journal journals[MOST];
    const struct cdc_journal *list[MOST];
    bool flags[MOST] = {false}, waits[MOST] = {false};
    for (size_t i = 0; i < n; i++) {
        memset(&journals[i], 0, sizeof journals[i]);
        journals[i].id = (int64_t)i + 1;
        journals[i].shards = true;
        journals[i].participants = from[i];
        journals[i].shard_gtids = to[i];
        list_set(from[i], &journals[i].n_participants, moves[i].from);
        list_set(to[i], &journals[i].n_shard_gtids, moves[i].to);
        list[i] = &journals[i];
    }
    for (size_t i = 0; i < ks->n_shards; i++)
        waits[i] = pending != NULL && pending[i] == '1';
    bool named = serving_compute(ks, list, n, waits, flags);
    assert_int_equal(named, n > 0);
    for (size_t i = 0; i < ks->n_shards; i++)
        text[i] = flags[i] ? '1' : '0';
    text[ks->n_shards] = '\0';
    return text;
}

static void without_journals_the_coarsest_cover_serves_in_any_order(void **ctx)
{
    (void)ctx;
    const char *const a[] = {"-", "-80", "80-"}, *const b[] = {"80-", "-", "-80"};
    struct topo_keyspace ks = keyspace(a, 3);
    assert_string_equal(serving_after(&ks, NULL, 0, NULL), "100");
    keyspace_free(&ks);
    ks = keyspace(b, 3);
    assert_string_equal(serving_after(&ks, NULL, 0, NULL), "010");
    keyspace_free(&ks);
}

static void a_split_and_its_reverse_are_replayed(void **ctx)
{
    (void)ctx;
    const char *const names[] = {"-", "-80", "80-"};
    const struct move moves[] = {{"-", "-80,80-"}, {"-80,80-", "-"}, {"-", "-80,80-"}};
    struct topo_keyspace ks = keyspace(names, 3);
    assert_string_equal(serving_after(&ks, moves, 1, NULL), "011");
    assert_string_equal(serving_after(&ks, moves, 2, NULL), "100");
    assert_string_equal(serving_after(&ks, moves, 3, NULL), "011");
    keyspace_free(&ks);
}

static void a_part_is_split_while_the_rest_stays(void **ctx)
{
    (void)ctx;
    const char *const names[] = {"-80", "80-", "-40", "40-80"};
    const struct move moves[] = {{"-80", "-40,40-80"}};
    struct topo_keyspace ks = keyspace(names, 4);
    assert_string_equal(serving_after(&ks, NULL, 0, NULL), "1100");
    assert_string_equal(serving_after(&ks, moves, 1, NULL), "0111");
    keyspace_free(&ks);
}

static void the_target_of_an_undecided_merge_does_not_serve(void **ctx)
{
    (void)ctx;
    const char *const names[] = {"-", "-80", "80-"};
    struct topo_keyspace ks = keyspace(names, 3);
    assert_string_equal(serving_after(&ks, NULL, 0, "100"), "011");
    keyspace_free(&ks);
}

static void a_definition_survives_its_text(void **ctx)
{
    (void)ctx;
    const char *text =
        "{\"type\":\"MoveTables\",\"source\":{\"keyspace\":\"commerce\",\"shards\":[\"-\"]},"
        "\"target\":{\"keyspace\":\"customer\",\"shards\":[\"-80\",\"80-\"]},\"tables\":[{"
        "\"source\":\"events\",\"target\":\"events\",\"vindex\":\"cfc\","
        "\"placement\":\"cfc(md5,2)\",\"columns\":[\"id\"],\"deferred_keys\":null,"
        "\"created\":true},{\"source\":\"orders\","
        "\"target\":\"orders\",\"vindex\":\"xxhash\",\"columns\":[\"customer_id\"],"
        "\"deferred_keys\":\"ADD KEY `a` "
        "(`a`)\",\"created\":true}],\"on_ddl\":\"STOP\",\"stop_after_copy\":false,"
        "\"auto_start\":true,\"routing_rules\":true,\"keep_auto_increment\":false,"
        "\"defer_secondary_keys\":true,\"pass\":\"abc\",\"collation_map\":[]}";
    struct err e = ERR_INIT;
    struct wf_def *d = wf_def_parse(text, &e);
    assert_non_null(d);
    assert_int_equal(d->on_ddl, VREPL_ON_DDL_STOP);
    assert_string_equal(wf_def_home(d), "-80");
    char *again = wf_def_print(d);
    assert_string_equal(again, text);
    struct wf_def *other = wf_def_parse(again, &e);
    assert_true(wf_def_same_request(d, other));
    other->on_ddl = VREPL_ON_DDL_IGNORE;
    assert_false(wf_def_same_request(d, other));
    free(again);
    wf_def_free(d);
    wf_def_free(other);
    assert_null(wf_def_parse("{}", &e));
    assert_int_equal(e.code, ERR_STATE_DB);
}

static void a_decision_survives_its_text(void **ctx)
{
    (void)ctx;
    const char *text =
        "{\"number\":2,\"direction\":\"back\",\"follow\":true,\"journal_id\":461234567890123456,"
        "\"from\":[{\"shard\":\"-\",\"position\":\"MariaDB/0-1-42@binlog.000003:4711\"}],"
        "\"to\":[{\"shard\":\"-80\",\"position\":\"FilePos/binlog.000001:4\"}]}";
    struct err e = ERR_INIT;
    struct wf_decision *d = wf_decision_parse(text, &e);
    assert_non_null(d);
    assert_true(d->dir == WF_REVERSE);
    assert_non_null(wf_decision_pos(d->to, d->n_to, "-80"));
    assert_null(wf_decision_pos(d->to, d->n_to, "80-"));
    char *again = wf_decision_print(d);
    assert_string_equal(again, text);
    free(again);
    wf_decision_free(d);
    assert_null(wf_decision_parse("{\"direction\":\"back\",\"from\":[],\"to\":[]}", &e));
}

static void names_fit_and_differ_by_side_and_table(void **ctx)
{
    (void)ctx;
    char a[NAMES_MAX], b[NAMES_MAX], long_table[80], old[NAMES_MAX + 8];
    names_hidden("customer/w", false, "orders", a, sizeof a);
    names_hidden("customer/w", true, "orders", b, sizeof b);
    assert_string_not_equal(a, b);
    names_hidden("customer/w", false, "customers", b, sizeof b);
    assert_string_not_equal(a, b);
    names_trigger("customer/w", false, "orders", 'i', b, sizeof b);
    assert_true(strlen(b) < 64 && strncmp(a, b, strlen(a)) == 0);
    memset(long_table, 'x', sizeof long_table);
    long_table[64] = '\0';
    names_old(long_table, old, sizeof old);
    assert_int_equal(strlen(old), 64);
}

/* "commerce:-:a,b>customer:-80,80-" */
struct sample {
    const char *type; /* its command */
    const char *source, *target, *shards, *tables;
};

static void side_fill(struct wf_side *s, const char *keyspace, const char *list)
{
    char *copy = mem_strdup(list), *rest = copy;
    const char *names[4];
    size_t n = 0;
    s->keyspace = NULL;
    for (char *name; (name = strtok_r(rest, ",", &rest)) != NULL;)
        names[n++] = name;
    wf_side_set(s, keyspace, names, n);
    free(copy);
}

static struct wf_def *sample_def(const struct sample *x)
{
    struct wf_def *d = mem_alloc(sizeof *d);
    bool split = strcmp(x->type, "reshard") == 0;
    d->type = wf_type_by_command(x->type);
    side_fill(&d->source, x->source, "-");
    side_fill(&d->target, split ? x->source : x->target, x->shards);
    char *copy = mem_strdup(x->tables), *rest = copy;
    for (char *name; (name = strtok_r(rest, ",", &rest)) != NULL;) {
        d->tables = mem_realloc(d->tables, d->n_tables + 1, sizeof *d->tables);
        d->tables[d->n_tables++] =
            (struct wf_table){.source = mem_strdup(name), .target = mem_strdup(name)};
    }
    free(copy);
    return d;
}

/* What a type promises by one field it keeps with the others: the engine asks each on its own. */
static void a_workflow_type_is_a_whole_row(void **state)
{
    const struct wf_type_ops *t;
    size_t n = 0;
    (void)state;
    for (; (t = wf_type_at(n)) != NULL; n++) {
        assert_ptr_equal(wf_type_by_name(t->name), t);
        assert_ptr_equal(wf_type_by_command(t->command), t);
        assert_non_null(t->request);
        assert_int_equal(t->takes_over, t->cut != NULL);
        assert_int_equal(t->takes_over, t->journal != NULL);
        assert_int_equal(t->whole_shards, t->leaves_out != NULL);
        assert_true(!t->target_pending || (t->one_key_space && t->finish != NULL));
        assert_true(!t->rules_before_switch || t->takes_over);
    }
    assert_int_equal(n, 3);
    assert_null(wf_type_by_name("Lookup"));
    assert_null(wf_type_by_name(NULL));
    assert_null(wf_type_by_command("MoveTables"));
}

static void one_workflow_at_a_time_has_a_table_of_a_shard(void **state)
{
    (void)state;
    const struct sample move = {"movetables", "commerce", "customer", "-", "t,u"};
    static const struct {
        struct sample other;
        bool clash, on_source, on_target;
    } cases[] = {
        {{"reshard", "customer", NULL, "-80,80-", "t"}, true, false, true},
        {{"reshard", "commerce", NULL, "-80,80-", "u"}, true, true, false},
        {{"reshard", "customer", NULL, "-80,80-", "v"}, false, false, false},
        {{"movetables", "customer", "archive", "-", "u"}, true, false, true},
        {{"movetables", "commerce", "archive", "-", "t"}, true, true, false},
        {{"movetables", "archive", "customer", "-", "t"}, true, false, true},
        {{"movetables", "archive", "customer", "-80", "t"}, false, false, false},
        {{"materialize", "commerce", "archive", "-", "t"}, false, true, false},
        {{"materialize", "customer", "archive", "-", "t"}, false, false, true},
        {{"materialize", "archive", "commerce", "-", "t"}, true, true, false},
        {{"materialize", "archive", "customer", "-", "t"}, true, false, true},
    };
    struct wf_def *d = sample_def(&move);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wf_def *o = sample_def(&cases[i].other);
        assert_int_equal(living_clash(d, o, NULL), cases[i].clash);
        assert_int_equal(living_clash(o, d, NULL), cases[i].clash);
        assert_int_equal(living_on(d, WF_SOURCE, o, NULL), cases[i].on_source);
        assert_int_equal(living_on(d, WF_TARGET, o, NULL), cases[i].on_target);
        wf_def_free(o);
    }
    wf_def_free(d);
}

static void a_key_whose_rows_land_apart_is_known(void **state)
{
    (void)state;
    static char hash[] = "xxhash", id[] = "id", owner[] = "owner";
    char *by_id[] = {id}, *by_owner[] = {owner};
    const struct wf_table parent = {
        .vindex_type = hash, .placement = hash, .columns = by_id, .n_columns = 1};
    const struct wf_table child = {
        .vindex_type = hash, .placement = hash, .columns = by_owner, .n_columns = 1};
    const struct wf_table apart = {
        .vindex_type = hash, .placement = hash, .columns = by_id, .n_columns = 1};
    const struct wf_table everywhere = {0};
    const char *const pairs[] = {"Owner", "id"};
    assert_true(foreign_key_stays_together(&child, &parent, pairs, 1));
    assert_false(foreign_key_stays_together(&apart, &parent, pairs, 1));
    assert_true(foreign_key_stays_together(&apart, &everywhere, pairs, 1));
    assert_false(foreign_key_stays_together(&everywhere, &parent, pairs, 1));
}

static void old_names_fit_and_differ(void **state)
{
    (void)state;
    char a[80], b[80], wide[80];
    names_old("orders", a, sizeof a);
    assert_string_equal(a, "_orders_old");
    names_old("customer_subscription_monthly_invoice_line_items_archive_2024_a", a, sizeof a);
    names_old("customer_subscription_monthly_invoice_line_items_archive_2024_b", b, sizeof b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 64);
    names_old("ääääääääääääääääääääxääääääääääääääääääääääää", wide, sizeof wide);
    assert_true(strlen(wide) == 63 && strstr(wide, "x_") != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_workflow_type_is_a_whole_row),
        cmocka_unit_test(one_workflow_at_a_time_has_a_table_of_a_shard),
        cmocka_unit_test(a_key_whose_rows_land_apart_is_known),
        cmocka_unit_test(old_names_fit_and_differ),
        cmocka_unit_test(without_journals_the_coarsest_cover_serves_in_any_order),
        cmocka_unit_test(a_split_and_its_reverse_are_replayed),
        cmocka_unit_test(a_part_is_split_while_the_rest_stays),
        cmocka_unit_test(the_target_of_an_undecided_merge_does_not_serve),
        cmocka_unit_test(a_definition_survives_its_text),
        cmocka_unit_test(a_decision_survives_its_text),
        cmocka_unit_test(names_fit_and_differ_by_side_and_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
