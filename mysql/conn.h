/* mysql/conn.h — one connection: connect with TLS enforced, text queries, prepared and bulk
 * statements.
 *
 * Session of every connection: autocommit 1, `SET NAMES binary` semantics for data (strings travel
 * as the column's own bytes), time_zone '+00:00', sql_mode STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO
 * (zero dates allowed, no NO_BACKSLASH_ESCAPES), and all else that mysql/session.c lists;
 * CLIENT_FOUND_ROWS, no LOCAL INFILE, no multi statements.
 *
 * Errors by the server's or the library's number, which err.native keeps:
 *   1213 1205           ERR_DB_DEADLOCK, retry
 *   2006 2013 …         ERR_DB_LOST, retry
 *   1062                ERR_DB_DUPLICATE
 *   1045 2059           ERR_DB_AUTH
 *   1142 1044 1227      ERR_DB_DENIED
 *   1290 1836 1792      ERR_DB_READ_ONLY
 *   1153 2020           ERR_LIMIT
 *   after my_conn_interrupt, whatever it was: ERR_SHUTDOWN
 *
 * Parameters travel as binary strings: MySQL's JSON columns refuse those (3144), write
 * `CONVERT(? USING utf8mb4)` for them. Results carry each column's own charset (my_column.charset).
 *
 * TLS: see tls.c; a server that offers none gets nothing of the login in REQUIRED and above, and
 * never the password as it is in PREFERRED.
 *
 * Thread: one thread at a time; my_conn_interrupt from any. Statements and results are freed before
 * their connection is closed.
 */
#ifndef SLUICE_MYSQL_CONN_H
#define SLUICE_MYSQL_CONN_H

#include "base/buf.h"
#include "mysql/params.h"
#include "state/position.h"

enum my_flavor { MY_FLAVOR_MYSQL, MY_FLAVOR_MARIADB };

struct my_server {
    enum my_flavor flavor;
    unsigned version; /* 101119, 90704 */
    char version_text[64];
    bool gtid_mode;       /* MariaDB: always; MySQL: gtid_mode ON */
    bool bulk;            /* COM_STMT_BULK_EXECUTE can be used (server capability and client) */
    char server_uuid[40]; /* MySQL; MariaDB: "" */
    uint32_t server_id;
    bool folds_names; /* lower_case_table_names=1: stored and logged names are in lower case */
};

/* What this program was built on: "Connector/C 3.3.14", "libmysqlclient 9.7.4". */
const char *my_client_library(void);
/* Connector/C has OpenSSL read its default bundle, some 140 certificates, for each connection with
 * TLS that names no CA: 60 ms of CPU each, under a lock of the library's. Ours are those that
 * verify nothing (tls.c names a CA where one is needed), so the bundle is pointed away from
 * (SSL_CERT_FILE, unless it is set); OpenSSL's default directory, read by need, stays. Called once,
 * before any thread. */
void my_tls_without_bundle(void);

struct my_conn;
/* Connects, checks TLS (▶ mysql_get_ssl_cipher is NULL before any query → ERR_DB_TLS in REQUIRED
 * and above), prepares the session. role: "copy", "apply", … shown in program_name and errors. */
struct my_conn *my_connect(const struct my_params *p, const char *role, struct err *e) WARN_UNUSED;
/* The same, for one that is kept between questions: neither the connect nor an answer takes longer
 * than that, where a network has broken without a word. */
struct my_conn *my_connect_within(const struct my_params *p, const char *role, unsigned timeout_ms,
                                  struct err *e) WARN_UNUSED;
void my_close(struct my_conn *c);
const struct my_server *my_conn_server(const struct my_conn *c);
/* The name of a server in positions: struct log_id. */
void my_server_name(const struct my_server *s, char *out, size_t n);
uint64_t my_conn_id(const struct my_conn *c);
bool my_ping(struct my_conn *c, struct err *e) WARN_UNUSED;
/* Ends whatever the connection is doing, from any thread (shuts the socket down). */
void my_conn_interrupt(struct my_conn *c);

