/* app/main.c — finds the command and runs it; nothing else. */
#include "app/cli/commands.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "mysql/conn.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int print_and_free(struct buf *b, FILE *to, int code)
{
    fwrite(buf_str(b), 1, b->len, to);
    buf_fini(b);
    return code;
}

static int unknown_command(const char *name)
{
    const char *names[64];
    size_t n = 0;
    for (const struct cmd_def *c = cmd_table; c->name != NULL && n < 64; c++)
        names[n++] = c->name;
    struct err e = ERR_INIT;
    if (cmd_refused(name, &e))
        return cmd_fail(NULL, &e);
    const char *near = text_nearest(name, names, n);
    fprintf(stderr, "error: there is no command '%s'", name);
    if (near != NULL)
        fprintf(stderr, "; did you mean %s?", near);
    fprintf(stderr, " (code USAGE)\nsee sluice --help\n");
    return ERR_EXIT_USAGE;
}

static enum log_level level_of(const char *word)
{
    static const char *const words[] = {"error", "warn", "info", "debug"};
    for (unsigned i = 0; i < 4; i++)
        if (strcasecmp(words[i], word) == 0)
            return (enum log_level)i;
    return LOG_INFO;
}

static int run_command(const struct cmd_def *cmd, int argc, char **argv)
{
    struct err e = ERR_INIT;
    struct opt_values *v = opt_parse(cmd, argc, argv, &e);
    if (v == NULL)
        return cmd_fail(NULL, &e);
    int code = ERR_EXIT_OK;
    if (opt_flag(v, "help")) {
        struct buf help = BUF_INIT;
        opt_help_command(cmd, &help);
        print_and_free(&help, stdout, 0);
    } else {
        log_init(level_of(opt_str(v, "log-level")),
                 strcasecmp(opt_str(v, "log-format"), "json") == 0);
        code = cmd->run(v);
    }
    opt_free(v);
    return code;
}

int main(int argc, char **argv)
{
    struct buf text = BUF_INIT;
    mem_init();
    my_tls_without_bundle();
    signal(SIGPIPE, SIG_IGN);
    fault_init_from_env();
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        opt_help_all(&text);
        return print_and_free(&text, argc < 2 ? stderr : stdout,
                              argc < 2 ? ERR_EXIT_USAGE : ERR_EXIT_OK);
    }
    if (strcmp(argv[1], "--version") == 0) {
        buf_printf(&text, "sluice " SLUICE_VERSION "\nclient library: %s\n", my_client_library());
        return print_and_free(&text, stdout, ERR_EXIT_OK);
    }
    const struct cmd_def *cmd = cmd_find(argv[1]);
    return cmd != NULL ? run_command(cmd, argc - 1, argv + 1) : unknown_command(argv[1]);
}
