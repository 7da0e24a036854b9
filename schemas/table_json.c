/* schemas/table_json.c — a table definition as JSON text and back, for the state's schema versions.
 *
 * Only what decoding rows needs: columns and the primary key. An unknown text (from a newer
 * program, or damaged) is refused as a whole.
 */
#include "base/mem.h"
#include "schemas/labels.h"
#include "schemas/table.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 8192u

static void put_number(json_t *o, const char *key, uint64_t value)
{
    if (value)
        json_object_set_new(o, key, json_integer((json_int_t)value));
}

static void put_flag(json_t *o, const char *key, bool value)
{
    if (value)
        json_object_set_new(o, key, json_true());
}

/* Hexadecimal, because a label may be no text; "=" before one that is text. */
static json_t *labels_json(const struct schema_column *c)
{
    json_t *labels = json_array();
    struct buf text CLEANUP(buf_fini) = BUF_INIT;
    for (size_t i = 0; i < c->n_labels; i++) {
        buf_reset(&text);
        buf_put_str(&text, c->labels[i].is_text ? "=" : "");
        buf_put_hex(&text, c->labels[i].p, c->labels[i].n);
        json_array_append_new(labels, json_string(buf_str(&text)));
    }
    return labels;
}

static json_t *column_json(const struct schema_column *c)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_string(c->name ? c->name : ""));
    put_number(o, "type", c->type);
    put_number(o, "meta", c->meta);
    put_number(o, "collation", c->collation);
    put_number(o, "ext", (uint64_t)c->ext);
    put_number(o, "vector_dim", c->vector_dim);
    put_number(o, "geometry_type", c->geometry_type);
    put_flag(o, "unsigned_known", c->unsigned_known);
    put_flag(o, "unsigned", c->is_unsigned);
    put_flag(o, "nullable", c->nullable);
    put_flag(o, "invisible", !c->visible);
    put_flag(o, "generated", c->generated);
    put_flag(o, "auto_increment", c->auto_increment);
    if (c->column_type)
        json_object_set_new(o, "column_type", json_string(c->column_type));
    if (c->default_text)
        json_object_set_new(o, "default", json_string(c->default_text));
    if (c->extra)
        json_object_set_new(o, "extra", json_string(c->extra));
    if (c->label_known)
        json_object_set_new(o, "label_hex", labels_json(c));
    return o;
}

void schema_table_to_json(const struct schema_table *t, struct buf *out)
{
    json_t *columns = json_array(), *pk = json_array();
    for (size_t i = 0; i < schema_table_width(t); i++)
        json_array_append_new(columns, column_json(&t->columns[i]));
    for (size_t i = 0; i < t->n_pk; i++)
        json_array_append_new(pk, json_integer(t->pk[i]));
    json_t *doc = json_pack("{s:s, s:s, s:o, s:o}", "db", t->db, "name", t->name, "columns",
                            columns, "pk", pk);
    put_number(doc, "hidden", t->n_hidden);
    put_flag(doc, "whole", t->whole);
    put_flag(doc, "keeps_history", t->keeps_history);
    put_flag(doc, "sequence", t->sequence);
    char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    buf_put_str(out, text ? text : "");
    free(text);
    json_decref(doc);
}

static uint64_t number_of(const json_t *o, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(o, key));
}

static bool flag_of(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}

static int hex_digit(char d)
{
    const char *digits = "0123456789abcdef", *at = d ? strchr(digits, d) : NULL;
    return at ? (int)(at - digits) : -1;
}

static bool label_of(const char *text, struct schema_column *c)
{
    struct buf bytes CLEANUP(buf_fini) = BUF_INIT;
    bool is_text = text && text[0] == '=';
    for (const char *p = text ? text + is_text : ""; *p; p += 2) {
        int high = hex_digit(p[0]), low = hex_digit(p[1]);
        if (high < 0 || low < 0)
            return false;
        buf_put_u8(&bytes, (uint8_t)(high << 4 | low));
    }
    if (is_text)
        schema_labels_add(c, buf_str(&bytes), bytes.len);
    else
        schema_labels_add_unreadable(c, buf_str(&bytes), bytes.len);
    return text != NULL;
}

