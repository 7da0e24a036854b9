/* mysql/checks.h — are a server's settings and our privileges fit for a role; with the platform's
 * own cure.
 *
 * Behind `sluice doctor` and the preconditions of `create`.
 */
#ifndef SLUICE_MYSQL_CHECKS_H
#define SLUICE_MYSQL_CHECKS_H

#include "mysql/conn.h"

enum my_platform { MY_PLATFORM_AUTO, MY_PLATFORM_SELF, MY_PLATFORM_RDS, MY_PLATFORM_AURORA };
enum my_check_level { MY_CHECK_OK, MY_CHECK_WARN, MY_CHECK_FAIL };
/* Bits: what the server will be used for. */
enum my_role {
    MY_ROLE_STREAM = 1,
    MY_ROLE_COPY_SOURCE = 2,
    MY_ROLE_TARGET = 4,
    MY_ROLE_SWITCH = 8
};

struct my_check {
    char name[64]; /* "binlog_format" */
    enum my_check_level level;
    enum err_code code; /* ERR_NONE when OK */
    char found[160];
    char wanted[160];
    char cure[400]; /* statement or console path that works on this platform */
    char sql[400];  /* the cure as one SQL statement without `;`, or "" */
};
struct my_checks {
    struct my_check *items;
    size_t n;
    enum my_platform platform; /* as detected */
};
/* database: whose tables the role concerns. Fails only when the server cannot be asked. */
bool my_checks_run(struct my_conn *c, unsigned roles, enum my_platform platform,
                   const char *database, struct my_checks *out, struct err *e) WARN_UNUSED;
void my_checks_fini(struct my_checks *c);
/* The first FAIL as an error with its cure (where: "commerce/-" or ""); true if there is none. */
bool my_checks_require(const struct my_checks *c, const char *where, struct err *e) WARN_UNUSED;
/* The exact GRANT statements for user@host and roles. */
void my_checks_grants(const struct my_server *s, unsigned roles, const char *database,
                      const char *account, struct buf *out);

#endif
