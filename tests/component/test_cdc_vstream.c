/* tests/component/test_cdc_vstream.c — the change stream of a keyspace over replayed logs of its
 * shards: what each lane gives, in which order, and where the stream goes on.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "cdc/vstream/vstream.h"
#include "tests/support/replay_expect.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static char keyspace[] = "c";
enum { WHOLE, LEFT, RIGHT, SHARDS };
#define STEPS_MAX 100000
#define WAIT_MS   20000

struct fixture {
    struct topo_shard shards[SHARDS];
    struct topo_keyspace ks;
    struct log logs[SHARDS];
    struct server servers[SHARDS];
    struct cdc_reader *readers[SHARDS]; /* made when a lane needs one */
    struct vstream *v;
    struct expect x[8]; /* by the lane's number: what comes next */
    char order[400];    /* lanes in which transactions ended, and E for an end */
    bool inside;        /* a transaction was given in part */
    size_t inside_lane;
};

/* ---- the keyspace ---- */

static struct cdc_reader *reader_of(void *ctx, const struct topo_shard *shard, struct err *e)
{
    struct fixture *f = ctx;
    size_t i = (size_t)(shard - f->shards);
    (void)e;
    if (!f->readers[i]) {
        struct cdc_reader_options o = {
            .ring_bytes = 1 << 20, .open = server_open, .open_ctx = &f->servers[i]};
        f->readers[i] = cdc_reader_new(NULL, shard, &o);
    }
    return f->readers[i];
}

static void set_up(struct fixture *f)
{
    static char names[SHARDS][4] = {"-", "-80", "80-"};
    struct err e = ERR_INIT;
    *f = (struct fixture){.ks = {.name = keyspace, .shards = f->shards, .n_shards = SHARDS}};
    for (size_t i = 0; i < SHARDS; i++) {
        f->shards[i].keyspace = keyspace;
        f->shards[i].name = names[i];
        assert_true(keyrange_parse(names[i], &f->shards[i].range, &e));
        log_begin(&f->logs[i]);
        f->servers[i] = (struct server){.log = &f->logs[i], .block_at_end = true};
        pthread_mutex_init(&f->servers[i].lock, NULL);
    }
}

static void put_transactions(struct fixture *f, size_t shard, unsigned from, unsigned to)
{
    for (unsigned t = from; t <= to; t++)
        put_transaction(&f->logs[shard], t);
}

static void tear_down(struct fixture *f)
{
    vstream_close(f->v);
    for (size_t i = 0; i < SHARDS; i++) {
        if (f->readers[i])
            cdc_reader_free(f->readers[i]);
        log_fini(&f->logs[i]);
    }
}

/* What merges -80 and 80- into -, which has the changes behind its transaction 3. */
static const char merge[] =
    "{\"id\":7,\"migration_type\":\"SHARDS\",\"tables\":[],\"local_position\":\"MariaDB/0-1-1\","
    "\"shard_gtids\":[{\"keyspace\":\"c\",\"shard\":\"-\",\"gtid\":\"MariaDB/0-1-3\"}],"
    "\"participants\":[{\"keyspace\":\"c\",\"shard\":\"-80\"},{\"keyspace\":\"c\",\"shard\":\"80-"
    "\"}],\"source_workflows\":[\"c/merge\"]}";
/* What splits - again, at 0-1-20 of both. */
static const char split[] =
    "{\"id\":8,\"migration_type\":\"SHARDS\",\"tables\":[],\"local_position\":\"MariaDB/0-1-1\","
    "\"shard_gtids\":[{\"keyspace\":\"c\",\"shard\":\"-80\",\"gtid\":\"MariaDB/0-1-20\"},"
    "{\"keyspace\":\"c\",\"shard\":\"80-\",\"gtid\":\"MariaDB/0-1-20\"}],"
    "\"participants\":[{\"keyspace\":\"c\",\"shard\":\"-\"}],\"source_workflows\":[\"c/split\"]}";

/* Reshards of one half each, which goes on on another server from 0-1-3. */
#define OF_ONE(id, shard)                                                                          \
    "{\"id\":" id                                                                                  \
    ",\"migration_type\":\"SHARDS\",\"tables\":[],\"local_position\":\"MariaDB/0-1-1\","           \
    "\"shard_gtids\":[{\"keyspace\":\"c\",\"shard\":\"" shard "\",\"gtid\":\"MariaDB/0-1-3\"}],"   \
    "\"participants\":[{\"keyspace\":\"c\",\"shard\":\"" shard                                     \
    "\"}],\"source_workflows\":[\"c/w\"]}"

