/* tests/support/writer/log.c — one JSON line for each acknowledged transaction, and the summary. */
#include "tests/support/writer/writer.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *key_json(const struct writer_op *op)
{
    json_t *key = json_object();
    if (op->table != TABLE_PRODUCTS)
        json_object_set_new(key, "customer_id", json_integer((json_int_t)op->key.customer_id));
    if (op->table == TABLE_ORDERS || op->table == TABLE_ITEMS)
        json_object_set_new(key, "order_id", json_integer((json_int_t)op->key.order_id));
    if (op->table == TABLE_ITEMS || op->table == TABLE_PRODUCTS) {
        char sku[40];
        writer_sku(sku, sizeof(sku), op->key.sku);
        json_object_set_new(key, "sku", json_string(sku));
    }
    return key;
}

static json_t *op_json(const struct writer_op *op)
{
    static const char *const letters[] = {"c", "u", "d"};
    json_t *item = json_object(), *values = json_object();
    json_object_set_new(item, "t", json_string(writer_table_name[op->table]));
    json_object_set_new(item, "op", json_string(letters[op->kind]));
    json_object_set_new(item, "k", key_json(op));
    if (op->moves)
        json_object_set_new(values, "customer_id", json_integer((json_int_t)op->to_customer));
    for (unsigned i = 0; i < op->field_count; i++) {
        const struct writer_field *field = &op->field[i];
        json_object_set_new(values, field->name,
                            field->number
                                ? json_integer((json_int_t)strtoull(field->value, NULL, 10))
                                : json_string(field->value));
    }
    json_object_set_new(item, "v", values);
    return item;
}

static json_t *txn_json(const struct writer_thread *thread, const struct writer_txn *txn,
                        const struct route_shard *shard)
{
    char where[128];
    json_t *line = json_object(), *ops = json_array();
    snprintf(where, sizeof(where), "%s/%s", shard->keyspace, shard->name);
    json_object_set_new(line, "txid", json_integer((json_int_t)txn->txid));
    json_object_set_new(line, "thread", json_integer((json_int_t)thread->number));
    json_object_set_new(line, "at_us", json_integer((json_int_t)writer_wall_us()));
    json_object_set_new(line, "shard", json_string(where));
    for (unsigned i = 0; i < txn->op_count; i++)
        json_array_append_new(ops, op_json(&txn->op[i]));
    json_object_set_new(line, "ops", ops);
    return line;
}

static void append_line(struct writer_shared *shared, json_t *line)
{
    pthread_mutex_lock(&shared->log_lock);
    json_dumpf(line, shared->log, JSON_COMPACT);
    fputc('\n', shared->log);
    fflush(shared->log);
    pthread_mutex_unlock(&shared->log_lock);
    json_decref(line);
}

void log_transaction(struct writer_thread *thread, const struct writer_txn *txn,
                     const struct route_shard *shard, uint64_t took_us, unsigned retries,
                     bool outcome_known)
{
    json_t *line = txn_json(thread, txn, shard);
    json_object_set_new(line, "took_us", json_integer((json_int_t)took_us));
    json_object_set_new(line, "retries", json_integer((json_int_t)retries));
    if (!outcome_known)
        json_object_set_new(line, "unknown", json_true());
    append_line(thread->shared, line);
}

void log_anomaly(struct writer_thread *thread, const struct writer_txn *txn,
                 const struct route_shard *shard, const char *what)
{
    json_t *line = txn_json(thread, txn, shard);
    fprintf(stderr, "writer: transaction %llu on %s/%s (routing version %llu): %s\n",
            (unsigned long long)txn->txid, shard->keyspace, shard->name,
            (unsigned long long)thread->route.version, what);
    json_object_set_new(line, "anomaly", json_string(what));
    append_line(thread->shared, line);
    atomic_fetch_add(&thread->shared->anomalies, 1);
    atomic_store(&thread->shared->stop, true);
}

/* --- summary ------------------------------------------------------------------------------------
 */

static int compare_times(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double percentile_ms(const uint32_t *sorted, size_t count, double part)
{
    if (count == 0)
        return 0;
    return sorted[(size_t)((double)(count - 1) * part)] / 1000.0;
}

static uint32_t *all_times(const struct writer_thread *threads, unsigned count, size_t *total)
{
    *total = 0;
    for (unsigned i = 0; i < count; i++)
        *total += threads[i].took_count;
    uint32_t *all = malloc((*total + 1) * sizeof(*all));
    if (all == NULL)
        abort();
    size_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        if (threads[i].took_count > 0)
            memcpy(all + at, threads[i].took_us, threads[i].took_count * sizeof(*all));
        at += threads[i].took_count;
    }
    qsort(all, *total, sizeof(*all), compare_times);
    return all;
}

static json_t *refusals_json(const struct writer_thread *threads, unsigned count)
{
    json_t *refused = json_object();
    for (unsigned t = 0; t < count; t++) {
        for (unsigned i = 0; i < WRITER_ERRNO_MAX && threads[t].refused[i].count; i++) {
            char number[16];
            snprintf(number, sizeof(number), "%u", threads[t].refused[i].number);
            json_int_t sum = json_integer_value(json_object_get(refused, number));
            json_object_set_new(refused, number,
                                json_integer(sum + (json_int_t)threads[t].refused[i].count));
        }
    }
    return refused;
}

static void add_sums(json_t *summary, const struct writer_thread *threads, unsigned count)
{
    uint64_t statements = 0, retries = 0, lost = 0, longest_us = 0, longest_at_ms = 0;
    for (unsigned i = 0; i < count; i++) {
        statements += threads[i].statements;
        retries += threads[i].retries;
        lost += threads[i].lost_commits;
        if (threads[i].longest_us >= longest_us) {
            longest_us = threads[i].longest_us;
            longest_at_ms = threads[i].longest_at_ms;
        }
    }
    json_object_set_new(summary, "statements", json_integer((json_int_t)statements));
    json_object_set_new(summary, "retries", json_integer((json_int_t)retries));
    json_object_set_new(summary, "lost_commits", json_integer((json_int_t)lost));
    json_object_set_new(summary, "longest_ms", json_real((double)longest_us / 1000.0));
    json_object_set_new(summary, "longest_at_ms", json_integer((json_int_t)longest_at_ms));
}

bool log_summary(const struct writer_shared *shared, struct writer_thread *threads, double seconds)
{
    size_t total;
    unsigned count = shared->options.threads;
    uint32_t *times = all_times(threads, count, &total);
    json_t *summary = json_object();
    json_object_set_new(summary, "transactions", json_integer((json_int_t)total));
    json_object_set_new(summary, "seconds", json_real(seconds));
    json_object_set_new(summary, "p50_ms", json_real(percentile_ms(times, total, 0.50)));
    json_object_set_new(summary, "p99_ms", json_real(percentile_ms(times, total, 0.99)));
    add_sums(summary, threads, count);
    json_object_set_new(summary, "anomalies", json_integer(atomic_load(&shared->anomalies)));
    json_object_set_new(summary, "refused", refusals_json(threads, count));
    int failed = shared->options.summary_path
                     ? json_dump_file(summary, shared->options.summary_path, JSON_INDENT(1))
                     : json_dumpf(summary, stdout, JSON_INDENT(1));
    json_decref(summary);
    free(times);
    return failed == 0;
}
