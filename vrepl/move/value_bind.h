/* vrepl/move/value_bind.h — one decoded value as a statement's parameter, exact for every type. */
#ifndef SLUICE_VREPL_MOVE_VALUE_BIND_H
#define SLUICE_VREPL_MOVE_VALUE_BIND_H

#include "cdc/log/value.h"
#include "vrepl/move/plan.h"

/* Where values go that have to be written differently, and the buffer in which that is done. */
struct value_scratch {
    struct arena arena; /* reset when the statement ran */
    struct buf text;
};
void value_scratch_init(struct value_scratch *s);
void value_scratch_fini(struct value_scratch *s);

/* v is present (not absent); NULL becomes MY_VALUE_NULL. Bytes of *out point into the row's batch,
 * or into scratch where the value had to be written differently; both must live until the statement
 * ran. Every non-NULL value of one column gets the same my_value type (bulk statements need that).
 * ERR_LOG_FORMAT, ERR_LOG_UNSUPPORTED. Thread: any. */
bool value_bind(const struct plan_column *col, const struct cdc_value *v,
                struct value_scratch *scratch, struct my_value *out, struct err *e) WARN_UNUSED;
/* The value as text for messages: numbers, printable text (cut at 64 bytes), else hex. */
void value_describe(const struct my_value *v, struct buf *out);

#endif
