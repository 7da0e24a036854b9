/* base/address.h — "host:port", and whether what goes there leaves this machine. Pure. */
#ifndef SLUICE_BASE_ADDRESS_H
#define SLUICE_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

/* "127.0.0.1:15999", "[::1]:15999", "name:1" → the host without brackets, and the port (inside
 * text, decimal and at most 65535). False: it is not of this form, or the host does not fit. */
bool address_split(const char *text, char *host, size_t host_len, const char **port);

/* localhost, 127.0.0.0/8 and ::1, spelt out: a name that only begins so is anybody's. */
bool address_is_loopback(const char *host);

#endif
