/* base/sys.c — small file work and the parsing of numbers, sizes and durations. */
#include "base/sys.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_TIMEOUT_MS 5000

static bool fail_io(struct err *e, const char *what, const char *path, int number)
{
    return err_set_errno(e, ERR_IO, number, "%s: cannot %s: %s", path, what, strerror(number));
}

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* A pipe whose other end says nothing must not hold the caller for ever. */
static bool wait_readable(int fd, const char *path, struct err *e)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n;
    do
        n = poll(&p, 1, READ_TIMEOUT_MS);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return true;
    err_set(e, ERR_IO, "read %s: nothing came within %d s", path, READ_TIMEOUT_MS / 1000);
    return err_cure(e, "name a file, or a pipe that somebody writes into");
}

/* 1: bytes were appended; 0: the end; -1: failed. */
static int read_some(int fd, const char *path, size_t max_bytes, struct buf *out, struct err *e)
{
    uint8_t *to = buf_reserve(out, 65536);
    if (!to) {
        err_set(e, ERR_LIMIT, "%s: larger than %zu bytes", path, max_bytes);
        return -1;
    }
    ssize_t n;
    while ((n = read(fd, to, 65536)) < 0) {
        if (errno != EINTR && errno != EAGAIN) {
            fail_io(e, "read", path, errno);
            return -1;
        }
        if (errno == EAGAIN && !wait_readable(fd, path, e))
            return -1;
    }
    out->len += (size_t)n;
    out->data[out->len] = 0;
    return n > 0;
}

bool sys_read_file(const char *path, size_t max_bytes, struct buf *out, struct err *e)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_io(e, "open", path, errno);
    size_t start = out->len;
    int more;
    while ((more = read_some(fd, path, max_bytes, out, e)) > 0) {
        if (out->len - start > max_bytes)
            return err_set(e, ERR_LIMIT, "%s: larger than %zu bytes", path, max_bytes);
    }
    return more == 0;
}

static bool check_secret_mode(const char *path, const struct stat *st, struct err *e)
{
    if ((st->st_mode & (S_IRWXO | S_IWGRP)) == 0)
        return true;
    err_set(e, ERR_CONFIG, "%s holds a secret and may be %s by others (mode %03o)", path,
            st->st_mode & (S_IWGRP | S_IWOTH) ? "changed" : "read", (unsigned)st->st_mode & 0777);
    return err_cure(e, "chmod 600 %s", path);
}

bool sys_read_secret(const char *path, size_t max_bytes, struct buf *out, struct err *e)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return fail_io(e, "open", path, errno);
    return check_secret_mode(path, &st, e) && sys_read_file(path, max_bytes, out, e);
}