/* ---- the stream ---- */

static void place(unsigned after, struct position *out)
{
    char text[40];
    struct err e = ERR_INIT;
    snprintf(text, sizeof text, "MariaDB/0-1-%u", after);
    assert_true(position_parse(text, out, &e));
}

static const char *const halves[] = {"-80", "80-"};

static void open_stream(struct fixture *f, const struct vstream_options *more)
{
    struct vstream_options o = more ? *more : (struct vstream_options){0};
    o.ks = &f->ks;
    o.name = "test";
    o.reader = reader_of;
    o.ctx = f;
    f->v = vstream_open(&o, halves, 2);
}

/* Both halves, each behind its transaction. */
static void begin_stream(struct fixture *f, unsigned left, unsigned right)
{
    struct err e = ERR_INIT;
    const unsigned after[] = {left, right};
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(position_fini) struct position at = POSITION_INIT;
        place(after[i], &at);
        f->x[i] = (struct expect){.transaction = after[i] + 1};
        assert_true(vstream_begin(vstream_shard(f->v, i), &at, &e));
    }
}

static void start_stream(struct fixture *f, const struct vstream_options *more)
{
    open_stream(f, more);
    begin_stream(f, 1, 1); /* a set without transactions would name no place */
}

static void take(struct fixture *f, size_t lane, const struct committed_part *part)
{
    struct expect *x = &f->x[lane];
    assert_true(!f->inside || f->inside_lane == lane); /* transactions of lanes are not mixed */
    f->inside = !part->ends;
    f->inside_lane = lane;
    for (size_t i = 0; i < part->n; i++) {
        const struct cdc_change *c = &part->changes[i];
        if (c->kind == CDC_JOURNAL)
            x->row = rows_of(x->transaction); /* it and its row stand for what is due */
        else if (c->kind != CDC_ROWS || strcmp(c->rows.table->db, "shop") == 0)
            expect_change(x, c);
    }
    assert_string_equal(x->wrong, "");
    size_t n = strlen(f->order);
    if (part->ends && n + 2 < sizeof f->order)
        snprintf(f->order + n, sizeof f->order - n, "%zu", lane);
}

/* A lane of a child begins behind the transaction that its journal names. */
static void know_children(struct fixture *f, unsigned first)
{
    for (size_t i = 2; i < vstream_count(f->v); i++) {
        if (f->x[i].transaction == 0)
            f->x[i].transaction = i == 2 ? 4 : first;
    }
}

/* One step; at its end *lane is whose it was. */
static enum vstream_next step(struct fixture *f, size_t *lane, struct err *e)
{
    struct vstream_shard *s = NULL;
    struct committed_part part;
    enum vstream_next next = vstream_next(f->v, &s, &part, 1, e);
    *lane = s ? vstream_shard_number(s) : SIZE_MAX;
    know_children(f, 21);
    if (next == VSTREAM_PART) {
        take(f, *lane, &part);
        vstream_taken(s);
    } else if (next == VSTREAM_ENDED && s) {
        size_t n = strlen(f->order);
        snprintf(f->order + n, sizeof f->order - n, "E");
    }
    return next;
}

/* Until the lane has given everything in front of its transaction. */
static void read_until(struct fixture *f, size_t lane, unsigned transaction)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    struct err e = ERR_INIT;
    size_t at;
    while (f->x[lane].transaction < transaction && clock_mono_ms() < until_ms)
        assert_int_not_equal(step(f, &at, &e), VSTREAM_FAIL);
    assert_int_equal(f->x[lane].transaction, transaction);
}

/* The transaction that the VGTID's entry for the shard stands behind; -1: it has none. */
static int entry(struct fixture *f, const char *shard)
{
    CLEANUP(vgtid_fini) struct vgtid v = {0}, moved = {0};
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    struct err e = ERR_INIT;
    int at = 0;
    assert_true(vstream_vgtid(f->v, &v, &moved, &e));
    const struct position *p = vgtid_get(&v, "c", shard);
    if (!p)
        return -1;
    gtid_set_print(p->gtids, &text);
    assert_int_equal(sscanf(buf_str(&text), "0-1-%d", &at), 1);
    return at;
}

/* ---- tests ---- */

