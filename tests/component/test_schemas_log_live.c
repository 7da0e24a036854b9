/* tests/component/test_schemas_log_live.c — definitions from information_schema against the table
 * maps that the same server writes: type, metadata, character set, sign, labels and key of every
 * column. */
#include "base/sys.h"
#include "cdc/log/decode.h"
#include "schemas/inspect.h"
#include "schemas/labels.h"
#include "tests/support/live_server.h"

#define SHARED_COLUMNS                                                                             \
    "id bigint unsigned NOT NULL AUTO_INCREMENT, a tinyint(1), b smallint unsigned, c mediumint, " \
    "d int, e float, f double unsigned, g decimal(12,2), g2 decimal(65,30) unsigned, h bit(10), "  \
    "i bit(8), i1 bit(1), i64 bit(64), j date, k time(3), k0 time, l datetime(6), l0 datetime, "   \
    "m timestamp(2) NULL, m0 timestamp NULL, n year, o char(10), o255 char(255), ol char(255) "    \
    "CHARACTER SET latin1, q varchar(20) CHARACTER SET latin1, r varchar(300), r63 varchar(63), "  \
    "s binary(16), s255 binary(255), t varbinary(1000), u tinyblob, v blob, w mediumblob, x "      \
    "longblob, y tinytext, z text, aa mediumtext, bb longtext, cc enum('a','b''c','u,x'), dd "     \
    "set('x','y','1','2','3','4','5','6','7') NOT NULL, dl enum('q') CHARACTER SET latin1, ee "    \
    "json, ff geometry, gg point NOT NULL, hh int GENERATED ALWAYS AS (d+1) VIRTUAL, ii int "      \
    "GENERATED ALWAYS AS (d+2) STORED, kk char(3) CHARACTER SET binary, oo text CHARACTER SET "    \
    "ucs2, ll char(0), vv int INVISIBLE, k2 char(4) NOT NULL, le enum(x'f09f9880',x'f09f9881',"    \
    "'a''b','c,d','?',x'690061',x'0a5c') CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, lb "           \
    "enum(x'ff00fe',x'41',x'01') CHARACTER SET binary, ls set(x'f09f8d8e','?') CHARACTER SET "     \
    "utf8mb4 COLLATE utf8mb4_bin, lw enum(x'd83dde00',x'0079') CHARACTER SET utf16, lg "           \
    "enum(x'd6d0','?') CHARACTER SET gbk"

static const char mariadb_sql[] = "CREATE TABLE log_types (" SHARED_COLUMNS
                                  ", u1 uuid, u4 inet4, u6 inet6, vc varchar(100) COMPRESSED, bc "
                                  "text COMPRESSED, ua varchar(9) COLLATE utf8mb4_uca1400_ai_ci, "
                                  "PRIMARY KEY (k2, id), KEY (id)) DEFAULT CHARSET=utf8mb4";
static const char mysql_sql[] = "CREATE TABLE log_types (" SHARED_COLUMNS
                                ", ve vector(3), ua varchar(9) COLLATE utf8mb4_ja_0900_as_cs, "
                                "PRIMARY KEY (k2, id), KEY (id)) DEFAULT CHARSET=utf8mb4";

/* The path of the log that is being written; NULL if its server does not log here. */
static char *current_log(struct live *l)
{
    struct err e = ERR_INIT;
    char *basename CLEANUP(mem_free_ptr) = NULL;
    assert_ok(my_query_text(l->admin, "SELECT @@log_bin_basename", &basename, &e), e);
    struct position now = POSITION_INIT;
    assert_ok(my_current_position(l->admin, &now, &e), e);
    char *slash = basename ? strrchr(basename, '/') : NULL;
    char *path = NULL;
    if (slash)
        path = mem_printf("%.*s/%s", (int)(slash - basename), basename, now.file);
    position_fini(&now);
    return path;
}

