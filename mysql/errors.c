/* mysql/errors.c — which class of error a client's or server's number is, and what cures it. */
#include "mysql/internal.h"

#include <errmsg.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Numbers that only Connector/C has. */
#ifndef CR_ERR_NET_READ
#define CR_ERR_NET_READ       5013
#define CR_ERR_NET_WRITE      5014
#define CR_ERR_NET_UNCOMPRESS 5015
#endif
#ifndef CR_PLUGIN_NOT_ALLOWED
#define CR_PLUGIN_NOT_ALLOWED 5010
#endif

struct number_kind {
    unsigned number;
    struct my_error_kind kind;
    const char *cure; /* NULL: none that always fits */
};

#define RETRY ERR_CLASS_RETRY
#define FATAL ERR_CLASS_FATAL

static const char grant_cure[] = "`sluice doctor` prints the exact GRANT statements";
static const char login_cure[] = "check user and password; the password file is read again at the "
                                 "next try";
static const char packet_cure[] = "raise max_allowed_packet on that server";

/* Sources: MySQL "Server/Client Error Message Reference", MariaDB KB "MariaDB Error Codes". */
static const struct number_kind kinds[] = {
    {1205, {ERR_DB_DEADLOCK, RETRY}, NULL}, /* lock wait timeout */
    {1213, {ERR_DB_DEADLOCK, RETRY}, NULL},
    {1020, {ERR_DB_DEADLOCK, RETRY}, NULL}, /* innodb_snapshot_isolation: record has changed */
    {1412, {ERR_DB_DEADLOCK, RETRY}, NULL}, /* altered after the read view was made */
    {3101, {ERR_DB_DEADLOCK, RETRY}, NULL}, /* rolled back by group certification */
    {3572, {ERR_DB_DEADLOCK, RETRY}, NULL}, /* NOWAIT */

    {CR_CONNECTION_ERROR, {ERR_DB_CONNECT, RETRY}, NULL},
    {CR_CONN_HOST_ERROR, {ERR_DB_CONNECT, RETRY}, NULL},
    {CR_UNKNOWN_HOST, {ERR_DB_CONNECT, RETRY}, NULL},
    {CR_SOCKET_CREATE_ERROR, {ERR_DB_CONNECT, RETRY}, NULL},
    {CR_SERVER_HANDSHAKE_ERR, {ERR_DB_CONNECT, RETRY}, NULL},
    {1040, {ERR_DB_CONNECT, RETRY}, "raise max_connections or free connections on that server"},
    {1203, {ERR_DB_CONNECT, RETRY}, "raise max_user_connections for the account"},
    {1226, {ERR_DB_CONNECT, RETRY}, "raise the account's resource limits"},
    {1129, {ERR_DB_CONNECT, RETRY}, "run FLUSH HOSTS (or TRUNCATE performance_schema.host_cache)"},
    {1049, {ERR_DB_QUERY, FATAL}, "create the database or correct its name in the configuration"},

    {CR_SERVER_GONE_ERROR, {ERR_DB_LOST, RETRY}, NULL},
    {CR_SERVER_LOST, {ERR_DB_LOST, RETRY}, NULL},
    {CR_SERVER_LOST_EXTENDED, {ERR_DB_LOST, RETRY}, NULL},
    {CR_COMMANDS_OUT_OF_SYNC, {ERR_INTERNAL, FATAL}, NULL},
    {CR_ERR_NET_READ, {ERR_DB_LOST, RETRY}, NULL},
    {CR_ERR_NET_WRITE, {ERR_DB_LOST, RETRY}, NULL},
    {CR_ERR_NET_UNCOMPRESS, {ERR_DB_LOST, RETRY}, NULL},
    {CR_MALFORMED_PACKET, {ERR_DB_LOST, RETRY}, NULL},
    {1053, {ERR_DB_LOST, RETRY}, NULL}, /* server shutdown in progress */
    {1077, {ERR_DB_LOST, RETRY}, NULL},
    {1079, {ERR_DB_LOST, RETRY}, NULL},
    {1152, {ERR_DB_LOST, RETRY}, NULL},
    {1158, {ERR_DB_LOST, RETRY}, NULL},
    {1159, {ERR_DB_LOST, RETRY}, NULL},
    {1160, {ERR_DB_LOST, RETRY}, NULL},
    {1161, {ERR_DB_LOST, RETRY}, NULL},
    {1184, {ERR_DB_LOST, RETRY}, NULL},
    {1927, {ERR_DB_LOST, RETRY}, NULL}, /* MariaDB: connection was killed */
    {3169, {ERR_DB_LOST, RETRY}, NULL}, /* MySQL: session was killed */
    {4031, {ERR_DB_LOST, RETRY}, NULL}, /* MySQL: disconnected because of inactivity */
    {1047, {ERR_DB_LOST, RETRY}, NULL}, /* Galera: node not ready */

    {1062, {ERR_DB_DUPLICATE, FATAL}, NULL},
    {1586, {ERR_DB_DUPLICATE, FATAL}, NULL},
    {1022, {ERR_DB_DUPLICATE, FATAL}, NULL},

    {1045, {ERR_DB_AUTH, RETRY}, login_cure},
    {1698, {ERR_DB_AUTH, RETRY}, login_cure},
    {1130, {ERR_DB_AUTH, RETRY}, "create the account for the host that we connect from"},
    {1251, {ERR_DB_AUTH, RETRY}, NULL},
    {1275, {ERR_DB_AUTH, RETRY}, NULL},
    {1524, {ERR_DB_AUTH, RETRY}, NULL},
    {1820, {ERR_DB_AUTH, RETRY}, "set a new password for the account (ALTER USER)"},
    {1862, {ERR_DB_AUTH, RETRY}, "set a new password for the account (ALTER USER)"},
    {3118, {ERR_DB_AUTH, RETRY}, "unlock the account (ALTER USER … ACCOUNT UNLOCK)"},
    {4151, {ERR_DB_AUTH, RETRY}, "unlock the account (ALTER USER … ACCOUNT UNLOCK)"},
    {3159, {ERR_DB_AUTH, RETRY}, "the server demands TLS: set tls.mode to REQUIRED or higher"},
    {CR_AUTH_PLUGIN_CANNOT_LOAD, {ERR_DB_AUTH, RETRY}, NULL},
    {CR_AUTH_PLUGIN_ERR, {ERR_DB_AUTH, RETRY}, NULL},
    {CR_PLUGIN_NOT_ALLOWED,
     {ERR_DB_AUTH, RETRY},
     "the server asks for the password as it is, which only a server that has proven who it is may "
     "get: set tls.mode to VERIFY_IDENTITY and the login's cleartext_password to verify_identity"},
    {CR_SSL_CONNECTION_ERROR, {ERR_DB_TLS, FATAL}, "check tls.mode, tls.ca and the certificates"},

    {1044, {ERR_DB_DENIED, FATAL}, grant_cure},
    {1142, {ERR_DB_DENIED, FATAL}, grant_cure},
    {1143, {ERR_DB_DENIED, FATAL}, grant_cure},
    {1227, {ERR_DB_DENIED, FATAL}, grant_cure},
    {1370, {ERR_DB_DENIED, FATAL}, grant_cure},
    {1410, {ERR_DB_DENIED, FATAL}, grant_cure},

    {1290, {ERR_DB_READ_ONLY, RETRY}, NULL},
    {1792, {ERR_DB_READ_ONLY, RETRY}, NULL},
    {1836, {ERR_DB_READ_ONLY, RETRY}, NULL},

    {1153, {ERR_LIMIT, FATAL}, packet_cure},
    {CR_NET_PACKET_TOO_LARGE, {ERR_LIMIT, FATAL}, packet_cure},
    {1021, {ERR_DB_QUERY, RETRY}, "free space on that server's disk"},
    {1114, {ERR_DB_QUERY, RETRY}, "free space on that server's disk"},
    {1317, {ERR_DB_QUERY, RETRY}, NULL}, /* KILL QUERY */
    {1969, {ERR_DB_QUERY, RETRY}, NULL}, /* max_statement_time */
    {3024, {ERR_DB_QUERY, RETRY}, NULL}, /* max_execution_time */
};

