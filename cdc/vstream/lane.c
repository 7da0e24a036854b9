/* cdc/vstream/lane.c — pulls batches when the last one is used up, and looks for journals. */
#include "cdc/vstream/lane.h"

#include "base/mem.h"

#include <stdlib.h>

struct vstream_lane {
    struct vstream_lane_options o;
    struct cdc_reader *reader;
    struct initial_copy *copy; /* NULL: there is none, or all of it was given */
    struct cdc_stream *stream; /* both NULL while the lane copies */
    struct committed *committed;
    bool fed; /* a batch was put and its use was not reported yet */
};

static bool attach(struct vstream_lane *l, const struct position *start, struct err *e)
{
    struct cdc_stream_options so = {.name = l->o.name, .queue_bytes = l->o.queue_bytes};
    l->stream = cdc_reader_attach(l->reader, start, &so, e);
    if (l->stream)
        l->committed = committed_new(&l->o.committed, cdc_stream_position(l->stream));
    return l->stream != NULL;
}

struct vstream_lane *vstream_lane_open(struct cdc_reader *reader,
                                       const struct vstream_lane_options *o,
                                       const struct position *start, struct err *e)
{
    struct vstream_lane *l = mem_alloc(sizeof *l);
    l->o = *o;
    l->reader = reader;
    if (o->copy.source)
        l->copy = initial_copy_open(&l->o.copy, e);
    if (o->copy.source ? l->copy != NULL : attach(l, start, e))
        return l;
    free(l);
    return NULL;
}

void vstream_lane_close(struct vstream_lane *l)
{
    if (!l)
        return;
    initial_copy_close(l->copy);
    committed_free(l->committed);
    if (l->stream)
        cdc_stream_close(l->stream);
    free(l);
}

void vstream_lane_taken(struct vstream_lane *l)
{
    if (l->committed)
        committed_taken(l->committed);
}

bool vstream_lane_copies(const struct vstream_lane *l)
{
    return l->copy != NULL;
}

const struct position *vstream_lane_position(const struct vstream_lane *l)
{
    static const struct position nowhere = POSITION_INIT;
    return l->committed ? committed_position(l->committed) : &nowhere;
}

struct cdc_stream *vstream_lane_stream(const struct vstream_lane *l)
{
    return l->stream;
}

static bool look_for_journals(struct vstream_lane *l, const struct committed_part *part,
                              struct err *e)
{
    for (size_t i = 0; i < part->n; i++) {
        bool ends = false;
        if (part->changes[i].kind != CDC_JOURNAL || !l->o.journal)
            continue;
        if (!l->o.journal(l->o.ctx, part->changes[i].journal.json, vstream_lane_position(l), &ends,
                          e))
            return false;
        if (ends)
            committed_stop(l->committed);
    }
    return true;
}

static enum vstream_next pull(struct vstream_lane *l, int64_t timeout_ms, struct err *e)
{
    struct cdc_batch *b = NULL;
    switch (cdc_stream_next(l->stream, &b, timeout_ms, e)) {
    case CDC_NEXT_OK:
        committed_put(l->committed, b);
        cdc_batch_unref(b);
        l->fed = true;
        return VSTREAM_PART;
    case CDC_NEXT_TIMEOUT:
        return VSTREAM_REST;
    case CDC_NEXT_END:
        return VSTREAM_ENDED;
    case CDC_NEXT_FAIL:
        break;
    }
    return VSTREAM_FAIL;
}

static enum vstream_next copy_next(struct vstream_lane *l, struct committed_part *part,
                                   struct err *e)
{
    switch (initial_copy_next(l->copy, part, e)) {
    case INITIAL_COPY_PART:
        return VSTREAM_PART;
    case INITIAL_COPY_DONE:
        if (!attach(l, initial_copy_position(l->copy), e))
            break;
        initial_copy_close(l->copy);
        l->copy = NULL;
        return VSTREAM_COPIED;
    case INITIAL_COPY_FAIL:
        break;
    }
    return VSTREAM_FAIL;
}

enum vstream_next vstream_lane_next(struct vstream_lane *l, struct committed_part *part,
                                    int64_t timeout_ms, struct err *e)
{
    if (l->copy)
        return copy_next(l, part, e);
    for (;;) {
        switch (committed_next(l->committed, part, e)) {
        case COMMITTED_PART:
            return look_for_journals(l, part, e) ? VSTREAM_PART : VSTREAM_FAIL;
        case COMMITTED_END:
            return VSTREAM_ENDED;
        case COMMITTED_FAIL:
            return VSTREAM_FAIL;
        case COMMITTED_MORE:
            break;
        }
        if (l->fed) {
            l->fed = false;
            return VSTREAM_TAKEN;
        }
        enum vstream_next pulled = pull(l, timeout_ms, e);
        if (pulled != VSTREAM_PART)
            return pulled;
    }
}
