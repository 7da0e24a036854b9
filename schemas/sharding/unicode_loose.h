/* schemas/sharding/unicode_loose.h — the primary weights of text, as golang.org/x/text numbers them
 * (CLDR 23): texts that differ in case, accents or ignored characters have the same. */
#ifndef SLUICE_SCHEMAS_SHARDING_UNICODE_LOOSE_H
#define SLUICE_SCHEMAS_SHARDING_UNICODE_LOOSE_H

#include "base/buf.h"

/* Was the table there when this program was built? */
bool unicode_loose_available(void);
/* Appends the weights of UTF-8 as Vitess hashes them: two bytes each, three for a high one, without
 * the spaces at the text's end. False, nothing appended: not UTF-8. Thread: any. */
bool unicode_loose_weights(const uint8_t *p, size_t n, struct buf *out) WARN_UNUSED;

#endif
