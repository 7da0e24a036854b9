/* vrepl/move/target_tx.c — the statements of cdc/sidecar/epoch_row.h and position_row.h, prepared
 * once a connection. */
#include "vrepl/move/target_tx.h"

#include "base/mem.h"
#include "cdc/sidecar/epoch_row.h"
#include "cdc/sidecar/position_row.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum statement { READ_EPOCH, MARK, MARK_AND_MOVE, FINISH, N_STATEMENTS };
static const char *const texts[N_STATEMENTS] = {
    [READ_EPOCH] = epoch_row_read_sql,
    [MARK] = position_row_mark_sql,
    [MARK_AND_MOVE] = position_row_move_sql,
    [FINISH] = position_row_finish_sql,
};
static const char *const phase_names[] = {
    [COPY_PHASE_ROUNDS] = POSITION_PHASE_COPY,
    [COPY_PHASE_CATCHUP] = POSITION_PHASE_CATCHUP,
    [COPY_PHASE_PLAIN] = POSITION_PHASE_PLAIN,
};

struct target_tx {
    struct my_conn *conn;
    struct target_tx_key key;
    struct my_stmt *statements[N_STATEMENTS];
    struct buf text;
    bool open;
};

void target_row_fini(struct target_row *r)
{
    position_fini(&r->pos);
    position_fini(&r->high_pos);
}

struct my_conn *target_connect(const struct my_params *p, const char *role, struct err *e)
{
    struct my_conn *c = my_connect(p, role, e);
    if (!c || my_limit_silence(c, TARGET_SILENCE_S, e))
        return c;
    my_close(c);
    return NULL;
}

struct target_tx *target_tx_new(struct my_conn *c, const struct target_tx_key *key)
{
    struct target_tx *t = mem_alloc(sizeof *t);
    t->conn = c;
    t->key = *key;
    return t;
}

void target_tx_free(struct target_tx *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < N_STATEMENTS; i++)
        my_stmt_free(t->statements[i]);
    buf_fini(&t->text);
    free(t);
}

static struct my_stmt *statement(struct target_tx *t, enum statement which, struct err *e)
{
    if (!t->statements[which])
        t->statements[which] = my_prepare(t->conn, texts[which], e);
    return t->statements[which];
}

static struct sidecar_key row_key(const struct target_tx *t)
{
    return (struct sidecar_key){t->key.workflow, t->key.stream};
}

static struct my_value text_value(const char *s)
{
    return (struct my_value){.type = MY_VALUE_BYTES, .v.bytes = {.p = s, .n = strlen(s)}};
}

static struct my_value number_value(uint64_t n)
{
    return (struct my_value){.type = MY_VALUE_U64, .v.u64 = n};
}

static const char *position_into(struct target_tx *t, const struct position *pos)
{
    buf_reset(&t->text);
    position_print(pos, &t->text);
    return buf_str(&t->text);
}

static bool fetch_epoch(struct my_stmt *s, bool *found, uint64_t *epoch, struct err *e)
{
    struct my_wire cell[1];
    enum my_next next = my_stmt_next(s, cell, e);
    *found = next == MY_ROW;
    *epoch = 0;
    if (*found) {
        for (size_t i = 0; i < 8 && cell[0].p && i < cell[0].n; i++)
            *epoch |= (uint64_t)cell[0].p[i] << (8 * i);
    }
    my_stmt_reset(s);
    return next != MY_FAIL;
}

static bool read_epoch(struct target_tx *t, bool *found, uint64_t *epoch, struct err *e)
{
    struct my_stmt *s = statement(t, READ_EPOCH, e);
    const struct my_value params[] = {text_value(t->key.workflow), text_value(t->key.stream)};
    return s && my_stmt_query(s, params, e) && fetch_epoch(s, found, epoch, e);
}

static bool fenced(const struct target_tx *t, bool found, uint64_t epoch, struct err *e)
{
    if (!found)
        return err_set(e, ERR_WF_FENCED, "%s %s: the target has no epoch row of this stream",
                       t->key.workflow, t->key.stream);
    return err_set(e, ERR_WF_FENCED, "%s %s: epoch %llu stands on the target, ours is %llu",
                   t->key.workflow, t->key.stream, (unsigned long long)epoch,
                   (unsigned long long)t->key.epoch);
}

static bool raise_epoch(struct target_tx *t, struct err *e)
{
    const struct my_value params[] = {text_value(t->key.workflow), text_value(t->key.stream),
                                      number_value(t->key.epoch), number_value(t->key.epoch)};
    struct my_stmt *s = my_prepare(t->conn, epoch_row_take_over_sql, e);
    bool ok = s && my_stmt_exec(s, params, NULL, e);
    my_stmt_free(s);
    return ok;
}

bool target_tx_take_over(struct target_tx *t, struct err *e)
{
    bool found = false;
    uint64_t epoch = 0;
    t->open = true;
    bool ok =
        my_exec(t->conn, "BEGIN", NULL, e) && raise_epoch(t, e) && read_epoch(t, &found, &epoch, e);
    if (ok && epoch != t->key.epoch)
        ok = fenced(t, found, epoch, e);
    if (ok && target_tx_commit(t, e))
        return true;
    target_tx_rollback(t);
    return false;
}

bool target_tx_begin(struct target_tx *t, struct err *e)
{
    bool found = false;
    uint64_t epoch = 0;
    assert(!t->open);
    if (!my_exec(t->conn, "BEGIN", NULL, e))
        return false;
    t->open = true;
    if (!read_epoch(t, &found, &epoch, e))
        return false;
    return (found && epoch == t->key.epoch) || fenced(t, found, epoch, e);
}

