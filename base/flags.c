/* base/flags.c — checks and reads flags by their table. */
#include "base/flags.h"

#include "base/mem.h"
#include "base/sys.h"
#include "base/text.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAMES_MAX 128

/* ---- the table ---- */

bool flags_word(const char *words, const char *word)
{
    size_t n = strlen(word);
    bool found = words == NULL;
    for (const char *p = words; p != NULL && *p != '\0' && !found; p += strspn(p, " |")) {
        size_t len = strcspn(p, " |");
        found = len == n && strncasecmp(p, word, n) == 0;
        p += len;
    }
    return found;
}

void flags_member(const struct flag_def *d, char *out, size_t len)
{
    snprintf(out, len, "%s%s", d->name, d->type == FLAG_DURATION ? "_ms" : "");
    for (char *p = out; *p != '\0'; p++)
        *p = *p == '-' ? '_' : *p;
}

static bool named(const struct flag_def *d, const char *name)
{
    char member[80];
    flags_member(d, member, sizeof member);
    return strcmp(d->name, name) == 0 || strcmp(member, name) == 0;
}

static bool taken(const struct flag_def *d, const char *command, const char *verb)
{
    return flags_word(d->commands, command) && (verb == NULL || flags_word(d->verbs, verb));
}

const struct flag_def *flags_find(const struct flag_def *defs, const char *command,
                                  const char *verb, const char *name)
{
    for (const struct flag_def *d = defs; d->name != NULL; d++) {
        if (named(d, name) && taken(d, command, verb))
            return d;
    }
    return NULL;
}

void flags_doc(const struct flag_def *d, struct buf *out)
{
    if (d->doc != NULL)
        buf_put_str(out, d->doc);
    else
        buf_printf(out, "%s: %s", d->status == FLAG_REFUSED ? "refused" : "accepted without effect",
                   d->why);
}

/* ---- values as text ---- */

/* What a unit's parser refused came from the command line here, not from a file. */
static bool bad_unit(const char *label, struct err *e)
{
    e->code = ERR_USAGE;
    return err_prepend(e, "%s", label);
}

static bool in_range(const struct flag_def *d, int64_t value)
{
    return (value >= d->min && (d->max == 0 || value <= d->max)) ||
           (d->type == FLAG_DURATION && value == 0);
}

static bool int_fits(const struct flag_def *d, const char *label, const char *value, struct err *e)
{
    int64_t i;
    if (sys_parse_i64(value, &i) && in_range(d, i))
        return true;
    if (d->max == 0)
        return err_set(e, ERR_USAGE, "%s takes a whole number from %lld on, not '%.100s'", label,
                       (long long)d->min, value);
    return err_set(e, ERR_USAGE, "%s takes a whole number from %lld to %lld, not '%.100s'", label,
                   (long long)d->min, (long long)d->max, value);
}

static bool duration_fits(const struct flag_def *d, const char *label, const char *value,
                          struct err *e)
{
    int64_t ms;
    if (!sys_parse_duration_ms(value, &ms, e))
        return bad_unit(label, e);
    return in_range(d, ms) ||
           err_set(e, ERR_USAGE, "%s takes 0, or from %lldms to %lldms, not '%.100s'", label,
                   (long long)d->min, (long long)d->max, value);
}

static bool size_fits(const struct flag_def *d, const char *label, const char *value, struct err *e)
{
    uint64_t bytes;
    if (!sys_parse_size(value, &bytes, e))
        return bad_unit(label, e);
    return (bytes <= INT64_MAX && in_range(d, (int64_t)bytes)) ||
           err_set(e, ERR_USAGE, "%s takes a size from %lld to %lld bytes, not '%.100s'", label,
                   (long long)d->min, d->max != 0 ? (long long)d->max : (long long)INT64_MAX,
                   value);
}

static bool has_words(const struct flag_def *d)
{
    return d->arg != NULL && strchr(d->arg, '|') != NULL;
}

/* label: how the value's place is spelt there, "--timeout" or "heartbeat". */
static bool labelled_fits(const struct flag_def *d, const char *label, const char *value,
                          struct err *e)
{
    switch (d->type) {
    case FLAG_BOOL:
        return flags_word("true|false|yes|no|1|0", value) ||
               err_set(e, ERR_USAGE, "%s takes true or false, not '%.100s'", label, value);
    case FLAG_INT:
        return int_fits(d, label, value, e);
    case FLAG_DURATION:
        return duration_fits(d, label, value, e);
    case FLAG_SIZE:
        return size_fits(d, label, value, e);
    case FLAG_TEXT:
        return !has_words(d) || flags_word(d->arg, value) ||
               err_set(e, ERR_USAGE, "%s takes one of %s, not '%.100s'", label, d->arg, value);
    case FLAG_LIST:
    case FLAG_ARRAY:
    case FLAG_ALL_OR_LIST:
        break;
    }
    return true;
}

