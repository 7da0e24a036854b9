/* base/crc32.h — CRC-32 (IEEE, as zlib) by carry-less multiplication where the CPU has it, else
 * zlib. */
#ifndef SLUICE_BASE_CRC32_H
#define SLUICE_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32_compute(uint32_t crc, const void *p,
                       size_t n); /* crc 0 to begin, as zlib's crc32() */
uint32_t crc32_portable(uint32_t crc, const void *p, size_t n);

/* The ways it can be computed, each of which includes those before it; best: the last that this CPU
 * has. */
enum crc32_way { CRC32_PORTABLE, CRC32_PCLMUL, CRC32_WIDE };
enum crc32_way crc32_best(void);
uint32_t crc32_by(enum crc32_way way, uint32_t crc, const void *p,
                  size_t n); /* way ≤ best, which was asked for before */

#endif
