/* app/cli/progress_line.c — writes progress to stderr; stdout is for the result. */
#include "app/cli/progress_line.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 150

struct progress {
    bool json, line, shown;
};

struct progress *progress_new(const char *mode)
{
    struct progress *p = mem_alloc(sizeof *p);
    p->json = strcmp(mode, "json") == 0;
    p->line = strcmp(mode, "auto") == 0 && isatty(STDERR_FILENO);
    return p;
}

static void put_members(const json_t *object, struct buf *out)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)object, key, v)
    {
        if (json_is_string(v))
            buf_printf(out, "%s%s", out->len > 0 ? "  " : "", json_string_value(v));
        else if (json_is_integer(v))
            buf_printf(out, "%s%s %lld", out->len > 0 ? "  " : "", key,
                       (long long)json_integer_value(v));
        else if (json_is_real(v))
            buf_printf(out, "%s%s %.1f", out->len > 0 ? "  " : "", key, json_real_value(v));
        else if (json_is_object(v) && out->len < 120)
            put_members(v, out);
    }
}

static void show_line(struct progress *p, const char *json)
{
    struct buf text = BUF_INIT, line = BUF_INIT;
    json_t *doc = json_loads(json, 0, NULL);
    put_members(doc, &text);
    text_put_printable(&line, buf_str(&text), text.len < LINE_MAX_BYTES ? text.len : LINE_MAX_BYTES,
                       "");
    fprintf(stderr, "\r\033[K%s", buf_str(&line));
    fflush(stderr);
    p->shown = true;
    json_decref(doc);
    buf_fini(&line);
    buf_fini(&text);
}

static void show_json(const char *json)
{
    struct buf line = BUF_INIT;
    text_put_json_printable(&line, json, strlen(json));
    fprintf(stderr, "%s\n", buf_str(&line));
    buf_fini(&line);
}

void progress_show(struct progress *p, const char *json)
{
    if (p->json)
        show_json(json);
    else if (p->line)
        show_line(p, json);
}

void progress_free(struct progress *p)
{
    if (p != NULL && p->shown)
        fprintf(stderr, "\r\033[K");
    free(p);
}
