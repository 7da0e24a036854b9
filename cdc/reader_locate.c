/* cdc/reader_locate.c — places in a server's log: its ends, and the first transaction at or after a
 * time.
 *
 * Times are those that the server wrote with each transaction, in seconds. They need not ascend (a
 * transaction is stamped when it begins, a clock may be set), so "from T on" means: from the first
 * transaction in the order of the log that is not before T. Files are found by the time in their
 * first event, by halving, and only one file is read, or what follows it when it has none so late.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "cdc/reader_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool reader_list_files(struct my_conn *c, const char *last, struct reader_files *out, struct err *e)
{
    struct my_cell cells[16];
    enum my_next next = MY_END;
    struct my_result *res = my_query(c, "SHOW BINARY LOGS", e);
    if (!res)
        return false;
    while (my_result_columns(res) <= 16 && (next = my_result_next(res, cells, e)) == MY_ROW) {
        if (!cells[0].p || (last && position_file_compare(cells[0].p, last) > 0))
            continue;
        mem_grow((void **)&out->names, &out->cap, out->n + 1, sizeof *out->names);
        snprintf(out->names[out->n++], POSITION_FILE_MAX, "%s", cells[0].p);
    }
    my_result_free(res);
    return next != MY_FAIL;
}

/* ---- its ends ---- */

static bool first_file(struct my_conn *c, struct position *out, struct err *e)
{
    char *name = NULL;
    if (!my_query_text(c, "SHOW BINARY LOGS", &name, e))
        return false;
    if (!name)
        return err_set(e, ERR_SRC_SETTING, "the server keeps no binary log");
    snprintf(out->file, sizeof out->file, "%s", name);
    out->pos = 4;
    free(name);
    return true;
}

/* What was purged. */
bool reader_first_gtids(struct my_conn *c, const char *first, struct gtid_set **out, struct err *e)
{
    const struct my_server *server = my_conn_server(c);
    bool maria = server->flavor == MY_FLAVOR_MARIADB;
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    CLEANUP(mem_free_ptr) char *text = NULL;
    if (!maria && !server->gtid_mode)
        return true;
    if (maria) {
        buf_put_str(&sql, "SELECT BINLOG_GTID_POS(");
        buf_put_sql_string(&sql, first, strlen(first));
        buf_put_str(&sql, ", 4)");
    } else {
        buf_put_str(&sql, "SELECT @@global.gtid_purged");
    }
    if (!my_query_text(c, buf_str(&sql), &text, e))
        return false;
    *out = gtid_set_parse(maria ? GTID_FLAVOR_MARIADB : GTID_FLAVOR_MYSQL, text ? text : "", e);
    return *out != NULL;
}

/* The file is looked at last: if it was begun anew in between, the place is one of the new log. */
static bool locate_first(struct my_conn *c, struct position *out, struct err *e)
{
    bool there = true;
    my_server_name(my_conn_server(c), out->log.server, sizeof out->log.server);
    if (!first_file(c, out, e) || !reader_first_gtids(c, out->file, &out->gtids, e) ||
        !my_log_begun(c, out->file, &out->log.begun, &there, e))
        return false;
    return there || err_set_native(e, ERR_SRC_PURGED, ERR_CLASS_RETRY, 0, "%s was removed just now",
                                   out->file);
}

bool cdc_reader_locate(struct cdc_reader *r, bool beginning, struct position *out, struct err *e)
{
    struct position found = POSITION_INIT;
    struct my_conn *c = my_connect(&r->shard->primary, "reader", e);
    bool ok = c && (beginning ? locate_first(c, &found, e) : my_lasting_position(c, &found, e));
    my_close(c);
    if (ok)
        position_copy(out, &found);
    else
        err_prepend(e, "%s/%s", r->shard->keyspace, r->shard->name);
    position_fini(&found);
    return ok;
}

/* ---- a time ---- */

struct search {
    struct reader_scan scan;
    uint32_t at;
    struct position *out;
};

