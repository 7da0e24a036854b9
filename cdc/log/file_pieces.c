/* cdc/log/file_pieces.c — the thread that reads files ahead, and its queue.
 *
 * Reading and checksums take as long as decoding small transactions, so they have a thread of their
 * own. Where the taker waits for bytes it leaves checksums to the decoder, so that both have the
 * same to do. What it must never do is find other events, or other errors, than a reader without
 * it: it walks by the lengths in the headers alone, and a checksum that it could not confirm is
 * left to the decoder, which knows whether the log has any.
 *
 * Invariants:
 *   1. A piece belongs to the thread, to the queue, or to the taker; its memory, which batches may
 *      hold for longer, is then no more written to.
 *   2. Bytes behind the last whole event of a piece come again at the beginning of the next one.
 *   3. A piece becomes larger than PIECE_BYTES only for one event that alone is longer, only as its
 *      bytes arrive, and only while no other piece is out: the thread and the taker never have two
 *      long events at once.
 *   4. `failed` and `last` stand behind every event before the bad place.
 */
#include "cdc/log/file_pieces.h"

#include "base/mem.h"
#include "base/thread.h"
#include "cdc/log/decode_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define MAGIC_LEN 4u
#define PIECES    8
#define AHEAD     2
#define REFILL    (PIECES / 2) /* a thread that had no empty piece goes on when it has so many */
#define GZ_BYTES  (128u * 1024)

struct file_pieces {
    char *const *paths;
    size_t n_paths;
    uint64_t start_pos; /* still to be jumped to; 0: no more. The thread's */

    pthread_mutex_t lock; /* guards the next ones */
    pthread_cond_t changed;
    struct file_piece *queue, **queue_end, *idle;
    unsigned n_made, n_out; /* pieces that exist; that are in the queue or with the taker */
    unsigned go_on_at; /* of n_out: the thread waits until so few are out; UINT_MAX: it does not */
    bool taker_waits;
    bool stop;
    bool started;
    pthread_t thread;
    int wake; /* eventfd: stop, for a thread that waits for a pipe */

    /* The thread's: */
    size_t path;
    int fd;            /* -1: none open */
    gzFile gz;         /* NULL: plain */
    bool may_wait;     /* a pipe or terminal; written atomically, the taker reads it too */
    bool has_checksum; /* as the last format description says */
    bool compares;     /* checksums of this piece: the taker has enough to do */
    uint64_t offset;   /* in the file, of the next byte that is read */
    struct buf carry;  /* of an event that has begun in the last piece */
};

/* ---- the queue ---- */

/* What is held by batches stays as it is. */
static void make_empty(struct file_piece *p)
{
    if (!p->memory || p->memory->cap > PIECE_BYTES || piece_is_shared(p->memory)) {
        piece_unref(p->memory);
        p->memory = piece_new(PIECE_BYTES);
    }
    p->next = NULL;
    p->first = p->last = p->failed = false;
    p->n = p->n_events = 0;
}

/* Waking a thread costs as much as reading a tenth of a piece: it is done once for several. */
static void wait_for_few(struct file_pieces *f, unsigned n_out)
{
    f->go_on_at = n_out;
    while (!f->stop && f->n_out > n_out)
        pthread_cond_wait(&f->changed, &f->lock);
    f->go_on_at = UINT_MAX;
}

/* An empty piece; NULL: stop. */
static struct file_piece *get_piece(struct file_pieces *f)
{
    struct file_piece *p = NULL;
    pthread_mutex_lock(&f->lock);
    if (!f->idle && f->n_made == PIECES)
        wait_for_few(f, PIECES - REFILL);
    if (!f->stop && f->idle) {
        p = f->idle;
        f->idle = p->next;
    } else if (!f->stop) {
        f->n_made++;
        p = mem_alloc(sizeof *p);
    }
    pthread_mutex_unlock(&f->lock);
    if (p)
        make_empty(p);
    return p;
}

