/* tests/support/fixtures.h — finds captured data outside the tree and walks its tab-separated
 * lines. */
#ifndef SLUICE_TESTS_SUPPORT_FIXTURES_H
#define SLUICE_TESTS_SUPPORT_FIXTURES_H

#include "base/sys.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file below SLUICE_FIXTURES, else ../shared/fixtures; false (and says so) if it is absent. */
static inline bool fixture_read(const char *relative, struct buf *out)
{
    const char *root = getenv("SLUICE_FIXTURES");
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", root && *root ? root : "../shared/fixtures", relative);
    FILE *f = fopen(path, "rb");
    if (!f) {
        printf("skipped: external fixtures absent\n");
        return false;
    }
    fclose(f);
    struct err e = ERR_INIT;
    if (sys_read_file(path, (size_t)512 << 20, out, &e))
        return true;
    printf("skipped: %s\n", e.text);
    return false;
}

enum { FIXTURE_FIELDS = 8 };

/* Splits the next line in place; false at the end. Absent fields are "". */
static inline bool fixture_next_line(char **at, char *fields[FIXTURE_FIELDS])
{
    static char empty[] = "";
    if (!*at || !**at)
        return false;
    char *line = strsep(at, "\n");
    for (size_t i = 0; i < FIXTURE_FIELDS; i++) {
        char *field = line ? strsep(&line, "\t") : NULL;
        fields[i] = field ? field : empty;
    }
    return true;
}

#endif
