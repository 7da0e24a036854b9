/* base/err.h — the one error value that every fallible function fills.
 *
 * Who fails first sets it (code, class, native number, text, cure); callers only prepend context:
 *   stream orders → binlog.000007:1234 → shop.orders.total: decimal needs 9 bytes, 4 left
 * It is logged once, in the thread's top function, where the class chooses retry, stop or skip.
 * No secret is ever put into an error.
 */
#ifndef SLUICE_BASE_ERR_H
#define SLUICE_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

enum err_class {
    ERR_CLASS_FATAL,    /* stays as it is until a person or a verb changes something */
    ERR_CLASS_RETRY,    /* may pass by itself: connection, deadlock, lock wait, broker down */
    ERR_CLASS_SKIP_ROW, /* one record cannot be processed; policy decides */
    ERR_CLASS_SHUTDOWN, /* we were asked to stop */
};

/* The program's exit codes (docs/errors.md). */
enum err_exit {
    ERR_EXIT_OK = 0,
    ERR_EXIT_FAILED = 1,
    ERR_EXIT_USAGE = 2,
    ERR_EXIT_SOURCE = 3,
    ERR_EXIT_TARGET = 4,
    ERR_EXIT_PRECONDITION = 5, /* refused, nothing was changed */
    ERR_EXIT_DIFFERENCES = 6,
    ERR_EXIT_TIMEOUT = 7,
    ERR_EXIT_INTERRUPTED = 130,
};

enum err_code {
    ERR_NONE = 0,
#define ERR_CODE(name, class_, exit_, doc) ERR_##name,
#include "base/err_codes.def"
#undef ERR_CODE
    ERR_CODE_COUNT
};

struct err {
    enum err_code code;
    enum err_class class_;
    int native;      /* mysql, sqlite, kafka or http number; 0 if none */
    char text[1536]; /* one line, no trailing full stop, UTF-8, control characters escaped */
    char cure[512];  /* what to do about it; may be empty */
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        0                                                                                          \
    }
#define ERR_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define ERR_COLD         __attribute__((cold)) /* callers keep the way to it out of their way */
#define WARN_UNUSED      __attribute__((warn_unused_result))
#define CLEANUP(fn)      __attribute__((cleanup(fn)))

/* Sets code, the code's default class, native 0 and the text; clears the cure. Always returns
 * false, so that a caller can `return err_set(…)`. e may be NULL (then only false is returned). */
bool err_set(struct err *e, enum err_code code, const char *fmt, ...) ERR_PRINTF(3, 4) ERR_COLD;
/* The same with a native number and an explicit class. */
bool err_set_native(struct err *e, enum err_code code, enum err_class class_, int native,
                    const char *fmt, ...) ERR_PRINTF(5, 6) ERR_COLD;
/* The same for an errno: a full disk is ERR_DISK_FULL whatever the code, and what passes by itself
 * (descriptors or memory run out, an interrupted call, a file server that is away) is
 * ERR_CLASS_RETRY; the rest has ERR_CLASS_FATAL. Every errno that can end a stream goes this way.
 */
bool err_set_errno(struct err *e, enum err_code code, int number, const char *fmt, ...)
    ERR_PRINTF(4, 5) ERR_COLD;
/* Sets the cure; returns false. */
bool err_cure(struct err *e, const char *fmt, ...) ERR_PRINTF(2, 3) ERR_COLD;
/* Puts "context → " before the text; returns false. */
bool err_prepend(struct err *e, const char *fmt, ...) ERR_PRINTF(2, 3) ERR_COLD;
#if defined(__clang_analyzer__) && !defined(SLUICE_BASE_ERR_C)
/* The analyzer looks at one file at a time and must know that these are never true. */
#define err_set(...)        ((err_set)(__VA_ARGS__), false)
#define err_set_native(...) ((err_set_native)(__VA_ARGS__), false)
#define err_set_errno(...)  ((err_set_errno)(__VA_ARGS__), false)
#define err_cure(...)       ((err_cure)(__VA_ARGS__), false)
#define err_prepend(...)    ((err_prepend)(__VA_ARGS__), false)
#endif
void err_clear(struct err *e);
/* Copies src into dst (either may be NULL). Returns false. */
bool err_copy(struct err *dst, const struct err *src);

const char *err_code_name(enum err_code code);   /* "SRC_BINLOG_FORMAT" */
const char *err_code_doc(enum err_code code);    /* one sentence for docs/errors.md */
enum err_exit err_code_exit(enum err_code code); /* the exit code of the program */
const char *err_class_name(enum err_class class_);
/* "error: <text>; <cure> (code NAME)" into out (always terminated). */
void err_format(const struct err *e, char *out, size_t out_len);

#endif
