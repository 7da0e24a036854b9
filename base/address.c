/* base/address.c — "host:port", and whether what goes there leaves this machine. */
#include "base/address.h"

#include "base/sys.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

bool address_split(const char *text, char *host, size_t host_len, const char **port)
{
    const char *colon = strrchr(text, ':');
    uint64_t number;
    size_t n = colon ? (size_t)(colon - text) : 0;
    bool bracketed = n > 2 && text[0] == '[' && text[n - 1] == ']';
    if (n == 0 || n >= host_len || !sys_parse_u64(colon + 1, &number) || number > 65535)
        return false;
    snprintf(host, host_len, "%.*s", (int)(bracketed ? n - 2 : n), text + (bracketed ? 1 : 0));
    *port = colon + 1;
    return true;
}

bool address_is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return strcmp(host, "localhost") == 0 ||
           (inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six));
}
