/* cdc/vstream/family.h — from where each shard of a keyspace is read, across reshards, given what
 * the stream knows of all of them. Pure.
 *
 * A reshard leaves a journal in the log of each shard that served before it, its parents. It names
 * the shards that serve afterwards, its children, and the position in each child's log behind which
 * the child has changes of its own. The order of a key's changes therefore demands:
 *
 *   1. A parent is read up to its journal, whether it serves still or not, and no further.
 *   2. A child begins only when every parent of the journal that is read was read up to it.
 *   3. A child begins at the journal's position, unless it has already been read further.
 *
 * Ids of journals grow with time. What therefore holds in the cases that look alike:
 *
 *   there and back    - was ended by journal 5 and is named as a child by journal 7: it begins again.
 *                     After a crash between its parents' ends and its start this has to be seen
 *                     from their journals alone, because its own state still says that it ended.
 *   one after another - a child of journal 7 that journal 9 has ended is further than journal 7's
 *                     position: a parent of journal 7 that comes late does not start it again.
 *   missed            - a child that a crash kept from beginning is read, though it no longer serves,
 *                     up to the journal of the next reshard; that one's children wait for it.
 *   in the middle     - a child of which one parent has ended waits while another is read.
 *   unread parents    - a parent that no longer serves and of which nothing is known (its initial
 *                     copy was cut off by a crash) is not waited for: its rows are not given.
 *
 * Who keeps the state (checkpoints in a database, lanes in memory) is the caller's affair.
 */
#ifndef SLUICE_CDC_VSTREAM_FAMILY_H
#define SLUICE_CDC_VSTREAM_FAMILY_H

#include "cdc/sidecar/journal.h"
#include "schemas/sharding/keyrange.h"
#include "state/position.h"

struct family_shard {
    const char *name;
    struct keyrange range;
    bool serves; /* the application writes to it now */
    bool known;  /* the stream has read it up to `at` */
    bool ended;  /* known, and `at` is behind (in a merge: in front of) its journal's transaction */
    struct position at;
    struct cdc_journal journal; /* ended: the journal that was reached */
};
void family_shard_fini(struct family_shard *s);
struct family {
    const char *keyspace;
    struct family_shard *shards;
    size_t n;
};
/* Index of the shard of that name; -1: it is none of the family. */
int family_find(const struct family *f, const char *shard);

/* Whether the shard served before the journal's switch. */
bool family_is_parent(const struct family *f, const struct cdc_journal *j, const char *shard);

/* Whether every parent of the journal that the stream reads has reached it, or a later one. A
 * parent that is not known, because it is none of the family or was never read, is not waited for
 * unless it serves.
 */
bool family_reached_by_all(const struct family *f, const struct cdc_journal *j);

enum family_start {
    FAMILY_RESTS,    /* it is not read: it has ended, or neither serves nor was ever to be read */
    FAMILY_GOES_ON,  /* it is read from where the stream has been */
    FAMILY_WAITS,    /* it is a child whose parent is still read */
    FAMILY_INHERITS, /* it begins (again) at *gtid, the position that its parents' journal gives */
    FAMILY_IS_NEW    /* nothing is known: it begins where the stream begins */
};
/* From where the i-th shard is read when the stream is opened. gtid: set for FAMILY_INHERITS only;
 * it lives as long as the family. */
enum family_start family_start(const struct family *f, size_t i, const char **gtid);

/* Whether a child that a journal starts `at` has been read at least as far before, or even to its
 * end: two parents that end at the same time both start it, and the second one must not set it
 * back. */
bool family_is_further(const struct family_shard *child, int64_t journal,
                       const struct position *at);

#endif
