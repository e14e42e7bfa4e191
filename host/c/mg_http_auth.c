/*
 * Digest authentication against a password file. The digests themselves are in
 * src/codec.rs.
 */
#include "common/str_util.h"
#include "mongoose.h"

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
