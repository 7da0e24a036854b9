/* mysql/grants.c — reading SHOW GRANTS and naming what is missing.
 *
 * A line is read with a small scanner that knows the servers' quoting (backticks, single and double
 * quotes, doubled quotes inside). Held privileges are kept as (pattern, privilege) pairs in the
 * order of the lines; a partial REVOKE (MySQL, partial_revokes=ON) is a pair that takes away.
 */
#include "mysql/grants.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct held {
    char *pattern; /* of databases; NULL: *.* */
    char *privilege;
    bool revoked;
};

struct my_grants {
    struct held *items;
    size_t n, cap;
};

struct my_grants *my_grants_new(void)
{
    return mem_alloc(sizeof(struct my_grants));
}

void my_grants_free(struct my_grants *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n; i++) {
        free(g->items[i].pattern);
        free(g->items[i].privilege);
    }
    free(g->items);
    free(g);
}

static void add_held(struct my_grants *g, const char *pattern, const char *privilege, size_t n,
                     bool revoked)
{
    mem_grow((void **)&g->items, &g->cap, g->n + 1, sizeof *g->items);
    g->items[g->n++] = (struct held){mem_strdup(pattern), mem_strndup(privilege, n), revoked};
}

/* ── reading a line ────────────────────────────────────────────────────── */

static const char *skip_space(const char *s)
{
    while (*s == ' ')
        s++;
    return s;
}

/* Behind a quoted name, or behind a word without quotes. */
static const char *skip_name(const char *s)
{
    char quote = *s;
    if (quote != '`' && quote != '\'' && quote != '"') {
        while (*s && *s != ' ' && *s != '.' && *s != ',' && *s != '@' && *s != '(')
            s++;
        return s;
    }
    for (s++; *s; s++) {
        if (*s == quote && s[1] == quote)
            s++;
        else if (*s == quote)
            return s + 1;
    }
    return s;
}

/* A name without its quotes, malloc'ed. */
static char *unquoted(const char *s, const char *end)
{
    char quote = *s;
    if (quote != '`' && quote != '\'' && quote != '"')
        return mem_strndup(s, (size_t)(end - s));
    char *out = mem_alloc((size_t)(end - s) + 1), *o = out;
    for (s++; s < end - 1; s++) {
        *o++ = *s;
        if (*s == quote && s + 1 < end - 1 && s[1] == quote)
            s++;
    }
    *o = 0;
    return out;
}

/* Where the word (with a space on both sides) stands outside quotes and parentheses; NULL. */
static const char *find_word(const char *s, const char *word)
{
    size_t n = strlen(word);
    unsigned depth = 0;
    for (; *s; s++) {
        if (*s == '`' || *s == '\'' || *s == '"') {
            s = skip_name(s) - 1;
        } else if (*s == '(') {
            depth++;
        } else if (*s == ')' && depth > 0) {
            depth--;
        } else if (depth == 0 && *s == ' ' && strncmp(s + 1, word, n) == 0 && s[1 + n] == ' ') {
            return s + 1;
        }
    }
    return NULL;
}

static void add_list(struct my_grants *g, const char *s, const char *end, const char *pattern,
                     bool revoked)
{
    while (s < end) {
        s = skip_space(s);
        const char *from = s;
        bool columns = false;
        for (; s < end && *s != ','; s++)
            if (*s == '(') {
                columns = true;
                while (s < end && *s != ')')
                    s++;
            }
        const char *last = s;
        while (last > from && last[-1] == ' ')
            last--;
        if (last > from && !columns)
            add_held(g, pattern, from, (size_t)(last - from), revoked);
        s++;
    }
}

/* object: `db`.*, *.* or a table; false when it is not a whole database or everything. */
static bool read_object(const char *s, char **pattern)
{
    *pattern = NULL;
    if (strncmp(s, "*.*", 3) == 0)
        return true;
    const char *end = skip_name(s);
    if (strncmp(end, ".*", 2) != 0)
        return false;
    *pattern = unquoted(s, end);
    return true;
}

void my_grants_add(struct my_grants *g, const char *line)
{
    bool revoked = strncmp(line, "REVOKE ", 7) == 0;
    if (!revoked && strncmp(line, "GRANT ", 6) != 0)
        return;
    const char *list = line + (revoked ? 7 : 6);
    const char *on = find_word(line, "ON");
    if (!on) /* a role, or SET DEFAULT ROLE */
        return;
    char *pattern CLEANUP(mem_free_ptr) = NULL;
    if (read_object(skip_space(on + 2), &pattern))
        add_list(g, list, on, pattern, revoked);
}

