/* cdc/reader_skip.c — a transaction is read again from its start: takes out what was delivered
 * before.
 *
 * What lies before the point is known as a number of rows (position.seq; the same on every server,
 * however it cuts the rows into events) and a number of other changes (DDL, JOURNAL). Rows of an
 * event that straddles the point are cut off at a row's edge. The transaction must be the same one:
 * another GTID means that the server lost what it had sent.
 */
#include "cdc/reader_internal.h"

#include <assert.h>
#include <string.h>

void reader_skip_init(struct reader_skip *s, const struct resume_point *resume)
{
    *s = (struct reader_skip){
        .active = resume->in_tx || resume->pos.seq > 0,
        .drop_begin = resume->in_tx,
        .want = resume->open_gtid,
        .any_others = !resume->in_tx,
        .rows = resume->pos.seq,
        .others = resume->others,
    };
}

static bool same_gtid(const struct gtid *a, const struct gtid *b)
{
    return a->flavor == b->flavor && a->seq == b->seq && a->domain_id == b->domain_id &&
           a->server_id == b->server_id && memcmp(a->uuid, b->uuid, sizeof a->uuid) == 0 &&
           strcmp(a->tag, b->tag) == 0;
}

static bool lost_transaction(const struct reader_skip *s, struct err *e)
{
    struct buf gtid = BUF_INIT;
    gtid_print(&s->want, &gtid);
    err_set(e, ERR_SRC_AHEAD, "the transaction %s that was being delivered is no longer in the log",
            gtid.len ? buf_str(&gtid) : "without GTID");
    buf_fini(&gtid);
    return err_cure(
        e, "the source lost transactions that it had sent; compare with `vdiff`, then start anew");
}

/* Cuts the first n rows off. The images were validated when they were decoded. */
static bool cut_rows(struct cdc_rows *rows, uint32_t n, struct err *e)
{
    struct cdc_rows_iter it;
    cdc_rows_begin(&it, rows);
    for (uint32_t i = 0; i < n; i++) {
        if (cdc_rows_next(&it, NULL, NULL, e) != CDC_ROWS_ROW)
            return false;
    }
    rows->images_len -= (size_t)(it.at - rows->images);
    rows->images = it.at;
    rows->n_rows -= n;
    rows->first_seq += n;
    rows->first_row += n;
    return true;
}

enum verdict { KEEP, DROP, FAIL };

static enum verdict judge_rows(struct reader_skip *s, struct cdc_rows *rows, struct err *e)
{
    uint64_t end = (uint64_t)rows->first_seq + rows->n_rows;
    if (end <= s->rows)
        return DROP;
    if (rows->first_seq < s->rows && !cut_rows(rows, (uint32_t)(s->rows - rows->first_seq), e))
        return FAIL;
    s->rows = 0; /* the place is reached */
    s->any_others = false;
    return KEEP;
}

static enum verdict judge(struct reader_skip *s, struct cdc_change *c, struct err *e)
{
    switch (c->kind) {
    case CDC_BEGIN:
        if (s->drop_begin && !same_gtid(&c->begin.gtid, &s->want)) {
            lost_transaction(s, e);
            return FAIL;
        }
        return s->drop_begin ? DROP : KEEP;
    case CDC_ROWS:
        return judge_rows(s, &c->rows, e);
    case CDC_DDL:
    case CDC_JOURNAL:
    case CDC_GAP:
        if (s->others) {
            s->others--;
            return DROP;
        }
        return s->any_others && s->rows ? DROP : KEEP;
    case CDC_COMMIT:
    case CDC_ROLLBACK:
        s->active = false;
        return KEEP;
    case CDC_HEARTBEAT:
    case CDC_COPY_ROWS:
        return KEEP;
    }
    return KEEP;
}

bool reader_skip_apply(struct reader_skip *s, struct cdc_batch *b, struct err *e)
{
    size_t kept = 0;
    assert(b->refs == 1);
    for (size_t i = 0; i < b->n_changes; i++) {
        enum verdict v = s->active ? judge(s, &b->changes[i], e) : KEEP;
        if (v == FAIL)
            return false;
        if (v == KEEP)
            b->changes[kept++] = b->changes[i];
    }
    b->n_changes = kept;
    return true;
}