/* A statement without result; affected may be NULL (matched rows, CLIENT_FOUND_ROWS). */
bool my_exec(struct my_conn *c, const char *sql, uint64_t *affected, struct err *e) WARN_UNUSED;
bool my_execf(struct my_conn *c, struct err *e, const char *fmt, ...) ERR_PRINTF(3, 4) WARN_UNUSED;
bool my_exec_n(struct my_conn *c, const char *sql, size_t n, uint64_t *affected,
               struct err *e) WARN_UNUSED;
/* No later statement waits longer for a lock of the server's or of InnoDB's; the servers' own
 * defaults are a day and a year (somebody's FLUSH TABLES WITH READ LOCK holds everybody). */
bool my_limit_lock_waits(struct my_conn *c, unsigned wait_s, struct err *e) WARN_UNUSED;
/* The server ends the session, rolls back what it has open and frees its locks when it has waited
 * so long for us. Without, the locks of a process that is suspended, or behind a network that broke
 * without a word, stand for the servers' default of eight hours. A session that is kept says
 * my_ping more often than that. */
bool my_limit_silence(struct my_conn *c, unsigned silence_s, struct err *e) WARN_UNUSED;

/* Text results, read whole into memory (small ones) or streamed. */
struct my_result;
struct my_cell {   /* valid until the next row or my_result_free */
    const char *p; /* NULL: SQL NULL; zero-terminated */
    size_t n;
};
struct my_result *my_query(struct my_conn *c, const char *sql,
                           struct err *e) WARN_UNUSED; /* stored */
struct my_result *my_queryf(struct my_conn *c, struct err *e, const char *fmt, ...)
    ERR_PRINTF(3, 4) WARN_UNUSED;
struct my_result *my_query_stream(struct my_conn *c, const char *sql, struct err *e) WARN_UNUSED;
unsigned my_result_columns(const struct my_result *r);
uint64_t my_result_rows(const struct my_result *r); /* stored results */
const char *my_result_column_name(const struct my_result *r, unsigned i);
enum my_next { MY_ROW, MY_END, MY_FAIL };
enum my_next my_result_next(struct my_result *r, struct my_cell *cells,
                            struct err *e) WARN_UNUSED; /* cells: my_result_columns() */
void my_result_free(struct my_result *r);
/* First cell of the first row as malloc'ed text; *out NULL for NULL or no row. */
bool my_query_text(struct my_conn *c, const char *sql, char **out, struct err *e) WARN_UNUSED;
bool my_query_u64(struct my_conn *c, const char *sql, uint64_t *out, struct err *e) WARN_UNUSED;

/* Prepared statements. */
enum my_value_type {
    MY_VALUE_NULL,
    MY_VALUE_I64,
    MY_VALUE_U64,
    MY_VALUE_FLOAT,
    MY_VALUE_DOUBLE,
    MY_VALUE_BYTES,
    MY_VALUE_DEFAULT /* bulk only */
};
struct my_value {
    enum my_value_type type;
    union {
        int64_t i64;
        uint64_t u64;
        float f;
        double d;
        struct {
            const void *p;
            size_t n;
        } bytes;
    } v;
};
struct my_stmt;
struct my_stmt *my_prepare(struct my_conn *c, const char *sql, struct err *e) WARN_UNUSED;
void my_stmt_free(struct my_stmt *s);
bool my_stmt_exec(struct my_stmt *s, const struct my_value *params, uint64_t *affected,
                  struct err *e) WARN_UNUSED;
/* rows × params values, row after row, in COM_STMT_BULK_EXECUTE (MariaDB with .bulk). Within one
 * column all non-NULL values must have one type. The whole call fails or succeeds as one statement
 * would inside the open transaction: several packets, or a statement that the server runs row by
 * row (not INSERT, REPLACE), are held together by `SAVEPOINT sluice_bulk`. */
