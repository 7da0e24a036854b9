/* tests/fuzz/fuzz_schemas_text.c — any bytes as SQL, SHOW CREATE text, column type, vschema, vindex
 * line, shard name and text of any character set: nothing crashes, and what is printed can be read
 * again. */
#include "base/mem.h"
#include "schemas/charset.h"
#include "schemas/column_info.h"
#include "schemas/inspect.h"
#include "schemas/sharding/vindex_line.h"
#include "schemas/sharding/vschema.h"
#include "schemas/sqltoken.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void classify(const uint8_t *data, size_t n)
{
    static struct sqlstmt stmt;
    sqlstmt_classify((const char *)data, n, n % 2 == 0, &stmt);
    require(stmt.n_tables <= sizeof stmt.tables / sizeof stmt.tables[0]);
}

/* An edited text can be edited again, and nothing is left to drop then. */
static void edit(const char *text)
{
    struct buf once CLEANUP(buf_fini) = BUF_INIT, twice CLEANUP(buf_fini) = BUF_INIT;
    struct buf dropped CLEANUP(buf_fini) = BUF_INIT;
    struct schema_create_edit all = {
        .drop_foreign_keys = true, .drop_auto_increment = true, .drop_secondary_keys = true};
    if (!schema_create_edit(text, &all, &once, NULL, NULL))
        return;
    if (schema_create_edit(buf_str(&once), &all, &twice, &dropped, NULL))
        require(twice.len <= once.len + 2);
}

static void column_type(const char *text)
{
    struct schema_table *t = schema_table_new("d", "t", 1);
    struct schema_column_info info = {.data_type = "set", .column_type = text};
    if (schema_column_from_info(&info, &t->columns[0], NULL))
        schema_table_seal(t);
    schema_table_unref(t);
}

static void shard_name(const char *text)
{
    struct keyrange r, again;
    struct buf printed CLEANUP(buf_fini) = BUF_INIT;
    if (!keyrange_parse(text, &r, NULL))
        return;
    keyrange_print(&r, &printed);
    require(keyrange_parse(buf_str(&printed), &again, NULL) && keyrange_equal(&r, &again));
}

static void to_utf8(const uint8_t *data, size_t n)
{
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    if (n >= 2 && charset_to_utf8((uint16_t)(data[0] | data[1] << 8), data + 2, n - 2, &out))
        require(charset_is_valid_utf8(buf_str(&out), out.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buf line CLEANUP(buf_fini) = BUF_INIT;
    char *text = mem_alloc(n + 1);
    if (n > 0)
        memcpy(text, data, n);
    classify(data, n);
    edit(text);
    column_type(text);
    shard_name(text);
    to_utf8(data, n);
    vschema_free(vschema_parse(text, NULL));
    if (!vindex_line_eval(text, &line, NULL))
        require(line.len == 0);
    free(text);
    return 0;
}
