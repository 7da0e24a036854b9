/* tests/support/writer/plan.c — invents transactions of 1 to 20 statements on a thread's own rows.
 */
/*
 * The world is brought to the state after the transaction while it is planned: a planned
 * transaction is always run to its acknowledgement, or the writer ends.  An order that the same
 * transaction has inserted is left alone, so that the presence of a row tells whether the
 * transaction happened.
 */
#include "tests/support/writer/writer.h"

#include <assert.h>
#include <string.h>
#include <time.h>

enum { STATEMENTS_MAX = 20, ORDERS_OF_DELETED_CUSTOMER_MAX = 3 };

static const char *const statuses[] = {"new", "paid", "packed", "shipped", "returned"};
static const char *const words[] = {"schnell", "Grüße",   "naïve",  "日本語",  "it's",
                                    "a\\b",    "\"now\"", "Ærø",    "Ελλάδα",  "😀",
                                    "deliver", "garden",  "second", "floor",   "ring",
                                    "Łódź",    "50%",     "x_y",    "tab\tin", "line\nbreak"};

static struct writer_op *new_op(struct writer_txn *txn, enum writer_table table,
                                enum writer_kind kind, struct writer_key key)
{
    assert(txn->op_count < WRITER_OPS_MAX);
    struct writer_op *op = &txn->op[txn->op_count++];
    *op = (struct writer_op){.table = table, .kind = kind, .key = key};
    return op;
}

static char *new_field(struct writer_op *op, const char *name, bool number)
{
    assert(op->field_count < WRITER_FIELDS_MAX);
    struct writer_field *field = &op->field[op->field_count++];
    field->name = name;
    field->number = number;
    return field->value;
}

static void set_number(struct writer_op *op, const char *name, uint64_t value)
{
    snprintf(new_field(op, name, true), WRITER_VALUE_MAX, "%llu", (unsigned long long)value);
}

static void set_decimal(struct writer_thread *thread, struct writer_op *op, const char *name,
                        uint64_t whole_max)
{
    snprintf(new_field(op, name, false), WRITER_VALUE_MAX, "%llu.%02llu",
             (unsigned long long)writer_random(thread, whole_max),
             (unsigned long long)writer_random(thread, 100));
}

static void set_text(struct writer_thread *thread, struct writer_op *op, const char *name,
                     unsigned words_max)
{
    char *out = new_field(op, name, false);
    size_t used = 0;
    unsigned count = 1 + (unsigned)writer_random(thread, words_max);
    for (unsigned i = 0; i < count; i++)
        used += (size_t)snprintf(out + used, WRITER_VALUE_MAX - used, "%s%s", i ? " " : "",
                                 words[writer_random(thread, sizeof(words) / sizeof(*words))]);
    assert(used < WRITER_VALUE_MAX);
}

static void set_time(struct writer_op *op, const char *name, bool fraction)
{
    uint64_t now_us = writer_wall_us();
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char *out = new_field(op, name, false);
    size_t used = strftime(out, WRITER_VALUE_MAX, "%Y-%m-%d %H:%M:%S", &utc);
    if (fraction)
        snprintf(out + used, WRITER_VALUE_MAX - used, ".%06u", (unsigned)(now_us % 1000000));
}

static void set_email(struct writer_op *op, uint64_t email)
{
    writer_email(new_field(op, "email", false), WRITER_VALUE_MAX, email);
}

static void set_meta(struct writer_thread *thread, struct writer_op *op)
{
    snprintf(new_field(op, "meta", false), WRITER_VALUE_MAX,
             "{\"tier\": %u, \"tags\": [\"%s\", \"t%u\"], \"vip\": %s, \"limit\": %u.5}",
             (unsigned)writer_random(thread, 5), writer_random(thread, 2) ? "Grüße" : "日本語",
             (unsigned)writer_random(thread, 100), writer_random(thread, 2) ? "true" : "false",
             (unsigned)writer_random(thread, 1000));
}

static void fill_order(struct writer_thread *thread, struct writer_op *op, uint64_t txid)
{
    snprintf(new_field(op, "status", false), WRITER_VALUE_MAX, "%s",
             statuses[writer_random(thread, sizeof(statuses) / sizeof(*statuses))]);
    set_decimal(thread, op, "total", 90000);
    set_text(thread, op, "note", 8);
    set_time(op, "placed_at", false);
    set_time(op, "updated_at", true);
    set_number(op, "version", txid);
}

static void fill_item(struct writer_thread *thread, struct writer_op *op, uint64_t txid)
{
    set_number(op, "quantity", 1 + writer_random(thread, 9));
    set_decimal(thread, op, "price", 5000);
    set_number(op, "version", txid);
}

static bool has_sku(const struct world_order *order, uint32_t sku)
{
    for (unsigned i = 0; i < order->item_count; i++)
        if (order->sku[i] == sku)
            return true;
    return false;
}