static void shards_are_merged_and_each_keeps_its_order(void **state)
{
    struct fixture f;
    struct err e = ERR_INIT;
    size_t lane;
    (void)state;
    set_up(&f);
    put_transactions(&f, LEFT, 1, 120); /* 97 is of several batches */
    put_transactions(&f, RIGHT, 1, 100);
    f.servers[LEFT].cut_every = 300;
    start_stream(&f, NULL);
    while (f.x[0].transaction <= 120 || f.x[1].transaction <= 100) {
        enum vstream_next next = step(&f, &lane, &e);
        assert_int_not_equal(next, VSTREAM_FAIL);
        if (next == VSTREAM_PART && !f.inside) {
            assert_int_equal(entry(&f, "-80"), f.x[0].transaction - 1);
            assert_int_equal(entry(&f, "80-"), f.x[1].transaction - 1);
        }
    }
    tear_down(&f);
}

static void who_goes_on_from_a_vgtid_misses_and_doubles_nothing(void **state)
{
    struct fixture f;
    (void)state;
    set_up(&f);
    put_transactions(&f, LEFT, 1, 60);
    put_transactions(&f, RIGHT, 1, 60);
    start_stream(&f, NULL);
    read_until(&f, 0, 31);
    int left = entry(&f, "-80"), right = entry(&f, "80-");
    vstream_close(f.v);
    f.inside = false;
    open_stream(&f, NULL);
    begin_stream(&f, (unsigned)left, (unsigned)right);
    read_until(&f, 0, 61);
    read_until(&f, 1, 61);
    tear_down(&f);
}

/* Nothing behind a journal, nothing of the child before both are reached, and then behind its
 * place. */
static void a_child_begins_when_both_parents_are_at_their_journal(void **state)
{
    struct fixture f;
    struct err e = ERR_INIT;
    size_t lane;
    (void)state;
    set_up(&f);
    put_transactions(&f, LEFT, 1, 5);
    put_journal(&f.logs[LEFT], 6, merge);
    put_transactions(&f, LEFT, 7, 9); /* the reverse stream's */
    put_transactions(&f, RIGHT, 1, 8);
    start_stream(&f, NULL);
    while (f.x[0].transaction < 7 || f.x[1].transaction < 9)
        assert_int_not_equal(step(&f, &lane, &e), VSTREAM_FAIL);
    assert_int_equal(vstream_count(f.v), 2);
    assert_int_equal(entry(&f, "-80"), 5); /* in front of the journal: it is met again */
    assert_int_equal(entry(&f, "80-"), 8);
    tear_down(&f);

    set_up(&f);
    put_transactions(&f, LEFT, 1, 5);
    put_journal(&f.logs[LEFT], 6, merge);
    put_transactions(&f, LEFT, 7, 9);
    put_transactions(&f, RIGHT, 1, 8);
    put_journal(&f.logs[RIGHT], 9, merge);
    put_transactions(&f, WHOLE, 1, 10);
    start_stream(&f, NULL);
    read_until(&f, 2, 11);
    assert_int_equal(f.x[0].transaction, 7);
    assert_int_equal(f.x[1].transaction, 10);
    assert_string_equal(strchr(f.order, '2'), "2222222");
    assert_int_equal(entry(&f, "-80"), -1);
    assert_int_equal(entry(&f, "80-"), -1);
    assert_int_equal(entry(&f, "-"), 10);
    tear_down(&f);
}

/* The shards that served first serve again: their lanes are new ones, behind the second journal's
 * place, and the journal of the first reshard in between is not met again. */
static void a_reshard_back_is_followed_too(void **state)
{
    struct fixture f;
    (void)state;
    set_up(&f);
    put_transactions(&f, LEFT, 1, 5);
    put_journal(&f.logs[LEFT], 6, merge);
    put_transactions(&f, LEFT, 7, 25);
    put_transactions(&f, RIGHT, 1, 8);
    put_journal(&f.logs[RIGHT], 9, merge);
    put_transactions(&f, RIGHT, 10, 25);
    put_transactions(&f, WHOLE, 1, 10);
    put_journal(&f.logs[WHOLE], 11, split);
    put_transactions(&f, WHOLE, 12, 15);
    start_stream(&f, NULL);
    read_until(&f, 3, 26);
    read_until(&f, 4, 26);
    assert_int_equal(f.x[2].transaction, 12);
    assert_int_equal(vstream_count(f.v), 5);
    assert_true(vstream_state(vstream_shard(f.v, 0)).replaced);
    assert_int_equal(entry(&f, "-80"), 25);
    assert_int_equal(entry(&f, "-"), -1);
    tear_down(&f);
}

