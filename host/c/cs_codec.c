/*
 * Hex and base64 (common/cs_hex.h, common/cs_base64.h), also used by the JSON library.
 */
#include "common/cs_base64.h"
#include "common/cs_hex.h"

static int hex_digit(int c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int cs_hex_decode(const char *s, int len, unsigned char *dst, int *dst_len) {
  int i;
  for (i = 0; i + 1 < len; i += 2) {
    int hi = hex_digit((unsigned char) s[i]);
    int lo = hex_digit((unsigned char) s[i + 1]);
    if (hi < 0 || lo < 0) break;
    dst[i / 2] = (unsigned char) (hi << 4 | lo);
  }
  *dst_len = i / 2;
  return i;
}

static const char s_b64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* A group of 1 to 3 bytes as four characters. */
static void put_group(const unsigned char *p, int n, char out[4]) {
  unsigned bits = (unsigned) p[0] << 16;
  if (n > 1) bits |= (unsigned) p[1] << 8;
  if (n > 2) bits |= p[2];
  out[0] = s_b64[bits >> 18];
  out[1] = s_b64[bits >> 12 & 63];
  out[2] = n > 1 ? s_b64[bits >> 6 & 63] : '=';
  out[3] = n > 2 ? s_b64[bits & 63] : '=';
}

void cs_base64_init(struct cs_base64_ctx *ctx, cs_base64_putc_t putc_fn,
                    void *user_data) {
  memset(ctx, 0, sizeof(*ctx));
  ctx->b64_putc = putc_fn;
  ctx->user_data = user_data;
}

static void emit(struct cs_base64_ctx *ctx) {
  char group[4];
  int i;
  put_group(ctx->chunk, ctx->chunk_size, group);
  for (i = 0; i < 4; i++) ctx->b64_putc(group[i], ctx->user_data);
  ctx->chunk_size = 0;
}

void cs_base64_update(struct cs_base64_ctx *ctx, const char *str, size_t len) {
  size_t i;
  for (i = 0; i < len; i++) {
    ctx->chunk[ctx->chunk_size++] = (unsigned char) str[i];
    if (ctx->chunk_size == 3) emit(ctx);
  }
}

void cs_base64_finish(struct cs_base64_ctx *ctx) {
  if (ctx->chunk_size > 0) emit(ctx);
}

void cs_base64_encode(const unsigned char *src, int src_len, char *dst,
                      int *enc_len) {
  int i, n = 0;
  for (i = 0; i < src_len; i += 3, n += 4) {
    put_group(src + i, MIN(src_len - i, 3), dst + n);
  }
  dst[n] = '\0';
  if (enc_len != NULL) *enc_len = n;
}

void cs_fprint_base64(FILE *f, const unsigned char *src, int src_len) {
  char group[4];
  int i;
  for (i = 0; i < src_len; i += 3) {
    put_group(src + i, MIN(src_len - i, 3), group);
    fwrite(group, 1, sizeof(group), f);
  }
}

/* 0 to 63, 64 for padding, -1 for anything else. */
static int b64_value(int c) {
  const char *p;
  if (c == '=') return 64;
  p = c == '\0' ? NULL : strchr(s_b64, c);
  return p == NULL ? -1 : (int) (p - s_b64);
}

int cs_base64_decode(const unsigned char *s, int len, char *dst,
                     int *dec_len) {
  int used = 0, n = 0;
  while (len - used >= 4) {
    int a = b64_value(s[used]), b = b64_value(s[used + 1]);
    int c = b64_value(s[used + 2]), d = b64_value(s[used + 3]);
    if (a < 0 || b < 0 || c < 0 || d < 0) break;
    used += 4;
    if (a == 64 || b == 64) break;
    dst[n++] = (char) (a << 2 | b >> 4);
    if (c == 64) break;
    dst[n++] = (char) ((b & 15) << 4 | c >> 2);
    if (d == 64) break;
    dst[n++] = (char) ((c & 3) << 6 | d);
  }
  dst[n] = '\0';
  if (dec_len != NULL) *dec_len = n;
  return used;
}
