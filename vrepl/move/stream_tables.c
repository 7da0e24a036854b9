/* vrepl/move/stream_tables.c — whether the targets' tables are still those that rows were written
 * to.
 *
 * Asked when an attempt begins, and now and then while the stream runs. A table of another
 * incarnation (cdc/sidecar/incarnation.h) that is empty, while its source has rows, has lost them:
 * that is an error, and nothing is applied any more. One that has rows may have been rebuilt by the
 * operator's ALTER, as some cures ask for: a new attempt reads its definition, and refuses it where
 * it has become narrower; else the stream goes on, says so, and the switch is refused until a
 * comparison has found no difference.
 */
#include "base/log.h"
#include "base/mem.h"
#include "cdc/sidecar/incarnation.h"
#include "vrepl/move/stream_internal.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_LOCK_S     1u
#define LOOK_TIMEOUT_MS 10000u

/* A table that cannot be looked at (gone, locked) is judged by nobody here. */
static bool has_rows(const struct my_params *p, const char *table, bool otherwise)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct err e = ERR_INIT;
    uint64_t n = 0;
    struct my_conn *c = my_connect(p, "stream", &e);
    buf_put_str(&sql, "SELECT EXISTS(SELECT 1 FROM ");
    buf_put_table_name(&sql, p->database, table);
    buf_put_str(&sql, ")");
    bool asked =
        c && my_limit_lock_waits(c, LOOK_LOCK_S, &e) && my_query_u64(c, buf_str(&sql), &n, &e);
    my_close(c);
    return asked ? n > 0 : otherwise;
}

static bool judge(struct vrepl_stream *s, size_t target_no, size_t i, struct buf *unproven,
                  struct err *e)
{
    const struct vrepl_table_spec *t = &s->spec.tables[i];
    const struct my_params *to = &s->spec.targets[target_no]->primary;
    if (has_rows(to, t->target_table, true) ||
        !has_rows(&s->spec.source->primary, t->source_table, false)) {
        buf_printf(unproven, "%s%s", unproven->len > 0 ? ", " : "", t->target_table);
        return true;
    }
    err_set(e, ERR_WF_STATE,
            "target table %s.%s is not the one that its rows were copied to: it was emptied, or "
            "dropped and made again, and has none of them",
            to->database, t->target_table);
    return err_cure(e, "copy it anew (workflow stop, then workflow start --recopy %s)",
                    t->target_table);
}

/* Nothing was written to it yet, by this stream or another: whatever it is, it is the one. */
static bool is_untouched(const struct vrepl_stream *s, size_t target_no, size_t i)
{
    const struct stream_target *t = &s->targets[target_no];
    return !s->spec.several_sources && t->row.phase == COPY_PHASE_ROUNDS &&
           progress_table_waits(&t->progress.tables[i]);
}

/* The next look records what stands there. */
static bool forget(struct vrepl_stream *s, size_t target_no, size_t i, struct err *e)
{
    return incarnation_forget(s->targets[target_no].looker, s->spec.workflow_key,
                              s->spec.targets[target_no]->primary.database,
                              s->spec.tables[i].target_table, e);
}

/* Kept from look to look: a connect takes the stream's thread, and so every target, some 50 ms. */
static bool ask(struct vrepl_stream *s, size_t target_no, const char *const *names, bool *changed,
                struct err *e)
{
    struct stream_target *t = &s->targets[target_no];
    const struct my_params *to = &s->spec.targets[target_no]->primary;
    if (t->looker == NULL)
        t->looker = my_connect_within(to, "stream", LOOK_TIMEOUT_MS, e);
    bool ok = t->looker && incarnations_check(t->looker, s->spec.workflow_key, to->database, names,
                                              s->spec.n_tables, false, changed, e);
    if (!ok) {
        my_close(t->looker);
        t->looker = NULL;
    }
    return ok;
}

static bool check_target(struct vrepl_stream *s, size_t target_no, struct buf *unproven,
                         struct err *e)
{
    const char **names = mem_calloc(s->spec.n_tables + 1, sizeof *names);
    bool *changed = mem_calloc(s->spec.n_tables + 1, sizeof *changed);
    for (size_t i = 0; i < s->spec.n_tables; i++)
        names[i] = s->spec.tables[i].target_table;
    bool ok = ask(s, target_no, names, changed, e);
    for (size_t i = 0; ok && i < s->spec.n_tables; i++) {
        if (changed[i])
            ok = is_untouched(s, target_no, i) ? forget(s, target_no, i, e)
                                               : judge(s, target_no, i, unproven, e);
    }
    free(names);
    free(changed);
    return ok || err_prepend(e, "target %s", s->spec.targets[target_no]->name);
}

/* True when it is news. */
static bool note(struct vrepl_stream *s, const struct buf *unproven)
{
    pthread_mutex_lock(&s->lock);
    bool news = strncmp(s->unproven, buf_str(unproven), sizeof s->unproven - 1) != 0;
    strncpy(s->unproven, buf_str(unproven), sizeof s->unproven - 1);
    pthread_mutex_unlock(&s->lock);
    if (news && unproven->len > 0)
        log_warn("stream", "%s: tables of the target that were rebuilt, emptied or made again: %s",
                 s->spec.workflow_key, buf_str(unproven));
    return news && unproven->len > 0;
}

bool stream_check_tables(struct vrepl_stream *s, bool *news, struct err *e)
{
    CLEANUP(buf_fini) struct buf unproven = BUF_INIT;
    for (size_t i = 0; i < s->spec.n_targets; i++)
        if (!check_target(s, i, &unproven, e))
            return false;
    *news = note(s, &unproven);
    return true;
}
