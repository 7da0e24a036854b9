/* cdc/log/source.h — where raw events come from, behind one vtable: a live server's dump
 * (cdc/source_dump.h), files, a replay. */
#ifndef SLUICE_CDC_LOG_SOURCE_H
#define SLUICE_CDC_LOG_SOURCE_H

#include "base/err.h"

#include <stdint.h>

enum cdc_next { CDC_NEXT_OK, CDC_NEXT_END, CDC_NEXT_FAIL, CDC_NEXT_TIMEOUT };
struct cdc_source;
struct cdc_events; /* cdc/log/decode.h */
struct cdc_source_ops {
    /* One event; bytes valid until the next call. END: the file or the non-blocking dump is over.
     */
    enum cdc_next (*next)(struct cdc_source *s, const uint8_t **event, size_t *n, struct err *e);
    /* At least one event, as many as lie together, with no place in the file; else as next. NULL:
     * there is only next. Whoever asks for many asks for nothing else. */
    enum cdc_next (*next_many)(struct cdc_source *s, struct cdc_events *events, struct err *e);
    void (*interrupt)(struct cdc_source *s); /* Thread: any */
    void (*close)(struct cdc_source *s);
    /* True when next will hardly wait (bytes have arrived); NULL: it never waits. */
    bool (*ready)(struct cdc_source *s);
};
struct cdc_source { /* embedded first in each backend's struct */
    const struct cdc_source_ops *ops;
    bool checked; /* the last event ends in a checksum that was compared and is right */
    /* The piece in which the last event lies, borrowed until the next; NULL: none. */
    struct piece *piece;
};
/* Plain or gzip'ed binlog files ("-" stdin) one after another. start_pos: offset in the first file
 * (0: 4). */
struct cdc_source *cdc_source_open_files(const char *const *paths, size_t n, uint64_t start_pos,
                                         struct err *e) WARN_UNUSED;
/* Name of the file the last event came from, and its offset there (files only; NULL and 0
 * otherwise). */
const char *cdc_source_file(const struct cdc_source *s, uint64_t *offset);

#endif
