/* base/http_library.h — libcurl, loaded when the first request is made; for base/http.c only.
 *
 * The program does not link it: with it come some thirty libraries, whose loading doubled the time
 * that a command which asks nobody took to start.
 */
#ifndef SLUICE_BASE_HTTP_LIBRARY_H
#define SLUICE_BASE_HTTP_LIBRARY_H

#include "base/err.h"

#include <curl/curl.h>

#define HTTP_LIBRARY_FUNCTIONS(X)                                                                  \
    X(global_init)                                                                                 \
    X(easy_init)                                                                                   \
    X(easy_setopt)                                                                                 \
    X(easy_perform)                                                                                \
    X(easy_getinfo)                                                                                \
    X(easy_reset)                                                                                  \
    X(easy_cleanup)                                                                                \
    X(easy_strerror)                                                                               \
    X(slist_append)                                                                                \
    X(slist_free_all)

struct http_library {
#define X(name) __typeof__(curl_##name) *name;
    HTTP_LIBRARY_FUNCTIONS(X)
#undef X
};

/* NULL and ERR_CONFIG when it is not installed. Thread: any. */
const struct http_library *http_library(struct err *e) WARN_UNUSED;

#endif
