/* vrepl/workflow/decision.c — the decision document of a switch to and from JSON.
 *
 * {"number":1,"direction":"forward","follow":true,"journal_id":"45…","from":[{"shard":"-","position":"…"}],"to":[…]}
 * from: the final position of each shard that served; to: where the streams the other way begin to
 * read.
 */
#include "vrepl/workflow/workflow.h"

#include "base/mem.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *positions_json(const struct wf_shard_position *positions, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++) {
        char *text = position_text(&positions[i].pos);
        json_array_append_new(
            a, json_pack("{s:s, s:s}", "shard", positions[i].shard, "position", text));
        free(text);
    }
    return a;
}

char *wf_decision_print(const struct wf_decision *d)
{
    json_t *j = json_pack("{s:i, s:s, s:b, s:I, s:o, s:o}", "number", (int)d->number, "direction",
                          d->dir == WF_REVERSE ? "back" : "forward", "follow", d->follow,
                          "journal_id", (json_int_t)d->journal_id, "from",
                          positions_json(d->from, d->n_from), "to", positions_json(d->to, d->n_to));
    assert(j != NULL);
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    return text;
}

static bool positions_parse(const json_t *a, struct wf_shard_position **positions, size_t *n,
                            struct err *e)
{
    size_t count = json_array_size(a);
    *positions = mem_calloc(count + 1, sizeof **positions);
    for (*n = 0; *n < count; (*n)++) {
        const json_t *j = json_array_get(a, *n);
        const char *shard = json_string_value(json_object_get(j, "shard"));
        const char *pos = json_string_value(json_object_get(j, "position"));
        if (shard == NULL || pos == NULL)
            return err_set(e, ERR_STATE_DB, "a decision lacks a shard or its position");
        if (!position_parse(pos, &(*positions)[*n].pos, e))
            return false;
        (*positions)[*n].shard = mem_strdup(shard);
    }
    return count > 0 || err_set(e, ERR_STATE_DB, "a decision names no shard");
}

struct wf_decision *wf_decision_parse(const char *json, struct err *e)
{
    json_t *j = json_loads(json, 0, NULL);
    const char *direction = json_string_value(json_object_get(j, "direction"));
    struct wf_decision *d = mem_alloc(sizeof *d);
    bool ok = direction != NULL || err_set(e, ERR_STATE_DB, "a decision cannot be read");
    if (ok) {
        d->number = (unsigned)json_integer_value(json_object_get(j, "number"));
        d->dir = strcmp(direction, "back") == 0 ? WF_REVERSE : WF_FORWARD;
        d->follow = json_is_true(json_object_get(j, "follow"));
        d->journal_id = json_integer_value(json_object_get(j, "journal_id"));
        ok = positions_parse(json_object_get(j, "from"), &d->from, &d->n_from, e) &&
             positions_parse(json_object_get(j, "to"), &d->to, &d->n_to, e);
    }
    json_decref(j);
    if (!ok) {
        wf_decision_free(d);
        d = NULL;
    }
    return d;
}

static void positions_free(struct wf_shard_position *positions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(positions[i].shard);
        position_fini(&positions[i].pos);
    }
    free(positions);
}

void wf_decision_free(struct wf_decision *d)
{
    if (d == NULL)
        return;
    positions_free(d->from, d->n_from);
    positions_free(d->to, d->n_to);
    free(d);
}

const struct position *wf_decision_pos(const struct wf_shard_position *positions, size_t n,
                                       const char *shard)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(positions[i].shard, shard) == 0)
            return &positions[i].pos;
    }
    return NULL;
}
