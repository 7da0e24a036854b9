/* tests/unit/test_cdc_source_file.c — logs come out of files and pipes event by event as they were
 * written, whatever the sizes, and say where they are broken. */
#include "base/crc32.h"
#include "cdc/log/decode.h"
#include "cdc/log/source.h"
#include "cdc/log/wire.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
/* cmocka wants the first ones above */
#include <cmocka.h>

#define HEADER      19u
#define TYPE_FORMAT 15
#define TYPE_OTHER  2
#define TYPE_ROTATE 4
#define BIG         ((size_t)3 << 20)

static char dir[] = "/tmp/sluice-source-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static const char *path_of(const char *name)
{
    static char paths[4][100];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, 100, "%s/%s", dir, name);
    return path;
}

static int remove_dir(void **state)
{
    (void)state;
    static const char *const names[] = {"a.000001", "b.000002", "c.000003.gz", "cut"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path_of(names[i]));
    return rmdir(dir);
}

/* An event of n bytes in all, whose last four are its checksum when `sum` says so. */
static void put_event(struct buf *b, uint8_t type, size_t n, bool sum)
{
    size_t at = b->len;
    uint8_t *p = buf_reserve(b, n);
    uint32_t length = (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(at + i * 7);
    p[4] = type;
    memcpy(p + 9, &length, 4);
    memset(p + 17, 0, 2);
    if (type == TYPE_FORMAT) {
        memcpy(p + HEADER + 2, "8.0.36", 7);
        p[n - 5] = 1; /* CRC32 */
    }
    if (sum) {
        uint32_t crc = crc32_portable(0, p, n - 4);
        memcpy(p + n - 4, &crc, 4);
    }
    b->len += n;
}

static size_t size_of(unsigned i)
{
    static const size_t sizes[] = {19, 23, 24, 100, 8200, 70000, 600000, 19, 120};
    return i == 40 ? BIG : i == 41 ? BIG + 1 : sizes[i % 9];
}

/* A log whose every third checksum is wrong. */
static void make_log(struct buf *b, unsigned n_events)
{
    buf_put(b, "\xfe\x62\x69\x6e", 4);
    put_event(b, TYPE_FORMAT, 120, true);
    for (unsigned i = 0; i < n_events; i++)
        put_event(b, TYPE_OTHER, size_of(i), size_of(i) >= 23 && i % 3 != 0);
}

static void write_file(const char *path, const struct buf *b, bool gz)
{
    if (gz) {
        gzFile out = gzopen(path, "wb1");
        assert_int_equal(gzwrite(out, b->data, (unsigned)b->len), (int)b->len);
        assert_int_equal(gzclose(out), Z_OK);
        return;
    }
    FILE *out = fopen(path, "wb");
    assert_int_equal(fwrite(b->data, 1, b->len, out), b->len);
    assert_int_equal(fclose(out), 0);
}

static void next_is(struct cdc_source *s, const uint8_t **event, size_t *n)
{
    struct err e = ERR_INIT;
    enum cdc_next next = s->ops->next(s, event, n, &e);
    if (next != CDC_NEXT_OK)
        fail_msg("%d: %s", (int)next, e.text);
}

/* The next of those that lie together; one by one where many is NULL. */
static void next_of_many_is(struct cdc_source *s, struct cdc_events *many, const uint8_t **event,
                            size_t *n)
{
    struct err e = ERR_INIT;
    if (!many) {
        next_is(s, event, n);
        return;
    }
    if (many->n == 0) {
        enum cdc_next next = s->ops->next_many(s, many, &e);
        if (next != CDC_NEXT_OK)
            fail_msg("%d: %s", (int)next, e.text);
    }
    *event = cdc_events_pop(many, n, &s->checked);
    assert_true(!many->piece || (*event >= many->piece->bytes &&
                                 *event + *n <= many->piece->bytes + many->piece->cap));
}

static void expect_log_by(struct cdc_source *s, struct cdc_events *many, const struct buf *log,
                          const char *name, unsigned n_events)
{
    const uint8_t *event;
    size_t n, at = 4;
    uint64_t offset;
    next_of_many_is(s, many, &event, &n);
    assert_int_equal(event[4], TYPE_ROTATE);
    assert_int_equal(n, HEADER + 8 + strlen(name));
    assert_memory_equal(event + HEADER + 8, name, strlen(name));
    assert_true(!many || (many->n == 0 && !many->piece)); /* the rotate is in no file */
    for (unsigned i = 0; i <= n_events; i++, at += n) {
        next_of_many_is(s, many, &event, &n);
        assert_int_equal(n, i == 0 ? 120 : size_of(i - 1));
        assert_memory_equal(event, log->data + at, n);
        assert_string_equal(cdc_source_file(s, &offset), name);
        assert_true(many || offset == at);
        assert_false(s->checked && i > 0 && (n < 23 || (i - 1) % 3 == 0));
    }
    assert_true(!many || many->n == 0);
    assert_int_equal(at, log->len);
}

static void expect_log(struct cdc_source *s, const struct buf *log, const char *name,
                       unsigned n_events)
{
    expect_log_by(s, NULL, log, name, n_events);
}

static struct cdc_source *open_files(const char *const *paths, size_t n, uint64_t start_pos)
{
    struct err e = ERR_INIT;
    struct cdc_source *s = cdc_source_open_files(paths, n, start_pos, &e);
    assert_non_null(s);
    return s;
}

static void events_of_every_size_come_out_of_every_kind_of_file(void **state)
{
    enum { EVENTS = 120 };
    struct buf log = BUF_INIT;
    const char *paths[3] = {path_of("a.000001"), path_of("b.000002"), path_of("c.000003.gz")};
    const uint8_t *event;
    size_t n;
    (void)state;
    make_log(&log, EVENTS);
    for (unsigned i = 0; i < 3; i++)
        write_file(paths[i], &log, i == 2);
    struct cdc_source *s = open_files(paths, 3, 0);
    expect_log(s, &log, "a.000001", EVENTS);
    expect_log(s, &log, "b.000002", EVENTS);
    expect_log(s, &log, "c.000003", EVENTS);
    assert_true(s->ops->ready(s)); /* a file never lets wait */
    assert_int_equal(s->ops->next(s, &event, &n, NULL), CDC_NEXT_END);
    assert_int_equal(s->ops->next(s, &event, &n, NULL), CDC_NEXT_END);
    s->ops->close(s);
    buf_fini(&log);
}

static void events_come_out_as_many_as_lie_together(void **state)
{
    enum { EVENTS = 400 };
    struct buf log = BUF_INIT;
    const char *paths[2] = {path_of("a.000001"), path_of("b.000002")};
    struct cdc_events events = {0};
    struct err e = ERR_INIT;
    (void)state;
    make_log(&log, EVENTS);
    write_file(paths[0], &log, false);
    put_event(&log, TYPE_OTHER, 50, false);
    log.len -= 20; /* the second file is cut */
    write_file(paths[1], &log, false);
    log.len -= 30;
    struct cdc_source *s = open_files(paths, 2, 0);
    expect_log_by(s, &events, &log, "a.000001", EVENTS);
    expect_log_by(s, &events, &log, "b.000002", EVENTS);
    assert_int_equal(s->ops->next_many(s, &events, &e), CDC_NEXT_FAIL);
    assert_non_null(strstr(e.text, "is cut off after"));
    s->ops->close(s);
    buf_fini(&log);
}

/* Whoever holds the pieces sees the same bytes after everything else was read and closed. */
static void held_pieces_stay_as_they_are(void **state)
{
    enum { EVENTS = 120 };
    struct buf log = BUF_INIT;
    const char *path = path_of("a.000001");
    struct piece *held[EVENTS + 1];
    const uint8_t *events[EVENTS + 1], *event;
    size_t sizes[EVENTS + 1], n, at = 4;
    (void)state;
    make_log(&log, EVENTS);
    write_file(path, &log, false);
    struct cdc_source *s = open_files(&path, 1, 0);
    next_is(s, &event, &n);
    assert_null(s->piece); /* the rotate is in no file */
    for (unsigned i = 0; i <= EVENTS; i++) {
        next_is(s, &events[i], &sizes[i]);
        assert_true(events[i] >= s->piece->bytes &&
                    events[i] + sizes[i] <= s->piece->bytes + s->piece->cap);
        held[i] = piece_ref(s->piece);
    }
    assert_int_equal(s->ops->next(s, &event, &n, NULL), CDC_NEXT_END);
    s->ops->close(s);
    for (unsigned i = 0; i <= EVENTS; at += sizes[i], i++) {
        assert_memory_equal(events[i], log.data + at, sizes[i]);
        piece_unref(held[i]);
    }
    assert_int_equal(at, log.len);
    buf_fini(&log);
}

static void a_start_position_jumps_behind_the_format(void **state)
{
    struct buf log = BUF_INIT;
    const char *path = path_of("a.000001");
    const uint8_t *event;
    size_t n, at = 4 + 120;
    struct err e = ERR_INIT;
    (void)state;
    make_log(&log, 50);
    write_file(path, &log, false);
    for (unsigned i = 0; i <= 50; at += i < 50 ? size_of(i) : 0, i++) {
        struct cdc_source *s = open_files(&path, 1, at);
        uint64_t offset;
        next_is(s, &event, &n);
        next_is(s, &event, &n);
        assert_int_equal(event[4], TYPE_FORMAT);
        if (i == 50) {
            assert_int_equal(s->ops->next(s, &event, &n, &e), CDC_NEXT_END);
        } else {
            next_is(s, &event, &n);
            (void)cdc_source_file(s, &offset);
            assert_int_equal(offset, at);
            assert_int_equal(n, size_of(i));
        }
        s->ops->close(s); /* with the thread still reading */
    }
    for (unsigned i = 0; i < 2; i++) { /* inside the format description, behind the end */
        struct cdc_source *s = open_files(&path, 1, i ? log.len + 1 : 50);
        next_is(s, &event, &n);
        next_is(s, &event, &n);
        assert_int_equal(s->ops->next(s, &event, &n, &e), CDC_NEXT_FAIL);
        assert_non_null(strstr(e.text, i ? "behind the end" : "before the first event"));
        s->ops->close(s);
    }
    buf_fini(&log);
}

static void a_log_that_is_cut_gives_what_is_whole_and_the_place(void **state)
{
    struct buf log = BUF_INIT;
    const char *path = path_of("cut");
    const uint8_t *event;
    (void)state;
    make_log(&log, 6);
    size_t whole = log.len;
    size_t last = whole - size_of(5), cuts[] = {last + 1, last + 18, last + 19, whole - 1};
    for (unsigned i = 0; i < 4; i++) {
        char place[60];
        size_t n;
        struct err e = ERR_INIT;
        log.len = cuts[i];
        write_file(path, &log, false);
        struct cdc_source *s = open_files(&path, 1, 0);
        for (unsigned k = 0; k < 2 + 5; k++)
            next_is(s, &event, &n);
        assert_int_equal(s->ops->next(s, &event, &n, &e), CDC_NEXT_FAIL);
        snprintf(place, sizeof place, "at offset %zu: an event", last);
        assert_non_null(strstr(e.text, place));
        assert_non_null(strstr(e.text, "is cut off after"));
        s->ops->close(s);
    }
    buf_fini(&log);
}

static void a_length_that_cannot_be_stops_behind_what_was_good(void **state)
{
    struct buf log = BUF_INIT;
    const char *path = path_of("cut");
    const uint8_t *event;
    size_t n;
    struct err e = ERR_INIT;
    (void)state;
    make_log(&log, 3);
    size_t bad = log.len;
    put_event(&log, TYPE_OTHER, 50, false);
    log.data[bad + 9] = 18;
    write_file(path, &log, false);
    struct cdc_source *s = open_files(&path, 1, 0);
    for (unsigned k = 0; k < 2 + 3; k++)
        next_is(s, &event, &n);
    assert_int_equal(s->ops->next(s, &event, &n, &e), CDC_NEXT_FAIL);
    assert_non_null(strstr(e.text, "an event's length is 18"));
    s->ops->close(s);
    buf_fini(&log);
}

/* ---- pipes: standard input is replaced by one ---- */

struct slow {
    int fd;
    const struct buf *log;
};

static void *write_slowly(void *arg)
{
    const struct slow *w = arg;
    for (size_t at = 0, step = 1; at < w->log->len; at += step) {
        step = at < 4000 ? 37 : 50000;
        step = step < w->log->len - at ? step : w->log->len - at;
        if (write(w->fd, w->log->data + at, step) != (ssize_t)step)
            return (void *)1;
    }
    close(w->fd);
    return NULL;
}

static int stdin_from_pipe(int *saved)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    *saved = dup(0);
    assert_int_equal(dup2(fds[0], 0), 0);
    close(fds[0]);
    return fds[1];
}

