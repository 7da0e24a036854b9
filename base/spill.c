/* base/spill.c — one unlinked temporary file; its logical end is kept here, so that a write that
 * failed half way is overwritten by the next one. */
#include "base/spill.h"

#include "base/mem.h"
#include "base/sys.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct spill {
    char *dir;
    int fd;
    uint64_t end;
};

static bool fail(const char *dir, int number, struct err *e)
{
    return err_set_errno(e, ERR_IO, number != 0 ? number : ENOSPC, "%s: %s", dir,
                         number != 0 ? strerror(number) : "nothing more could be written");
}

struct spill *spill_open(const char *dir, struct err *e)
{
    CLEANUP(mem_free_ptr) char *path = mem_printf("%s/spill.XXXXXX", dir);
    if (!sys_mkdir_private(dir, e))
        return NULL;
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        fail(dir, errno, e);
        return NULL;
    }
    unlink(path);
    struct spill *s = mem_alloc(sizeof *s);
    s->dir = mem_strdup(dir);
    s->fd = fd;
    return s;
}

void spill_close(struct spill *s)
{
    if (!s)
        return;
    close(s->fd);
    free(s->dir);
    free(s);
}

uint64_t spill_len(const struct spill *s)
{
    return s->end;
}

bool spill_append(struct spill *s, const void *p, size_t n, struct err *e)
{
    for (size_t done = 0; done < n;) {
        ssize_t wrote = pwrite(s->fd, (const uint8_t *)p + done, n - done, (off_t)(s->end + done));
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return fail(s->dir, wrote < 0 ? errno : 0, e);
        done += (size_t)wrote;
    }
    s->end += n;
    return true;
}

bool spill_read(const struct spill *s, uint64_t at, void *p, size_t n, struct err *e)
{
    assert(at + n <= s->end);
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(s->fd, (uint8_t *)p + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return err_set_native(e, ERR_IO, ERR_CLASS_FATAL, errno, "%s: %s", s->dir,
                                  got == 0 ? "the file ends early" : strerror(errno));
        done += (size_t)got;
    }
    return true;
}

/* The space behind is given back where the file system can; the logical end is what counts. */
void spill_cut(struct spill *s, uint64_t len)
{
    assert(len <= s->end);
    int ignored = ftruncate(s->fd, (off_t)len);
    (void)ignored;
    s->end = len;
}

char *spill_temporary_dir(void)
{
    const char *tmp = getenv("TMPDIR");
    return mem_printf("%s/sluice-%u", tmp && *tmp ? tmp : "/tmp", (unsigned)getuid());
}