static void add_item(struct writer_thread *thread, struct writer_txn *txn, uint64_t customer_id,
                     struct world_order *order)
{
    uint32_t sku = 1 + (uint32_t)writer_random(thread, thread->shared->products);
    if (order->item_count == WRITER_ITEMS_MAX || has_sku(order, sku))
        return;
    struct writer_key key = {customer_id, order->id, sku};
    fill_item(thread, new_op(txn, TABLE_ITEMS, KIND_INSERT, key), txn->txid);
    order->sku[order->item_count++] = sku;
}

static void insert_order(struct writer_thread *thread, struct writer_txn *txn,
                         struct world_customer *customer)
{
    uint64_t id = atomic_fetch_add(&thread->shared->next_order, 1);
    struct writer_key key = {customer->id, id, 0};
    fill_order(thread, new_op(txn, TABLE_ORDERS, KIND_INSERT, key), txn->txid);
    struct world_order *order = world_add_order(customer, id);
    order->born_in = txn->txid;
    for (uint64_t items = writer_random(thread, 3); items > 0; items--)
        add_item(thread, txn, customer->id, order);
}

/* An order that existed before this transaction, or NULL. */
static struct world_order *pick_order(struct writer_thread *thread, const struct writer_txn *txn,
                                      struct world_customer *customer)
{
    if (customer->order_count == 0)
        return NULL;
    struct world_order *order = &customer->order[writer_random(thread, customer->order_count)];
    return order->born_in == txn->txid ? NULL : order;
}

static void update_order(struct writer_thread *thread, struct writer_txn *txn,
                         const struct world_customer *customer, const struct world_order *order)
{
    struct writer_key key = {customer->id, order->id, 0};
    struct writer_op *op = new_op(txn, TABLE_ORDERS, KIND_UPDATE, key);
    if (writer_random(thread, 3) == 0)
        set_text(thread, op, "note", 10);
    else
        set_decimal(thread, op, "total", 90000);
    set_time(op, "updated_at", true);
    set_number(op, "version", txn->txid);
}

static void update_item(struct writer_thread *thread, struct writer_txn *txn,
                        const struct world_customer *customer, const struct world_order *order)
{
    if (order->item_count == 0)
        return;
    uint32_t sku = order->sku[writer_random(thread, order->item_count)];
    struct writer_key key = {customer->id, order->id, sku};
    fill_item(thread, new_op(txn, TABLE_ITEMS, KIND_UPDATE, key), txn->txid);
}

static void delete_order(struct writer_txn *txn, struct world_customer *customer,
                         const struct world_order *order)
{
    for (unsigned i = 0; i < order->item_count; i++) {
        struct writer_key item = {customer->id, order->id, order->sku[i]};
        new_op(txn, TABLE_ITEMS, KIND_DELETE, item);
    }
    struct writer_key key = {customer->id, order->id, 0};
    new_op(txn, TABLE_ORDERS, KIND_DELETE, key);
    world_remove_order(customer, (unsigned)(order - customer->order));
}

/* The order and its items get another customer, and with it perhaps another shard. */
static void move_order(struct writer_thread *thread, struct writer_txn *txn,
                       struct world_customer *from, const struct world_order *order,
                       struct world_customer *to)
{
    struct world_order moved = *order;
    struct writer_key key = {from->id, moved.id, 0};
    struct writer_op *op = new_op(txn, TABLE_ORDERS, KIND_UPDATE, key);
    op->moves = true;
    op->to_customer = to->id;
    fill_order(thread, op, txn->txid);
    for (unsigned i = 0; i < moved.item_count; i++) {
        struct writer_key item = {from->id, moved.id, moved.sku[i]};
        op = new_op(txn, TABLE_ITEMS, KIND_UPDATE, item);
        op->moves = true;
        op->to_customer = to->id;
        fill_item(thread, op, txn->txid);
    }
    world_remove_order(from, (unsigned)(order - from->order));
    moved.born_in = txn->txid;
    *world_add_order(to, moved.id) = moved;
}

static void set_customer_email(struct writer_txn *txn, uint64_t customer_id, uint64_t email)
{
    struct writer_key key = {customer_id, 0, 0};
    struct writer_op *op = new_op(txn, TABLE_CUSTOMERS, KIND_UPDATE, key);
    op->swap = true;
    set_email(op, email);
    set_number(op, "version", txn->txid);
}

/* Two customers exchange their unique addresses, by way of a third value. */
static void swap_emails(struct writer_thread *thread, struct writer_txn *txn,
                        struct world_customer *one, struct world_customer *two)
{
    uint64_t between = atomic_fetch_add(&thread->shared->next_email, 1);
    set_customer_email(txn, one->id, between);
    set_customer_email(txn, two->id, one->email);
    set_customer_email(txn, one->id, two->email);
    uint64_t email = one->email;
    one->email = two->email;
    two->email = email;
}

static void update_customer(struct writer_thread *thread, struct writer_txn *txn,
                            const struct world_customer *customer)
{
    struct writer_key key = {customer->id, 0, 0};
    struct writer_op *op = new_op(txn, TABLE_CUSTOMERS, KIND_UPDATE, key);
    switch (writer_random(thread, 3)) {
    case 0:
        set_text(thread, op, "name", 4);
        break;
    case 1:
        set_meta(thread, op);
        break;
    case 2:
        set_decimal(thread, op, "balance", 1000000);
        break;
    }
    set_time(op, "updated_at", true);
    set_number(op, "version", txn->txid);
}