/* The last definition of the table in the log file. */
static const struct schema_table *from_log(const char *path, const char *table)
{
    struct err e = ERR_INIT;
    struct buf log CLEANUP(buf_fini) = BUF_INIT;
    if (!sys_read_file(path, (size_t)64 << 20, &log, &e)) {
        print_message("skipped: the server's log cannot be read here: %s\n", e.text);
        skip();
    }
    struct cdc_decode_options options = {.verify_checksum = true};
    struct position start = POSITION_INIT;
    struct cdc_decoder *d = cdc_decoder_new(&options, &start);
    const struct schema_table *found = NULL;
    for (size_t at = 4; at + 19 <= log.len;) {
        uint32_t n = (uint32_t)log.data[at + 9] | (uint32_t)log.data[at + 10] << 8 |
                     (uint32_t)log.data[at + 11] << 16 | (uint32_t)log.data[at + 12] << 24;
        assert_true(n >= 19 && n <= log.len - at);
        assert_ok(cdc_decoder_feed(d, log.data + at, n, &e), e);
        at += n;
        struct cdc_batch *b;
        while ((b = cdc_decoder_take(d, true))) {
            for (size_t i = 0; i < b->n_tables; i++)
                if (strcmp(b->tables[i]->name, table) == 0) {
                    schema_table_unref(found);
                    found = schema_table_ref(b->tables[i]);
                }
            cdc_batch_unref(b);
        }
    }
    cdc_decoder_free(d);
    return found;
}

static void compare_labels(const struct schema_column *ours, const struct schema_column *log)
{
    if (!log->label_known)
        return;
    assert_int_equal(ours->n_labels, log->n_labels);
    for (size_t i = 0; i < log->n_labels; i++)
        assert_true(schema_label_same(&ours->labels[i], &log->labels[i]));
}

/* A table map may say nothing; MariaDB's calls geometry binary. */
static bool collations_agree(const struct schema_column *ours, const struct schema_column *log)
{
    return log->collation == 0 || log->type == SCHEMA_TYPE_GEOMETRY ||
           ours->collation == log->collation;
}

static void compare_column(const struct schema_column *ours, const struct schema_column *log)
{
    bool same =
        ours->type == log->type && ours->meta == log->meta && ours->nullable == log->nullable &&
        (log->visible || !ours->visible) &&
        /* MariaDB does not log it */ collations_agree(ours, log) &&
        (!log->unsigned_known || !ours->unsigned_known || ours->is_unsigned == log->is_unsigned) &&
        ours->geometry_type == log->geometry_type && strcmp(ours->name, log->name) == 0;
    if (!same)
        fail_msg("%s: type %u/%u, meta %x/%x, collation %u/%u, unsigned %d/%d, nullable %d/%d, "
                 "visible %d/%d, geometry %u/%u",
                 log->name, ours->type, log->type, ours->meta, log->meta, ours->collation,
                 log->collation, ours->is_unsigned, log->is_unsigned, ours->nullable, log->nullable,
                 ours->visible, log->visible, ours->geometry_type, log->geometry_type);
    compare_labels(ours, log);
}

static void information_schema_and_the_table_map_agree(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    live_exec(l, live_is_mariadb(l) ? mariadb_sql : mysql_sql);
    live_exec(l, "FLUSH BINARY LOGS");
    live_exec(
        l, "INSERT INTO log_types (k2, dd, gg) VALUES ('k', 'x', ST_GeomFromText('POINT(1 2)'))");
    char *path CLEANUP(mem_free_ptr) = current_log(l);
    assert_non_null(path);
    const struct schema_table *log = from_log(path, "log_types");
    assert_non_null(log);
    struct schema_table *ours = schema_inspect(l->admin, LIVE_DATABASE, "log_types", &e);
    assert_ok(ours, e);
    assert_int_equal(ours->n_columns, log->n_columns);
    if (!log->full_metadata) {
        print_message("skipped: binlog_row_metadata is not FULL\n");
        schema_table_unref(log);
        schema_table_unref(ours);
        skip();
    }
    for (size_t i = 0; i < log->n_columns; i++)
        compare_column(&ours->columns[i], &log->columns[i]);
    assert_int_equal(ours->n_pk, log->n_pk);
    assert_memory_equal(ours->pk, log->pk, log->n_pk * sizeof log->pk[0]);
    schema_table_unref(log);
    schema_table_unref(ours);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(information_schema_and_the_table_map_agree),
    };
    int failed = cmocka_run_group_tests_name("mariadb", tests, live_setup_mariadb, live_teardown);
    return failed + cmocka_run_group_tests_name("mysql", tests, live_setup_mysql, live_teardown);
}
