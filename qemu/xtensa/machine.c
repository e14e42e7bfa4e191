/* QEMU's sim with an Xtensa core: the ESP8266's, or one with register windows as the ESP32 has them.
 * Output and exit use simcalls. Start-up code and linker script are in the core's own directory. */

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

/* CCOUNT; QEMU has both cores' frequency. */
#ifdef __XTENSA_WINDOWED_ABI__
#define CYCLE_NS 100
#else
#define CYCLE_NS 25
#endif

uint32_t machine_clock(void) {
  uint32_t now;
  __asm__ volatile("rsr.ccount %0" : "=a"(now));
  return now;
}

uint32_t machine_ns_since(uint32_t clock) {
  return (machine_clock() - clock) * CYCLE_NS;
}

__attribute__((used)) void begin(void) {
  memset(bss_start, 0, (size_t) (bss_end - bss_start));
  machine_exit(main());
}

__attribute__((used)) void fault(void) {
  machine_print("the processor has taken a fault\n");
  machine_exit(2);
}