static struct world_customer *insert_customer(struct writer_thread *thread, struct writer_txn *txn)
{
    struct writer_shared *shared = thread->shared;
    /* Each thread allocates the ids that are its own by the remainder. */
    uint64_t id =
        atomic_fetch_add(&shared->next_customer, 1) * shared->options.threads + thread->number;
    uint64_t email = atomic_fetch_add(&shared->next_email, 1);
    struct writer_key key = {id, 0, 0};
    struct writer_op *op = new_op(txn, TABLE_CUSTOMERS, KIND_INSERT, key);
    set_text(thread, op, "name", 4);
    set_email(op, email);
    set_decimal(thread, op, "balance", 1000000);
    set_meta(thread, op);
    set_time(op, "created_at", false);
    set_time(op, "updated_at", true);
    set_number(op, "version", txn->txid);
    struct world_customer *customer = world_add_customer(&thread->world, id, email);
    customer->born_in = txn->txid;
    return customer;
}

static bool deletable(const struct writer_txn *txn, const struct world_customer *customer)
{
    if (customer->born_in == txn->txid || customer->order_count > ORDERS_OF_DELETED_CUSTOMER_MAX)
        return false;
    for (unsigned i = 0; i < customer->order_count; i++)
        if (customer->order[i].born_in == txn->txid)
            return false;
    return true;
}

static void delete_customer(struct writer_thread *thread, struct writer_txn *txn, size_t index)
{
    struct world_customer *customer = &thread->world.customer[index];
    while (customer->order_count > 0)
        delete_order(txn, customer, &customer->order[customer->order_count - 1]);
    struct writer_key key = {customer->id, 0, 0};
    new_op(txn, TABLE_CUSTOMERS, KIND_DELETE, key);
    world_remove_customer(&thread->world, index);
}

static void step_on_order(struct writer_thread *thread, struct writer_txn *txn, size_t one,
                          size_t two, uint64_t dice)
{
    struct world_customer *customer = &thread->world.customer[one];
    struct world_order *order = pick_order(thread, txn, customer);
    if (order == NULL)
        insert_order(thread, txn, customer);
    else if (dice < 50)
        update_order(thread, txn, customer, order);
    else if (dice < 62)
        update_item(thread, txn, customer, order);
    else if (dice < 72)
        add_item(thread, txn, customer->id, order);
    else if (dice < 86 || one == two)
        delete_order(txn, customer, order);
    else
        move_order(thread, txn, customer, order, &thread->world.customer[two]);
}

static void step(struct writer_thread *thread, struct writer_txn *txn, size_t one, size_t two)
{
    struct world *world = &thread->world;
    uint64_t dice = writer_random(thread, 100);
    if (dice < 22)
        insert_order(thread, txn, &world->customer[one]);
    else if (dice < 82)
        step_on_order(thread, txn, one, two, writer_random(thread, 100));
    else if (dice < 92)
        update_customer(thread, txn, &world->customer[one]);
    else if (dice < 97 && one != two)
        swap_emails(thread, txn, &world->customer[one], &world->customer[two]);
    else
        insert_order(thread, txn, insert_customer(thread, txn));
}

static void update_products(struct writer_thread *thread, struct writer_txn *txn)
{
    for (uint64_t count = 1 + writer_random(thread, 3); count > 0; count--) {
        struct writer_key key = {0, 0,
                                 1 + (uint32_t)writer_random(thread, thread->shared->products)};
        struct writer_op *op = new_op(txn, TABLE_PRODUCTS, KIND_UPDATE, key);
        set_decimal(thread, op, "price", 5000);
        set_time(op, "updated_at", true);
        set_number(op, "version", txn->txid);
    }
}

/* Few statements most of the time, now and then up to 20. */
static unsigned statements_wanted(struct writer_thread *thread)
{
    uint64_t most = writer_random(thread, 4) == 0 ? STATEMENTS_MAX : 6;
    return 1 + (unsigned)writer_random(thread, most);
}

void plan_transaction(struct writer_thread *thread, struct writer_txn *txn)
{
    struct world *world = &thread->world;
    txn->op_count = 0;
    txn->begun_us = writer_now_us();
    txn->txid = atomic_fetch_add(&thread->shared->next_txid, 1);
    if (thread->number == 0 && writer_random(thread, 20) == 0) {
        update_products(thread, txn);
        return;
    }
    if (world->count < 4) {
        insert_customer(thread, txn);
        return;
    }
    size_t one = writer_random(thread, world->count), two = writer_random(thread, world->count);
    if (writer_random(thread, 50) == 0 && deletable(txn, &world->customer[one])) {
        delete_customer(thread, txn, one);
        return;
    }
    unsigned wanted = statements_wanted(thread);
    while (txn->op_count == 0 || (txn->op_count < wanted && txn->op_count < STATEMENTS_MAX - 8))
        step(thread, txn, one, two);
}
