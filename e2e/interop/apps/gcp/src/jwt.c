/*
 * Creates tokens, see jwt.h: header and claims, each JSON in base64url, separated by a dot; another
 * dot and the signature.
 */

#include "jwt.h"

#include <stdlib.h>

#include "mbedtls/asn1.h"
#include "mbedtls/bignum.h"
#include "mbedtls/md.h"
#include "mbedtls/pk.h"
#include "mgos.h"

#include "common/cs_base64.h"
#include "common/json_utils.h"

/* The longest signature, RSA with 4096 bits. */
#define MAX_SIGNATURE 512

/* The platform's random numbers for mbedTLS. */
extern int mg_ssl_if_mbed_random(void *ctx, unsigned char *buf, size_t len);

static mbedtls_pk_context s_key;

bool jwt_use_key(const char *file) {
  int code;
  mbedtls_pk_init(&s_key);
  code = mbedtls_pk_parse_keyfile(&s_key, file, NULL);
  if (code != 0) LOG(LL_ERROR, ("no usable key in %s (-0x%04x)", file, -code));
  return code == 0;
}

/* Base64url replaces two characters and has no padding. */
static void put_char(char c, void *to) {
  if (c == '=') return;
  if (c == '+') c = '-';
  if (c == '/') c = '_';
  mbuf_append((struct mbuf *) to, &c, 1);
}

static void put(struct mbuf *to, const void *data, size_t len) {
  struct cs_base64_ctx ctx;
  if (to->len > 0) mbuf_append(to, ".", 1);
  cs_base64_init(&ctx, put_char, to);
  cs_base64_update(&ctx, (const char *) data, len);
  cs_base64_finish(&ctx);
}

/* ECDSA gives a DER sequence of two numbers; a token needs them concatenated, each as long as the
 * key. */
static bool unpack(unsigned char *sig, size_t *len) {
  unsigned char raw[MAX_SIGNATURE], *p = sig;
  size_t size = mbedtls_pk_get_len(&s_key), n;
  mbedtls_mpi number;
  int code = mbedtls_asn1_get_tag(&p, sig + *len, &n, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE);
  mbedtls_mpi_init(&number);
  for (int i = 0; i < 2 && code == 0; i++) {
    code = mbedtls_asn1_get_mpi(&p, sig + *len, &number);
    if (code == 0) code = mbedtls_mpi_write_binary(&number, raw + i * size, size);
  }
  mbedtls_mpi_free(&number);
  if (code != 0) return false;
  memcpy(sig, raw, 2 * size);
  *len = 2 * size;
  return true;
}

/* Over the token so far. */
static bool sign(struct mbuf *token) {
  unsigned char hash[32], sig[MAX_SIGNATURE];
  size_t len = sizeof(sig);
  int code = mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), (const unsigned char *) token->buf, token->len, hash);
  if (code == 0) code = mbedtls_pk_sign(&s_key, MBEDTLS_MD_SHA256, hash, sizeof(hash), sig, &len, mg_ssl_if_mbed_random, NULL);
  if (code != 0) {
    LOG(LL_ERROR, ("cannot sign (-0x%04x)", -code));
    return false;
  }
  if (!mbedtls_pk_can_do(&s_key, MBEDTLS_PK_RSA) && !unpack(sig, &len)) return false;
  put(token, sig, len);
  return true;
}

char *jwt_make(const char *audience, int64_t from, int64_t until) {
  struct mbuf json, token;
  struct json_out out = JSON_OUT_MBUF(&json);
  bool signed_;
  mbuf_init(&json, 0);
  mbuf_init(&token, 0);
  json_printf(&out, "{alg:%Q,typ:%Q}", mbedtls_pk_can_do(&s_key, MBEDTLS_PK_RSA) ? "RS256" : "ES256", "JWT");
  put(&token, json.buf, json.len);
  json.len = 0;
  json_printf(&out, "{aud:%Q,iat:%lld,exp:%lld}", audience, (long long) from, (long long) until);
  put(&token, json.buf, json.len);
  signed_ = sign(&token);
  mbuf_append(&token, "", 1);
  mbuf_free(&json);
  if (!signed_) mbuf_free(&token);
  return token.buf;
}