static bool labels_of(const json_t *labels, struct schema_column *c)
{
    if (!labels)
        return true;
    size_t n = json_array_size(labels);
    bool ok = json_is_array(labels);
    c->label_known = ok;
    for (size_t i = 0; i < n && ok; i++)
        ok = label_of(json_string_value(json_array_get(labels, i)), c);
    return ok;
}

static bool column_of(const json_t *o, struct schema_column *c)
{
    const char *name = json_string_value(json_object_get(o, "name"));
    const char *column_type = json_string_value(json_object_get(o, "column_type"));
    uint64_t ext = number_of(o, "ext");
    /* "labels" held what a server shows of them, which is not always what they are. */
    if (!name || ext > SCHEMA_EXT_JSON_TEXT || json_object_get(o, "labels"))
        return false;
    c->name = mem_strdup(name);
    c->type = (uint8_t)number_of(o, "type");
    c->meta = (uint16_t)number_of(o, "meta");
    c->collation = (uint16_t)number_of(o, "collation");
    c->ext = (enum schema_ext)ext;
    c->vector_dim = (uint32_t)number_of(o, "vector_dim");
    c->geometry_type = (uint32_t)number_of(o, "geometry_type");
    c->unsigned_known = flag_of(o, "unsigned_known");
    c->is_unsigned = flag_of(o, "unsigned");
    c->nullable = flag_of(o, "nullable");
    c->visible = !flag_of(o, "invisible");
    c->generated = flag_of(o, "generated");
    c->auto_increment = flag_of(o, "auto_increment");
    c->column_type = column_type ? mem_strdup(column_type) : NULL;
    c->default_text = mem_strdup(json_string_value(json_object_get(o, "default")));
    c->extra = mem_strdup(json_string_value(json_object_get(o, "extra")));
    return labels_of(json_object_get(o, "label_hex"), c);
}

static bool key_of(const json_t *pk, struct schema_table *t)
{
    size_t n = json_array_size(pk);
    t->pk = mem_calloc(n + 1, sizeof *t->pk);
    for (size_t i = 0; i < n; i++) {
        uint64_t column = (uint64_t)json_integer_value(json_array_get(pk, i));
        if (column >= t->n_columns)
            return false;
        t->pk[t->n_pk++] = (uint16_t)column;
    }
    return json_is_array(pk);
}

static struct schema_table *table_of(const json_t *doc)
{
    const char *db = json_string_value(json_object_get(doc, "db"));
    const char *name = json_string_value(json_object_get(doc, "name"));
    const json_t *columns = json_object_get(doc, "columns");
    size_t n = json_array_size(columns);
    if (!db || !name || n == 0 || n > COLUMNS_MAX)
        return NULL;
    struct schema_table *t = schema_table_new(db, name, n);
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++)
        ok = column_of(json_array_get(columns, i), &t->columns[i]);
    t->whole = flag_of(doc, "whole");
    t->keeps_history = flag_of(doc, "keeps_history");
    t->sequence = flag_of(doc, "sequence");
    t->n_hidden = (size_t)number_of(doc, "hidden");
    ok = ok && t->n_hidden < n;
    t->n_hidden = ok ? t->n_hidden : 0;
    t->n_columns = n - t->n_hidden;
    if (ok && key_of(json_object_get(doc, "pk"), t)) {
        t->full_metadata = true;
        schema_table_seal(t);
        return t;
    }
    schema_table_unref(t);
    return NULL;
}

struct schema_table *schema_table_from_json(const char *json, struct err *e)
{
    json_t *doc = json_loads(json, 0, NULL);
    struct schema_table *t = doc ? table_of(doc) : NULL;
    json_decref(doc);
    if (!t)
        err_set(e, ERR_STATE_DB, "a stored table definition cannot be read");
    return t;
}
