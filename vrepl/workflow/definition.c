/* vrepl/workflow/definition.c — a workflow's definition to and from JSON. */
#include "vrepl/workflow/definition.h"

#include "base/mem.h"
#include "vrepl/workflow/workflow_type.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const on_ddl_names[] = {"IGNORE", "STOP", "EXEC", "EXEC_IGNORE"};

const char *wf_on_ddl_name(enum vrepl_on_ddl d)
{
    assert(d <= VREPL_ON_DDL_EXEC_IGNORE);
    return on_ddl_names[d];
}

static bool name_index(const char *const *names, unsigned n, const char *text, unsigned *out)
{
    for (unsigned i = 0; text != NULL && i < n; i++) {
        if (strcasecmp(names[i], text) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

bool wf_on_ddl_parse(const char *text, enum vrepl_on_ddl *out)
{
    unsigned i = 0;
    if (!name_index(on_ddl_names, 4, text, &i))
        return false;
    *out = (enum vrepl_on_ddl)i;
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void wf_side_set(struct wf_side *s, const char *keyspace, const char *const *shards,
                 size_t n_shards)
{
    s->keyspace = mem_strdup(keyspace);
    s->shards = mem_calloc(n_shards + 1, sizeof *s->shards);
    s->n_shards = n_shards;
    for (size_t i = 0; i < n_shards; i++)
        s->shards[i] = mem_strdup(shards[i]);
    qsort(s->shards, n_shards, sizeof *s->shards, by_text);
}

static void texts_free(char **texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    free(texts);
}

void wf_def_free(struct wf_def *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->n_tables; i++) {
        struct wf_table *t = &d->tables[i];
        free(t->source);
        free(t->target);
        free(t->vindex_type);
        free(t->placement);
        texts_free(t->columns, t->n_columns);
        free(t->deferred_keys);
    }
    free(d->tables);
    free(d->source.keyspace);
    free(d->target.keyspace);
    texts_free(d->source.shards, d->source.n_shards);
    texts_free(d->target.shards, d->target.n_shards);
    texts_free(d->collation_map, d->n_collation_map);
    free(d->left_out);
    free(d->pass);
    free(d);
}

static json_t *texts_json(char *const *texts, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_string(texts[i]));
    return a;
}

static json_t *side_json(const struct wf_side *s)
{
    return json_pack("{s:s, s:o}", "keyspace", s->keyspace, "shards",
                     texts_json(s->shards, s->n_shards));
}

static json_t *table_json(const struct wf_table *t)
{
    bool plain = t->placement == NULL || strcmp(t->placement, t->vindex_type) == 0;
    return json_pack("{s:s, s:s, s:s?, s:s*, s:o, s:s?, s:b}", "source", t->source, "target",
                     t->target, "vindex", t->vindex_type, "placement", plain ? NULL : t->placement,
                     "columns", texts_json(t->columns, t->n_columns), "deferred_keys",
                     t->deferred_keys, "created", t->created);
}

char *wf_def_print(const struct wf_def *d)
{
    json_t *tables = json_array();
    for (size_t i = 0; i < d->n_tables; i++)
        json_array_append_new(tables, table_json(&d->tables[i]));
    json_t *j = json_pack("{s:s, s:o, s:o, s:o, s:s, s:b, s:b, s:b, s:b, s:b, s:s}", "type",
                          d->type->name, "source", side_json(&d->source), "target",
                          side_json(&d->target), "tables", tables, "on_ddl",
                          wf_on_ddl_name(d->on_ddl), "stop_after_copy", d->stop_after_copy,
                          "auto_start", d->auto_start, "routing_rules", d->routing_rules,
                          "keep_auto_increment", d->keep_auto_increment, "defer_secondary_keys",
                          d->defer_secondary_keys, "pass", d->pass != NULL ? d->pass : "");
    assert(j != NULL);
    json_object_set_new(j, "collation_map", texts_json(d->collation_map, d->n_collation_map));
    if (d->left_out != NULL)
        json_object_set_new(j, "left_out", json_string(d->left_out));
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    return text;
}

static bool texts_parse(const json_t *a, char ***out, size_t *n)
{
    if (!json_is_array(a))
        return false;
    *n = json_array_size(a);
    *out = mem_calloc(*n + 1, sizeof **out);
    for (size_t i = 0; i < *n; i++) {
        const char *s = json_string_value(json_array_get(a, i));
        (*out)[i] = mem_strdup(s != NULL ? s : "");
    }
    return true;
}

static bool side_parse(const json_t *j, struct wf_side *s)
{
    s->keyspace = mem_strdup(json_string_value(json_object_get(j, "keyspace")));
    return s->keyspace != NULL &&
           texts_parse(json_object_get(j, "shards"), &s->shards, &s->n_shards) && s->n_shards > 0;
}

static bool table_parse(const json_t *j, struct wf_table *t)
{
    t->source = mem_strdup(json_string_value(json_object_get(j, "source")));
    t->target = mem_strdup(json_string_value(json_object_get(j, "target")));
    t->vindex_type = mem_strdup(json_string_value(json_object_get(j, "vindex")));
    const char *placement = json_string_value(json_object_get(j, "placement"));
    t->placement = mem_strdup(placement != NULL ? placement : t->vindex_type);
    t->deferred_keys = mem_strdup(json_string_value(json_object_get(j, "deferred_keys")));
    t->created = json_is_true(json_object_get(j, "created"));
    return t->source != NULL && t->target != NULL &&
           texts_parse(json_object_get(j, "columns"), &t->columns, &t->n_columns);
}

static bool def_parse(const json_t *j, struct wf_def *d)
{
    const json_t *tables = json_object_get(j, "tables");
    d->type = wf_type_by_name(json_string_value(json_object_get(j, "type")));
    if (d->type == NULL || !json_is_array(tables))
        return false;
    d->stop_after_copy = json_is_true(json_object_get(j, "stop_after_copy"));
    d->auto_start = json_is_true(json_object_get(j, "auto_start"));
    d->routing_rules = json_is_true(json_object_get(j, "routing_rules"));
    d->keep_auto_increment = json_is_true(json_object_get(j, "keep_auto_increment"));
    d->defer_secondary_keys = json_is_true(json_object_get(j, "defer_secondary_keys"));
    d->pass = mem_strdup(json_string_value(json_object_get(j, "pass")));
    d->left_out = mem_strdup(json_string_value(json_object_get(j, "left_out")));
    (void)texts_parse(json_object_get(j, "collation_map"), &d->collation_map, &d->n_collation_map);
    d->n_tables = json_array_size(tables);
    d->tables = mem_calloc(d->n_tables + 1, sizeof *d->tables);
    for (size_t i = 0; i < d->n_tables; i++) {
        if (!table_parse(json_array_get(tables, i), &d->tables[i]))
            return false;
    }
    return d->pass != NULL &&
           wf_on_ddl_parse(json_string_value(json_object_get(j, "on_ddl")), &d->on_ddl) &&
           side_parse(json_object_get(j, "source"), &d->source) &&
           side_parse(json_object_get(j, "target"), &d->target);
}

struct wf_def *wf_def_parse(const char *json, struct err *e)
{
    json_error_t je;
    json_t *j = json_loads(json, 0, &je);
    struct wf_def *d = mem_alloc(sizeof *d);
    if (j == NULL || !def_parse(j, d)) {
        err_set(e, ERR_STATE_DB, "a workflow's definition cannot be read%s%s",
                j == NULL ? ": " : "", j == NULL ? je.text : "");
        wf_def_free(d);
        d = NULL;
    }
    json_decref(j);
    return d;
}

static bool texts_equal(char *const *a, size_t na, char *const *b, size_t nb)
{
    if (na != nb)
        return false;
    for (size_t i = 0; i < na; i++) {
        if (strcmp(a[i], b[i]) != 0)
            return false;
    }
    return true;
}

static bool sides_equal(const struct wf_side *a, const struct wf_side *b)
{
    return strcmp(a->keyspace, b->keyspace) == 0 &&
           texts_equal(a->shards, a->n_shards, b->shards, b->n_shards);
}

bool wf_def_same_request(const struct wf_def *a, const struct wf_def *b)
{
    if (a->type != b->type || !sides_equal(&a->source, &b->source) ||
        !sides_equal(&a->target, &b->target) || a->n_tables != b->n_tables ||
        a->on_ddl != b->on_ddl || a->stop_after_copy != b->stop_after_copy ||
        a->keep_auto_increment != b->keep_auto_increment || a->auto_start != b->auto_start ||
        !texts_equal(a->collation_map, a->n_collation_map, b->collation_map, b->n_collation_map))
        return false;
    for (size_t i = 0; i < a->n_tables; i++) {
        const struct wf_table *x = &a->tables[i], *y = &b->tables[i];
        if (strcmp(x->source, y->source) != 0 || strcmp(x->target, y->target) != 0)
            return false;
    }
    return true;
}

const char *wf_def_home(const struct wf_def *d)
{
    assert(d->target.n_shards > 0);
    return d->target.shards[0];
}
