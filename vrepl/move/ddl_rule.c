/* vrepl/move/ddl_rule.c — the decisions, one a function. */
#include "vrepl/move/ddl_rule.h"

enum ddl_act ddl_rule(enum vrepl_on_ddl policy, bool outside, bool changes_rows)
{
    if (outside)
        return DDL_ACT_PARK;
    if (changes_rows)
        return DDL_ACT_STOP_BEFORE;
    switch (policy) {
    case VREPL_ON_DDL_IGNORE:
        break;
    case VREPL_ON_DDL_STOP:
        return DDL_ACT_STOP_BEHIND;
    case VREPL_ON_DDL_EXEC:
    case VREPL_ON_DDL_EXEC_IGNORE:
        return DDL_ACT_EXECUTE;
    }
    return DDL_ACT_PASS;
}

bool ddl_rule_skips_unknown(enum vrepl_on_ddl policy)
{
    return policy == VREPL_ON_DDL_EXEC_IGNORE;
}

/* A repetition after a crash between the DDL and the position finds it done. It has one clause, so
 * that nothing else of it is missing; that what is there has the source's definition is proven by
 * the plan, before a row is applied. */
static bool is_done_already(const struct err *e)
{
    static const int done[] = {1060, 1061, 1091, 3822}; /* duplicate column, key; no key; check */
    for (size_t i = 0; i < sizeof done / sizeof *done; i++) {
        if (e->native == done[i])
            return true;
    }
    return false;
}

bool ddl_rule_forgives(enum vrepl_on_ddl policy, const struct err *refused)
{
    return is_done_already(refused) ||
           (policy == VREPL_ON_DDL_EXEC_IGNORE && refused->class_ == ERR_CLASS_FATAL);
}
