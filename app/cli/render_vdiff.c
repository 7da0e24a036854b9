/* app/cli/render_vdiff.c — a comparison's report as the summary that vtctldclient prints. */
#include "app/cli/render.h"

#include <jansson.h>

static long long number(const json_t *o, const char *key)
{
    return (long long)json_integer_value(json_object_get(o, key));
}

static void put_if(struct buf *out, const char *label, long long n)
{
    if (n > 0)
        buf_printf(out, "\t%-17s %lld\n", label, n);
}

static void put_table(const char *name, const json_t *t, struct buf *out)
{
    const char *state = json_string_value(json_object_get(t, "State"));
    buf_printf(out, "\nTable %s:\n\t%-17s %s\n\t%-17s %lld\n\t%-17s %lld\n", name,
               "State:", state != NULL ? state : "", "ProcessedRows:", number(t, "RowsCompared"),
               "MatchingRows:", number(t, "MatchingRows"));
    put_if(out, "MismatchedRows:", number(t, "MismatchedRows"));
    put_if(out, "ExtraRowsSource:", number(t, "ExtraRowsSource"));
    put_if(out, "ExtraRowsTarget:", number(t, "ExtraRowsTarget"));
}

static void put_text(const json_t *doc, const char *label, const char *key, struct buf *out)
{
    const char *text = json_string_value(json_object_get(doc, key));
    if (text != NULL && text[0] != '\0')
        buf_printf(out, "%-13s %s\n", label, text);
}

static const char *text_of(const json_t *doc, const char *key)
{
    const char *text = json_string_value(json_object_get(doc, key));
    return text != NULL ? text : "";
}

bool render_vdiff(const char *json, struct buf *out)
{
    json_t *doc = json_loads(json, 0, NULL), *table;
    const char *name;
    bool is_report = json_is_string(json_object_get(doc, "UUID")) &&
                     json_is_string(json_object_get(doc, "State")) &&
                     json_object_get(doc, "summary") == NULL;
    if (is_report) {
        buf_printf(out, "VDiff Summary for %s.%s (%s)\n", text_of(doc, "Keyspace"),
                   text_of(doc, "Workflow"), text_of(doc, "UUID"));
        put_text(doc, "State:", "State", out);
        buf_printf(
            out, "%-13s %lld\n%-13s %s\n", "RowsCompared:", number(doc, "RowsCompared"),
            "HasMismatch:", json_is_true(json_object_get(doc, "HasMismatch")) ? "true" : "false");
        put_text(doc, "StartedAt:", "StartedAt", out);
        put_text(doc, "CompletedAt:", "CompletedAt", out);
        json_object_foreach(json_object_get(doc, "TableSummary"), name, table)
        {
            put_table(name, table, out);
        }
        buf_put_str(out, "\nUse \"--format=json\" for more detailed output.\n");
    }
    json_decref(doc);
    return is_report;
}
