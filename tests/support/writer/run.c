/* tests/support/writer/run.c — brings a planned transaction to its acknowledgement, whatever
 * refuses it. */
/*
 * A refusal (fence, missing table, lock wait, lost connection …) rolls back, reads the routing
 * again and retries.  A COMMIT without an answer is settled by reading a row it would have changed,
 * with a lock, so that a transaction still open on the server is waited for.  A row that should be
 * there and is not, or that is there twice, is an anomaly: the writer stops and says so.
 */
#include "tests/support/writer/writer.h"

#include <assert.h>
#include <mysqld_error.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { SQL_MAX = 8192, RETRY_WAIT_MS_MAX = 20, CONNECT_TIMEOUT_S = 3, ANSWER_TIMEOUT_S = 15 };

enum attempt { ATTEMPT_DONE, ATTEMPT_REFUSED, ATTEMPT_UNKNOWN, ATTEMPT_ANOMALY };

static void count_refusal(struct writer_thread *thread, unsigned number)
{
    for (unsigned i = 0; i < WRITER_ERRNO_MAX; i++) {
        struct writer_errno_count *slot = &thread->refused[i];
        if (slot->count == 0 || slot->number == number) {
            slot->number = number;
            slot->count++;
            return;
        }
    }
}

static void pause_ms(unsigned wait_ms)
{
    poll(NULL, 0, (int)wait_ms);
}

static bool out_of_time(const struct writer_thread *thread)
{
    return atomic_load(&thread->shared->stop) &&
           writer_now_us() > atomic_load(&thread->shared->stop_deadline_us);
}

/* --- connections --------------------------------------------------------------------------------
 */

static MYSQL *connect_to(const struct writer_options *options, const struct route_shard *shard)
{
    unsigned connect_s = CONNECT_TIMEOUT_S, answer_s = ANSWER_TIMEOUT_S;
    MYSQL *mysql = mysql_init(NULL);
    if (mysql == NULL)
        return NULL;
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &answer_s);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(mysql, MYSQL_INIT_COMMAND,
                  "SET time_zone='+00:00', autocommit=0, lock_wait_timeout=5,"
                  " innodb_lock_wait_timeout=5");
    if (mysql_real_connect(mysql, shard->host, options->user, options->password, shard->database,
                           shard->port, NULL, CLIENT_FOUND_ROWS) == NULL)
        return mysql;
    return mysql;
}

static struct connection *connection_slot(struct writer_thread *thread,
                                          const struct route_shard *shard)
{
    char where[224];
    snprintf(where, sizeof(where), "%.120s:%u/%.60s", shard->host, shard->port, shard->database);
    for (unsigned i = 0; i < WRITER_SHARDS_MAX; i++) {
        struct connection *slot = &thread->connection[i];
        if (slot->where[0] == '\0')
            memcpy(slot->where, where, sizeof(where));
        if (strcmp(slot->where, where) == 0)
            return slot;
    }
    assert(false); /* more shards than connections */
    return NULL;
}

static void drop_connection(struct connection *slot)
{
    if (slot->mysql != NULL)
        mysql_close(slot->mysql);
    slot->mysql = NULL;
}

/* An open connection to the shard, or NULL after counting why not. */
static MYSQL *use_shard(struct writer_thread *thread, const struct route_shard *shard)
{
    struct connection *slot = connection_slot(thread, shard);
    if (slot->mysql != NULL)
        return slot->mysql;
    slot->mysql = connect_to(&thread->shared->options, shard);
    if (slot->mysql != NULL && mysql_errno(slot->mysql) == 0)
        return slot->mysql;
    if (slot->mysql != NULL)
        count_refusal(thread, mysql_errno(slot->mysql));
    drop_connection(slot);
    return NULL;
}

void run_close_connections(struct writer_thread *thread)
{
    for (unsigned i = 0; i < WRITER_SHARDS_MAX; i++)
        drop_connection(&thread->connection[i]);
}

/* --- statements ---------------------------------------------------------------------------------
 */

