/* QEMU's virt with a 32-bit core. Output uses its UART, exit its test device. */

#include <string.h>

#include "port.h"

int main(void);

extern uint8_t stack_bottom[], stack_top[], bss_start[], bss_end[];

void machine_print(const char *text) {
  while (*text != '\0') *(volatile uint8_t *) 0x10000000 = (uint8_t) *text++;
}

void machine_exit(int status) {
  *(volatile uint32_t *) 0x100000 = status == 0 ? 0x5555 : (uint32_t) status << 16 | 0x3333;
  for (;;) {
  }
}

void machine_stack(uint8_t **lowest, size_t *size) {
  uint8_t *sp;
  __asm__ volatile("mv %0, sp" : "=r"(sp));
  *lowest = stack_bottom;
  *size = (size_t) (sp - stack_bottom) - STACK_MARGIN;
}

/* Under -icount, QEMU counts nanoseconds here. */
uint32_t machine_clock(void) {
  uint32_t now;
  __asm__ volatile(".option push\n .option arch, +zicsr\n csrr %0, minstret\n .option pop" : "=r"(now));
  return now;
}

uint32_t machine_ns_since(uint32_t clock) {
  return machine_clock() - clock;
}

__attribute__((aligned(4))) static void fault(void) {
  machine_print("the processor has taken a fault\n");
  machine_exit(2);
}

__attribute__((used)) static void begin(void) {
  __asm__ volatile(".option push\n .option arch, +zicsr\n csrw mtvec, %0\n .option pop" : : "r"(fault));
  memset(bss_start, 0, (size_t) (bss_end - bss_start));
  machine_exit(main());
}

__asm__(
    ".section .start, \"ax\"\n"
    ".global start\n"
    "start:\n"
    ".option push\n"
    ".option norelax\n"
    "  la gp, __global_pointer$\n"
    ".option pop\n"
    "  la sp, stack_top\n"
    "  j begin\n");
