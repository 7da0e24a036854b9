/* cdc/source_file.c — binary log files, plain or gzip'ed, or standard input, one after another, as
 * a source.
 *
 * Each file begins with an artificial ROTATE event that names it, as a server's dump does; so a
 * decoder needs no other way to learn file names. With a start position the format description is
 * still read from the file's head. The bytes of an event lie in the read buffer, which grows only
 * as bytes really arrive. Errors name file and offset. Encrypted files are refused: only their
 * server can read them.
 */
#include "base/mem.h"
#include "cdc/source.h"
#include "cdc/wire.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#define MAGIC_LEN       4u
#define HEADER_LEN      19u
#define READ_BYTES      ((size_t)512 * 1024)
#define TYPE_ROTATE     4u
#define TYPE_ENCRYPTION 164u
#define FLAG_ARTIFICIAL 0x20u

struct file_source {
    struct cdc_source base;
    char **paths;
    size_t n_paths, next_path;
    int fd;    /* -1: none open */
    gzFile gz; /* NULL: plain */
    uint8_t *bytes;
    size_t cap, begin, end; /* what was read and not given out */
    uint64_t offset;        /* of bytes[begin] in the file */
    uint64_t event_offset;
    uint64_t start_pos; /* still to be jumped to; 0: no more */
    char name[POSITION_FILE_MAX];
    uint8_t rotate[HEADER_LEN + 8 + POSITION_FILE_MAX];
    bool announced;
    int interrupted;
};

static const char *path_of(const struct file_source *f)
{
    return f->paths[f->next_path - 1];
}

static bool fail_at(const struct file_source *f, struct err *e, const char *what)
{
    return err_set(e, ERR_LOG_FORMAT, "%s at offset %llu: %s", path_of(f),
                   (unsigned long long)f->offset, what);
}

static ssize_t read_some(struct file_source *f, uint8_t *to, size_t n)
{
    if (f->gz)
        return gzread(f->gz, to, n > INT32_MAX ? INT32_MAX : (unsigned)n);
    ssize_t got;
    do {
        got = read(f->fd, to, n);
    } while (got < 0 && errno == EINTR);
    return got;
}

static void make_room(struct file_source *f, size_t want)
{
    size_t have = f->end - f->begin;
    if (f->begin > 0) {
        memmove(f->bytes, f->bytes + f->begin, have);
        f->begin = 0;
        f->end = have;
    }
    /* doubles with what arrived: a length alone allocates nothing */
    size_t cap = have * 2 > READ_BYTES ? have * 2 : READ_BYTES;
    cap = cap > want && want > READ_BYTES ? want : cap;
    if (cap > f->cap) {
        f->bytes = mem_realloc(f->bytes, cap, 1);
        f->cap = cap;
    }
}

static bool has(const struct file_source *f, size_t n)
{
    return f->end - f->begin >= n;
}

static bool read_until_has(struct file_source *f, size_t n, bool *eof, struct err *e)
{
    if (f->cap - f->begin < n || f->cap == f->end)
        make_room(f, n);
    while (!has(f, n)) {
        if (f->end == f->cap)
            make_room(f, n);
        ssize_t got = read_some(f, f->bytes + f->end, f->cap - f->end);
        if (got < 0)
            return err_set(e, ERR_IO, "%s: %s", path_of(f),
                           f->gz ? gzerror(f->gz, &(int){0}) : strerror(errno));
        if (got == 0) {
            *eof = true;
            return false;
        }
        f->end += (size_t)got;
    }
    return true;
}

/* At least n bytes from begin on; false with *eof at the end of the file. */
static inline bool fill(struct file_source *f, size_t n, bool *eof, struct err *e)
{
    *eof = false;
    return has(f, n) || read_until_has(f, n, eof, e);
}

static void close_file(struct file_source *f)
{
    if (f->gz)
        gzclose(f->gz);
    else if (f->fd > 0)
        close(f->fd);
    f->gz = NULL;
    f->fd = -1;
    f->begin = f->end = 0;
    f->announced = false;
}

static void set_name(struct file_source *f)
{
    const char *path = path_of(f), *slash = strrchr(path, '/');
    snprintf(f->name, sizeof f->name, "%s",
             strcmp(path, "-") == 0 ? "stdin"
             : slash                ? slash + 1
                                    : path);
    size_t n = strlen(f->name);
    if (n > 3 && strcmp(f->name + n - 3, ".gz") == 0)
        f->name[n - 3] = 0;
}

