/* cdc/log/file_pieces.h — binary log files read ahead by a thread, in pieces of whole events whose
 * checksums it has compared.
 *
 * Pieces come in the order of the files; a file's first piece is told by `first` (it may be without
 * events), what ended the reading by `last`. Thread: one takes; interrupt from any.
 */
#ifndef SLUICE_CDC_LOG_FILE_PIECES_H
#define SLUICE_CDC_LOG_FILE_PIECES_H

#include "base/err.h"
#include "base/piece.h"

#include <stddef.h>
#include <stdint.h>

struct file_piece {
    struct file_piece *next;
    size_t path;      /* index of the file */
    bool first, last; /* first: a file begins with it; last: nothing follows in any file */
    bool failed;      /* last: because of `error`; else all files were read */
    struct err error;
    uint64_t offset; /* where the memory's first byte lies in the file */
    struct piece *memory;
    size_t n; /* bytes of whole events */
    size_t n_events;
    uint64_t *good; /* bit i: the last four bytes of event i were found to be its checksum */
    size_t cap_good;
};

struct file_pieces;
/* paths are borrowed; "-" is standard input. start_pos: offset in the first file from which on
 * events are read, behind the format description (0: all). Reading begins with the first take. */
struct file_pieces *file_pieces_new(char *const *paths, size_t n, uint64_t start_pos);
/* held: what was taken last and not given back, or NULL. */
void file_pieces_free(struct file_pieces *f, struct file_piece *held);
/* The next piece; `back` (may be NULL) is given back. NULL: *e says why no piece can come. Not to
 * be called again after `last`. */
struct file_piece *file_pieces_take(struct file_pieces *f, struct file_piece *back,
                                    struct err *e) WARN_UNUSED;
/* False: the next take will wait, because a pipe has nothing more at the moment. Thread: the
 * taker's. */
bool file_pieces_ready(struct file_pieces *f);
void file_pieces_interrupt(struct file_pieces *f); /* Thread: any */

#endif
