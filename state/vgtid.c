/* state/vgtid.c — the position of a whole fleet: one entry a keyspace and shard, sorted; JSON as
 * Vitess writes it. */
#include "state/position.h"

#include "base/mem.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void vgtid_fini(struct vgtid *v)
{
    for (size_t i = 0; i < v->n; i++) {
        free(v->entries[i].keyspace);
        free(v->entries[i].shard);
        position_fini(&v->entries[i].pos);
    }
    free(v->entries);
    *v = (struct vgtid){0};
}

static int entry_compare(const struct vgtid_entry *entry, const char *keyspace, const char *shard)
{
    int c = strcmp(entry->keyspace, keyspace);
    return c ? c : strcmp(entry->shard, shard);
}

static size_t entry_place(const struct vgtid *v, const char *keyspace, const char *shard)
{
    size_t at = 0;
    while (at < v->n && entry_compare(&v->entries[at], keyspace, shard) < 0)
        at++;
    return at;
}

struct position *vgtid_get(struct vgtid *v, const char *keyspace, const char *shard)
{
    size_t at = entry_place(v, keyspace, shard);
    bool found = at < v->n && entry_compare(&v->entries[at], keyspace, shard) == 0;
    return found ? &v->entries[at].pos : NULL;
}

void vgtid_set(struct vgtid *v, const char *keyspace, const char *shard, const struct position *pos)
{
    struct position *known = vgtid_get(v, keyspace, shard);
    if (known) {
        position_copy(known, pos);
        return;
    }
    size_t at = entry_place(v, keyspace, shard);
    v->entries = mem_realloc(v->entries, v->n + 1, sizeof *v->entries);
    memmove(v->entries + at + 1, v->entries + at, (v->n - at) * sizeof *v->entries);
    v->n++;
    v->entries[at] =
        (struct vgtid_entry){.keyspace = mem_strdup(keyspace), .shard = mem_strdup(shard)};
    position_copy(&v->entries[at].pos, pos);
}

static void put_string(struct buf *out, const char *s)
{
    buf_put_u8(out, '"');
    buf_put_json_escaped(out, s, strlen(s));
    buf_put_u8(out, '"');
}

void vgtid_print(const struct vgtid *v, struct buf *out)
{
    buf_put_u8(out, '[');
    for (size_t i = 0; i < v->n; i++) {
        CLEANUP(mem_free_ptr) char *pos = position_text(&v->entries[i].pos);
        buf_put_str(out, i ? ",{\"keyspace\":" : "{\"keyspace\":");
        put_string(out, v->entries[i].keyspace);
        buf_put_str(out, ",\"shard\":");
        put_string(out, v->entries[i].shard);
        buf_put_str(out, ",\"gtid\":");
        put_string(out, pos);
        buf_put_u8(out, '}');
    }
    buf_put_u8(out, ']');
}

static void decref(json_t **j)
{
    json_decref(*j);
}

/* Vitess says in table_p_ks how far a copy came: somebody else's, which cannot go on here. */
static bool says_nothing_else(const json_t *j, struct err *e)
{
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)j, name, v)
    {
        bool empty = json_is_null(v) || (json_is_array(v) && json_array_size(v) == 0);
        bool read = strcmp(name, "keyspace") == 0 || strcmp(name, "shard") == 0 ||
                    strcmp(name, "gtid") == 0;
        if (!empty && !read)
            return err_set(e, ERR_POSITION_PARSE,
                           "a VGTID entry has '%.100s', which means nothing here", name);
    }
    return true;
}

static bool parse_entry(const json_t *j, struct vgtid *out, struct err *e)
{
    const char *keyspace = json_string_value(json_object_get(j, "keyspace"));
    const char *shard = json_string_value(json_object_get(j, "shard"));
    const char *gtid = json_string_value(json_object_get(j, "gtid"));
    CLEANUP(position_fini) struct position pos = POSITION_INIT;
    if (!keyspace || !shard || !gtid)
        return err_set(e, ERR_POSITION_PARSE,
                       "a VGTID entry needs the strings keyspace, shard and gtid");
    if (!says_nothing_else(j, e))
        return false;
    if (vgtid_get(out, keyspace, shard))
        return err_set(e, ERR_POSITION_PARSE, "the VGTID names %s/%s twice", keyspace, shard);
    if (!position_parse(gtid, &pos, e))
        return err_prepend(e, "%s/%s", keyspace, shard);
    vgtid_set(out, keyspace, shard, &pos);
    return true;
}

bool vgtid_parse(const char *json, struct vgtid *out, struct err *e)
{
    json_error_t why;
    CLEANUP(decref) json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &why);
    CLEANUP(vgtid_fini) struct vgtid parsed = {0};
    if (!root)
        return err_set(e, ERR_POSITION_PARSE, "the VGTID is not JSON: %s", why.text);
    if (!json_is_array(root))
        return err_set(e, ERR_POSITION_PARSE, "a VGTID is a JSON array");
    for (size_t i = 0; i < json_array_size(root); i++)
        if (!parse_entry(json_array_get(root, i), &parsed, e))
            return false;
    vgtid_fini(out);
    *out = parsed;
    parsed = (struct vgtid){0};
    return true;
}
