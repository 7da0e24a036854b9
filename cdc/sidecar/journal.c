/* cdc/sidecar/journal.c — reads and prints journal documents.
 *
 * The document is JSON with the field names of Vitess' binlogdata.Journal:
 * {"id":1,"migration_type":"SHARDS","tables":["t"],"local_position":"…","shard_gtids":[{"keyspace","shard",
 * "gtid"}],"participants":[{"keyspace","shard"}],"source_workflows":["customer/split"]}
 */
#include "cdc/sidecar/journal.h"

#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static char *text_of(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? mem_strdup(s) : NULL;
}

static struct cdc_journal_shard *parse_shards(const json_t *array, size_t *n)
{
    struct cdc_journal_shard *shards = mem_calloc(json_array_size(array) + 1, sizeof *shards);
    *n = 0;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *o = json_array_get(array, i);
        struct cdc_journal_shard *s = &shards[(*n)++];
        s->keyspace = text_of(o, "keyspace");
        s->shard = text_of(o, "shard");
        s->gtid = text_of(o, "gtid");
    }
    return shards;
}

static bool shards_complete(const struct cdc_journal_shard *s, size_t n, bool with_gtid)
{
    for (size_t i = 0; i < n; i++) {
        if (!s[i].keyspace || !s[i].shard || (with_gtid && !s[i].gtid))
            return false;
    }
    return true;
}

static void parse_tables(const json_t *array, struct cdc_journal *out)
{
    out->tables = mem_calloc(json_array_size(array) + 1, sizeof *out->tables);
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *name = json_string_value(json_array_get(array, i));
        if (name)
            out->tables[out->n_tables++] = mem_strdup(name);
    }
}

static bool parse_document(const json_t *o, struct cdc_journal *out)
{
    const char *type = json_string_value(json_object_get(o, "migration_type"));
    const char *workflow =
        json_string_value(json_array_get(json_object_get(o, "source_workflows"), 0));
    if (!json_is_integer(json_object_get(o, "id")) || !type || !workflow)
        return false;
    out->id = json_integer_value(json_object_get(o, "id"));
    out->shards = strcmp(type, "SHARDS") == 0;
    out->workflow = mem_strdup(workflow);
    out->local_position = text_of(o, "local_position");
    parse_tables(json_object_get(o, "tables"), out);
    out->shard_gtids = parse_shards(json_object_get(o, "shard_gtids"), &out->n_shard_gtids);
    out->participants = parse_shards(json_object_get(o, "participants"), &out->n_participants);
    return (out->shards || strcmp(type, "TABLES") == 0) && out->local_position &&
           shards_complete(out->shard_gtids, out->n_shard_gtids, true) &&
           shards_complete(out->participants, out->n_participants, false);
}

bool cdc_journal_parse(const char *json, struct cdc_journal *out, struct err *e)
{
    json_error_t why;
    *out = (struct cdc_journal){0};
    json_t *o = json_loads(json, JSON_REJECT_DUPLICATES, &why);
    bool ok = o && parse_document(o, out);
    if (!ok) {
        err_set(e, ERR_LOG_FORMAT, "a journal record is not what it should be: %s",
                o ? "a field is missing or wrong" : why.text);
        cdc_journal_fini(out);
    }
    json_decref(o);
    return ok;
}

static void print_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\":\"", name);
    buf_put_json_escaped(out, text ? text : "", text ? strlen(text) : 0);
    buf_put_str(out, "\"");
}

static void print_shards(struct buf *out, const char *name, const struct cdc_journal_shard *shards,
                         size_t n)
{
    buf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < n; i++) {
        buf_put_str(out, i ? ",{" : "{");
        print_text(out, "keyspace", shards[i].keyspace);
        buf_put_str(out, ",");
        print_text(out, "shard", shards[i].shard);
        if (shards[i].gtid) {
            buf_put_str(out, ",");
            print_text(out, "gtid", shards[i].gtid);
        }
        buf_put_str(out, "}");
    }
    buf_put_str(out, "]");
}

void cdc_journal_print(const struct cdc_journal *j, struct buf *out)
{
    buf_printf(out, "{\"id\":%lld,\"migration_type\":\"%s\",\"tables\":[", (long long)j->id,
               j->shards ? "SHARDS" : "TABLES");
    for (size_t i = 0; i < j->n_tables; i++) {
        buf_put_str(out, i ? ",\"" : "\"");
        buf_put_json_escaped(out, j->tables[i], strlen(j->tables[i]));
        buf_put_str(out, "\"");
    }
    buf_put_str(out, "],");
    print_text(out, "local_position", j->local_position);
    print_shards(out, "shard_gtids", j->shard_gtids, j->n_shard_gtids);
    print_shards(out, "participants", j->participants, j->n_participants);
    buf_put_str(out, ",\"source_workflows\":[\"");
    buf_put_json_escaped(out, j->workflow, strlen(j->workflow));
    buf_put_str(out, "\"]}");
}

static void free_shards(struct cdc_journal_shard *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(s[i].keyspace);
        free(s[i].shard);
        free(s[i].gtid);
    }
    free(s);
}

void cdc_journal_fini(struct cdc_journal *j)
{
    for (size_t i = 0; i < j->n_tables; i++)
        free(j->tables[i]);
    free(j->tables);
    free(j->workflow);
    free(j->local_position);
    free_shards(j->shard_gtids, j->n_shard_gtids);
    free_shards(j->participants, j->n_participants);
    *j = (struct cdc_journal){0};
}
