/* app/cli/cmd_decode.c — `sluice decode`: binary log files to records on stdout, offline; figures
 * with --stats. */
#include "app/cli/cmd_decode.h"

#include "app/cli/decode_run.h"
#include "base/sys.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool decode_files(struct decode_run *r, char **files, int n, struct err *e)
{
    struct cdc_decode_options o = decode_run_options(r);
    struct cdc_source *s =
        cdc_source_open_files((const char *const *)files, (size_t)n, r->start_pos, e);
    if (!s)
        return false;
    struct cdc_decoder *d = cdc_decoder_new(&o, NULL);
    bool ok = decode_run_source(r, s, d, e);
    cdc_decoder_free(d);
    s->ops->close(s);
    return ok;
}

enum {
    OPTION_FORMAT = 256,
    OPTION_TABLES,
    OPTION_START,
    OPTION_STOP,
    OPTION_START_TIME,
    OPTION_STOP_TIME,
    OPTION_START_GTID,
    OPTION_STOP_GTID,
    OPTION_VERIFY,
    OPTION_STATS,
    OPTION_TX,
    OPTION_PREFIX,
    OPTION_ON_STATEMENT
};
static const struct option options[] = {
    {"format", required_argument, NULL, OPTION_FORMAT},
    {"tables", required_argument, NULL, OPTION_TABLES},
    {"start-position", required_argument, NULL, OPTION_START},
    {"stop-position", required_argument, NULL, OPTION_STOP},
    {"start-time", required_argument, NULL, OPTION_START_TIME},
    {"stop-time", required_argument, NULL, OPTION_STOP_TIME},
    {"start-gtid", required_argument, NULL, OPTION_START_GTID},
    {"stop-gtid", required_argument, NULL, OPTION_STOP_GTID},
    {"verify-checksum", required_argument, NULL, OPTION_VERIFY},
    {"stats", no_argument, NULL, OPTION_STATS},
    {"tx", no_argument, NULL, OPTION_TX},
    {"prefix", required_argument, NULL, OPTION_PREFIX},
    {"on-statement", required_argument, NULL, OPTION_ON_STATEMENT},
    {NULL, 0, NULL, 0},
};

static bool set_option(struct decode_run *r, int option, const char *value, struct err *e)
{
    switch (option) {
    case OPTION_FORMAT:
        r->format = value;
        return true;
    case OPTION_TABLES:
        r->tables = value;
        return true;
    case OPTION_START:
        return sys_parse_u64(value, &r->start_pos) ||
               err_set(e, ERR_USAGE, "--start-position %s is no number", value);
    case OPTION_STOP:
        return sys_parse_u64(value, &r->stop_pos) ||
               err_set(e, ERR_USAGE, "--stop-position %s is no number", value);
    case OPTION_START_TIME:
        return decode_range_time(value, &r->range.start_time, e);
    case OPTION_STOP_TIME:
        return decode_range_time(value, &r->range.stop_time, e);
    case OPTION_START_GTID:
        return decode_range_gtids(value, &r->range.start_gtids, e);
    case OPTION_STOP_GTID:
        return decode_range_gtids(value, &r->range.stop_gtids, e);
    case OPTION_VERIFY:
        r->verify = strcasecmp(value, "yes") == 0;
        return r->verify || strcasecmp(value, "no") == 0 ||
               err_set(e, ERR_USAGE, "--verify-checksum is yes or no");
    case OPTION_STATS:
        r->show_stats = true;
        return true;
    case OPTION_TX:
        r->tx = true;
        return true;
    case OPTION_PREFIX:
        r->prefix = value;
        return true;
    case OPTION_ON_STATEMENT:
        r->warn_of_statements = strcmp(value, "warn") == 0;
        return r->warn_of_statements || strcmp(value, "stop") == 0 ||
               err_set(e, ERR_USAGE,
                       "--on-statement is stop or warn: files do not tell what is unrelated");
    default:
        return err_set(e, ERR_USAGE, "an option of decode is not known or lacks its value");
    }
}

static bool parse(struct decode_run *r, int argc, char **argv, struct err *e)
{
    int option;
    optind = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (!set_option(r, option, optarg, e))
            return false;
    }
    if (optind == argc)
        return err_set(e, ERR_USAGE, "decode needs at least one FILE (- for stdin)");
    if (!r->format)
        r->format = r->show_stats ? "none" : "ndjson";
    return true;
}

int cmd_decode(int argc, char **argv)
{
    struct decode_run r = {.verify = true, .prefix = "sluice"};
    struct err e = ERR_INIT;
    bool ok = parse(&r, argc, argv, &e) && decode_run_open(&r, &e) &&
              decode_files(&r, argv + optind, argc - optind, &e);
    decode_run_fini(&r);
    if (ok)
        return ERR_EXIT_OK;
    char text[2300];
    err_format(&e, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return (int)err_code_exit(e.code);
}
