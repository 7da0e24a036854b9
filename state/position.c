/* state/position.c — positions as values and as text. */
#include "state/position.h"

#include "base/mem.h"
#include "base/sys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void position_fini(struct position *p)
{
    gtid_set_free(p->gtids);
    *p = (struct position)POSITION_INIT;
}

void position_copy(struct position *dst, const struct position *src)
{
    if (dst == src)
        return;
    gtid_set_free(dst->gtids);
    *dst = *src;
    dst->gtids = gtid_set_copy(src->gtids);
}

static bool fail(struct err *e, const char *text)
{
    err_set(e, ERR_POSITION_PARSE, "\"%.300s\" is not a position", text);
    return err_cure(e, "write MySQL56/<gtid set>, MariaDB/<gtid set> or FilePos/<file>:<pos>");
}

/* Cuts "+<digits>" off the end. */
static bool cut_seq(char *text, struct position *out)
{
    char *plus = strrchr(text, '+');
    if (!plus || strspn(plus + 1, "0123456789") != strlen(plus + 1))
        return true; /* a file name may hold a plus sign */
    *plus = 0;
    return sys_parse_u64(plus + 1, &out->seq);
}

/* "<server>.<begun>" */
static bool parse_log(const char *text, struct log_id *out)
{
    const char *dot = strchr(text, '.');
    size_t n = dot ? (size_t)(dot - text) : 0;
    uint64_t begun;
    if (n == 0 || n >= sizeof out->server || strspn(text, "0123456789abcdef-") != n ||
        !sys_parse_u64(dot + 1, &begun) || begun > UINT32_MAX)
        return false;
    memcpy(out->server, text, n);
    out->server[n] = 0;
    out->begun = (uint32_t)begun;
    return true;
}

/* Cuts "~1.<server>.<begun>" off the end. A file name may hold such a sign too, but it is followed
 * by a colon. */
static bool cut_log(char *text, struct log_id *out, struct err *e)
{
    char *at = strrchr(text, '~');
    if (!at || strchr(at, ':'))
        return true;
    size_t digits = strspn(at + 1, "0123456789");
    if (digits == 0 || at[1 + digits] != '.')
        return fail(e, text);
    if (digits != 1 || at[1] != '1') {
        err_set(e, ERR_POSITION_PARSE, "\"%.300s\" was written by a newer version", text);
        return err_cure(e, "read it with that version, or leave out what stands from ~ on");
    }
    if (!parse_log(at + 3, out))
        return fail(e, text);
    *at = 0;
    return true;
}

static bool parse_file_pos(const char *text, struct position *out)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    if (n == 0 || n >= sizeof out->file || !sys_parse_u64(colon + 1, &out->pos))
        return false;
    memcpy(out->file, text, n);
    out->file[n] = 0;
    return true;
}

static bool parse_gtid_form(enum gtid_flavor flavor, char *text, struct position *out,
                            struct err *e)
{
    char *at = strchr(text, '@');
    if (at) {
        *at++ = 0;
        if (!parse_file_pos(at, out))
            return fail(e, at);
    }
    out->gtids = gtid_set_parse(flavor, text, e);
    return out->gtids != NULL;
}

static bool parse_into(char *text, struct position *out, struct err *e)
{
    static const char mysql[] = "MySQL56/", mariadb[] = "MariaDB/", file[] = "FilePos/";
    if (!cut_seq(text, out))
        return fail(e, text);
    if (!cut_log(text, &out->log, e))
        return false;
    if (!*text)
        return true;
    if (strncmp(text, mysql, sizeof mysql - 1) == 0)
        return parse_gtid_form(GTID_FLAVOR_MYSQL, text + sizeof mysql - 1, out, e);
    if (strncmp(text, mariadb, sizeof mariadb - 1) == 0)
        return parse_gtid_form(GTID_FLAVOR_MARIADB, text + sizeof mariadb - 1, out, e);
    if (strncmp(text, file, sizeof file - 1) == 0 && parse_file_pos(text + sizeof file - 1, out))
        return true;
    return fail(e, text);
}

