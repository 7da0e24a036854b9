/* schemas/create_edit.c — edits the text that SHOW CREATE TABLE gives, by its brackets, commas and
 * words.
 *
 * CREATE TABLE `name` ( item, item, … ) options. Items are kept or dropped as they are written;
 * within kept ones and the options only AUTO_INCREMENT is cut out. Everything else (comments,
 * version comments, generated columns, CHECKs, partitions) passes through byte for byte. Items
 * begin and end outside of version comments in what both servers print.
 */
#include "schemas/inspect.h"

#include "base/mem.h"
#include "schemas/sqltoken.h"

#include <stdlib.h>
#include <string.h>

enum item_kind { ITEM_OTHER, ITEM_COLUMN, ITEM_KEY, ITEM_UNIQUE, ITEM_FOREIGN_KEY };

struct item {
    size_t start, end;
    enum item_kind kind;
    bool auto_increment;    /* COLUMN */
    char first_column[260]; /* of keys; COLUMN: its name */
    bool dropped;
};

struct create {
    const char *sql;
    size_t n;
    struct sqltoken name;
    size_t body, body_end; /* behind "(", at ")" */
    struct item *items;
    size_t n_items, cap_items;
};

static void create_fini(struct create *c)
{
    free(c->items);
}

static bool is_punct(const struct sqltoken *t, char c)
{
    return t->kind == SQLTOKEN_PUNCT && t->text[0] == c;
}

static bool not_understood(struct err *e)
{
    return err_set(e, ERR_SCHEMA_MISMATCH, "the text is not a CREATE TABLE with columns");
}

static bool parse_head(struct create *c, struct sqltoken_scanner *s, struct err *e)
{
    struct sqltoken t;
    if (!sqltoken_next(s, &t) || !sqltoken_is(&t, "CREATE") || !sqltoken_next(s, &t))
        return not_understood(e);
    if (sqltoken_is(&t, "TEMPORARY"))
        sqltoken_next(s, &t);
    if (!sqltoken_is(&t, "TABLE") || !sqltoken_next(s, &c->name) || !sqltoken_next(s, &t) ||
        !is_punct(&t, '('))
        return not_understood(e);
    c->body = t.end;
    return true;
}

static void copy_name(const struct sqltoken *t, char *out, size_t out_len)
{
    size_t n = strnlen(t->text, out_len - 1);
    memcpy(out, t->text, n);
    out[n] = 0;
}

/* The kind of an item by its words before the first bracket. */
static enum item_kind kind_by_words(const struct sqltoken *first, bool unique, bool foreign)
{
    if (first->kind == SQLTOKEN_IDENT)
        return ITEM_COLUMN;
    if (foreign)
        return ITEM_FOREIGN_KEY;
    if (unique)
        return ITEM_UNIQUE;
    return sqltoken_is(first, "KEY") || sqltoken_is(first, "INDEX") ? ITEM_KEY : ITEM_OTHER;
}

static void read_item(const struct create *c, struct item *item)
{
    struct sqltoken_scanner s;
    struct sqltoken t, first = {.kind = SQLTOKEN_END};
    sqltoken_init(&s, c->sql + item->start, item->end - item->start, false);
    bool unique = false, foreign = false;
    int depth = 0;
    while (sqltoken_next(&s, &t)) {
        if (first.kind == SQLTOKEN_END)
            first = t;
        if (depth == 0) {
            unique = unique || sqltoken_is(&t, "PRIMARY") || sqltoken_is(&t, "UNIQUE");
            foreign = foreign || sqltoken_is(&t, "FOREIGN");
            item->auto_increment = item->auto_increment || sqltoken_is(&t, "AUTO_INCREMENT");
        } else if (depth == 1 && item->first_column[0] == 0 && t.kind == SQLTOKEN_IDENT) {
            copy_name(&t, item->first_column, sizeof item->first_column);
        }
        depth += is_punct(&t, '(');
        depth -= is_punct(&t, ')');
    }
    item->kind = kind_by_words(&first, unique, foreign);
    if (item->kind == ITEM_COLUMN)
        copy_name(&first, item->first_column, sizeof item->first_column);
}

