/* cdc/log/json_types.c — walks a document's text and its types side by side.
 *
 * The server lists a document's nodes with JSON_TABLE over '$**[0]': `**` visits every node before
 * what it contains, and [0] of a node that is no array is the node itself. So every scalar comes
 * once, in the text's order (an array's first element is found twice, and given once). That the
 * letters are those of this text is checked by their number, and each against the form of its
 * scalar: where they disagree nothing is written.
 */
#include "cdc/log/json_types.h"

#include "schemas/table.h"

#include <string.h>

#define LARGE_DOCUMENT "262144"

static enum json_type type_of_opaque(uint8_t type)
{
    switch (type) {
    case SCHEMA_TYPE_NEWDECIMAL:
        return JSON_TYPE_DECIMAL;
    case SCHEMA_TYPE_DATE:
        return JSON_TYPE_DATE;
    case SCHEMA_TYPE_TIME:
        return JSON_TYPE_TIME;
    case SCHEMA_TYPE_DATETIME:
        return JSON_TYPE_DATETIME;
    case SCHEMA_TYPE_TIMESTAMP:
        return JSON_TYPE_TIMESTAMP;
    default:
        return JSON_TYPE_OPAQUE;
    }
}

void json_types_of(const struct jsonb_node *node, struct buf *letters)
{
    switch (node->kind) {
    case JSONB_NULL:
    case JSONB_TRUE:
    case JSONB_FALSE:
    case JSONB_INT:
    case JSONB_DOUBLE:
    case JSONB_STRING:
        buf_put_u8(letters, JSON_TYPE_PLAIN);
        return;
    case JSONB_UINT:
        buf_put_u8(letters, JSON_TYPE_UNSIGNED);
        return;
    case JSONB_OPAQUE:
        buf_put_u8(letters, (uint8_t)type_of_opaque(node->opaque_type));
        return;
    case JSONB_OBJECT:
    case JSONB_ARRAY:
        for (size_t i = 0; i < node->list.n; i++)
            json_types_of(&node->list.items[i].node, letters);
        return;
    }
}

/* The session is SET NAMES binary: texts that JSON functions read say what they are. */
static void put_nodes(const char *column, const char *path, struct buf *sql)
{
    buf_printf(sql,
               "FROM JSON_TABLE(%s,_utf8mb4'%s' COLUMNS(o FOR ORDINALITY,v JSON PATH "
               "_utf8mb4'$')) x WHERE ",
               column, path);
}

static void put_has_typed(const char *column, const char *path, struct buf *sql)
{
    buf_put_str(sql, "EXISTS(SELECT 1 ");
    put_nodes(column, path, sql);
    buf_put_str(sql, "JSON_TYPE(x.v) NOT IN('OBJECT','ARRAY','INTEGER','DOUBLE','STRING','BOOLEAN',"
                     "'NULL'))");
}

void json_types_select(const char *column, struct buf *sql)
{
    buf_printf(sql,
               "CASE WHEN JSON_STORAGE_SIZE(%s)<=" LARGE_DOCUMENT
               " THEN (SELECT GROUP_CONCAT(CASE WHEN x.v IS NULL THEN '-' ELSE CASE JSON_TYPE(x.v) "
               "WHEN 'INTEGER' THEN '-' WHEN 'DOUBLE' THEN '-' WHEN 'STRING' THEN '-' WHEN "
               "'BOOLEAN' THEN '-' WHEN 'NULL' THEN '-' WHEN 'DECIMAL' THEN 'd' WHEN 'UNSIGNED "
               "INTEGER' THEN 'u' WHEN 'DATE' THEN 'D' WHEN 'TIME' THEN 'T' WHEN 'DATETIME' THEN "
               "'M' WHEN 'TIMESTAMP' THEN 'S' WHEN 'BLOB' THEN 'o' WHEN 'BIT' THEN 'o' WHEN "
               "'OPAQUE' THEN 'o' ELSE '?' END END ORDER BY x.o SEPARATOR '') ",
               column);
    put_nodes(column, "$**[0]", sql);
    buf_put_str(sql, "x.v IS NULL OR JSON_TYPE(x.v) NOT IN('OBJECT','ARRAY')) WHEN ");
    put_has_typed(column, "$**[*]", sql);
    buf_put_str(sql, " OR ");
    put_has_typed(column, "$**.*", sql);
    buf_put_str(sql, " THEN '?' END");
}

bool json_types_told(const char *letters, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (letters[i] != JSON_TYPE_PLAIN)
            return true;
    return false;
}

