/* mysql/params.c — copying, parsing and printing of a server's address and login. */
#include "mysql/params.h"

#include "base/mem.h"
#include "base/sys.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PORT 3306u

static void free_secret(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

void my_params_fini(struct my_params *p)
{
    free(p->host);
    free(p->socket);
    free(p->database);
    free(p->user);
    free_secret(p->password);
    free(p->password_file);
    free(p->password_command);
    free(p->tls_ca);
    free(p->tls_cert);
    free(p->tls_key);
    memset(p, 0, sizeof *p);
}

void my_params_copy(struct my_params *dst, const struct my_params *src)
{
    *dst = *src;
    dst->host = mem_strdup(src->host);
    dst->socket = mem_strdup(src->socket);
    dst->database = mem_strdup(src->database);
    dst->user = mem_strdup(src->user);
    dst->password = mem_strdup(src->password);
    dst->password_file = mem_strdup(src->password_file);
    dst->password_command = mem_strdup(src->password_command);
    dst->tls_ca = mem_strdup(src->tls_ca);
    dst->tls_cert = mem_strdup(src->tls_cert);
    dst->tls_key = mem_strdup(src->tls_key);
}

bool my_params_allow_cleartext(const struct my_params *p)
{
    switch (p->cleartext) {
    case MY_CLEARTEXT_NEVER:
        return false;
    case MY_CLEARTEXT_VERIFY_IDENTITY:
        return p->socket || p->tls_mode == MY_TLS_VERIFY_IDENTITY;
    case MY_CLEARTEXT_VERIFY_CA:
        return p->socket || p->tls_mode >= MY_TLS_VERIFY_CA;
    }
    return false;
}

static bool parse_port(const char *text, const char *address, unsigned *port, struct err *e)
{
    uint64_t v;
    if (!sys_parse_u64(text, &v) || v == 0 || v > 65535)
        return err_set(e, ERR_CONFIG, "address '%s': the port must be 1 to 65535", address);
    *port = (unsigned)v;
    return true;
}

static void set_host(struct my_params *p, const char *host, size_t n, unsigned port)
{
    free(p->host);
    free(p->socket);
    p->socket = NULL;
    p->host = mem_strndup(host, n);
    p->port = port;
}

static bool parse_bracketed(struct my_params *p, const char *address, struct err *e)
{
    unsigned port = DEFAULT_PORT;
    const char *close = strchr(address, ']');
    if (!close || close == address + 1 || (close[1] != 0 && close[1] != ':'))
        return err_set(e, ERR_CONFIG, "address '%s': expected [IPv6]:port", address);
    if (close[1] == ':' && !parse_port(close + 2, address, &port, e))
        return false;
    set_host(p, address + 1, (size_t)(close - address - 1), port);
    return true;
}

static bool parse_socket(struct my_params *p, const char *address, struct err *e)
{
    const char *path = address + strlen("unix:");
    if (path[0] != '/')
        return err_set(e, ERR_CONFIG, "address '%s': the socket's path must be absolute", address);
    free(p->host);
    free(p->socket);
    p->host = NULL;
    p->socket = mem_strdup(path);
    p->port = 0;
    return true;
}

bool my_params_parse_address(struct my_params *p, const char *address, struct err *e)
{
    if (strncmp(address, "unix:", strlen("unix:")) == 0)
        return parse_socket(p, address, e);
    if (address[0] == '[')
        return parse_bracketed(p, address, e);
    const char *colon = strrchr(address, ':');
    if (colon && strchr(address, ':') != colon)
        return err_set(e, ERR_CONFIG, "address '%s': write an IPv6 address as [address]:port",
                       address);
    unsigned port = DEFAULT_PORT;
    if (colon && !parse_port(colon + 1, address, &port, e))
        return false;
    size_t n = colon ? (size_t)(colon - address) : strlen(address);
    if (n == 0)
        return err_set(e, ERR_CONFIG, "address '%s': the host is missing", address);
    set_host(p, address, n, port);
    return true;
}

void my_params_address(const struct my_params *p, char *out, size_t out_len)
{
    if (p->socket)
        snprintf(out, out_len, "unix:%s", p->socket);
    else if (p->host && strchr(p->host, ':'))
        snprintf(out, out_len, "[%s]:%u", p->host, p->port ? p->port : DEFAULT_PORT);
    else
        snprintf(out, out_len, "%s:%u", p->host ? p->host : "127.0.0.1",
                 p->port ? p->port : DEFAULT_PORT);
}
