/*
 * Runs every scenario, each starting with no library blocks in the heap, and prints its heap and
 * stack use.
 */

#include <string.h>

#include "port.h"

#include "mgos.h"
#include "mgos_mqtt.h"

#define PAINT 0x5e

static unsigned s_faults;
static const char *s_name;

void check_that(bool ok, const char *what, int line) {
  if (ok) return;
  if (++s_faults > 20) machine_exit(1);
  machine_print("  NOT SO in ");
  machine_print(s_name);
  machine_print(", line ");
  print_number((unsigned long) line);
  machine_print(": ");
  machine_print(what);
  machine_print("\n");
}

void library_begins(void) {
}

void library_ends(void) {
}

static void paint(void) {
  uint8_t *p;
  size_t size;
  machine_stack(&p, &size);
  if (size > 0) memset(p, PAINT, size);
}

/* Depth of the stack, counted from here. */
static size_t touched(void) {
  uint8_t *p;
  size_t size, i;
  machine_stack(&p, &size);
  for (i = 0; i < size && p[i] == PAINT; i++) {
  }
  return size > 0 ? size - i + STACK_MARGIN : 0;
}

int main(void) {
  size_t i, heap = 0, stack = 0;
  for (i = 0; i < num_scenarios; i++) {
    size_t before = memory_in_use(), used;
    unsigned faults = s_faults;
    s_name = scenarios[i].name;
    broker_reset();
    errors_logged();
    memory_forget_peak();
    paint();
    scenarios[i].run();
    used = touched();
    CHECK(memory_in_use() == before);
    CHECK(memory_is_sound());
    CHECK(broker.num_bad == 0);
    if (memory_peak() - before > heap) heap = memory_peak() - before;
    if (used > stack) stack = used;
    machine_print(faults == s_faults ? "  good  " : "  BAD   ");
    machine_print(s_name);
    machine_print(", heap ");
    print_number(memory_peak() - before);
    if (used > 0) {
      machine_print(", stack ");
      print_number(used);
    }
    machine_print("\n");
  }
  machine_print("most heap ");
  print_number(heap);
  machine_print(" bytes, deepest stack ");
  if (stack > 0) {
    print_number(stack);
    machine_print(" bytes\n");
  } else {
    machine_print("not measured\n");
  }
  machine_exit(s_faults == 0 ? 0 : 1);
  return 0;
}