/* ── asking ────────────────────────────────────────────────────────────── */

/* A database name against a pattern of the grant tables: % and _ with \ before a literal one. */
static bool pattern_matches(const char *pattern, const char *name)
{
    for (; *pattern; pattern++, name++) {
        if (*pattern == '%') {
            do {
                if (pattern_matches(pattern + 1, name))
                    return true;
            } while (*name++);
            return false;
        }
        if (!*name)
            return false;
        if (*pattern == '_')
            continue;
        if (*pattern == '\\' && pattern[1])
            pattern++;
        if (*pattern != *name)
            return false;
    }
    return *name == 0;
}

static bool same_privilege(const char *a, const char *b)
{
    static const char *const alias[][2] = {
        {"BINLOG MONITOR", "REPLICATION CLIENT"},
        {"REPLICATION REPLICA", "REPLICATION SLAVE"},
    };
    for (size_t i = 0; i < sizeof alias / sizeof alias[0]; i++) {
        a = strcasecmp(a, alias[i][0]) == 0 ? alias[i][1] : a;
        b = strcasecmp(b, alias[i][0]) == 0 ? alias[i][1] : b;
    }
    return strcasecmp(a, b) == 0;
}

static bool gives(const struct held *h, const char *privilege)
{
    return strcasecmp(h->privilege, "ALL PRIVILEGES") == 0 ||
           strcasecmp(h->privilege, "ALL") == 0 || same_privilege(h->privilege, privilege);
}

bool my_grants_have(const struct my_grants *g, const char *privilege, const char *database)
{
    bool have = false;
    for (size_t i = 0; i < g->n; i++) {
        const struct held *h = &g->items[i];
        if (!gives(h, privilege))
            continue;
        if (!h->pattern || (database && pattern_matches(h->pattern, database)))
            have = !h->revoked;
    }
    return have;
}

/* ── what the roles need ───────────────────────────────────────────────── */

struct need {
    const char *privilege;
    enum my_grant_scope scope;
    unsigned roles;
    enum my_grant_need need;
    unsigned mysql_from; /* only MySQL of at least this version; 0: every server */
};

#define ALL_SOURCE (MY_ROLE_STREAM | MY_ROLE_COPY_SOURCE | MY_ROLE_SWITCH)
#define WRITERS    (MY_ROLE_TARGET | MY_ROLE_SWITCH)

static const struct need needs[] = {
    {"REPLICATION SLAVE", MY_GRANT_GLOBAL, ALL_SOURCE, MY_GRANT_REQUIRED, 0},
    {"REPLICATION CLIENT", MY_GRANT_GLOBAL, ALL_SOURCE, MY_GRANT_REQUIRED, 0},
    {"PROCESS", MY_GRANT_GLOBAL, MY_ROLE_SWITCH, MY_GRANT_HELPFUL, 0},
    {"XA_RECOVER_ADMIN", MY_GRANT_GLOBAL, MY_ROLE_SWITCH, MY_GRANT_HELPFUL, 80000},
    {"SELECT", MY_GRANT_DATABASE, ALL_SOURCE | MY_ROLE_TARGET, MY_GRANT_REQUIRED, 0},
    {"LOCK TABLES", MY_GRANT_DATABASE, MY_ROLE_COPY_SOURCE | MY_ROLE_SWITCH, MY_GRANT_REQUIRED, 0},
    {"INSERT", MY_GRANT_DATABASE, WRITERS, MY_GRANT_REQUIRED, 0},
    {"UPDATE", MY_GRANT_DATABASE, WRITERS, MY_GRANT_REQUIRED, 0},
    {"DELETE", MY_GRANT_DATABASE, WRITERS, MY_GRANT_REQUIRED, 0},
    {"CREATE", MY_GRANT_DATABASE, WRITERS, MY_GRANT_REQUIRED, 0},
    {"ALTER", MY_GRANT_DATABASE, WRITERS, MY_GRANT_REQUIRED, 0},
    {"INDEX", MY_GRANT_DATABASE, MY_ROLE_TARGET, MY_GRANT_REQUIRED, 0},
    {"REFERENCES", MY_GRANT_DATABASE, MY_ROLE_TARGET, MY_GRANT_REQUIRED, 0},
    {"DROP", MY_GRANT_DATABASE, WRITERS, MY_GRANT_REQUIRED, 0},
    {"TRIGGER", MY_GRANT_DATABASE, WRITERS, MY_GRANT_REQUIRED, 0},
    {"SELECT", MY_GRANT_SIDECAR, WRITERS, MY_GRANT_REQUIRED, 0},
    {"INSERT", MY_GRANT_SIDECAR, WRITERS, MY_GRANT_REQUIRED, 0},
    {"UPDATE", MY_GRANT_SIDECAR, WRITERS, MY_GRANT_REQUIRED, 0},
    {"DELETE", MY_GRANT_SIDECAR, WRITERS, MY_GRANT_REQUIRED, 0},
    {"CREATE", MY_GRANT_SIDECAR, WRITERS, MY_GRANT_REQUIRED, 0},
    {"ALTER", MY_GRANT_SIDECAR, WRITERS, MY_GRANT_REQUIRED, 0},
    {"INDEX", MY_GRANT_SIDECAR, WRITERS, MY_GRANT_REQUIRED, 0},
    {"DROP", MY_GRANT_SIDECAR, WRITERS, MY_GRANT_REQUIRED, 0},
    {"LOCK TABLES", MY_GRANT_SIDECAR, WRITERS, MY_GRANT_REQUIRED, 0},
};

