/* app/config/config.h — the configuration file: read, checked, defaulted; immutable afterwards. */
#ifndef SLUICE_APP_CONFIG_CONFIG_H
#define SLUICE_APP_CONFIG_CONFIG_H

#include "schemas/sharding/topology.h"
#include "sinks/sink.h"
#include "vrepl/workflow/engine.h"

struct config {
    char *path;
    char *state_dir;
    char *listen;         /* "unix:/path" or "127.0.0.1:15999" */
    char *token_file;     /* NULL: none */
    char *metrics_listen; /* "host:port" or NULL */
    struct topology *topo;
    uint64_t ring_bytes, copy_memory_bytes, spill_max_bytes;
    unsigned private_readers, copiers;
    char *routing_file;
    enum vrepl_fence_mode fence;
    struct sink_spec *sinks;
    size_t n_sinks;
};

/* path NULL: ./sluice.yaml, then /etc/sluice/sluice.yaml. ERR_CONFIG names file, line and the
 * nearest known key. Passwords are not read here, only where they stand. */
struct config *config_load(const char *path, struct err *e) WARN_UNUSED;
void config_free(struct config *c);
/* Everything that holds, defaults included, as YAML-like lines; never a secret. */
void config_show(const struct config *c, bool json, struct buf *out);
void config_reference(struct buf *out); /* docs/reference/configuration.md */
/* Where verbs find the daemon: --api, else the configuration's listen. */

#endif
