/* base/err.c — filling, prefixing and printing the one error value. */
#define SLUICE_BASE_ERR_C
#include "base/err.h"

#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct code_info {
    const char *name;
    enum err_class class_;
    enum err_exit exit;
    const char *doc;
};

static const struct code_info code_infos[ERR_CODE_COUNT] = {
    {"NONE", ERR_CLASS_FATAL, ERR_EXIT_OK, "No error."},
#define ERR_CODE(name, class_, exit_, doc) {#name, class_, exit_, doc},
#include "base/err_codes.def"
#undef ERR_CODE
};

static const struct code_info *info_of(enum err_code code)
{
    unsigned i = (unsigned)code;
    return &code_infos[i < ERR_CODE_COUNT ? i : ERR_INTERNAL];
}

/* Texts carry bytes of servers and files: the result is one line of valid UTF-8, cut at whole
 * characters. */
static void put_clean(char *out, size_t out_len, const char *in)
{
    static const char hex[] = "0123456789abcdef";
    size_t left = strlen(in), o = 0;
    while (left > 0) {
        size_t n = text_shown_len(in, left);
        bool plain = n > 0;
        if (o + (plain ? n : 4) >= out_len)
            break;
        if (plain) {
            memcpy(out + o, in, n);
            o += n;
        } else {
            n = 1;
            out[o++] = '\\';
            out[o++] = 'x';
            out[o++] = hex[(unsigned char)*in >> 4];
            out[o++] = hex[(unsigned char)*in & 15];
        }
        in += n;
        left -= n;
    }
    out[o] = 0;
}

static void format_clean(char *out, size_t out_len, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));
static void format_clean(char *out, size_t out_len, const char *fmt, va_list ap)
{
    char raw[2048];
    vsnprintf(raw, sizeof raw, fmt, ap);
    put_clean(out, out_len, raw);
}

static void fill(struct err *e, enum err_code code, enum err_class class_, int native,
                 const char *fmt, va_list ap) __attribute__((format(printf, 5, 0)));
/* The arguments may point into e itself. */
static void fill(struct err *e, enum err_code code, enum err_class class_, int native,
                 const char *fmt, va_list ap)
{
    char text[sizeof e->text];
    format_clean(text, sizeof text, fmt, ap);
    e->code = code;
    e->class_ = class_;
    e->native = native;
    e->cure[0] = 0;
    memcpy(e->text, text, sizeof text);
}

bool err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (e)
        fill(e, code, info_of(code)->class_, 0, fmt, ap);
    va_end(ap);
    return false;
}

bool err_set_native(struct err *e, enum err_code code, enum err_class class_, int native,
                    const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (e)
        fill(e, code, class_, native, fmt, ap);
    va_end(ap);
    return false;
}

static bool passes_by_itself(int number)
{
    static const int passing[] = {EMFILE, ENFILE, ENOMEM,       ENOBUFS,   EAGAIN,
                                  EINTR,  ESTALE, ECONNREFUSED, ETIMEDOUT, EHOSTDOWN};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        if (passing[i] == number)
            return true;
    }
    return false;
}

bool err_set_errno(struct err *e, enum err_code code, int number, const char *fmt, ...)
{
    bool full = number == ENOSPC || number == EDQUOT;
    bool passes = full || passes_by_itself(number);
    va_list ap;
    va_start(ap, fmt);
    if (e)
        fill(e, full ? ERR_DISK_FULL : code, passes ? ERR_CLASS_RETRY : ERR_CLASS_FATAL, number,
             fmt, ap);
    va_end(ap);
    return full ? err_cure(e, "make room on that file system") : false;
}

bool err_cure(struct err *e, const char *fmt, ...)
{
    if (!e)
        return false;
    char cure[sizeof e->cure];
    va_list ap;
    va_start(ap, fmt);
    format_clean(cure, sizeof cure, fmt, ap);
    va_end(ap);
    memcpy(e->cure, cure, sizeof cure);
    return false;
}

bool err_prepend(struct err *e, const char *fmt, ...)
{
    if (!e)
        return false;
    char context[sizeof e->text], old[sizeof e->text], both[2 * sizeof e->text + 8];
    va_list ap;
    va_start(ap, fmt);
    format_clean(context, sizeof context, fmt, ap);
    va_end(ap);
    memcpy(old, e->text, sizeof old);
    snprintf(both, sizeof both, "%s → %s", context, old);
    put_clean(e->text, sizeof e->text, both);
    return false;
}

void err_clear(struct err *e)
{
    if (!e)
        return;
    e->code = ERR_NONE;
    e->class_ = ERR_CLASS_FATAL;
    e->native = 0;
    e->text[0] = 0;
    e->cure[0] = 0;
}

bool err_copy(struct err *dst, const struct err *src)
{
    if (dst && src && dst != src)
        *dst = *src;
    return false;
}

const char *err_code_name(enum err_code code)
{
    return info_of(code)->name;
}

const char *err_code_doc(enum err_code code)
{
    return info_of(code)->doc;
}

enum err_exit err_code_exit(enum err_code code)
{
    return info_of(code)->exit;
}

const char *err_class_name(enum err_class class_)
{
    switch (class_) {
    case ERR_CLASS_FATAL:
        return "fatal";
    case ERR_CLASS_RETRY:
        return "retry";
    case ERR_CLASS_SKIP_ROW:
        return "skip-row";
    case ERR_CLASS_SHUTDOWN:
        return "shutdown";
    }
    return "fatal";
}

void err_format(const struct err *e, char *out, size_t out_len)
{
    if (out_len == 0)
        return;
    snprintf(out, out_len, "error: %s%s%s (code %s)", e->text, e->cure[0] ? "; " : "", e->cure,
             err_code_name(e->code));
}
