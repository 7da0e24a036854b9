/* vrepl/flags.c — flags of a command. */
#include "vrepl/flags.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

json_t *flags_parse(const char *text, struct err *e)
{
    json_error_t je;
    json_t *f = text != NULL && text[0] != '\0' ? json_loads(text, 0, &je) : json_object();
    if (json_is_object(f))
        return f;
    err_set(e, ERR_USAGE, "the flags are no JSON object");
    json_decref(f);
    return NULL;
}

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
