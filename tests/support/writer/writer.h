/* tests/support/writer/writer.h — the parts of the test application that writes while tables move.
 */
/*
 * The writer is an application like any other: it shares no code with the engine.  Each thread owns
 * the customers with customer_id % threads == its number, so that no two threads ever change the
 * same row, and each thread's log lines give the order of the changes of its rows.
 *
 * Every row has a column `version`: the id of the transaction that wrote it last.  It tells the
 * outcome of a COMMIT whose answer was lost, and identifies each change in a stream.
 */
#ifndef SLUICE_TEST_WRITER_H
#define SLUICE_TEST_WRITER_H

#include <mysql.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    WRITER_OPS_MAX = 48,
    WRITER_FIELDS_MAX = 8,
    WRITER_VALUE_MAX = 320,
    WRITER_SHARDS_MAX = 64,
    WRITER_ITEMS_MAX = 6,
    WRITER_ERRNO_MAX = 64
};

enum writer_table { TABLE_CUSTOMERS, TABLE_ORDERS, TABLE_ITEMS, TABLE_PRODUCTS, TABLE_COUNT };
enum writer_kind { KIND_INSERT, KIND_UPDATE, KIND_DELETE };

extern const char *const writer_table_name[TABLE_COUNT];

struct writer_key {
    uint64_t customer_id;
    uint64_t order_id;
    uint32_t sku;
};

struct writer_field {
    const char *name;
    bool number; /* printed without quotes in SQL and JSON */
    char value[WRITER_VALUE_MAX];
};

/* One statement on one row. An update with `moves` changes the key's customer_id to `to_customer`
 * and carries every column, so that it can become a delete here and an insert there. */
struct writer_op {
    enum writer_table table;
    enum writer_kind kind;
    bool moves;
    bool
        swap; /* part of an exchange of two unique values: dropped when both are not on one shard */
    struct writer_key key;
    uint64_t to_customer;
    unsigned field_count;
    struct writer_field field[WRITER_FIELDS_MAX];
};

struct writer_txn {
    uint64_t txid;
    uint64_t begun_us; /* when the application wanted it; what it waited counts from here */
    unsigned op_count;
    struct writer_op op[WRITER_OPS_MAX];
};

/* Options of the command line; constant once the threads run. */
struct writer_options {
    const char *fallback; /* HOST:PORT/DATABASE while no routing document names the keyspace */
    const char *user;
    const char *password;
    const char *routing_path;
    const char *keyspace;
    const char *log_path;
    const char *summary_path;
    unsigned threads;
    unsigned duration_s;
    unsigned stop_within_s;
    double rate;
    uint64_t seed;
};

/* --- routing ---------------------------------------------------------------------------------- */

struct route_shard {
    char keyspace[64];
    char name[40];
    char host[128];
    unsigned port;
    char database[64];
    uint64_t start;
    uint64_t end; /* 0: to the end */
    bool serving;
};

/* The document as last read. Copied by value under the lock: threads never see half of one. */
struct route_doc {
    uint64_t version;
    unsigned shard_count;
    struct route_shard shard[WRITER_SHARDS_MAX];
    char keyspace_of[TABLE_COUNT][64];
};

/* Reads `path` when its inode, size or time changed; keeps the older content if it cannot be read.
 * True when `doc` was filled anew. Thread: any, each with its own `doc` and `stamp`. */
struct route_stamp {
    uint64_t inode, size_bytes, mtime_ns;
};
void route_init(struct route_doc *doc, const struct writer_options *options);
bool route_refresh(struct route_doc *doc, struct route_stamp *stamp,
                   const struct writer_options *options);
/* The serving shard of a row, or NULL while none serves it. */
const struct route_shard *route_find(const struct route_doc *doc, enum writer_table table,
                                     uint64_t customer_id);
/* First 8 bytes, big-endian, of the keyspace id that Vitess's xxhash vindex gives an integer. */
uint64_t route_keyspace_id(uint64_t value);

/* --- world: what the thread knows to exist ------------------------------------------------------
 */

struct world_order {
    uint64_t id;
    uint64_t born_in; /* transaction that inserted it; such an order is left alone until the next */
    unsigned item_count;
    uint32_t sku[WRITER_ITEMS_MAX];
};

struct world_customer {
    uint64_t id;
    uint64_t email;
    uint64_t born_in;
    unsigned order_count, order_room;
    struct world_order *order;
};

struct world {
    size_t count, room;
    struct world_customer *customer;
};

/* Adds the rows of one shard that belong to `thread`. */
bool world_load(struct world *world, MYSQL *mysql, unsigned thread, unsigned threads);
struct world_customer *world_add_customer(struct world *world, uint64_t id, uint64_t email);
struct world_order *world_add_order(struct world_customer *customer, uint64_t id);
void world_remove_order(struct world_customer *customer, unsigned index);
void world_remove_customer(struct world *world, size_t index);
struct world_customer *world_find_customer(struct world *world, uint64_t id);
void world_free(struct world *world);

/* --- planning, running, logging -----------------------------------------------------------------
 */

struct writer_shared {
    struct writer_options options;
    _Atomic uint64_t next_txid, next_customer, next_order, next_email;
    _Atomic bool stop;
    _Atomic uint64_t stop_deadline_us;
    _Atomic int anomalies;
    unsigned products;
    pthread_mutex_t log_lock;
    FILE *log;
};

struct writer_errno_count {
    unsigned number;
    uint64_t count;
};

struct writer_thread {
    struct writer_shared *shared;
    unsigned number;
    uint64_t random;
    struct world world;
    struct route_doc route;
    struct route_stamp stamp;
    struct connection {
        char where[224];
        MYSQL *mysql;
    } connection[WRITER_SHARDS_MAX];
    uint32_t *took_us;
    size_t took_count, took_room;
    uint64_t statements, retries, lost_commits;
    uint64_t longest_us, longest_at_ms;
    struct writer_errno_count refused[WRITER_ERRNO_MAX];
};

uint64_t writer_random(struct writer_thread *thread, uint64_t below);
uint64_t writer_now_us(void);  /* monotonic */
uint64_t writer_wall_us(void); /* since 1970 */
void writer_email(char *out, size_t room, uint64_t email);
void writer_sku(char *out, size_t room, uint32_t sku);

/* Fills `txn` with 1 to 20 statements and brings the thread's world to the state after them. */
void plan_transaction(struct writer_thread *thread, struct writer_txn *txn);

/* Runs `txn` until it is acknowledged, and logs it; splits it by shard when its rows are on
 * several. False when the writer is to stop without having brought it to an end. */
bool run_transaction(struct writer_thread *thread, struct writer_txn *txn);
void run_close_connections(struct writer_thread *thread);

/* Appends one line for an acknowledged transaction, or for one of unknown outcome. */
void log_transaction(struct writer_thread *thread, const struct writer_txn *txn,
                     const struct route_shard *shard, uint64_t took_us, unsigned retries,
                     bool outcome_known);
void log_anomaly(struct writer_thread *thread, const struct writer_txn *txn,
                 const struct route_shard *shard, const char *what);
bool log_summary(const struct writer_shared *shared, struct writer_thread *threads, double seconds);

#endif