bool target_tx_commit(struct target_tx *t, struct err *e)
{
    assert(t->open);
    if (!my_exec(t->conn, "COMMIT", NULL, e))
        return false;
    t->open = false;
    return true;
}

void target_tx_rollback(struct target_tx *t)
{
    struct err ignored = ERR_INIT;
    my_pipeline_drop(t->conn);
    if (t->open && !my_exec(t->conn, "ROLLBACK", NULL, &ignored))
        err_clear(&ignored);
    t->open = false;
}

static void parse_phase(struct target_row *row, const char *text)
{
    row->frozen = !strcmp(text, POSITION_PHASE_FROZEN);
    row->phase = COPY_PHASE_PLAIN;
    for (size_t i = 0; i < sizeof phase_names / sizeof *phase_names; i++) {
        if (!strcmp(text, phase_names[i]))
            row->phase = (enum copy_phase)i;
    }
}

static bool parse_row(void *ctx, const struct my_cell *cells, struct err *e)
{
    struct target_row *out = ctx;
    out->found = true;
    out->n = strtoull(cells[0].p ? cells[0].p : "0", NULL, 10);
    parse_phase(out, cells[1].p ? cells[1].p : "");
    return position_parse(cells[2].p ? cells[2].p : "", &out->pos, e) &&
           position_parse(cells[3].p ? cells[3].p : "", &out->high_pos, e);
}

bool target_tx_read(struct target_tx *t, struct target_row *out, struct err *e)
{
    target_row_fini(out);
    *out = (struct target_row){.found = false};
    const struct sidecar_key key = row_key(t);
    bool ok = target_tx_begin(t, e) && position_row_read(t->conn, &key, parse_row, out, e);
    target_tx_rollback(t);
    return ok ? true : err_prepend(e, "position row");
}

bool target_tx_create_row(struct target_tx *t, const struct target_row *row, struct err *e)
{
    CLEANUP(buf_fini) struct buf high = BUF_INIT;
    const struct sidecar_key key = row_key(t);
    position_print(&row->high_pos, &high);
    assert(t->open);
    return position_row_insert(t->conn, &key, phase_names[row->phase], position_into(t, &row->pos),
                               buf_str(&high), e);
}

/* The marker's statement and its parameters. */
struct marker {
    enum statement which;
    struct my_value params[5];
};

static struct marker marker_of(struct target_tx *t, uint64_t n, const struct position *pos,
                               enum copy_phase phase)
{
    const struct my_value workflow = text_value(t->key.workflow),
                          stream = text_value(t->key.stream), number = number_value(n);
    if (!pos)
        return (struct marker){MARK, {workflow, stream, number}};
    return (struct marker){MARK_AND_MOVE,
                           {text_value(position_into(t, pos)), text_value(phase_names[phase]),
                            workflow, stream, number}};
}

enum target_tx_result target_tx_mark(struct target_tx *t, uint64_t n, const struct position *pos,
                                     enum copy_phase phase, struct err *e)
{
    assert(t->open);
    uint64_t hits = 0;
    const struct marker m = marker_of(t, n, pos, phase);
    struct my_stmt *s = statement(t, m.which, e);
    if (!s || !my_stmt_exec(s, m.params, &hits, e))
        return TARGET_TX_FAIL;
    return hits == 1 ? TARGET_TX_OK : TARGET_TX_MOVED;
}

/* The epoch's lock is asked for before the marker, as in two steps; what the answers say is looked
 * at before anything is committed. */
enum target_tx_result target_tx_open(struct target_tx *t, uint64_t n, const struct position *pos,
                                     enum copy_phase phase, struct err *e)
{
    if (!my_pipeline_is_on(t->conn))
        return target_tx_begin(t, e) ? target_tx_mark(t, n, pos, phase, e) : TARGET_TX_FAIL;
    assert(!t->open);
    const struct marker m = marker_of(t, n, pos, phase);
    struct my_stmt *read = statement(t, READ_EPOCH, e);
    struct my_stmt *mark = read ? statement(t, m.which, e) : NULL;
    const struct my_value ours[] = {text_value(t->key.workflow), text_value(t->key.stream)};
    bool found = false;
    uint64_t epoch = 0, hits = 0;
    t->open = mark != NULL;
    if (!mark || !my_stmt_send(read, ours, e) || !my_stmt_send(mark, m.params, e) ||
        !my_pipeline_answer(t->conn, &hits, e) || !fetch_epoch(read, &found, &epoch, e) ||
        !my_pipeline_answer(t->conn, &hits, e))
        return TARGET_TX_FAIL;
    if (found && epoch == t->key.epoch)
        return hits == 1 ? TARGET_TX_OK : TARGET_TX_MOVED;
    fenced(t, found, epoch, e);
    return TARGET_TX_FAIL;
}

bool target_tx_finish(struct target_tx *t, const struct position *pos, enum copy_phase phase,
                      struct err *e)
{
    const struct my_value params[] = {text_value(position_into(t, pos)),
                                      text_value(phase_names[phase]), text_value(t->key.workflow),
                                      text_value(t->key.stream)};
    struct my_stmt *s = statement(t, FINISH, e);
    assert(t->open);
    return s && my_stmt_exec(s, params, NULL, e);
}

bool target_tx_set_high(struct target_tx *t, const struct position *high, struct err *e)
{
    const struct sidecar_key key = row_key(t);
    assert(t->open);
    return position_row_set_high(t->conn, &key, position_into(t, high), e);
}

bool target_tx_set_frozen(struct target_tx *t, struct err *e)
{
    const struct sidecar_key key = row_key(t);
    assert(t->open);
    return position_row_set_phase(t->conn, &key, POSITION_PHASE_FROZEN, e);
}