bool my_stmt_exec_bulk(struct my_stmt *s, const struct my_value *values, size_t rows,
                       uint64_t *affected, struct err *e) WARN_UNUSED;

/* Pipelining: up to MY_PIPELINE_MAX executions are sent before their answers are read, which come
 * in order. A failure does not keep the server from running what was sent behind it; so autocommit
 * is off from my_pipeline_open on, and whoever gets a failure rolls back. Nothing else may be asked
 * of the connection before every answer was read or dropped. */
#define MY_PIPELINE_MAX 64u
bool my_pipeline_open(struct my_conn *c, struct err *e) WARN_UNUSED; /* SET autocommit = 0 */
/* False (Aurora, a compressed connection, libmysqlclient): my_stmt_send waits for its answer
 * itself, and my_stmt_send_bulk must not be used. */
bool my_pipeline_is_on(const struct my_conn *c);
size_t my_pipeline_count(const struct my_conn *c); /* answers that are yet to be read */
bool my_stmt_send(struct my_stmt *s, const struct my_value *params, struct err *e) WARN_UNUSED;
/* The first rows of a bulk request, as many as fit into one (*taken). */
bool my_stmt_send_bulk(struct my_stmt *s, const struct my_value *values, size_t rows, size_t *taken,
                       struct err *e) WARN_UNUSED;
/* The oldest answer; of a SELECT the rows have then to be read by my_stmt_next. After a failure
 * nothing is pending any more. */
bool my_pipeline_answer(struct my_conn *c, uint64_t *affected, struct err *e) WARN_UNUSED;
void my_pipeline_drop(struct my_conn *c); /* reads and forgets all answers */

/* Streaming a prepared SELECT in the binary protocol (▶ FLOAT over the text protocol is wrong).
 * Columns arrive in the server's wire form per type: */
struct my_column {
    char name[65 * 4];
    unsigned type;    /* protocol type number: 1 TINY … 246 NEWDECIMAL … (enum_field_types) */
    unsigned flags;   /* protocol flags: 32 UNSIGNED, 128 BINARY … */
    unsigned charset; /* collation id */
    unsigned decimals;
    uint64_t length;
};
#define MY_COLUMN_UNSIGNED 32u
struct my_wire {      /* one cell, valid until the next row */
    const uint8_t *p; /* NULL: SQL NULL. ints/float/double: LE of the type's width;
                       * DATE/DATETIME/TIMESTAMP: the 0/4/7/11 bytes; TIME: the 0/8/12 bytes (length
                       * bytes not included); others: bytes */
    size_t n;
};
bool my_stmt_query(struct my_stmt *s, const struct my_value *params, struct err *e) WARN_UNUSED;
unsigned my_stmt_columns(const struct my_stmt *s, const struct my_column **columns);
enum my_next my_stmt_next(struct my_stmt *s, struct my_wire *cells, struct err *e) WARN_UNUSED;
void my_stmt_reset(struct my_stmt *s); /* drops the rest of a result */

/* The server's current end of log: SHOW MASTER/BINARY LOG STATUS and
 * @@gtid_binlog_pos/@@gtid_executed. On a MySQL that never rests the set may lack the last
 * transactions before file:pos, never the reverse. ERR_SRC_SETTING when log_bin is OFF. *out is
 * initialised or zero. */
bool my_current_position(struct my_conn *c, struct position *out, struct err *e) WARN_UNUSED;
/* The same for a place that is kept: its log is named in full, for which a dump of its own is begun
 * once a connection and file. */
bool my_lasting_position(struct my_conn *c, struct position *out, struct err *e) WARN_UNUSED;
/* When the server began a file of its log (struct log_id), by a dump that takes no server id. 0: it
 * does not let us look. *there false: it has no such file. */
bool my_log_begun(struct my_conn *c, const char *file, uint32_t *begun, bool *there,
                  struct err *e) WARN_UNUSED;
/* `name`.`name` quoting lives in buf_put_ident. */

#endif
