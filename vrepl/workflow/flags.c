/* vrepl/workflow/flags.c — flags of a command: which ones it takes, and their values. */
#include "vrepl/workflow/flags.h"

#include "base/mem.h"
#include "schemas/names.h"

#include <stdlib.h>
#include <string.h>

json_t *flags_parse(const char *text, struct err *e)
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

/* ---- which flags a verb takes ---- */

bool flags_word(const char *words, const char *word)
{
    size_t n = strlen(word);
    bool found = words == NULL;
    for (const char *p = words; p != NULL && *p != '\0' && !found; p += *p == ' ') {
        size_t len = strcspn(p, " ");
        found = len == n && strncmp(p, word, n) == 0;
        p += len;
    }
    return found;
}

static const struct flag_def *find_def(const struct flag_def *defs, const char *type,
                                       const char *verb, const char *name)
{
    for (const struct flag_def *d = defs; d->name != NULL; d++) {
        if (strcmp(d->name, name) == 0 && flags_word(d->types, type) &&
            (verb == NULL || flags_word(d->verbs, verb)))
            return d;
    }
    return NULL;
}

bool flags_takes(const struct flag_def *defs, const char *type, const char *verb, const char *name)
{
    return find_def(defs, type, verb, name) != NULL;
}

static const char *nearest(const struct flag_def *defs, const char *type, const char *verb,
                           const char *name)
{
    char **names = NULL;
    size_t n = 0, cap = 0;
    for (const struct flag_def *d = defs; d->name != NULL; d++) {
        if (!flags_word(d->types, type) || !flags_word(d->verbs, verb))
            continue;
        mem_grow((void **)&names, &cap, n + 1, sizeof *names);
        names[n++] = mem_strdup(d->name);
    }
    const char *near = n > 0 ? schema_name_nearest(names, n, name) : NULL;
    const struct flag_def *d = near != NULL ? find_def(defs, type, verb, near) : NULL;
    flags_list_free(names, n);
    return d != NULL ? d->name : NULL;
}

/* How the command line spells it. */
static char *option_of(const char *name)
{
    size_t n = strnlen(name, 100);
    if (n > 3 && strcmp(name + n - 3, "_ms") == 0)
        n -= 3;
    char *option = mem_printf("--%.*s", (int)n, name);
    for (char *p = option; *p != '\0'; p++)
        *p = *p == '_' ? '-' : *p;
    return option;
}

static bool refuse_unknown(const struct flag_def *defs, const char *type, const char *verb,
                           const char *name, struct err *e)
{
    const struct flag_def *other = find_def(defs, type, NULL, name);
    CLEANUP(mem_free_ptr) char *option = option_of(name);
    err_set(e, ERR_USAGE, "%s %s does not take %s (\"%.100s\" in JSON); nothing was done", type,
            verb, option, name);
    if (other != NULL)
        return err_cure(e, "leave it out; it is a flag of: %s", other->verbs);
    const char *near = nearest(defs, type, verb, name);
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

static bool check_kind(const struct flag_def *d, const json_t *v, struct err *e)
{
    switch (d->kind) {
    case FLAG_BOOL:
        return json_is_boolean(v) || err_set(e, ERR_USAGE, "%s is true or false", d->name);
    case FLAG_INT:
        return (json_is_integer(v) && json_integer_value(v) >= 0) ||
               err_set(e, ERR_USAGE, "%s is a whole number, not below 0", d->name);
    case FLAG_TEXT:
        return json_is_string(v) || err_set(e, ERR_USAGE, "%s is a text", d->name);
    case FLAG_LIST:
        return json_is_string(v) || list_of_texts(v) ||
               err_set(e, ERR_USAGE, "%s is a list of texts, or one text with commas", d->name);
    case FLAG_ALL_OR_LIST:
        return json_is_boolean(v) || json_is_string(v) || list_of_texts(v) ||
               err_set(e, ERR_USAGE, "%s is true or false, or a list of texts", d->name);
    case FLAG_ARRAY:
        return list_of_texts(v) || err_set(e, ERR_USAGE, "%s is a list of texts", d->name);
    }
    return true;
}

static bool check_flag(const struct flag_def *defs, const char *type, const char *verb,
                       const char *name, const json_t *v, struct err *e)
{
    const struct flag_def *d = find_def(defs, type, verb, name);
    if (d == NULL)
        return refuse_unknown(defs, type, verb, name, e);
    if (!check_kind(d, v, e))
        return err_prepend(e, "%s %s", type, verb);
    if (d->refused == NULL || !json_is_true(v))
        return true;
    CLEANUP(mem_free_ptr) char *option = option_of(name);
    err_set(e, ERR_USAGE, "%s is not offered: %s", option, d->refused);
    return err_cure(e, "%s", d->cure);
}

bool flags_check(const struct flag_def *defs, const char *type, const char *verb, const json_t *f,
                 struct err *e)
{
    void *at = json_object_iter((json_t *)(uintptr_t)f);
    bool ok = true;
    while (ok && at != NULL) {
        ok = check_flag(defs, type, verb, json_object_iter_key(at), json_object_iter_value(at), e);
        at = json_object_iter_next((json_t *)(uintptr_t)f, at);
    }
    return ok;
}

bool flags_check_text(const struct flag_def *defs, const char *type, const char *verb,
                      const char *json, struct err *e)
{
    json_t *flags = flags_parse(json, e);
    bool ok = flags != NULL && flags_check(defs, type, verb, flags, e);
    json_decref(flags);
    return ok;
}

/* ---- reading ---- */

bool flags_bool(const json_t *f, const char *name, bool fallback)
{
    const json_t *v = json_object_get(f, name);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

int64_t flags_int(const json_t *f, const char *name, int64_t fallback)
{
    const json_t *v = json_object_get(f, name);
    return json_is_integer(v) ? json_integer_value(v) : fallback;
}

const char *flags_str(const json_t *f, const char *name)
{
    const char *s = json_string_value(json_object_get(f, name));
    return s != NULL && s[0] != '\0' ? s : NULL;
}

static char **split(const char *text, size_t *n)
{
    char **list = NULL;
    size_t cap = 0;
    for (const char *p = text; *p != '\0';) {
        size_t len = strcspn(p, ",");
        if (len > 0) {
            mem_grow((void **)&list, &cap, *n + 1, sizeof *list);
            list[(*n)++] = mem_strndup(p, len);
        }
        p += len + (p[len] == ',');
    }
    return list;
}

char **flags_list(const json_t *f, const char *name, size_t *n)
{
    const json_t *v = json_object_get(f, name);
    *n = 0;
    if (json_is_string(v))
        return split(json_string_value(v), n);
    size_t count = json_array_size(v);
    char **list = count > 0 ? mem_calloc(count, sizeof *list) : NULL;
    for (size_t i = 0; i < count; i++) {
        const char *s = json_string_value(json_array_get(v, i));
        if (s != NULL && s[0] != '\0')
            list[(*n)++] = mem_strdup(s);
    }
    return list;
}

void flags_list_free(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

bool flags_in(char *const *list, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i], text) == 0)
            return true;
    }
    return false;
}