bool position_parse(const char *text, struct position *out, struct err *e)
{
    CLEANUP(mem_free_ptr) char *copy = mem_strdup(text);
    CLEANUP(position_fini) struct position parsed = POSITION_INIT;
    if (!parse_into(copy, &parsed, e))
        return false;
    gtid_set_free(out->gtids);
    *out = parsed;
    parsed.gtids = NULL;
    return true;
}

void position_print(const struct position *p, struct buf *out)
{
    if (p->gtids) {
        bool mysql = gtid_set_flavor(p->gtids) == GTID_FLAVOR_MYSQL;
        buf_put_str(out, mysql ? "MySQL56/" : "MariaDB/");
        gtid_set_print(p->gtids, out);
        if (p->file[0])
            buf_put_u8(out, '@');
    } else if (p->file[0]) {
        buf_put_str(out, "FilePos/");
    }
    if (p->file[0]) {
        buf_put_str(out, p->file);
        buf_put_u8(out, ':');
        buf_put_u64(out, p->pos);
    }
    if (p->log.server[0])
        buf_printf(out, "~1.%s.%u", p->log.server, p->log.begun);
    if (p->seq) {
        buf_put_u8(out, '+');
        buf_put_u64(out, p->seq);
    }
}

char *position_text(const struct position *p)
{
    struct buf b = BUF_INIT;
    position_print(p, &b);
    return buf_take(&b);
}

bool position_is_empty(const struct position *p)
{
    return (!p->gtids || gtid_set_is_empty(p->gtids)) && !p->file[0] && p->seq == 0;
}

bool position_is_by_gtid(const struct position *p)
{
    return p->gtids && (!gtid_set_is_empty(p->gtids) || !p->file[0]);
}

bool position_equal(const struct position *a, const struct position *b)
{
    if (!a->gtids != !b->gtids || (a->gtids && !gtid_set_equal(a->gtids, b->gtids)))
        return false;
    return strcmp(a->file, b->file) == 0 && a->pos == b->pos && a->seq == b->seq &&
           strcmp(a->log.server, b->log.server) == 0 && a->log.begun == b->log.begun;
}

/* The number behind the last dot without leading zeros, "" if there is none. */
static const char *file_number(const char *file)
{
    const char *dot = strrchr(file, '.');
    if (!dot || strspn(dot + 1, "0123456789") != strlen(dot + 1))
        return "";
    return dot + 1 + strspn(dot + 1, "0");
}

int position_file_compare(const char *a, const char *b)
{
    if (strcmp(a, b) == 0)
        return 0;
    const char *number_a = file_number(a), *number_b = file_number(b);
    size_t digits_a = strlen(number_a), digits_b = strlen(number_b);
    if (digits_a != digits_b)
        return digits_a < digits_b ? -1 : 1;
    int c = strcmp(number_a, number_b);
    if (c || *number_a)
        return c;
    return strcmp(a, b);
}

int log_place_compare(const struct log_place *a, const struct log_place *b)
{
    int by_file = position_file_compare(a->file, b->file);
    if (by_file != 0)
        return by_file;
    return a->pos < b->pos ? -1 : a->pos > b->pos;
}

/* Files are of one log as far as it is known. */
static bool one_log(const struct position *a, const struct position *b)
{
    const struct log_id *x = &a->log, *y = &b->log;
    bool servers = !x->server[0] || !y->server[0] || strcmp(x->server, y->server) == 0;
    bool files = !x->begun || !y->begun || strcmp(a->file, b->file) != 0 || x->begun == y->begun;
    return servers && files;
}

bool position_at_or_after(const struct position *a, const struct position *b)
{
    if (position_is_empty(b))
        return true;
    bool same_place;
    if (a->gtids && b->gtids) {
        same_place = gtid_set_equal(a->gtids, b->gtids);
        if (!same_place)
            return gtid_set_contains(a->gtids, b->gtids);
    } else {
        int c = position_file_compare(a->file, b->file);
        if (!a->file[0] || !b->file[0] || !one_log(a, b) || c < 0 || (c == 0 && a->pos < b->pos))
            return false;
        same_place = c == 0 && a->pos == b->pos;
    }
    return !same_place || a->seq >= b->seq;
}
