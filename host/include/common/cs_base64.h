/*
 * Base64, in one go or piece by piece.
 * Hexadecimal digits: cs_hex.h.
 */
#ifndef CS_COMMON_CS_BASE64_H_
#define CS_COMMON_CS_BASE64_H_

#include "common/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*cs_base64_putc_t)(char, void *);

struct cs_base64_ctx {
  cs_base64_putc_t b64_putc; /* gets each output character */
  unsigned char chunk[3];    /* input that does not fill a group yet */
  int chunk_size;
  void *user_data;
};

/* Piece by piece: init, update as often as wanted, finish. */
void cs_base64_init(struct cs_base64_ctx *ctx, cs_base64_putc_t putc_fn,
                    void *user_data);
void cs_base64_update(struct cs_base64_ctx *ctx, const char *str, size_t len);
void cs_base64_finish(struct cs_base64_ctx *ctx);

/* In one go. `dst` gets a NUL behind the text, so it needs
 * (src_len + 2) / 3 * 4 + 1 bytes. *enc_len, unless NULL: length without it. */
void cs_base64_encode(const unsigned char *src, int src_len, char *dst,
                      int *enc_len);
void cs_fprint_base64(FILE *f, const unsigned char *src, int src_len);

/* Decodes whole groups of four until the text ends or a group is bad. `dst`
 * gets a NUL as well: 3 * len / 4 + 1 bytes. *dec_len, unless NULL: number of
 * bytes. Returns how many characters were used: `len` if all were good. */
int cs_base64_decode(const unsigned char *s, int len, char *dst, int *dec_len);

#ifdef __cplusplus
}
#endif

#endif /* CS_COMMON_CS_BASE64_H_ */
