/* base/log.h — structured log lines on stderr: text (`time level area message key=value …`) or
 * JSON.
 *
 * Control characters are escaped; nothing secret is ever passed here. Thread: any.
 */
#ifndef SLUICE_BASE_LOG_H
#define SLUICE_BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
void log_init(enum log_level level, bool json);
bool log_enabled(enum log_level level);
/* area: "reader", "copy", "sink.orders" … */
void log_write(enum log_level level, const char *area, const char *fmt, ...) ERR_PRINTF(3, 4);
/* An error with its code, class and cure. */
void log_err(enum log_level level, const char *area, const struct err *e);

#define log_error(area, ...) log_write(LOG_ERROR, area, __VA_ARGS__)
#define log_warn(area, ...)  log_write(LOG_WARN, area, __VA_ARGS__)
#define log_info(area, ...)  log_write(LOG_INFO, area, __VA_ARGS__)
#define log_debug(area, ...) log_write(LOG_DEBUG, area, __VA_ARGS__)

#endif
