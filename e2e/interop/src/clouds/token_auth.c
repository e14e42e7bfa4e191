/*
 * A plugin for mosquitto that authenticates clients as clouds do: by a signed token as password.
 *
 *   plugin_opt_scheme    jwt: signed with ES256 or RS256; sas: with HMAC-SHA256
 *   plugin_opt_key       jwt: a file with the public key; sas: the device's key in base64
 *   plugin_opt_client    the only client id that may connect
 *   plugin_opt_user      sas: the user name
 *   plugin_opt_resource  jwt: the audience; sas: the resource, as written in the token
 *
 * Each decision and its reason are in mosquitto's log.
 */

#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX 2048

static mosquitto_plugin_id_t *s_id;
static EVP_PKEY *s_public;
static char s_scheme[8], s_key[MAX], s_client[MAX], s_user[MAX], s_resource[MAX];

/* Decodes base64, with or without padding, in either alphabet. Returns the length, or -1. */
static int decode(const char *text, size_t len, unsigned char *to) {
  char padded[MAX];
  int size;
  while (len > 0 && text[len - 1] == '=') len--;
  if (len > MAX - 4) return -1;
  for (size_t i = 0; i < len; i++) padded[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
  size_t whole = (len + 3) / 4 * 4;
  memset(padded + len, '=', whole - len);
  size = EVP_DecodeBlock(to, (unsigned char *) padded, (int) whole);
  return size < 0 ? -1 : size - (int) (whole - len);
}

/* The number after `name`, or -1. */
static long long number(const char *text, const char *name) {
  const char *at = strstr(text, name);
  return at != NULL ? atoll(at + strlen(name)) : -1;
}

static int fits(const char *data, size_t len, const unsigned char *sig, size_t sig_len) {
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  int good = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, s_public) == 1 &&
             EVP_DigestVerify(ctx, sig, sig_len, (const unsigned char *) data, len) == 1;
  EVP_MD_CTX_free(ctx);
  return good;
}

/* NULL if the token is valid, else what is wrong with it. */
static const char *judge_jwt(const char *token) {
  unsigned char header[MAX] = {0}, claims[MAX] = {0}, raw[MAX], *sig = raw;
  char audience[MAX + 16];
  const char *dot = strchr(token, '.'), *second = dot != NULL ? strchr(dot + 1, '.') : NULL;
  int elliptic = EVP_PKEY_base_id(s_public) == EVP_PKEY_EC, good;
  if (second == NULL || strlen(token) >= MAX) return "no token";
  int sig_len = decode(second + 1, strlen(second + 1), raw);
  if (decode(token, dot - token, header) < 0 || decode(dot + 1, second - dot - 1, claims) < 0 || sig_len <= 0) return "no token";
  if (strstr((char *) header, elliptic ? "\"ES256\"" : "\"RS256\"") == NULL) return "another algorithm";
  if (elliptic) {
    /* JWT concatenates the two numbers; OpenSSL needs them in DER. */
    ECDSA_SIG *pair = ECDSA_SIG_new();
    unsigned char *der = NULL;
    ECDSA_SIG_set0(pair, BN_bin2bn(raw, sig_len / 2, NULL), BN_bin2bn(raw + sig_len / 2, sig_len / 2, NULL));
    sig_len = i2d_ECDSA_SIG(pair, &der);
    ECDSA_SIG_free(pair);
    sig = der;
  }
  good = fits(token, second - token, sig, sig_len);
  if (sig != raw) OPENSSL_free(sig);
  if (!good) return "a wrong signature";
  snprintf(audience, sizeof(audience), "\"aud\":\"%s\"", s_resource);
  if (strstr((char *) claims, audience) == NULL) return "for another audience";
  if (number((char *) claims, "\"iat\":") > time(NULL) + 600) return "not valid yet";
  if (number((char *) claims, "\"exp\":") <= time(NULL)) return "expired";
  return NULL;
}

