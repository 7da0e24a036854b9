/* mysql/dump_error.c — what the servers mean by error 1236, told by its text, and what cures it.
 *
 * Texts: MySQL sql/rpl_binlog_sender.cc and share/messages_to_clients.txt, MariaDB sql/sql_repl.cc.
 */
#include "mysql/dump_backend.h"

#include <string.h>

struct dump_text {
    const char *part; /* of the server's message */
    enum err_code code;
    enum err_class class_;
    const char *cure;
};

static const char purged_cure[] =
    "the server deleted these log files: start from 'current' or copy the tables again, and keep "
    "the "
    "logs longer (binlog_expire_logs_seconds; on RDS: CALL mysql.rds_set_configuration('binlog "
    "retention hours', 168))";
static const char ahead_cure[] =
    "the server has lost transactions or is another one (restored, reset, failed over): check "
    "which "
    "server answers at this address, then start from a position that it has";
static const char id_cure[] = "give each installation its own range of server_ids";

static const struct dump_text texts[] = {
    {"same server_uuid/server_id", ERR_SRC_SERVER_ID, ERR_CLASS_RETRY, id_cure},
    {"same server_uuid", ERR_SRC_SERVER_ID, ERR_CLASS_RETRY, id_cure},
    {"purged", ERR_SRC_PURGED, ERR_CLASS_FATAL, purged_cure},
    {"Could not find first log file name", ERR_SRC_PURGED, ERR_CLASS_FATAL, purged_cure},
    {"Could not find GTID state requested by slave in any binlog", ERR_SRC_PURGED, ERR_CLASS_FATAL,
     purged_cure},
    {"has more GTIDs than the", ERR_SRC_AHEAD, ERR_CLASS_FATAL, ahead_cure},
    {"which is not in the master's binlog", ERR_SRC_AHEAD, ERR_CLASS_FATAL, ahead_cure},
    {"position > file size", ERR_SRC_AHEAD, ERR_CLASS_FATAL, ahead_cure},
    {"impossible position", ERR_SRC_AHEAD, ERR_CLASS_FATAL, ahead_cure},
    {"GTID_MODE = OFF", ERR_SRC_SETTING, ERR_CLASS_FATAL,
     "gtid_mode was switched off: start from file and position"},
    {"cannot be replicated to a", ERR_SRC_SETTING, ERR_CLASS_FATAL, NULL},
    {"exceeded max_allowed_packet", ERR_SRC_SETTING, ERR_CLASS_FATAL,
     "raise max_allowed_packet on the source (SET GLOBAL max_allowed_packet=1073741824; on RDS in "
     "the "
     "parameter group)"},
    {"Binary log is not open", ERR_SRC_SETTING, ERR_CLASS_FATAL, "start the server with --log-bin"},
    {"Misconfigured master", ERR_SRC_SETTING, ERR_CLASS_FATAL, "set server_id on the source"},
};

static const struct dump_text *find_text(const char *message)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strstr(message, texts[i].part))
            return &texts[i];
    return NULL;
}

void my_dump_error(struct err *e)
{
    if (e->native != MY_ERROR_DUMP && e->native != MY_ERROR_SAME_ID)
        return;
    const struct dump_text *t = find_text(e->text);
    e->code = t ? t->code : ERR_SRC_DUMP;
    e->class_ = t ? t->class_ : ERR_CLASS_RETRY;
    if (t && t->cure)
        err_cure(e, "%s", t->cure);
}
