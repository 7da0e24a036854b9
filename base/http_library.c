/* base/http_library.c — finds libcurl and its functions. */
#include "base/http_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#define FILE_NAME "libcurl.so.4"

static struct http_library library;
static bool loaded;

/* ISO C has no conversion from an object's address to a function's; POSIX promises that they are
 * alike. */
static bool find(void *handle, const char *name, void *function, size_t size)
{
    void *address = dlsym(handle, name);
    memcpy(function, &address, size);
    return address != NULL && size == sizeof address;
}

static void load(void)
{
    void *handle = dlopen(FILE_NAME, RTLD_LAZY | RTLD_LOCAL);
    if (handle == NULL)
        return;
    bool found = true;
#define X(name) found = found && find(handle, "curl_" #name, &library.name, sizeof library.name);
    HTTP_LIBRARY_FUNCTIONS(X)
#undef X
    loaded = found && library.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

const struct http_library *http_library(struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (loaded)
        return &library;
    err_set(e, ERR_CONFIG, "the library %s, which speaks HTTP, cannot be loaded", FILE_NAME);
    err_cure(e, "install libcurl 4 (the package libcurl4 or libcurl); what needs no daemon, and "
                "--local, work without it");
    return NULL;
}
