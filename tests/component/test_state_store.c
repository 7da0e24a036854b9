/* tests/component/test_state_store.c — the state database on real files: reopening, the lock, a
 * full disk, damage, crashes around a commit. */
#include "state/store.h"

#include "base/fault.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static char path[128];

static const char *file(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/sluice-test-store-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    static const char *names[] = {"state.db", "state.db-wal", "state.db-shm", "lock"};
    (void)state;
    umount2(dir, MNT_DETACH); /* only mounted still when its test failed */
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(file(names[i]));
    return rmdir(dir);
}

static struct store *open_store(void)
{
    struct err e = ERR_INIT;
    struct store *s = store_open(dir, &e);
    if (!s)
        fail_msg("%s", e.text);
    return s;
}

static bool put(struct store *s, const char *sink, const char *text, struct err *e)
{
    CLEANUP(position_fini) struct position p = POSITION_INIT;
    assert_true(position_parse(text, &p, e));
    return store_checkpoint_put(s, sink, "customer", "-80", &p, "{\"v\":1}", e);
}

/* "" when there is none. */
static void assert_checkpoint(struct store *s, const char *sink, const char *want)
{
    CLEANUP(position_fini) struct position p = POSITION_INIT;
    CLEANUP(buf_fini) struct buf data = BUF_INIT;
    struct err e = ERR_INIT;
    bool found;
    assert_true(store_checkpoint_get(s, sink, "customer", "-80", &p, &data, &found, &e));
    assert_int_equal(found, want[0] != 0);
    char *text = position_text(&p);
    assert_string_equal(text, want);
    assert_string_equal(buf_str(&data), want[0] ? "{\"v\":1}" : "");
    free(text);
}

static void a_checkpoint_survives_reopening(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = open_store();
    assert_string_equal(store_dir(s), dir);
    assert_checkpoint(s, "orders", "");
    assert_true(put(s, "orders", "MariaDB/0-1-41@b.000001:100", &e));
    assert_true(put(s, "orders", "MariaDB/0-1-42@b.000001:200+3", &e));
    assert_true(put(s, "other", "FilePos/b.000001:4", &e));
    store_close(s);
    s = open_store();
    assert_checkpoint(s, "orders", "MariaDB/0-1-42@b.000001:200+3");
    assert_true(store_checkpoint_delete(s, "orders", &e));
    assert_checkpoint(s, "orders", "");
    assert_checkpoint(s, "other", "FilePos/b.000001:4");
    store_close(s);
}

