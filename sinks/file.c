/* sinks/file.c — records as lines of a file, or of standard output.
 *
 * Role: file:PATH holds one record a line; each flush ends with a line that says how far the stream
 * is:
 *   {"op":"position","sink":"s","keyspace":"c","shard":"-80","position":"MariaDB/0-1-42@…"}
 * A sink made by command has such a line with its "definition" too, in each file that it begins:
 * `sluice recover` finds it there. An empty definition or position takes an earlier one back.
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
#include "base/map.h"
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

#define BLOCK_BYTES ((size_t)256 * 1024)
#define HEAD_BYTES  ((size_t)64 * 1024) /* of which a definition is looked for */

/* One open file of the process, shared by the sinks that write to it. */
struct shared_file {
    struct shared_file *next;
    char *path;
    unsigned refs;
    int fd;
    off_t end;           /* of the last complete flush */
    unsigned generation; /* how many times a head line was written or another file opened */
    pthread_mutex_t lock;
};
static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shared_file *files;

struct file_sink {
    struct sink base;
    struct shared_file *file; /* NULL: standard output */
    char *name;
    char *definition; /* kept in the file; NULL: nothing */
    unsigned defined; /* the file's generation that has it; 0: none */
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

static bool is_no_file(const struct shared_file *f, struct err *e)
{
    return err_set(e, ERR_SINK_CONFIG, "%s is no regular file", f->path);
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
    f->generation++;
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
        return is_no_file(f, e);
    f->generation++;
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

/* Without waiting for a FIFO's reader, which is refused like all that is no file. */
static bool open_path(struct shared_file *f, struct err *e)
{
    f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    if (f->fd < 0)
        return errno == EISDIR ? is_no_file(f, e) : io_error(e, f->path);
    if (recover(f, e))
        return true;
    close(f->fd);
    return false;
}

static struct shared_file *open_file(const char *path, struct err *e)
{
    struct shared_file *f = mem_alloc(sizeof *f);
    f->path = mem_strdup(path);
    pthread_mutex_init(&f->lock, NULL);
    if (open_path(f, e)) {
        f->next = files;
        files = f;
        return f;
    }
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

/* definition: NULL, or the line says who the sink is; "": that it was deleted. */
static void put_position(struct buf *out, const char *name, const char *keyspace, const char *shard,
                         const char *position, const char *definition)
{
    const char *const fields[] = {"sink", name,       "keyspace", keyspace,     "shard",
                                  shard,  "position", position,   "definition", definition};
    buf_put(out, position_start, sizeof position_start - 2);
    for (size_t i = 0; i < (definition ? 10u : 8u); i += 2) {
        buf_printf(out, ",\"%s\":\"", fields[i]);
        buf_put_json_escaped(out, fields[i + 1], strlen(fields[i + 1]));
        buf_put_u8(out, '"');
    }
    buf_put_str(out, "}\n");
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
    if (open_path(f, e)) {
        log_info("sink.file", "%s was renamed or removed; going on in a new file", f->path);
        close(old_fd);
        return true;
    }
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

void sink_files_reopen(void)
{
    pthread_mutex_lock(&files_lock);
    for (struct shared_file *f = files; f; f = f->next) {
        struct err e = ERR_INIT;
        pthread_mutex_lock(&f->lock);
        if (!look_again(f, &e))
            log_err(LOG_WARN, "sink.file", &e);
        pthread_mutex_unlock(&f->lock);
    }
    pthread_mutex_unlock(&files_lock);
}

static bool append(struct shared_file *f, const struct buf *b, struct err *e)
{
    if (write_all(f->fd, b, f->end) && fdatasync(f->fd) == 0) {
        f->end += (off_t)b->len;
        return true;
    }
    io_error(e, f->path);
    if (ftruncate(f->fd, f->end) != 0)
        err_prepend(e, "and the file cannot be cut back");
    return false;
}

/* A file that has begun since the sink last wrote, by a rotation, says who the sink is, too. */
static bool define_here(struct file_sink *s, struct err *e)
{
    struct buf line = BUF_INIT;
    if (!s->definition || s->defined == s->file->generation)
        return true;
    put_position(&line, s->name, "", "", "", s->definition);
    bool ok = append(s->file, &line, e);
    if (ok)
        s->defined = s->file->generation;
    buf_fini(&line);
    return ok;
}

static bool file_flush(struct sink *sink, const char *keyspace, const char *shard,
                       const char *position, int64_t timeout_ms, struct err *e)
{
    struct file_sink *s = (struct file_sink *)sink;
    struct shared_file *f = s->file;
    size_t records = s->pending.len;
    (void)timeout_ms;
    if (position[0])
        put_position(&s->pending, s->name, keyspace, shard, position, NULL);
    pthread_mutex_lock(&f->lock);
    bool ok = look_again(f, e) && define_here(s, e) && append(f, &s->pending, e);
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

static void file_close(struct sink *sink)
{
    struct file_sink *s = (struct file_sink *)sink;
    if (s->file)
        file_put(s->file);
    buf_fini(&s->pending);
    free(s->name);
    free(s->definition);
    free(s);
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
    if (!is_position_line(line, n))
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

/* ---- what the file keeps of a sink ---- */

static const char *text_of(const json_t *o, const char *field)
{
    const char *text = json_string_value(json_object_get(o, field));
    return text ? text : "";
}

/* Only the file's head is looked at: a definition that stands further back is written once more. */
static bool head_defines(const struct shared_file *f, const char *name, const char *definition)
{
    struct buf head = BUF_INIT;
    uint8_t *to = buf_reserve(&head, HEAD_BYTES);
    ssize_t n = pread(f->fd, to, HEAD_BYTES, 0);
    bool found = false;
    head.len = n > 0 ? (size_t)n : 0;
    const char *p = buf_str(&head), *end;
    for (; !found && (end = strchr(p, '\n')) && is_position_line(p, (size_t)(end - p) + 1);
         p = end + 1) {
        json_t *o = json_loadb(p, (size_t)(end - p), 0, NULL);
        found = same_text(o, "sink", name) && same_text(o, "definition", definition);
        json_decref(o);
    }
    buf_fini(&head);
    return found;
}

/* A line of its own, acknowledged at once. */
static bool put_line(struct file_sink *s, const char *keyspace, const char *shard,
                     const char *definition, struct err *e)
{
    struct buf line = BUF_INIT;
    put_position(&line, s->name, keyspace, shard, "", definition);
    pthread_mutex_lock(&s->file->lock);
    bool ok = look_again(s->file, e) && append(s->file, &line, e);
    pthread_mutex_unlock(&s->file->lock);
    buf_fini(&line);
    return ok;
}

static bool file_begin(struct sink *sink, const char *keyspace, const char *shard,
                       const char *definition, const char *position, int64_t timeout_ms,
                       struct err *e)
{
    struct file_sink *s = (struct file_sink *)sink;
    struct shared_file *f = s->file;
    free(s->definition);
    s->definition = mem_strdup(definition);
    pthread_mutex_lock(&f->lock);
    s->defined = definition && head_defines(f, s->name, definition) ? f->generation : 0;
    pthread_mutex_unlock(&f->lock);
    if (position && !position[0])
        return put_line(s, keyspace, shard, NULL, e) &&
               file_flush(sink, keyspace, shard, "", timeout_ms, e);
    return file_flush(sink, keyspace, shard, position ? position : "", timeout_ms, e);
}

/* What is not there is not made. */
static bool file_forget(const char *target, const char *options_json, const struct sink_stop *stop,
                        const struct sink_place *lanes, size_t n_lanes, struct err *e)
{
    if (access(target, F_OK) != 0 && errno == ENOENT)
        return true;
    struct sink *sink = file_open(target, options_json, stop, e);
    if (!sink)
        return false;
    struct file_sink *s = (struct file_sink *)sink;
    bool ok = put_line(s, "", "", "", e);
    for (size_t i = 0; ok && i < n_lanes; i++)
        ok = put_line(s, lanes[i].keyspace, lanes[i].shard, NULL, e);
    file_close(sink);
    return ok;
}

struct recalling {
    sink_recall_fn fn;
    void *ctx;
    struct map *seen; /* what a later line has said already */
    struct err *e;
    bool ok;
};

static bool recall_line(void *ctx, const char *line, size_t n, off_t line_end)
{
    struct recalling *r = ctx;
    (void)line_end;
    if (!is_position_line(line, n))
        return true;
    json_t *o = json_loadb(line, n, 0, NULL);
    struct sink_memory m = {.name = text_of(o, "sink")};
    if (json_object_get(o, "definition")) {
        m.definition = text_of(o, "definition");
    } else {
        m.keyspace = text_of(o, "keyspace");
        m.shard = text_of(o, "shard");
        m.position = text_of(o, "position");
    }
    CLEANUP(mem_free_ptr)
    char *key = mem_printf("%s/%s/%s/%d", m.name, m.keyspace ? m.keyspace : "",
                           m.shard ? m.shard : "", !m.position);
    bool is_new = m.name[0] && !map_get_str(r->seen, key);
    if (is_new)
        map_put_str(r->seen, key, r);
    if (is_new && (m.position ? m.position[0] : m.definition[0]))
        r->ok = r->fn(r->ctx, &m, r->e);
    json_decref(o);
    return r->ok;
}

static bool file_recall(const char *target, const char *options_json, sink_recall_fn fn, void *ctx,
                        struct err *e)
{
    struct err read_error = ERR_INIT;
    struct recalling r = {.fn = fn, .ctx = ctx, .seen = map_new(NULL), .e = e, .ok = true};
    struct shared_file f = {.path = mem_strdup(target)};
    struct stat st;
    (void)options_json;
    f.fd = open(target, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool ok = f.fd >= 0 && fstat(f.fd, &st) == 0;
    if (!ok)
        io_error(e, target);
    else if (!S_ISREG(st.st_mode) || !has_head(&f))
        ok = err_set(e, ERR_SINK_CONFIG, "%s is no file that a sink has written", target);
    if (ok && !lines_backward(&f, st.st_size, recall_line, &r, &read_error))
        ok = err_copy(e, &read_error);
    if (f.fd >= 0)
        close(f.fd);
    map_free(r.seen);
    free(f.path);
    return ok && r.ok;
}

const struct sink_ops sink_file_ops = {.scheme = "file",
                                       .open = file_open,
                                       .write = file_write,
                                       .flush = file_flush,
                                       .poll = file_poll,
                                       .position = file_position,
                                       .close = file_close,
                                       .begin = file_begin,
                                       .forget = file_forget,
                                       .recall = file_recall};
const struct sink_ops sink_stdout_ops = {.scheme = "stdout",
                                         .open = stdout_open,
                                         .write = file_write,
                                         .flush = stdout_flush,
                                         .poll = file_poll,
                                         .position = stdout_position,
                                         .close = file_close};
