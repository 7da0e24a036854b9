/* sinks/file.c — records as lines of a file, or of standard output.
 *
 * Role: file:PATH holds one record a line; each flush ends with a line that says how far the stream
 * is:
 *   {"op":"position","sink":"s","keyspace":"c","shard":"-80","position":"MariaDB/0-1-42@…"}
 * Invariants:
 *   1. A flush is one append under the file's lock, fsynced before it is acknowledged; if it fails
 *      the file is cut back.
 *   2. What stands behind the last position line was never acknowledged: it is cut off when the
 *      file is opened by the first sink of the process. A crash at any byte therefore leaves whole
 *      flushes only.
 *   3. Only a file that begins with the head line is written or cut: it was empty, or absent, when
 *      a sink opened it for the first time. Whatever else stands at the path stays as it is.
 *   4. A record is one line and no position line, whatever it holds; so no value that an
 *      application wrote can say how far the stream is.
 *
 * Before each flush the path is looked up again. Another file there, or none, means that the old
 * one was renamed or removed (a rotation): the flush goes into a new one. A file that has become
 * shorter was cut by somebody (copytruncate): the flush follows what is left, without a hole.
 * Standard output keeps no position. Tombstones (no value) are no lines.
 */
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sys.h"
#include "sinks/sinks_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES    ((size_t)256 * 1024)
#define LINE_MAX_BYTES ((size_t)64 * 1024) /* of a position line */

/* One open file of the process, shared by the sinks that write to it. */
struct shared_file {
    struct shared_file *next;
    char *path;
    unsigned refs;
    int fd;
    off_t end; /* of the last complete flush */
    pthread_mutex_t lock;
};
static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shared_file *files;

struct file_sink {
    struct sink base;
    struct shared_file *file; /* NULL: standard output */
    char *name;
    struct buf pending;
};

static bool io_error(struct err *e, const char *path)
{
    int number = errno;
    return err_set_errno(e, ERR_SINK_FATAL, number, "%s: %s", path, strerror(number));
}

static bool write_all(int fd, const struct buf *b, off_t at)
{
    for (size_t done = 0; done < b->len;) {
        ssize_t n = at < 0 ? write(fd, b->data + done, b->len - done)
                           : pwrite(fd, b->data + done, b->len - done, at + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* ---- position lines ---- */

static const char position_start[] = "{\"op\":\"position\",";
/* A position line of no sink, which makes the file a sink's. */
static const char head_line[] =
    "{\"op\":\"position\",\"sink\":\"\",\"keyspace\":\"\",\"shard\":\"\",\"position\":\"\"}\n";

static bool is_position_line(const char *line, size_t n)
{
    return n > sizeof position_start &&
           memcmp(line, position_start, sizeof position_start - 1) == 0;
}

/* Calls fn for each complete line from the last to the first until it returns false. */
static bool lines_backward(const struct shared_file *f, off_t end,
                           bool (*fn)(void *, const char *, size_t, off_t), void *ctx,
                           struct err *e)
{
    struct buf tail = BUF_INIT; /* the bytes from `at` to the last line that was given */
    off_t at = end;
    bool go_on = true;
    while (at > 0 && go_on) {
        size_t n = at > (off_t)BLOCK_BYTES ? BLOCK_BYTES : (size_t)at;
        struct buf block = BUF_INIT;
        uint8_t *to = buf_reserve(&block, n + tail.len);
        ssize_t got = pread(f->fd, to, n, at - (off_t)n);
        if (got != (ssize_t)n) {
            buf_fini(&block);
            buf_fini(&tail);
            return io_error(e, f->path);
        }
        block.len = n;
        buf_put(&block, tail.data, tail.len);
        buf_fini(&tail);
        tail = block;
        at -= (off_t)n;
        for (size_t stop = tail.len; stop > 1 && go_on;) {
            const uint8_t *newline = memrchr(tail.data, '\n', stop - 1);
            if (!newline && at > 0)
                break;
            size_t start = newline ? (size_t)(newline - tail.data) + 1 : 0;
            go_on = fn(ctx, (const char *)tail.data + start, stop - start, at + (off_t)stop);
            stop = tail.len = start;
        }
    }
    buf_fini(&tail);
    return true;
}

static bool find_last_position(void *ctx, const char *line, size_t n, off_t line_end)
{
    off_t *end = ctx;
    if (!is_position_line(line, n) || line[n - 1] != '\n')
        return true;
    *end = line_end;
    return false;
}

static bool has_head(const struct shared_file *f)
{
    char start[sizeof head_line];
    ssize_t n = pread(f->fd, start, sizeof head_line - 1, 0);
    return n == (ssize_t)sizeof head_line - 1 &&
           memcmp(start, head_line, sizeof head_line - 1) == 0;
}

static bool is_foreign(const struct shared_file *f, struct err *e)
{
    err_set(e, ERR_SINK_CONFIG, "%s holds something else than a sink's records; it was not touched",
            f->path);
    err_cure(e, "name a file that does not exist yet");
    return false;
}

static bool write_head(struct shared_file *f, struct err *e)
{
    struct buf head = BUF_INIT;
    buf_put_str(&head, head_line);
    bool ok = write_all(f->fd, &head, 0) && fdatasync(f->fd) == 0;
    if (!ok) {
        io_error(e, f->path);
        (void)!ftruncate(f->fd, 0);
    }
    f->end = ok ? (off_t)head.len : 0;
    buf_fini(&head);
    return ok;
}

/* Makes a new file the sink's own; cuts off what was never acknowledged in one that is. */
static bool recover(struct shared_file *f, struct err *e)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0)
        return io_error(e, f->path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_SINK_CONFIG, "%s is no regular file", f->path);
    if (st.st_size == 0)
        return write_head(f, e);
    if (!has_head(f))
        return is_foreign(f, e);
    f->end = 0;
    if (!lines_backward(f, st.st_size, find_last_position, &f->end, e))
        return false;
    return f->end == st.st_size || ftruncate(f->fd, f->end) == 0 || io_error(e, f->path);
}

/* ---- the shared file ---- */

static struct shared_file *open_file(const char *path, struct err *e)
{
    struct shared_file *f = mem_alloc(sizeof *f);
    f->path = mem_strdup(path);
    f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640); /* a FIFO is refused */
    pthread_mutex_init(&f->lock, NULL);
    if (f->fd >= 0 ? recover(f, e) : io_error(e, path)) {
        f->next = files;
        files = f;
        return f;
    }
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f);
    return NULL;
}

