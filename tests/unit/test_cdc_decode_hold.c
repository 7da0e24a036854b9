/* tests/unit/test_cdc_decode_hold.c — events that are held until their transaction's end: more than
 * memory may keep, cut back, read again from the disk, and where there is no disk. */
#include "base/sys.h"
#include "tests/support/decode_feeder.h"

#include <unistd.h>

#define ROWS_BYTES ((size_t)1000000) /* of one event: 200,000 rows */

static char folder[] = "/tmp/sluice-hold-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char spill[64];
    (void)state;
    snprintf(spill, sizeof spill, "%s/spill", folder);
    (void)rmdir(spill);
    snprintf(spill, sizeof spill, "%s/sluice-%u/spill", folder, (unsigned)getuid());
    (void)rmdir(spill);
    *strrchr(spill, '/') = 0;
    (void)rmdir(spill);
    return rmdir(folder);
}

static void start_with_spill(struct feeder *f, const char *dir)
{
    struct cdc_decode_options o = {.spill_dir = dir};
    start_with(f, &o, FEEDER_MYSQL, "FilePos/binlog.000001:4");
    gtid(f, 1);
    assert_true(query(f, "BEGIN") && query(f, "SAVEPOINT a"));
}

static bool many_rows(struct feeder *f)
{
    return rows(f, (unsigned)(ROWS_BYTES / 5));
}

static void what_is_too_much_for_memory_comes_back_from_the_disk(void **state)
{
    struct feeder f;
    (void)state;
    start_with_spill(&f, folder);
    for (int i = 0; i < 10; i++)
        assert_true(rows(&f, 1) && many_rows(&f));
    assert_true(query(&f, "SAVEPOINT b"));
    for (int i = 0; i < 10; i++)
        assert_true(rows(&f, 1) && many_rows(&f));
    assert_true(query(&f, "ROLLBACK TO b") && rows(&f, 2)); /* b lies in the file */
    take(&f, true);
    f.seen[0] = 0;
    assert_true(query(&f, "COMMIT"));
    take(&f, true);
    assert_false(cdc_decoder_failed(f.d, NULL));
    const char *end = " 1800009+1 / 1800010+200000 / 2000010+2 C ";
    assert_true(strlen(f.seen) > strlen(end));
    assert_string_equal(f.seen + strlen(f.seen) - strlen(end), end);
    stop(&f);
}

static void many_small_events_come_back_from_the_disk(void **state)
{
    struct feeder f;
    uint32_t n = 0;
    struct cdc_batch *b;
    (void)state;
    start_with_spill(&f, folder);
    for (int i = 0; i < 3000; i++)
        assert_true(rows(&f, 600)); /* 3 KB */
    xid(&f);
    while ((b = cdc_decoder_take(f.d, true)) != NULL) {
        for (size_t i = 0; i < b->n_changes; i++) {
            if (b->changes[i].kind != CDC_ROWS)
                continue;
            assert_int_equal(b->changes[i].rows.first_seq, n);
            n += b->changes[i].rows.n_rows;
        }
        cdc_batch_unref(b);
    }
    assert_int_equal(n, 1800000);
    assert_false(cdc_decoder_in_transaction(f.d) || cdc_decoder_failed(f.d, NULL));
    stop(&f);
}

/* What is held is dropped with the decoder, before and while it is replayed. */
static void held_events_go_with_the_decoder(void **state)
{
    (void)state;
    for (int committed = 0; committed < 2; committed++) {
        struct feeder f;
        start_with_spill(&f, folder);
        for (int i = 0; i < 6; i++)
            assert_true(many_rows(&f));
        if (committed)
            xid(&f);
        stop(&f);
    }
}

static void without_a_folder_the_temporary_one_is_taken(void **state)
{
    struct feeder f;
    const char *old = getenv("TMPDIR");
    char *kept = old ? strdup(old) : NULL;
    (void)state;
    setenv("TMPDIR", folder, 1);
    start_with_spill(&f, NULL);
    for (int i = 0; i < 6; i++)
        assert_true(many_rows(&f));
    char made[64];
    snprintf(made, sizeof made, "%s/sluice-%u/spill", folder, (unsigned)getuid());
    assert_int_equal(access(made, F_OK), 0);
    stop(&f);
    if (kept)
        setenv("TMPDIR", kept, 1);
    else
        unsetenv("TMPDIR");
    free(kept);
}

static void a_folder_that_cannot_be_made_is_named(void **state)
{
    struct feeder f;
    bool ok = true;
    (void)state;
    start_with_spill(&f, "/dev/null/x");
    for (int i = 0; ok && i < 6; i++)
        ok = many_rows(&f);
    assert_false(ok);
    assert_fails(&f, "no folder", ERR_IO, "WRITE_ROWS_EVENT (type 30) → /dev/null: cannot use");
    stop(&f);
}

/* A failure while held rows are decoded names the place of the COMMIT. */
static void failures_of_a_replay_say_where(void **state)
{
    (void)state;
    for (int named = 0; named < 2; named++) {
        struct feeder f;
        start(&f, 0, named ? "FilePos/binlog.000001:4" : NULL);
        gtid(&f, 1);
        assert_true(query(&f, "BEGIN") && query(&f, "SAVEPOINT a") && feed(&f, 30, "\1", 1));
        uint32_t at = f.pos;
        xid(&f);
        take(&f, true);
        assert_true(cdc_decoder_failed(f.d, &f.e));
        char want[100];
        snprintf(want, sizeof want, "%s:%u → held WRITE_ROWS_EVENT → the event's fields go beyond",
                 named ? "binlog.000001" : "log", at);
        assert_fails(&f, "malformed", ERR_LOG_FORMAT, want);
        assert_false(feed(&f, 3, "", 0));
        stop(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_too_much_for_memory_comes_back_from_the_disk),
        cmocka_unit_test(many_small_events_come_back_from_the_disk),
        cmocka_unit_test(held_events_go_with_the_decoder),
        cmocka_unit_test(without_a_folder_the_temporary_one_is_taken),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_named),
        cmocka_unit_test(failures_of_a_replay_say_where),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
