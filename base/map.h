/* base/map.h — hash map from byte strings to pointers; keys are copied.
 *
 * Thread: one at a time; any number while nobody changes it.
 */
#ifndef SLUICE_BASE_MAP_H
#define SLUICE_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map;                                      /* opaque */
struct map *map_new(void (*free_value)(void *)); /* NULL: values are borrowed */
void map_free(struct map *m);
void *map_get(const struct map *m, const void *key, size_t key_len);
void *map_get_str(const struct map *m, const char *key);
/* Replaces (and frees) an old value. */
void map_put(struct map *m, const void *key, size_t key_len, void *value);
void map_put_str(struct map *m, const char *key, void *value);
/* Removes the entry and returns its value without freeing it; NULL if there is none. */
void *map_take(struct map *m, const void *key, size_t key_len);
bool map_remove(struct map *m, const void *key, size_t key_len); /* true if it was there */
void map_clear(struct map *m);
size_t map_count(const struct map *m);
/* Iterates in insertion-independent order: start with *it = 0; false at the end. No change
 * meanwhile. */
bool map_next(const struct map *m, size_t *it, const void **key, size_t *key_len, void **value);
/* 64-bit hash of bytes (seedless, stable within a process only). */
uint64_t map_hash(const void *p, size_t n);

#endif
