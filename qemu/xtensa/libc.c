/* The functions of the C library that the library and the scenarios need: Debian's package of the
 * compiler has none. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Loops that the compiler must not replace by calls of the functions that contain them. */
#define PLAIN __attribute__((optimize("no-tree-loop-distribute-patterns")))

PLAIN void *memcpy(void *to, const void *from, size_t n) {
  uint8_t *t = (uint8_t *) to;
  const uint8_t *f = (const uint8_t *) from;
  while (n-- > 0) *t++ = *f++;
  return to;
}

PLAIN void *memmove(void *to, const void *from, size_t n) {
  uint8_t *t = (uint8_t *) to;
  const uint8_t *f = (const uint8_t *) from;
  if (t <= f) return memcpy(to, from, n);
  while (n-- > 0) t[n] = f[n];
  return to;
}

PLAIN void *memset(void *to, int byte, size_t n) {
  uint8_t *t = (uint8_t *) to;
  while (n-- > 0) *t++ = (uint8_t) byte;
  return to;
}

int memcmp(const void *a, const void *b, size_t n) {
  const uint8_t *x = (const uint8_t *) a, *y = (const uint8_t *) b;
  for (; n > 0; n--, x++, y++) {
    if (*x != *y) return *x - *y;
  }
  return 0;
}

PLAIN size_t strlen(const char *s) {
  size_t n = 0;
  while (s[n] != '\0') n++;
  return n;
}

int strncmp(const char *a, const char *b, size_t n) {
  for (; n > 0; n--, a++, b++) {
    if (*a != *b || *a == '\0') return (uint8_t) *a - (uint8_t) *b;
  }
  return 0;
}

int strcmp(const char *a, const char *b) {
  return strncmp(a, b, PTRDIFF_MAX);
}

char *strchr(const char *s, int c) {
  for (; *s != (char) c; s++) {
    if (*s == '\0') return NULL;
  }
  return (char *) s;
}

char *strrchr(const char *s, int c) {
  const char *last = NULL;
  do {
    if (*s == (char) c) last = s;
  } while (*s++ != '\0');
  return (char *) last;
}

size_t strspn(const char *s, const char *accept) {
  size_t n = 0;
  while (s[n] != '\0' && strchr(accept, s[n]) != NULL) n++;
  return n;
}

size_t strcspn(const char *s, const char *reject) {
  size_t n = 0;
  while (s[n] != '\0' && strchr(reject, s[n]) == NULL) n++;
  return n;
}
