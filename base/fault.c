/* base/fault.c — the table of armed fault points and the count of every point that was passed. */
#include "base/fault.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/sys.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum action { ACTION_KILL, ACTION_FAIL, ACTION_STOP, ACTION_DELAY, ACTION_EXIT };

struct rule {
    char *name;    /* NULL: any point, by the seeded draw */
    uint64_t nth;  /* 0: always */
    uint64_t seen; /* passings of this point since the rule was armed */
    uint64_t state, permille;
    enum action action;
    int64_t argument;
};

int fault_armed;

static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rule *rules;
static size_t n_rules, rules_cap;
static struct map *passed; /* name → uint64_t count */

static bool parse_action(const char *text, struct rule *r)
{
    static const struct {
        const char *name;
        enum action action;
    } plain[] = {{"kill", ACTION_KILL}, {"fail", ACTION_FAIL}, {"stop", ACTION_STOP}};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (strcmp(text, plain[i].name) == 0) {
            r->action = plain[i].action;
            return true;
        }
    }
    if (strncmp(text, "delay=", 6) == 0) {
        r->action = ACTION_DELAY;
        return sys_parse_i64(text + 6, &r->argument) && r->argument >= 0;
    }
    r->action = ACTION_EXIT;
    return strncmp(text, "exit=", 5) == 0 && sys_parse_i64(text + 5, &r->argument) &&
           r->argument >= 0 && r->argument <= 255;
}

/* The next part of a colon-separated text, cut off; NULL at the end. */
static char *next_part(char **rest)
{
    return *rest ? strsep(rest, ":") : NULL;
}

static bool parse_rule(char *text, struct rule *r)
{
    char *rest = text, *name = next_part(&rest), *action = next_part(&rest);
    char *nth = next_part(&rest);
    *r = (struct rule){.nth = 1};
    if (!name || !name[0] || rest || !action || !parse_action(action, r))
        return false;
    if (strncmp(name, "seed=", 5) == 0)
        return nth && sys_parse_u64(name + 5, &r->state) && sys_parse_u64(nth, &r->permille) &&
               r->permille <= 1000;
    if (nth && strcmp(nth, "*") == 0)
        r->nth = 0;
    else if (nth && (!sys_parse_u64(nth, &r->nth) || r->nth == 0))
        return false;
    r->name = mem_strdup(name);
    return true;
}

static void add_rule(const struct rule *r)
{
    if (n_rules == rules_cap) {
        rules_cap = rules_cap ? 2 * rules_cap : 8;
        rules = mem_realloc(rules, rules_cap, sizeof *rules);
    }
    rules[n_rules++] = *r;
}

static void drop_rules(void)
{
    for (size_t i = 0; i < n_rules; i++)
        free(rules[i].name);
    n_rules = 0;
}

bool fault_arm(const char *spec, struct err *e)
{
    CLEANUP(mem_free_ptr) char *copy = mem_strdup(spec);
    bool ok = true;
    pthread_mutex_lock(&fault_lock);
    drop_rules();
    char *rest = copy[0] ? copy : NULL;
    for (char *part; ok && (part = strsep(&rest, ",")) != NULL;) {
        struct rule r;
        if (strcmp(part, "watch") == 0)
            continue;
        ok = parse_rule(part, &r);
        if (ok)
            add_rule(&r);
    }
    if (!ok)
        drop_rules();
    __atomic_store_n(&fault_armed, ok && spec[0], __ATOMIC_RELAXED);
    pthread_mutex_unlock(&fault_lock);
    if (ok)
        return true;
    err_set(e, ERR_USAGE, "\"%s\" is not a list of fault points", spec);
    return err_cure(e, "write name:kill|fail|stop|delay=MS|exit=CODE[:nth]");
}

void fault_init_from_env(void)
{
    const char *spec = getenv("SLUICE_FAULT");
    struct err e = ERR_INIT;
    if (!spec || fault_arm(spec, &e))
        return;
    char text[1024];
    err_format(&e, text, sizeof text);
    dprintf(STDERR_FILENO, "%s\n", text);
    _exit(ERR_EXIT_USAGE); /* a test that arms nothing would pass for nothing */
}

static void count_passing(const char *name)
{
    if (!passed)
        passed = map_new(free);
    uint64_t *n = map_get_str(passed, name);
    if (!n) {
        n = mem_alloc(sizeof *n);
        map_put_str(passed, name, n);
    }
    ++*n;
}

static bool draw(struct rule *r)
{
    r->state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t x = r->state;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (x ^ x >> 31) % 1000 < r->permille;
}

static bool rule_fires(struct rule *r, const char *name)
{
    if (!r->name)
        return draw(r);
    if (strcmp(r->name, name) != 0)
        return false;
    r->seen++;
    return r->nth == 0 || r->seen == r->nth;
}

/* The action is carried out without the lock: a stopped or sleeping thread must not stop the
 * others. */
static bool carry_out(const char *name, enum action action, int64_t argument, struct err *e)
{
    switch (action) {
    case ACTION_KILL:
        kill(getpid(), SIGKILL);
        return true;
    case ACTION_STOP:
        /* To this thread: a signal to the process may be taken by another one, while this goes on.
         */
        raise(SIGSTOP);
        return true;
    case ACTION_EXIT:
        _exit((int)argument);
    case ACTION_DELAY:
        clock_sleep_ms(argument, NULL);
        return true;
    case ACTION_FAIL:
        return err_set(e, ERR_FAULT_INJECTED, "fault point %s fired", name);
    }
    return true;
}

bool fault_hit(const char *name, struct err *e)
{
    bool fires = false;
    enum action action = ACTION_FAIL;
    int64_t argument = 0;
    pthread_mutex_lock(&fault_lock);
    count_passing(name);
    for (size_t i = 0; i < n_rules; i++) {
        if (!rule_fires(&rules[i], name) || fires)
            continue;
        fires = true;
        action = rules[i].action;
        argument = rules[i].argument;
    }
    pthread_mutex_unlock(&fault_lock);
    return !fires || carry_out(name, action, argument, e);
}

void fault_list(struct buf *out)
{
    const void *name;
    size_t it = 0, name_len;
    void *count;
    pthread_mutex_lock(&fault_lock);
    while (passed && map_next(passed, &it, &name, &name_len, &count)) {
        buf_put(out, name, name_len);
        buf_put_u8(out, '\t');
        buf_put_u64(out, *(uint64_t *)count);
        buf_put_u8(out, '\n');
    }
    pthread_mutex_unlock(&fault_lock);
}