static bool open_next(struct file_source *f, struct err *e)
{
    const char *path = f->paths[f->next_path++];
    set_name(f);
    f->fd = strcmp(path, "-") == 0 ? 0 : open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0)
        return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
    f->offset = 0;
    bool eof;
    if (!fill(f, MAGIC_LEN, &eof, e))
        return eof ? fail_at(f, e, "shorter than a binary log's first four bytes") : false;
    if (f->bytes[0] == 0x1f && f->bytes[1] == 0x8b) {
        if (f->fd == 0 || lseek(f->fd, 0, SEEK_SET) != 0)
            return err_set(e, ERR_IO, "%s: gzip'ed logs must be files; unpack them before the pipe",
                           path);
        f->gz = gzdopen(f->fd, "rb");
        if (!f->gz)
            return err_set(e, ERR_NO_MEMORY, "zlib");
        gzbuffer(f->gz, 128 * 1024);
        f->begin = f->end = 0;
        if (!fill(f, MAGIC_LEN, &eof, e))
            return eof ? fail_at(f, e, "shorter than a binary log's first four bytes") : false;
    }
    if (memcmp(f->bytes, "\xfd\x62\x69\x6e", MAGIC_LEN) == 0)
        return err_set(e, ERR_LOG_UNSUPPORTED, "%s is encrypted; read it from its server", path);
    if (memcmp(f->bytes, "\xfe\x62\x69\x6e", MAGIC_LEN) != 0)
        return fail_at(f, e, "not a binary log (it does not begin with fe 62 69 6e)");
    f->begin += MAGIC_LEN;
    f->offset += MAGIC_LEN;
    return true;
}

static size_t make_rotate(struct file_source *f)
{
    size_t name_len = strlen(f->name), n = HEADER_LEN + 8 + name_len;
    uint32_t length = (uint32_t)n;
    memset(f->rotate, 0, HEADER_LEN + 8);
    f->rotate[4] = TYPE_ROTATE;
    memcpy(f->rotate + 9, &length, sizeof length);
    f->rotate[17] = FLAG_ARTIFICIAL;
    f->rotate[HEADER_LEN] = (uint8_t)f->offset;
    memcpy(f->rotate + HEADER_LEN + 8, f->name, name_len);
    return n;
}

/* Jumps inside what is to be read; only forwards. */
static bool skip_to(struct file_source *f, uint64_t pos, struct err *e)
{
    if (pos < f->offset)
        return err_set(e, ERR_USAGE,
                       "%s: the start position %llu lies before the first event behind the format "
                       "description (%llu)",
                       path_of(f), (unsigned long long)pos, (unsigned long long)f->offset);
    while (f->offset < pos) {
        size_t have = f->end - f->begin;
        if (have == 0) {
            bool eof;
            if (!fill(f, 1, &eof, e))
                return eof ? fail_at(f, e, "the start position lies behind the end") : false;
            continue;
        }
        size_t n = pos - f->offset < have ? (size_t)(pos - f->offset) : have;
        f->begin += n;
        f->offset += n;
    }
    return true;
}

static enum cdc_next read_event(struct file_source *f, const uint8_t **event, size_t *n,
                                struct err *e)
{
    bool eof;
    if (!fill(f, HEADER_LEN, &eof, e)) {
        if (!eof)
            return CDC_NEXT_FAIL;
        if (f->begin == f->end)
            return CDC_NEXT_END;
        err_set(e, ERR_LOG_FORMAT,
                "%s at offset %llu: an event is cut off after %zu bytes, inside its header",
                path_of(f), (unsigned long long)f->offset, f->end - f->begin);
        return CDC_NEXT_FAIL;
    }
    uint32_t length = wire_u32(f->bytes + f->begin + 9);
    if (length < HEADER_LEN) {
        err_set(e, ERR_LOG_FORMAT, "%s at offset %llu: an event's length is %u", path_of(f),
                (unsigned long long)f->offset, length);
        return CDC_NEXT_FAIL;
    }
    if (!fill(f, length, &eof, e)) {
        if (eof)
            err_set(e, ERR_LOG_FORMAT,
                    "%s at offset %llu: an event of %u bytes is cut off after %zu", path_of(f),
                    (unsigned long long)f->offset, length, f->end - f->begin);
        return CDC_NEXT_FAIL;
    }
    *event = f->bytes + f->begin;
    *n = length;
    f->event_offset = f->offset;
    f->begin += length;
    f->offset += length;
    return CDC_NEXT_OK;
}

