/* base/sys.h — files and directories: whole-file read, atomic write, private directories, sizes. */
#ifndef SLUICE_BASE_SYS_H
#define SLUICE_BASE_SYS_H

#include "base/buf.h"

/* The whole file, appended to out. A pipe is waited for, 5 s at a time; one that nobody writes into
 * is an empty file. ERR_IO, ERR_LIMIT. */
bool sys_read_file(const char *path, size_t max_bytes, struct buf *out, struct err *e) WARN_UNUSED;
/* The same for a file with a secret. ERR_CONFIG with the cure when others than its owner may change
 * it, or everybody may read it. */
bool sys_read_secret(const char *path, size_t max_bytes, struct buf *out,
                     struct err *e) WARN_UNUSED;
/* Written to a temporary file in the same directory, fsynced, renamed. mode e.g. 0644. */
bool sys_write_file_atomic(const char *path, const void *p, size_t n, unsigned mode,
                           struct err *e) WARN_UNUSED;
bool sys_write_all(int fd, const void *p, size_t n); /* goes on after a signal; false: errno */
/* Makes the directory (0700) and its parents. One that exists must be no symbolic link, belong to
 * this process's user and be writable by nobody else, else ERR_CONFIG with the cure; one that
 * others may read is used with a warning. */
bool sys_mkdir_private(const char *path, struct err *e) WARN_UNUSED;
/* "64MiB", "20GiB", "512", "10k" → bytes. */
bool sys_parse_size(const char *text, uint64_t *bytes, struct err *e) WARN_UNUSED;
/* "500ms", "30s", "5m", "2h" → milliseconds; a bare number is seconds. */
bool sys_parse_duration_ms(const char *text, int64_t *ms, struct err *e) WARN_UNUSED;
size_t sys_rss_bytes(void);
/* The calling thread, when it is woken, leaves the core to whoever runs there until that waits or
 * its turn is over; for threads that are often woken for a little. False: its scheduling is not the
 * usual one, and stays; or the system does not let it. */
bool sys_thread_yields(void);
void sys_thread_yields_no_more(void);                /* only after true */
bool sys_parse_u64(const char *text, uint64_t *out); /* whole string, decimal */
bool sys_parse_i64(const char *text, int64_t *out);

#endif
