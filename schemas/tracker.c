/* schemas/tracker.c — definitions of one source's tables at places of its log: proven, or refused.
 *
 * The log of a server with MINIMAL metadata gives a row event's column types but not their names,
 * and the server only knows its tables as they are now. A version {table, from, seen, definition}
 * says: for every transaction that begins in [from, seen] the table was so. It is made and extended
 * by four rules only, all about the DDL that the log has between two places:
 *
 *  V1  The definition D is read now, between two ends S and E of the log (tracker_reading). If the
 *      log from P ≤ S to E has no DDL that touches the table, D was the definition at P already:
 *      version [P, E]. A DDL whose transaction begins at P itself does not count: it comes first in
 *      its transaction, rows after it in the same one (CREATE … SELECT) have its result.
 *  V2  A version [F, S] becomes [F, P] if the log from S to P, both included, has no such DDL.
 *  V3  D is read as in V1, for no place in particular. If the log from S on to E has no such DDL
 *      (one at S counts: D need not contain it), D is the version [S, E]. It is "fresh": whatever
 *      DDL begins at its `from` is not in it, because it is an end of the log, or there is none.
 *  V4  A version [F, S] becomes [P, S], P < F, if the log from P to F has no such DDL. One at P
 *      does not count, as in V1; one at F counts unless the version is fresh.
 *
 * ▶ V3 and V4 are why a row may be followed at once by the DDL that changes its table: the
 * definition was read when the reader began, not when the row came.
 *
 * "Has no DDL" is only said of a span that was read completely (`spans`): by a reader that reports
 * its places, or by a scan of the log made for it. What a DDL touches is over-estimated
 * (schemas/ddl_touch.h). A table map whose types differ from the proven definition shows a change
 * that the log does not have (sql_log_bin=0): refused too.
 *
 * Losing versions or spans at any moment (crash, limits below) costs scans or refusals, never a
 * wrong definition.
 *
 * All of this is about one log, while names and offsets of files come again in a log that was reset
 * or restored. So:
 *
 *  L1  A version that was made or extended before this session is used only if the server has the
 *      place where it was last seen: that file, begun at that time, and as long. A log is written
 *      only at its end: whoever has that place has all that was before it, so the version is true
 *      of this log, and stays so. Where the place cannot be shown (the file is purged) the version
 *      is of no use anyway: what has been written since then cannot be read.
 *  L2  Spans and DDL in memory are kept from one session to the next if the server has the end of
 *      the last span, for the same reason. Otherwise they are forgotten, and sessions of the old
 *      log are told apart by the log's number.
 *  L3  A span is only scanned in the log that its places are of (ops.scan), and an end E in the same
 *      file as P is of P's log if the file was begun at the same time.
 *
 * A crash between the noticing of another log and anything else is harmless: nothing is written
 * when it is noticed, and the next process asks the same question of the same stored versions.
 */
#include "schemas/tracker.h"

#include "base/log.h"
#include "base/mem.h"
#include "schemas/ddl_columns.h"
#include "state/log_match.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DDL_MAX      65536u /* older half goes, and with it the spans there */
#define VERSIONS_MAX 65536u
#define SPANS_MAX    1024u

struct found_ddl {
    struct log_place at;
    bool all;
    char *names;   /* schemas/ddl_touch.h */
    char *columns; /* that it may have changed, schemas/ddl_columns.h; NULL: any */
    bool creates;
};
struct version {
    struct log_place from, seen;
    bool fresh;  /* V3, and not reached back since */
    bool used;   /* for a row, or read because of a DDL: worth storing */
    bool stored; /* as it is */
    bool proven; /* to be of this session's log */
    struct schema_table *table;
};
struct schema_tracker {
    pthread_mutex_t lock;
    const struct schema_tracker_ops *ops;
    struct store *store;
    char server[64];
    unsigned log;            /* counts up with each other log */
    struct log_place looked; /* at that file; "": at none in this session */
    struct log_span *spans;  /* disjoint, in order */
    size_t n_spans, cap_spans;
    struct found_ddl *ddl; /* in order of place */
    size_t n_ddl, cap_ddl;
    struct version *versions; /* in no order */
    size_t n_versions, cap_versions;
    struct log_place end; /* the last that the log is known to have had */
    bool begun;           /* all tables of this server were read */
};

static bool before(const struct log_place *a, const struct log_place *b)
{
    return log_place_compare(a, b) < 0;
}

static struct schema_tracker *locked(struct schema_tracker *t)
{
    pthread_mutex_lock(&t->lock);
    return t;
}

