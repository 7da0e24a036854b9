/* app/cli/cmd_decode.c — `sluice decode`: binary log files to records on stdout, offline; figures
 * with --stats. */
#include "app/cli/commands.h"

#include "app/cli/decode_run.h"
#include "base/mem.h"
#include "base/sys.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool decode_files(struct decode_run *r, const char *const *files, size_t n, struct err *e)
{
    struct cdc_decode_options o = decode_run_options(r);
    struct cdc_source *s = cdc_source_open_files(files, n, r->start_pos, e);
    if (!s)
        return false;
    struct cdc_decoder *d = cdc_decoder_new(&o, NULL);
    bool ok = decode_run_source(r, s, d, e);
    cdc_decoder_free(d);
    s->ops->close(s);
    return ok;
}

static bool number(const struct opt_values *v, const char *name, uint64_t *out, struct err *e)
{
    const char *text = opt_str(v, name);
    return text == NULL || sys_parse_u64(text, out) ||
           err_set(e, ERR_USAGE, "--%s %s is no number", name, text);
}

static bool set_range(struct decode_run *r, const struct opt_values *v, struct err *e)
{
    const char *start_time = opt_str(v, "start-time"), *stop_time = opt_str(v, "stop-time");
    const char *start_gtid = opt_str(v, "start-gtid"), *stop_gtid = opt_str(v, "stop-gtid");
    return number(v, "start-position", &r->start_pos, e) &&
           number(v, "stop-position", &r->stop_pos, e) &&
           (start_time == NULL || decode_range_time(start_time, &r->range.start_time, e)) &&
           (stop_time == NULL || decode_range_time(stop_time, &r->range.stop_time, e)) &&
           (start_gtid == NULL || decode_range_gtids(start_gtid, &r->range.start_gtids, e)) &&
           (stop_gtid == NULL || decode_range_gtids(stop_gtid, &r->range.stop_gtids, e));
}

static bool set_options(struct decode_run *r, const struct opt_values *v, struct err *e)
{
    r->show_stats = opt_flag(v, "stats");
    r->format = opt_str(v, "format");
    if (r->format == NULL)
        r->format = r->show_stats ? "none" : "ndjson";
    r->prefix = opt_str(v, "prefix");
    r->tables = opt_str(v, "tables");
    r->verify = strcasecmp(opt_str(v, "verify-checksum"), "yes") == 0;
    r->tx = opt_flag(v, "tx");
    r->warn_of_statements = strcasecmp(opt_str(v, "on-statement"), "warn") == 0;
    return set_range(r, v, e);
}

static bool decode(struct decode_run *r, const struct opt_values *v, struct err *e)
{
    size_t n = opt_n_args(v);
    if (n == 0)
        return err_set(e, ERR_USAGE, "decode needs at least one FILE (- for stdin)");
    const char **files = mem_calloc(n, sizeof *files);
    for (size_t i = 0; i < n; i++)
        files[i] = opt_arg(v, i);
    bool ok = set_options(r, v, e) && decode_run_open(r, e) && decode_files(r, files, n, e);
    free(files);
    return ok;
}

int cmd_decode(const struct opt_values *v)
{
    struct decode_run r = {.verify = true};
    struct err e = ERR_INIT;
    bool ok = decode(&r, v, &e);
    decode_run_fini(&r);
    return ok ? ERR_EXIT_OK : cmd_fail(v, &e);
}
