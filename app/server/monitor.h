/* app/server/monitor.h — looks at everything that runs once a second and keeps what monitoring asks
 * for: gauges of state, connection and lag, and whether all is well.
 *
 * Whoever probes the daemon reads what the last look found and never waits for a lock that a verb
 * may hold for long.
 */
#ifndef SLUICE_APP_SERVER_MONITOR_H
#define SLUICE_APP_SERVER_MONITOR_H

#include "app/server/daemon.h"

struct monitor;

/* Starts the thread; d must outlive it. */
struct monitor *monitor_start(struct daemon *d, struct err *e) WARN_UNUSED;
void monitor_stop(struct monitor *m); /* NULL is fine */

/* The answer to /healthz: 200 while the looks go on, 503 when the last one is older than
 * MONITOR_STUCK_MS: something that should not wait does. Thread: any. */
int monitor_health(struct monitor *m, struct buf *json);
/* The answer to /readyz: 200 when every source that somebody reads is connected, no sink and no
 * workflow's stream is in error and no fence was passed by a write; else 503 with the numbers of
 * each. Names and errors are for /v1/status, which wants the token. Thread: any. */
int monitor_ready(struct monitor *m, struct buf *json);

#define MONITOR_STUCK_MS 60000

#endif
