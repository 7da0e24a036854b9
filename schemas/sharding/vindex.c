/* schemas/sharding/vindex.c — the seven vindex functions, one row of a table each.
 *
 * A value is a 64-bit number or bytes, according to the function (go/vt/vtgate/vindexes): `hash`
 * enciphers the big-endian number with single DES and a zero key, `numeric` and `reverse_bits`
 * write it, the others take the value's text as it is.
 */
/* The low-level DES of libcrypto 3 is deprecated for a provider that a system need not have. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "schemas/sharding/vindex.h"
#include "base/mem.h"
#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/des.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

enum { ID_BYTES = 8, MD5_BYTES = 16 };

struct function {
    const char *type;
    enum vindex_result (*map)(const struct vindex *v, const struct vindex_input *in,
                              struct buf *out);
    bool (*reverse)(const struct vindex *v, uint64_t id, uint64_t *value); /* NULL: cannot */
    bool keeps_order;
};

struct vindex {
    const struct function *function;
    char *name;
    DES_key_schedule zero_key; /* hash only */
};

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Decimal digits with white space around; no sign. */
static bool parse_digits(const uint8_t *p, size_t n, uint64_t *out)
{
    while (n > 0 && is_space(p[0])) {
        p++;
        n--;
    }
    while (n > 0 && is_space(p[n - 1]))
        n--;
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(p[i] - '0'), &value))
            return false;
    }
    *out = value;
    return n > 0;
}

static bool input_number(const struct vindex_input *in, bool negative_allowed, uint64_t *out)
{
    switch (in->kind) {
    case VINDEX_IN_NULL:
        return false;
    case VINDEX_IN_I64:
        *out = (uint64_t)in->i64;
        return in->i64 >= 0 || negative_allowed;
    case VINDEX_IN_U64:
        *out = in->u64;
        return true;
    case VINDEX_IN_BYTES:
        return parse_digits(in->p, in->n, out);
    }
    return false;
}

struct text {
    const uint8_t *p;
    size_t n;
    char digits[24];
};

/* The value as the server prints it; NULL is empty. */
static void input_text(const struct vindex_input *in, struct text *t)
{
    t->p = (const uint8_t *)t->digits;
    t->n = 0;
    switch (in->kind) {
    case VINDEX_IN_NULL:
        break;
    case VINDEX_IN_I64:
        t->n = (size_t)snprintf(t->digits, sizeof t->digits, "%" PRId64, in->i64);
        break;
    case VINDEX_IN_U64:
        t->n = (size_t)snprintf(t->digits, sizeof t->digits, "%" PRIu64, in->u64);
        break;
    case VINDEX_IN_BYTES:
        t->p = in->p;
        t->n = in->n;
        break;
    }
}

static uint64_t des_block(const struct vindex *v, uint64_t number, int direction)
{
    DES_cblock in, out;
    for (int i = 0; i < ID_BYTES; i++)
        in[i] = (uint8_t)(number >> (56 - 8 * i));
    DES_key_schedule key = v->zero_key; /* the function takes it without const */
    DES_ecb_encrypt(&in, &out, &key, direction);
    uint64_t result = 0;
    for (int i = 0; i < ID_BYTES; i++)
        result = result << 8 | out[i];
    return result;
}

static uint64_t reverse_u64(uint64_t v)
{
    uint64_t r = 0;
    for (int i = 0; i < 64; i++, v >>= 1)
        r = r << 1 | (v & 1);
    return r;
}

static enum vindex_result map_hash(const struct vindex *v, const struct vindex_input *in,
                                   struct buf *out)
{
    uint64_t number;
    if (!input_number(in, true, &number))
        return VINDEX_NONE;
    buf_put_be(out, des_block(v, number, DES_ENCRYPT), ID_BYTES);
    return VINDEX_KSID;
}

static bool unmap_hash(const struct vindex *v, uint64_t id, uint64_t *value)
{
    *value = des_block(v, id, DES_DECRYPT);
    return true;
}

static enum vindex_result map_numeric(const struct vindex *v, const struct vindex_input *in,
                                      struct buf *out)
{
    (void)v;
    uint64_t number;
    if (!input_number(in, false, &number))
        return VINDEX_NONE;
    buf_put_be(out, number, ID_BYTES);
    return VINDEX_KSID;
}

static bool unmap_numeric(const struct vindex *v, uint64_t id, uint64_t *value)
{
    (void)v;
    *value = id;
    return true;
}

static enum vindex_result map_reverse_bits(const struct vindex *v, const struct vindex_input *in,
                                           struct buf *out)
{
    (void)v;
    uint64_t number;
    if (!input_number(in, false, &number))
        return VINDEX_NONE;
    buf_put_be(out, reverse_u64(number), ID_BYTES);
    return VINDEX_KSID;
}

static bool unmap_reverse_bits(const struct vindex *v, uint64_t id, uint64_t *value)
{
    (void)v;
    *value = reverse_u64(id);
    return true;
}

static enum vindex_result map_xxhash(const struct vindex *v, const struct vindex_input *in,
                                     struct buf *out)
{
    (void)v;
    struct text t;
    input_text(in, &t);
    buf_put_le(out, XXH64(t.p, t.n, 0), ID_BYTES);
    return VINDEX_KSID;
}

static enum vindex_result map_binary(const struct vindex *v, const struct vindex_input *in,
                                     struct buf *out)
{
    (void)v;
    struct text t;
    input_text(in, &t);
    buf_put(out, t.p, t.n);
    return VINDEX_KSID;
}

