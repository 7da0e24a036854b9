/* schemas/sharding/vschema.c — reads a vschema document with jansson and resolves each table's
 * primary vindex.
 *
 * What routing needs is checked strictly; every other field stays in `json` as it was given.
 */
#include "schemas/sharding/vschema.h"
#include "base/mem.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { JSON_MAX_BYTES = 64 * 1024 * 1024 };

static const char *string_or(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : otherwise;
}

static bool parse_vindex(struct vschema *v, const char *name, const json_t *doc, struct err *e)
{
    const char *type = string_or(doc, "type", NULL);
    if (!type)
        return err_set(e, ERR_VSCHEMA, "vindex %.100s has no type", name);
    const json_t *params = json_object_get(doc, "params");
    char *params_json = params ? json_dumps(params, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    struct vindex *vindex = vindex_new(name, type, params_json, e);
    free(params_json);
    if (!vindex)
        return false;
    v->vindexes[v->n_vindexes++] = vindex;
    return true;
}

static bool parse_vindexes(struct vschema *v, json_t *docs, struct err *e)
{
    const char *name;
    json_t *doc;
    v->vindexes = mem_calloc(json_object_size(docs), sizeof v->vindexes[0]);
    json_object_foreach(docs, name, doc) if (!parse_vindex(v, name, doc, e)) return false;
    return true;
}

static const struct vindex *find_vindex(const struct vschema *v, const char *name)
{
    for (size_t i = 0; i < v->n_vindexes; i++)
        if (strcmp(vindex_name(v->vindexes[i]), name) == 0)
            return v->vindexes[i];
    return NULL;
}

static bool parse_columns(const struct vschema_table *t, struct vschema_column_vindex *cv,
                          const json_t *column_vindex, struct err *e)
{
    const json_t *list = json_object_get(column_vindex, "columns");
    const char *single = string_or(column_vindex, "column", NULL);
    size_t n = single ? 1 : json_array_size(list), takes = vindex_columns(cv->vindex);
    if (n != takes)
        return err_set(e, ERR_VSCHEMA, "table %s: vindex %s takes %zu column%s, not %zu", t->name,
                       vindex_name(cv->vindex), takes, takes == 1 ? "" : "s", n);
    cv->columns = mem_calloc(n, sizeof cv->columns[0]);
    for (size_t i = 0; i < n; i++) {
        const char *name = single ? single : json_string_value(json_array_get(list, i));
        if (!name || !*name)
            return err_set(e, ERR_VSCHEMA, "table %s: a vindex column is not a name", t->name);
        cv->columns[cv->n_columns++] = mem_strdup(name);
    }
    return true;
}

static bool parse_column_vindexes(const struct vschema *v, struct vschema_table *t,
                                  const json_t *list, struct err *e)
{
    t->vindexes = mem_calloc(json_array_size(list) + 1, sizeof *t->vindexes);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *doc = json_array_get(list, i);
        struct vschema_column_vindex *cv = &t->vindexes[t->n_vindexes++];
        const char *name = string_or(doc, "name", "");
        cv->vindex = find_vindex(v, name);
        if (!cv->vindex)
            return err_set(e, ERR_VSCHEMA, "table %s: vindex '%.100s' is not defined", t->name,
                           name);
        if (!parse_columns(t, cv, doc, e))
            return false;
    }
    return true;
}

/* Rows are placed by the first vindex, which therefore gives one place, and which the table itself
 * does not keep up to date. */
static bool check_primary(const struct vschema_table *t, const json_t *vindexes, struct err *e)
{
    const json_t *doc = json_object_get(vindexes, vindex_name(t->primary));
    if (!vindex_is_unique(t->primary))
        return err_set(
            e, ERR_VSCHEMA,
            "table %s: its primary vindex %s of type %s gives several places for a value", t->name,
            vindex_name(t->primary), vindex_type(t->primary));
    return strcmp(string_or(doc, "owner", ""), t->name) != 0 ||
           err_set(e, ERR_VSCHEMA, "table %s owns its primary vindex %s", t->name,
                   vindex_name(t->primary));
}

static bool parse_placement(const struct vschema *v, struct vschema_table *t, const json_t *root,
                            const json_t *doc, struct err *e)
{
    const json_t *list = json_object_get(doc, "column_vindexes");
    if (json_array_size(list) == 0) {
        const char *why = json_object_get(doc, "pinned") ? "is pinned, which is not supported"
                                                         : "has no column_vindexes";
        err_set(e, ERR_VSCHEMA, "table %s of a sharded keyspace %s", t->name, why);
        return err_cure(e, "name its primary vindex, or give it the type \"reference\"");
    }
    if (!parse_column_vindexes(v, t, list, e))
        return false;
    t->primary = t->vindexes[0].vindex;
    t->columns = t->vindexes[0].columns;
    t->n_columns = t->vindexes[0].n_columns;
    return check_primary(t, json_object_get(root, "vindexes"), e);
}

static bool parse_auto_increment(struct vschema_table *t, const json_t *doc, struct err *e)
{
    const json_t *ai = json_object_get(doc, "auto_increment");
    if (!ai)
        return true;
    const char *column = string_or(ai, "column", NULL), *sequence = string_or(ai, "sequence", NULL);
    if (!column || !sequence)
        return err_set(e, ERR_VSCHEMA, "table %s: auto_increment needs column and sequence",
                       t->name);
    t->auto_increment_column = mem_strdup(column);
    t->auto_increment_sequence = mem_strdup(sequence);
    return true;
}

