/* base/buf.h — a growable byte buffer with a hard maximum; also the way to build strings. */
#ifndef SLUICE_BASE_BUF_H
#define SLUICE_BASE_BUF_H

#include "base/err.h"
#include <stdarg.h>
#include <stdint.h>

/* Invariants: len ≤ cap ≤ max; data[len] is 0 whenever data is not NULL. A write that would pass
 * max sets `failed`, and stays without effect; every later write too (sticky), so one check at the
 * end is enough. Allocation failure aborts the process. */
struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max; /* 0 means BUF_DEFAULT_MAX */
    bool failed;
};

#define BUF_DEFAULT_MAX ((size_t)2200 * 1024 * 1024)
#define BUF_INIT                                                                                   \
    {                                                                                              \
        0                                                                                          \
    }

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
void buf_reset(struct buf *b); /* len 0, memory kept, failed cleared */
/* Makes room for n more bytes and returns where they go (len is not moved); NULL if it would pass
 * max. */
uint8_t *buf_reserve(struct buf *b, size_t n);
bool buf_put(struct buf *b, const void *p, size_t n);
bool buf_put_str(struct buf *b, const char *s);
bool buf_put_u8(struct buf *b, uint8_t v);
bool buf_put_le(struct buf *b, uint64_t v, unsigned n_bytes); /* 1–8 */
bool buf_put_be(struct buf *b, uint64_t v, unsigned n_bytes);
bool buf_printf(struct buf *b, const char *fmt, ...) ERR_PRINTF(2, 3);
bool buf_put_u64(struct buf *b, uint64_t v); /* decimal text */
bool buf_put_i64(struct buf *b, int64_t v);
bool buf_put_hex(struct buf *b, const void *p, size_t n); /* lower case */
bool buf_put_base64(struct buf *b, const void *p, size_t n);
/* s as the inside of a JSON string (no quotes): ", \ and controls escaped, the rest as it is
 * (UTF-8). */
bool buf_put_json_escaped(struct buf *b, const char *s, size_t n);
/* A MySQL identifier in backticks, backticks doubled. */
bool buf_put_ident(struct buf *b, const char *name);
/* `database`.`table`, each as buf_put_ident writes it. */
bool buf_put_table_name(struct buf *b, const char *database, const char *table);
/* A MySQL string literal of text that is valid UTF-8 or binary: '…' with \ ' NUL \n \r \x1a
 * escaped; only for sessions whose sql_mode lacks NO_BACKSLASH_ESCAPES (all of ours). */
bool buf_put_sql_string(struct buf *b, const void *p, size_t n);
/* `before` as it is, then text as such a literal: " AND `tab` = " and a name. */
bool buf_put_sql_text(struct buf *b, const char *before, const char *text);
const char *buf_str(const struct buf *b); /* never NULL */
/* Takes the bytes out as a malloc'ed zero-terminated string; b is empty afterwards. */
char *buf_take(struct buf *b);

#endif
