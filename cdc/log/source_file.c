/* cdc/log/source_file.c — binary log files, plain or gzip'ed, or standard input, one after another,
 * as a source.
 *
 * Each file begins with an artificial ROTATE event that names it, as a server's dump does; so a
 * decoder needs no other way to learn file names. With a start position the format description is
 * still read from the file's head. The bytes of an event lie in a piece that was read ahead
 * (file_pieces.c). Errors name file and offset. Encrypted files are refused: only their server can
 * read them.
 */
#include "base/mem.h"
#include "cdc/log/decode.h"
#include "cdc/log/event_header.h"
#include "cdc/log/file_pieces.h"
#include "cdc/log/source.h"

#include <stdio.h>
#include <stdlib.h>

#define MAGIC_LEN 4u

struct file_source {
    struct cdc_source base;
    char **paths;
    size_t n_paths;
    struct file_pieces *pieces;
    struct file_piece *piece; /* NULL: the next one is to be taken */
    bool announced, taken;    /* the piece's file; its events */
    struct cdc_events events; /* that are still to be given one by one */
    uint64_t event_offset;
    char name[POSITION_FILE_MAX];
    uint8_t rotate[EVENT_HEADER_LEN + 8 + POSITION_FILE_MAX];
};

static void set_name(struct file_source *f, const char *path)
{
    const char *slash = strrchr(path, '/');
    snprintf(f->name, sizeof f->name, "%s",
             strcmp(path, "-") == 0 ? "stdin"
             : slash                ? slash + 1
                                    : path);
    size_t n = strlen(f->name);
    if (n > 3 && strcmp(f->name + n - 3, ".gz") == 0)
        f->name[n - 3] = 0;
}

static size_t make_rotate(struct file_source *f)
{
    size_t name_len = strlen(f->name), n = EVENT_HEADER_LEN + 8 + name_len;
    uint32_t length = (uint32_t)n;
    memset(f->rotate, 0, EVENT_HEADER_LEN + 8);
    f->rotate[4] = EV_ROTATE;
    memcpy(f->rotate + 9, &length, sizeof length);
    f->rotate[17] = EVENT_ARTIFICIAL;
    f->rotate[EVENT_HEADER_LEN] = MAGIC_LEN;
    memcpy(f->rotate + EVENT_HEADER_LEN + 8, f->name, name_len);
    return n;
}

static enum cdc_next announce(struct file_source *f, struct cdc_events *events)
{
    static const uint64_t not_compared;
    f->announced = true;
    set_name(f, f->paths[f->piece->path]);
    *events = (struct cdc_events){.bytes = f->rotate, .n = make_rotate(f), .good = &not_compared};
    return CDC_NEXT_OK;
}

static enum cdc_next all_of_piece(struct file_source *f, struct cdc_events *events)
{
    const struct file_piece *p = f->piece;
    *events = (struct cdc_events){
        .bytes = p->memory->bytes, .n = p->n, .good = p->good, .piece = p->memory};
    f->taken = true;
    return CDC_NEXT_OK;
}

static enum cdc_next file_next_many(struct cdc_source *s, struct cdc_events *events, struct err *e)
{
    struct file_source *f = (struct file_source *)s;
    for (;;) {
        struct file_piece *p = f->piece;
        if (p && p->first && !f->announced)
            return announce(f, events);
        if (p && !f->taken && p->n > 0)
            return all_of_piece(f, events);
        if (p && p->last) {
            if (p->failed)
                err_copy(e, &p->error);
            return p->failed ? CDC_NEXT_FAIL : CDC_NEXT_END;
        }
        f->piece = file_pieces_take(f->pieces, p, e);
        if (!f->piece)
            return CDC_NEXT_FAIL;
        f->taken = f->announced = false;
    }
}

static enum cdc_next file_next(struct cdc_source *s, const uint8_t **event, size_t *n,
                               struct err *e)
{
    struct file_source *f = (struct file_source *)s;
    struct cdc_events *events = &f->events;
    enum cdc_next next = events->n == 0 ? file_next_many(s, events, e) : CDC_NEXT_OK;
    if (next != CDC_NEXT_OK)
        return next;
    *event = cdc_events_pop(events, n, &s->checked);
    s->piece = events->piece;
    f->event_offset =
        s->piece ? f->piece->offset + (uint64_t)(*event - f->piece->memory->bytes) : 0;
    return CDC_NEXT_OK;
}

static bool file_ready(struct cdc_source *s)
{
    struct file_source *f = (struct file_source *)s;
    const struct file_piece *p = f->piece;
    bool more_here = f->events.n > 0 || (p && (!f->taken || p->last));
    return more_here || file_pieces_ready(f->pieces);
}

static void file_interrupt(struct cdc_source *s)
{
    file_pieces_interrupt(((struct file_source *)s)->pieces);
}

static void file_close(struct cdc_source *s)
{
    struct file_source *f = (struct file_source *)s;
    file_pieces_free(f->pieces, f->piece);
    for (size_t i = 0; i < f->n_paths; i++)
        free(f->paths[i]);
    free(f->paths);
    free(f);
}

static const struct cdc_source_ops file_ops = {.next = file_next,
                                               .next_many = file_next_many,
                                               .interrupt = file_interrupt,
                                               .close = file_close,
                                               .ready = file_ready};

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
    f->pieces = file_pieces_new(f->paths, n, start_pos);
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
