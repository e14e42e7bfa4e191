/*
 * JSON (frozen.h) into a growing buffer (mbuf.h).
 * Into a buffer of a fixed size, or a file: frozen.h itself.
 */
#ifndef CS_COMMON_JSON_UTILS_H_
#define CS_COMMON_JSON_UTILS_H_

#include "common/mbuf.h"
#include "common/mg_str.h"
#include "common/platform.h"
#include "frozen.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Initialiser of a struct json_out that appends to a struct mbuf:
 *   struct json_out out = JSON_OUT_MBUF(&mb);  */
#define JSON_OUT_MBUF(mbuf_addr)    \
  {                                 \
    mg_json_printer_mbuf, {         \
      { (char *) (mbuf_addr), 0, 0 } \
    }                               \
  }

int mg_json_printer_mbuf(struct json_out *, const char *, size_t);

/* Appends `s` escaped, between quotes if `quote`. */
void mg_json_emit_str(struct mbuf *b, const struct mg_str s, int quote);

#ifdef __cplusplus
}
#endif

#endif /* CS_COMMON_JSON_UTILS_H_ */
