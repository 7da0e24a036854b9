/* schemas/sharding/vindex_params.c — parameters of vindexes, as Vitess reads them. */
#include "base/mem.h"
#include "schemas/sharding/vindex_internal.h"
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static bool add_params(const char *vindex, json_t *root, struct vindex_params *out, struct err *e)
{
    const char *name;
    json_t *value;
    out->items = mem_calloc(json_object_size(root) + 1, sizeof *out->items);
    json_object_foreach(root, name, value)
    {
        if (!json_is_string(value)) {
            err_set(e, ERR_VSCHEMA, "vindex %s: the parameter '%.100s' is not a string", vindex,
                    name);
            return err_cure(e, "write it in quotes");
        }
        out->items[out->n++] =
            (struct vindex_param){mem_strdup(name), mem_strdup(json_string_value(value))};
    }
    return true;
}

bool vindex_params_parse(const char *vindex, const char *json, struct vindex_params *out,
                         struct err *e)
{
    *out = (struct vindex_params){0};
    if (json == NULL || *json == 0)
        return true;
    json_error_t where;
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (root == NULL)
        return err_set(e, ERR_VSCHEMA, "vindex %s: the parameters are not JSON: %s", vindex,
                       where.text);
    bool ok = json_is_object(root) || json_is_null(root);
    if (!ok)
        err_set(e, ERR_VSCHEMA, "vindex %s: the parameters are not an object", vindex);
    ok = ok && add_params(vindex, root, out, e);
    json_decref(root);
    if (!ok)
        vindex_params_fini(out);
    return ok;
}

void vindex_params_fini(struct vindex_params *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->items[i].name);
        free(p->items[i].value);
    }
    free(p->items);
    *p = (struct vindex_params){0};
}

const char *vindex_param(const struct vindex_params *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->items[i].name, name) == 0)
            return p->items[i].value;
    return NULL;
}

/* A sign and digits: no white space, no other base. */
bool vindex_param_int(const char *vindex, const char *name, const char *text, int *out,
                      struct err *e)
{
    const char *digits = text + (*text == '-' || *text == '+');
    size_t n = strspn(digits, "0123456789");
    if (n == 0 || n > 9 || digits[n] != 0)
        return err_set(e, ERR_VSCHEMA, "vindex %s: %s: '%.100s' is not a number", vindex, name,
                       text);
    int value = 0;
    for (size_t i = 0; i < n; i++)
        value = value * 10 + (digits[i] - '0');
    *out = *text == '-' ? -value : value;
    return true;
}

bool vindex_param_bool(const char *vindex, const struct vindex_params *p, const char *name,
                       bool *out, struct err *e)
{
    const char *text = vindex_param(p, name);
    *out = text != NULL && strcmp(text, "true") == 0;
    return text == NULL || *out || strcmp(text, "false") == 0 ||
           err_set(e, ERR_VSCHEMA, "vindex %s: %s is 'true' or 'false', not '%.100s'", vindex, name,
                   text);
}

/* ---- objects of numbers ---- */

struct reader {
    const char *vindex, *at;
    struct vindex_pair *pairs;
    size_t n, cap;
};

static bool bad_json(const struct reader *r, const char *what, struct err *e)
{
    return err_set(e, ERR_VSCHEMA,
                   "vindex %s: the map is a JSON object of names and whole numbers: %s at '%.40s'",
                   r->vindex, what, r->at);
}

static char next_char(struct reader *r)
{
    r->at += strspn(r->at, " \t\r\n");
    return *r->at;
}

static bool read_name(struct reader *r, char **out, struct err *e)
{
    json_error_t where;
    if (next_char(r) != '"')
        return bad_json(r, "a name is missing", e);
    json_t *name = json_loads(r->at, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &where);
    if (name == NULL)
        return bad_json(r, where.text, e);
    *out = mem_strdup(json_string_value(name));
    r->at += where.position;
    json_decref(name);
    return true;
}