struct sql {
    MYSQL *mysql;
    size_t len;
    char text[SQL_MAX];
};

__attribute__((format(printf, 2, 3))) static void sql_add(struct sql *sql, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int added = vsnprintf(sql->text + sql->len, SQL_MAX - sql->len, format, args);
    va_end(args);
    sql->len += (size_t)added;
    assert(added >= 0 && sql->len < SQL_MAX);
}

static void sql_add_quoted(struct sql *sql, const char *text)
{
    size_t len = strlen(text);
    assert(sql->len + 2 * len + 3 < SQL_MAX);
    sql->text[sql->len++] = '\'';
    sql->len += mysql_real_escape_string(sql->mysql, sql->text + sql->len, text, len);
    sql->text[sql->len++] = '\'';
    sql->text[sql->len] = '\0';
}

static void sql_add_value(struct sql *sql, const struct writer_field *field)
{
    if (field->number)
        sql_add(sql, "%s", field->value);
    else
        sql_add_quoted(sql, field->value);
}

static void sql_add_sku(struct sql *sql, uint32_t sku)
{
    char text[40];
    writer_sku(text, sizeof(text), sku);
    sql_add_quoted(sql, text);
}

static void sql_add_where(struct sql *sql, enum writer_table table, const struct writer_key *key)
{
    sql_add(sql, " WHERE ");
    if (table == TABLE_ITEMS || table == TABLE_PRODUCTS) {
        sql_add(sql, "sku=");
        sql_add_sku(sql, key->sku);
    }
    if (table == TABLE_ITEMS)
        sql_add(sql, " AND ");
    if (table != TABLE_PRODUCTS)
        sql_add(sql, "customer_id=%llu", (unsigned long long)key->customer_id);
    if (table == TABLE_ITEMS || table == TABLE_ORDERS)
        sql_add(sql, " AND order_id=%llu", (unsigned long long)key->order_id);
}

static void sql_add_insert(struct sql *sql, const struct writer_op *op)
{
    sql_add(sql, "INSERT INTO %s SET customer_id=%llu", writer_table_name[op->table],
            (unsigned long long)op->key.customer_id);
    if (op->table == TABLE_ORDERS || op->table == TABLE_ITEMS)
        sql_add(sql, ", order_id=%llu", (unsigned long long)op->key.order_id);
    if (op->table == TABLE_ITEMS) {
        sql_add(sql, ", sku=");
        sql_add_sku(sql, op->key.sku);
    }
    for (unsigned i = 0; i < op->field_count; i++) {
        sql_add(sql, ", %s=", op->field[i].name);
        sql_add_value(sql, &op->field[i]);
    }
}

static void sql_add_update(struct sql *sql, const struct writer_op *op)
{
    const char *comma = "";
    sql_add(sql, "UPDATE %s SET ", writer_table_name[op->table]);
    if (op->moves) {
        sql_add(sql, "customer_id=%llu", (unsigned long long)op->to_customer);
        comma = ", ";
    }
    for (unsigned i = 0; i < op->field_count; i++, comma = ", ") {
        sql_add(sql, "%s%s=", comma, op->field[i].name);
        sql_add_value(sql, &op->field[i]);
    }
    sql_add_where(sql, op->table, &op->key);
}

static void sql_add_op(struct sql *sql, const struct writer_op *op)
{
    switch (op->kind) {
    case KIND_INSERT:
        sql_add_insert(sql, op);
        break;
    case KIND_UPDATE:
        sql_add_update(sql, op);
        break;
    case KIND_DELETE:
        sql_add(sql, "DELETE FROM %s", writer_table_name[op->table]);
        sql_add_where(sql, op->table, &op->key);
        break;
    }
}