bool sys_write_all(int fd, const void *p, size_t n)
{
    const char *s = p;
    while (n > 0) {
        ssize_t done = write(fd, s, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        s += done;
        n -= (size_t)done;
    }
    return true;
}

/* A rename survives a power cut only when its directory is written too. */
static bool sync_parent(const char *path, struct err *e)
{
    CLEANUP(mem_free_ptr) char *dir = mem_strdup(path);
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = 0;
    const char *name = slash ? dir : ".";
    CLEANUP(close_fd) int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return fail_io(e, "sync directory", name, errno);
    return true;
}

bool sys_write_file_atomic(const char *path, const void *p, size_t n, unsigned mode, struct err *e)
{
    CLEANUP(mem_free_ptr) char *temporary = mem_printf("%s.tmp-XXXXXX", path);
    CLEANUP(close_fd) int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return fail_io(e, "create", temporary, errno);
    if (fchmod(fd, mode) != 0 || !sys_write_all(fd, p, n) || fsync(fd) != 0 ||
        rename(temporary, path) != 0) {
        int number = errno;
        unlink(temporary);
        return fail_io(e, "write", path, number);
    }
    return sync_parent(path, e);
}

static bool make_one(const char *path, struct err *e)
{
    struct stat st;
    if (mkdir(path, 0700) == 0)
        return true;
    if (errno != EEXIST)
        return fail_io(e, "create directory", path, errno);
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return fail_io(e, "use as directory", path, ENOTDIR);
    return true;
}

static bool check_private(const char *path, const struct stat *st, struct err *e)
{
    if (S_ISLNK(st->st_mode))
        return err_set(e, ERR_IO, "%s is a symbolic link; a private directory is wanted", path);
    if (!S_ISDIR(st->st_mode))
        return err_set(e, ERR_IO, "%s is no directory", path);
    if (st->st_uid != geteuid() && geteuid() != 0) {
        err_set(e, ERR_CONFIG, "directory %s belongs to another user (uid %u)", path,
                (unsigned)st->st_uid);
        return err_cure(e, "chown it to the user that runs sluice, or name another directory");
    }
    if (st->st_mode & (S_IWGRP | S_IWOTH)) {
        err_set(e, ERR_CONFIG, "directory %s may be changed by other users (mode %03o)", path,
                (unsigned)st->st_mode & 0777);
        return err_cure(e, "chmod 700 %s", path);
    }
    if (st->st_mode & (S_IROTH | S_IXOTH))
        log_warn("files", "directory %s is open to all users (mode %03o); chmod 700 it", path,
                 (unsigned)st->st_mode & 0777);
    return true;
}

bool sys_mkdir_private(const char *path, struct err *e)
{
    CLEANUP(mem_free_ptr) char *copy = mem_strdup(path);
    size_t n = strlen(copy);
    while (n > 1 && copy[n - 1] == '/')
        copy[--n] = 0;
    for (char *s = copy + 1; n > 0 && *s; s++) {
        if (*s != '/')
            continue;
        *s = 0;
        if (!make_one(copy, e))
            return false;
        *s = '/';
    }
    if (!make_one(copy, e))
        return false;
    struct stat st;
    if (lstat(copy, &st) != 0)
        return fail_io(e, "inspect", copy, errno);
    return check_private(copy, &st, e);
}

struct unit {
    const char *name;
    uint64_t factor;
};

static bool parse_with_unit(const char *text, const struct unit *units, uint64_t *out)
{
    size_t digits = strspn(text, "0123456789");
    char number[24];
    if (digits == 0 || digits >= sizeof number)
        return false;
    memcpy(number, text, digits);
    number[digits] = 0;
    uint64_t v;
    if (!sys_parse_u64(number, &v))
        return false;
    for (const struct unit *u = units; u->name; u++)
        if (strcmp(text + digits, u->name) == 0)
            return !__builtin_mul_overflow(v, u->factor, out);
    return false;
}

bool sys_parse_size(const char *text, uint64_t *bytes, struct err *e)
{
    static const struct unit units[] = {
        {"", 1},
        {"B", 1},
        {"k", 1 << 10},
        {"K", 1 << 10},
        {"KiB", 1 << 10},
        {"kB", 1000},
        {"KB", 1000},
        {"M", 1 << 20},
        {"MiB", 1 << 20},
        {"MB", 1000000},
        {"G", 1 << 30},
        {"GiB", 1 << 30},
        {"GB", 1000000000},
        {"T", (uint64_t)1 << 40},
        {"TiB", (uint64_t)1 << 40},
        {"TB", 1000000000000},
        {NULL, 0},
    };
    if (parse_with_unit(text, units, bytes))
        return true;
    err_set(e, ERR_CONFIG, "\"%s\" is not a size", text);
    return err_cure(e, "write a number and a unit, for example 64MiB");
}

bool sys_parse_duration_ms(const char *text, int64_t *ms, struct err *e)
{
    static const struct unit units[] = {{"", 1000},      {"ms", 1},      {"s", 1000},
                                        {"m", 60000},    {"min", 60000}, {"h", 3600000},
                                        {"d", 86400000}, {NULL, 0}};
    uint64_t v;
    if (parse_with_unit(text, units, &v) && v <= INT64_MAX) {
        *ms = (int64_t)v;
        return true;
    }
    err_set(e, ERR_CONFIG, "\"%s\" is not a duration", text);
    return err_cure(e, "write a number and a unit, for example 500ms, 30s, 5m or 2h");
}

size_t sys_rss_bytes(void)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    uint64_t pages = 0;
    if (!sys_read_file("/proc/self/statm", 4096, &text, NULL))
        return 0;
    char *rest = (char *)text.data;
    (void)strsep(&rest, " "); /* total program size */
    char *resident = rest ? strsep(&rest, " ") : NULL;
    if (!resident || !sys_parse_u64(resident, &pages))
        return 0;
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* 0 is the calling thread, on Linux. */
bool sys_thread_yields(void)
{
    return sched_getscheduler(0) == SCHED_OTHER &&
           sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0}) == 0;
}

void sys_thread_yields_no_more(void)
{
    (void)sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0});
}

bool sys_parse_u64(const char *text, uint64_t *out)
{
    uint64_t v = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
            return false;
    }
    *out = v;
    return true;
}

bool sys_parse_i64(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    uint64_t v, limit = (uint64_t)INT64_MAX + negative;
    if (!sys_parse_u64(text + negative, &v) || v > limit)
        return false;
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}