static enum vstream_next pull(struct fixture *f, size_t lane)
{
    struct vstream_shard *s = vstream_shard(f->v, lane);
    struct committed_part part;
    struct err e = ERR_INIT;
    enum vstream_next next = vstream_pull(s, &part, 100, &e);
    assert_int_not_equal(next, VSTREAM_FAIL);
    if (next == VSTREAM_PART) {
        take(f, lane, &part);
        vstream_taken(s);
    }
    return next;
}

/* One lane has met its journal and was not pulled since; the other is at the end of its own. */
static void reshards_at_the_same_time_do_not_wait_for_each_other(void **state)
{
    struct fixture f;
    (void)state;
    set_up(&f);
    put_transactions(&f, LEFT, 1, 1);
    put_journal(&f.logs[LEFT], 2, OF_ONE("7", "-80"));
    put_transactions(&f, RIGHT, 1, 1);
    put_journal(&f.logs[RIGHT], 2, OF_ONE("8", "80-"));
    start_stream(&f, NULL);
    while (f.x[0].transaction < 3)
        (void)pull(&f, 0);
    for (size_t i = 0; pull(&f, 1) != VSTREAM_ENDED && i < STEPS_MAX; i++) {
    }
    assert_int_equal(vstream_count(f.v), 3);
    assert_string_equal(vstream_shard_is(vstream_shard(f.v, 2))->name, "80-");
    for (size_t i = 0; pull(&f, 0) != VSTREAM_ENDED && i < STEPS_MAX; i++) {
    }
    assert_int_equal(vstream_count(f.v), 4);
    tear_down(&f);
}

static void a_stream_that_cannot_follow_says_where_it_goes_on(void **state)
{
    struct fixture f;
    struct err e = ERR_INIT;
    size_t lane;
    (void)state;
    set_up(&f);
    put_transactions(&f, LEFT, 1, 1);
    put_journal(&f.logs[LEFT], 2, merge);
    put_transactions(&f, RIGHT, 1, 1);
    put_journal(&f.logs[RIGHT], 2, merge);
    f.ks.shards = &f.shards[LEFT];
    f.ks.n_shards = 2;
    start_stream(&f, NULL);
    enum vstream_next next = VSTREAM_REST;
    for (size_t i = 0; next != VSTREAM_FAIL && i < STEPS_MAX; i++)
        next = step(&f, &lane, &e);
    assert_int_equal(e.code, ERR_SRC_HANDOVER);
    assert_int_equal(entry(&f, "-80"), -1);
    assert_int_equal(entry(&f, "-"), 3);
    tear_down(&f);
}

static void a_lane_that_fails_does_not_stop_the_other(void **state)
{
    struct fixture f;
    size_t lane;
    bool failed = false;
    (void)state;
    set_up(&f);
    put_transactions(&f, LEFT, 1, 5);
    f.servers[LEFT].corrupt_event = f.logs[LEFT].n_events;
    put_transactions(&f, LEFT, 6, 9);
    put_transactions(&f, RIGHT, 1, 50);
    start_stream(&f, NULL);
    while (f.x[1].transaction <= 50 || !failed) {
        struct err e = ERR_INIT;
        if (step(&f, &lane, &e) == VSTREAM_FAIL) {
            assert_int_equal(lane, 0);
            assert_int_not_equal(e.code, ERR_NONE);
            failed = true;
        }
    }
    assert_int_equal(entry(&f, "-80"), 5);
    assert_int_equal(entry(&f, "80-"), 50);
    tear_down(&f);
}