/* Errors that no retry can cure: the rows are not what the application knows them to be. */
static bool is_anomaly(unsigned number)
{
    switch (number) {
    case ER_DUP_ENTRY:
    case ER_PARSE_ERROR:
    case ER_BAD_FIELD_ERROR:
    case ER_DATA_TOO_LONG:
    case ER_WARN_DATA_OUT_OF_RANGE:
    case ER_TRUNCATED_WRONG_VALUE_FOR_FIELD:
    case ER_TRUNCATED_WRONG_VALUE:
    case ER_BAD_NULL_ERROR:
    case ER_NO_DEFAULT_FOR_FIELD:
    case WARN_DATA_TRUNCATED:
        return true;
    default:
        return false;
    }
}

static enum attempt refuse(struct writer_thread *thread, const struct route_shard *shard,
                           unsigned number)
{
    struct connection *slot = connection_slot(thread, shard);
    count_refusal(thread, number);
    if (slot->mysql == NULL || mysql_rollback(slot->mysql) != 0)
        drop_connection(slot);
    return ATTEMPT_REFUSED;
}

static enum attempt run_op(struct writer_thread *thread, const struct writer_txn *txn,
                           const struct writer_op *op, const struct route_shard *shard,
                           MYSQL *mysql)
{
    struct sql sql = {.mysql = mysql, .len = 0};
    char what[400];
    sql_add_op(&sql, op);
    thread->statements++;
    if (mysql_real_query(mysql, sql.text, sql.len) == 0) {
        if (mysql_affected_rows(mysql) == 1)
            return ATTEMPT_DONE;
        snprintf(what, sizeof(what), "%llu rows matched: %.300s",
                 (unsigned long long)mysql_affected_rows(mysql), sql.text);
    } else if (!is_anomaly(mysql_errno(mysql))) {
        return refuse(thread, shard, mysql_errno(mysql));
    } else {
        snprintf(what, sizeof(what), "error %u %.120s: %.200s", mysql_errno(mysql),
                 mysql_error(mysql), sql.text);
    }
    mysql_rollback(mysql);
    log_anomaly(thread, txn, shard, what);
    return ATTEMPT_ANOMALY;
}

static enum attempt attempt_once(struct writer_thread *thread, const struct writer_txn *txn,
                                 const struct route_shard *shard)
{
    MYSQL *mysql = use_shard(thread, shard);
    if (mysql == NULL)
        return ATTEMPT_REFUSED;
    for (unsigned i = 0; i < txn->op_count; i++) {
        enum attempt result = run_op(thread, txn, &txn->op[i], shard, mysql);
        if (result != ATTEMPT_DONE)
            return result;
    }
    if (mysql_commit(mysql) == 0)
        return ATTEMPT_DONE;
    count_refusal(thread, mysql_errno(mysql));
    drop_connection(connection_slot(thread, shard));
    return ATTEMPT_UNKNOWN;
}

/* --- the outcome of a COMMIT without an answer ---------------------------------------------------
 */

static struct writer_key final_key(const struct writer_op *op)
{
    struct writer_key key = op->key;
    if (op->moves)
        key.customer_id = op->to_customer;
    return key;
}

static bool same_row(enum writer_table a, const struct writer_key *x, enum writer_table b,
                     const struct writer_key *y)
{
    return a == b && x->customer_id == y->customer_id && x->order_id == y->order_id &&
           x->sku == y->sku;
}

static bool gone_later(const struct writer_txn *txn, unsigned index)
{
    struct writer_key key = final_key(&txn->op[index]);
    for (unsigned i = index + 1; i < txn->op_count; i++) {
        const struct writer_op *op = &txn->op[i];
        if ((op->kind == KIND_DELETE || op->moves) &&
            same_row(op->table, &op->key, txn->op[index].table, &key))
            return true;
    }
    return false;
}

/* The operation whose row tells: one that leaves a row, else the last deletion. */
static const struct writer_op *telling_op(const struct writer_txn *txn)
{
    for (unsigned i = txn->op_count; i-- > 0;)
        if (txn->op[i].kind != KIND_DELETE && !gone_later(txn, i))
            return &txn->op[i];
    return &txn->op[txn->op_count - 1];
}

