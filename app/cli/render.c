/* app/cli/render.c — one generic way to show a JSON document to a person. */
#include "app/cli/render.h"

#include "base/mem.h"
#include "base/text.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 16
#define CELL_MAX    60 /* characters */
#define CUT_MARK    "…"

static void put_scalar(const json_t *v, struct buf *out)
{
    if (json_is_string(v)) {
        buf_put_str(out, json_string_value(v));
    } else if (json_is_real(v)) {
        buf_printf(out, "%.6g", json_real_value(v));
    } else if (!json_is_null(v)) {
        char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
        buf_put_str(out, text);
        free(text);
    }
}

static bool is_scalar(const json_t *v)
{
    return !json_is_object(v) && !json_is_array(v);
}

static bool all_objects(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_object(json_array_get(list, i)))
            return false;
    return json_array_size(list) > 0;
}

static void put_value(const json_t *v, unsigned depth, struct buf *out);

/* How many of the bytes at s hold the first `most` characters, and how many characters that are. */
static size_t first_characters(const char *s, size_t n, size_t most, size_t *characters)
{
    size_t at = 0;
    *characters = 0;
    for (; at < n; at++) {
        bool begins = ((unsigned char)s[at] & 0xc0) != 0x80;
        if (begins && *characters == most)
            break;
        *characters += begins;
    }
    return at;
}

static size_t width_of(const char *s, size_t n)
{
    size_t characters;
    first_characters(s, n, SIZE_MAX, &characters);
    return characters;
}

static size_t cell_width(const json_t *v)
{
    struct buf text = BUF_INIT;
    put_scalar(v, &text);
    size_t n = width_of(buf_str(&text), text.len);
    buf_fini(&text);
    return n < CELL_MAX ? n : CELL_MAX;
}

static size_t table_columns(const json_t *list, const char **names, size_t *widths)
{
    const char *key;
    json_t *v;
    size_t n = 0;
    json_object_foreach(json_array_get(list, 0), key, v)
    {
        if (n < COLUMNS_MAX && is_scalar(v)) {
            names[n] = key;
            widths[n++] = width_of(key, strlen(key));
        }
    }
    for (size_t i = 0; i < json_array_size(list); i++)
        for (size_t k = 0; k < n; k++) {
            size_t w = cell_width(json_object_get(json_array_get(list, i), names[k]));
            widths[k] = w > widths[k] ? w : widths[k];
        }
    return n;
}

/* A value that is cut says so: half a position would be taken for a whole one. */
static void put_cell(const json_t *v, size_t width, bool last, struct buf *out)
{
    struct buf text = BUF_INIT;
    put_scalar(v, &text);
    size_t n = width_of(buf_str(&text), text.len);
    if (n > CELL_MAX && !last) {
        buf_put(out, buf_str(&text), first_characters(buf_str(&text), text.len, CELL_MAX - 1, &n));
        buf_put_str(out, CUT_MARK);
        n++;
    } else {
        buf_put(out, buf_str(&text), text.len);
    }
    for (size_t i = n; !last && i < width + 2; i++)
        buf_put_u8(out, ' ');
    buf_fini(&text);
}

static void put_table(const json_t *list, unsigned depth, struct buf *out)
{
    const char *names[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX];
    size_t n = table_columns(list, names, widths);
    buf_printf(out, "%*s", (int)depth * 2, "");
    for (size_t k = 0; k < n; k++)
        buf_printf(out, "%-*s", k + 1 < n ? (int)widths[k] + 2 : 0, names[k]);
    for (size_t i = 0; i < json_array_size(list); i++) {
        buf_printf(out, "\n%*s", (int)depth * 2, "");
        for (size_t k = 0; k < n; k++)
            put_cell(json_object_get(json_array_get(list, i), names[k]), widths[k], k + 1 == n,
                     out);
    }
    buf_put_u8(out, '\n');
}

static void put_list(const json_t *list, unsigned depth, struct buf *out)
{
    bool first = true;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        if (is_scalar(v)) {
            buf_put_str(out, first ? "" : ", ");
            put_scalar(v, out);
            first = false;
        } else {
            buf_put_u8(out, '\n');
            put_value(v, depth + 1, out);
        }
    }
    if (!first)
        buf_put_u8(out, '\n');
}

static void put_object(const json_t *object, unsigned depth, struct buf *out)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)object, key, v)
    {
        buf_printf(out, "%*s%s:", (int)depth * 2, "", key);
        if (is_scalar(v)) {
            buf_put_u8(out, ' ');
            put_scalar(v, out);
            buf_put_u8(out, '\n');
        } else if (json_is_array(v) && !all_objects(v)) {
            buf_put_u8(out, ' ');
            put_list(v, depth, out);
            if (json_array_size(v) == 0)
                buf_put_str(out, "-\n");
        } else {
            buf_put_u8(out, '\n');
            put_value(v, depth + 1, out);
        }
    }
}

static void put_value(const json_t *v, unsigned depth, struct buf *out)
{
    if (json_is_object(v))
        put_object(v, depth, out);
    else if (all_objects(v))
        put_table(v, depth, out);
    else if (json_is_array(v))
        put_list(v, depth, out);
    else
        put_scalar(v, out);
}

void render_text(const char *json, struct buf *out)
{
    json_t *doc = json_loads(json, JSON_DECODE_ANY, NULL);
    const char *summary = json_string_value(json_object_get(doc, "summary"));
    if (doc == NULL) {
        buf_put_str(out, json);
    } else if (summary != NULL) {
        buf_put_str(out, summary);
        buf_put_str(out, summary[0] != '\0' && summary[strlen(summary) - 1] == '\n' ? "" : "\n");
        json_object_del(doc, "summary");
        if (json_object_size(doc) > 0)
            put_object(doc, 0, out);
    } else if (json_is_array(doc) && json_array_size(doc) == 0) {
        buf_put_str(out, "(none)\n");
    } else {
        put_value(doc, 0, out);
    }
    json_decref(doc);
}

void render_json(const char *json, struct buf *out)
{
    json_t *doc = json_loads(json, JSON_DECODE_ANY, NULL);
    char *text = doc != NULL ? json_dumps(doc, JSON_INDENT(2) | JSON_ENCODE_ANY) : NULL;
    buf_put_str(out, text != NULL ? text : json);
    buf_put_u8(out, '\n');
    free(text);
    json_decref(doc);
}

void render_print(FILE *to, const struct buf *text, bool json)
{
    struct buf clean = BUF_INIT;
    if (json)
        text_put_json_printable(&clean, buf_str(text), text->len);
    else
        text_put_printable(&clean, buf_str(text), text->len, "\n\t");
    fwrite(buf_str(&clean), 1, clean.len, to);
    buf_fini(&clean);
}
