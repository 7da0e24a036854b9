/* schemas/ident.c — names compared by the weights of their letters, one by one; nothing is padded,
 * nothing expands.
 *
 * The system's character set ends at U+FFFF: what lies beyond has become a question mark before the
 * server compares it.
 */
#include "schemas/ident.h"

#include <stddef.h>
#include <stdint.h>

struct weight {
    uint16_t point, weight;
};
#include "schemas/ident_weights.inc"

static const struct {
    const struct weight *weights;
    size_t n;
} tables[] = {
    [IDENT_GENERAL_CI] = {general_ci, sizeof general_ci / sizeof *general_ci},
    [IDENT_GENERAL1400_AS_CI] = {general1400_as_ci,
                                 sizeof general1400_as_ci / sizeof *general1400_as_ci},
};

/* The code point at *p, which moves on; a byte that begins none stands for itself. */
static uint32_t next_point(const unsigned char **p)
{
    unsigned char lead = *(*p)++;
    if (lead < 0xc2 || lead > 0xf4)
        return lead;
    unsigned more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    uint32_t point = lead & (0x3fu >> more);
    for (; more > 0 && (**p & 0xc0) == 0x80; more--)
        point = point << 6 | (*(*p)++ & 0x3fu);
    return point > UINT16_MAX ? '?' : point;
}

static uint32_t weight_of(enum ident_collation collation, uint32_t point)
{
    const struct weight *weights = tables[collation].weights;
    size_t low = 0, high = tables[collation].n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (weights[middle].point < point)
            low = middle + 1;
        else
            high = middle;
    }
    return low < tables[collation].n && weights[low].point == point ? weights[low].weight : point;
}

bool ident_same(enum ident_collation collation, const char *a, const char *b)
{
    const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;
    while (*x && *y) {
        if (weight_of(collation, next_point(&x)) != weight_of(collation, next_point(&y)))
            return false;
    }
    return *x == *y;
}