static const struct number_kind *find_kind(unsigned number)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].number == number)
            return &kinds[i];
    return NULL;
}

struct my_error_kind my_error_classify(unsigned number)
{
    const struct number_kind *k = find_kind(number);
    return k ? k->kind : (struct my_error_kind){ERR_DB_QUERY, FATAL};
}

/* 1290 is raised for several server options; only read_only passes by itself. */
static bool is_other_option(unsigned number, const char *text)
{
    return number == 1290 && !strstr(text, "read-only") && !strstr(text, "read_only") &&
           !strstr(text, "READ_ONLY");
}

/* The peer of an encrypted connection went away: the library calls that a TLS error too. */
static bool is_cut_off(unsigned number, const char *text)
{
    return number == CR_SSL_CONNECTION_ERROR &&
           (strcasestr(text, "unexpected eof") || strcasestr(text, "reset by peer") ||
            strcasestr(text, "broken pipe") || strcasestr(text, "lost connection"));
}

/* The libraries give the system's reason for a connection that failed as a number at the end: "…
 * (111)", "… system error: 110". MariaDB's tells of one that was refused while it waited by the
 * number of the waiting. NULL: none. */
const char *my_error_reason(unsigned number, const char *text, char *out, size_t out_len)
{
    bool of_system = number == CR_CONNECTION_ERROR || number == CR_CONN_HOST_ERROR ||
                     number == CR_SERVER_LOST || number == CR_SERVER_LOST_EXTENDED;
    size_t n = strlen(text), end = n > 0 && text[n - 1] == ')' ? n - 1 : n, at = end;
    while (at > 0 && text[at - 1] >= '0' && text[at - 1] <= '9')
        at--;
    bool marked =
        at > 0 && at < end && end - at < 4 && (text[at - 1] == '(' || text[at - 1] == ' ');
    int reason = of_system && marked ? (int)strtol(text + at, NULL, 10) : 0;
    if (reason == EINPROGRESS)
        return "refused, or the host cannot be reached";
    return reason > 0 ? strerror_r(reason, out, out_len) : NULL;
}

