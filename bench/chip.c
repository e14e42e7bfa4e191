/*
 * Counts instructions on an emulated chip by its clock, which QEMU advances by INSTRUCTION_NS for
 * each (-icount). The heap's are not counted, as each platform has its own.
 */

#define __wrap_malloc heap_malloc
#define __wrap_free heap_free
#define __wrap_calloc heap_calloc
#define __wrap_realloc heap_realloc
#define __wrap_strdup heap_strdup
#include "memory.c"
#undef __wrap_malloc
#undef __wrap_free
#undef __wrap_calloc
#undef __wrap_realloc
#undef __wrap_strdup

#include "instructions.h"

/* -icount shift=10 */
#define INSTRUCTION_NS 1024

static bool s_on;
static uint32_t s_begin, s_instructions, s_intervals;
/* What an interval costs itself. */
static uint32_t s_price;

void count_on(void) {
  s_on = true;
  s_begin = machine_clock();
}

void count_off(void) {
  s_instructions += (machine_ns_since(s_begin) + INSTRUCTION_NS / 2) / INSTRUCTION_NS;
  s_intervals++;
  s_on = false;
}

void count_forget(void) {
  s_instructions = s_intervals = 0;
}

void count_report(const char *name) {
  if (strcmp(name, "nothing") == 0) s_price = s_instructions / s_intervals;
  machine_print("\t");
  print_number(s_instructions - s_intervals * s_price);
}

/* Whether the clock advances as expected. The compiler, or a window exception, may add a few
 * instructions. */
static void check_clock(void) {
  uint32_t n;
  count_on();
  count_off();
  s_price = s_instructions;
  count_forget();
  count_on();
  __asm__ volatile(".rept 1000\n nop\n .endr");
  count_off();
  n = s_instructions - s_price;
  CHECK(n >= 980 && n <= 1020);
  count_forget();
}

int main(void) {
  check_clock();
  measure_operations();
  return 0;
}

/* ---- The heap ---- */

static bool pause(void) {
  bool on = s_on;
  if (on) count_off();
  return on;
}

static void resume(bool on) {
  if (on) count_on();
}

void *__wrap_malloc(size_t size);
void __wrap_free(void *block);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t size) {
  bool on = pause();
  void *block = heap_malloc(size);
  resume(on);
  return block;
}

void __wrap_free(void *block) {
  bool on = pause();
  heap_free(block);
  resume(on);
}

void *__wrap_calloc(size_t n, size_t size) {
  bool on = pause();
  void *block = heap_calloc(n, size);
  resume(on);
  return block;
}

void *__wrap_realloc(void *block, size_t size) {
  bool on = pause();
  void *to = heap_realloc(block, size);
  resume(on);
  return to;
}

char *__wrap_strdup(const char *s) {
  bool on = pause();
  char *copy = heap_strdup(s);
  resume(on);
  return copy;
}
