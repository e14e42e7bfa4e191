/*
 * URIs and URL encoding, as in Mongoose 6.18. Included by mongoose.h.
 */

#ifndef MGOS_HOST_MG_URI_H_
#define MGOS_HOST_MG_URI_H_

#include "common/mg_str.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Splits [SCHEME://[USER_INFO@]]HOST[:PORT][/PATH][?QUERY][#FRAGMENT]. The parts
 * point into `uri`, or are {NULL, 0}; any of the pointers may be NULL. `path`
 * begins with its slash, `host` has the brackets of an IPv6 address, and *port is
 * 0 if there is none. Returns 0, or -1 if it is not a URI, as one with a character
 * that must be URL-encoded: then all parts are empty.
 */
int mg_parse_uri(const struct mg_str uri, struct mg_str *scheme,
                 struct mg_str *user_info, struct mg_str *host,
                 unsigned int *port, struct mg_str *path, struct mg_str *query,
                 struct mg_str *fragment);

/*
 * Puts a URI together from its parts, which may be NULL or empty.
 * `normalize_path` resolves . and .. in the path. uri->p is from malloc, to be
 * free()d. Returns 0, or -1 without memory.
 */
int mg_assemble_uri(const struct mg_str *scheme, const struct mg_str *user_info,
                    const struct mg_str *host, unsigned int port,
                    const struct mg_str *path, const struct mg_str *query,
                    const struct mg_str *fragment, int normalize_path,
                    struct mg_str *uri);

/*
 * Resolves . and .. in a path. The result is written to out->p, which has room for
 * in->len bytes and may be in->p. Returns 1, or 0 if `in` is not a path that begins
 * with a slash.
 */
int mg_normalize_uri_path(const struct mg_str *in, struct mg_str *out);

#define MG_URL_ENCODE_F_SPACE_AS_PLUS (1 << 0)
#define MG_URL_ENCODE_F_UPPERCASE_HEX (1 << 1)

/*
 * Escapes all but letters, digits and what is in `safe`. The result is from
 * malloc, with a NUL behind it, to be free()d; {NULL, 0} without memory.
 */
struct mg_str mg_url_encode_opt(const struct mg_str src,
                                const struct mg_str safe, unsigned int flags);

/* The same with "._-$,;~()/" as safe, and lower-case digits. */
struct mg_str mg_url_encode(const struct mg_str src);

/*
 * Unescapes; a + is a space if `is_form_url_encoded`. Writes a NUL behind the
 * result. Returns its length, or -1 if it does not fit into `dst_len` bytes or
 * an escape sequence is invalid.
 */
int mg_url_decode(const char *src, int src_len, char *dst, int dst_len,
                  int is_form_url_encoded);

/* The same without a NUL, to dst->p, dst->len; dst->p may be src.p. */
int mg_url_decode_n(struct mg_str src, struct mg_str *dst,
                    int is_form_url_encoded);

#ifdef __cplusplus
}
#endif

#endif /* MGOS_HOST_MG_URI_H_ */
