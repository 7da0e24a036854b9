/* vrepl/move/statement.h — the texts of the four statements for a plan and a set of present
 * columns. */
#ifndef SLUICE_VREPL_MOVE_STATEMENT_H
#define SLUICE_VREPL_MOVE_STATEMENT_H

#include "vrepl/move/copy_rule.h"
#include "vrepl/move/plan.h"

/* present: one byte a plan column. INSERT, REPLACE: columns of the after image; UPDATE: those that
 * are set. compared: columns of the WHERE (identity key, guards; without a key every present
 * column). rows: for INSERT and REPLACE, how many VALUES lists. Parameters come in the text's
 * order: set columns, then compared ones, each in plan order. texts: NULL, or for each set column
 * and then each compared one an expression that stands for the plan's, NULL: the plan's. */
void statement_text(const struct vrepl_plan *p, enum copy_verb verb, const uint8_t *present,
                    const uint8_t *compared, const char *const *texts, size_t rows,
                    struct buf *out);

#endif
