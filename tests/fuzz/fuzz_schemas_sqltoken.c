/* tests/fuzz/fuzz_schemas_sqltoken.c — any bytes as SQL: tokens lie one behind another inside the
 * text, strings have a value, and every text is some kind of statement.
 */
#include "schemas/sqltoken.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void tokens(const char *sql, size_t n, unsigned lex)
{
    struct sqltoken_scanner s;
    struct sqltoken t;
    struct buf value CLEANUP(buf_fini) = BUF_INIT;
    size_t at = 0;
    sqltoken_init(&s, sql, n, lex);
    while (sqltoken_next(&s, &t)) {
        require(t.kind != SQLTOKEN_END && t.start >= at && t.end > t.start && t.end <= n);
        require(memchr(t.text, 0, sizeof t.text) != NULL);
        at = t.end;
        if (t.kind != SQLTOKEN_STRING)
            continue;
        buf_reset(&value);
        sqltoken_string(sql, &t, &value);
        require(value.len <= t.end - t.start);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct sqlstmt stmt;
    if (n < 1 || n > 20000)
        return 0;
    const char *sql = (const char *)data + 1;
    unsigned lex = data[0] & 7;
    tokens(sql, n - 1, lex);
    sqlstmt_classify(sql, n - 1, lex, &stmt);
    require(stmt.n_tables <= sizeof stmt.tables / sizeof stmt.tables[0]);
    for (size_t i = 0; i < stmt.n_tables; i++)
        require(memchr(stmt.tables[i].name, 0, sizeof stmt.tables[i].name) != NULL);
    return 0;
}
