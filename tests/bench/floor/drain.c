/* tests/bench/floor/drain.c — floor of B1 and B2: reads a binary log off the socket and throws it
 * away. */
/*
 * usage: sluice_floor_drain SOCKET FILE
 * Prints bytes and packets. The dump ends at the end of the log (non-blocking flag).
 */
#include <mysql.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_BYTES = 1 << 20, HEADER_BYTES = 4, EOF_PACKET_MAX = 9, DUMP_NON_BLOCK = 1 };

struct packets {
    unsigned char header[HEADER_BYTES + 1]; /* and the first byte of the body */
    unsigned have;
    uint64_t left, bytes, count;
};

/* Walks the packets of a chunk by their headers alone; true when the packet of the end was seen. */
static bool walk(struct packets *p, const unsigned char *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        if (p->have < sizeof(p->header)) {
            p->header[p->have++] = data[at++];
            if (p->have < sizeof(p->header))
                continue;
            p->left =
                (p->header[0] | (uint64_t)p->header[1] << 8 | (uint64_t)p->header[2] << 16) - 1;
            p->count++;
            if (p->header[HEADER_BYTES] != 0)
                return true;
        }
        uint64_t take = p->left < len - at ? p->left : len - at;
        p->left -= take;
        at += take;
        if (p->left == 0)
            p->have = 0;
    }
    return false;
}

static bool send_dump(MYSQL *mysql, const char *file)
{
    unsigned char body[10 + 256] = {4, 0, 0, 0, DUMP_NON_BLOCK, 0, 0x21, 0x43, 0x65, 0};
    size_t len = strlen(file);
    if (len > 255 || mysql_query(mysql, "SET @master_binlog_checksum=@@global.binlog_checksum,"
                                        " @mariadb_slave_capability=4") != 0)
        return false;
    memcpy(body + 10, file, len);
    return mysql->methods->db_command(mysql, COM_BINLOG_DUMP, (const char *)body, 10 + len, 1,
                                      NULL) == 0;
}

int main(int argc, char **argv)
{
    static unsigned char chunk[CHUNK_BYTES];
    struct packets packets = {0};
    MYSQL *mysql = mysql_init(NULL);
    if (argc != 3 || !mysql_real_connect(mysql, NULL, "root", "", NULL, 0, argv[1], 0) ||
        !send_dump(mysql, argv[2])) {
        fprintf(stderr, "drain: %s\n", argc == 3 ? mysql_error(mysql) : "usage: SOCKET FILE");
        return 1;
    }
    bool ended = false;
    while (!ended) {
        ssize_t got = read((int)mysql_get_socket(mysql), chunk, sizeof(chunk));
        if (got <= 0)
            return 1;
        packets.bytes += (uint64_t)got;
        ended = walk(&packets, chunk, (size_t)got);
    }
    printf("{\"bytes\":%llu,\"packets\":%llu}\n", (unsigned long long)packets.bytes,
           (unsigned long long)packets.count);
    return packets.header[HEADER_BYTES] == 0xfe ? 0 : 1;
}
