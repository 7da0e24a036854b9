/* app/server/operations.h — what the API was asked to do, and what it answered: for
 * /v1/operations/ID and Idempotency-Key.
 *
 * The newest OPERATIONS_KEPT are kept, in memory: a key is forgotten after so many later
 * operations, and when the daemon ends. A key belongs to one request: its method, its path and
 * parameters, and its body. Thread: any.
 */
#ifndef SLUICE_APP_SERVER_OPERATIONS_H
#define SLUICE_APP_SERVER_OPERATIONS_H

#include "base/buf.h"

#define OPERATIONS_KEPT 256

struct operations;
struct operations *operations_new(void);
void operations_free(struct operations *o);

/* request: the whole request as text. 0: it is new, *id is its number, and operations_end will be
 * called. Else an HTTP status and the document that answers it: the first answer again; 409 while
 * the first still runs; 422 when the key came with another request. */
int operations_begin(struct operations *o, const char *key, const char *request, unsigned *id,
                     struct buf *answer);
void operations_progress(struct operations *o, unsigned id, const char *json);
void operations_end(struct operations *o, unsigned id, int status, const char *answer);
/* {"id","state","status","progress","answer"}; false: not known, or not any more. */
bool operations_show(struct operations *o, unsigned id, struct buf *out);

#endif
