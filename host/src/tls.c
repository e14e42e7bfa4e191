/*
 * Sizes and fields of mbedTLS's structures, for tls/ffi.rs. Rust has mbedTLS's functions and
 * constants from bindgen, but relies on no layout: bindgen's depends on the libclang with which it
 * reads the headers, and from libclang 22 on some structures are one byte large.
 */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "mbedtls/oid.h"
#include "mbedtls/ssl.h"
#include "mbedtls/x509_crt.h"

const size_t mgos_host_sizeof_ssl_context = sizeof(mbedtls_ssl_context);
const size_t mgos_host_sizeof_ssl_config = sizeof(mbedtls_ssl_config);
const size_t mgos_host_sizeof_x509_crt = sizeof(mbedtls_x509_crt);
const size_t mgos_host_sizeof_pk_context = sizeof(mbedtls_pk_context);

/* The step of the handshake that the session is in. */
int mgos_host_ssl_step(const mbedtls_ssl_context *ssl) {
  return ssl->state;
}

/* The number of the alert that was received last: an alert has two bytes, its number is the second. */
unsigned char mgos_host_ssl_alert(const mbedtls_ssl_context *ssl) {
  return ssl->in_msg[1];
}

mbedtls_pk_context *mgos_host_crt_key(mbedtls_x509_crt *crt) {
  return &crt->pk;
}

const mbedtls_x509_name *mgos_host_crt_subject(const mbedtls_x509_crt *crt) {
  return &crt->subject;
}

const mbedtls_x509_name *mgos_host_crt_issuer(const mbedtls_x509_crt *crt) {
  return &crt->issuer;
}

/* Year, month, day, hour, minute and second, in UTC. */
static void set_date(int to[6], const mbedtls_x509_time *time) {
  const int parts[6] = {time->year, time->mon, time->day, time->hour, time->min, time->sec};
  memcpy(to, parts, sizeof(parts));
}

/* The first and the last moment of the certificate's validity. */
void mgos_host_crt_dates(const mbedtls_x509_crt *crt, int first[6], int last[6]) {
  set_date(first, &crt->valid_from);
  set_date(last, &crt->valid_to);
}

/* The subject's alternative name with this index, or without any its common name, as a DNS name.
 * `bytes` is memory of the certificate. False if there is none. */
bool mgos_host_crt_name(const mbedtls_x509_crt *crt, size_t index, int *tag, const unsigned char **bytes, size_t *len) {
  const mbedtls_asn1_buf *found = NULL;
  bool has_alternatives = crt->subject_alt_names.buf.p != NULL;
  if (has_alternatives) {
    const mbedtls_x509_sequence *entry = &crt->subject_alt_names;
    while (entry != NULL && index-- > 0) entry = entry->next;
    if (entry != NULL) found = &entry->buf;
  } else {
    const mbedtls_x509_name *part = &crt->subject;
    for (; part != NULL && found == NULL; part = part->next) {
      if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &part->oid) == 0 && index-- == 0) found = &part->val;
    }
  }
  if (found == NULL) return false;
  *tag = has_alternatives ? found->tag : MBEDTLS_X509_SAN_DNS_NAME;
  *bytes = found->p;
  *len = found->len;
  return true;
}
