/* app/cli/cmd_serve.c — `sluice serve`: opens the daemon, listens, runs until it is told to stop.
 */
#include "app/cli/commands.h"
#include "app/server/api.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sys.h"
#include "sinks/sink.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static bool read_token(const struct config *c, struct buf *token, struct err *e)
{
    if (c->token_file == NULL)
        return true;
    if (!sys_read_secret(c->token_file, 4096, token, e))
        return false;
    token->len = strcspn(buf_str(token), "\r\n");
    token->data[token->len] = '\0';
    if (token->len >= 16)
        return true;
    err_set(e, ERR_CONFIG, "%s: a token needs at least 16 characters", c->token_file);
    return err_cure(e, "for example: openssl rand -hex 24 > %s", c->token_file);
}

static bool write_pid(const char *path, struct err *e)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    return path == NULL || sys_write_file_atomic(path, text, (size_t)n, 0644, e);
}

static sigset_t our_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

/* Threads inherit the mask: only the loop's thread takes TERM, INT and HUP. Outside of the loop a
 * hang-up asks for nothing and is ignored: blocked only, it would end a daemon that is stopping
 * when the mask is given back. */
static void block_signals(sigset_t *old)
{
    sigset_t set = our_signals();
    signal(SIGHUP, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &set, old);
}

static void unblock_signals(void)
{
    sigset_t set = our_signals();
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* What the loop's callbacks are about. */
struct serving {
    const struct config *config;
    struct http_server *http;
    struct api *api;
};

/* SIGHUP: files that were rotated are left, and the token is read again. Passwords need nothing,
 * they are read at each connect. A token that cannot be read leaves the old one. */
static void on_hangup(void *ctx)
{
    struct serving *s = ctx;
    struct buf token = BUF_INIT;
    struct err e = ERR_INIT;
    sink_files_reopen();
    if (!read_token(s->config, &token, &e))
        log_err(LOG_ERROR, "serve", &e);
    else if (token.len > 0)
        http_set_token(s->http, buf_str(&token));
    if (token.data)
        explicit_bzero(token.data, token.cap);
    buf_fini(&token);
    log_info("serve", "SIGHUP: files of sinks looked at, token read again");
}

static void handle(void *ctx, struct http_call *call)
{
    api_handle(((struct serving *)ctx)->api, call);
}

static int probe(void *ctx, const char *path, const char **type, struct buf *body)
{
    return api_probe(((struct serving *)ctx)->api, path, type, body);
}

static bool serve(const struct config *c, const struct opt_values *v, struct err *e)
{
    struct buf token = BUF_INIT;
    sigset_t old;
    block_signals(&old);
    struct daemon *d = read_token(c, &token, e) ? daemon_open(c, true, e) : NULL;
    struct monitor *monitor = d != NULL ? monitor_start(d, e) : NULL;
    struct api *api = monitor != NULL ? api_new(d, monitor) : NULL;
    struct serving all = {.config = c, .api = api};
    const struct http_options o = {.listen = c->listen,
                                   .metrics_listen = c->metrics_listen,
                                   .token = token.len > 0 ? buf_str(&token) : NULL,
                                   .stream_path = "/v1/vstream",
                                   .handler = handle,
                                   .probe = probe,
                                   .on_hangup = on_hangup,
                                   .ctx = &all};
    struct http_server *http = api != NULL ? http_open(&o, e) : NULL;
    all.http = http;
    bool ok = http != NULL && write_pid(opt_str(v, "pid-file"), e);
    if (ok) {
        log_info("serve", "ready listen=%s state=%s pid=%ld", c->listen, c->state_dir,
                 (long)getpid());
        unblock_signals();
        http_run(http);
        log_info("serve", "stopping");
    }
    http_close(http);
    api_free(api);
    monitor_stop(monitor);
    daemon_close(d);
    buf_fini(&token);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return ok;
}

int cmd_serve(const struct opt_values *v)
{
    struct err e = ERR_INIT;
    struct rlimit no_core = {0, 0};
    struct config *c = config_load(opt_str(v, "config"), &e);
    if (c == NULL)
        return cmd_fail(v, &e);
    setrlimit(RLIMIT_CORE, &no_core); /* passwords live in memory */
    bool ok = serve(c, v, &e);
    config_free(c);
    if (!ok)
        return cmd_fail(v, &e);
    log_info("serve", "stopped");
    return ERR_EXIT_OK;
}