bool flags_text_fits(const struct flag_def *d, const char *value, struct err *e)
{
    char label[80];
    snprintf(label, sizeof label, "--%s", d->name);
    return labelled_fits(d, label, value, e);
}

/* ---- values in JSON ---- */

static json_t *parse(const char *text, struct err *e)
{
    json_error_t je = {.text = "it is another JSON value"};
    json_t *f = text != NULL && text[0] != '\0' ? json_loads(text, JSON_REJECT_DUPLICATES, &je)
                                                : json_object();
    if (json_is_object(f))
        return f;
    err_set(e, ERR_USAGE, "the flags are no JSON object: %s", je.text);
    json_decref(f);
    return NULL;
}

static const char *nearest(const struct flag_def *defs, const char *command, const char *verb,
                           const char *name, char *member, size_t len)
{
    const char *names[NAMES_MAX];
    size_t n = 0;
    for (const struct flag_def *d = defs; d->name != NULL && n < NAMES_MAX; d++) {
        if (taken(d, command, verb) && d->status != FLAG_LOCAL)
            names[n++] = d->name;
    }
    CLEANUP(mem_free_ptr) char *dashed = mem_strdup(name);
    for (char *p = dashed; *p != '\0'; p++)
        *p = *p == '_' ? '-' : *p;
    const char *near = text_nearest(dashed, names, n);
    if (near == NULL)
        return NULL;
    flags_member(flags_find(defs, command, verb, near), member, len);
    return member;
}

/* How the command line spells a member. */
static char *option_of(const struct flag_def *d, const char *member)
{
    char *option = mem_printf("--%.100s", d != NULL ? d->name : member);
    for (char *p = option; *p != '\0'; p++)
        *p = *p == '_' ? '-' : *p;
    return option;
}

static bool refuse_unknown(const struct flag_def *defs, const char *command, const char *verb,
                           const char *name, struct err *e)
{
    char member[80];
    const struct flag_def *other = flags_find(defs, command, NULL, name);
    CLEANUP(mem_free_ptr) char *option = option_of(other, name);
    err_set(e, ERR_USAGE, "%s %s does not take %s (\"%.100s\" in JSON); nothing was done", command,
            verb, option, name);
    if (other != NULL && other->verbs != NULL)
        return err_cure(e, "leave it out; it is a flag of: %s", other->verbs);
    const char *near = nearest(defs, command, verb, name, member, sizeof member);
    return near != NULL ? err_cure(e, "did you mean %s?", near)
                        : err_cure(e, "leave it out; flags are named as the command's options");
}

static bool list_of_texts(const json_t *v)
{
    bool ok = json_is_array(v);
    for (size_t i = 0; ok && i < json_array_size(v); i++)
        ok = json_is_string(json_array_get(v, i));
    return ok;
}

static bool number_fits(const struct flag_def *d, const char *member, const json_t *v,
                        struct err *e)
{
    if (json_is_integer(v) && in_range(d, json_integer_value(v)))
        return true;
    if (d->max == 0)
        return err_set(e, ERR_USAGE, "%s is a whole number, not below %lld", member,
                       (long long)d->min);
    return err_set(e, ERR_USAGE, "%s is a whole number from %lld to %lld", member,
                   (long long)d->min, (long long)d->max);
}

static bool text_fits(const struct flag_def *d, const char *member, const json_t *v, struct err *e)
{
    const char *text = json_string_value(v);
    if (text == NULL)
        return err_set(e, ERR_USAGE, "%s is a text", member);
    return text[0] == '\0' || !has_words(d) || flags_word(d->arg, text) ||
           err_set(e, ERR_USAGE, "%s is one of %s, not '%.100s'", member, d->arg, text);
}

static bool value_fits(const struct flag_def *d, const char *member, const json_t *v, struct err *e)
{
    switch (d->type) {
    case FLAG_BOOL:
        return json_is_boolean(v) || err_set(e, ERR_USAGE, "%s is true or false", member);
    case FLAG_INT:
    case FLAG_DURATION:
    case FLAG_SIZE:
        return number_fits(d, member, v, e);
    case FLAG_TEXT:
        return text_fits(d, member, v, e);
    case FLAG_LIST:
        return json_is_string(v) || list_of_texts(v) ||
               err_set(e, ERR_USAGE, "%s is a list of texts, or one text with commas", member);
    case FLAG_ALL_OR_LIST:
        return json_is_boolean(v) || json_is_string(v) || list_of_texts(v) ||
               err_set(e, ERR_USAGE, "%s is true or false, or a list of texts", member);
    case FLAG_ARRAY:
        return list_of_texts(v) || err_set(e, ERR_USAGE, "%s is a list of texts", member);
    }
    return true;
}

