/*
 * What the shim and the scenarios need of the compiler's library, which Debian has only for the ABI
 * without register windows. No NaN occurs. The rest is in qemu/xtensa/rom.c.
 */

#include <stdint.h>

uint64_t __lshrdi3(uint64_t v, int n);
double __floatundidf(uint64_t v);
int __ltdf2(int64_t a, int64_t b);
int __ledf2(int64_t a, int64_t b);
int __gtdf2(int64_t a, int64_t b);
int __gedf2(int64_t a, int64_t b);

uint64_t __lshrdi3(uint64_t v, int n) {
  uint32_t high = (uint32_t) (v >> 32), low = (uint32_t) v;
  if (n >= 32) return high >> (n - 32);
  if (n == 0) return v;
  return (uint64_t) (high >> n) << 32 | (low >> n | high << (32 - n));
}

double __floatundidf(uint64_t v) {
  return (double) (uint32_t) (v >> 32) * 4294967296.0 + (double) (uint32_t) v;
}

/* Doubles are ordered as their bits are, negative ones in reverse; -0.0 equals 0.0. */
static int order(int64_t a, int64_t b) {
  if (a == INT64_MIN) a = 0;
  if (b == INT64_MIN) b = 0;
  return a < 0 && b < 0 ? (a < b) - (a > b) : (a > b) - (a < b);
}

int __ltdf2(int64_t a, int64_t b) {
  return order(a, b);
}

int __ledf2(int64_t a, int64_t b) {
  return order(a, b);
}

int __gtdf2(int64_t a, int64_t b) {
  return order(a, b);
}

int __gedf2(int64_t a, int64_t b) {
  return order(a, b);
}
