/* sinks/kafka_property.h — which of librdkafka's properties may come from where. Pure. */
#ifndef SLUICE_SINKS_KAFKA_PROPERTY_H
#define SLUICE_SINKS_KAFKA_PROPERTY_H

#include "base/err.h"

/* Does the property run a program, load code, fetch from an address, or read a secret from a file
 * (NAME_file)? Such a one is taken from the configuration file only: whoever may call the API is
 * not thereby allowed to become the user that runs the daemon. */
bool kafka_property_needs_file(const char *name);
/* May the user give the property this value? Acknowledgements, idempotence, order and partitions
 * are what no record is lost by, and the brokers are the sink's destination: they are not to be
 * had otherwise. */
bool kafka_property_may_be(const char *name, const char *value);
/* Is the property's value a secret, or may it be one? Then it is kept in the state directory only.
 */
bool kafka_property_is_secret(const char *name);
/* "sasl.password_file" → the length of "sasl.password"; 0 for a property without a file. The
 * file's first line is then the property's value. */
size_t kafka_property_secret_len(const char *name);

#endif