/* Does the value ask for what happens anyway? */
static bool is_default(const struct flag_def *d, const json_t *v)
{
    bool yes = d->fallback != NULL && flags_word("true", d->fallback);
    if (d->type == FLAG_BOOL || json_is_boolean(v))
        return json_is_true(v) == yes;
    return json_is_string(v) && json_string_length(v) == 0;
}

static bool refuse(const struct flag_def *d, struct err *e)
{
    err_set(e, ERR_USAGE, "--%s is not offered: %s", d->name, d->why);
    return err_cure(e, "%s", d->cure);
}

bool flags_refused_verb(const struct flag_def *defs, const char *command, const char *verb,
                        struct err *e)
{
    const struct flag_def *refused = NULL;
    for (const struct flag_def *d = defs; d->name != NULL; d++) {
        if (d->verbs == NULL || !taken(d, command, verb))
            continue;
        if (d->status != FLAG_REFUSED)
            return false;
        refused = d;
    }
    if (refused == NULL)
        return false;
    err_set(e, ERR_USAGE, "%s %.100s is not offered: %s", command, verb, refused->why);
    err_cure(e, "%s", refused->cure);
    return true;
}

static bool check_member(const struct flag_def *defs, const char *command, const char *verb,
                         const char *name, const json_t *v, struct err *e)
{
    char member[80];
    const struct flag_def *d = flags_find(defs, command, verb, name);
    if (d != NULL)
        flags_member(d, member, sizeof member);
    if (d == NULL || d->status == FLAG_LOCAL || strcmp(member, name) != 0)
        return refuse_unknown(defs, command, verb, name, e);
    if (!value_fits(d, member, v, e))
        return err_prepend(e, "%s %s", command, verb);
    return d->status != FLAG_REFUSED || is_default(d, v) || refuse(d, e);
}

static bool check_object(const struct flag_def *defs, const char *command, const char *verb,
                         json_t *f, struct err *e)
{
    const char *name;
    json_t *v;
    json_object_foreach(f, name, v)
    {
        if (!check_member(defs, command, verb, name, v, e))
            return false;
    }
    return true;
}

bool flags_check(const struct flag_def *defs, const char *command, const char *verb,
                 const char *json, struct err *e)
{
    json_t *f = parse(json, e);
    bool ok = f != NULL && check_object(defs, command, verb, f, e);
    json_decref(f);
    return ok;
}

/* ---- filling a struct ---- */

static void add_item(struct flag_list *list, const char *text, size_t len)
{
    list->items = mem_realloc(list->items, list->n + 1, sizeof *list->items);
    list->items[list->n++] = mem_strndup(text, len);
}

static void split(const char *text, struct flag_list *out)
{
    for (const char *p = text; *p != '\0';) {
        size_t len = strcspn(p, ",");
        if (len > 0)
            add_item(out, p, len);
        p += len + (p[len] == ',');
    }
}

static void fill_list(const json_t *v, struct flag_list *out)
{
    if (json_is_string(v))
        split(json_string_value(v), out);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *text = json_string_value(json_array_get(v, i));
        if (text[0] != '\0')
            add_item(out, text, strlen(text));
    }
}

/* A value that fits, as JSON would have it; NULL: none. */
static json_t *value_of(const struct flag_def *d, const char *text)
{
    int64_t number = 0;
    uint64_t bytes = 0;
    struct err e = ERR_INIT;
    bool ok = true;
    if (text == NULL)
        return NULL;
    switch (d->type) {
    case FLAG_BOOL:
        return json_boolean(flags_word("true|yes|1", text));
    case FLAG_INT:
        ok = sys_parse_i64(text, &number);
        break;
    case FLAG_DURATION:
        ok = sys_parse_duration_ms(text, &number, &e);
        break;
    case FLAG_SIZE:
        ok = sys_parse_size(text, &bytes, &e);
        number = (int64_t)bytes;
        break;
    case FLAG_TEXT:
    case FLAG_LIST:
    case FLAG_ARRAY:
    case FLAG_ALL_OR_LIST:
        return json_string(text);
    }
    assert(ok);
    return json_integer(number);
}