/* ---- the walk ---- */

struct walk {
    const char *p, *end;
    const char *letter, *letters_end;
    struct buf path;
    json_typed_fn fn;
    void *arg;
    unsigned depth;
    struct err *e;
};

static bool torn(struct walk *w)
{
    return err_set(w->e, ERR_LOG_FORMAT, "the types of a JSON document are not those of its text");
}

static void skip_blanks(struct walk *w)
{
    while (w->p < w->end && strchr(" \t\r\n", *w->p) != NULL)
        w->p++;
}

static bool take(struct walk *w, char c)
{
    skip_blanks(w);
    if (w->p == w->end || *w->p != c)
        return false;
    w->p++;
    return true;
}

/* Leaves p behind the closing quote. */
static bool skip_string(struct walk *w)
{
    while (w->p < w->end && *w->p != '"')
        w->p += *w->p == '\\' ? 2 : 1;
    if (w->p >= w->end)
        return torn(w);
    w->p++;
    return true;
}

static bool is_plain_unsigned(const char *text, size_t n)
{
    static const char most[] = "9223372036854775807";
    size_t digits = sizeof most - 1;
    return n > digits || (n == digits && memcmp(text, most, n) > 0);
}

static bool tell(struct walk *w, char letter, const char *text, size_t n, bool is_string)
{
    struct json_typed value = {(enum json_type)letter, &w->path, text, n};
    bool of_number = letter == JSON_TYPE_DECIMAL || letter == JSON_TYPE_UNSIGNED;
    if (letter == JSON_TYPE_UNKNOWN)
        return err_set(w->e, ERR_LOG_UNSUPPORTED, "a JSON value of a type that is not known");
    if (of_number == is_string)
        return torn(w);
    if (letter == JSON_TYPE_UNSIGNED && is_plain_unsigned(text, n))
        return true;
    return w->fn(w->arg, &value, w->e);
}

static bool walk_scalar(struct walk *w)
{
    bool is_string = take(w, '"');
    const char *from = w->p;
    if (is_string && !skip_string(w))
        return false;
    while (!is_string && w->p < w->end && strchr(",]} \t\r\n", *w->p) == NULL)
        w->p++;
    if (w->letter == w->letters_end)
        return torn(w);
    char letter = *w->letter++;
    if (letter == JSON_TYPE_PLAIN)
        return true;
    return tell(w, letter, from, (size_t)(w->p - from) - is_string, is_string);
}

/* "key": as a leg of the path; its escapes are the path's too. */
static bool walk_key(struct walk *w)
{
    if (!take(w, '"'))
        return torn(w);
    const char *from = w->p - 1;
    if (!skip_string(w))
        return false;
    buf_put_u8(&w->path, '.');
    buf_put(&w->path, from, (size_t)(w->p - from));
    return take(w, ':') || torn(w);
}

static bool walk_value(struct walk *w);

static bool walk_members(struct walk *w, bool object, char closing)
{
    size_t parent = w->path.len;
    if (take(w, closing))
        return true;
    for (size_t i = 0; w->p < w->end; i++) {
        if (object && !walk_key(w))
            return false;
        if (!object)
            buf_printf(&w->path, "[%zu]", i);
        if (!walk_value(w))
            return false;
        w->path.len = parent;
        if (take(w, closing))
            return true;
        if (!take(w, ','))
            break;
    }
    return torn(w);
}

static bool walk_value(struct walk *w)
{
    if (++w->depth > JSONB_MAX_DEPTH)
        return err_set(w->e, ERR_LOG_FORMAT, "a JSON document is nested too deeply");
    bool ok;
    if (take(w, '{'))
        ok = walk_members(w, true, '}');
    else if (take(w, '['))
        ok = walk_members(w, false, ']');
    else
        ok = walk_scalar(w);
    w->depth--;
    return ok;
}

bool json_types_walk(const char *text, size_t n, const char *letters, size_t n_letters,
                     json_typed_fn fn, void *arg, struct err *e)
{
    struct walk w = {.p = text,
                     .end = text + n,
                     .letter = letters,
                     .letters_end = letters + n_letters,
                     .path = BUF_INIT,
                     .fn = fn,
                     .arg = arg,
                     .e = e};
    buf_put_u8(&w.path, '$');
    bool ok = walk_value(&w);
    skip_blanks(&w);
    if (ok && (w.p != w.end || w.letter != w.letters_end))
        ok = torn(&w);
    buf_fini(&w.path);
    return ok;
}
