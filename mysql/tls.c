/* mysql/tls.c — encryption as configured, enforced before anything of the login leaves this
 * machine.
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

#include <errmsg.h>
#include <ma_pvio.h>
#include <string.h>
#include <sys/socket.h>

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

void my_tls_global_init(void)
{
    ma_pvio_register_callback(1, on_io);
}

void my_tls_guard_begin(const struct my_params *p)
{
    guard.n = 0;
    guard.cut = false;
    guard.active = p->tls_mode >= MY_TLS_PREFERRED;
}

bool my_tls_guard_end(void)
{
    guard.active = false;
    return guard.cut;
}

/* Plug-ins that send the password as it is are left to connections that are encrypted for certain.
 */
static const char plugins_plain[] =
    "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519,parsec,"
    "auth_gssapi_client";
static const char plugins_tls[] =
    "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519,parsec,"
    "auth_gssapi_client,mysql_clear_password,dialog";

static bool set_text(MYSQL *h, enum mysql_option option, const char *value)
{
    return !value || mysql_optionsv(h, option, value) == 0;
}

bool my_tls_prepare(MYSQL *h, const struct my_params *p, struct err *e)
{
    my_bool use = p->tls_mode >= MY_TLS_PREFERRED;
    my_bool verify_host = p->tls_mode == MY_TLS_VERIFY_IDENTITY;
    bool ok = set_text(h, MARIADB_OPT_RESTRICTED_AUTH,
                       p->tls_mode >= MY_TLS_REQUIRED ? plugins_tls : plugins_plain);
    ok = ok && mysql_optionsv(h, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify_host) == 0;
    ok = ok && mysql_optionsv(h, MYSQL_OPT_SSL_ENFORCE, &use) == 0;
    if (ok && use) {
        ok = set_text(h, MARIADB_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3") &&
             set_text(h, MYSQL_OPT_SSL_CERT, p->tls_cert) &&
             set_text(h, MYSQL_OPT_SSL_KEY, p->tls_key);
        /* The library checks the chain exactly when a CA is set: the system's own without tls.ca.
         */
        if (ok && p->tls_mode >= MY_TLS_VERIFY_CA)
            ok = p->tls_ca ? set_text(h, MYSQL_OPT_SSL_CA, p->tls_ca)
                           : set_text(h, MYSQL_OPT_SSL_CAPATH, "/etc/ssl/certs");
    }
    return ok || err_set(e, ERR_DB_TLS, "the client library refuses a TLS option");
}

bool my_tls_verify(MYSQL *h, const struct my_params *p, const char *where, struct err *e)
{
    if (p->tls_mode < MY_TLS_REQUIRED || mysql_get_ssl_cipher(h))
        return true;
    err_set(e, ERR_DB_TLS, "%s: the connection is not encrypted although tls.mode demands it",
            where);
    return err_cure(e, "configure TLS on that server");
}
