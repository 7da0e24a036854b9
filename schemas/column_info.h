/* schemas/column_info.h — information_schema's words for a column's type, as the table map's
 * numbers. */
#ifndef SLUICE_SCHEMAS_COLUMN_INFO_H
#define SLUICE_SCHEMAS_COLUMN_INFO_H

#include "schemas/table.h"

struct schema_column_info {  /* borrowed; NULL for SQL NULL */
    const char *data_type;   /* "varchar" */
    const char *column_type; /* "varchar(20)", "enum('a','b')" */
    uint64_t octet_length;   /* CHARACTER_OCTET_LENGTH, 0 if none */
    unsigned precision, scale, fraction_digits;
    uint16_t collation; /* 0: has none */
    bool mariadb;
};
/* Fills type, meta, collation, signedness, labels, ext, vector and geometry of out; column_type is
 * copied. ERR_SCHEMA_MISMATCH for a type that is not known. */
bool schema_column_from_info(const struct schema_column_info *in, struct schema_column *out,
                             struct err *e) WARN_UNUSED;

#endif
