/* cdc/source_dump.h — a live server's log as a cdc_source. */
#ifndef SLUICE_CDC_SOURCE_DUMP_H
#define SLUICE_CDC_SOURCE_DUMP_H

#include "cdc/log/source.h"
#include "mysql/dump.h"

/* Opens a dump at start on a connection of its own, which the source's close ends. NULL: a
 * connection could not be had, or the server refused the place (mysql/dump.h lists the errors). */
struct cdc_source *cdc_source_open_dump(const struct my_params *p, const struct my_dump_options *o,
                                        const struct position *start, struct err *e) WARN_UNUSED;

#endif
