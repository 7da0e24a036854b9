/* vrepl/move/ddl_rule.h — what becomes of a DDL of the source at a target, and what of an error of it. Pure.
 */
#ifndef SLUICE_VREPL_MOVE_DDL_RULE_H
#define SLUICE_VREPL_MOVE_DDL_RULE_H

#include "vrepl/move/stream.h"

enum ddl_act {
    DDL_ACT_PARK, /* done here already; another target has yet to do it, and ends the attempt */
    DDL_ACT_STOP_BEFORE, /* an error; the position stays before the statement */
    DDL_ACT_PASS,        /* nothing follows from it */
    DDL_ACT_EXECUTE,     /* done here; then the tables are looked at anew */
    DDL_ACT_STOP_BEHIND  /* an error; the position stands behind the statement */
};
/* outside: the target has applied what follows it already. changes_rows: of a table of ours, without row
 * events, whatever the policy says: the target would keep the old rows. */
enum ddl_act ddl_rule(enum vrepl_on_ddl policy, bool outside, bool changes_rows);
/* The statement is not known to be the same change on the target: is it passed over? */
bool ddl_rule_skips_unknown(enum vrepl_on_ddl policy);
/* The target refused the statement: is it as if it were done? */
bool ddl_rule_forgives(enum vrepl_on_ddl policy, const struct err *refused);

#endif