static struct shared_file *file_get(const char *path, struct err *e)
{
    pthread_mutex_lock(&files_lock);
    struct shared_file *f = files;
    while (f && strcmp(f->path, path) != 0)
        f = f->next;
    if (!f)
        f = open_file(path, e);
    if (f)
        f->refs++;
    pthread_mutex_unlock(&files_lock);
    return f;
}

static void file_put(struct shared_file *f)
{
    pthread_mutex_lock(&files_lock);
    if (--f->refs == 0) {
        struct shared_file **at = &files;
        while (*at != f)
            at = &(*at)->next;
        *at = f->next;
        close(f->fd);
        pthread_mutex_destroy(&f->lock);
        free(f->path);
        free(f);
    }
    pthread_mutex_unlock(&files_lock);
}

/* ---- the sink ---- */

static char *option_text(const char *options_json, const char *name)
{
    json_t *o = options_json ? json_loads(options_json, 0, NULL) : NULL;
    const char *text = json_string_value(json_object_get(o, name));
    char *copy = mem_strdup(text ? text : "");
    json_decref(o);
    return copy;
}

static struct sink *file_open(const char *target, const char *options_json,
                              const struct sink_stop *stop, struct err *e)
{
    (void)stop;
    if (!target[0]) {
        err_set(e, ERR_SINK_CONFIG, "file: needs a path, like file:/var/lib/changes.ndjson");
        return NULL;
    }
    struct shared_file *f = file_get(target, e);
    if (!f)
        return NULL;
    struct file_sink *s = mem_alloc(sizeof *s);
    s->base.ops = &sink_file_ops;
    s->file = f;
    s->name = option_text(options_json, "name");
    return &s->base;
}

static struct sink *stdout_open(const char *target, const char *options_json,
                                const struct sink_stop *stop, struct err *e)
{
    (void)stop;
    (void)target;
    (void)e;
    struct file_sink *s = mem_alloc(sizeof *s);
    s->base.ops = &sink_stdout_ops;
    s->name = option_text(options_json, "name");
    return &s->base;
}

static bool is_plain_line(const struct sink_record *r, struct err *e)
{
    if (memchr(r->value, '\n', r->value_len))
        return err_set(e, ERR_SINK_RECORD, "a record of %s holds a line end", r->topic);
    return !is_position_line(r->value, r->value_len) ||
           err_set(e, ERR_SINK_RECORD, "a record of %s begins like a position", r->topic);
}

static bool file_write(struct sink *sink, const struct sink_record *r, struct err *e)
{
    struct file_sink *s = (struct file_sink *)sink;
    if (!r->value)
        return true;
    if (!is_plain_line(r, e))
        return false;
    buf_put(&s->pending, r->value, r->value_len);
    buf_put_u8(&s->pending, '\n');
    return !s->pending.failed || err_set(e, ERR_LIMIT, "too much to write at once");
}

static void put_position(struct file_sink *s, const char *keyspace, const char *shard,
                         const char *position)
{
    const char *const fields[] = {"sink",  s->name, "keyspace", keyspace,
                                  "shard", shard,   "position", position};
    buf_put(&s->pending, position_start, sizeof position_start - 2);
    for (size_t i = 0; i < 8; i += 2) {
        buf_printf(&s->pending, ",\"%s\":\"", fields[i]);
        buf_put_json_escaped(&s->pending, fields[i + 1], strlen(fields[i + 1]));
        buf_put_u8(&s->pending, '"');
    }
    buf_put_str(&s->pending, "}\n");
}

/* Another file at the path: this one was renamed or removed. */
static bool was_replaced(const struct shared_file *f, const struct stat *here)
{
    struct stat there;
    return stat(f->path, &there) != 0 || there.st_dev != here->st_dev ||
           there.st_ino != here->st_ino;
}

