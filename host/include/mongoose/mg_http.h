/*
 * HTTP clients, headers and digest authentication, as in Mongoose 6.18. Included
 * by mongoose.h, which has struct http_message.
 * Not here: HTTP servers.
 */

#ifndef MGOS_HOST_MG_HTTP_H_
#define MGOS_HOST_MG_HTTP_H_

#include "mongoose.h"

/* Room for the name of a file. */
#ifndef MG_MAX_PATH
#define MG_MAX_PATH 256
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Requests `url`, [http[s]://][USER:PASSWORD@]HOST[:PORT][/PATH][?QUERY]: a GET,
 * or with `post_data` a POST. `extra_headers` are whole lines with their "\r\n".
 * The handler gets MG_EV_HTTP_REPLY with a struct http_message once the reply is
 * complete, be it chunked or not; the app then closes the connection. A reply
 * that is not HTTP closes it without this event. NULL if the URL is invalid.
 *
 * https:// checks the server's certificate by opts.ssl_ca_cert, or without that
 * not at all.
 */
struct mg_connection *mg_connect_http(
    struct mg_mgr *mgr, MG_CB(mg_event_handler_t event_handler, void *user_data),
    const char *url, const char *extra_headers, const char *post_data);
struct mg_connection *mg_connect_http_opt(
    struct mg_mgr *mgr, MG_CB(mg_event_handler_t ev_handler, void *user_data),
    struct mg_connect_opts opts, const char *url, const char *extra_headers,
    const char *post_data);

/*
 * Parses the request (is_req) or status line, and the headers, of `n` bytes.
 * Returns their length, 0 if they are incomplete, below 0 if they are invalid.
 */
int mg_parse_http(const char *s, int n, struct http_message *hm, int is_req);

/* The value of a header, by its name in any case; NULL if it is not there. */
struct mg_str *mg_get_http_header(struct http_message *hm, const char *name);

/*
 * Finds NAME=value or NAME="value" between commas, semicolons or spaces, as in a
 * Cookie or Authorization header. The value goes to *buf if that has room for it
 * and a NUL, else *buf becomes a malloc-ed block: the caller frees *buf if it is
 * no longer its own. Returns the length, 0 if it is not there.
 */
int mg_http_parse_header2(struct mg_str *hdr, const char *var_name, char **buf,
                          size_t buf_size);

/* The same with a buffer that must be large enough; 0 if it is not. */
int mg_http_parse_header(struct mg_str *hdr, const char *var_name, char *buf,
                         size_t buf_size);

/*
 * The URL-decoded value of a variable of a query string or form. Returns its
 * length; 0 if it is not there, below 0 if it is malformed or does not fit.
 */
int mg_get_http_var(const struct mg_str *buf, const char *name, char *dst,
                    size_t dst_len);

/* Appends "Authorization: Basic ...\r\n". `pass` may be empty. */
void mg_basic_auth_header(const struct mg_str user, const struct mg_str pass,
                          struct mbuf *buf);

/* --- Digest authentication ------------------------------------------------ */

enum mg_auth_algo {
  MG_AUTH_ALGO_MD5 = 0,
  MG_AUTH_ALGO_SHA256 = 1,
};

/*
 * Checks the parameters of a digest authentication against a password file in
 * the format of htdigest, USER:REALM:HASH in each line, whose hashes are of
 * `algo` (MD5 for the first function). Returns 1 if they match, else 0.
 */
int mg_check_digest_auth(struct mg_str method, struct mg_str uri,
                         struct mg_str username, struct mg_str cnonce,
                         struct mg_str response, struct mg_str qop,
                         struct mg_str nc, struct mg_str nonce,
                         struct mg_str auth_domain, FILE *fp);
int mg_check_digest_auth_algo(struct mg_str method, struct mg_str uri,
                              struct mg_str username, struct mg_str cnonce,
                              struct mg_str response, struct mg_str qop,
                              struct mg_str nc, struct mg_str nonce,
                              struct mg_str auth_domain, enum mg_auth_algo algo,
                              FILE *fp);

/* Digests of several pieces as one: 16, 20 and 32 bytes. */
void mg_hash_md5_v(size_t num_msgs, const uint8_t *msgs[],
                   const size_t *msg_lens, uint8_t *digest);
void mg_hash_sha1_v(size_t num_msgs, const uint8_t *msgs[],
                    const size_t *msg_lens, uint8_t *digest);
void mg_hash_sha256_v(size_t num_msgs, const uint8_t *msgs[],
                      const size_t *msg_lens, uint8_t *digest);

#ifdef __cplusplus
}
#endif

#endif /* MGOS_HOST_MG_HTTP_H_ */
