/* QEMU's sim with the core of the ESP8266. Output and exit use simcalls. The compiler's package has
 * no C library, so the functions needed by the library and the scenarios are here. */

#include <stdlib.h>
#include <string.h>

#include "port.h"

int main(void);

extern uint8_t stack_bottom[], stack_top[], bss_start[], bss_end[];

static int simcall(int what, int a, const void *b, int c) {
  register int a2 __asm__("a2") = what;
  register int a3 __asm__("a3") = a;
  register const void *a4 __asm__("a4") = b;
  register int a5 __asm__("a5") = c;
  __asm__ volatile("simcall" : "+r"(a2), "+r"(a3) : "r"(a4), "r"(a5) : "memory");
  return a2;
}

void machine_print(const char *text) {
  simcall(4, 1, text, (int) strlen(text));
}

void machine_exit(int status) {
  for (;;) simcall(1, status, NULL, 0);
}

void abort(void) {
  machine_print("abort() was called\n");
  machine_exit(2);
  for (;;) {
  }
}

void machine_stack(uint8_t **lowest, size_t *size) {
  uint8_t *sp;
  __asm__ volatile("mov %0, a1" : "=r"(sp));
  *lowest = stack_bottom;
  *size = (size_t) (sp - stack_bottom) - STACK_MARGIN;
}

__attribute__((used)) void begin(void) {
  memset(bss_start, 0, (size_t) (bss_end - bss_start));
  machine_exit(main());
}

__attribute__((used)) void fault(void) {
  machine_print("the processor has taken a fault\n");
  machine_exit(2);
}

/* At the reset vector: set the address of the vectors and the stack, and start. The exception
 * vectors lead to fault(). */
__asm__(
    ".section .reset, \"ax\"\n"
    ".global start\n"
    "start:\n"
    "  j 1f\n"
    "  .align 4\n"
    "  .literal_position\n"
    "1:\n"
    "  movi a0, vectors\n"
    "  wsr.vecbase a0\n"
    "  movi a1, stack_top\n"
    "  movi a0, 0x20\n"
    "  wsr.ps a0\n"
    "  rsync\n"
    "  movi a0, begin\n"
    "  jx a0\n"
    ".section .vectors, \"ax\"\n"
    "vectors:\n"
    "  .space 0x30\n"
    "  j to_fault\n"
    "  .org 0x50\n"
    "  j to_fault\n"
    "  .org 0x70\n"
    "  j to_fault\n"
    "  .org 0x80\n"
    "  .literal_position\n"
    "  .align 4\n"
    "to_fault:\n"
    "  movi a0, fault\n"
    "  jx a0\n"
    ".text\n");

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
