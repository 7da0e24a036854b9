/* app/cli/render.h — results of verbs as text for people, from the same JSON that --format json
 * prints.
 */
#ifndef SLUICE_APP_CLI_RENDER_H
#define SLUICE_APP_CLI_RENDER_H

#include "base/buf.h"
#include <stdio.h>

/* Writes text for people, or a JSON document; nothing in it acts on a terminal. */
void render_print(FILE *to, const struct buf *text, bool json);

/* A "summary" member is printed as it is; else objects as indented `Name: value` lines, arrays of
 * objects as tables, whose long values end in "…" (JSON has them whole). json that does not parse
 * is printed as it is. */
void render_text(const char *json, struct buf *out);
void render_json(const char *json, struct buf *out); /* indented by two */
/* A vdiff's report as vtctldclient's summary; false, and nothing printed, when json is no such
 * report. */
bool render_vdiff(const char *json, struct buf *out);

#endif