/* Decodes %XX in place. */
static void unescape(char *text) {
  char *to = text;
  unsigned code;
  for (; *text != '\0'; text++) {
    if (*text == '%' && sscanf(text + 1, "%2x", &code) == 1) {
      *to++ = (char) code;
      text += 2;
    } else {
      *to++ = *text;
    }
  }
  *to = '\0';
}

static const char *judge_sas(const char *token) {
  char resource[MAX], sig[MAX], until[32], text[MAX + 40];
  unsigned char key[MAX], wanted[EVP_MAX_MD_SIZE], got[MAX];
  unsigned len = 0;
  if (strlen(token) >= MAX) return "too long";
  if (sscanf(token, "SharedAccessSignature sr=%[^&]&sig=%[^&]&se=%31[0-9]", resource, sig, until) != 3) return "no token";
  if (strcmp(resource, s_resource) != 0) return "for another resource";
  unescape(sig);
  snprintf(text, sizeof(text), "%s\n%s", resource, until);
  HMAC(EVP_sha256(), key, decode(s_key, strlen(s_key), key), (unsigned char *) text, strlen(text), wanted, &len);
  if (decode(sig, strlen(sig), got) != (int) len || memcmp(wanted, got, len) != 0) return "a wrong signature";
  if (atoll(until) <= time(NULL)) return "expired";
  return NULL;
}

static int on_connect(int event, void *data, void *arg) {
  struct mosquitto_evt_basic_auth *who = data;
  const char *id = mosquitto_client_id(who->client), *wrong = NULL;
  (void) event, (void) arg;
  if (id == NULL || strcmp(id, s_client) != 0) wrong = "wrong client id";
  if (wrong == NULL && s_user[0] != '\0' && (who->username == NULL || strcmp(who->username, s_user) != 0)) wrong = "wrong user name";
  if (wrong == NULL && who->password == NULL) wrong = "no token";
  if (wrong == NULL) wrong = strcmp(s_scheme, "jwt") == 0 ? judge_jwt(who->password) : judge_sas(who->password);
  mosquitto_log_printf(MOSQ_LOG_NOTICE, "token_auth: %s %s, password of %zu bytes", wrong != NULL ? wrong : "accepted,", id,
                       who->password != NULL ? strlen(who->password) : 0);
  return wrong == NULL ? MOSQ_ERR_SUCCESS : MOSQ_ERR_AUTH;
}

int mosquitto_plugin_version(int count, const int *versions) {
  for (int i = 0; i < count; i++) {
    if (versions[i] == 5) return 5;
  }
  return -1;
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **user_data, struct mosquitto_opt *options, int count) {
  static const struct {
    const char *key;
    char *to;
    size_t size;
  } known[] = {{"scheme", s_scheme, sizeof(s_scheme)},
               {"key", s_key, sizeof(s_key)},
               {"client", s_client, sizeof(s_client)},
               {"user", s_user, sizeof(s_user)},
               {"resource", s_resource, sizeof(s_resource)}};
  (void) user_data;
  for (int i = 0; i < count; i++) {
    for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
      if (strcmp(options[i].key, known[k].key) == 0) snprintf(known[k].to, known[k].size, "%s", options[i].value);
    }
  }
  if (strcmp(s_scheme, "jwt") == 0) {
    FILE *file = fopen(s_key, "r");
    s_public = file != NULL ? PEM_read_PUBKEY(file, NULL, NULL, NULL) : NULL;
    if (file != NULL) fclose(file);
    if (s_public == NULL) {
      mosquitto_log_printf(MOSQ_LOG_ERR, "token_auth: no public key in %s", s_key);
      return MOSQ_ERR_INVAL;
    }
  }
  s_id = id;
  return mosquitto_callback_register(id, MOSQ_EVT_BASIC_AUTH, on_connect, NULL, NULL);
}

int mosquitto_plugin_cleanup(void *user_data, struct mosquitto_opt *options, int count) {
  (void) user_data, (void) options, (void) count;
  EVP_PKEY_free(s_public);
  return mosquitto_callback_unregister(s_id, MOSQ_EVT_BASIC_AUTH, on_connect, NULL);
}
