/*
 * Creates signatures, see sas.h. The token consists of the resource, its signature and the expiry,
 * each URL-encoded.
 */

#include "sas.h"

#include <stdlib.h>

#include "mbedtls/md.h"
#include "mgos.h"

#include "common/cs_base64.h"

#define MAX_KEY 128

/* URL-encoded. To be freed. */
static char *escape(const char *text) {
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
  char *to = (char *) malloc(3 * strlen(text) + 1), *p = to;
  if (to == NULL) return NULL;
  for (; *text != '\0'; text++) {
    if (strchr(plain, *text) != NULL) {
      *p++ = *text;
    } else {
      p += sprintf(p, "%%%02X", (unsigned char) *text);
    }
  }
  *p = '\0';
  return to;
}

/* The signature of `text`, base64 and escaped. To be freed. */
static char *sign(const char *text, const char *key) {
  char raw_key[MAX_KEY], printed[48];
  unsigned char mac[32];
  int len = 0;
  if (strlen(key) > MAX_KEY) return NULL;
  cs_base64_decode((const unsigned char *) key, (int) strlen(key), raw_key, &len);
  if (mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), (const unsigned char *) raw_key, len, (const unsigned char *) text,
                      strlen(text), mac) != 0) {
    return NULL;
  }
  cs_base64_encode(mac, sizeof(mac), printed, NULL);
  return escape(printed);
}

char *sas_make(const char *host, const char *device, const char *key, int64_t until) {
  char *resource = NULL, *escaped = NULL, *text = NULL, *sig = NULL, *token = NULL;
  mg_asprintf(&resource, 0, "%s/devices/%s", host, device);
  escaped = escape(resource);
  mg_asprintf(&text, 0, "%s\n%lld", escaped, (long long) until);
  sig = sign(text, key);
  if (sig != NULL) mg_asprintf(&token, 0, "SharedAccessSignature sr=%s&sig=%s&se=%lld", escaped, sig, (long long) until);
  free(resource);
  free(escaped);
  free(text);
  free(sig);
  return token;
}
