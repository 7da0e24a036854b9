/* state/log_match.h — is the log that a server has now the one in which a position was recorded?
 * Pure.
 *
 * A position is GTIDs, a file's name and an offset: numbers that a server gives out again after
 * RESET, after a restore, or when it is built anew at the same address. So a position says whose
 * log it is of (log_id), and nothing is read from a place before this rule has said what it means
 * on the server that answers. Whoever asks the server for what it has: cdc/source_dump.c.
 */
#ifndef SLUICE_STATE_LOG_MATCH_H
#define SLUICE_STATE_LOG_MATCH_H

#include "state/position.h"

enum log_file {
    LOG_FILE_UNSEEN, /* the server does not let us look */
    LOG_FILE_THERE,
    LOG_FILE_OLDER, /* it is gone, and its number is before those that are there */
    LOG_FILE_GONE   /* nothing there is like it */
};
enum log_next {
    LOG_NEXT_UNSEEN,
    LOG_NEXT_NEW,  /* nothing, or a transaction begins at the offset, one that is not in the set */
    LOG_NEXT_WRONG /* no event begins there, or one inside a transaction, or a transaction that
                       the position's set has already */
};

/* What a server shows of its log. */
struct log_view {
    char server[sizeof((struct log_id *)0)->server];
    const struct gtid_set *executed; /* all that it has; NULL: it has no GTIDs */
    const struct gtid_set *first;    /* what is before its oldest file; NULL: not known */
    /* Of the file that the position names, if it names one: */
    enum log_file file;
    uint32_t begun; /* as in log_id */
    uint64_t size;
    enum log_next next;
};

enum log_match {
    LOG_MATCH_SAME,
    LOG_MATCH_FAIL_OVER, /* another server, which has all of it: its GTIDs hold, its file does not */
    LOG_MATCH_BEHIND,    /* the server may yet get there; if it does not, it has lost something */
    LOG_MATCH_PURGED,
    LOG_MATCH_OTHER /* another log: neither its GTIDs nor file and offset mean anything here */
};
enum log_match log_match(const struct position *recorded, const struct log_view *now);

/* The same for a place in a file alone, of which something was recorded (a table's definition). */
bool log_has_place(const struct log_id *of, uint64_t pos, enum log_file file, uint32_t begun,
                   uint64_t size);

#endif
