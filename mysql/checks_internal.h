/* mysql/checks_internal.h — what the files behind mysql/checks.h share. */
#ifndef SLUICE_MYSQL_CHECKS_INTERNAL_H
#define SLUICE_MYSQL_CHECKS_INTERNAL_H

#include "base/map.h"
#include "mysql/checks.h"
#include "mysql/grants.h"

struct my_check_run {
    struct my_conn *c;
    const struct my_server *s;
    unsigned roles;
    const char *database; /* may be NULL or "" */
    enum my_platform platform;
    struct map *variables; /* global variables: name → text */
    struct my_grants *grants;
    char *account; /* quoted 'user'@'host' */
    struct my_checks *out;
    size_t cap;
};

/* NULL when the server has no such variable. */
const char *my_check_variable(const struct my_check_run *r, const char *name);
/* Appends an item: OK, and found/wanted filled. */
struct my_check *my_check_add(struct my_check_run *r, const char *name, const char *found,
                              const char *wanted);
void my_check_judge(struct my_check *k, enum my_check_level level, enum err_code code);
/* The cure "make variable = value" as it is done on this platform. dynamic: without a restart. */
void my_check_cure_set(const struct my_check_run *r, struct my_check *k, const char *variable,
                       const char *value, bool dynamic);

/* Every check of settings that the roles ask for (checks_settings.c). */
bool my_check_settings(struct my_check_run *r, struct err *e) WARN_UNUSED;

#endif