static bool known_to(const struct need *need, const struct my_server *s)
{
    return need->mysql_from == 0 ||
           (s->flavor == MY_FLAVOR_MYSQL && s->version >= need->mysql_from);
}

void my_grants_needed(const struct my_server *s, unsigned roles, enum my_grant_scope scope,
                      enum my_grant_need need, void (*fn)(void *ctx, const char *privilege),
                      void *ctx)
{
    bool renamed = s->flavor == MY_FLAVOR_MARIADB && s->version >= 100502;
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        const struct need *n = &needs[i];
        if (n->scope != scope || n->need != need || !(n->roles & roles) || !known_to(n, s))
            continue;
        bool client = strcmp(n->privilege, "REPLICATION CLIENT") == 0;
        fn(ctx, client && renamed ? "BINLOG MONITOR" : n->privilege);
    }
}

/* A database in a GRANT: _ and % would be wildcards there. */
static void put_database(struct buf *out, const char *database)
{
    struct buf escaped CLEANUP(buf_fini) = BUF_INIT;
    for (const char *s = database; *s; s++) {
        if (*s == '_' || *s == '%')
            buf_put_u8(&escaped, '\\');
        buf_put_u8(&escaped, (uint8_t)*s);
    }
    buf_put_ident(out, buf_str(&escaped));
}

void my_grants_statement(struct buf *out, const char *privileges, enum my_grant_scope scope,
                         const char *database, const char *account)
{
    buf_printf(out, "GRANT %s ON ", privileges);
    switch (scope) {
    case MY_GRANT_GLOBAL:
        buf_put_str(out, "*");
        break;
    case MY_GRANT_DATABASE:
        put_database(out, database);
        break;
    case MY_GRANT_SIDECAR:
        put_database(out, MY_SIDECAR_DATABASE);
        break;
    case MY_GRANT_SCOPES:
        break;
    }
    buf_printf(out, ".* TO %s", account);
}

static void put_listed(void *ctx, const char *privilege)
{
    struct buf *list = ctx;
    buf_put_str(list, list->len ? ", " : "");
    buf_put_str(list, privilege);
}

void my_checks_grants(const struct my_server *s, unsigned roles, const char *database,
                      const char *account, struct buf *out)
{
    for (unsigned scope = 0; scope < MY_GRANT_SCOPES; scope++) {
        struct buf list CLEANUP(buf_fini) = BUF_INIT;
        if (scope == MY_GRANT_DATABASE && !(database && database[0]))
            continue;
        my_grants_needed(s, roles, (enum my_grant_scope)scope, MY_GRANT_REQUIRED, put_listed,
                         &list);
        my_grants_needed(s, roles, (enum my_grant_scope)scope, MY_GRANT_HELPFUL, put_listed, &list);
        if (list.len == 0)
            continue;
        my_grants_statement(out, buf_str(&list), (enum my_grant_scope)scope, database, account);
        buf_put_str(out, ";\n");
    }
}
