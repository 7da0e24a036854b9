/* mysql/password.c — the password of one login: from a file, the output of a command, or a literal.
 *
 * Read anew at each connect, so that a rotated password or a token that expires needs no restart.
 * Neither the password nor the command's output reaches an error or a log.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sys.h"
#include "mysql/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASSWORD_MAX_BYTES ((size_t)16 * 1024)
#define COMMAND_TIMEOUT_MS 30000

extern char **environ;

void my_password_free(char *password)
{
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
}

static void wipe(struct buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    buf_fini(b);
}

/* The bytes up to the end without one trailing line end. */
static char *take_line(struct buf *b)
{
    size_t n = b->len;
    if (n > 0 && b->data[n - 1] == '\n')
        n--;
    if (n > 0 && b->data[n - 1] == '\r')
        n--;
    return mem_strndup(buf_str(b), n);
}

/* A login that cannot be made now, like one that the server refuses: a rotation replaces the file
 * in a moment, a file system of secrets is mounted again. */
static bool not_readable(struct err *e, const char *path, const char *why)
{
    err_set(e, ERR_DB_AUTH, "password file %s: %s", path, why);
    return err_cure(e, "put it back; it is read again at each attempt to connect");
}

static bool check_mode(const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return not_readable(e, path, strerror(errno));
    if (st.st_mode & S_IWOTH) {
        err_set(e, ERR_CONFIG, "password file %s can be written by everybody", path);
        return err_cure(e, "chmod 600 %s", path);
    }
    if (st.st_mode & S_IROTH)
        log_warn("mysql", "password file %s can be read by everybody; chmod 600 it", path);
    return true;
}

static bool read_file(const char *path, char **out, struct err *e)
{
    struct buf b CLEANUP(wipe) = BUF_INIT;
    if (!check_mode(path, e))
        return false;
    if (!sys_read_file(path, PASSWORD_MAX_BYTES, &b, e)) {
        struct err why = *e;
        return not_readable(e, path, why.text);
    }
    *out = take_line(&b);
    return true;
}

/* Reads all output until the end or the deadline; false on timeout or too much. */
static bool drain(int fd, struct buf *out)
{
    int64_t deadline_ms = clock_mono_ms() + COMMAND_TIMEOUT_MS;
    for (;;) {
        int64_t left_ms = deadline_ms - clock_mono_ms();
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        if (left_ms <= 0 || poll(&pfd, 1, (int)left_ms) == 0)
            return false;
        uint8_t *to = buf_reserve(out, 1024);
        if (!to)
            return false;
        ssize_t n = read(fd, to, 1024);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        out->len += (size_t)n;
        out->data[out->len] = 0;
    }
}

static bool spawn_shell(const char *command, int out_fd, pid_t *pid)
{
    char shell[] = "sh", dash_c[] = "-c";
    char *text = mem_strdup(command);
    char *argv[] = {shell, dash_c, text, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
    int rc = posix_spawn(pid, "/bin/sh", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    free(text);
    return rc == 0;
}

static bool run_command(const char *command, char **out, struct err *e)
{
    struct buf b CLEANUP(wipe) = BUF_INIT;
    buf_init(&b, PASSWORD_MAX_BYTES);
    int pipe_fd[2];
    pid_t pid;
    if (pipe2(pipe_fd, O_CLOEXEC) != 0)
        return err_set(e, ERR_DB_AUTH, "password command: pipe: %s", strerror(errno));
    bool started = spawn_shell(command, pipe_fd[1], &pid);
    close(pipe_fd[1]);
    bool whole = started && drain(pipe_fd[0], &b);
    close(pipe_fd[0]);
    int status = -1;
    if (started) {
        if (!whole)
            kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    if (!whole || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        err_set(e, ERR_DB_AUTH, "the password command failed or gave no answer within %d s",
                COMMAND_TIMEOUT_MS / 1000);
        return err_cure(e, "run it by hand as the user that runs sluice");
    }
    *out = take_line(&b);
    return true;
}

bool my_password_get(const struct my_params *p, char **out, struct err *e)
{
    *out = NULL;
    if (p->password_file)
        return read_file(p->password_file, out, e);
    if (p->password_command)
        return run_command(p->password_command, out, e);
    *out = mem_strdup(p->password);
    return true;
}