static void fill_field(const struct flag_def *d, const json_t *v, char *field)
{
    const char *text = json_string_value(v);
    struct flag_choice *choice = (struct flag_choice *)(void *)field;
    switch (d->type) {
    case FLAG_BOOL:
        *(bool *)(void *)field = json_is_true(v);
        break;
    case FLAG_INT:
    case FLAG_DURATION:
    case FLAG_SIZE:
        *(int64_t *)(void *)field = json_integer_value(v);
        break;
    case FLAG_TEXT:
        *(char **)(void *)field = text != NULL && text[0] != '\0' ? mem_strdup(text) : NULL;
        break;
    case FLAG_LIST:
    case FLAG_ARRAY:
        fill_list(v, (struct flag_list *)(void *)field);
        break;
    case FLAG_ALL_OR_LIST:
        choice->given = v != NULL && !json_is_false(v);
        choice->all = json_is_true(v);
        fill_list(v, &choice->list);
        break;
    }
}

static void fill_row(const struct flag_def *d, const json_t *f, void *out)
{
    char member[80];
    flags_member(d, member, sizeof member);
    const json_t *given = json_object_get(f, member);
    json_t *fallback = given == NULL ? value_of(d, d->fallback) : NULL;
    fill_field(d, given != NULL ? given : fallback, (char *)out + d->field - 1);
    json_decref(fallback);
}

bool flags_fill(const struct flag_def *defs, const char *command, const char *verb,
                const char *json, void *out, struct err *e)
{
    json_t *f = parse(json, e);
    bool ok = f != NULL && check_object(defs, command, verb, f, e);
    for (const struct flag_def *d = defs; ok && d->name != NULL; d++) {
        if (d->field != 0 && taken(d, command, verb))
            fill_row(d, f, out);
    }
    json_decref(f);
    return ok;
}

/* ---- from a struct ---- */

static json_t *list_of(const struct flag_list *list)
{
    json_t *array = list->n > 0 ? json_array() : NULL;
    for (size_t i = 0; i < list->n; i++)
        json_array_append_new(array, json_string(list->items[i]));
    return array;
}

static json_t *json_of(const struct flag_def *d, const char *field)
{
    const char *text;
    switch (d->type) {
    case FLAG_BOOL:
        return json_boolean(*(const bool *)(const void *)field);
    case FLAG_INT:
    case FLAG_DURATION:
    case FLAG_SIZE:
        return json_integer(*(const int64_t *)(const void *)field);
    case FLAG_TEXT:
        text = *(const char *const *)(const void *)field;
        return text != NULL ? json_string(text) : NULL;
    case FLAG_LIST:
    case FLAG_ARRAY:
        return list_of((const struct flag_list *)(const void *)field);
    case FLAG_ALL_OR_LIST:
        break;
    }
    assert(d->type != FLAG_ALL_OR_LIST); /* no list that may be all is put */
    return NULL;
}

void flags_put(const struct flag_def *defs, const char *command, const char *verb, const void *in,
               struct buf *out)
{
    json_t *object = json_object();
    for (const struct flag_def *d = defs; d->name != NULL; d++) {
        char member[80];
        if (d->field == 0 || !taken(d, command, verb))
            continue;
        json_t *value = json_of(d, (const char *)in + d->field - 1);
        flags_member(d, member, sizeof member);
        if (value != NULL)
            json_object_set_new(object, member, value);
    }
    char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    buf_put_str(out, text);
    free(text);
    json_decref(object);
}

/* ---- from texts ---- */

static bool refuse_name(const struct flag_def *defs, const char *command, const char *name,
                        struct err *e)
{
    const char *names[NAMES_MAX] = {NULL};
    CLEANUP(buf_fini) struct buf all = BUF_INIT;
    size_t n = 0;
    for (const struct flag_def *d = defs; d->name != NULL && n < NAMES_MAX; d++) {
        if (!taken(d, command, NULL))
            continue;
        buf_printf(&all, "%s%s", n > 0 ? ", " : "", d->name);
        names[n++] = d->name;
    }
    const char *near = text_nearest(name, names, n);
    err_set(e, ERR_USAGE, "%s has no parameter '%.100s'", command, name);
    if (near != NULL)
        return err_cure(e, "did you mean %s?", near);
    return n > 0 ? err_cure(e, "it takes %s", buf_str(&all)) : err_cure(e, "it takes none");
}

static const char *text_of(const struct flag_text *given, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(given[i].name, name) == 0)
            return given[i].text;
    }
    return NULL;
}