static void add_item(struct create *c, size_t start, size_t end)
{
    while (start < end && strchr(" \r\n\t", c->sql[start]))
        start++;
    while (end > start && strchr(" \r\n\t", c->sql[end - 1]))
        end--;
    void *items = c->items;
    mem_grow(&items, &c->cap_items, c->n_items + 1, sizeof c->items[0]);
    c->items = items;
    struct item *item = &c->items[c->n_items++];
    *item = (struct item){.start = start, .end = end};
    read_item(c, item);
}

static bool has_column(const struct create *c)
{
    for (size_t i = 0; i < c->n_items; i++) {
        if (c->items[i].kind == ITEM_COLUMN)
            return true;
    }
    return false;
}

static bool parse_body(struct create *c, struct sqltoken_scanner *s, struct err *e)
{
    struct sqltoken t;
    size_t start = c->body;
    int depth = 1;
    while (depth > 0 && sqltoken_next(s, &t)) {
        depth += is_punct(&t, '(');
        depth -= is_punct(&t, ')');
        if (depth == 0 || (depth == 1 && is_punct(&t, ','))) {
            add_item(c, start, t.start);
            start = t.end;
            c->body_end = t.start;
        }
    }
    return (depth == 0 && has_column(c)) || not_understood(e);
}

static bool starts_unique_key(const struct create *c, const char *column)
{
    for (size_t i = 0; i < c->n_items; i++)
        if (c->items[i].kind == ITEM_UNIQUE && strcmp(c->items[i].first_column, column) == 0)
            return true;
    return false;
}

/* A key that a kept foreign key or an AUTO_INCREMENT column stands on has to stay. */
static bool is_needed(const struct create *c, const struct item *key,
                      const struct schema_create_edit *edit)
{
    for (size_t i = 0; i < c->n_items; i++) {
        const struct item *other = &c->items[i];
        if (strcmp(other->first_column, key->first_column) != 0)
            continue;
        if (other->kind == ITEM_FOREIGN_KEY && !edit->drop_foreign_keys)
            return true;
        if (other->kind == ITEM_COLUMN && other->auto_increment && !edit->drop_auto_increment &&
            !starts_unique_key(c, key->first_column))
            return true;
    }
    return false;
}

static void choose_dropped(struct create *c, const struct schema_create_edit *edit)
{
    for (size_t i = 0; i < c->n_items; i++) {
        struct item *item = &c->items[i];
        if (item->kind == ITEM_FOREIGN_KEY)
            item->dropped = edit->drop_foreign_keys;
        else if (item->kind == ITEM_KEY)
            item->dropped = edit->drop_secondary_keys && !is_needed(c, item, edit);
    }
}

/* sql[start, end) without the AUTO_INCREMENT attribute, or without AUTO_INCREMENT=n. */
static void put_without_auto_increment(const struct create *c, size_t start, size_t end,
                                       bool option, struct buf *out)
{
    struct sqltoken_scanner s;
    struct sqltoken t;
    sqltoken_init(&s, c->sql + start, end - start, false);
    size_t done = 0;
    int depth = 0;
    while (sqltoken_next(&s, &t)) {
        depth += is_punct(&t, '(');
        depth -= is_punct(&t, ')');
        if (depth != 0 || !sqltoken_is(&t, "AUTO_INCREMENT"))
            continue;
        size_t cut = t.start;
        if (cut > done && c->sql[start + cut - 1] == ' ')
            cut--;
        buf_put(out, c->sql + start + done, cut - done);
        if (option && sqltoken_next(&s, &t) && is_punct(&t, '='))
            sqltoken_next(&s, &t);
        done = t.end;
    }
    buf_put(out, c->sql + start + done, end - start - done);
}

