/*
 * Values in HTTP headers, and digest authentication against a password file. The
 * digests themselves are in src/hash.rs, clients in src/http.rs.
 */
#include "common/cs_dbg.h"
#include "common/str_util.h"
#include "mongoose.h"

static bool separates(char c) {
  return c == ' ' || c == '\t' || c == ',' || c == ';';
}

/* The value of `name` in a header; {NULL, 0} if it is not there. */
static struct mg_str find_value(struct mg_str hdr, struct mg_str name) {
  const char *p = hdr.p, *end = hdr.p + hdr.len;
  while (p < end) {
    const char *key = p, *value;
    struct mg_str found;
    bool quoted;
    while (p < end && *p != '=' && !separates(*p)) p++;
    found = mg_mk_str_n(key, (size_t) (p - key));
    if (p == end || *p != '=') {
      p++;
      continue;
    }
    quoted = ++p < end && *p == '"';
    if (quoted) p++;
    value = p;
    while (p < end && (quoted ? *p != '"' : !separates(*p))) p++;
    if (mg_strcmp(found, name) == 0) {
      return mg_mk_str_n(value, (size_t) (p - value));
    }
    p++;
  }
  return mg_mk_str_n(NULL, 0);
}

int mg_http_parse_header2(struct mg_str *hdr, const char *var_name, char **buf,
                          size_t buf_size) {
  struct mg_str value;
  if (hdr == NULL) return 0;
  value = find_value(*hdr, mg_mk_str(var_name));
  if (buf_size > 0) **buf = '\0';
  if (value.p == NULL) return 0;
  if (value.len + 1 > buf_size) {
    char *block = (char *) malloc(value.len + 1);
    if (block == NULL) return 0;
    *buf = block;
  }
  memcpy(*buf, value.p, value.len);
  (*buf)[value.len] = '\0';
  return (int) value.len;
}

int mg_http_parse_header(struct mg_str *hdr, const char *var_name, char *buf,
                         size_t buf_size) {
  char *result = buf;
  int len = mg_http_parse_header2(hdr, var_name, &result, buf_size);
  if (result == buf) return len;
  free(result);
  return 0;
}

#define MAX_DIGEST 32

/* The digest of strings as lower-case hex. */
static void hex_digest(enum mg_auth_algo algo, const struct mg_str *parts,
                       size_t num, char out[2 * MAX_DIGEST + 1]) {
  const uint8_t *texts[16];
  size_t i, lens[16];
  uint8_t digest[MAX_DIGEST];
  for (i = 0; i < num; i++) {
    texts[i] = (const uint8_t *) parts[i].p;
    lens[i] = parts[i].len;
  }
  if (algo == MG_AUTH_ALGO_SHA256) {
    mg_hash_sha256_v(num, texts, lens, digest);
    cs_to_hex(out, digest, 32);
  } else {
    mg_hash_md5_v(num, texts, lens, digest);
    cs_to_hex(out, digest, 16);
  }
}

/* Cuts the next field off a line of a password file. */
static struct mg_str next_field(struct mg_str *line) {
  struct mg_str field = *line;
  const char *colon = mg_strchr(*line, ':');
  if (colon == NULL) {
    *line = mg_mk_str_n(line->p + line->len, 0);
    return field;
  }
  field.len = (size_t) (colon - field.p);
  *line = mg_mk_str_n(colon + 1, line->len - field.len - 1);
  return field;
}

int mg_check_digest_auth_algo(struct mg_str method, struct mg_str uri,
                              struct mg_str username, struct mg_str cnonce,
                              struct mg_str response, struct mg_str qop,
                              struct mg_str nc, struct mg_str nonce,
                              struct mg_str auth_domain, enum mg_auth_algo algo,
                              FILE *fp) {
  char text[512];
  if (fp == NULL || (algo != MG_AUTH_ALGO_MD5 && algo != MG_AUTH_ALGO_SHA256)) {
    return 0;
  }
  while (fgets(text, sizeof(text), fp) != NULL) {
    struct mg_str line = mg_strstrip(mg_mk_str(text));
    struct mg_str user = next_field(&line), realm = next_field(&line);
    struct mg_str ha1 = line, colon = mg_mk_str(":"), ha2, want;
    char ha2_text[2 * MAX_DIGEST + 1], want_text[2 * MAX_DIGEST + 1];
    if (mg_strcmp(user, username) != 0 || mg_strcmp(realm, auth_domain) != 0) {
      continue;
    }
    {
      struct mg_str parts[] = {method, colon, uri};
      hex_digest(algo, parts, ARRAY_SIZE(parts), ha2_text);
      ha2 = mg_mk_str(ha2_text);
    }
    {
      struct mg_str parts[] = {ha1, colon,  nonce, colon, nc,
                               colon, cnonce, colon, qop,   colon, ha2};
      hex_digest(algo, parts, ARRAY_SIZE(parts), want_text);
      want = mg_mk_str(want_text);
    }
    return mg_strcasecmp(want, response) == 0;
  }
  return 0;
}

int mg_check_digest_auth(struct mg_str method, struct mg_str uri,
                         struct mg_str username, struct mg_str cnonce,
                         struct mg_str response, struct mg_str qop,
                         struct mg_str nc, struct mg_str nonce,
                         struct mg_str auth_domain, FILE *fp) {
  return mg_check_digest_auth_algo(method, uri, username, cnonce, response, qop,
                                   nc, nonce, auth_domain, MG_AUTH_ALGO_MD5,
                                   fp);
}