static bool read_number(struct reader *r, uint64_t *out, struct err *e)
{
    next_char(r);
    size_t n = strspn(r->at, "0123456789");
    bool ok = n > 0 && (n == 1 || r->at[0] != '0') &&
              strchr(".eE", r->at[n] != 0 ? r->at[n] : ' ') == NULL;
    *out = 0;
    for (size_t i = 0; ok && i < n; i++)
        ok = !__builtin_mul_overflow(*out, 10, out) &&
             !__builtin_add_overflow(*out, (uint64_t)(r->at[i] - '0'), out);
    if (!ok)
        return bad_json(r, "no number from 0 to 18446744073709551615", e);
    r->at += n;
    return true;
}

static bool read_pair(struct reader *r, struct err *e)
{
    char *name CLEANUP(mem_free_ptr) = NULL;
    uint64_t value;
    if (!read_name(r, &name, e))
        return false;
    if (next_char(r) != ':')
        return bad_json(r, "':' is missing", e);
    r->at++;
    if (!read_number(r, &value, e))
        return false;
    mem_grow((void **)&r->pairs, &r->cap, r->n + 1, sizeof *r->pairs);
    r->pairs[r->n++] = (struct vindex_pair){name, value};
    name = NULL;
    return true;
}

static bool read_pairs(struct reader *r, struct err *e)
{
    if (next_char(r) != '{')
        return bad_json(r, "no object", e);
    r->at++;
    if (next_char(r) == '}') {
        r->at++;
        return next_char(r) == 0 || bad_json(r, "more than the object", e);
    }
    for (;;) {
        if (!read_pair(r, e))
            return false;
        char c = next_char(r);
        if (c != ',' && c != '}')
            return bad_json(r, "',' is missing", e);
        r->at++;
        if (c == '}')
            return next_char(r) == 0 || bad_json(r, "more than the object", e);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct vindex_pair *)a)->name, ((const struct vindex_pair *)b)->name);
}

static bool sort_pairs(struct reader *r, struct err *e)
{
    if (r->n > 0)
        qsort(r->pairs, r->n, sizeof *r->pairs, by_name);
    for (size_t i = 1; i < r->n; i++)
        if (strcmp(r->pairs[i - 1].name, r->pairs[i].name) == 0)
            return err_set(e, ERR_VSCHEMA, "vindex %s: the map has the name '%.100s' twice",
                           r->vindex, r->pairs[i].name);
    return true;
}

bool vindex_pairs_parse(const char *vindex, const char *json, struct vindex_pair **out, size_t *n,
                        struct err *e)
{
    struct reader r = {.vindex = vindex, .at = json};
    bool ok = read_pairs(&r, e) && sort_pairs(&r, e);
    if (!ok) {
        vindex_pairs_free(r.pairs, r.n);
        r.pairs = NULL;
        r.n = 0;
    }
    *out = r.pairs;
    *n = r.n;
    return ok;
}

void vindex_pairs_free(struct vindex_pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(pairs[i].name);
    free(pairs);
}

/* As strcmp would order a name that may hold zero bytes. */
static int compare_name(const char *name, size_t name_len, const char *other)
{
    size_t n = strlen(other), least = n < name_len ? n : name_len;
    int c = memcmp(name, other, least);
    return c != 0 ? c : (name_len > n) - (name_len < n);
}

const struct vindex_pair *vindex_pairs_find(const struct vindex_pair *pairs, size_t n,
                                            const char *name, size_t name_len)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare_name(name, name_len, pairs[middle].name);
        if (c == 0)
            return &pairs[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

void vindex_pairs_digest(const struct vindex_pair *pairs, size_t n, struct buf *out)
{
    struct buf text CLEANUP(buf_fini) = BUF_INIT, digest CLEANUP(buf_fini) = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        buf_put(&text, pairs[i].name, strlen(pairs[i].name) + 1);
        buf_put_u64(&text, pairs[i].value);
        buf_put_u8(&text, ',');
    }
    bool ok = vindex_md5(buf_str(&text), text.len, &digest);
    assert(ok); /* the digest of vindexes is there, or the vindex could not be made */
    (void)ok;
    buf_put_hex(out, buf_str(&digest), digest.len);
}
