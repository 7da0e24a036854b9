/* cdc/copy/copy_read_range.c — a copy range as a condition, for those who ask the server about its
 * rows.
 */
#include "cdc/copy/copy_read_internal.h"

bool copy_range_where(struct copy_reader *r, const struct schema_table *t,
                      const struct copy_range *range, const char *where, struct buf *sql,
                      struct err *e)
{
    return copy_plan_for(r, t, e) && copy_key_where(&r->plan.key, range, where, sql, e);
}
