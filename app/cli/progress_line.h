/* app/cli/progress_line.h — progress of a verb: one updating line on a terminal, JSON lines, or
 * nothing. */
#ifndef SLUICE_APP_CLI_PROGRESS_LINE_H
#define SLUICE_APP_CLI_PROGRESS_LINE_H

struct progress;
struct progress *progress_new(const char *mode); /* "auto", "json", "none" */
void progress_show(struct progress *p, const char *json);
void progress_free(struct progress *p); /* ends the line */

#endif
