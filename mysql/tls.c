/* mysql/tls.c — encryption as configured, whichever client library asks for it. */
#include "mysql/internal.h"

#include <openssl/x509.h>
#include <stdlib.h>

static bool set_text(MYSQL *h, enum mysql_option option, const char *value)
{
    return !value || mysql_options(h, option, value) == 0;
}

bool my_tls_prepare(MYSQL *h, const struct my_params *p, struct err *e)
{
    bool ok = my_lib_tls_options(h, p);
    if (ok && p->tls_mode >= MY_TLS_PREFERRED)
        ok = set_text(h, MYSQL_OPT_SSL_CERT, p->tls_cert) &&
             set_text(h, MYSQL_OPT_SSL_KEY, p->tls_key);
    /* The libraries check the chain against what is set here: the system's own without tls.ca. */
    if (ok && p->tls_mode >= MY_TLS_VERIFY_CA)
        ok = p->tls_ca ? set_text(h, MYSQL_OPT_SSL_CA, p->tls_ca)
                       : set_text(h, MYSQL_OPT_SSL_CAPATH, "/etc/ssl/certs");
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

void my_tls_without_bundle(void)
{
    setenv(X509_get_default_cert_file_env(), "/dev/null", 0);
}
