/* tests/bench/floor/crc.c — floor of B3: reads a file in pieces, copies each byte once and
 * checksums it. */
/*
 * usage: sluice_floor_crc FILE…
 * Prints bytes and the checksum of all.
 */
#include "base/crc32.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_BYTES = 256 * 1024, EVENT_BYTES = 8192 };

static uint64_t pass(int fd, uint32_t *crc)
{
    static unsigned char chunk[CHUNK_BYTES], copy[CHUNK_BYTES];
    uint64_t bytes = 0;
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) > 0) {
        memcpy(copy, chunk, (size_t)n);
        for (size_t at = 0; at < (size_t)n; at += EVENT_BYTES) {
            size_t len = (size_t)n - at < EVENT_BYTES ? (size_t)n - at : EVENT_BYTES;
            *crc = crc32_compute(*crc, copy + at, len);
        }
        bytes += (uint64_t)n;
    }
    return bytes;
}

int main(int argc, char **argv)
{
    uint64_t bytes = 0;
    uint32_t crc = 0;
    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY);
        if (fd < 0) {
            perror(argv[i]);
            return 1;
        }
        bytes += pass(fd, &crc);
        close(fd);
    }
    printf("{\"bytes\":%" PRIu64 ",\"crc\":%u}\n", bytes, crc);
    return 0;
}
