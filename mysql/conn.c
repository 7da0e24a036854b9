/* mysql/conn.c — opening a connection, preparing its session, statements without a result. */
#include "base/fault.h"
#include "base/mem.h"
#include "mysql/internal.h"

#include <assert.h>
#include <errmsg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define DEFAULT_CONNECT_TIMEOUT_MS 10000u

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static char library_text[64];

static void library_init(void)
{
    my_lib_init();
    snprintf(library_text, sizeof library_text, "%s %s", my_lib_name, mysql_get_client_info());
}

const char *my_client_library(void)
{
    pthread_once(&library_once, library_init);
    return library_text;
}

/* The library counts connect timeouts in seconds. */
static unsigned seconds_up(unsigned ms)
{
    return (ms + 999) / 1000;
}

static struct my_conn *conn_new(const struct my_params *p, const char *role)
{
    struct my_conn *c = mem_alloc(sizeof *c);
    char address[300];
    my_params_address(p, address, sizeof address);
    snprintf(c->where, sizeof c->where, "%s (%s)", address, role);
    my_params_copy(&c->params, p);
    pthread_mutex_init(&c->mutex, NULL);
    c->fd = -1;
    buf_init(&c->request, MY_MAX_PACKET_BYTES);
    return c;
}

static bool set_options(MYSQL *h, const struct my_params *p, const char *role, struct err *e)
{
    unsigned connect_s =
        seconds_up(p->connect_timeout_ms ? p->connect_timeout_ms : DEFAULT_CONNECT_TIMEOUT_MS);
    unsigned no = 0, protocol = p->socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    size_t max_packet = MY_MAX_PACKET_BYTES;
    char name[64];
    snprintf(name, sizeof name, "sluice %s", role);
    bool ok = mysql_options(h, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s) == 0;
    ok = ok && mysql_options(h, MYSQL_OPT_LOCAL_INFILE, &no) == 0;
    ok = ok && mysql_options(h, MYSQL_OPT_PROTOCOL, &protocol) == 0;
    ok = ok && mysql_options(h, MYSQL_OPT_MAX_ALLOWED_PACKET, &max_packet) == 0;
    ok = ok && mysql_options(h, MYSQL_SET_CHARSET_NAME, "binary") == 0;
    ok = ok && mysql_options4(h, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", name) == 0;
    if (!ok || !my_lib_options(h, p))
        return err_set(e, ERR_INTERNAL, "the client library refuses a connection option");
    return my_tls_prepare(h, p, e);
}

static bool open_handle(struct my_conn *c, const struct my_params *p, const char *role,
                        struct err *e)
{
    if (c->h)
        mysql_close(c->h);
    c->h = mysql_init(NULL);
    if (!c->h)
        return err_set(e, ERR_NO_MEMORY, "%s: no memory for a connection", c->where);
    return set_options(c->h, p, role, e);
}

static bool connect_once(struct my_conn *c, const struct my_params *p, const char *role,
                         const char *password, struct err *e)
{
    if (!open_handle(c, p, role, e))
        return false;
    my_lib_guard_begin(p);
    bool connected = mysql_real_connect(c->h, p->host, p->user, password ? password : "",
                                        p->database, p->port, p->socket, CLIENT_FOUND_ROWS);
    bool cut = my_lib_guard_end();
    if (cut && p->tls_mode == MY_TLS_PREFERRED) {
        struct my_params plain = *p;
        plain.tls_mode = MY_TLS_DISABLED;
        return connect_once(c, &plain, role, password, e);
    }
    if (cut) {
        err_set(e, ERR_DB_TLS, "%s: tls.mode demands encryption and the server offers none",
                c->where);
        return err_cure(e, "configure TLS on that server");
    }
    return connected ? my_tls_verify(c->h, p, c->where, e) : my_conn_fail(c, e);
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* A login that fails may have used a password that was being replaced: read it once more. */
static bool connect_with_password(struct my_conn *c, const struct my_params *p, const char *role,
                                  struct err *e)
{
    char *first = NULL, *second = NULL;
    bool ok = my_password_get(p, &first, e) && connect_once(c, p, role, first, e);
    if (!ok && c->h && e->code == ERR_DB_AUTH && (p->password_file || p->password_command) &&
        my_password_get(p, &second, NULL) && !same_text(first, second))
        ok = connect_once(c, p, role, second, e);
    my_password_free(first);
    my_password_free(second);
    return ok;
}

#define CAPABILITY_MYSQL 1ul /* MariaDB does not set it */

static enum my_flavor flavor_of(const MYSQL *h, const char *version)
{
    return strcasestr(version, "mariadb") || !(h->server_capabilities & CAPABILITY_MYSQL)
               ? MY_FLAVOR_MARIADB
               : MY_FLAVOR_MYSQL;
}

/* MariaDB before 11 says "5.5.5-" first, for replicas that read one digit. */
static const char *without_compatibility(const char *version)
{
    static const char prefix[] = "5.5.5-";
    size_t n = sizeof prefix - 1;
    return strncmp(version, prefix, n) == 0 && version[n] >= '0' && version[n] <= '9' ? version + n
                                                                                      : version;
}

static unsigned version_number(const char *version)
{
    unsigned part[3] = {0};
    return sscanf(version, "%3u.%2u.%2u", &part[0], &part[1], &part[2]) >= 2
               ? part[0] * 10000 + part[1] * 100 + part[2]
               : 0;
}

static void note_capabilities(struct my_conn *c)
{
    struct my_server *s = &c->server;
    const char *version = without_compatibility(mysql_get_server_info(c->h));
    s->flavor = flavor_of(c->h, version);
    s->version = version_number(version);
    snprintf(s->version_text, sizeof s->version_text, "%s", version);
    s->bulk = s->flavor == MY_FLAVOR_MARIADB && my_lib_can_bulk(c->h);
}

static bool copy_cell(struct my_cell cell, char *out, size_t out_len)
{
    snprintf(out, out_len, "%s", cell.p ? cell.p : "");
    return cell.p != NULL;
}

/* Names are compared with those in the log byte by byte, so they have to be the server's own. With
 * 2 the server stores one spelling and compares another. */
static bool names_are_stored(const struct my_params *p, const char *folding, const char *db,
                             struct err *e)
{
    if (strcmp(folding, "2") == 0) {
        err_set(e, ERR_SRC_SETTING, "%s:%u: lower_case_table_names is 2", p->host, p->port);
        return err_cure(e, "only 0 and 1 are supported: the names in a log written with 2 are not "
                           "those of its tables");
    }
    if (p->database == NULL || strcmp(p->database, db) == 0)
        return true;
    err_set(e, ERR_CONFIG, "%s:%u: database %s is called %s by the server", p->host, p->port,
            p->database, db);
    return err_cure(e, "write `database: %s` in the configuration", db);
}

static bool read_identity(struct my_conn *c, const struct my_params *p, struct err *e)
{
    bool maria = c->server.flavor == MY_FLAVOR_MARIADB;
    struct my_result *r =
        my_query(c,
                 maria ? "SELECT @@server_id, @@max_allowed_packet, '', '', "
                         "@@lower_case_table_names, DATABASE()"
                       : "SELECT @@server_id, @@max_allowed_packet, @@server_uuid, @@gtid_mode, "
                         "@@lower_case_table_names, DATABASE()",
                 e);
    struct my_cell cells[6];
    char mode[32];
    if (!r || my_result_next(r, cells, e) != MY_ROW) {
        my_result_free(r);
        return false;
    }
    c->server.server_id = (uint32_t)strtoul(cells[0].p ? cells[0].p : "0", NULL, 10);
    c->max_packet_bytes = strtoull(cells[1].p ? cells[1].p : "0", NULL, 10);
    copy_cell(cells[2], c->server.server_uuid, sizeof c->server.server_uuid);
    copy_cell(cells[3], mode, sizeof mode);
    c->server.gtid_mode = maria || strcmp(mode, "ON") == 0;
    const char *folding = cells[4].p ? cells[4].p : "0";
    c->server.folds_names = strcmp(folding, "0") != 0;
    bool ok = names_are_stored(p, folding, cells[5].p ? cells[5].p : "", e);
    my_result_free(r);
    return ok;
}

static void note_socket(struct my_conn *c, const struct my_params *p)
{
    if (p->read_timeout_ms > 0)
        my_lib_set_read_timeout(c->h, p->read_timeout_ms);
    c->fd = my_lib_socket(c->h);
    c->connected = true;
}

struct my_conn *my_connect(const struct my_params *p, const char *role, struct err *e)
{
    struct err local = ERR_INIT;
    e = e ? e : &local;
    pthread_once(&library_once, library_init);
    struct my_conn *c = conn_new(p, role);
    if (!FAULT_POINT("mysql.connect", e) || !connect_with_password(c, p, role, e))
        goto failed;
    note_socket(c, p);
    note_capabilities(c);
    if (my_session_pin(c, e) && read_identity(c, p, e))
        return c;
failed:
    my_close(c);
    return NULL;
}

struct my_conn *my_connect_within(const struct my_params *p, const char *role, unsigned timeout_ms,
                                  struct err *e)
{
    struct my_params params;
    my_params_copy(&params, p);
    params.read_timeout_ms = timeout_ms;
    if (timeout_ms < (p->connect_timeout_ms ? p->connect_timeout_ms : DEFAULT_CONNECT_TIMEOUT_MS))
        params.connect_timeout_ms = timeout_ms;
    struct my_conn *c = my_connect(&params, role, e);
    my_params_fini(&params);
    return c;
}

void my_close(struct my_conn *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->mutex);
    c->fd = -1;
    pthread_mutex_unlock(&c->mutex);
    if (c->h)
        mysql_close(c->h);
    buf_fini(&c->request);
    free(c->pending);
    my_params_fini(&c->params);
    pthread_mutex_destroy(&c->mutex);
    free(c);
}

void my_conn_interrupt(struct my_conn *c)
{
    pthread_mutex_lock(&c->mutex);
    c->interrupted = true;
    if (c->fd >= 0)
        shutdown(c->fd, SHUT_RDWR);
    pthread_mutex_unlock(&c->mutex);
}

void my_conn_reset_on_close(struct my_conn *c, bool on)
{
    struct linger l = {.l_onoff = on, .l_linger = 0};
    if (c->fd >= 0) /* a unix socket has no such thing, and needs none */
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
}

const struct my_server *my_conn_server(const struct my_conn *c)
{
    return &c->server;
}

void my_server_name(const struct my_server *s, char *out, size_t n)
{
    if (s->server_uuid[0])
        snprintf(out, n, "%s", s->server_uuid);
    else
        snprintf(out, n, "%u", s->server_id);
}

uint64_t my_conn_id(const struct my_conn *c)
{
    return mysql_thread_id(c->h);
}

bool my_ping(struct my_conn *c, struct err *e)
{
    assert(c->n_pending == 0);
    return mysql_ping(c->h) == 0 || my_conn_fail(c, e);
}

bool my_exec_n(struct my_conn *c, const char *sql, size_t n, uint64_t *affected, struct err *e)
{
    assert(c->n_pending == 0);
    if (c->max_packet_bytes && n + 1 > c->max_packet_bytes)
        return my_error_set(e, c->where, CR_NET_PACKET_TOO_LARGE,
                            "the statement is longer than max_allowed_packet");
    if (mysql_real_query(c->h, sql, n) != 0)
        return my_conn_fail(c, e);
    uint64_t n_affected = mysql_affected_rows(c->h);
    int more = 0;
    do {
        if (mysql_field_count(c->h) > 0)
            mysql_free_result(mysql_use_result(c->h)); /* reads to the end */
        if (mysql_errno(c->h) != 0)
            return my_conn_fail(c, e);
        more = mysql_next_result(c->h);
    } while (more == 0);
    if (more > 0)
        return my_conn_fail(c, e);
    if (affected)
        *affected = n_affected;
    return true;
}

bool my_exec(struct my_conn *c, const char *sql, uint64_t *affected, struct err *e)
{
    return my_exec_n(c, sql, strlen(sql), affected, e);
}

bool my_execf(struct my_conn *c, struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *sql = NULL;
    int n = vasprintf(&sql, fmt, ap);
    va_end(ap);
    if (n < 0)
        return err_set(e, ERR_NO_MEMORY, "%s: no memory for a statement", c->where);
    bool ok = my_exec_n(c, sql, (size_t)n, NULL, e);
    free(sql);
    return ok;
}

bool my_limit_lock_waits(struct my_conn *c, unsigned wait_s, struct err *e)
{
    return my_execf(c, e, "SET SESSION lock_wait_timeout = %u, innodb_lock_wait_timeout = %u",
                    wait_s, wait_s);
}

bool my_limit_silence(struct my_conn *c, unsigned silence_s, struct err *e)
{
    return my_execf(c, e, "SET SESSION wait_timeout = %u, net_read_timeout = %u", silence_s,
                    silence_s);
}
