/* state/log_match.c — is the log that a server has now the one in which a position was recorded?
 *
 * What is said of a position {GTID set G, file F, offset P, server S, F begun at T}, and why:
 *
 *  L1  S is another server: F and P are not of its files. If it has all of G (a server's GTIDs name
 *      transactions, whoever executes them), it is a fail-over and G says where to go on. If not,
 *      it may still be applying them; in the end it is a server that lacks what was read. Without G
 *      nothing of the position means anything there.
 *      ▶ MariaDB's sets name the last of each domain only: "0-2-60" seems to have "0-1-42". There
 *      the server itself refuses a dump from a GTID that its log never had.
 *  L2  S is the server, and its F was begun at another time: the log was reset, restored or built
 *      anew, and the numbers are given out again. Nothing else needs to be looked at, and nothing
 *      else would show it once the new log has grown beyond G and P.
 *      A file is begun once; its name comes again only in another log. Two logs whose files of one
 *      name were begun in the same second are told apart by L3 and L4 alone.
 *  L3  S lacks some of G, or F ends before P: not (yet) what was read.
 *  L4  At P begins what is inside a transaction, or a transaction of G: what was read ended
 *      elsewhere, so F had another content (a copy of the server that has gone another way).
 *  L5  F is gone. That it was purged is proven if everything before the oldest file is exactly G:
 *      then nothing between P and that file is missing, and nothing of G is from another log, as far
 *      as GTIDs can tell. If there is more than G, the log is purged; if there is not all of G, the
 *      log begins with other transactions than ours did. Without G an older number says purged.
 *  L6  Positions of earlier versions and other programs name no server. Their GTIDs are believed if
 *      the server has them; their file is not, since it may be another server's.
 *
 * A crash at any point is harmless: identity and position are one text, written and read together,
 * so whoever finds the position finds the log it is of, and comes to the same answer again.
 */
#include "state/log_match.h"

#include <string.h>

static bool has_all(const struct gtid_set *set, const struct gtid_set *of)
{
    return gtid_set_is_empty(of) ||
           (set && gtid_set_flavor(set) == gtid_set_flavor(of) && gtid_set_contains(set, of));
}

static bool begun_apart(uint32_t recorded, uint32_t now)
{
    return recorded && now && recorded != now;
}

static enum log_match without_its_file(const struct position *p, const struct log_view *now)
{
    if (!position_is_by_gtid(p))
        return now->file == LOG_FILE_OLDER ? LOG_MATCH_PURGED : LOG_MATCH_OTHER;
    if (!now->first || !has_all(now->first, p->gtids))
        return LOG_MATCH_OTHER;
    return has_all(p->gtids, now->first) ? LOG_MATCH_SAME : LOG_MATCH_PURGED;
}

static enum log_match in_its_file(const struct position *p, const struct log_view *now)
{
    switch (now->file) {
    case LOG_FILE_UNSEEN:
        return LOG_MATCH_SAME;
    case LOG_FILE_THERE:
        if (p->pos > now->size)
            return LOG_MATCH_BEHIND;
        return now->next == LOG_NEXT_WRONG ? LOG_MATCH_OTHER : LOG_MATCH_SAME;
    case LOG_FILE_OLDER:
    case LOG_FILE_GONE:
        return without_its_file(p, now);
    }
    return LOG_MATCH_OTHER;
}

enum log_match log_match(const struct position *p, const struct log_view *now)
{
    bool by_gtid = position_is_by_gtid(p), named = p->log.server[0] != 0;
    bool has = by_gtid && has_all(now->executed, p->gtids);
    if (named && strcmp(p->log.server, now->server) != 0) {
        if (!by_gtid)
            return LOG_MATCH_OTHER;
        return has ? LOG_MATCH_FAIL_OVER : LOG_MATCH_BEHIND;
    }
    if (named && now->file == LOG_FILE_THERE && begun_apart(p->log.begun, now->begun))
        return LOG_MATCH_OTHER;
    if (by_gtid && !has)
        return LOG_MATCH_BEHIND;
    if (!p->file[0] || (by_gtid && !named))
        return LOG_MATCH_SAME;
    return in_its_file(p, now);
}

bool log_has_place(const struct log_id *of, uint64_t pos, enum log_file file, uint32_t begun,
                   uint64_t size)
{
    return file == LOG_FILE_THERE && of->begun && of->begun == begun && pos <= size;
}
