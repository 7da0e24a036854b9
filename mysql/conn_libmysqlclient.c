/* mysql/conn_libmysqlclient.c — a connection by MySQL's own client library: its options.
 *
 * This library refuses by itself to log in without TLS in REQUIRED and above, so that no guard is
 * needed. Only its public calls and the public fields of MYSQL and NET are used; it has no call for
 * a packet of our own making, so bulk and pipelined statements are Connector/C's alone.
 */
#include "mysql/internal.h"

#include <stdlib.h>

const char my_lib_name[] = "libmysqlclient";
const bool my_lib_has_raw_packets = false;

void my_lib_init(void)
{
    mysql_server_init(0, NULL, NULL);
}

void my_lib_guard_begin(const struct my_params *p)
{
    (void)p;
}

bool my_lib_guard_end(void)
{
    return false;
}

/* MariaDB's accounts mostly use mysql_native_password, which is a plug-in of its own here. */
static bool set_plugin_folder(MYSQL *h)
{
#ifdef SLUICE_MYSQL_PLUGIN_DIR
    if (!getenv("LIBMYSQL_PLUGIN_DIR")) /* which the library reads itself */
        return mysql_options(h, MYSQL_PLUGIN_DIR, SLUICE_MYSQL_PLUGIN_DIR) == 0;
#endif
    (void)h;
    return true;
}

/* The library counts in seconds; an option of 0 is none. */
bool my_lib_options(MYSQL *h, const struct my_params *p)
{
    unsigned read_s = (p->read_timeout_ms + 999) / 1000;
    return set_plugin_folder(h) &&
           (read_s == 0 || mysql_options(h, MYSQL_OPT_READ_TIMEOUT, &read_s) == 0) &&
           mysql_options(h, MYSQL_OPT_COMPRESSION_ALGORITHMS,
                         p->compress ? "zstd,zlib,uncompressed" : "uncompressed") == 0;
}

static unsigned ssl_mode(enum my_tls_mode mode)
{
    switch (mode) {
    case MY_TLS_DISABLED:
        return SSL_MODE_DISABLED;
    case MY_TLS_PREFERRED:
        return SSL_MODE_PREFERRED;
    case MY_TLS_REQUIRED:
        return SSL_MODE_REQUIRED;
    case MY_TLS_VERIFY_CA:
        return SSL_MODE_VERIFY_CA;
    case MY_TLS_VERIFY_IDENTITY:
        return SSL_MODE_VERIFY_IDENTITY;
    }
    return SSL_MODE_REQUIRED;
}

/* A password under the server's RSA key is for connections that are not encrypted for certain. */
bool my_lib_tls_options(MYSQL *h, const struct my_params *p)
{
    unsigned mode = ssl_mode(p->tls_mode);
    bool by_rsa_key = p->tls_mode < MY_TLS_REQUIRED, as_it_is = my_params_allow_cleartext(p);
    return mysql_options(h, MYSQL_OPT_SSL_MODE, &mode) == 0 &&
           mysql_options(h, MYSQL_OPT_TLS_VERSION, MY_TLS_VERSIONS) == 0 &&
           mysql_options(h, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, &by_rsa_key) == 0 &&
           mysql_options(h, MYSQL_ENABLE_CLEARTEXT_PLUGIN, &as_it_is) == 0;
}

void my_lib_set_read_timeout(MYSQL *h, unsigned ms)
{
    (void)h, (void)ms; /* my_lib_options has set it: later the library takes none */
}

int my_lib_socket(MYSQL *h)
{
    return h->net.fd;
}

bool my_lib_can_bulk(MYSQL *h)
{
    (void)h;
    return false;
}

/* The library's allocator is not ours: its buffer keeps the size of the longest packet. */
void my_conn_trim(struct my_conn *c)
{
    (void)c;
}
