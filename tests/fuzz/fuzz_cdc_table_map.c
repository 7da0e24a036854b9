/* tests/fuzz/fuzz_cdc_table_map.c — any bytes as a table map: what is accepted is a definition
 * whose numbers, names and labels are consistent, and whose rows of NULLs can be read.
 *
 * Input: byte 0 chooses the server, then the event's body behind the table id.
 */
#include "cdc/log/decode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static uint8_t event[19 + 6 + 20000];

static void require(bool condition)
{
    if (!condition)
        abort();
}

static size_t put_event(uint8_t type, const void *body, size_t n)
{
    uint32_t length = (uint32_t)(19 + n);
    memset(event, 0, 19);
    event[0] = 1;
    event[4] = type;
    memcpy(event + 9, &length, sizeof length);
    memcpy(event + 19, body, n);
    return length;
}

static size_t put_format(bool mariadb)
{
    uint8_t body[57 + 172 + 5] = {4};
    memcpy(body + 2, mariadb ? "10.11.0-MariaDB" : "9.7.0", mariadb ? 15 : 5);
    body[56] = 19;
    memset(body + 57, 8, 172);
    return put_event(15, body, sizeof body);
}

static size_t put_map(const uint8_t *data, size_t n)
{
    static uint8_t body[6 + 20000] = {9};
    memcpy(body + 6, data, n);
    return put_event(19, body, 6 + n);
}

static void check_column(const struct schema_column *c, bool named)
{
    require(!named || (c->name && strlen(c->name) < 20000));
    require(c->n_labels == 0 || (c->labels && c->label_known));
    for (size_t i = 0; i < c->n_labels; i++)
        require(c->labels[i].p != NULL);
}

static void check_table(const struct schema_table *t)
{
    require(t->n_columns > 0 && t->n_pk <= t->n_columns);
    for (size_t i = 0; i < t->n_pk; i++)
        require(t->pk[i] < t->n_columns);
    for (size_t i = 0; i < t->n_columns; i++)
        check_column(&t->columns[i], t->full_metadata);
}

/* Called where names are missing; the others are seen with their rows. */
static const struct schema_table *see(void *ctx, const struct log_span *at,
                                      const struct schema_table *log, struct err *e)
{
    size_t *n_columns = ctx;
    (void)at;
    (void)e;
    *n_columns = log->n_columns;
    check_table(log);
    return NULL;
}

/* The number of columns as it stands behind the two names, when it is small. */
static size_t small_count(const uint8_t *p, size_t n)
{
    size_t at = 2;
    for (int name = 0; name < 2 && at < n; name++)
        at += (size_t)p[at] + 2;
    return at < n && p[at] < 200 ? p[at] : 0;
}

static void read_rows(struct cdc_decoder *d, size_t n_columns)
{
    uint8_t body[11 + 2 * 25] = {9, 0, 0, 0, 0, 0, 1, 0, 2, 0, (uint8_t)n_columns};
    size_t bitmap = (n_columns + 7) / 8;
    struct cdc_batch *b;
    struct err e;
    memset(body + 11, 0xff, 2 * bitmap);
    if (!cdc_decoder_feed(d, event, put_event(30, body, 11 + 2 * bitmap), &e))
        return;
    while ((b = cdc_decoder_take(d, true)) != NULL) {
        for (size_t i = 0; i < b->n_changes; i++) {
            if (b->changes[i].kind == CDC_ROWS)
                check_table(b->changes[i].rows.table);
        }
        cdc_batch_unref(b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    size_t seen = 0;
    if (n < 2 || n > 20000)
        return 0;
    struct cdc_decode_options o = {.schema = see, .schema_ctx = &seen};
    struct cdc_decoder *d = cdc_decoder_new(&o, NULL);
    struct err e;
    require(cdc_decoder_feed(d, event, put_format(data[0] & 1), &e));
    if (cdc_decoder_feed(d, event, put_map(data + 1, n - 1), &e)) {
        size_t n_columns = small_count(data + 1, n - 1);
        if (n_columns > 0)
            read_rows(d, n_columns);
    }
    cdc_decoder_free(d);
    return 0;
}
