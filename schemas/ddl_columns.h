/* schemas/ddl_columns.h — which columns of its table a DDL may have changed; never too few. */
#ifndef SLUICE_SCHEMAS_DDL_COLUMNS_H
#define SLUICE_SCHEMAS_DDL_COLUMNS_H

#include "schemas/ddl_touch.h"

struct ddl_columns {  /* zero at first */
    bool any;         /* may be every column */
    bool creates;     /* a new table; words are all words of its definition */
    struct buf words; /* "\nword\nword\n": else a column that is not among them is as it was */
};
/* Thread: any. */
void ddl_columns(const struct ddl_text *ddl, struct ddl_columns *out);
void ddl_columns_fini(struct ddl_columns *c);
/* Whether words have a name, compared as no server does more coarsely. */
bool ddl_words_have(const char *words, const char *name);

#endif