/* Nearly always: a whole event lies in the buffer. False: nothing was done. */
static inline bool take_buffered(struct file_source *f, const uint8_t **event, size_t *n)
{
    size_t have = f->end - f->begin;
    if (!f->announced || f->start_pos || have < HEADER_LEN)
        return false;
    const uint8_t *at = f->bytes + f->begin;
    uint32_t length = wire_u32(at + 9);
    if (length < HEADER_LEN || length > have || at[4] == TYPE_ENCRYPTION)
        return false;
    *event = at;
    *n = length;
    f->event_offset = f->offset;
    f->begin += length;
    f->offset += length;
    return true;
}

static enum cdc_next file_next(struct cdc_source *s, const uint8_t **event, size_t *n,
                               struct err *e)
{
    struct file_source *f = (struct file_source *)s;
    if (!__atomic_load_n(&f->interrupted, __ATOMIC_RELAXED) && take_buffered(f, event, n))
        return CDC_NEXT_OK;
    for (;;) {
        if (__atomic_load_n(&f->interrupted, __ATOMIC_RELAXED)) {
            err_set(e, ERR_SHUTDOWN, "reading %s was interrupted", f->name);
            return CDC_NEXT_FAIL;
        }
        if (f->fd < 0) {
            if (f->next_path == f->n_paths)
                return CDC_NEXT_END;
            if (!open_next(f, e))
                return CDC_NEXT_FAIL;
        }
        if (!f->announced) {
            f->announced = true;
            f->event_offset = 0;
            *n = make_rotate(f);
            *event = f->rotate;
            return CDC_NEXT_OK;
        }
        bool jump = f->start_pos > MAGIC_LEN && f->offset > MAGIC_LEN;
        if (jump && !skip_to(f, f->start_pos, e))
            return CDC_NEXT_FAIL;
        if (jump)
            f->start_pos = 0;
        enum cdc_next r = read_event(f, event, n, e);
        if (r == CDC_NEXT_OK && (*event)[4] == TYPE_ENCRYPTION) {
            err_set(e, ERR_LOG_UNSUPPORTED,
                    "%s is encrypted from offset %llu on; read it from its server", path_of(f),
                    (unsigned long long)f->event_offset);
            return CDC_NEXT_FAIL;
        }
        if (r != CDC_NEXT_END)
            return r;
        close_file(f);
    }
}

static void file_interrupt(struct cdc_source *s)
{
    __atomic_store_n(&((struct file_source *)s)->interrupted, 1, __ATOMIC_RELAXED);
}

static void file_close(struct cdc_source *s)
{
    struct file_source *f = (struct file_source *)s;
    close_file(f);
    for (size_t i = 0; i < f->n_paths; i++)
        free(f->paths[i]);
    free(f->paths);
    free(f->bytes);
    free(f);
}

static const struct cdc_source_ops file_ops = {
    .next = file_next, .interrupt = file_interrupt, .close = file_close};

struct cdc_source *cdc_source_open_files(const char *const *paths, size_t n, uint64_t start_pos,
                                         struct err *e)
{
    if (n == 0) {
        err_set(e, ERR_USAGE, "no file was named");
        return NULL;
    }
    struct file_source *f = mem_alloc(sizeof *f);
    f->base.ops = &file_ops;
    f->paths = mem_calloc(n, sizeof *f->paths);
    for (size_t i = 0; i < n; i++)
        f->paths[i] = mem_strdup(paths[i]);
    f->n_paths = n;
    f->fd = -1;
    f->start_pos = start_pos;
    return &f->base;
}

const char *cdc_source_file(const struct cdc_source *s, uint64_t *offset)
{
    const struct file_source *f = (const struct file_source *)s;
    bool file = s->ops == &file_ops;
    if (offset)
        *offset = file ? f->event_offset : 0;
    return file ? f->name : NULL;
}
