/* schemas/sqltoken.c — cuts SQL text into tokens, in one pass and without allocation.
 *
 * The text comes from outside and may be cut off or not SQL at all: an unclosed quote or comment
 * ends at the end of the text. Version comments (slash-star-bang, with or without M and a number)
 * are entered as the servers do: what stands in them was executed, for it stands in the log of a
 * server that did so.
 */
#include "schemas/sqltoken.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

void sqltoken_init(struct sqltoken_scanner *s, const char *sql, size_t n, unsigned lex)
{
    *s = (struct sqltoken_scanner){.sql = sql, .n = n, .lex = lex};
}

static char peek(const struct sqltoken_scanner *s, size_t ahead)
{
    return ahead < s->n - s->at ? s->sql[s->at + ahead] : '\0';
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static void skip_line(struct sqltoken_scanner *s)
{
    const char *end = memchr(s->sql + s->at, '\n', s->n - s->at);
    s->at = end ? (size_t)(end - s->sql) + 1 : s->n;
}

static void skip_block_comment(struct sqltoken_scanner *s)
{
    const char *from = s->sql + s->at + 2;
    const char *end = s->n - s->at >= 2 ? memmem(from, s->n - s->at - 2, "*/", 2) : NULL;
    s->at = end ? (size_t)(end - s->sql) + 2 : s->n;
}

/* Behind slash-star-bang and its version number. */
static void enter_version_comment(struct sqltoken_scanner *s)
{
    s->at += peek(s, 2) == 'M' ? 4 : 3;
    for (int digits = 0; digits < 6 && isdigit((unsigned char)peek(s, 0)); digits++)
        s->at++;
    s->in_version_comment = true;
}

/* One piece of white space or comment; false if there is none. */
static bool skip_one(struct sqltoken_scanner *s)
{
    char c = peek(s, 0), next = peek(s, 1);
    bool line_end = s->n - s->at == 2 || is_space(peek(s, 2));
    if (is_space(c))
        s->at++;
    else if (c == '#' || (c == '-' && next == '-' && line_end))
        skip_line(s);
    else if (c == '/' && next == '*' &&
             (peek(s, 2) == '!' || (peek(s, 2) == 'M' && peek(s, 3) == '!')))
        enter_version_comment(s);
    else if (c == '/' && next == '*')
        skip_block_comment(s);
    else if (s->in_version_comment && c == '*' && next == '/') {
        s->at += 2;
        s->in_version_comment = false;
    } else
        return false;
    return true;
}

static void add_char(struct sqltoken *t, size_t *len, char c)
{
    if (*len + 1 < sizeof t->text)
        t->text[(*len)++] = c;
    t->text[*len] = 0;
}

/* From the opening quote to behind the closing one; a doubled quote stands for itself. */
static void take_quoted(struct sqltoken_scanner *s, struct sqltoken *t, bool backslash)
{
    char quote = s->sql[s->at++];
    quote = quote == '[' ? ']' : quote;
    size_t len = 0;
    while (s->at < s->n) {
        char c = s->sql[s->at++];
        if (c == quote && peek(s, 0) != quote)
            return;
        if (c == quote)
            s->at++;
        else if (c == '\\' && backslash && s->at < s->n)
            c = s->sql[s->at++];
        add_char(t, &len, c);
    }
}

static void take_word(struct sqltoken_scanner *s, struct sqltoken *t)
{
    size_t len = 0;
    while (s->at < s->n && is_word_char(s->sql[s->at]))
        add_char(t, &len, s->sql[s->at++]);
}

/* "12", "0x1f", "1e5" are numbers; "12abc" is a word, as identifiers may begin with digits. */
static bool text_is_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (text[digits] == 0)
        return true;
    if ((text[digits] == 'e' || text[digits] == 'E') && text[digits + 1])
        return text[digits + 1 + strspn(text + digits + 1, "0123456789")] == 0;
    return text[0] == '0' && (text[1] == 'x' || text[1] == 'b') && text[2] &&
           text[2 + strspn(text + 2, "0123456789abcdefABCDEF")] == 0;
}

static void take_number_or_word(struct sqltoken_scanner *s, struct sqltoken *t)
{
    take_word(s, t);
    t->kind = text_is_number(t->text) ? SQLTOKEN_NUMBER : SQLTOKEN_WORD;
    if (t->kind == SQLTOKEN_NUMBER && peek(s, 0) == '.' && isdigit((unsigned char)peek(s, 1))) {
        s->at++;
        while (isalnum((unsigned char)peek(s, 0)))
            s->at++;
    }
}

static void take_token(struct sqltoken_scanner *s, struct sqltoken *t)
{
    char c = s->sql[s->at];
    if (c == '`' || (c == '"' && (s->lex & SQLTOKEN_ANSI_QUOTES)) ||
        (c == '[' && (s->lex & SQLTOKEN_BRACKETS))) {
        t->kind = SQLTOKEN_IDENT;
        take_quoted(s, t, false);
    } else if (c == '\'' || c == '"') {
        t->kind = SQLTOKEN_STRING;
        take_quoted(s, t, !(s->lex & SQLTOKEN_NO_BACKSLASH));
    } else if (isdigit((unsigned char)c)) {
        take_number_or_word(s, t);
    } else if (is_word_char(c)) {
        t->kind = SQLTOKEN_WORD;
        take_word(s, t);
    } else {
        t->kind = SQLTOKEN_PUNCT;
        t->text[0] = c;
        t->text[1] = 0;
        s->at++;
    }
}

bool sqltoken_next(struct sqltoken_scanner *s, struct sqltoken *t)
{
    while (s->at < s->n && skip_one(s))
        ;
    t->text[0] = 0;
    t->start = s->at;
    if (s->at >= s->n)
        t->kind = SQLTOKEN_END;
    else
        take_token(s, t);
    t->end = s->at;
    return t->kind != SQLTOKEN_END;
}

bool sqltoken_is(const struct sqltoken *t, const char *word)
{
    return t->kind == SQLTOKEN_WORD && strcasecmp(t->text, word) == 0;
}

static char unescape(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case 'b':
        return '\b';
    case '0':
        return '\0';
    case 'Z':
        return '\x1a';
    default:
        return c;
    }
}

void sqltoken_string(const char *sql, const struct sqltoken *t, struct buf *out)
{
    char quote = sql[t->start];
    for (size_t i = t->start + 1; i + 1 < t->end; i++) {
        char c = sql[i];
        if (c == '\\' && i + 2 < t->end)
            c = unescape(sql[++i]);
        else if (c == quote)
            i++; /* the first of a doubled one */
        buf_put_u8(out, (uint8_t)c);
    }
}
