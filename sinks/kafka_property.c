/* sinks/kafka_property.c — which of librdkafka's properties may come from where. */
#include "sinks/kafka_property.h"

#include <string.h>

/* Words in the names of librdkafka's CONFIGURATION.md (1.x, 2.x): sasl.kerberos.kinit.cmd and
 * keytab, plugin.library.paths, ssl.engine.*, ssl.providers, *.path, *.file and
 * sasl.oauthbearer.token.endpoint.url. Words rather than whole names, so that a newer library's
 * properties of the same kinds are caught too. */
static const char *const words[] = {".cmd",   "plugin", "librar", "engine", "provider",
                                    "keytab", "path",   ".file",  "url"};

/* librdkafka marks these as sensitive: passwords, client secrets, keys in PEM, and free texts that
 * hold them. */
static const char *const secret_words[] = {"password", "secret",  "pem",     "jaas",
                                           "config",   "private", "ssl.key", "token"};

bool kafka_property_is_secret(const char *name)
{
    for (size_t i = 0; i < sizeof secret_words / sizeof *secret_words; i++)
        if (strstr(name, secret_words[i]))
            return true;
    return false;
}

bool kafka_property_needs_file(const char *name)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(name, words[i]))
            return true;
    return kafka_property_secret_len(name) > 0;
}

size_t kafka_property_secret_len(const char *name)
{
    static const char suffix[] = "_file";
    size_t n = strlen(name), s = sizeof suffix - 1;
    return n > s && strcmp(name + n - s, suffix) == 0 ? n - s : 0;
}

bool kafka_property_may_be(const char *name, const char *value)
{
    static const char *const ours[][3] = {{"acks", "all", "-1"},
                                          {"request.required.acks", "all", "-1"},
                                          {"enable.idempotence", "true", "true"},
                                          {"partitioner", "murmur2_random", "murmur2_random"},
                                          {"message.timeout.ms", "0", "0"},
                                          {"delivery.timeout.ms", "0", "0"},
                                          {"transactional.id", "", ""},
                                          {"bootstrap.servers", "", ""},
                                          {"metadata.broker.list", "", ""}};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strcmp(name, ours[i][0]) == 0)
            return strcmp(value, ours[i][1]) == 0 || strcmp(value, ours[i][2]) == 0;
    return true;
}
