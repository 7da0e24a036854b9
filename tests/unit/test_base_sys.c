/* tests/unit/test_base_sys.c — files, directories, sizes, durations and log lines. */
#include "base/log.h"
#include "base/sys.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/sluice-test-sys-XXXXXX";
static char path[256];

static const char *at(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    static const char *names[] = {"file", "pipe", "a/b/c", "a/b", "a", "link"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        remove(at(names[i]));
    return remove(dir);
}

static void a_file_is_written_atomically_and_read_back(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    assert_true(sys_write_file_atomic(at("file"), "one\0two", 7, 0640, &e));
    assert_true(sys_write_file_atomic(at("file"), "three", 5, 0640, &e));
    assert_true(sys_read_file(at("file"), 5, &b, &e));
    assert_string_equal(buf_str(&b), "three");
    struct stat st;
    assert_int_equal(stat(at("file"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    buf_reset(&b);
    assert_false(sys_read_file(at("file"), 4, &b, &e));
    assert_int_equal(e.code, ERR_LIMIT);
}

static void a_pipe_that_nobody_writes_into_does_not_hold_its_reader(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    assert_true(
        sys_read_file(at("pipe"), 100, &b, &e)); /* the alternative is a test without an end */
    assert_int_equal(b.len, 0);
    int fd = open(at("pipe"), O_RDWR | O_CLOEXEC);
    assert_int_equal(write(fd, "secret", 6), 6);
    assert_false(sys_read_file(at("pipe"), 5, &b, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    close(fd);
}

static void missing_files_and_directories_are_named(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    assert_false(sys_read_file(at("none"), 5, &b, &e));
    assert_int_equal(e.code, ERR_IO);
    assert_non_null(strstr(e.text, "/none"));
    assert_false(sys_write_file_atomic(at("no/dir"), "", 0, 0644, &e));
    assert_int_equal(e.code, ERR_IO);
}

static void directories_are_made_private_with_their_parents(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct stat st;
    assert_true(sys_mkdir_private(at("a/b/c/"), &e));
    assert_true(sys_mkdir_private(at("a/b/c"), &e));
    assert_int_equal(stat(at("a/b/c"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void a_symbolic_link_is_no_private_directory(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_int_equal(symlink("/tmp", at("link")), 0);
    assert_false(sys_mkdir_private(at("link"), &e));
    assert_int_equal(e.code, ERR_IO);
    assert_true(sys_write_file_atomic(at("file"), "", 0, 0600, &e));
    assert_false(sys_mkdir_private(at("file"), &e));
}

static enum err_code secret_of_mode(mode_t mode)
{
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    struct err e = ERR_INIT;
    assert_int_equal(chmod(at("secret"), mode), 0);
    assert_true(sys_read_secret(at("secret"), 64, &b, &e) == (e.code == ERR_NONE));
    return e.code;
}

static enum err_code directory_of_mode(mode_t mode)
{
    struct err e = ERR_INIT;
    assert_int_equal(chmod(at("dir"), mode), 0);
    assert_true(sys_mkdir_private(at("dir"), &e) == (e.code == ERR_NONE));
    return e.code;
}

static void loose_secrets_and_directories_are_refused(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_true(sys_write_file_atomic(at("secret"), "word", 4, 0600, &e));
    assert_int_equal(secret_of_mode(0600), ERR_NONE);
    assert_int_equal(secret_of_mode(0640), ERR_NONE);
    assert_int_equal(secret_of_mode(0644), ERR_CONFIG);
    assert_int_equal(secret_of_mode(0660), ERR_CONFIG);
    assert_int_equal(secret_of_mode(0602), ERR_CONFIG);
    assert_int_equal(mkdir(at("dir"), 0700), 0);
    assert_int_equal(directory_of_mode(0700), ERR_NONE);
    assert_int_equal(directory_of_mode(0755), ERR_NONE); /* with a warning */
    assert_int_equal(directory_of_mode(0775), ERR_CONFIG);
    assert_int_equal(directory_of_mode(0777), ERR_CONFIG);
    assert_int_equal(rmdir(at("dir")), 0);
    assert_int_equal(unlink(at("secret")), 0);
}

static void sizes_know_their_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},
                {"512", 512},
                {"10k", 10240},
                {"64MiB", 64u << 20},
                {"1MB", 1000000},
                {"20GiB", (uint64_t)20 << 30},
                {"1T", (uint64_t)1 << 40},
                {"18446744073709551615", UINT64_MAX}};
    static const char *bad[] = {
        "", "MiB", "-1", "1.5G", "10 k", "10X", "18446744073709551616", "99999999999T"};
    struct err e = ERR_INIT;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint64_t bytes = 1;
        assert_true(sys_parse_size(good[i].text, &bytes, &e));
        assert_true(bytes == good[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t bytes;
        assert_false(sys_parse_size(bad[i], &bytes, &e));
        assert_int_equal(e.code, ERR_CONFIG);
        assert_true(e.cure[0] != 0);
    }
}

static void durations_know_their_units(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    int64_t ms = 0;
    assert_true(sys_parse_duration_ms("500ms", &ms, &e) && ms == 500);
    assert_true(sys_parse_duration_ms("30s", &ms, &e) && ms == 30000);
    assert_true(sys_parse_duration_ms("30", &ms, &e) && ms == 30000);
    assert_true(sys_parse_duration_ms("5m", &ms, &e) && ms == 300000);
    assert_true(sys_parse_duration_ms("2h", &ms, &e) && ms == 7200000);
    assert_false(sys_parse_duration_ms("2y", &ms, &e));
    assert_false(sys_parse_duration_ms("", &ms, &e));
    assert_false(sys_parse_duration_ms("18446744073709551615ms", &ms, &e));
}

static void integers_are_parsed_whole_or_not_at_all(void **state)
{
    (void)state;
    uint64_t u;
    int64_t i;
    assert_true(sys_parse_u64("18446744073709551615", &u) && u == UINT64_MAX);
    assert_false(sys_parse_u64("18446744073709551616", &u));
    assert_false(sys_parse_u64("", &u));
    assert_false(sys_parse_u64(" 1", &u));
    assert_false(sys_parse_u64("1x", &u));
    assert_false(sys_parse_u64("-1", &u));
    assert_true(sys_parse_i64("-9223372036854775808", &i) && i == INT64_MIN);
    assert_true(sys_parse_i64("9223372036854775807", &i) && i == INT64_MAX);
    assert_false(sys_parse_i64("9223372036854775808", &i));
    assert_false(sys_parse_i64("-9223372036854775809", &i));
    assert_false(sys_parse_i64("-", &i));
}

static void resident_memory_is_plausible(void **state)
{
    (void)state;
    assert_in_range(sys_rss_bytes(), 500000, (uintmax_t)1 << 40);
}

/* Runs fn with standard error going to a file and returns what was written. */
static void capture(struct buf *out, void (*fn)(void))
{
    struct err e = ERR_INIT;
    int saved = dup(STDERR_FILENO);
    int fd = open(at("file"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(saved >= 0 && fd >= 0);
    dup2(fd, STDERR_FILENO);
    fn();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fd);
    assert_true(sys_read_file(at("file"), 100000, out, &e));
}

static void write_some_lines(void)
{
    struct err e = ERR_INIT;
    log_debug("unit", "too quiet");
    log_info("unit", "first %d\nline", 1);
    err_set_native(&e, ERR_DB_LOST, ERR_CLASS_RETRY, 2013, "gone \"away\"");
    err_cure(&e, "wait");
    log_err(LOG_WARN, "unit", &e);
}

static void log_lines_are_text_with_escapes(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    log_init(LOG_INFO, false);
    capture(&b, write_some_lines);
    assert_null(strstr(buf_str(&b), "too quiet"));
    assert_non_null(strstr(buf_str(&b), "Z info  unit first 1\\x0aline\n"));
    assert_non_null(strstr(buf_str(&b), "Z warn  unit gone \"away\" code=DB_LOST class=retry "
                                        "native=2013 cure=\"wait\"\n"));
}

static void log_lines_are_json_objects_when_asked(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    log_init(LOG_INFO, true);
    capture(&b, write_some_lines);
    log_init(LOG_INFO, false);
    assert_int_equal(buf_str(&b)[0], '{');
    assert_non_null(strstr(buf_str(&b), "\"level\":\"info\",\"area\":\"unit\","
                                        "\"message\":\"first 1\\nline\"}\n"));
    assert_non_null(strstr(buf_str(&b),
                           "\"message\":\"gone \\\"away\\\"\",\"code\":\"DB_LOST\","
                           "\"class\":\"retry\",\"cure\":\"wait\",\"native\":2013}\n"));
}

static void a_thread_yields_and_is_as_before(void **state)
{
    (void)state;
    int before = sched_getscheduler(0);
    if (before != SCHED_OTHER) {
        assert_false(sys_thread_yields());
        assert_int_equal(sched_getscheduler(0), before);
        return;
    }
    assert_true(sys_thread_yields());
    assert_int_equal(sched_getscheduler(0), SCHED_BATCH);
    assert_false(sys_thread_yields()); /* another's wish stays */
    sys_thread_yields_no_more();
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_written_atomically_and_read_back),
        cmocka_unit_test(a_pipe_that_nobody_writes_into_does_not_hold_its_reader),
        cmocka_unit_test(missing_files_and_directories_are_named),
        cmocka_unit_test(directories_are_made_private_with_their_parents),
        cmocka_unit_test(a_symbolic_link_is_no_private_directory),
        cmocka_unit_test(loose_secrets_and_directories_are_refused),
        cmocka_unit_test(sizes_know_their_units),
        cmocka_unit_test(durations_know_their_units),
        cmocka_unit_test(integers_are_parsed_whole_or_not_at_all),
        cmocka_unit_test(resident_memory_is_plausible),
        cmocka_unit_test(log_lines_are_text_with_escapes),
        cmocka_unit_test(log_lines_are_json_objects_when_asked),
        cmocka_unit_test(a_thread_yields_and_is_as_before),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
