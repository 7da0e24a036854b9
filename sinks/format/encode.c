/* sinks/format/encode.c — the table of record formats. */
#include "sinks/format/encode.h"

#include <string.h>

extern const struct encoder_ops encode_ndjson_ops, encode_debezium_ops;

static const struct encoder_ops *const formats[] = {&encode_ndjson_ops, &encode_debezium_ops};

const struct encoder_ops *encoder_find(const char *name)
{
    if (!name || !name[0])
        return formats[0];
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    }
    return NULL;
}

void encoder_names(struct buf *out)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        buf_printf(out, "%s%s", i ? ", " : "", formats[i]->name);
}

bool encode_too_large(struct err *e)
{
    err_set(e, ERR_SINK_RECORD, "a record is larger than %zu MiB", BUF_DEFAULT_MAX >> 20);
    return err_cure(e, "leave the table out, or set on_record_error: dead_letter");
}