static void restore_stdin(int saved)
{
    assert_int_equal(dup2(saved, 0), 0);
    close(saved);
}

static void a_pipe_gives_the_same(void **state)
{
    enum { EVENTS = 60 };
    struct buf log = BUF_INIT;
    const char *path = "-";
    const uint8_t *event;
    size_t n;
    int saved;
    pthread_t writer;
    void *failed;
    (void)state;
    make_log(&log, EVENTS);
    struct slow w = {stdin_from_pipe(&saved), &log};
    assert_int_equal(pthread_create(&writer, NULL, write_slowly, &w), 0);
    struct cdc_source *s = open_files(&path, 1, 0);
    expect_log(s, &log, "stdin", EVENTS);
    assert_int_equal(s->ops->next(s, &event, &n, NULL), CDC_NEXT_END);
    s->ops->close(s);
    pthread_join(writer, &failed);
    assert_null(failed);
    restore_stdin(saved);
    buf_fini(&log);
}

static void *interrupt_it(void *arg)
{
    struct cdc_source *s = arg;
    s->ops->interrupt(s);
    return NULL;
}

static void a_pipe_gives_events_at_once_and_can_be_left(void **state)
{
    struct buf log = BUF_INIT;
    const char *path = "-";
    const uint8_t *event;
    size_t n;
    struct err e = ERR_INIT;
    int saved, to;
    pthread_t other;
    (void)state;
    make_log(&log, 3);
    to = stdin_from_pipe(&saved);
    assert_int_equal(write(to, log.data, log.len), (ssize_t)log.len);
    struct cdc_source *s = open_files(&path, 1, 0);
    expect_log(s, &log, "stdin", 3); /* the pipe stays open */
    assert_false(s->ops->ready(s));
    assert_int_equal(pthread_create(&other, NULL, interrupt_it, s), 0);
    assert_int_equal(s->ops->next(s, &event, &n, &e), CDC_NEXT_FAIL);
    assert_int_equal(e.code, ERR_SHUTDOWN);
    assert_true(s->ops->ready(s));
    pthread_join(other, NULL);
    s->ops->close(s);
    close(to);
    restore_stdin(saved);
    buf_fini(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_of_every_size_come_out_of_every_kind_of_file),
        cmocka_unit_test(events_come_out_as_many_as_lie_together),
        cmocka_unit_test(held_pieces_stay_as_they_are),
        cmocka_unit_test(a_start_position_jumps_behind_the_format),
        cmocka_unit_test(a_log_that_is_cut_gives_what_is_whole_and_the_place),
        cmocka_unit_test(a_length_that_cannot_be_stops_behind_what_was_good),
        cmocka_unit_test(a_pipe_gives_the_same),
        cmocka_unit_test(a_pipe_gives_events_at_once_and_can_be_left),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