static void unlock(struct schema_tracker **t)
{
    pthread_mutex_unlock(&(*t)->lock);
}
#define LOCKED(t) CLEANUP(unlock) __attribute__((unused)) struct schema_tracker *locked_ = locked(t)

struct schema_tracker *schema_tracker_new(const struct schema_tracker_ops *ops, struct store *store)
{
    struct schema_tracker *t = mem_alloc(sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    t->ops = ops;
    t->store = store;
    return t;
}

static void ddl_fini(struct found_ddl *d)
{
    free(d->names);
    free(d->columns);
}

static void forget_versions(struct schema_tracker *t)
{
    for (size_t i = 0; i < t->n_versions; i++)
        schema_table_unref(t->versions[i].table);
    t->n_versions = 0;
}

static void forget(struct schema_tracker *t)
{
    forget_versions(t);
    for (size_t i = 0; i < t->n_ddl; i++)
        ddl_fini(&t->ddl[i]);
    t->n_ddl = t->n_spans = 0;
    t->server[0] = 0;
    t->log++;
    t->end = (struct log_place){.file = ""};
    t->begun = false;
}

void schema_tracker_free(struct schema_tracker *t)
{
    if (!t)
        return;
    forget(t);
    free(t->versions);
    free(t->ddl);
    free(t->spans);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void schema_tracker_use(struct schema_tracker *t, struct store *store)
{
    LOCKED(t);
    forget(t);
    t->store = store;
}

/* ---- what of the log was read ---- */

static void span_remove(struct schema_tracker *t, size_t i)
{
    memmove(&t->spans[i], &t->spans[i + 1], (t->n_spans - i - 1) * sizeof *t->spans);
    t->n_spans--;
}

/* Joins what overlaps or meets. */
static void span_add(struct schema_tracker *t, const struct log_place *from,
                     const struct log_place *to)
{
    struct log_span r = {*from, *to};
    size_t at = 0;
    if (!from->file[0] || !to->file[0] || before(to, from))
        return;
    while (at < t->n_spans && before(&t->spans[at].to, &r.from))
        at++;
    while (at < t->n_spans && !before(&r.to, &t->spans[at].from)) {
        if (before(&t->spans[at].from, &r.from))
            r.from = t->spans[at].from;
        if (before(&r.to, &t->spans[at].to))
            r.to = t->spans[at].to;
        span_remove(t, at);
    }
    if (t->n_spans == SPANS_MAX) {
        span_remove(t, 0);
        at -= at > 0;
    }
    mem_grow((void **)&t->spans, &t->cap_spans, t->n_spans + 1, sizeof *t->spans);
    memmove(&t->spans[at + 1], &t->spans[at], (t->n_spans - at) * sizeof *t->spans);
    t->spans[at] = r;
    t->n_spans++;
}

/* The end of what was read without a hole from a place on; the place itself if nothing was. */
static struct log_place read_up_to(const struct schema_tracker *t, const struct log_place *from)
{
    for (size_t i = 0; i < t->n_spans; i++) {
        const struct log_span *r = &t->spans[i];
        if (!before(from, &r->from) && !before(&r->to, from))
            return r->to;
    }
    return *from;
}

static bool is_read(const struct schema_tracker *t, const struct log_place *from,
                    const struct log_place *to)
{
    struct log_place end = read_up_to(t, from);
    return !before(&end, to);
}

/* Reads what is missing between two places; if anything, then as far as the log is known to go, so
 * that many tables that were asked for one after the other take one scan. */
static bool read_span(struct schema_tracker *t, const struct log_place *from,
                      const struct log_place *to, void *ctx, struct err *e)
{
    struct log_place have = read_up_to(t, from);
    if (!before(&have, to))
        return true;
    struct log_place end = before(to, &t->end) ? t->end : *to;
    if (!t->ops->scan(ctx, t, &have, &end, e))
        return false;
    span_add(t, from, &end);
    return true;
}

/* ---- the DDL that was found ---- */

/* Index of the first DDL at or behind a place. */
static size_t first_ddl(const struct schema_tracker *t, const struct log_place *at)
{
    size_t low = 0, high = t->n_ddl;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (before(&t->ddl[middle].at, at))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void forget_oldest_ddl(struct schema_tracker *t)
{
    size_t n = t->n_ddl / 2;
    const struct log_place cut = t->ddl[n].at;
    for (size_t i = 0; i < n; i++)
        ddl_fini(&t->ddl[i]);
    memmove(t->ddl, t->ddl + n, (t->n_ddl - n) * sizeof *t->ddl);
    t->n_ddl -= n;
    while (t->n_spans && before(&t->spans[0].to, &cut))
        span_remove(t, 0);
    if (t->n_spans && before(&t->spans[0].from, &cut))
        t->spans[0].from = cut;
}

static struct found_ddl made_of(const struct log_place *at, const struct ddl_touched *touched,
                                const struct ddl_text *text)
{
    struct ddl_columns columns CLEANUP(ddl_columns_fini) = {.any = false};
    ddl_columns(text, &columns);
    return (struct found_ddl){.at = *at,
                              .all = touched->all,
                              .names = mem_strdup(buf_str(&touched->names)),
                              .columns = columns.any ? NULL : mem_strdup(buf_str(&columns.words)),
                              .creates = columns.creates && !columns.any};
}

/* Again, or a second one of the same transaction. */
static void note_second(struct found_ddl *d, const struct ddl_touched *touched,
                        const struct ddl_text *text)
{
    struct found_ddl second CLEANUP(ddl_fini) = made_of(&d->at, touched, text);
    d->all = d->all || touched->all || strcmp(d->names, second.names) != 0;
    if (d->columns && second.columns && strcmp(d->columns, second.columns) == 0)
        return;
    free(d->columns);
    d->columns = NULL;
    d->creates = false;
}

static void note_ddl(struct schema_tracker *t, const struct log_place *at,
                     const struct ddl_touched *touched, const struct ddl_text *text)
{
    size_t i = first_ddl(t, at);
    if (!at->file[0] || (!touched->all && touched->names.len == 0))
        return;
    bool known = i < t->n_ddl && log_place_compare(&t->ddl[i].at, at) == 0;
    if (known) {
        note_second(&t->ddl[i], touched, text);
        return;
    }
    mem_grow((void **)&t->ddl, &t->cap_ddl, t->n_ddl + 1, sizeof *t->ddl);
    memmove(&t->ddl[i + 1], &t->ddl[i], (t->n_ddl - i) * sizeof *t->ddl);
    t->ddl[i] = made_of(at, touched, text);
    t->n_ddl++;
    if (t->n_ddl > DDL_MAX)
        forget_oldest_ddl(t);
}

void schema_tracker_found(struct schema_tracker *t, const struct log_place *at,
                          const struct ddl_text *ddl)
{
    struct ddl_touched *touched = mem_alloc(sizeof *touched);
    ddl_touch(ddl, touched);
    note_ddl(t, at, touched, ddl);
    ddl_touched_fini(touched);
    free(touched);
}

struct ddl_span {
    const struct log_place *from, *to;
    bool with_from, with_to; /* what begins at these places counts */
};

/* The last DDL in the span that touches the table; NULL if none does. */
static const struct found_ddl *last_touch(const struct schema_tracker *t, struct ddl_span span,
                                          const char *db, const char *name)
{
    const struct found_ddl *found = NULL;
    for (size_t i = first_ddl(t, span.from); i < t->n_ddl; i++) {
        const struct found_ddl *d = &t->ddl[i];
        int to_end = log_place_compare(&d->at, span.to);
        if (to_end > 0)
            break;
        bool at_from = log_place_compare(&d->at, span.from) == 0;
        if ((to_end == 0 && !span.with_to) || (at_from && !span.with_from))
            continue;
        if (d->all || ddl_names_have(d->names, db, name))
            found = d;
    }
    return found;
}

/* ---- versions ---- */

static void store_version(struct schema_tracker *t, struct version *v)
{
    struct buf json CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    if (!t->store || v->stored)
        return;
    schema_table_to_json(v->table, &json);
    struct store_schema row = {.server_uuid = t->server,
                               .db = v->table->db,
                               .name = v->table->name,
                               .from_file = v->from.file,
                               .from_pos = v->from.pos,
                               .seen_file = v->seen.file,
                               .seen_pos = v->seen.pos,
                               .seen_begun = v->seen.begun,
                               .definition = buf_str(&json)};
    v->stored = store_schema_put(t->store, &row, &e);
    if (!v->stored)
        log_err(LOG_WARN, "schema", &e); /* it holds in memory; a restart may have to ask again */
}

static bool is_of(const struct version *v, const char *db, const char *name)
{
    return strcmp(v->table->db, db) == 0 && strcmp(v->table->name, name) == 0;
}

/* The last version that begins at or before the place; of several, the one made last. */
static struct version *find_version(struct schema_tracker *t, const struct log_place *at,
                                    const char *db, const char *name)
{
    struct version *best = NULL;
    for (size_t i = 0; i < t->n_versions; i++) {
        struct version *v = &t->versions[i];
        if (is_of(v, db, name) && !before(at, &v->from) &&
            (!best || !before(&v->from, &best->from)))
            best = v;
    }
    return best;
}

/* V4 needs to know what begins at `from`: nothing that is not in the definition, or it lies inside
 * of what can be read. */
static bool can_reach_back(const struct version *v)
{
    return v->fresh || before(&v->from, &v->seen);
}

/* The first one that begins behind the place and may be made to begin there. */
static struct version *find_next_version(struct schema_tracker *t, const struct log_place *at,
                                         const char *db, const char *name)
{
    struct version *best = NULL;
    for (size_t i = 0; i < t->n_versions; i++) {
        struct version *v = &t->versions[i];
        if (is_of(v, db, name) && before(at, &v->from) && can_reach_back(v) &&
            (!best || before(&v->from, &best->from)))
            best = v;
    }
    return best;
}

static struct version *add_version(struct schema_tracker *t, const struct log_place *from,
                                   const struct log_place *seen, struct schema_table *take)
{
    if (t->n_versions == VERSIONS_MAX)
        forget_versions(t);
    mem_grow((void **)&t->versions, &t->cap_versions, t->n_versions + 1, sizeof *t->versions);
    struct version *v = &t->versions[t->n_versions++];
    *v = (struct version){.from = *from, .seen = *seen, .table = take, .proven = true};
    return v;
}

/* V2, for spans that were read. */
static bool extend(struct schema_tracker *t, struct version *v, const struct log_place *at)
{
    if (before(at, &v->seen))
        return true; /* a DDL at `seen` itself may have come after it was seen */
    if (!is_read(t, &v->seen, at) ||
        last_touch(t, (struct ddl_span){&v->seen, at, true, true}, v->table->db, v->table->name))
        return false;
    v->seen = *at;
    v->stored = false;
    return true;
}

/* L3 */
static bool of_one_log(const struct log_place *a, const struct log_place *b, struct err *e)
{
    if (strcmp(a->file, b->file) != 0 || !a->begun || !b->begun || a->begun == b->begun)
        return true;
    return err_set_native(e, ERR_SRC_IDENTITY, ERR_CLASS_RETRY, 0, "%s was begun anew", a->file);
}

static bool inspect(struct schema_tracker *t, const char *db, const char *name, void *ctx,
                    struct tracker_reading *out, struct err *e)
{
    *out = (struct tracker_reading){.end = {.file = ""}};
    if (!t->ops->inspect(ctx, db, name, out, e) || !of_one_log(&out->since, &out->end, e)) {
        schema_list_fini(&out->list);
        return false;
    }
    if (before(&t->end, &out->end))
        t->end = out->end;
    return true;
}

/* V1. *v NULL without an error: not proven; later is the DDL that stands against it, or empty if
 * there is no such table. Then the log is read up to where *kept was the definition (kept may be
 * NULL). */
static bool prove_now(struct schema_tracker *t, const struct log_place *at, const char *db,
                      const char *name, void *ctx, struct version **v, struct log_place *later,
                      struct schema_table **kept, struct err *e)
{
    struct tracker_reading now;
    *v = NULL;
    if (!inspect(t, db, name, ctx, &now, e))
        return false;
    struct schema_table *d = now.list.n > 0 ? now.list.tables[0] : NULL;
    bool ok = !d || (of_one_log(at, &now.end, e) && read_span(t, at, &now.end, ctx, e));
    const struct found_ddl *touch =
        ok && d ? last_touch(t, (struct ddl_span){at, &now.end, false, false}, db, name) : NULL;
    if (ok && d && (touch || before(&now.since, at))) {
        *later = touch ? touch->at : now.end;
        if (kept && !before(&now.end, at))
            *kept = schema_table_ref(d);
    } else if (ok && d) {
        *v = add_version(t, at, &now.end, schema_table_ref(d));
        (*v)->used = true;
        store_version(t, *v);
    }
    schema_list_fini(&now.list);
    return ok;
}

/* V4. *reached false without an error: later is the DDL that stands against it. */
static bool reach_back(struct schema_tracker *t, struct version *v, const struct log_place *at,
                       void *ctx, bool *reached, struct log_place *later, struct err *e)
{
    if (!read_span(t, at, v->fresh ? &v->from : &v->seen, ctx, e))
        return false;
    const struct found_ddl *touch = last_touch(t, (struct ddl_span){at, &v->from, false, !v->fresh},
                                               v->table->db, v->table->name);
    *reached = !touch;
    if (touch) {
        *later = touch->at;
        return true;
    }
    v->from = *at;
    v->fresh = v->stored = false;
    store_version(t, v);
    return true;
}

/* ---- what is asked before anything is read ---- */

/* V3. */
static void add_reading(struct schema_tracker *t, const struct tracker_reading *now,
                        struct schema_table *d)
{
    if (!last_touch(t, (struct ddl_span){&now->since, &now->end, true, false}, d->db, d->name))
        add_version(t, &now->since, &now->end, schema_table_ref(d))->fresh = true;
}

bool schema_tracker_begin(struct schema_tracker *t, const char *db, void *ctx, struct err *e)
{
    struct tracker_reading now;
    LOCKED(t);
    if (t->begun)
        return true;
    if (!inspect(t, db, NULL, ctx, &now, e))
        return false;
    t->begun = read_span(t, &now.since, &now.end, ctx, e);
    span_add(t, &now.since, &now.since); /* so that L2 asks whether the log is still this one */
    for (size_t i = 0; i < now.list.n && t->begun; i++)
        add_reading(t, &now, now.list.tables[i]);
    schema_list_fini(&now.list);
    return t->begun;
}

struct load {
    struct schema_tracker *tracker;
    struct err *e;
};

static void load_version(void *ctx, const struct store_schema *s)
{
    struct load *l = ctx;
    struct log_place from = {.pos = s->from_pos};
    struct log_place seen = {.pos = s->seen_pos, .begun = s->seen_begun};
    struct schema_table *table = schema_table_from_json(s->definition, l->e);
    if (!table)
        return;
    memcpy(from.file, s->from_file, strnlen(s->from_file, sizeof from.file - 1) + 1);
    memcpy(seen.file, s->seen_file, strnlen(s->seen_file, sizeof seen.file - 1) + 1);
    struct version *v = add_version(l->tracker, &from, &seen, table);
    v->stored = true;
    v->proven = false;
}

static bool load_versions(struct schema_tracker *t, struct err *e)
{
    struct err unreadable = ERR_INIT;
    struct load l = {t, &unreadable};
    if (t->store && !store_schema_each(t->store, t->server, load_version, &l, e))
        return false;
    if (unreadable.code != ERR_NONE)
        log_err(LOG_WARN, "schema", &unreadable);
    return true;
}

/* ---- which log ---- */

static bool is_there(struct schema_tracker *t, const struct log_place *s, void *ctx, bool *there,
                     struct err *e)
{
    struct log_id of = {.begun = s->begun};
    bool known = strcmp(t->looked.file, s->file) == 0 && s->pos <= t->looked.pos;
    if (!known && !t->ops->look(ctx, s->file, &t->looked, e))
        return false;
    enum log_file state = t->looked.file[0] ? LOG_FILE_THERE : LOG_FILE_GONE;
    *there = log_has_place(&of, s->pos, state, t->looked.begun, t->looked.pos);
    return true;
}

/* L2 */
static bool is_the_same_log(struct schema_tracker *t, const char *server, void *ctx, bool *same,
                            struct err *e)
{
    *same = strcmp(t->server, server) == 0;
    if (!*same || t->n_spans == 0)
        return true;
    return is_there(t, &t->spans[t->n_spans - 1].to, ctx, same, e);
}

bool schema_tracker_session(struct schema_tracker *t, const char *server, void *ctx, unsigned *log,
                            struct err *e)
{
    bool same;
    LOCKED(t);
    t->looked.file[0] = t->end.file[0] = 0;
    if (!is_the_same_log(t, server, ctx, &same, e))
        return false;
    for (size_t i = 0; i < t->n_versions; i++)
        t->versions[i].proven = false;
    if (!same) {
        forget(t);
        snprintf(t->server, sizeof t->server, "%s", server);
    }
    *log = t->log;
    return same || load_versions(t, e);
}

unsigned schema_tracker_log(struct schema_tracker *t)
{
    LOCKED(t);
    return t->log;
}

typedef struct version *(*find_fn)(struct schema_tracker *t, const struct log_place *at,
                                   const char *db, const char *name);

/* L1. The version that `find` finds in this log; *v NULL: there is none. */
static bool find_in_log(struct schema_tracker *t, find_fn find, const struct log_place *at,
                        const char *db, const char *name, void *ctx, struct version **v,
                        struct err *e)
{
    while ((*v = find(t, at, db, name)) && !(*v)->proven) {
        if (!is_there(t, &(*v)->seen, ctx, &(*v)->proven, e))
            return false;
        if ((*v)->proven)
            break;
        schema_table_unref((*v)->table);
        **v = t->versions[--t->n_versions];
    }
    return true;
}

static bool find_proven(struct schema_tracker *t, const struct log_place *at, const char *db,
                        const char *name, void *ctx, struct version **v, struct err *e)
{
    return find_in_log(t, find_version, at, db, name, ctx, v, e);
}

/* ---- questions ---- */

static void ask_at_once(struct schema_tracker *t, const struct log_place *at,
                        const struct sqlstmt_table *table, void *ctx)
{
    struct version *v = NULL;
    struct log_place later = {.file = ""}, end = read_up_to(t, at);
    struct err e = ERR_INIT;
    if (find_proven(t, at, table->db, table->name, ctx, &v, &e) && v &&
        ((!v->fresh && log_place_compare(&v->from, at) == 0) || extend(t, v, at)))
        return; /* another reader was here, or the table was there before */
    if (last_touch(t, (struct ddl_span){at, &end, false, true}, table->db, table->name))
        return; /* too late */
    if (!prove_now(t, at, table->db, table->name, ctx, &v, &later, NULL, &e))
        log_debug("schema", "%s.%s: %s", table->db, table->name, e.text);
}

void schema_tracker_ddl(struct schema_tracker *t, const struct log_span *span,
                        const struct ddl_text *ddl, bool ask, void *ctx)
{
    struct ddl_touched *touched = mem_alloc(sizeof *touched);
    ddl_touch(ddl, touched);
    {
        LOCKED(t);
        span_add(t, &span->from, &span->to);
        note_ddl(t, &span->to, touched, ddl);
        for (size_t i = 0; i < touched->n_tables && ask && span->to.file[0]; i++)
            ask_at_once(t, &span->to, &touched->tables[i], ctx);
    }
    ddl_touched_fini(touched);
    free(touched);
}

static void unknown(const struct log_place *at, const struct log_place *later, struct err *e)
{
    if (later->file[0]) {
        err_set(e, ERR_SCHEMA_UNKNOWN,
                "its definition at %s:%llu is not known: the log has no column names "
                "(binlog_row_metadata is not FULL), and a DDL at %s:%llu changed the table",
                at->file, (unsigned long long)at->pos, later->file, (unsigned long long)later->pos);
        err_cure(e,
                 "start at %s:%llu or later (from there on it is known) with a new copy, and set "
                 "binlog_row_metadata=FULL for what is written from now on",
                 later->file, (unsigned long long)later->pos);
        return;
    }
    err_set(e, ERR_SCHEMA_UNKNOWN,
            "its definition at %s:%llu is not known: the log has no column names "
            "(binlog_row_metadata is not FULL), and the server has no such table any more",
            at->file, (unsigned long long)at->pos);
    err_cure(e, "leave the table out, or start where it is not used any more; "
                "binlog_row_metadata=FULL makes such rows readable");
}

/* By a version that begins later, else by the table as it is now. */
static bool prove_back(struct schema_tracker *t, const struct log_place *at, const char *db,
                       const char *name, void *ctx, struct version **v, struct log_place *later,
                       struct err *e)
{
    bool reached = false;
    if (!find_in_log(t, find_next_version, at, db, name, ctx, v, e))
        return false;
    if (!*v)
        return prove_now(t, at, db, name, ctx, v, later, NULL, e);
    bool ok = reach_back(t, *v, at, ctx, &reached, later, e);
    *v = ok && reached ? *v : NULL;
    return ok;
}

static struct version *find_proof(struct schema_tracker *t, const struct log_span *span,
                                  const struct schema_table *log, void *ctx, struct err *e)
{
    struct log_place later = {.file = ""};
    struct version *v;
    if (!find_proven(t, &span->to, log->db, log->name, ctx, &v, e))
        return NULL;
    if (v && extend(t, v, &span->to))
        return v;
    if (!prove_back(t, &span->to, log->db, log->name, ctx, &v, &later, e) || v)
        return v;
    if (!find_proven(t, &span->to, log->db, log->name, ctx, &v, e))
        return NULL;
    if (v && !read_span(t, &v->seen, &span->to, ctx, e))
        return NULL;
    if (v && extend(t, v, &span->to))
        return v;
    unknown(&span->to, &later, e);
    return NULL;
}

const struct schema_table *schema_tracker_definition(struct schema_tracker *t,
                                                     const struct log_span *span,
                                                     const struct schema_table *log, void *ctx,
                                                     struct err *e)
{
    LOCKED(t);
    if (!span->to.file[0]) {
        err_set(e, ERR_SCHEMA_UNKNOWN, "its definition is not known: the log gives no position");
        err_cure(e, "set binlog_row_metadata=FULL");
        return NULL;
    }
    span_add(t, &span->from, &span->to);
    struct version *v = find_proof(t, span, log, ctx, e);
    if (!v)
        return NULL;
    v->used = true;
    if (schema_table_same_types(log, v->table))
        return schema_table_ref(v->table);
    err_set(e, ERR_SCHEMA_UNKNOWN,
            "the rows at %s:%llu do not have the columns that it should have there: it was changed "
            "without a trace in the log",
            span->to.file, (unsigned long long)span->to.pos);
    err_cure(e, "set binlog_row_metadata=FULL, and do not change tables with sql_log_bin=0");
    return NULL;
}

/* ---- types that the log leaves open ---- */

/* What is known of a column's type at other places than the one that is asked for. */
struct elsewhere {
    const struct log_place *at;
    const struct schema_table *log;
    struct schema_table *now; /* behind the place, or NULL */
    struct log_place now_end;
    const struct version *before; /* ends before the place, or NULL */
};

static bool keeps(const struct found_ddl *d, const char *column)
{
    return d->columns && !d->creates && !ddl_words_have(d->columns, column);
}

/* No DDL of the span may have changed the column. */
static bool span_keeps(const struct schema_tracker *t, struct ddl_span span, const char *db,
                       const char *name, const char *column)
{
    for (size_t i = first_ddl(t, span.from); i < t->n_ddl; i++) {
        const struct found_ddl *d = &t->ddl[i];
        int to_end = log_place_compare(&d->at, span.to);
        bool at_from = log_place_compare(&d->at, span.from) == 0;
        bool counts = (to_end < 0 || span.with_to) && (!at_from || span.with_from);
        if (to_end > 0)
            break;
        if (counts && (d->all || ddl_names_have(d->names, db, name)) && !keeps(d, column))
            return false;
    }
    return true;
}

static const struct schema_column *column_in(const struct schema_table *t,
                                             const struct schema_column *log)
{
    int i = t ? schema_table_column(t, log->name) : -1;
    return i >= 0 && schema_column_same_type(log, &t->columns[i]) ? &t->columns[i] : NULL;
}

/* The table was created in what was read before the place, with a text that has none of the types
 * that look like others. (Digits of a fraction are not read out of a text.) */
static bool was_created_plain(const struct schema_tracker *t, const struct elsewhere *w,
                              const struct schema_column *c)
{
    static const char *const words[] = {"UUID", "INET4", "INET6", "JSON", "JSON_VALID", "VECTOR"};
    const struct found_ddl *made = NULL;
    for (size_t i = 0; i < t->n_ddl && !before(w->at, &t->ddl[i].at); i++) {
        const struct found_ddl *d = &t->ddl[i];
        if (d->all || ddl_names_have(d->names, w->log->db, w->log->name))
            made = d->creates && !d->all ? d : keeps(d, c->name) ? made : NULL;
    }
    if (!made || schema_type_is_old_time(c->type) || !is_read(t, &made->at, w->at))
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (ddl_words_have(made->columns, words[i]))
            return false;
    return true;
}

/* *found NULL: it is the type that it looks like. */
static bool find_column(const struct schema_tracker *t, const struct elsewhere *w,
                        const struct schema_column *c, const struct schema_column **found)
{
    const char *db = w->log->db, *name = w->log->name;
    *found = column_in(w->now, c);
    if (*found &&
        span_keeps(t, (struct ddl_span){w->at, &w->now_end, false, false}, db, name, c->name))
        return true;
    *found = column_in(w->before ? w->before->table : NULL, c);
    if (*found &&
        span_keeps(t, (struct ddl_span){&w->before->seen, w->at, true, true}, db, name, c->name))
        return true;
    *found = NULL;
    return was_created_plain(t, w, c);
}

static bool open_type(const struct elsewhere *w, const char *column, const struct log_place *to,
                      struct err *e)
{
    err_set(
        e, ERR_SCHEMA_UNKNOWN,
        "the type of its column %s at %s:%llu is not known: the log does not tell UUID, INET4, "
        "INET6, JSON and VECTOR from what they are stored as, nor old fractions of seconds, and "
        "the table was changed since",
        column, w->at->file, (unsigned long long)w->at->pos);
    if (to->file[0])
        return err_cure(e, "start at %s:%llu or later with a new copy, or leave the table out",
                        to->file, (unsigned long long)to->pos);
    return err_cure(e, "leave the table out, or start where it is not used any more");
}

static void take_type(struct schema_column *to, const struct schema_column *log,
                      const struct schema_column *known)
{
    to->name = mem_strdup(log->name);
    to->type = log->type;
    to->meta = known ? known->meta : log->meta;
    to->ext = known ? known->ext : SCHEMA_EXT_NONE;
    to->vector_dim = known ? known->vector_dim : 0;
    to->nullable = log->nullable;
    if (!known)
        return;
    to->column_type = mem_strdup(known->column_type);
    to->default_text = mem_strdup(known->default_text);
    to->extra = mem_strdup(known->extra);
}

/* A table like the log's, its open types resolved. */
static struct schema_table *resolve(const struct schema_tracker *t, const struct elsewhere *w,
                                    const struct log_place *later, struct err *e)
{
    struct schema_table *out = schema_table_new(w->log->db, w->log->name, w->log->n_columns);
    for (size_t i = 0; i < out->n_columns; i++) {
        const struct schema_column *c = &w->log->columns[i], *found = NULL;
        if (!find_column(t, w, c, &found) && c->type_open) {
            open_type(w, c->name, later, e);
            schema_table_unref(out);
            return NULL;
        }
        take_type(&out->columns[i], c, found);
    }
    schema_table_seal(out);
    return out;
}

static const struct schema_table *resolve_at(struct schema_tracker *t, const struct log_place *at,
                                             const struct schema_table *log, void *ctx,
                                             struct err *e)
{
    struct elsewhere w = {.at = at, .log = log};
    struct log_place later = {.file = ""};
    struct version *v;
    if (!find_proven(t, at, log->db, log->name, ctx, &v, e))
        return NULL;
    if (v && extend(t, v, at) && schema_table_same_types(log, v->table))
        return schema_table_ref(v->table);
    if (!prove_now(t, at, log->db, log->name, ctx, &v, &later, &w.now, e))
        return NULL;
    if (v && schema_table_same_types(log, v->table))
        return schema_table_ref(v->table);
    w.now_end = read_up_to(t, at);
    const struct schema_table *out = NULL;
    if (find_proven(t, at, log->db, log->name, ctx, &v, e) &&
        (!v || read_span(t, &v->seen, at, ctx, e))) {
        w.before = v;
        out = resolve(t, &w, &later, e);
    }
    schema_table_unref(w.now);
    return out;
}

/* A log without positions (MariaDB's InnoDB-based one) has nothing to prove by but its names. */
static const struct schema_table *
types_of_now(struct schema_tracker *t, const struct schema_table *log, void *ctx, struct err *e)
{
    struct tracker_reading now;
    if (!inspect(t, log->db, log->name, ctx, &now, e))
        return NULL;
    struct schema_table *d = now.list.n > 0 ? schema_table_ref(now.list.tables[0]) : NULL;
    schema_list_fini(&now.list);
    if (d && schema_table_same_types(log, d))
        return d;
    schema_table_unref(d);
    err_set(e, ERR_SCHEMA_UNKNOWN,
            "its types are not known: the log gives no position, and the table is another one now");
    err_cure(e, "leave the table out, or start where it is as it is now");
    return NULL;
}

const struct schema_table *schema_tracker_types(struct schema_tracker *t,
                                                const struct log_span *span,
                                                const struct schema_table *log, void *ctx,
                                                struct err *e)
{
    LOCKED(t);
    if (!span->to.file[0])
        return types_of_now(t, log, ctx, e);
    span_add(t, &span->from, &span->to);
    return resolve_at(t, &span->to, log, ctx, e);
}

void schema_tracker_seen(struct schema_tracker *t, const struct log_span *span)
{
    LOCKED(t);
    span_add(t, &span->from, &span->to);
    for (size_t i = 0; i < t->n_versions; i++) {
        struct version *v = &t->versions[i];
        if (v->proven && !before(&span->to, &v->from) && extend(t, v, &span->to) && v->used)
            store_version(t, v);
    }
}
