/* schemas/sharding/vindex_plain.c — the functions of one value: hash, xxhash, numeric, reverse_bits,
 * binary, binary_md5, null.
 *
 * A value is a 64-bit number or bytes, according to the function (go/vt/vtgate/vindexes): `hash`
 * enciphers the big-endian number with single DES and a zero key, `numeric` and `reverse_bits`
 * write it, the others take the value's text as it is.
 */
/* The low-level DES of libcrypto 3 is deprecated for a provider that a system need not have. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/mem.h"
#include "schemas/sharding/vindex_internal.h"
#include <inttypes.h>
#include <openssl/des.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { MD5_BYTES = 16 };

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

bool vindex_input_number(const struct vindex_input *in, bool negative_allowed, uint64_t *out)
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

void vindex_input_text(const struct vindex_input *in, struct vindex_text *t)
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
    for (int i = 0; i < VINDEX_ID_BYTES; i++)
        in[i] = (uint8_t)(number >> (56 - 8 * i));
    DES_key_schedule key = *(const DES_key_schedule *)v->own; /* it is taken without const */
    DES_ecb_encrypt(&in, &out, &key, direction);
    uint64_t result = 0;
    for (int i = 0; i < VINDEX_ID_BYTES; i++)
        result = result << 8 | out[i];
    return result;
}

static bool create_hash(struct vindex *v, const struct vindex_params *p, struct err *e)
{
    (void)p;
    (void)e;
    DES_cblock zero = {0};
    v->own = mem_alloc(sizeof(DES_key_schedule));
    DES_set_key_unchecked(&zero, v->own);
    return true;
}

static void destroy_hash(struct vindex *v)
{
    mem_free_ptr(&v->own);
}

static uint64_t reverse_u64(uint64_t v)
{
    uint64_t r = 0;
    for (int i = 0; i < 64; i++, v >>= 1)
        r = r << 1 | (v & 1);
    return r;
}

static enum vindex_result map_hash(const struct vindex *v, const struct vindex_input *in,
                                   size_t n_in, struct buf *out, struct err *e)
{
    (void)n_in;
    (void)e;
    uint64_t number;
    if (!vindex_input_number(in, true, &number))
        return VINDEX_NONE;
    buf_put_be(out, des_block(v, number, DES_ENCRYPT), VINDEX_ID_BYTES);
    return VINDEX_KSID;
}

static bool unmap_hash(const struct vindex *v, uint64_t id, uint64_t *value)
{
    *value = des_block(v, id, DES_DECRYPT);
    return true;
}

static enum vindex_result map_numeric(const struct vindex *v, const struct vindex_input *in,
                                      size_t n_in, struct buf *out, struct err *e)
{
    (void)v;
    (void)n_in;
    (void)e;
    uint64_t number;
    if (!vindex_input_number(in, false, &number))
        return VINDEX_NONE;
    buf_put_be(out, number, VINDEX_ID_BYTES);
    return VINDEX_KSID;
}

static bool unmap_numeric(const struct vindex *v, uint64_t id, uint64_t *value)
{
    (void)v;
    *value = id;
    return true;
}

static enum vindex_result map_reverse_bits(const struct vindex *v, const struct vindex_input *in,
                                           size_t n_in, struct buf *out, struct err *e)
{
    (void)v;
    (void)n_in;
    (void)e;
    uint64_t number;
    if (!vindex_input_number(in, false, &number))
        return VINDEX_NONE;
    buf_put_be(out, reverse_u64(number), VINDEX_ID_BYTES);
    return VINDEX_KSID;
}

static bool unmap_reverse_bits(const struct vindex *v, uint64_t id, uint64_t *value)
{
    (void)v;
    *value = reverse_u64(id);
    return true;
}

void vindex_xxhash(const void *p, size_t n, struct buf *out)
{
    buf_put_le(out, XXH64(p, n, 0), VINDEX_ID_BYTES);
}

static enum vindex_result map_xxhash(const struct vindex *v, const struct vindex_input *in,
                                     size_t n_in, struct buf *out, struct err *e)
{
    (void)v;
    (void)n_in;
    (void)e;
    struct vindex_text t;
    vindex_input_text(in, &t);
    vindex_xxhash(t.p, t.n, out);
    return VINDEX_KSID;
}

static enum vindex_result map_binary(const struct vindex *v, const struct vindex_input *in,
                                     size_t n_in, struct buf *out, struct err *e)
{
    (void)v;
    (void)n_in;
    (void)e;
    struct vindex_text t;
    vindex_input_text(in, &t);
    buf_put(out, t.p, t.n);
    return VINDEX_KSID;
}

bool vindex_md5(const void *p, size_t n, struct buf *out)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (EVP_Digest(p, n, digest, &length, EVP_md5(), NULL) != 1 || length != MD5_BYTES)
        return false;
    buf_put(out, digest, length);
    return true;
}

enum vindex_result vindex_md5_id(const struct vindex *v, const void *p, size_t n, struct buf *out,
                                 struct err *e)
{
    if (vindex_md5(p, n, out))
        return VINDEX_KSID;
    err_set(e, ERR_VINDEX, "vindex %s: the digest could not be computed", v->name);
    return VINDEX_ERROR;
}

static enum vindex_result map_binary_md5(const struct vindex *v, const struct vindex_input *in,
                                         size_t n_in, struct buf *out, struct err *e)
{
    (void)n_in;
    struct vindex_text t;
    vindex_input_text(in, &t);
    return vindex_md5_id(v, t.p, t.n, out, e);
}

static enum vindex_result map_null(const struct vindex *v, const struct vindex_input *in,
                                   size_t n_in, struct buf *out, struct err *e)
{
    (void)v;
    (void)in;
    (void)n_in;
    (void)e;
    buf_put_u8(out, 0);
    return VINDEX_KSID;
}

const char *const vindex_no_params[] = {NULL};

const struct vindex_kind vindex_kinds_plain[] = {
    {.type = "hash",
     .params = vindex_no_params,
     .columns = 1,
     .create = create_hash,
     .destroy = destroy_hash,
     .map = map_hash,
     .reverse = unmap_hash,
     .cost = 1,
     .hashing = true,
     .unique = true},
    {.type = "xxhash",
     .params = vindex_no_params,
     .columns = 1,
     .map = map_xxhash,
     .cost = 1,
     .hashing = true,
     .unique = true},
    {.type = "numeric",
     .params = vindex_no_params,
     .columns = 1,
     .map = map_numeric,
     .reverse = unmap_numeric,
     .keeps_order = true,
     .hashing = true,
     .unique = true},
    {.type = "reverse_bits",
     .params = vindex_no_params,
     .columns = 1,
     .map = map_reverse_bits,
     .reverse = unmap_reverse_bits,
     .cost = 1,
     .hashing = true,
     .unique = true},
    {.type = "binary",
     .params = vindex_no_params,
     .columns = 1,
     .map = map_binary,
     .keeps_order = true,
     .hashing = true,
     .unique = true},
    {.type = "binary_md5",
     .params = vindex_no_params,
     .columns = 1,
     .map = map_binary_md5,
     .cost = 1,
     .hashing = true,
     .unique = true},
    {.type = "null",
     .params = vindex_no_params,
     .columns = 1,
     .map = map_null,
     .cost = 100,
     .unique = true},
    {.type = NULL},
};
