/*
 * Lets callgrind count: it is told the name of each complete figure and writes a file for it.
 */

#include <stdbool.h>
#include <string.h>

#include <valgrind/callgrind.h>

#include "instructions.h"
#include "port.h"

/* Callgrind is told what to count by function names: otherwise it does not attribute instructions
 * to functions. */
static bool s_by_function;

void count_on(void) {
  if (!s_by_function) CALLGRIND_TOGGLE_COLLECT;
}

void count_off(void) {
  if (!s_by_function) CALLGRIND_TOGGLE_COLLECT;
}

void count_forget(void) {
  CALLGRIND_ZERO_STATS;
}

void count_report(const char *name) {
  CALLGRIND_DUMP_STATS_AT(name);
}

int main(int argc, char **argv) {
  s_by_function = argc > 2 && strcmp(argv[2], "by-function") == 0;
  if (argc > 1 && strcmp(argv[1], "growth") == 0) {
    measure_growth();
  } else {
    measure_operations();
  }
  machine_exit(0);
  return 0;
}
