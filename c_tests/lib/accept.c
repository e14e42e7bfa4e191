/*
 * How a server answers a WebSocket client's key (RFC 6455, 4.2.2): SHA-1 and base64, as far as that takes.
 */

#include <stdio.h>
#include <string.h>

#include "suite.h"

static uint32_t rotated(uint32_t x, int n) {
  return x << n | x >> (32 - n);
}

/* SHA-1 of a string of less than 120 bytes. */
static void sha1(const char *s, uint8_t digest[20]) {
  uint8_t data[128] = {0};
  uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  size_t len = strlen(s), blocks = (len + 9 + 63) / 64, block, i;
  memcpy(data, s, len);
  data[len] = 0x80;
  data[blocks * 64 - 2] = (uint8_t) (len * 8 >> 8);
  data[blocks * 64 - 1] = (uint8_t) (len * 8);
  for (block = 0; block < blocks; block++) {
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    const uint8_t *p = data + 64 * block;
    for (i = 0; i < 16; i++, p += 4) w[i] = (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
    for (; i < 80; i++) w[i] = rotated(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (i = 0; i < 80; i++) {
      uint32_t f = (i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d));
      uint32_t k = (i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6);
      uint32_t t = rotated(a, 5) + f + e + k + w[i];
      e = d;
      d = c;
      c = rotated(b, 30);
      b = a;
      a = t;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
  }
  for (i = 0; i < 20; i++) digest[i] = (uint8_t) (h[i / 4] >> (24 - 8 * (i % 4)));
}

static void base64(const uint8_t *bytes, size_t len, char *out) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t i;
  for (i = 0; i < len; i += 3) {
    uint32_t n = (uint32_t) bytes[i] << 16 | (i + 1 < len ? (uint32_t) bytes[i + 1] << 8 : 0) | (i + 2 < len ? bytes[i + 2] : 0);
    *out++ = digits[n >> 18];
    *out++ = digits[n >> 12 & 63];
    *out++ = (char) (i + 1 < len ? digits[n >> 6 & 63] : '=');
    *out++ = (char) (i + 2 < len ? digits[n & 63] : '=');
  }
  *out = '\0';
}

void websocket_accept(const char *key, char accept[40]) {
  char whole[80];
  uint8_t digest[20];
  snprintf(whole, sizeof(whole), "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
  sha1(whole, digest);
  base64(digest, sizeof(digest), accept);
}