/* 1: it happened, 0: it did not, -1: cannot be asked now. */
static int ask_outcome(struct writer_thread *thread, const struct writer_txn *txn)
{
    const struct writer_op *op = telling_op(txn);
    struct writer_key key = final_key(op);
    const struct route_shard *shard = route_find(&thread->route, op->table, key.customer_id);
    MYSQL *mysql = shard ? use_shard(thread, shard) : NULL;
    if (mysql == NULL)
        return -1;
    struct sql sql = {.mysql = mysql, .len = 0};
    sql_add(&sql, "SELECT version FROM %s", writer_table_name[op->table]);
    sql_add_where(&sql, op->table, &key);
    sql_add(&sql, " FOR UPDATE");
    MYSQL_RES *result = NULL;
    if (mysql_real_query(mysql, sql.text, sql.len) == 0)
        result = mysql_store_result(mysql);
    if (result == NULL) {
        refuse(thread, shard, mysql_errno(mysql));
        return -1;
    }
    MYSQL_ROW row = mysql_fetch_row(result);
    bool present = row != NULL;
    bool ours = present && strtoull(row[0], NULL, 10) == txn->txid;
    mysql_free_result(result);
    mysql_rollback(mysql);
    return op->kind == KIND_DELETE ? !present : ours;
}

static int settle_outcome(struct writer_thread *thread, const struct writer_txn *txn)
{
    thread->lost_commits++;
    for (unsigned wait_ms = 1; !out_of_time(thread); wait_ms = RETRY_WAIT_MS_MAX) {
        route_refresh(&thread->route, &thread->stamp, &thread->shared->options);
        int outcome = ask_outcome(thread, txn);
        if (outcome >= 0)
            return outcome;
        pause_ms(wait_ms);
    }
    return -1;
}

/* --- several shards -----------------------------------------------------------------------------
 */

/* True when all rows of `txn` are on one shard, which is stored; *unserved when one has none. */
static bool on_one_shard(const struct writer_thread *thread, const struct writer_txn *txn,
                         const struct route_shard **shard, bool *unserved)
{
    bool one = true;
    *shard = NULL;
    *unserved = false;
    for (unsigned i = 0; i < txn->op_count; i++) {
        const struct writer_op *op = &txn->op[i];
        const struct route_shard *from = route_find(&thread->route, op->table, op->key.customer_id);
        const struct route_shard *to =
            op->moves ? route_find(&thread->route, op->table, op->to_customer) : from;
        *unserved = *unserved || from == NULL || to == NULL;
        if (*shard == NULL)
            *shard = from;
        one = one && from == *shard && to == *shard;
    }
    return one;
}

/* The swapped addresses of two customers on different shards go back to where they were. */
static void undo_swaps(struct writer_thread *thread, struct writer_txn *txn)
{
    unsigned kept = 0, swaps = 0;
    uint64_t id[2] = {0, 0};
    for (unsigned i = 0; i < txn->op_count; i++) {
        const struct writer_op *op = &txn->op[i];
        if (!op->swap) {
            if (kept != i)
                txn->op[kept] = *op;
            kept++;
            continue;
        }
        id[swaps % 3 == 1] = op->key.customer_id;
        swaps++;
    }
    txn->op_count = kept;
    struct world_customer *one = swaps / 3 % 2 ? world_find_customer(&thread->world, id[0]) : NULL;
    struct world_customer *two = swaps / 3 % 2 ? world_find_customer(&thread->world, id[1]) : NULL;
    if (one != NULL && two != NULL) {
        uint64_t email = one->email;
        one->email = two->email;
        two->email = email;
    }
}

static void set_version(struct writer_op *op, uint64_t txid)
{
    for (unsigned i = 0; i < op->field_count; i++)
        if (strcmp(op->field[i].name, "version") == 0)
            snprintf(op->field[i].value, WRITER_VALUE_MAX, "%llu", (unsigned long long)txid);
}

static void add_part(struct writer_txn *part, const struct writer_op *op)
{
    struct writer_op *copy = &part->op[part->op_count++];
    *copy = *op;
    set_version(copy, part->txid);
}