static void lanes_end_at_their_entries_of_until(void **state)
{
    struct fixture f;
    struct vgtid until = {0};
    struct position at = POSITION_INIT;
    struct err e = ERR_INIT;
    size_t lane, ended = 0;
    (void)state;
    set_up(&f);
    put_transactions(&f, LEFT, 1, 9);
    put_transactions(&f, RIGHT, 1, 9);
    place(4, &at);
    vgtid_set(&until, "c", "-80", &at);
    const struct vstream_options o = {.until = &until};
    open_stream(&f, &o);
    assert_false(vstream_begin(vstream_shard(f.v, 1), NULL, &e)); /* it has no entry */
    assert_int_equal(e.code, ERR_SRC_HANDOVER);
    vstream_close(f.v);
    place(7, &at);
    vgtid_set(&until, "c", "80-", &at);
    start_stream(&f, &o);
    for (size_t i = 0; ended < 2 && i < STEPS_MAX; i++)
        ended += step(&f, &lane, &e) == VSTREAM_ENDED;
    assert_int_equal(entry(&f, "-80"), 4);
    assert_int_equal(entry(&f, "80-"), 7);
    tear_down(&f);
    vgtid_fini(&until);
    position_fini(&at);
}

struct puller {
    struct fixture *f;
    enum vstream_next next;
    struct err e;
};

static void *pull_for_ever(void *arg)
{
    struct puller *p = arg;
    struct committed_part part;
    do {
        p->next = vstream_pull(vstream_shard(p->f->v, 0), &part, -1, &p->e);
        if (p->next == VSTREAM_PART)
            vstream_taken(vstream_shard(p->f->v, 0));
    } while (p->next != VSTREAM_FAIL);
    return NULL;
}

static void a_lane_that_waits_can_be_interrupted(void **state)
{
    struct fixture f;
    struct puller p = {.f = &f};
    pthread_t thread;
    (void)state;
    set_up(&f);
    put_transactions(&f, LEFT, 1, 3);
    start_stream(&f, NULL);
    assert_int_equal(pthread_create(&thread, NULL, pull_for_ever, &p), 0);
    cdc_stream_interrupt(vstream_stream(vstream_shard(f.v, 0)));
    pthread_join(thread, NULL);
    assert_int_equal(p.e.code, ERR_SHUTDOWN);
    tear_down(&f);
}

/* Of all readers of this program, as the metrics say it. */
static double ring_bytes(void)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    metrics_render(&text);
    const char *at = strstr(buf_str(&text), "\nsluice_memory_bytes{arena=\"ring\"");
    assert_non_null(at);
    return strtod(strchr(at, '}') + 1, NULL);
}

static void a_lane_that_is_not_pulled_holds_little_and_loses_nothing(void **state)
{
    struct fixture f;
    struct err e = ERR_INIT;
    struct committed_part part;
    (void)state;
    set_up(&f);
    put_transactions(&f, LEFT, 1, 400);
    put_transactions(&f, RIGHT, 1, 400);
    start_stream(&f, &(struct vstream_options){.queue_bytes = 200000});
    struct vstream_shard *fast = vstream_shard(f.v, 1);
    while (f.x[1].transaction <= 400) {
        enum vstream_next next = vstream_pull(fast, &part, 100, &e);
        assert_int_not_equal(next, VSTREAM_FAIL);
        if (next == VSTREAM_PART) {
            take(&f, 1, &part);
            vstream_taken(fast);
        }
    }
    assert_true(ring_bytes() <= 3 << 20); /* each reader's limit, and a batch */
    read_until(&f, 0, 401);
    tear_down(&f);
}

static void a_copy_that_was_not_given_has_no_vgtid(void **state)
{
    struct fixture f;
    CLEANUP(vgtid_fini) struct vgtid v = {0}, moved = {0};
    struct err e = ERR_INIT;
    (void)state;
    set_up(&f);
    open_stream(&f, &(struct vstream_options){.copy = true});
    assert_false(vstream_vgtid(f.v, &v, &moved, &e));
    assert_int_equal(e.code, ERR_SRC_COPY);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_are_merged_and_each_keeps_its_order),
        cmocka_unit_test(who_goes_on_from_a_vgtid_misses_and_doubles_nothing),
        cmocka_unit_test(a_child_begins_when_both_parents_are_at_their_journal),
        cmocka_unit_test(a_reshard_back_is_followed_too),
        cmocka_unit_test(reshards_at_the_same_time_do_not_wait_for_each_other),
        cmocka_unit_test(a_stream_that_cannot_follow_says_where_it_goes_on),
        cmocka_unit_test(a_lane_that_fails_does_not_stop_the_other),
        cmocka_unit_test(lanes_end_at_their_entries_of_until),
        cmocka_unit_test(a_lane_that_waits_can_be_interrupted),
        cmocka_unit_test(a_lane_that_is_not_pulled_holds_little_and_loses_nothing),
        cmocka_unit_test(a_copy_that_was_not_given_has_no_vgtid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
