/* tests/support/writer/world.c — the rows that one writer thread owns, read once and then followed.
 */
#include "tests/support/writer/writer.h"

#include <stdlib.h>
#include <string.h>

static void *grow(void *array, size_t room, size_t each_bytes)
{
    void *bigger = realloc(array, room * each_bytes);
    if (bigger == NULL)
        abort();
    return bigger;
}

struct world_customer *world_add_customer(struct world *world, uint64_t id, uint64_t email)
{
    if (world->count == world->room) {
        world->room = world->room ? world->room * 2 : 256;
        world->customer = grow(world->customer, world->room, sizeof(*world->customer));
    }
    struct world_customer *customer = &world->customer[world->count++];
    *customer = (struct world_customer){.id = id, .email = email};
    return customer;
}

struct world_order *world_add_order(struct world_customer *customer, uint64_t id)
{
    if (customer->order_count == customer->order_room) {
        customer->order_room = customer->order_room ? customer->order_room * 2 : 4;
        customer->order = grow(customer->order, customer->order_room, sizeof(*customer->order));
    }
    struct world_order *order = &customer->order[customer->order_count++];
    *order = (struct world_order){.id = id};
    return order;
}

void world_remove_order(struct world_customer *customer, unsigned index)
{
    customer->order[index] = customer->order[--customer->order_count];
}

void world_remove_customer(struct world *world, size_t index)
{
    free(world->customer[index].order);
    world->customer[index] = world->customer[--world->count];
}

struct world_customer *world_find_customer(struct world *world, uint64_t id)
{
    for (size_t i = 0; i < world->count; i++)
        if (world->customer[i].id == id)
            return &world->customer[i];
    return NULL;
}

void world_free(struct world *world)
{
    for (size_t i = 0; i < world->count; i++)
        free(world->customer[i].order);
    free(world->customer);
    *world = (struct world){0};
}

static uint64_t number_in(const char *text)
{
    while (*text && (*text < '0' || *text > '9'))
        text++;
    return strtoull(text, NULL, 10);
}

static MYSQL_RES *ask(MYSQL *mysql, const char *columns, const char *table, const char *order_by,
                      unsigned thread, unsigned threads)
{
    char sql[256];
    snprintf(sql, sizeof(sql), "SELECT %s FROM %s WHERE customer_id %% %u = %u ORDER BY %s",
             columns, table, threads, thread, order_by);
    if (mysql_query(mysql, sql) != 0) {
        fprintf(stderr, "writer: %s: %s\n", sql, mysql_error(mysql));
        return NULL;
    }
    return mysql_store_result(mysql);
}

/* Rows come ordered by customer, as the customers themselves do. */
static bool load_orders(struct world *world, size_t at, MYSQL *mysql, unsigned thread,
                        unsigned threads)
{
    MYSQL_RES *result =
        ask(mysql, "customer_id, order_id", "orders", "customer_id, order_id", thread, threads);
    if (result == NULL)
        return false;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;) {
        uint64_t id = strtoull(row[0], NULL, 10);
        while (at < world->count && world->customer[at].id != id)
            at++;
        if (at == world->count)
            break;
        world_add_order(&world->customer[at], strtoull(row[1], NULL, 10));
    }
    mysql_free_result(result);
    return true;
}

static bool load_items(struct world *world, size_t at, MYSQL *mysql, unsigned thread,
                       unsigned threads)
{
    MYSQL_RES *result = ask(mysql, "customer_id, order_id, sku", "order_items",
                            "customer_id, order_id, sku", thread, threads);
    if (result == NULL)
        return false;
    unsigned order = 0;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;) {
        uint64_t id = strtoull(row[0], NULL, 10), order_id = strtoull(row[1], NULL, 10);
        for (; at < world->count && world->customer[at].id != id; at++)
            order = 0;
        if (at == world->count)
            break;
        struct world_customer *customer = &world->customer[at];
        while (order < customer->order_count && customer->order[order].id != order_id)
            order++;
        if (order == customer->order_count)
            break;
        struct world_order *found = &customer->order[order];
        if (found->item_count < WRITER_ITEMS_MAX)
            found->sku[found->item_count++] = (uint32_t)number_in(row[2]);
    }
    mysql_free_result(result);
    return true;
}

bool world_load(struct world *world, MYSQL *mysql, unsigned thread, unsigned threads)
{
    size_t first = world->count;
    MYSQL_RES *result =
        ask(mysql, "customer_id, email", "customers", "customer_id", thread, threads);
    if (result == NULL)
        return false;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;)
        world_add_customer(world, strtoull(row[0], NULL, 10), number_in(row[1]));
    mysql_free_result(result);
    return load_orders(world, first, mysql, thread, threads) &&
           load_items(world, first, mysql, thread, threads);
}
