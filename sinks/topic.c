/* sinks/topic.c — topic names: the template's fields, and what Kafka takes of them. */
#include "sinks/topic.h"

#include "sinks/sink.h"
#include <string.h>

#define PREFIX_MAX 200 /* leaves room for ".positions" and for a table's name */

struct field {
    const char *name, *value;
};

static const char *template_of(const struct sink_topic *t)
{
    return t->template && t->template[0] ? t->template : SINK_DEFAULT_TOPIC;
}

static void put_name(struct buf *out, const char *pattern, const struct field *fields, size_t n)
{
    while (*pattern) {
        size_t i = 0;
        while (i < n && strncmp(pattern, fields[i].name, strlen(fields[i].name)) != 0)
            i++;
        if (i == n) {
            buf_put_u8(out, (uint8_t)*pattern++);
            continue;
        }
        buf_put_str(out, fields[i].value);
        pattern += strlen(fields[i].name);
    }
}

static bool is_allowed(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* How many UTF-16 units the byte begins: those that go on a character begin none. */
static unsigned units_begun(uint8_t c)
{
    return c >= 0xf0 ? 2 : (c & 0xc0) == 0x80 ? 0 : 1;
}

void sink_topic_make_valid(const char *name, struct buf *out)
{
    size_t at = out->len;
    for (const uint8_t *p = (const uint8_t *)name; *p && out->len - at < SINK_TOPIC_MAX; p++) {
        if (is_allowed(*p)) {
            buf_put_u8(out, *p);
            continue;
        }
        for (unsigned i = units_begun(*p); i > 0 && out->len - at < SINK_TOPIC_MAX; i--)
            buf_put_u8(out, '_');
    }
    size_t n = out->len - at;
    bool dots = (n == 1 || n == 2) && memcmp(out->data + at, "..", n) == 0;
    for (size_t i = 0; dots && i < n; i++)
        out->data[at + i] = '_';
}

void sink_topic_of(const struct sink_topic *t, const char *db, const char *table, struct buf *out)
{
    const struct field fields[] = {{"{prefix}", t->prefix},
                                   {"{keyspace}", t->keyspace},
                                   {"{shard}", t->shard},
                                   {"{db}", db},
                                   {"{table}", table}};
    struct buf name = BUF_INIT;
    put_name(&name, template_of(t), fields, sizeof fields / sizeof *fields);
    sink_topic_make_valid(buf_str(&name), out);
    buf_fini(&name);
}

static bool check_fields(const char *pattern, struct err *e)
{
    static const char *const known[] = {"{prefix}", "{keyspace}", "{shard}", "{db}", "{table}"};
    for (const char *p = strchr(pattern, '{'); p; p = strchr(p + 1, '{')) {
        size_t i = 0;
        while (i < 5 && strncmp(p, known[i], strlen(known[i])) != 0)
            i++;
        if (i == 5) {
            err_set(e, ERR_SINK_CONFIG, "topic: there is no field %.*s", (int)strcspn(p, "}") + 1,
                    p);
            return err_cure(e, "fields are {prefix}, {keyspace}, {shard}, {db} and {table}");
        }
    }
    return true;
}

bool sink_topic_check(const struct sink_topic *t, struct err *e)
{
    struct sink_topic bare = *t;
    struct buf name = BUF_INIT;
    bare.keyspace = bare.shard = "";
    sink_topic_of(&bare, "", "", &name);
    size_t n = name.len;
    buf_fini(&name);
    if (!check_fields(template_of(t), e))
        return false;
    return (n < SINK_TOPIC_MAX && strlen(t->prefix) <= PREFIX_MAX) ||
           err_set(
               e, ERR_SINK_CONFIG,
               "topic: Kafka's names have %d characters at most, and the template or the prefix "
               "leaves no room for a table's name",
               SINK_TOPIC_MAX);
}
