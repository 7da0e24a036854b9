/* base/queue.h — a blocking FIFO of pointers between threads, bounded in bytes.
 *
 * Pushing gives the item away. One item larger than the limit is admitted when the queue is empty
 * (else it could never pass). Closing wakes everybody: pushes fail, pops drain and then say CLOSED.
 */
#ifndef SLUICE_BASE_QUEUE_H
#define SLUICE_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;
enum queue_result { QUEUE_OK, QUEUE_TIMEOUT, QUEUE_CLOSED };

/* name: for the metric sluice_queue_bytes{queue=name}. free_item: for what is left at queue_free.
 */
struct queue *queue_new(const char *name, size_t limit_bytes, void (*free_item)(void *));
void queue_free(struct queue *q);
/* Thread: any. timeout_ms < 0 waits for ever, 0 never waits. On QUEUE_OK *take is NULL afterwards.
 */
enum queue_result queue_push(struct queue *q, void **take, size_t bytes, int64_t timeout_ms);
enum queue_result queue_pop(struct queue *q, void **item, int64_t timeout_ms);
void queue_close(struct queue *q);
size_t queue_bytes(struct queue *q);
/* Waits until the queue is empty AND queue_done was called for every popped item. */
enum queue_result queue_wait_idle(struct queue *q, int64_t timeout_ms);
void queue_done(struct queue *q); /* the consumer finished one popped item */

#endif