static void put_part(const struct create *c, size_t start, size_t end, bool option,
                     const struct schema_create_edit *edit, struct buf *out)
{
    if (edit->drop_auto_increment)
        put_without_auto_increment(c, start, end, option, out);
    else
        buf_put(out, c->sql + start, end - start);
}

static void put_dropped(const struct create *c, const struct item *item, struct buf *dropped)
{
    if (!dropped || item->kind != ITEM_KEY)
        return;
    buf_put_str(dropped, dropped->len ? ", ADD " : "ADD ");
    buf_put(dropped, c->sql + item->start, item->end - item->start);
}

static bool has_word(const struct create *c, const char *word)
{
    struct sqltoken_scanner s;
    struct sqltoken t;
    sqltoken_init(&s, c->sql + c->body_end, c->n - c->body_end, false);
    while (sqltoken_next(&s, &t))
        if (sqltoken_is(&t, word))
            return true;
    return false;
}

static void write_edited(const struct create *c, const struct schema_create_edit *edit,
                         struct buf *out, struct buf *dropped)
{
    buf_put(out, c->sql, c->name.start);
    if (edit->new_name)
        buf_put_ident(out, edit->new_name);
    else
        buf_put(out, c->sql + c->name.start, c->name.end - c->name.start);
    buf_put_str(out, " (");
    const char *separator = "\n  ";
    for (size_t i = 0; i < c->n_items; i++) {
        const struct item *item = &c->items[i];
        if (item->dropped) {
            put_dropped(c, item, dropped);
            continue;
        }
        buf_put_str(out, separator);
        if (item->kind == ITEM_COLUMN)
            put_part(c, item->start, item->end, false, edit, out);
        else
            buf_put(out, c->sql + item->start, item->end - item->start);
        separator = ",\n  ";
    }
    buf_put_str(out, "\n)");
    if (edit->row_format && !has_word(c, "ROW_FORMAT"))
        buf_printf(out, " ROW_FORMAT=%s", edit->row_format);
    put_part(c, c->body_end + 1, c->n, true, edit, out);
}

bool schema_create_next_collation(struct sqltoken_scanner *s, struct sqltoken *t)
{
    bool expects = false;
    while (sqltoken_next(s, t)) {
        if (expects && !is_punct(t, '='))
            return true;
        expects = sqltoken_is(t, "COLLATE") || (expects && is_punct(t, '='));
    }
    return false;
}

/* The text of out with the collations that the map says. */
static void map_collations(struct buf *out, const struct schema_collation_map *map)
{
    struct sqltoken_scanner s;
    struct sqltoken t;
    struct buf mapped = BUF_INIT;
    size_t done = 0;
    sqltoken_init(&s, buf_str(out), out->len, false);
    while (schema_create_next_collation(&s, &t)) {
        const char *to = schema_collation_mapped(map, t.text);
        if (!to)
            continue;
        buf_put(&mapped, out->data + done, t.start - done);
        buf_put_str(&mapped, to);
        done = t.end;
    }
    buf_put(&mapped, out->data + done, out->len - done);
    buf_fini(out);
    *out = mapped;
}

bool schema_create_edit(const char *create_sql, const struct schema_create_edit *edit,
                        struct buf *out, struct buf *dropped, struct err *e)
{
    struct create c CLEANUP(create_fini) = {.sql = create_sql, .n = strlen(create_sql)};
    struct sqltoken_scanner s;
    sqltoken_init(&s, c.sql, c.n, false);
    if (!parse_head(&c, &s, e) || !parse_body(&c, &s, e))
        return false;
    choose_dropped(&c, edit);
    write_edited(&c, edit, out, dropped);
    if (edit->collations && edit->collations->n > 0)
        map_collations(out, edit->collations);
    return (!out->failed && !(dropped && dropped->failed)) ||
           err_set(e, ERR_LIMIT, "the definition is too long");
}
