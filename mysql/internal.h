/* mysql/internal.h — what the files of mysql/ share about one connection; nobody else includes it.
 */
#ifndef SLUICE_MYSQL_INTERNAL_H
#define SLUICE_MYSQL_INTERNAL_H

#include "mysql/conn.h"

#include <mysql.h>
#include <pthread.h>

/* One request whose answer has not been read yet (pipeline.c). */
struct my_pending {
    struct my_stmt *stmt;
    unsigned packet;   /* the answer's packet number */
    uint64_t affected; /* not pipelined: answered already */
};

struct my_conn {
    MYSQL *h; /* not NULL once connected */
    struct my_server server;
    char where[384];            /* "db1:3306 (copy)": begins every error */
    struct my_params params;    /* how the same server is reached once more */
    struct position kept;       /* the last lasting position: file, pos and log only */
    uint64_t max_packet_bytes;  /* the server's max_allowed_packet */
    struct buf request;         /* encoded parameters, reused between executions */
    struct my_pending *pending; /* ring of MY_PIPELINE_MAX; NULL before my_pipeline_open */
    size_t first_pending, n_pending;
    bool pipelined;
    pthread_mutex_t mutex; /* guards fd and interrupted against my_conn_interrupt */
    int fd;                /* -1 once closed */
    bool interrupted;
    bool connected; /* logged in: from then on a TLS error means that the other side went away */
};

/* The longest request and answer this client handles; the servers' own maximum. */
#define MY_MAX_PACKET_BYTES ((size_t)1 << 30)

/* A client or server error number classed; class_ and exit follow the code except where a number
 * says more (err_classify in errors.c). */
struct my_error_kind {
    enum err_code code;
    enum err_class class_;
};
struct my_error_kind my_error_classify(unsigned number);
/* Sets e from a native number and text, prefixed with where; adds the cure that fits the number. */
/* What the system said of a connection that failed, or NULL; out is room for it. */
const char *my_error_reason(unsigned number, const char *text, char *out, size_t out_len);
bool my_error_set(struct err *e, const char *where, unsigned number, const char *text);
/* The same for this connection: once it was encrypted and logged in, TLS cannot be at fault. */
bool my_conn_error_set(struct my_conn *c, struct err *e, unsigned number, const char *text);
/* Whether the end of this connection, of the process too, is a reset instead of a farewell. A
 * server that is writing does not read farewells: with its peer's window closed it may write on for
 * minutes. */
void my_conn_reset_on_close(struct my_conn *c, bool on);
/* e from the connection's last error; ERR_SHUTDOWN after my_conn_interrupt. Returns false. */
bool my_conn_fail(struct my_conn *c, struct err *e);
/* The same, from this number and text instead of the library's. */
bool my_conn_fail_as(struct my_conn *c, struct err *e, unsigned number, const char *text);

/* Gives back what one huge packet made the client's network buffer grow to. The last packet's bytes
 * are gone afterwards. */
void my_conn_trim(struct my_conn *c);

/* COM_BINLOG_DUMP_GTID: MySQL only, so the library's header lacks it. */
#define MY_COM_BINLOG_DUMP_GTID 0x1e

/* The password for one login: file, command or literal. *out is malloc'ed (NULL: none), to be given
 * to my_password_free. */
bool my_password_get(const struct my_params *p, char **out, struct err *e) WARN_UNUSED;
void my_password_free(char *password);

/* TLS options before the connect, and the check after it (tls.c). */
bool my_tls_prepare(MYSQL *h, const struct my_params *p, struct err *e) WARN_UNUSED;
bool my_tls_verify(MYSQL *h, const struct my_params *p, const char *where,
                   struct err *e) WARN_UNUSED;
#define MY_TLS_VERSIONS "TLSv1.2,TLSv1.3"

/* What the two client libraries do differently: conn_connector.c or conn_libmysqlclient.c, the one
 * that the build has chosen. */
extern const char my_lib_name[];
extern const bool my_lib_has_raw_packets; /* takes packets that we made: pipelining, bulk */
void my_lib_init(void);
bool my_lib_options(MYSQL *h, const struct my_params *p) WARN_UNUSED;
bool my_lib_tls_options(MYSQL *h, const struct my_params *p) WARN_UNUSED;
/* The guard that ends a handshake with a server that offers no TLS before anything of the login is
 * sent, where the library does not do that itself. End: true when it cut the connection. */
void my_lib_guard_begin(const struct my_params *p);
bool my_lib_guard_end(void);
void my_lib_set_read_timeout(MYSQL *h, unsigned ms);
int my_lib_socket(MYSQL *h);
bool my_lib_can_bulk(MYSQL *h);

/* session.c: sets what a session of ours must not inherit. */
bool my_session_pin(struct my_conn *c, struct err *e) WARN_UNUSED;

#endif
