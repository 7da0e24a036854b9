/* mysql/dump_backend.h — what a client library must do for a dump; one const table each.
 *
 * A backend knows its library's calls and nothing of positions, session variables or error 1236:
 * those are dump.c's and dump_error.c's.
 */
#ifndef SLUICE_MYSQL_DUMP_BACKEND_H
#define SLUICE_MYSQL_DUMP_BACKEND_H

#include "mysql/dump.h"

struct my_dump_start {
    uint32_t server_id;
    unsigned flags;          /* 1 non-blocking, 2 annotate (MariaDB) */
    const char *file;        /* "": the oldest; MariaDB with GTID: "" too */
    uint64_t pos;            /* ≥ 4 */
    bool gtid_command;       /* COM_BINLOG_DUMP_GTID (MySQL) instead of COM_BINLOG_DUMP */
    const struct buf *gtids; /* encoded set for it */
};

struct my_dump_backend { /* embedded first in each backend's struct */
    const struct my_dump_backend_ops *ops;
};

struct my_dump_backend_ops {
    const char *name;
    struct my_dump_backend *(*connect)(const struct my_params *p, struct err *e);
    const struct my_server *(*server)(const struct my_dump_backend *b);
    const char *(*where)(const struct my_dump_backend *b); /* begins every error */
    bool (*exec)(struct my_dump_backend *b, const char *sql, struct err *e);
    bool (*text)(struct my_dump_backend *b, const char *sql, char **out, struct err *e);
    /* Registers as replica and asks for the log. */
    bool (*start)(struct my_dump_backend *b, const struct my_dump_start *s, struct err *e);
    /* The longest silence that read bears, 0: for ever. */
    void (*set_read_timeout)(struct my_dump_backend *b, unsigned ms);
    /* One event without the leading 00; errors carry the server's number (native). */
    enum my_next (*read)(struct my_dump_backend *b, const uint8_t **event, size_t *n,
                         struct err *e);
    /* Where that event lies; NULL (the op too): in memory that will be used for the next. */
    struct piece *(*piece)(const struct my_dump_backend *b);
    bool (*ready)(const struct my_dump_backend *b);
    void (*interrupt)(struct my_dump_backend *b);
    void (*reset_on_close)(struct my_dump_backend *b, bool on);
    /* my_conn_reset_on_close */ /* Thread: any */
    void (*close)(struct my_dump_backend *b);
};

/* Of the client library that the build has chosen: dump_connector.c or dump_libmysqlclient.c. */
extern const struct my_dump_backend_ops my_dump_library;

/* Error 1236 (and its kin) by its text: purged, clash of server ids, ahead of the server, … */
#define MY_ERROR_DUMP    1236
#define MY_ERROR_SAME_ID 4052 /* MariaDB */
void my_dump_error(struct err *e);

/* Skips whole events up to a file position that the request (32 bits) cannot name. */
struct my_dump_skip {
    uint64_t wanted; /* 0: nothing to skip */
    uint64_t at;     /* where the next event that is in the file begins */
};
enum my_dump_skip_result { MY_DUMP_DELIVER, MY_DUMP_SKIP, MY_DUMP_BAD_POSITION };
enum my_dump_skip_result my_dump_skip_event(struct my_dump_skip *s, const uint8_t *event, size_t n);

#endif
