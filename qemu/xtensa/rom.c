/*
 * Arithmetic that the ESP8266 has in its ROM and its compiler's library therefore omits; also for the
 * ESP32, which divides 32 bits itself.
 * Floating-point numbers keep 32 bits of their fraction, which is more than the scenarios need.
 */

#include <stdbool.h>
#include <stdint.h>

/* m * 2^e, with the top bit of m set; or zero. */
struct number {
  bool negative;
  int e;
  uint32_t m;
};

uint32_t __udivsi3(uint32_t a, uint32_t b);
uint32_t __umodsi3(uint32_t a, uint32_t b);
uint64_t __muldi3(uint64_t a, uint64_t b);
int64_t __divdi3(int64_t a, int64_t b);
uint64_t __muldf3(uint64_t a, uint64_t b);
uint64_t __divdf3(uint64_t a, uint64_t b);
uint64_t __adddf3(uint64_t a, uint64_t b);
uint64_t __subdf3(uint64_t a, uint64_t b);
uint32_t __mulsf3(uint32_t a, uint32_t b);
uint32_t __addsf3(uint32_t a, uint32_t b);
uint32_t __subsf3(uint32_t a, uint32_t b);
uint64_t __floatunsidf(uint32_t a);
uint64_t __floatsidf(int32_t a);
uint32_t __floatunsisf(uint32_t a);
uint32_t __fixunsdfsi(uint64_t a);
int32_t __fixdfsi(uint64_t a);
uint32_t __fixunssfsi(uint32_t a);

#ifdef __XTENSA_WINDOWED_ABI__
static uint32_t divide(uint32_t a, uint32_t b, uint32_t *rest) {
  uint32_t q;
  __asm__("quou %0, %1, %2" : "=a"(q) : "a"(a), "a"(b));
  *rest = a - q * b;
  return q;
}
#else
static uint32_t divide(uint32_t a, uint32_t b, uint32_t *rest) {
  uint32_t q = 0, r = 0;
  int i;
  for (i = 31; i >= 0; i--) {
    bool carry = r >> 31;
    r = r << 1 | (a >> i & 1);
    if (carry || r >= b) {
      r -= b;
      q |= 1u << i;
    }
  }
  *rest = r;
  return q;
}
#endif

uint32_t __udivsi3(uint32_t a, uint32_t b) {
  uint32_t rest;
  return divide(a, b, &rest);
}

uint32_t __umodsi3(uint32_t a, uint32_t b) {
  uint32_t rest;
  divide(a, b, &rest);
  return rest;
}

static uint64_t wide(uint32_t a, uint32_t b) {
  uint32_t al = a & 0xffff, ah = a >> 16, bl = b & 0xffff, bh = b >> 16;
  uint32_t low = al * bl, mid = ah * bl + (low >> 16), mid2 = al * bh + (mid & 0xffff);
  return (uint64_t) (ah * bh + (mid >> 16) + (mid2 >> 16)) << 32 | (mid2 << 16 | (low & 0xffff));
}

uint64_t __muldi3(uint64_t a, uint64_t b) {
  uint32_t al = (uint32_t) a, ah = (uint32_t) (a >> 32), bl = (uint32_t) b, bh = (uint32_t) (b >> 32);
  return wide(al, bl) + ((uint64_t) (al * bh + ah * bl) << 32);
}

/* By digits of 16 bits. */
static uint64_t over_small(uint64_t x, uint32_t y) {
  uint32_t digits[4] = {(uint32_t) (x >> 48), (uint32_t) (x >> 32) & 0xffff, (uint32_t) x >> 16, (uint32_t) x & 0xffff};
  uint32_t rest = 0;
  uint64_t q = 0;
  int i;
  for (i = 0; i < 4; i++) q = q << 16 | divide(rest << 16 | digits[i], y, &rest);
  return q;
}

static uint64_t over_large(uint64_t x, uint64_t y) {
  uint64_t q = 0, r = 0;
  int i;
  for (i = 0; i < 64; i++) {
    r = r << 1 | x >> 63;
    x <<= 1;
    q <<= 1;
    if (r >= y) {
      r -= y;
      q |= 1;
    }
  }
  return q;
}

int64_t __divdi3(int64_t a, int64_t b) {
  uint64_t x = a < 0 ? 0 - (uint64_t) a : (uint64_t) a, y = b < 0 ? 0 - (uint64_t) b : (uint64_t) b;
  uint64_t q = y <= 0xffff ? over_small(x, (uint32_t) y) : over_large(x, y);
  return (a < 0) != (b < 0) ? (int64_t) (0 - q) : (int64_t) q;
}