/* The last file that was begun before that time: *which; n if none was. */
static bool find_file(const struct search *s, struct my_conn *c, const struct reader_files *files,
                      size_t *which, struct err *e)
{
    size_t low = 0,
           high = files->n; /* those below low were begun before it, those from high on not */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint32_t begun;
        bool there;
        if (!my_log_begun(c, files->names[middle], &begun, &there, e))
            return false;
        if (begun < s->at)
            low = middle + 1;
        else
            high = middle;
    }
    *which = low > 0 ? low - 1 : files->n;
    return true;
}

static bool look_at_batch(void *ctx, const struct cdc_batch *b)
{
    struct search *s = ctx;
    struct position pos = POSITION_INIT;
    bool found = false;
    position_copy(&pos, &b->start);
    for (size_t i = 0; i < b->n_changes && !found; i++) {
        const struct cdc_change *c = &b->changes[i];
        found = c->kind == CDC_BEGIN && c->timestamp >= s->at;
        if (found)
            position_copy(s->out, &pos);
        else
            cdc_position_advance(&pos, c);
    }
    position_fini(&pos);
    return found;
}

static bool scan_from(struct search *s, const char *file, struct err *e)
{
    s->scan.from = reader_log_place(file, 4, NULL);
    s->scan.look = look_at_batch;
    s->scan.look_ctx = s;
    bool ok = reader_scan(&s->scan, e);
    if (ok && !s->scan.reached)
        position_copy(s->out, cdc_decoder_position(s->scan.decoder));
    reader_scan_fini(&s->scan);
    return ok;
}

static bool is_first_ever(const char *file)
{
    const char *number = strrchr(file, '.');
    return number && strtoull(number + 1, NULL, 10) == 1;
}

static bool search_log(struct search *s, struct my_conn *c, struct err *e)
{
    struct reader_files files = {0};
    size_t which = 0;
    bool ok = reader_list_files(c, NULL, &files, e);
    if (ok && files.n == 0)
        ok = err_set(e, ERR_SRC_SETTING, "the server keeps no binary log");
    ok = ok && find_file(s, c, &files, &which, e);
    if (ok && which == files.n && !is_first_ever(files.names[0])) {
        err_set(e, ERR_SRC_PURGED,
                "the log of that time has been purged: %s, the oldest file, begins later",
                files.names[0]);
        ok = err_cure(e, "start from `beginning` to take what is left, or copy the tables first");
    }
    ok = ok && scan_from(s, files.names[which == files.n ? 0 : which], e);
    free(files.names);
    return ok;
}

static bool locate_time(struct cdc_reader *r, uint32_t at, struct position *out, struct err *e)
{
    struct search s = {.scan = {.reader = r}, .at = at, .out = out};
    if (!topology_server_id_take(r->topo, &s.scan.server_id, e))
        return false;
    struct my_conn *c = my_connect(&r->shard->primary, "reader", e);
    if (c)
        s.scan.server = my_conn_server(c);
    bool ok = c && search_log(&s, c, e);
    my_close(c);
    topology_server_id_give(r->topo, s.scan.server_id);
    return ok || err_prepend(e, "%s/%s", r->shard->keyspace, r->shard->name);
}

bool cdc_reader_from(struct cdc_reader *r, const char *from, struct position *out, bool *named,
                     struct err *e)
{
    uint32_t at = 0;
    bool beginning = from && strcmp(from, "beginning") == 0;
    bool current = !from || strcmp(from, "current") == 0;
    *named = false;
    if (from && !from[0]) {
        err_set(e, ERR_POSITION_PARSE, "an empty text is no place in a log");
        return err_cure(e, "give the position that was kept, or say `current` or `beginning`");
    }
    *named = beginning || current || clock_parse_time(from, &at);
    if (!*named)
        return true;
    return at ? locate_time(r, at, out, e) : cdc_reader_locate(r, beginning, out, e);
}