/* What `op` means for the one shard: a move between shards is a delete here and an insert there. */
static void add_for_shard(struct writer_thread *thread, struct writer_txn *part,
                          const struct writer_op *op, const struct route_shard *shard)
{
    const struct route_shard *from = route_find(&thread->route, op->table, op->key.customer_id);
    const struct route_shard *to =
        op->moves ? route_find(&thread->route, op->table, op->to_customer) : from;
    if (from == shard && to == shard) {
        add_part(part, op);
    } else if (from == shard) {
        add_part(part, op);
        struct writer_op *leaves = &part->op[part->op_count - 1];
        leaves->kind = KIND_DELETE;
        leaves->moves = false;
        leaves->field_count = 0;
    } else if (to == shard) {
        add_part(part, op);
        struct writer_op *enters = &part->op[part->op_count - 1];
        enters->kind = KIND_INSERT;
        enters->moves = false;
        enters->key.customer_id = op->to_customer;
    }
}

/* Runs the part of `txn` on each of its shards as a transaction of its own. */
static bool run_split(struct writer_thread *thread, struct writer_txn *txn)
{
    /* Both parts are made from one document: running the first may read a newer one. */
    const struct route_doc *planned = &thread->route;
    struct writer_txn parts[2];
    unsigned count = 0;
    undo_swaps(thread, txn);
    for (unsigned i = 0; i < planned->shard_count && count < 2; i++) {
        parts[count].txid = atomic_fetch_add(&thread->shared->next_txid, 1);
        parts[count].begun_us = txn->begun_us;
        parts[count].op_count = 0;
        for (unsigned o = 0; o < txn->op_count; o++)
            add_for_shard(thread, &parts[count], &txn->op[o], &planned->shard[i]);
        count += parts[count].op_count > 0;
    }
    for (unsigned i = 0; i < count; i++)
        if (!run_transaction(thread, &parts[i]))
            return false;
    return true;
}

/* --- the loop -----------------------------------------------------------------------------------
 */

static void note_time(struct writer_thread *thread, uint64_t took_us)
{
    if (thread->took_count == thread->took_room) {
        thread->took_room = thread->took_room ? thread->took_room * 2 : 4096;
        thread->took_us = realloc(thread->took_us, thread->took_room * sizeof(uint32_t));
        assert(thread->took_us != NULL);
    }
    thread->took_us[thread->took_count++] = took_us > UINT32_MAX ? UINT32_MAX : (uint32_t)took_us;
    if (took_us > thread->longest_us) {
        thread->longest_us = took_us;
        thread->longest_at_ms = writer_wall_us() / 1000;
    }
}

static void acknowledged(struct writer_thread *thread, const struct writer_txn *txn,
                         const struct route_shard *shard, unsigned retries)
{
    uint64_t took_us = writer_now_us() - txn->begun_us;
    note_time(thread, took_us);
    thread->retries += retries;
    log_transaction(thread, txn, shard, took_us, retries, true);
}

bool run_transaction(struct writer_thread *thread, struct writer_txn *txn)
{
    for (unsigned retries = 0; !out_of_time(thread); retries++) {
        const struct route_shard *shard;
        bool unserved;
        if (retries > 0)
            pause_ms(retries < RETRY_WAIT_MS_MAX ? retries : RETRY_WAIT_MS_MAX);
        route_refresh(&thread->route, &thread->stamp, &thread->shared->options);
        bool one_shard = on_one_shard(thread, txn, &shard, &unserved);
        if (unserved)
            continue;
        if (!one_shard)
            return run_split(thread, txn);
        enum attempt result = attempt_once(thread, txn, shard);
        struct route_shard used = *shard;
        if (result == ATTEMPT_ANOMALY)
            return false;
        int outcome = result == ATTEMPT_UNKNOWN ? settle_outcome(thread, txn)
                                                : (result == ATTEMPT_DONE ? 1 : 0);
        if (outcome == 1) {
            acknowledged(thread, txn, &used, retries);
            return true;
        }
        if (outcome < 0) {
            log_transaction(thread, txn, &used, 0, retries, false);
            return false;
        }
    }
    return false;
}
