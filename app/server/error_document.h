/* app/server/error_document.h — an error as the JSON document that the API and --format json give.
 */
#ifndef SLUICE_APP_SERVER_ERROR_DOCUMENT_H
#define SLUICE_APP_SERVER_ERROR_DOCUMENT_H

#include "base/buf.h"

/* Appends {"error":{"code","message","cure","where"}} without a line end. */
void error_document_put(const struct err *e, struct buf *out);

#endif