static void files_are_private(void **state)
{
    (void)state;
    static const char *names[] = {"state.db", "lock"};
    struct stat st;
    store_close(open_store());
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(stat(file(names[i]), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

struct seen {
    struct store *store;
    char text[256];
    int left;
};

static bool see_doc(void *ctx, const char *key, const char *value)
{
    struct seen *seen = ctx;
    size_t n = strlen(seen->text);
    struct err e = ERR_INIT;
    snprintf(seen->text + n, sizeof seen->text - n, "%s=%s;", key, value);
    /* A callback may use the store. */
    assert_true(store_doc_delete(seen->store, "sink", key, &e));
    return --seen->left > 0;
}

static void documents_are_kept_by_space_in_key_order(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    bool found;
    struct store *s = open_store();
    assert_true(store_doc_put(s, "sink", "b", "2", &e));
    assert_true(store_doc_put(s, "sink", "a", "1", &e));
    assert_true(store_doc_put(s, "sink", "a", "1'\"é", &e));
    assert_true(store_doc_put(s, "sink", "c", "3", &e));
    assert_true(store_doc_put(s, "routing", "a", "other", &e));
    struct seen seen = {.store = s, .left = 2};
    assert_true(store_doc_each(s, "sink", see_doc, &seen, &e));
    assert_string_equal(seen.text, "a=1'\"é;b=2;");
    assert_true(store_doc_get(s, "sink", "a", &b, &found, &e));
    assert_false(found);
    assert_true(store_doc_get(s, "routing", "a", &b, &found, &e));
    assert_true(found);
    assert_string_equal(buf_str(&b), "other");
    store_close(s);
}

static bool see_log(void *ctx, int64_t wall_ms, const char *kind, const char *message)
{
    struct seen *seen = ctx;
    size_t n = strlen(seen->text);
    assert_true(wall_ms > 1600000000000);
    snprintf(seen->text + n, sizeof seen->text - n, "%s:%s;", kind, message);
    return --seen->left > 0;
}

static void history_is_read_newest_first_up_to_its_limit(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = open_store();
    for (int i = 1; i <= 5; i++) {
        char message[16];
        snprintf(message, sizeof message, "m%d", i);
        assert_true(store_log_append(s, i == 4 ? "other" : "w", "state", message, &e));
    }
    struct seen seen = {.left = 100};
    assert_true(store_log_each(s, "w", 3, see_log, &seen, &e));
    assert_string_equal(seen.text, "state:m5;state:m3;state:m2;");
    seen = (struct seen){.left = 1};
    assert_true(store_log_each(s, "w", 3, see_log, &seen, &e));
    assert_string_equal(seen.text, "state:m5;");
    store_close(s);
}

/* One value of the closed database, read by SQLite alone. */
static void query(const char *sql, char *out, size_t out_len)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open(file("state.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    out[0] = 0;
    if (sqlite3_step(st) == SQLITE_ROW)
        snprintf(out, out_len, "%s", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    sqlite3_close(db);
}

static void dead_letters_keep_their_bytes(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    char out[128];
    struct store *s = open_store();
    assert_true(store_dead_letter(s, "orders", "FilePos/b:4", "too large", "a\0b", 3, &e));
    assert_true(store_dead_letter(s, "orders", "FilePos/b:5", "empty", NULL, 0, &e));
    store_close(s);
    query("SELECT group_concat(reason || hex(record)) FROM dead_letter", out, sizeof out);
    assert_string_equal(out, "too large610062,empty");
}

static void wal_and_full_sync_are_on(void **state)
{
    (void)state;
    char out[64];
    store_close(open_store());
    query("PRAGMA journal_mode", out, sizeof out);
    assert_string_equal(out, "wal");
    query("SELECT min(number) = 1 AND max(number) = count(*) FROM migration", out, sizeof out);
    assert_string_equal(out, "1");
}

static void a_second_opening_is_refused_by_name(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = open_store();
    assert_null(store_open(dir, &e));
    assert_int_equal(e.code, ERR_STATE_LOCKED);
    char mine[32];
    snprintf(mine, sizeof mine, "process %d, started 2", (int)getpid());
    assert_non_null(strstr(e.text, mine));
    store_close(s);
    store_close(open_store());
}

/* A child that opens the store, tells so, and then waits for its end. */
static pid_t hold_in_child(void)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct store *s = store_open(dir, NULL);
        ssize_t n = write(ready[1], s ? "y" : "n", 1);
        (void)n;
        for (;;)
            pause();
    }
    assert_true(pid > 0);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    assert_int_equal(byte, 'y');
    return pid;
}

static void the_lock_of_another_process_names_it_and_dies_with_it(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    pid_t pid = hold_in_child();
    char owner[32];
    snprintf(owner, sizeof owner, "process %d, started ", (int)pid);
    assert_null(store_open(dir, &e));
    assert_int_equal(e.code, ERR_STATE_LOCKED);
    assert_int_equal(err_code_exit(e.code), ERR_EXIT_PRECONDITION);
    assert_non_null(strstr(e.text, owner));
    assert_true(e.cure[0] != 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    store_close(open_store());
}

static void a_newer_version_is_refused(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    char out[8];
    store_close(open_store());
    query("INSERT INTO migration VALUES (999, 0)", out, sizeof out);
    assert_null(store_open(dir, &e));
    assert_int_equal(e.code, ERR_STATE_NEWER);
    assert_non_null(strstr(e.text, "version 999"));
}

static void overwrite(const char *name, off_t at, size_t n)
{
    int fd = open(file(name), O_WRONLY);
    assert_true(fd >= 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pwrite(fd, "\xa5", 1, at + (off_t)i), 1);
    close(fd);
}

static void a_damaged_file_is_named_with_its_cure(void **state)
{
    (void)state;
    static const struct {
        off_t at;
        size_t n;
    } damages[] = {{0, 100}, {4096, 4096}, {8192, 4096}};
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        struct err e = ERR_INIT;
        struct store *s = open_store();
        assert_true(put(s, "orders", "FilePos/b.000001:4", &e));
        store_close(s);
        overwrite("state.db", damages[i].at, damages[i].n);
        assert_null(store_open(dir, &e));
        assert_int_equal(e.code, ERR_STATE_DB);
        assert_int_equal(e.class_, ERR_CLASS_FATAL);
        assert_non_null(strstr(e.cure, "move state.db"));
        unlink(file("state.db"));
    }
}

static int checkpoint_in_child(const char *fault)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct store *s = store_open(dir, NULL);
        if (!s || !fault_arm(fault, NULL))
            _exit(99);
        struct err e = ERR_INIT;
        bool ok = put(s, "orders", "FilePos/b.000002:4", &e);
        _exit(ok ? 0 : 1);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

static void a_kill_around_the_commit_leaves_the_old_or_the_new(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = open_store();
    assert_true(put(s, "orders", "FilePos/b.000001:4", &e));
    store_close(s);
    int status = checkpoint_in_child("state.checkpoint.before_commit:kill");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    s = open_store();
    assert_checkpoint(s, "orders", "FilePos/b.000001:4");
    store_close(s);
    status = checkpoint_in_child("state.checkpoint.after_commit:kill");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    s = open_store();
    assert_checkpoint(s, "orders", "FilePos/b.000002:4");
    store_close(s);
}

static void a_failure_before_the_commit_rolls_back_and_the_store_goes_on(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = open_store();
    assert_true(fault_arm("state.checkpoint.before_commit:fail", &e));
    assert_false(put(s, "orders", "FilePos/b.000001:4", &e));
    assert_int_equal(e.code, ERR_FAULT_INJECTED);
    assert_checkpoint(s, "orders", "");
    assert_true(put(s, "orders", "FilePos/b.000001:5", &e));
    assert_checkpoint(s, "orders", "FilePos/b.000001:5");
    assert_true(fault_arm("", &e));
    store_close(s);
}

static void a_foreign_lock_is_waited_out_or_retried(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = open_store();
    sqlite3 *db;
    assert_int_equal(sqlite3_open(file("state.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_false(put(s, "orders", "FilePos/b.000001:4", &e));
    assert_int_equal(e.code, ERR_STATE_DB);
    assert_int_equal(e.class_, ERR_CLASS_RETRY);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_true(put(s, "orders", "FilePos/b.000001:4", &e));
    store_close(s);
}

static void remount_larger(void)
{
    assert_int_equal(mount("tmpfs", dir, "tmpfs", MS_REMOUNT, "size=16m"), 0);
}

/* Writes until it fails; then gets room and writes again. */
static void fill_up(void)
{
    struct err e = ERR_INIT;
    struct store *s = open_store();
    assert_true(put(s, "orders", "FilePos/b.000001:4", &e));
    char *record = calloc(1, 65536);
    bool ok = true;
    for (int i = 0; ok && i < 1000; i++)
        ok = store_dead_letter(s, "orders", "FilePos/b:4", "filling", record, 65536, &e);
    free(record);
    assert_false(ok);
    if (e.code != ERR_DISK_FULL)
        print_message("%d %s\n", e.native, e.text);
    assert_int_equal(e.code, ERR_DISK_FULL);
    assert_int_equal(e.class_, ERR_CLASS_RETRY);
    assert_non_null(strstr(e.cure, dir));
    assert_checkpoint(s, "orders", "FilePos/b.000001:4");
    remount_larger();
    assert_true(put(s, "orders", "FilePos/b.000001:5", &e));
    assert_checkpoint(s, "orders", "FilePos/b.000001:5");
    store_close(s);
}

static void a_full_disk_is_retried_and_loses_nothing(void **state)
{
    (void)state;
    if (mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=0700") != 0) {
        print_message("skipped: cannot mount a tmpfs: %s\n", strerror(errno));
        skip();
    }
    fill_up();
    assert_int_equal(umount(dir), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_checkpoint_survives_reopening),
        TEST(files_are_private),
        TEST(documents_are_kept_by_space_in_key_order),
        TEST(history_is_read_newest_first_up_to_its_limit),
        TEST(dead_letters_keep_their_bytes),
        TEST(wal_and_full_sync_are_on),
        TEST(a_second_opening_is_refused_by_name),
        TEST(the_lock_of_another_process_names_it_and_dies_with_it),
        TEST(a_newer_version_is_refused),
        TEST(a_damaged_file_is_named_with_its_cure),
        TEST(a_kill_around_the_commit_leaves_the_old_or_the_new),
        TEST(a_failure_before_the_commit_rolls_back_and_the_store_goes_on),
        TEST(a_foreign_lock_is_waited_out_or_retried),
        TEST(a_full_disk_is_retried_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
