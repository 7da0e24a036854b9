/* vrepl/workflow/type_materialize.c — Materialize: copies of tables that follow their source and are
 * never switched to.
 */
#include "vrepl/workflow/type_rows.h"

#include "base/mem.h"
#include "mysql/checks.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const select_star = "select * from ";

/* {"target_table","source_expression","create_ddl"} with `select * from t` only. */
static bool add_setting(struct wf_def *d, const json_t *s, struct err *e)
{
    const char *target = json_string_value(json_object_get(s, "target_table"));
    const char *expr = json_string_value(json_object_get(s, "source_expression"));
    const char *ddl = json_string_value(json_object_get(s, "create_ddl"));
    if (target == NULL || expr == NULL)
        return err_set(e, ERR_USAGE,
                       "--table-settings: target_table and source_expression are needed");
    size_t n = strlen(select_star);
    const char *table = strncasecmp(expr, select_star, n) == 0 ? expr + n : "";
    size_t len = strspn(table, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$`");
    if (len == 0 || table[len] != '\0') {
        err_set(e, ERR_WF_PRECONDITION, "--table-settings: `%s` is not supported", expr);
        return err_cure(
            e, "`select * from TABLE` is: columns, WHERE, GROUP BY and functions are not offered");
    }
    if (ddl != NULL && ddl[0] != '\0' && strcmp(ddl, "copy") != 0)
        return err_set(e, ERR_WF_PRECONDITION,
                       "--table-settings: create_ddl is \"copy\" or \"\", not %s", ddl);
    char *name =
        table[0] == '`' && len > 2 ? mem_strndup(table + 1, len - 2) : mem_strndup(table, len);
    request_add_table(d, name, target);
    free(name);
    return true;
}

static bool tables_of_materialize(struct wf_def *d, const struct verb_options *o, struct err *e)
{
    const char *text = o->table_settings;
    request_tables_listed(d, &o->reference_tables);
    if (d->n_tables > 0)
        return text == NULL ||
               err_set(e, ERR_USAGE, "--reference-tables or --table-settings, not both");
    json_t *settings = text != NULL ? json_loads(text, 0, NULL) : NULL;
    bool ok =
        json_array_size(settings) > 0 ||
        err_set(e, ERR_USAGE, "--reference-tables or --table-settings (a JSON array) is needed");
    for (size_t i = 0; ok && i < json_array_size(settings); i++)
        ok = add_setting(d, json_array_get(settings, i), e);
    json_decref(settings);
    return ok;
}

static bool request(struct vrepl_engine *g, struct wf_def *d, const char *keyspace,
                    const struct verb_options *o, struct err *e)
{
    return request_two_keyspaces(g, d, keyspace, o, e) && tables_of_materialize(d, o, e) &&
           request_tables_stored(g, d, e);
}

/* --reference-tables are on every shard whether the vschema has them or not. */
static bool precheck(const struct wf_def *d, const struct wf_table *t,
                     const struct vschema_table *v, const struct verb_options *o, bool *everywhere,
                     struct err *e)
{
    if (*everywhere || o->table_settings != NULL)
        return true;
    *everywhere = true;
    return v == NULL || v->primary == NULL ||
           err_set(e, ERR_WF_PRECONDITION,
                   "table %s has a primary vindex in keyspace %s: it is no reference table",
                   t->target, d->target.keyspace);
}

const struct wf_type_ops wf_type_materialize = {
    .name = "Materialize",
    .command = "materialize",
    .source_roles = MY_ROLE_STREAM | MY_ROLE_COPY_SOURCE,
    .target_roles = MY_ROLE_TARGET,
    .request = request,
    .precheck = precheck,
};
