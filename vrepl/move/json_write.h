/* vrepl/move/json_write.h — a JSON document as MySQL keeps it, types and all, by one SQL
 * expression. */
#ifndef SLUICE_VREPL_MOVE_JSON_WRITE_H
#define SLUICE_VREPL_MOVE_JSON_WRITE_H

#include "vrepl/move/value_bind.h"

/* The expression and its parameters. Documents of one shape have one expression. */
struct json_write {
    struct buf sql;          /* an expression with values.n parameters */
    struct my_value *values; /* the first is the document as text; bytes in scratch, or the row's */
    size_t n, cap;           /* 0: the text says everything */
};
void json_write_fini(struct json_write *w);
/* v: a value of a column with `typed` set, present, not NULL and not partial. False: its types
 * cannot be written exactly; ERR_LOG_UNSUPPORTED names what, ERR_LOG_FORMAT. */
bool json_write_make(struct json_write *w, const struct plan_column *col, const struct cdc_value *v,
                     struct value_scratch *scratch, struct err *e) WARN_UNUSED;

#endif