bool my_error_set(struct err *e, const char *where, unsigned number, const char *text)
{
    char system[100];
    if (is_cut_off(number, text))
        number = CR_SERVER_LOST;
    const struct number_kind *k = find_kind(number);
    struct my_error_kind kind = my_error_classify(number);
    if (is_other_option(number, text))
        kind = (struct my_error_kind){ERR_DB_QUERY, FATAL};
    const char *reason = my_error_reason(number, text, system, sizeof system);
    err_set_native(e, kind.code, kind.class_, (int)number, "%s: %s%s%s", where, text,
                   reason ? ": " : "", reason ? reason : "");
    if (k && k->cure)
        err_cure(e, "%s", k->cure);
    return false;
}

bool my_conn_error_set(struct my_conn *c, struct err *e, unsigned number, const char *text)
{
    bool lost = c->connected && number == CR_SSL_CONNECTION_ERROR;
    return my_error_set(e, c->where, lost ? CR_SERVER_LOST : number, text);
}

bool my_conn_fail_as(struct my_conn *c, struct err *e, unsigned number, const char *text)
{
    pthread_mutex_lock(&c->mutex);
    bool interrupted = c->interrupted;
    pthread_mutex_unlock(&c->mutex);
    if (interrupted)
        return err_set(e, ERR_SHUTDOWN, "%s: interrupted", c->where);
    return my_conn_error_set(c, e, number, text);
}

bool my_conn_fail(struct my_conn *c, struct err *e)
{
    unsigned number = mysql_errno(c->h);
    return my_conn_fail_as(c, e, number ? number : CR_SERVER_LOST, mysql_error(c->h));
}
