/* app/config/ytree.c — libyaml's document turned into the program's own small tree. */
#include "app/config/ytree.h"

#include "base/mem.h"
#include "base/sys.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define YAML_MAX_BYTES ((size_t)8 * 1024 * 1024)
#define YAML_MAX_DEPTH 32

void ytree_free(struct ytree *n)
{
    if (n == NULL)
        return;
    for (size_t i = 0; i < n->n; i++) {
        if (n->keys != NULL)
            free(n->keys[i]);
        ytree_free(n->items[i]);
    }
    free(n->keys);
    free(n->items);
    free(n->text);
    free(n);
}

static struct ytree *convert(yaml_document_t *doc, yaml_node_t *in, const char *path,
                             unsigned depth, struct err *e);

static struct ytree *convert_list(yaml_document_t *doc, yaml_node_t *in, struct ytree *out,
                                  const char *path, unsigned depth, struct err *e)
{
    size_t n = (size_t)(in->data.sequence.items.top - in->data.sequence.items.start);
    out->kind = YTREE_LIST;
    out->items = mem_calloc(n + 1, sizeof(struct ytree *));
    for (size_t i = 0; i < n; i++) {
        yaml_node_t *item = yaml_document_get_node(doc, in->data.sequence.items.start[i]);
        if ((out->items[out->n] = convert(doc, item, path, depth + 1, e)) == NULL)
            return NULL;
        out->n++;
    }
    return out;
}

static struct ytree *convert_map(yaml_document_t *doc, yaml_node_t *in, struct ytree *out,
                                 const char *path, unsigned depth, struct err *e)
{
    size_t n = (size_t)(in->data.mapping.pairs.top - in->data.mapping.pairs.start);
    out->kind = YTREE_MAP;
    out->items = mem_calloc(n + 1, sizeof(struct ytree *));
    out->keys = mem_calloc(n + 1, sizeof(char *));
    for (size_t i = 0; i < n; i++) {
        yaml_node_t *key = yaml_document_get_node(doc, in->data.mapping.pairs.start[i].key);
        yaml_node_t *value = yaml_document_get_node(doc, in->data.mapping.pairs.start[i].value);
        if (key->type != YAML_SCALAR_NODE) {
            err_set(e, ERR_CONFIG, "%s:%zu: a key must be a word", path, key->start_mark.line + 1);
            return NULL;
        }
        const char *name = (const char *)key->data.scalar.value;
        if (ytree_get(out, name) != NULL) {
            err_set(e, ERR_CONFIG, "%s:%zu: '%s' is given twice", path, key->start_mark.line + 1,
                    name);
            return NULL;
        }
        struct ytree *item = convert(doc, value, path, depth + 1, e);
        if (item == NULL)
            return NULL;
        out->keys[out->n] = mem_strdup(name);
        out->items[out->n++] = item;
    }
    return out;
}

static struct ytree *convert(yaml_document_t *doc, yaml_node_t *in, const char *path,
                             unsigned depth, struct err *e)
{
    struct ytree *out = mem_alloc(sizeof *out);
    struct ytree *done = NULL;
    out->line = (unsigned)in->start_mark.line + 1;
    if (depth > YAML_MAX_DEPTH) {
        err_set(e, ERR_CONFIG, "%s:%u: nested too deeply", path, out->line);
    } else if (in->type == YAML_SCALAR_NODE) {
        out->kind = YTREE_SCALAR;
        out->text = mem_strndup((const char *)in->data.scalar.value, in->data.scalar.length);
        done = out;
    } else if (in->type == YAML_SEQUENCE_NODE) {
        done = convert_list(doc, in, out, path, depth, e);
    } else if (in->type == YAML_MAPPING_NODE) {
        done = convert_map(doc, in, out, path, depth, e);
    } else {
        err_set(e, ERR_CONFIG, "%s:%u: cannot be read", path, out->line);
    }
    if (done == NULL)
        ytree_free(out);
    return done;
}

struct ytree *ytree_load(const char *path, struct err *e)
{
    struct buf text = BUF_INIT;
    yaml_parser_t parser;
    yaml_document_t doc;
    struct ytree *root = NULL;
    if (!sys_read_file(path, YAML_MAX_BYTES, &text, e)) {
        buf_fini(&text);
        return NULL;
    }
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, text.data, text.len);
    if (!yaml_parser_load(&parser, &doc)) {
        err_set(e, ERR_CONFIG, "%s:%zu: %s", path, parser.problem_mark.line + 1,
                parser.problem != NULL ? parser.problem : "is no YAML");
    } else {
        yaml_node_t *top = yaml_document_get_root_node(&doc);
        if (top == NULL)
            err_set(e, ERR_CONFIG, "%s: is empty", path);
        else
            root = convert(&doc, top, path, 0, e);
        yaml_document_delete(&doc);
    }
    yaml_parser_delete(&parser);
    buf_fini(&text);
    return root;
}

const struct ytree *ytree_get(const struct ytree *map, const char *key)
{
    if (map == NULL || map->kind != YTREE_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->keys[i], key) == 0)
            return map->items[i];
    return NULL;
}

const char *ytree_text(const struct ytree *map, const char *key)
{
    const struct ytree *n = ytree_get(map, key);
    return n != NULL && n->kind == YTREE_SCALAR ? n->text : NULL;
}

static void scalar_json(const char *text, struct buf *out)
{
    int64_t i;
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ||
        (sys_parse_i64(text, &i) && text[0] != '+')) {
        buf_put_str(out, text);
        return;
    }
    buf_put_u8(out, '"');
    buf_put_json_escaped(out, text, strlen(text));
    buf_put_u8(out, '"');
}

void ytree_json(const struct ytree *n, struct buf *out)
{
    if (n->kind == YTREE_SCALAR) {
        scalar_json(n->text, out);
        return;
    }
    buf_put_u8(out, n->kind == YTREE_MAP ? '{' : '[');
    for (size_t i = 0; i < n->n; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        if (n->kind == YTREE_MAP) {
            buf_put_u8(out, '"');
            buf_put_json_escaped(out, n->keys[i], strlen(n->keys[i]));
            buf_put_str(out, "\":");
        }
        ytree_json(n->items[i], out);
    }
    buf_put_u8(out, n->kind == YTREE_MAP ? '}' : ']');
}