static enum vindex_result map_binary_md5(const struct vindex *v, const struct vindex_input *in,
                                         struct buf *out)
{
    (void)v;
    struct text t;
    input_text(in, &t);
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_Digest(t.p, t.n, digest, &n, EVP_md5(), NULL) != 1 || n != MD5_BYTES)
        return VINDEX_ERROR;
    buf_put(out, digest, n);
    return VINDEX_KSID;
}

static enum vindex_result map_null(const struct vindex *v, const struct vindex_input *in,
                                   struct buf *out)
{
    (void)v;
    (void)in;
    buf_put_u8(out, 0);
    return VINDEX_KSID;
}

static const struct function functions[] = {
    {"hash", map_hash, unmap_hash, false},
    {"xxhash", map_xxhash, NULL, false},
    {"numeric", map_numeric, unmap_numeric, true},
    {"binary", map_binary, NULL, true},
    {"binary_md5", map_binary_md5, NULL, false},
    {"reverse_bits", map_reverse_bits, unmap_reverse_bits, false},
    {"null", map_null, NULL, false},
};

static const struct function *find_function(const char *type)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (strcmp(functions[i].type, type) == 0)
            return &functions[i];
    return NULL;
}

/* None of the functions has a parameter: only an empty object is right. */
static bool check_params(const char *name, const char *type, const char *params_json, struct err *e)
{
    if (!params_json || !*params_json)
        return true;
    json_error_t where;
    json_t *params = json_loads(params_json, JSON_REJECT_DUPLICATES, &where);
    if (!params)
        return err_set(e, ERR_VSCHEMA, "vindex %s: the parameters are not JSON: %s", name,
                       where.text);
    bool ok = true;
    if (!json_is_object(params) && !json_is_null(params))
        ok = err_set(e, ERR_VSCHEMA, "vindex %s: the parameters are not an object", name);
    else if (json_object_size(params) > 0)
        ok = err_set(e, ERR_VSCHEMA, "vindex %s: type %s has no parameter '%.100s'", name, type,
                     json_object_iter_key(json_object_iter(params)));
    json_decref(params);
    return ok;
}

struct vindex *vindex_new(const char *name, const char *type, const char *params_json,
                          struct err *e)
{
    const struct function *function = find_function(type);
    if (!function) {
        err_set(e, ERR_VSCHEMA, "vindex %.100s: type '%.100s' is not known", name, type);
        err_cure(e, "use one of hash, xxhash, numeric, binary, binary_md5, reverse_bits, null");
        return NULL;
    }
    if (!check_params(name, type, params_json, e))
        return NULL;
    struct vindex *v = mem_alloc(sizeof *v);
    v->function = function;
    v->name = mem_strdup(name);
    DES_cblock zero = {0};
    DES_set_key_unchecked(&zero, &v->zero_key);
    return v;
}

void vindex_free(struct vindex *v)
{
    if (!v)
        return;
    mem_free_ptr(&v->name);
    mem_free_ptr(&v);
}

const char *vindex_name(const struct vindex *v)
{
    return v->name;
}

const char *vindex_type(const struct vindex *v)
{
    return v->function->type;
}

bool vindex_keeps_order(const struct vindex *v)
{
    return v->function->keeps_order;
}

enum vindex_result vindex_map_buf(const struct vindex *v, const struct vindex_input *in,
                                  size_t n_in, struct buf *out, struct err *e)
{
    if (n_in != 1) {
        err_set(e, ERR_VINDEX, "vindex %s of type %s takes one column, not %zu", v->name,
                v->function->type, n_in);
        return VINDEX_ERROR;
    }
    enum vindex_result result = v->function->map(v, in, out);
    if (result == VINDEX_ERROR)
        err_set(e, ERR_VINDEX, "vindex %s: the digest could not be computed", v->name);
    if (result == VINDEX_KSID && out->failed) {
        err_set(e, ERR_VINDEX, "vindex %s: the keyspace id is longer than %zu bytes", v->name,
                out->max);
        return VINDEX_ERROR;
    }
    return result;
}

enum vindex_result vindex_map(const struct vindex *v, const struct vindex_input *in, size_t n_in,
                              struct ksid *out, struct err *e)
{
    /* A buffer that is full at its maximum never allocates: this runs for each row. */
    uint8_t bytes[KSID_MAX + 1];
    struct buf id = {.data = bytes, .cap = KSID_MAX, .max = KSID_MAX};
    enum vindex_result result = vindex_map_buf(v, in, n_in, &id, e);
    assert(id.data == bytes && id.len <= KSID_MAX);
    memcpy(out->bytes, bytes, id.len);
    out->n = result == VINDEX_KSID ? (uint8_t)id.len : 0;
    return result;
}

bool vindex_reverse(const struct vindex *v, const uint8_t *id, size_t n, struct vindex_input *out,
                    struct err *e)
{
    if (v->function->map == map_binary) {
        *out = (struct vindex_input){.kind = VINDEX_IN_BYTES, .p = id, .n = n};
        return true;
    }
    if (!v->function->reverse)
        return err_set(e, ERR_VINDEX, "vindex type %s cannot be reversed", v->function->type);
    if (n != ID_BYTES)
        return err_set(e, ERR_VINDEX, "a keyspace id of type %s has 8 bytes, not %zu",
                       v->function->type, n);
    uint64_t number = 0;
    for (size_t i = 0; i < n; i++)
        number = number << 8 | id[i];
    *out = (struct vindex_input){.kind = VINDEX_IN_U64};
    return v->function->reverse(v, number, &out->u64);
}
