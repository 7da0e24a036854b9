/* tests/bench/floor/insert.c — floor of B4: array-bound inserts of ready rows, two connections,
 * then the key. */
/*
 * usage: sluice_floor_insert SOCKET DATABASE ROWS
 * Makes the same rows as the benchmark's SQL (bench.py, ROW_SQL) without reading them from
 * anywhere.
 */
#include <mysql.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 2, BATCH = 2000, COLUMNS = 6, COMMIT_BATCHES = 5, NOTE_FILL = 105 };

struct part {
    const char *socket, *database;
    uint64_t from, to;
    bool good;
};

struct rows {
    long long id[BATCH], customer[BATCH];
    int quantity[BATCH];
    char price[BATCH][24], note[BATCH][140], created[BATCH][24];
    char *texts[3][BATCH];
    unsigned long lengths[3][BATCH];
};

static void make_row(struct rows *r, unsigned i, uint64_t n)
{
    r->id[i] = (long long)n;
    r->customer[i] = (long long)(n * 7919 % 1000003);
    r->quantity[i] = (int)(n % 100);
    memset(r->note[i], 'x', NOTE_FILL);
    const int length[] = {
        snprintf(r->price[i], sizeof(r->price[i]), "%d.%02d", (int)(n % 10000), (int)(n % 100)),
        NOTE_FILL + snprintf(r->note[i] + NOTE_FILL, 32, "%llu", (unsigned long long)n),
        snprintf(r->created[i], sizeof(r->created[i]), "2026-01-01 00:00:%02d", (int)(n % 60))};
    char *const texts[] = {r->price[i], r->note[i], r->created[i]};
    for (unsigned c = 0; c < 3; c++) {
        r->texts[c][i] = texts[c];
        r->lengths[c][i] = (unsigned long)length[c];
    }
}

static bool insert_all(MYSQL *mysql, struct rows *r, const struct part *part)
{
    MYSQL_STMT *stmt = mysql_stmt_init(mysql);
    MYSQL_BIND bind[COLUMNS] = {{.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = r->id},
                                {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = r->customer},
                                {.buffer_type = MYSQL_TYPE_LONG, .buffer = r->quantity}};
    for (unsigned i = 0; i < 3; i++)
        bind[3 + i] = (MYSQL_BIND){
            .buffer_type = MYSQL_TYPE_STRING, .buffer = r->texts[i], .length = r->lengths[i]};
    if (mysql_stmt_prepare(stmt, "INSERT INTO t VALUES (?,?,?,?,?,?)", (unsigned long)-1) != 0)
        return false;
    unsigned batches = 0, count;
    for (uint64_t n = part->from; n <= part->to; n += count) {
        count = part->to - n + 1 < BATCH ? (unsigned)(part->to - n + 1) : BATCH;
        for (unsigned i = 0; i < count; i++)
            make_row(r, i, n + i);
        mysql_stmt_attr_set(stmt, STMT_ATTR_ARRAY_SIZE, &count);
        if (mysql_stmt_bind_param(stmt, bind) != 0 || mysql_stmt_execute(stmt) != 0)
            return false;
        if (++batches % COMMIT_BATCHES == 0 && mysql_commit(mysql) != 0)
            return false;
    }
    return mysql_commit(mysql) == 0 && mysql_stmt_close(stmt) == 0;
}

static void *run_part(void *argument)
{
    struct part *part = argument;
    struct rows *rows = calloc(1, sizeof(*rows));
    MYSQL *mysql = mysql_init(NULL);
    part->good = rows != NULL &&
                 mysql_real_connect(mysql, NULL, "root", "", part->database, 0, part->socket, 0) &&
                 mysql_autocommit(mysql, 0) == 0 && insert_all(mysql, rows, part);
    if (!part->good)
        fprintf(stderr, "insert: %s\n", mysql_error(mysql));
    mysql_close(mysql);
    free(rows);
    return NULL;
}

int main(int argc, char **argv)
{
    struct part parts[THREADS];
    pthread_t threads[THREADS];
    uint64_t rows = argc == 4 ? strtoull(argv[3], NULL, 10) : 0;
    if (rows == 0)
        return 2;
    for (unsigned i = 0; i < THREADS; i++) {
        parts[i] = (struct part){argv[1], argv[2], rows * i / THREADS + 1, rows * (i + 1) / THREADS,
                                 false};
        if (pthread_create(&threads[i], NULL, run_part, &parts[i]) != 0)
            return 1;
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    MYSQL *mysql = mysql_init(NULL);
    bool good = parts[0].good && parts[1].good &&
                mysql_real_connect(mysql, NULL, "root", "", argv[2], 0, argv[1], 0) &&
                mysql_query(mysql, "ALTER TABLE t ADD KEY customer_id (customer_id)") == 0;
    mysql_close(mysql);
    return good ? 0 : 1;
}
