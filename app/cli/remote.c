/* app/cli/remote.c — finds the daemon's address and token, then calls it. */
#include "app/cli/remote.h"

#include "app/cli/client.h"
#include "app/config/config.h"
#include "base/mem.h"
#include "base/sys.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct target {
    char *address, *token;
};

static bool read_token(const char *file, char **token, struct err *e)
{
    struct buf text = BUF_INIT;
    if (file == NULL)
        return true;
    bool ok = sys_read_secret(file, 4096, &text, e);
    if (ok) {
        text.data[strcspn(buf_str(&text), "\r\n")] = '\0';
        *token = mem_strdup(buf_str(&text));
    }
    buf_fini(&text);
    return ok;
}

static bool find_target(const struct opt_values *v, struct target *t, struct err *e)
{
    const char *api = opt_str(v, "api"), *token_file = opt_str(v, "token-file");
    if (api != NULL) {
        t->address = mem_strdup(api);
        return read_token(token_file, &t->token, e);
    }
    struct config *c = config_load(opt_str(v, "config"), e);
    if (c == NULL)
        return false;
    t->address = mem_strdup(c->listen);
    bool ok = read_token(token_file != NULL ? token_file : c->token_file, &t->token, e);
    config_free(c);
    return ok;
}

bool remote_call(const struct opt_values *v, const char *method, const char *path, const char *body,
                 void (*on_line)(void *ctx, const char *line), void *ctx, int *status,
                 struct buf *answer, struct err *e)
{
    struct target t = {NULL, NULL};
    bool ok = find_target(v, &t, e);
    if (ok) {
        struct client_request rq = {.address = t.address,
                                    .token = t.token,
                                    .method = method,
                                    .path = path,
                                    .body = body,
                                    .on_line = on_line,
                                    .ctx = ctx};
        ok = client_call(&rq, status, answer, e);
    }
    if (t.token != NULL)
        explicit_bzero(t.token, strlen(t.token));
    free(t.token);
    free(t.address);
    return ok;
}

bool remote_document(const struct opt_values *v, const char *method, const char *path,
                     const char *body, struct buf *answer, struct err *e)
{
    int status = 0;
    if (!remote_call(v, method, path, body, NULL, NULL, &status, answer, e))
        return false;
    if (status < 200 || status >= 300)
        return client_error(buf_str(answer), e);
    json_t *doc = json_loads(buf_str(answer), 0, NULL);
    bool is_json = doc != NULL;
    json_decref(doc);
    return is_json || err_set(e, ERR_API, "the daemon's answer is no JSON document");
}