static bool parse_table(struct vschema *v, const char *name, const json_t *root, const json_t *doc,
                        struct err *e)
{
    struct vschema_table *t = &v->tables[v->n_tables++];
    t->name = mem_strdup(name);
    t->type = mem_strdup(string_or(doc, "type", ""));
    t->source = mem_strdup(string_or(doc, "source", NULL));
    if (!json_is_object(doc))
        return err_set(e, ERR_VSCHEMA, "table %.100s is not an object", name);
    if (!parse_auto_increment(t, doc, e))
        return false;
    if (strcmp(t->type, "") == 0)
        return !v->sharded || parse_placement(v, t, root, doc, e);
    if (strcmp(t->type, "reference") == 0 || strcmp(t->type, "sequence") == 0)
        return true;
    return err_set(e, ERR_VSCHEMA, "table %.100s: type '%.100s' is not known", name, t->type);
}

static bool parse_tables(struct vschema *v, const json_t *root, struct err *e)
{
    const char *name;
    json_t *doc, *docs = json_object_get(root, "tables");
    v->tables = mem_calloc(json_object_size(docs), sizeof v->tables[0]);
    json_object_foreach(docs, name, doc) if (!parse_table(v, name, root, doc, e)) return false;
    return true;
}

static bool member_is_object(const json_t *root, const char *key, struct err *e)
{
    const json_t *value = json_object_get(root, key);
    return !value || json_is_null(value) || json_is_object(value) ||
           err_set(e, ERR_VSCHEMA, "'%s' is not an object", key);
}

static bool parse_root(struct vschema *v, json_t *root, struct err *e)
{
    if (!json_is_object(root))
        return err_set(e, ERR_VSCHEMA, "the vschema is not a JSON object");
    const json_t *sharded = json_object_get(root, "sharded");
    if (sharded && !json_is_boolean(sharded))
        return err_set(e, ERR_VSCHEMA, "'sharded' is neither true nor false");
    v->sharded = json_is_true(sharded);
    char *compact = json_dumps(root, JSON_COMPACT);
    v->json = mem_strdup(compact ? compact : "{}");
    free(compact);
    return member_is_object(root, "vindexes", e) && member_is_object(root, "tables", e) &&
           parse_vindexes(v, json_object_get(root, "vindexes"), e) && parse_tables(v, root, e);
}

struct vschema *vschema_parse(const char *json, struct err *e)
{
    size_t n = strnlen(json, JSON_MAX_BYTES + 1);
    if (n > JSON_MAX_BYTES) {
        err_set(e, ERR_VSCHEMA, "the vschema is longer than %d bytes", JSON_MAX_BYTES);
        return NULL;
    }
    json_error_t where;
    json_t *root = json_loadb(json, n, JSON_REJECT_DUPLICATES, &where);
    if (!root) {
        err_set(e, ERR_VSCHEMA, "the vschema is not JSON: line %d, column %d: %s", where.line,
                where.column, where.text);
        return NULL;
    }
    struct vschema *v = mem_alloc(sizeof *v);
    bool ok = parse_root(v, root, e);
    json_decref(root);
    if (ok)
        return v;
    vschema_free(v);
    return NULL;
}

struct vschema *vschema_empty(void)
{
    struct vschema *v = mem_alloc(sizeof *v);
    v->json = mem_strdup("{\"sharded\":false}");
    return v;
}

static void table_fini(struct vschema_table *t)
{
    for (size_t i = 0; i < t->n_vindexes; i++) {
        for (size_t k = 0; k < t->vindexes[i].n_columns; k++)
            free(t->vindexes[i].columns[k]);
        free(t->vindexes[i].columns);
    }
    free(t->vindexes);
    free(t->name);
    free(t->type);
    free(t->source);
    free(t->auto_increment_column);
    free(t->auto_increment_sequence);
}

void vschema_free(struct vschema *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->n_tables; i++)
        table_fini(&v->tables[i]);
    for (size_t i = 0; i < v->n_vindexes; i++)
        vindex_free(v->vindexes[i]);
    free(v->tables);
    free(v->vindexes);
    free(v->json);
    free(v);
}

const struct vschema_table *vschema_table(const struct vschema *v, const char *name)
{
    for (size_t i = 0; i < v->n_tables; i++)
        if (strcmp(v->tables[i].name, name) == 0)
            return &v->tables[i];
    return NULL;
}

const struct vschema_column_vindex *vschema_vindex_of(const struct vschema_table *t,
                                                      const char *column)
{
    const struct vschema_column_vindex *found = NULL;
    for (size_t i = 0; i < t->n_vindexes; i++) {
        const struct vschema_column_vindex *cv = &t->vindexes[i];
        if (strcasecmp(cv->columns[0], column) == 0 &&
            (found == NULL || vindex_cost(cv->vindex) < vindex_cost(found->vindex)))
            found = cv;
    }
    return found;
}

void vschema_unknown_params(const struct vschema *v,
                            void (*fn)(void *ctx, const struct vindex *vindex, const char *param),
                            void *ctx)
{
    const char *param;
    for (size_t i = 0; i < v->n_vindexes; i++)
        for (size_t k = 0; (param = vindex_unknown_param(v->vindexes[i], k)) != NULL; k++)
            fn(ctx, v->vindexes[i], param);
}

bool vschema_table_is(const struct vschema_table *t, const char *type)
{
    return t != NULL && t->type != NULL && strcmp(t->type, type) == 0;
}
