/* cdc/vstream/lane.c — pulls batches when the last one is used up, and looks for journals. */
#include "cdc/vstream/lane.h"

#include "base/mem.h"

#include <stdlib.h>

struct vstream_lane {
    struct vstream_lane_options o;
    struct cdc_stream *stream;
    struct committed *committed;
    bool fed; /* a batch was put and its use was not reported yet */
};

struct vstream_lane *vstream_lane_open(struct cdc_reader *reader,
                                       const struct vstream_lane_options *o,
                                       const struct position *start, struct err *e)
{
    struct cdc_stream_options so = {.name = o->name, .queue_bytes = o->queue_bytes};
    struct cdc_stream *stream = cdc_reader_attach(reader, start, &so, e);
    if (!stream)
        return NULL;
    struct vstream_lane *l = mem_alloc(sizeof *l);
    l->o = *o;
    l->stream = stream;
    l->committed = committed_new(&l->o.committed, cdc_stream_position(stream));
    return l;
}

void vstream_lane_close(struct vstream_lane *l)
{
    if (!l)
        return;
    committed_free(l->committed);
    cdc_stream_close(l->stream);
    free(l);
}

void vstream_lane_taken(struct vstream_lane *l)
{
    committed_taken(l->committed);
}

const struct position *vstream_lane_position(const struct vstream_lane *l)
{
    return committed_position(l->committed);
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

enum vstream_next vstream_lane_next(struct vstream_lane *l, struct committed_part *part,
                                    int64_t timeout_ms, struct err *e)
{
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