static bool check_text(const struct flag_def *defs, const char *command,
                       const struct flag_text *given, size_t i, struct err *e)
{
    const char *name = given[i].name;
    const struct flag_def *d = defs;
    while (d->name != NULL && !(strcmp(d->name, name) == 0 && taken(d, command, NULL)))
        d++;
    if (d->name == NULL)
        return refuse_name(defs, command, name, e);
    if (text_of(given, i, name) != NULL) {
        err_set(e, ERR_USAGE, "%s: the parameter %s is given twice", command, name);
        return err_cure(e, "give it once; lists are separated by commas");
    }
    if (given[i].text[strspn(given[i].text, ",")] == '\0') {
        err_set(e, ERR_USAGE, "%s: the parameter %s is empty", command, name);
        return err_cure(e, "leave it out, or give it a value");
    }
    return labelled_fits(d, name, given[i].text, e) || err_prepend(e, "%s", command);
}

static void fill_text(const struct flag_def *d, const char *text, void *out)
{
    json_t *value = value_of(d, text != NULL ? text : d->fallback);
    fill_field(d, value, (char *)out + d->field - 1);
    json_decref(value);
}

bool flags_fill_texts(const struct flag_def *defs, const char *command,
                      const struct flag_text *given, size_t n, void *out, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        if (!check_text(defs, command, given, i, e))
            return false;
    }
    for (const struct flag_def *d = defs; d->name != NULL; d++) {
        if (d->field != 0 && taken(d, command, NULL))
            fill_text(d, text_of(given, n, d->name), out);
    }
    return true;
}

/* ---- lists and structs ---- */

void flag_list_add(struct flag_list *list, const char *text)
{
    add_item(list, text, strlen(text));
}

bool flag_list_has(const struct flag_list *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i], text) == 0)
            return true;
    }
    return false;
}

void flag_list_fini(struct flag_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct flag_list){NULL, 0};
}

void flags_clear(const struct flag_def *defs, void *out)
{
    for (const struct flag_def *d = defs; d->name != NULL; d++) {
        char *field = d->field != 0 ? (char *)out + d->field - 1 : NULL;
        if (field == NULL)
            continue;
        switch (d->type) {
        case FLAG_TEXT:
            free(*(char **)(void *)field);
            *(char **)(void *)field = NULL;
            break;
        case FLAG_LIST:
        case FLAG_ARRAY:
            flag_list_fini((struct flag_list *)(void *)field);
            break;
        case FLAG_ALL_OR_LIST:
            flag_list_fini(&((struct flag_choice *)(void *)field)->list);
            *(struct flag_choice *)(void *)field = (struct flag_choice){0};
            break;
        case FLAG_BOOL:
            *(bool *)(void *)field = false;
            break;
        case FLAG_INT:
        case FLAG_DURATION:
        case FLAG_SIZE:
            *(int64_t *)(void *)field = 0;
            break;
        }
    }
}

/* ---- the reference ---- */

static void put_cell(const char *text, struct buf *out)
{
    for (const char *p = text; *p != '\0'; p++)
        buf_printf(out, "%s%c", *p == '|' ? "\\" : "", *p);
}

static void reference_row(const char *name, const char *type, const struct flag_def *d,
                          struct buf *out)
{
    CLEANUP(buf_fini) struct buf doc = BUF_INIT;
    flags_doc(d, &doc);
    buf_printf(out, "| `%s` | ", name);
    put_cell(d->type == FLAG_TEXT && has_words(d) ? d->arg : type, out);
    buf_printf(out, " | %s | ", d->fallback != NULL ? d->fallback : "–");
    put_cell(buf_str(&doc), out);
    buf_put_str(out, " |\n");
}

void flags_reference(const struct flag_def *defs, const char *command, const char *verb,
                     struct buf *out)
{
    static const char *const types[] = {"true or false",  "text",         "list of texts",
                                        "array of texts", "true or list", "number",
                                        "milliseconds",   "bytes"};
    for (const struct flag_def *d = defs; d->name != NULL; d++) {
        char member[80];
        if (!taken(d, command, verb) || d->status == FLAG_LOCAL)
            continue;
        flags_member(d, member, sizeof member);
        reference_row(member, types[d->type], d, out);
    }
}

void flags_reference_texts(const struct flag_def *defs, const char *command, struct buf *out)
{
    static const char *const types[] = {"true or false", "text",   "list: a,b", "list: a,b",
                                        "true or list",  "number", "duration",  "size"};
    for (const struct flag_def *d = defs; d->name != NULL; d++) {
        if (taken(d, command, NULL))
            reference_row(d->name, types[d->type], d, out);
    }
}
