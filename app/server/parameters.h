/* app/server/parameters.h — the parameters of requests: what each kind of path takes in its query. Pure.
 *
 * Who reads them has a struct that flags_fill_texts fills from the table; the reference comes from it.
 */
#ifndef SLUICE_APP_SERVER_PARAMETERS_H
#define SLUICE_APP_SERVER_PARAMETERS_H

#include "base/flags.h"

struct vstream_parameters {
    char *keyspace, *vgtid, *shard;
    struct flag_list tables;
    bool tx;
    int64_t heartbeat_ms; /* 0: never */
};
struct verb_parameters {
    char *type;
    bool progress;
};

extern const struct flag_def vstream_parameters[];
extern const struct flag_def verb_parameters[];
extern const struct flag_def no_parameters[];

#endif
