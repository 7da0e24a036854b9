/* mysql/params.h — how to reach one server: address, database, login, TLS. No secret is printed. */
#ifndef SLUICE_MYSQL_PARAMS_H
#define SLUICE_MYSQL_PARAMS_H

#include "base/err.h"
#include <stdint.h>

enum my_tls_mode {
    MY_TLS_DISABLED,
    MY_TLS_PREFERRED,
    MY_TLS_REQUIRED,
    MY_TLS_VERIFY_CA,
    MY_TLS_VERIFY_IDENTITY
};

/* From which proof of the server's identity on the password may be sent as it is, because the
 * server asks for mysql_clear_password or dialog (PAM, LDAP, tokens of cloud providers). */
enum my_cleartext {
    MY_CLEARTEXT_NEVER,
    MY_CLEARTEXT_VERIFY_IDENTITY, /* the certificate names this host */
    MY_CLEARTEXT_VERIFY_CA        /* any server whose certificate the authority signed */
};

struct my_params {
    char *host;   /* NULL with socket */
    char *socket; /* path, or NULL */
    unsigned port;
    char *database; /* default database */
    char *user;
    char *password;         /* the configuration gives it by file or command only; may be NULL */
    char *password_file;    /* read at each connect, re-read when a login fails */
    char *password_command; /* run at each connect */
    enum my_tls_mode tls_mode;
    char *tls_ca, *tls_cert, *tls_key;
    enum my_cleartext cleartext;
    unsigned connect_timeout_ms; /* 0: 10,000 */
    unsigned read_timeout_ms;    /* 0: none */
    bool compress;
};

/* May the password go to this server as it is? Encryption alone does not allow it: whoever stands
 * between has a certificate too. A unix socket's owner is known by its file. */
bool my_params_allow_cleartext(const struct my_params *p);
void my_params_fini(struct my_params *p);
void my_params_copy(struct my_params *dst, const struct my_params *src);
/* "db1:3306", "[::1]:3306", "unix:/path" → host/port/socket. */
bool my_params_parse_address(struct my_params *p, const char *address, struct err *e) WARN_UNUSED;
/* "db1:3306" or "unix:/path": for messages. */
void my_params_address(const struct my_params *p, char *out, size_t out_len);

#endif
