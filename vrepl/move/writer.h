/* vrepl/move/writer.h — rows in, statements out, for one connection: INSERT, REPLACE, UPDATE,
 * DELETE in the order in which they were put, consecutive ones of one form sent as one bulk.
 *
 * Order is kept exactly: a row of another table, verb or set of present columns first sends what is
 * pending. Every strict statement's hit count is checked (CLIENT_FOUND_ROWS): anything but one row
 * for one change is ERR_APPLY_MISSED. The writer knows nothing of transactions; after any failure
 * its caller rolls back and calls vrepl_writer_reset. Thread: the connection's.
 */
#ifndef SLUICE_VREPL_MOVE_WRITER_H
#define SLUICE_VREPL_MOVE_WRITER_H

#include "vrepl/move/copy_rule.h"
#include "vrepl/move/value_bind.h"

struct vrepl_writer;
/* max_rows, max_bytes: of one statement; 0: 1,000 and 512 KiB. c is borrowed. */
struct vrepl_writer *vrepl_writer_new(struct my_conn *c, size_t max_rows, size_t max_bytes);
void vrepl_writer_free(struct vrepl_writer *w); /* before its connection is closed */
/* c had my_pipeline_open: statements are sent without waiting, an error may be that of any row
 * since the last flush. */
void vrepl_writer_pipelined(struct vrepl_writer *w);
/* Every row is sent at once and alone, so that an error names it. */
void vrepl_writer_one_by_one(struct vrepl_writer *w, bool on);
void vrepl_writer_reset(struct vrepl_writer *w); /* forgets what is pending, and its answers */
/* before: for DELETE and UPDATE, after: for the others and UPDATE. Their bytes must live until the
 * next flush or reset. An UPDATE's columns that are absent stay as they are. */
bool vrepl_writer_put(struct vrepl_writer *w, const struct vrepl_plan *p, struct copy_statement s,
                      const struct cdc_row *before, const struct cdc_row *after,
                      struct err *e) WARN_UNUSED;
bool vrepl_writer_flush(struct vrepl_writer *w, struct err *e) WARN_UNUSED;
/* "orders(id=5)" of an image, for messages. */
void vrepl_row_describe(const struct vrepl_plan *p, const struct cdc_row *row, struct buf *out);

#endif
