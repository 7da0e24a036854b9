/* cdc/sidecar/sidecar_version.c — the table of the version, the lock, and the steps. */
#include "cdc/sidecar/sidecar_version.h"

#include "base/fault.h"
#include "base/log.h"
#include "cdc/sidecar/note.h"

#define VERSION   SIDECAR_TABLE("version")
#define NOTE      SIDECAR_TABLE("note")
#define WATERMARK SIDECAR_TABLE("watermark") /* of version 0 */
#define LOCK      "'sluice_sidecar'"
/* Shorter than the 30 seconds after which a silent connection is given up (vrepl/move/target_tx.h).
 */
#define WAIT_S "20"

const struct sidecar_table sidecar_version_table = {
    .name = "version",
    .servers = "every server that has one of the others",
    .row = "the one row says of which version all tables are",
    .written = "The first daemon that finds an older version, after each step of the change.",
    .removed = "Never.",
    .columns = {{"id", "TINYINT NOT NULL", "1"},
                {"version", "INT UNSIGNED NOT NULL",
                 "a program that knows only older ones writes "
                 "nothing here"}},
    .keys = "PRIMARY KEY (`id`)",
};

bool sidecar_version_read(struct my_conn *c, unsigned *version, struct err *e)
{
    uint64_t found = 0;
    if (!my_query_u64(c, "SELECT IFNULL(MAX(`version`), 0) FROM " VERSION, &found, e)) {
        if (!sidecar_is_absent(e))
            return false;
        err_clear(e);
    }
    *version = (unsigned)found;
    if (found <= SIDECAR_VERSION)
        return true;
    err_set(e, ERR_SIDECAR_NEWER,
            "the tables of database " SLUICE_SIDECAR_DB
            " are of version %llu, this program knows version %d",
            (unsigned long long)found, SIDECAR_VERSION);
    return err_cure(e, "run the newer sluice that changed them; this one leaves them as they are");
}

/* ---- the lock ---- */

bool sidecar_lock(struct my_conn *c, struct err *e)
{
    uint64_t got = 0;
    if (!my_exec(c, "SET @sluice_wait = @@SESSION.lock_wait_timeout", NULL, e) ||
        !my_exec(c, "SET SESSION lock_wait_timeout = " WAIT_S, NULL, e) ||
        !my_query_u64(c, "SELECT IFNULL(GET_LOCK(" LOCK ", " WAIT_S "), 0)", &got, e))
        return false;
    if (got == 1)
        return true;
    err_set(e, ERR_TIMEOUT, "another session is making the tables of " SLUICE_SIDECAR_DB);
    return err_cure(e, "wait for it, or end the connection that IS_USED_LOCK(" LOCK ") names");
}

void sidecar_unlock(struct my_conn *c)
{
    struct err e = ERR_INIT;
    uint64_t released = 0;
    if (!my_query_u64(c, "SELECT IFNULL(RELEASE_LOCK(" LOCK "), 0)", &released, &e) ||
        !my_exec(c, "SET SESSION lock_wait_timeout = @sluice_wait", NULL, &e))
        log_err(LOG_DEBUG, "sidecar", &e); /* the connection is gone, and the lock with it */
}

/* ---- steps ---- */

static bool run(struct my_conn *c, const char *sql, struct err *e)
{
    return FAULT_POINT("sidecar.step", e) && my_exec(c, sql, NULL, e);
}

static bool create(struct my_conn *c, const struct sidecar_table *t, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    sidecar_table_put_create(t, &sql);
    return run(c, buf_str(&sql), e);
}

/* column NULL: whether the table exists. */
static bool has(struct my_conn *c, const char *table, const char *column, bool *yes, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    uint64_t n = 0;
    buf_printf(&sql, "SELECT COUNT(*) FROM information_schema.%s WHERE TABLE_SCHEMA = ",
               column ? "COLUMNS" : "TABLES");
    buf_put_sql_text(&sql, "", SLUICE_SIDECAR_DB);
    buf_put_sql_text(&sql, " AND TABLE_NAME = ", table);
    if (column)
        buf_put_sql_text(&sql, " AND COLUMN_NAME = ", column);
    bool ok = my_query_u64(c, buf_str(&sql), &n, e);
    *yes = n > 0;
    return ok;
}

/* What the notes say is never less after the step than before, however often it begins. Marks in
 * the log are worth nothing after they were read. */
static const char take_notes[] =
    "INSERT INTO " NOTE " (`name`, `n`) SELECT w.`name`, w.`n` FROM " WATERMARK
    " w WHERE w.`name` LIKE 'ended:%' OR w.`name` LIKE 'routing:%' ON DUPLICATE KEY UPDATE "
    "`n` = GREATEST(" NOTE ".`n`, w.`n`)";

static bool split_watermark(struct my_conn *c, struct err *e)
{
    bool there = false;
    if (!has(c, "watermark", NULL, &there, e))
        return false;
    return !there || (create(c, &note_table, e) && run(c, take_notes, e) &&
                      run(c, "DROP TABLE " WATERMARK, e));
}

static bool name_high_watermark(struct my_conn *c, struct err *e)
{
    bool old = false;
    if (!has(c, "position", "u_pos", &old, e))
        return false;
    return !old ||
           run(c,
               "ALTER TABLE " SIDECAR_TABLE("position") " CHANGE `u_pos` `high_pos` " SIDECAR_TEXT,
               e);
}

static bool to_1(struct my_conn *c, struct err *e)
{
    return split_watermark(c, e) && name_high_watermark(c, e);
}

/* By the version that each leads away from. */
static bool (*const steps[SIDECAR_VERSION])(struct my_conn *c, struct err *e) = {to_1};

static bool record(struct my_conn *c, unsigned version, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_printf(&sql,
               "INSERT INTO " VERSION " (`id`, `version`) VALUES (1, %u) ON DUPLICATE KEY UPDATE "
               "`version` = GREATEST(`version`, %u)",
               version, version);
    return run(c, buf_str(&sql), e);
}

bool sidecar_upgrade(struct my_conn *c, unsigned version, struct err *e)
{
    bool ok = version == SIDECAR_VERSION || create(c, &sidecar_version_table, e);
    for (; ok && version < SIDECAR_VERSION; version++)
        ok = steps[version](c, e) && record(c, version + 1, e);
    return ok;
}