static bool reopen(struct shared_file *f, struct err *e)
{
    int old_fd = f->fd;
    off_t old_end = f->end;
    f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    if (f->fd >= 0 ? recover(f, e) : io_error(e, f->path)) {
        log_info("sink.file", "%s was renamed or removed; going on in a new file", f->path);
        close(old_fd);
        return true;
    }
    if (f->fd >= 0)
        close(f->fd);
    f->fd = old_fd;
    f->end = old_end;
    return false;
}

/* Called with the file's lock, before each flush. */
static bool look_again(struct shared_file *f, struct err *e)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0)
        return io_error(e, f->path);
    if (was_replaced(f, &st))
        return reopen(f, e);
    if (st.st_size >= f->end)
        return true;
    log_warn("sink.file", "%s was cut from %lld to %lld bytes by somebody else", f->path,
             (long long)f->end, (long long)st.st_size);
    f->end = st.st_size;
    return st.st_size > 0 || write_head(f, e);
}

static bool file_flush(struct sink *sink, const char *keyspace, const char *shard,
                       const char *position, int64_t timeout_ms, struct err *e)
{
    struct file_sink *s = (struct file_sink *)sink;
    struct shared_file *f = s->file;
    size_t records = s->pending.len;
    (void)timeout_ms;
    if (position[0])
        put_position(s, keyspace, shard, position);
    pthread_mutex_lock(&f->lock);
    if (!look_again(f, e)) {
        pthread_mutex_unlock(&f->lock);
        s->pending.len = records;
        return false;
    }
    bool ok = write_all(f->fd, &s->pending, f->end) && fdatasync(f->fd) == 0;
    if (ok) {
        f->end += (off_t)s->pending.len;
    } else {
        io_error(e, f->path);
        if (ftruncate(f->fd, f->end) != 0)
            err_prepend(e, "and the file cannot be cut back");
    }
    pthread_mutex_unlock(&f->lock);
    s->pending.len = ok ? 0 : records; /* a repeated flush writes the records again */
    return ok;
}

static bool stdout_flush(struct sink *sink, const char *keyspace, const char *shard,
                         const char *position, int64_t timeout_ms, struct err *e)
{
    struct file_sink *s = (struct file_sink *)sink;
    (void)keyspace;
    (void)shard;
    (void)position;
    (void)timeout_ms;
    if (!write_all(STDOUT_FILENO, &s->pending, -1))
        return err_set_native(e, ERR_SINK_FATAL, ERR_CLASS_FATAL, errno, "standard output: %s",
                              strerror(errno));
    buf_reset(&s->pending);
    return true;
}

static void file_poll(struct sink *sink)
{
    (void)sink;
}

struct wanted {
    const char *name, *keyspace, *shard;
    struct buf *out;
};

static bool same_text(const json_t *o, const char *field, const char *wanted)
{
    const char *text = json_string_value(json_object_get(o, field));
    return text && strcmp(text, wanted) == 0;
}

static bool find_own_position(void *ctx, const char *line, size_t n, off_t line_end)
{
    struct wanted *w = ctx;
    (void)line_end;
    if (!is_position_line(line, n) || n > LINE_MAX_BYTES)
        return true;
    json_t *o = json_loadb(line, n, 0, NULL);
    bool ours = same_text(o, "sink", w->name) && same_text(o, "keyspace", w->keyspace) &&
                same_text(o, "shard", w->shard);
    if (ours)
        buf_put_str(w->out, json_string_value(json_object_get(o, "position")));
    json_decref(o);
    return !ours;
}

static bool file_position(struct sink *sink, const char *keyspace, const char *shard,
                          struct buf *out, struct err *e)
{
    struct file_sink *s = (struct file_sink *)sink;
    struct wanted w = {.name = s->name, .keyspace = keyspace, .shard = shard, .out = out};
    pthread_mutex_lock(&s->file->lock);
    bool ok = lines_backward(s->file, s->file->end, find_own_position, &w, e);
    pthread_mutex_unlock(&s->file->lock);
    return ok;
}

static bool stdout_position(struct sink *sink, const char *keyspace, const char *shard,
                            struct buf *out, struct err *e)
{
    (void)sink;
    (void)keyspace;
    (void)shard;
    (void)out;
    (void)e;
    return true;
}

static void file_close(struct sink *sink)
{
    struct file_sink *s = (struct file_sink *)sink;
    if (s->file)
        file_put(s->file);
    buf_fini(&s->pending);
    free(s->name);
    free(s);
}

const struct sink_ops sink_file_ops = {.scheme = "file",
                                       .open = file_open,
                                       .write = file_write,
                                       .flush = file_flush,
                                       .poll = file_poll,
                                       .position = file_position,
                                       .close = file_close};
const struct sink_ops sink_stdout_ops = {.scheme = "stdout",
                                         .open = stdout_open,
                                         .write = file_write,
                                         .flush = stdout_flush,
                                         .poll = file_poll,
                                         .position = stdout_position,
                                         .close = file_close};
