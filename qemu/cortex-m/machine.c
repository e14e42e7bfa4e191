/* QEMU's mps2-an386, a Cortex-M4 with FPU, and mps2-an385, a Cortex-M3. Output and exit use
 * semihosting. */

#include <string.h>

#include "port.h"

int main(void);

extern uint8_t stack_bottom[], stack_top[], data_start[], data_end[], data_load[], bss_start[], bss_end[];

static int semihosting(int what, const void *arg) {
  register int r0 __asm__("r0") = what;
  register const void *r1 __asm__("r1") = arg;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

void machine_print(const char *text) {
  semihosting(0x04, text);
}

void machine_exit(int status) {
  int arg[2] = {0x20026, status};
  semihosting(0x20, arg);
  for (;;) {
  }
}

void machine_stack(uint8_t **lowest, size_t *size) {
  uint8_t *sp;
  __asm__ volatile("mov %0, sp" : "=r"(sp));
  *lowest = stack_bottom;
  *size = (size_t) (sp - stack_bottom) - STACK_MARGIN;
}

/* SysTick, 24 bits at 25 MHz, counts down. */
uint32_t machine_clock(void) {
  return *(volatile uint32_t *) 0xe000e018;
}

uint32_t machine_ns_since(uint32_t clock) {
  return ((clock - machine_clock()) & 0xffffff) * 40;
}

static void fault(void) {
  machine_print("the processor has taken a fault\n");
  machine_exit(2);
}

static void reset(void) {
  /* Enable coprocessors 10 and 11, the FPU, if present; make division by zero and an unaligned LDM
   * fault. */
  *(volatile uint32_t *) 0xe000ed88 |= 0xf << 20;
  *(volatile uint32_t *) 0xe000ed14 |= 1 << 4;
  __asm__ volatile("dsb\n isb");
  *(volatile uint32_t *) 0xe000e014 = 0xffffff;
  *(volatile uint32_t *) 0xe000e010 = 5;
  memcpy(data_start, data_load, (size_t) (data_end - data_start));
  memset(bss_start, 0, (size_t) (bss_end - bss_start));
  machine_exit(main());
}

__attribute__((section(".vectors"), used)) const void *const vectors[16] = {
    stack_top, (void *) reset, (void *) fault, (void *) fault, (void *) fault, (void *) fault, (void *) fault,
};
