/* cdc/reader_xa.c — finds what an XA COMMIT commits when it was prepared before the session began,
 * by reading the older log.
 *
 * A position says nothing about prepared transactions, and a COMMIT names no more than an xid. Its
 * rows lie where it was prepared, perhaps several files back and days ago. The files are read from
 * the newest to the oldest, each from its head (no transaction spans two) to where the next one
 * begins, or the COMMIT stands. What a file leaves prepared under that xid is what is meant: an xid
 * can be used again only after it was ended, so a later file would have had it. That no file has it
 * means that its log is purged: an error, since going on would lose its rows.
 */
#include "base/log.h"
#include "base/mem.h"
#include "cdc/reader_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct search {
    struct reader_scan scan;
    const char *xid;
    size_t n;
};

static struct cdc_prepared *search(struct search *s, const struct reader_files *files,
                                   struct err *e)
{
    for (size_t i = files->n; i > 0; i--) {
        const char *name = files->names[i - 1];
        s->scan.from = reader_log_place(name, 4, NULL);
        bool ok = reader_scan(&s->scan, e);
        struct cdc_prepared *found =
            ok ? cdc_decoder_take_prepared(s->scan.decoder, s->xid, s->n) : NULL;
        reader_scan_fini(&s->scan);
        if (found || !ok)
            return found;
        s->scan.to = reader_log_place(name, 4, NULL); /* which the file before it ends at */
    }
    err_set(e, ERR_SRC_PURGED, "the log that has its XA PREPARE is purged");
    err_cure(e, "copy the tables that it changed again, and go on behind it");
    return NULL;
}

static struct cdc_prepared *search_all(struct feed *f, const struct log_span *seen,
                                       struct search *s, struct err *e)
{
    struct cdc_reader *r = f->reader;
    struct reader_files files = {0};
    struct cdc_prepared *found = NULL;
    const struct my_server *log = f->source ? reader_source_server(f->source) : NULL;
    struct my_conn *c = my_connect(&r->shard->primary, "xa", e);
    if (c && log && !reader_same_server(my_conn_server(c), log)) {
        err_set_native(e, ERR_SRC_IDENTITY, ERR_CLASS_RETRY, 0, "the server has changed");
    } else if (c && reader_list_files(c, seen->to.file, &files, e)) {
        s->scan.server = my_conn_server(c);
        s->scan.to = seen->to;
        found = search(s, &files, e);
    }
    my_close(c);
    free(files.names);
    return found;
}

struct cdc_prepared *reader_live_prepared(void *ctx, const struct log_span *seen, const char *xid,
                                          size_t n, struct err *e)
{
    struct feed *f = ctx;
    struct topology *topo = f->reader->topo;
    struct search s = {.scan = {.reader = f->reader, .feed = f}, .xid = xid, .n = n};
    struct cdc_prepared *found = NULL;
    int shown = (int)(n > 200 ? 200 : n);
    log_info("reader", "XA COMMIT %.*s at %s:%llu: looking for its XA PREPARE in the older log",
             shown, xid, seen->to.file, (unsigned long long)seen->to.pos);
    s.scan.options.spill_dir = reader_spill_dir(f->reader);
    s.scan.options.held_max_bytes = f->reader->o.spill_max_bytes;
    if (!topo)
        err_set(e, ERR_LOG_UNSUPPORTED, "it was prepared before the place where reading began");
    else if (topology_server_id_take(topo, &s.scan.server_id, e)) {
        found = search_all(f, seen, &s, e);
        topology_server_id_give(topo, s.scan.server_id);
    }
    if (!found)
        err_prepend(e, "XA COMMIT %.*s", shown, xid);
    return found;
}
