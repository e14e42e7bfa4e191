/*
 * A ring buffer of records in a file, which survives a restart. The file's
 * format is the host's own.
 */
#ifndef CS_COMMON_CS_FRBUF_H_
#define CS_COMMON_CS_FRBUF_H_

#include "common/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cs_frbuf;

/*
 * Opens the buffer in `fname`, or creates it with at most `size` bytes, which
 * include two for each record and a header of twelve. NULL, with a line in the
 * log, if the file cannot be opened or is not such a buffer.
 */
struct cs_frbuf *cs_frbuf_init(const char *fname, uint16_t size);
void cs_frbuf_deinit(struct cs_frbuf *b);

/*
 * Appends a record, dropping the oldest ones to make room. False if it is empty,
 * larger than the whole buffer, or cannot be written.
 */
bool cs_frbuf_append(struct cs_frbuf *b, const void *data, uint16_t len);

/*
 * Removes the oldest record: *data is from malloc, to be free()d. Returns its
 * length; 0, and *data NULL, if there is none; below 0 if it cannot be read.
 */
int cs_frbuf_get(struct cs_frbuf *b, char **data);

#ifdef __cplusplus
}
#endif

#endif /* CS_COMMON_CS_FRBUF_H_ */