static void put_piece(struct file_pieces *f, struct file_piece *p)
{
    pthread_mutex_lock(&f->lock);
    *f->queue_end = p;
    f->queue_end = &p->next;
    f->n_out++;
    if (f->taker_waits)
        pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* Whether the taker has enough to do for a while. */
static bool is_ahead(struct file_pieces *f)
{
    pthread_mutex_lock(&f->lock);
    bool ahead = f->n_out > AHEAD;
    pthread_mutex_unlock(&f->lock);
    return ahead;
}

/* False: stop. */
static bool wait_until_alone(struct file_pieces *f)
{
    pthread_mutex_lock(&f->lock);
    wait_for_few(f, 0);
    bool go = !f->stop;
    pthread_mutex_unlock(&f->lock);
    return go;
}

static bool stopping(struct file_pieces *f)
{
    return __atomic_load_n(&f->stop, __ATOMIC_RELAXED);
}

/* ---- bytes ---- */

static const char *path_of(const struct file_pieces *f)
{
    return f->paths[f->path];
}

/* A pipe is waited for together with a stop. */
static bool may_read(struct file_pieces *f)
{
    struct pollfd p[2] = {{.fd = f->fd, .events = POLLIN}, {.fd = f->wake, .events = POLLIN}};
    while (f->may_wait && poll(p, 2, -1) < 0 && errno == EINTR)
        ;
    return !stopping(f);
}

/* At most n bytes, 0 at the end; false with *e unset: stop. */
static bool read_some(struct file_pieces *f, uint8_t *to, size_t n, size_t *got, struct err *e)
{
    ssize_t r;
    *got = 0;
    if (f->gz) {
        r = gzread(f->gz, to, n > INT32_MAX ? INT32_MAX : (unsigned)n);
        if (r < 0)
            return err_set(e, ERR_IO, "%s: %s", path_of(f), gzerror(f->gz, &(int){0}));
    } else {
        do {
            if (!may_read(f))
                return false;
            r = read(f->fd, to, n);
        } while (r < 0 && errno == EINTR);
        if (r < 0)
            return err_set(e, ERR_IO, "%s: %s", path_of(f), strerror(errno));
    }
    *got = (size_t)r;
    f->offset += (size_t)r;
    return !stopping(f);
}

static bool fail_at(const struct file_pieces *f, uint64_t offset, struct err *e, const char *what)
{
    return err_set(e, ERR_LOG_FORMAT, "%s at offset %llu: %s", path_of(f),
                   (unsigned long long)offset, what);
}

/* Exactly n bytes. */
static bool read_all(struct file_pieces *f, uint8_t *to, size_t n, const char *short_is,
                     struct err *e)
{
    for (size_t have = 0, got; have < n; have += got) {
        if (!read_some(f, to + have, n - have, &got, e))
            return false;
        if (got == 0)
            return fail_at(f, f->offset - have, e, short_is);
    }
    return true;
}

static bool open_gz(struct file_pieces *f, struct err *e)
{
    if (f->fd == 0 || lseek(f->fd, 0, SEEK_SET) != 0)
        return err_set(e, ERR_IO, "%s: gzip'ed logs must be files; unpack them before the pipe",
                       path_of(f));
    f->gz = gzdopen(f->fd, "rb");
    if (!f->gz)
        return err_set(e, ERR_NO_MEMORY, "zlib");
    gzbuffer(f->gz, GZ_BYTES);
    f->offset = 0;
    return true;
}

static bool open_file(struct file_pieces *f, struct err *e)
{
    static const char too_short[] = "shorter than a binary log's first four bytes";
    uint8_t magic[MAGIC_LEN];
    struct stat st;
    f->fd = strcmp(path_of(f), "-") == 0 ? 0 : open(path_of(f), O_RDONLY | O_CLOEXEC);
    if (f->fd < 0)
        return err_set(e, ERR_IO, "%s: %s", path_of(f), strerror(errno));
    bool may_wait = fstat(f->fd, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
    __atomic_store_n(&f->may_wait, may_wait, __ATOMIC_RELAXED);
    f->offset = 0;
    f->has_checksum = false;
    if (!read_all(f, magic, sizeof magic, too_short, e))
        return false;
    if (magic[0] == 0x1f && magic[1] == 0x8b &&
        (!open_gz(f, e) || !read_all(f, magic, sizeof magic, too_short, e)))
        return false;
    if (memcmp(magic, "\xfd\x62\x69\x6e", MAGIC_LEN) == 0)
        return err_set(e, ERR_LOG_UNSUPPORTED, "%s is encrypted; read it from its server",
                       path_of(f));
    if (memcmp(magic, "\xfe\x62\x69\x6e", MAGIC_LEN) != 0)
        return fail_at(f, 0, e, "not a binary log (it does not begin with fe 62 69 6e)");
    return true;
}

static void close_file(struct file_pieces *f)
{
    if (f->gz)
        gzclose(f->gz);
    else if (f->fd > 0)
        close(f->fd);
    f->gz = NULL;
    f->fd = -1;
    buf_reset(&f->carry);
}

/* ---- events ---- */

static void note_checksum(struct file_pieces *f, struct file_piece *p, const uint8_t *event,
                          size_t n)
{
    size_t i = p->n_events++;
    if (event_header_read(event).type == EV_FORMAT_DESCRIPTION)
        f->has_checksum = decode_format_has_checksum(event, n);
    if (i % 64 == 0) {
        mem_grow((void **)&p->good, &p->cap_good, i / 64 + 1, sizeof *p->good);
        p->good[i / 64] = 0;
    }
    bool good = f->compares && f->has_checksum && decode_crc_matches(event, n);
    p->good[i / 64] |= (uint64_t)good << i % 64;
}

/* Counts the whole events of `have` bytes into the piece; false with *e at one that cannot be one.
 * *want: what the event behind them takes, as far as it is known. */
static bool take_events(struct file_pieces *f, struct file_piece *p, size_t have, size_t *want,
                        struct err *e)
{
    *want = EVENT_HEADER_LEN;
    while (have - p->n >= EVENT_HEADER_LEN) {
        const uint8_t *event = p->memory->bytes + p->n;
        const struct event_header head = event_header_read(event);
        uint32_t length = head.length;
        unsigned long long at = p->offset + p->n;
        if (length < EVENT_HEADER_LEN)
            return err_set(e, ERR_LOG_FORMAT, "%s at offset %llu: an event's length is %u",
                           path_of(f), at, length);
        *want = length;
        if (length > have - p->n)
            return true;
        if (head.type == EV_START_ENCRYPTION)
            return err_set(e, ERR_LOG_UNSUPPORTED,
                           "%s is encrypted from offset %llu on; read it from its server",
                           path_of(f), at);
        note_checksum(f, p, event, length);
        p->n += length;
        *want = EVENT_HEADER_LEN;
        if (f->start_pos)
            return true; /* only the format description comes before the jump */
    }
    return true;
}

static bool cut_off(const struct file_pieces *f, uint64_t at, size_t have, size_t want,
                    struct err *e)
{
    if (have < EVENT_HEADER_LEN)
        return err_set(e, ERR_LOG_FORMAT,
                       "%s at offset %llu: an event is cut off after %zu bytes, inside its header",
                       path_of(f), (unsigned long long)at, have);
    return err_set(e, ERR_LOG_FORMAT,
                   "%s at offset %llu: an event of %zu bytes is cut off after %zu", path_of(f),
                   (unsigned long long)at, want, have);
}

/* Doubles with what arrived: a length alone allocates nothing. */
static bool make_room(struct file_pieces *f, struct file_piece *p, size_t have, size_t want)
{
    if (have < p->memory->cap)
        return true;
    size_t cap = have * 2 < want ? have * 2 : want;
    if (cap <= p->memory->cap)
        return true;
    if (!wait_until_alone(f))
        return false;
    p->memory = piece_grow(p->memory, cap);
    return true;
}

/* At least one event, or *eof. False with *e unset: stop. */
static bool fill_piece(struct file_pieces *f, struct file_piece *p, bool *eof, struct err *e)
{
    size_t have = f->carry.len, got, want;
    *eof = false;
    f->compares = is_ahead(f);
    p->offset = f->offset - have;
    if (have)
        memcpy(p->memory->bytes, f->carry.data, have);
    buf_reset(&f->carry);
    bool ok = take_events(f, p, have, &want, e);
    while (ok && p->n == 0 && !*eof) {
        ok = make_room(f, p, have, want) &&
             read_some(f, p->memory->bytes + have, p->memory->cap - have, &got, e);
        have += ok ? got : 0;
        *eof = ok && got == 0;
        ok = ok && take_events(f, p, have, &want, e);
    }
    if (ok && *eof && have > 0)
        return cut_off(f, p->offset, have, want, e);
    if (ok && have > p->n)
        buf_put(&f->carry, p->memory->bytes + p->n, have - p->n);
    return ok;
}

/* Jumps inside what is to be read; only forwards. */
static bool jump(struct file_pieces *f, struct err *e)
{
    static uint8_t nowhere[16384];
    uint64_t at = f->offset - f->carry.len, to = f->start_pos;
    f->start_pos = 0;
    if (to < at)
        return err_set(e, ERR_USAGE,
                       "%s: the start position %llu lies before the first event behind the format "
                       "description (%llu)",
                       path_of(f), (unsigned long long)to, (unsigned long long)at);
    size_t held = to - at < f->carry.len ? (size_t)(to - at) : f->carry.len;
    memmove(f->carry.data, f->carry.data + held, f->carry.len - held);
    f->carry.len -= held;
    for (at += held; at < to;) {
        size_t got, n = to - at < sizeof nowhere ? (size_t)(to - at) : sizeof nowhere;
        if (!read_some(f, nowhere, n, &got, e))
            return false;
        if (got == 0)
            return fail_at(f, at, e, "the start position lies behind the end");
        at += got;
    }
    return true;
}

/* ---- the thread ---- */

/* One file to its end. `p` is its first piece, and what is left over at the end. */
static bool read_file(struct file_pieces *f, struct file_piece **p, struct err *e)
{
    bool eof = false;
    (*p)->first = true;
    (*p)->path = f->path;
    while (!eof) {
        if (!fill_piece(f, *p, &eof, e))
            return false;
        bool jumps = f->start_pos && (*p)->n > 0;
        if ((*p)->n > 0 || (*p)->first) {
            put_piece(f, *p);
            *p = get_piece(f);
            if (!*p)
                return false;
            (*p)->path = f->path;
        }
        if (jumps && !jump(f, e))
            return false;
    }
    return true;
}

static void read_files(struct file_pieces *f, struct file_piece **p, struct err *e)
{
    for (bool ok = true; ok && f->path < f->n_paths; f->path++) {
        ok = open_file(f, e) && read_file(f, p, e);
        close_file(f);
        if (!ok)
            return;
    }
}

static void *reader_main(void *arg)
{
    struct file_pieces *f = arg;
    struct err e = ERR_INIT;
    struct file_piece *p = get_piece(f);
    if (p)
        read_files(f, &p, &e);
    if (!p)
        return NULL;
    p->last = true;
    p->failed = e.code != ERR_NONE;
    if (p->failed)
        err_copy(&p->error, &e);
    put_piece(f, p);
    return NULL;
}

static bool start(struct file_pieces *f, struct err *e)
{
    f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (f->wake < 0)
        return err_set_native(e, ERR_LIMIT, ERR_CLASS_FATAL, errno, "no eventfd: %s",
                              strerror(errno));
    int rc = pthread_create(&f->thread, NULL, reader_main, f);
    if (rc != 0)
        return err_set_native(e, ERR_LIMIT, ERR_CLASS_FATAL, rc, "no thread to read files: %s",
                              strerror(rc));
    f->started = true;
    return true;
}

struct file_pieces *file_pieces_new(char *const *paths, size_t n, uint64_t start_pos)
{
    struct file_pieces *f = mem_alloc(sizeof *f);
    f->paths = paths;
    f->n_paths = n;
    f->start_pos = start_pos > MAGIC_LEN ? start_pos : 0;
    f->fd = f->wake = -1;
    f->go_on_at = UINT_MAX;
    f->queue_end = &f->queue;
    pthread_mutex_init(&f->lock, NULL);
    thread_cond_init(&f->changed);
    return f;
}

struct file_piece *file_pieces_take(struct file_pieces *f, struct file_piece *back, struct err *e)
{
    struct file_piece *p = NULL;
    pthread_mutex_lock(&f->lock);
    if (!f->started && !start(f, e)) {
        pthread_mutex_unlock(&f->lock);
        return NULL;
    }
    if (back) {
        back->next = f->idle;
        f->idle = back;
        f->n_out--;
        if (f->n_out == f->go_on_at)
            pthread_cond_broadcast(&f->changed);
    }
    f->taker_waits = true;
    while (!f->stop && !f->queue)
        pthread_cond_wait(&f->changed, &f->lock);
    f->taker_waits = false;
    if (!f->stop) {
        p = f->queue;
        f->queue = p->next;
        if (!f->queue)
            f->queue_end = &f->queue;
    }
    pthread_mutex_unlock(&f->lock);
    if (!p)
        err_set(e, ERR_SHUTDOWN, "reading files was interrupted");
    return p;
}

bool file_pieces_ready(struct file_pieces *f)
{
    if (!__atomic_load_n(&f->may_wait, __ATOMIC_RELAXED))
        return true;
    pthread_mutex_lock(&f->lock);
    bool ready = f->queue || f->stop;
    pthread_mutex_unlock(&f->lock);
    return ready;
}

void file_pieces_interrupt(struct file_pieces *f)
{
    pthread_mutex_lock(&f->lock);
    __atomic_store_n(&f->stop, true, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&f->changed);
    if (f->wake >= 0) {
        ssize_t ignored = write(f->wake, &(uint64_t){1}, sizeof(uint64_t));
        (void)ignored; /* a full counter wakes too */
    }
    pthread_mutex_unlock(&f->lock);
}

static void free_list(struct file_piece *p)
{
    for (struct file_piece *next; p; p = next) {
        next = p->next;
        piece_unref(p->memory);
        free(p->good);
        free(p);
    }
}

void file_pieces_free(struct file_pieces *f, struct file_piece *held)
{
    file_pieces_interrupt(f);
    if (f->started)
        pthread_join(f->thread, NULL);
    if (held)
        held->next = NULL;
    free_list(held);
    free_list(f->queue);
    free_list(f->idle);
    if (f->wake >= 0)
        close(f->wake);
    buf_fini(&f->carry);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
}
