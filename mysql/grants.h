/* mysql/grants.h — privileges as SHOW GRANTS prints them, and those that each role needs; pure. */
#ifndef SLUICE_MYSQL_GRANTS_H
#define SLUICE_MYSQL_GRANTS_H

#include "mysql/checks.h"

/* The database of our own tables on every server that we write to. */
#define MY_SIDECAR_DATABASE "_sluice"

struct my_grants; /* what an account holds */
struct my_grants *my_grants_new(void);
void my_grants_free(struct my_grants *g);
/* One line of SHOW GRANTS (GRANT … ON …, partial REVOKE …); roles, PROXY and column lists add
 * nothing. */
void my_grants_add(struct my_grants *g, const char *line);
/* Does the account hold the privilege on all of the database (NULL: on *.*)? Patterns (% and _) in
 * grants match as the server matches them; a grant on single tables does not count. */
bool my_grants_have(const struct my_grants *g, const char *privilege, const char *database);

/* What a role needs, by scope. */
enum my_grant_scope { MY_GRANT_GLOBAL, MY_GRANT_DATABASE, MY_GRANT_SIDECAR, MY_GRANT_SCOPES };
enum my_grant_need {
    MY_GRANT_REQUIRED,
    MY_GRANT_HELPFUL /* only to say who is in the way of a switch */
};
/* Calls fn for each privilege that the roles need in that scope, each once. */
void my_grants_needed(const struct my_server *s, unsigned roles, enum my_grant_scope scope,
                      enum my_grant_need need, void (*fn)(void *ctx, const char *privilege),
                      void *ctx);
/* "GRANT a, b ON `db`.* TO account" for a comma-separated list. */
void my_grants_statement(struct buf *out, const char *privileges, enum my_grant_scope scope,
                         const char *database, const char *account);

#endif
