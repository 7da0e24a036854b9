/* base/log.c — one write(2) for each log line, so that threads do not mix their bytes. */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_MAX 4096

static int log_level_now = LOG_INFO;
static int log_as_json;

void log_init(enum log_level level, bool json)
{
    __atomic_store_n(&log_level_now, (int)level, __ATOMIC_RELAXED);
    __atomic_store_n(&log_as_json, json, __ATOMIC_RELAXED);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= __atomic_load_n(&log_level_now, __ATOMIC_RELAXED);
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_ERROR:
        return "error";
    case LOG_WARN:
        return "warn";
    case LOG_INFO:
        return "info";
    case LOG_DEBUG:
        return "debug";
    }
    return "error";
}

static void put_json_member(struct buf *b, const char *name, const char *value)
{
    buf_printf(b, "%s\"%s\":\"", b->len > 1 ? "," : "", name);
    buf_put_json_escaped(b, value, strlen(value));
    buf_put_u8(b, '"');
}

static void write_line(struct buf *b)
{
    buf_put_u8(b, '\n');
    size_t done = 0;
    while (done < b->len) {
        ssize_t n = write(STDERR_FILENO, b->data + done, b->len - done);
        if (n <= 0)
            break; /* nowhere to complain to */
        done += (size_t)n;
    }
}

static void begin_line(struct buf *b, enum log_level level, const char *area, const char *message)
{
    char time[32];
    clock_format_ms(clock_wall_ms(), time, sizeof time);
    if (__atomic_load_n(&log_as_json, __ATOMIC_RELAXED)) {
        buf_put_u8(b, '{');
        put_json_member(b, "time", time);
        put_json_member(b, "level", level_name(level));
        put_json_member(b, "area", area);
        put_json_member(b, "message", message);
        return;
    }
    buf_printf(b, "%s %-5s %s ", time, level_name(level), area);
    text_put_printable(b, message, strlen(message), "");
}

void log_write(enum log_level level, const char *area, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    char message[MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    CLEANUP(buf_fini) struct buf line = BUF_INIT;
    begin_line(&line, level, area, message);
    if (__atomic_load_n(&log_as_json, __ATOMIC_RELAXED))
        buf_put_u8(&line, '}');
    write_line(&line);
}

void log_err(enum log_level level, const char *area, const struct err *e)
{
    if (!log_enabled(level))
        return;
    CLEANUP(buf_fini) struct buf line = BUF_INIT;
    begin_line(&line, level, area, e->text);
    if (__atomic_load_n(&log_as_json, __ATOMIC_RELAXED)) {
        put_json_member(&line, "code", err_code_name(e->code));
        put_json_member(&line, "class", err_class_name(e->class_));
        if (e->cure[0])
            put_json_member(&line, "cure", e->cure);
        buf_printf(&line, ",\"native\":%d}", e->native);
    } else {
        buf_printf(&line, " code=%s class=%s", err_code_name(e->code), err_class_name(e->class_));
        if (e->native)
            buf_printf(&line, " native=%d", e->native);
        if (e->cure[0])
            buf_printf(&line, " cure=\"%s\"", e->cure);
    }
    write_line(&line);
}