static struct number normal(bool negative, int e, uint64_t m) {
  struct number n = {negative, e, 0};
  if (m == 0) return n;
  for (; m >> 32 != 0; m >>= 1) n.e++;
  for (; !(m >> 31 & 1); m <<= 1) n.e--;
  n.m = (uint32_t) m;
  return n;
}

static struct number from_double(uint64_t bits) {
  int e = (int) (bits >> 52 & 0x7ff);
  struct number n = {bits >> 63, e - 1023 - 31, 0};
  if (e != 0) n.m = 0x80000000 | (uint32_t) (bits >> 21 & 0x7fffffff);
  return n;
}

static uint64_t to_double(struct number n) {
  uint64_t sign = (uint64_t) n.negative << 63;
  if (n.m == 0) return sign;
  return sign | (uint64_t) (n.e + 31 + 1023) << 52 | (uint64_t) (n.m & 0x7fffffff) << 21;
}

static struct number from_float(uint32_t bits) {
  int e = (int) (bits >> 23 & 0xff);
  struct number n = {bits >> 31, e - 127 - 31, 0};
  if (e != 0) n.m = 0x80000000 | bits << 8;
  return n;
}

static uint32_t to_float(struct number n) {
  uint32_t sign = (uint32_t) n.negative << 31;
  if (n.m == 0) return sign;
  return sign | (uint32_t) (n.e + 31 + 127) << 23 | (n.m & 0x7fffffff) >> 8;
}

static struct number times(struct number a, struct number b) {
  return normal(a.negative != b.negative, a.e + b.e, wide(a.m, b.m));
}

static struct number over(struct number a, struct number b) {
  uint64_t q = 0, r = a.m;
  int i;
  for (i = 0; i < 33; i++) {
    q <<= 1;
    if (r >= b.m) {
      r -= b.m;
      q |= 1;
    }
    r <<= 1;
  }
  return normal(a.negative != b.negative, a.e - b.e - 32, q);
}

static struct number plus(struct number a, struct number b) {
  int64_t x, y;
  int by;
  if (a.m == 0) return b;
  if (b.m == 0) return a;
  if (a.e < b.e) {
    struct number c = a;
    a = b;
    b = c;
  }
  by = a.e - b.e;
  x = (int64_t) ((uint64_t) a.m << 16);
  y = by < 48 ? (int64_t) ((uint64_t) b.m << 16 >> by) : 0;
  x = (a.negative ? -x : x) + (b.negative ? -y : y);
  return normal(x < 0, a.e - 16, (uint64_t) (x < 0 ? -x : x));
}

static uint32_t whole(struct number n) {
  if (n.m == 0 || n.e <= -32) return 0;
  return n.e > 0 ? UINT32_MAX : n.m >> -n.e;
}

static struct number negated(struct number n) {
  n.negative = !n.negative;
  return n;
}

uint64_t __muldf3(uint64_t a, uint64_t b) {
  return to_double(times(from_double(a), from_double(b)));
}

uint64_t __divdf3(uint64_t a, uint64_t b) {
  return to_double(over(from_double(a), from_double(b)));
}

uint64_t __adddf3(uint64_t a, uint64_t b) {
  return to_double(plus(from_double(a), from_double(b)));
}

uint64_t __subdf3(uint64_t a, uint64_t b) {
  return to_double(plus(from_double(a), negated(from_double(b))));
}

uint32_t __mulsf3(uint32_t a, uint32_t b) {
  return to_float(times(from_float(a), from_float(b)));
}

uint32_t __addsf3(uint32_t a, uint32_t b) {
  return to_float(plus(from_float(a), from_float(b)));
}

uint32_t __subsf3(uint32_t a, uint32_t b) {
  return to_float(plus(from_float(a), negated(from_float(b))));
}

uint64_t __floatunsidf(uint32_t a) {
  return to_double(normal(false, 0, a));
}

uint64_t __floatsidf(int32_t a) {
  return to_double(normal(a < 0, 0, a < 0 ? 0u - (uint32_t) a : (uint32_t) a));
}

uint32_t __floatunsisf(uint32_t a) {
  return to_float(normal(false, 0, a));
}

uint32_t __fixunsdfsi(uint64_t a) {
  return whole(from_double(a));
}

int32_t __fixdfsi(uint64_t a) {
  struct number n = from_double(a);
  return n.negative ? -(int32_t) whole(n) : (int32_t) whole(n);
}

uint32_t __fixunssfsi(uint32_t a) {
  return whole(from_float(a));
}
