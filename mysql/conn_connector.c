/* mysql/conn_connector.c — a connection by MariaDB Connector/C: its options, and TLS that it asks
 * for but does not enforce.
 *
 * Connector/C's own "enforce" option falls back to plaintext. Then caching_sha2_password encrypts
 * the password with whatever RSA key the other side sends, or, because the library takes "TLS was
 * asked for" for "TLS is in use", sends it as it is. So whenever TLS is asked for a guard reads the
 * server's greeting with the library (its read callback) and shuts the socket down when the
 * greeting does not offer TLS: the login packet cannot be written any more. In REQUIRED and above
 * that is the end; PREFERRED connects again without asking for TLS. After the connect the cipher is
 * checked too. When TLS is offered the library does the TLS handshake before it sends the login.
 *
 * The guard belongs to the thread that connects (one connect at a time in a thread); the callback
 * of other threads' and of established connections returns at once.
 */
#include "mysql/internal.h"

#include <ma_pvio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

const char my_lib_name[] = "Connector/C";
const bool my_lib_has_raw_packets = true;

/* ── the guard ─────────────────────────────────────────────────────────── */

#define GREETING_MAX_BYTES 512
#define CAPABILITY_SSL     0x0800u

struct tls_guard {
    bool active;
    bool cut;
    size_t n;
    uint8_t greeting[GREETING_MAX_BYTES];
};
static _Thread_local struct tls_guard guard;

extern int ma_pvio_register_callback(my_bool register_callback,
                                     void (*callback)(int mode, MYSQL *mysql, const uchar *buffer,
                                                      size_t length));

/* Does the greeting offer TLS? -1: more bytes are needed. Layout: header 4, protocol 1, version
 * text, thread id 4, scramble 8, filler 1, capabilities (low half) 2. Source: MySQL manual,
 * HandshakeV10. */
static int greeting_offers_tls(const uint8_t *p, size_t n)
{
    if (n < 5)
        return -1;
    if (p[4] == 0xff) /* an error instead of a greeting: the library reports it */
        return 1;
    if (p[4] != 10)
        return 0;
    const uint8_t *zero = memchr(p + 5, 0, n - 5);
    if (!zero)
        return n < GREETING_MAX_BYTES ? -1 : 0;
    const uint8_t *caps = zero + 1 + 4 + 8 + 1;
    if (caps + 2 > p + n)
        return n < GREETING_MAX_BYTES ? -1 : 0;
    return ((unsigned)caps[0] | (unsigned)caps[1] << 8) & CAPABILITY_SSL ? 1 : 0;
}

static void on_io(int mode, MYSQL *h, const uchar *bytes, size_t length)
{
    if (!guard.active || mode != 0 || (ssize_t)length <= 0)
        return;
    size_t room = sizeof guard.greeting - guard.n;
    size_t n = length < room ? length : room;
    memcpy(guard.greeting + guard.n, bytes, n);
    guard.n += n;
    int offers = greeting_offers_tls(guard.greeting, guard.n);
    if (offers < 0)
        return;
    guard.active = false;
    if (offers == 0) {
        guard.cut = true;
        shutdown(mysql_get_socket(h), SHUT_RDWR);
    }
}

void my_lib_init(void)
{
    mysql_server_init(0, NULL, NULL);
    ma_pvio_register_callback(1, on_io);
}

void my_lib_guard_begin(const struct my_params *p)
{
    guard.n = 0;
    guard.cut = false;
    guard.active = p->tls_mode >= MY_TLS_PREFERRED;
}

bool my_lib_guard_end(void)
{
    guard.active = false;
    return guard.cut;
}

/* ── options ───────────────────────────────────────────────────────────── */

/* Plug-ins that send the password as it is are left to servers that have proven who they are. */
static const char plugins_usual[] =
    "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519,parsec,"
    "auth_gssapi_client";
static const char plugins_cleartext[] =
    "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519,parsec,"
    "auth_gssapi_client,mysql_clear_password,dialog";

bool my_lib_options(MYSQL *h, const struct my_params *p)
{
    return (!p->compress || mysql_options(h, MYSQL_OPT_COMPRESS, NULL) == 0) &&
           mysql_optionsv(h, MARIADB_OPT_RESTRICTED_AUTH,
                          my_params_allow_cleartext(p) ? plugins_cleartext : plugins_usual) == 0;
}

bool my_lib_tls_options(MYSQL *h, const struct my_params *p)
{
    my_bool use = p->tls_mode >= MY_TLS_PREFERRED;
    my_bool verify_host = p->tls_mode == MY_TLS_VERIFY_IDENTITY;
    return mysql_options(h, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify_host) == 0 &&
           mysql_options(h, MYSQL_OPT_SSL_ENFORCE, &use) == 0 &&
           (!use || mysql_optionsv(h, MARIADB_OPT_TLS_VERSION, MY_TLS_VERSIONS) == 0);
}

/* ── connected ─────────────────────────────────────────────────────────── */

/* The library's own option counts in seconds. Under TLS it reads a blocking socket and looks at no
 * timeout before that says that nothing came; then it waits once more, for so many milliseconds as
 * its option has seconds. */
void my_lib_set_read_timeout(MYSQL *h, unsigned ms)
{
    MARIADB_PVIO *io = h->net.pvio;
    struct timeval silence = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    if (!io)
        return;
    io->timeout[PVIO_READ_TIMEOUT] = (int)ms;
    if (!io->ctls)
        return;
    setsockopt(mysql_get_socket(h), SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
    h->options.read_timeout = ms ? 1 : 0;
}

int my_lib_socket(MYSQL *h)
{
    return (int)mysql_get_socket(h);
}

bool my_lib_can_bulk(MYSQL *h)
{
    unsigned long extended = 0;
    mariadb_get_infov(h, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &extended);
    return (extended & (MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32)) != 0;
}

#define NET_BUFFER_KEEP_BYTES ((unsigned long)4 << 20)
#define NET_BUFFER_BYTES      ((unsigned long)16 << 10)
#define NET_BUFFER_HEAD_BYTES 16 /* the library allocates its packet headers behind the size */

void my_conn_trim(struct my_conn *c)
{
    NET *net = &c->h->net;
    if (net->max_packet <= NET_BUFFER_KEEP_BYTES || net->compress || !net->pvio || !net->buff)
        return;
    uchar *small = realloc(net->buff, NET_BUFFER_BYTES + NET_BUFFER_HEAD_BYTES);
    if (!small)
        return;
    net->buff = net->write_pos = net->read_pos = small;
    net->max_packet = NET_BUFFER_BYTES;
    net->buff_end = small + NET_BUFFER_BYTES;
}
