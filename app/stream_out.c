/* app/stream_out.c — holds a transaction's records until its commit, then writes them out at once.
 */
#include "app/stream_out.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t stdout_lock = PTHREAD_MUTEX_INITIALIZER;

static bool write_stdout(const uint8_t *p, size_t n, struct err *e)
{
    while (n > 0) {
        ssize_t w = write(STDOUT_FILENO, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0 && errno == EPIPE)
            return err_set(e, ERR_SHUTDOWN, "the reader of our output has gone");
        if (w < 0)
            return err_set(e, ERR_IO, "stdout: %s", strerror(errno));
        p += w;
        n -= (size_t)w;
    }
    return true;
}

void stream_out_drop(struct stream_out *o)
{
    buf_reset(&o->held);
    if (o->spill != NULL)
        fclose(o->spill);
    o->spill = NULL;
}

void stream_out_fini(struct stream_out *o)
{
    stream_out_drop(o);
    buf_fini(&o->held);
}

static bool spill(struct stream_out *o, struct err *e)
{
    if (o->spill == NULL)
        o->spill = tmpfile();
    if (o->spill == NULL || fwrite(o->held.data, 1, o->held.len, o->spill) != o->held.len) {
        err_set(e, errno == ENOSPC ? ERR_DISK_FULL : ERR_IO,
                "temporary file for a large transaction: %s", strerror(errno));
        return err_cure(e, "make room in the temporary directory, or set TMPDIR");
    }
    buf_reset(&o->held);
    return true;
}

bool stream_out_put(struct stream_out *o, const void *p, size_t n, struct err *e)
{
    buf_put(&o->held, p, n);
    return o->held.len < STREAM_HOLD_BYTES || spill(o, e);
}

static bool write_spilled(struct stream_out *o, struct err *e)
{
    uint8_t block[65536];
    size_t n;
    rewind(o->spill);
    while ((n = fread(block, 1, sizeof block, o->spill)) > 0)
        if (!write_stdout(block, n, e))
            return false;
    return !ferror(o->spill) ||
           err_set(e, ERR_IO, "temporary file for a large transaction: %s", strerror(errno));
}

bool stream_out_release(struct stream_out *o, struct err *e)
{
    if (o->held.len == 0 && o->spill == NULL)
        return true;
    pthread_mutex_lock(&stdout_lock);
    bool ok =
        (o->spill == NULL || write_spilled(o, e)) && write_stdout(o->held.data, o->held.len, e);
    pthread_mutex_unlock(&stdout_lock);
    stream_out_drop(o);
    return ok;
}
