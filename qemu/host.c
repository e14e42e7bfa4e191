/*
 * This machine in the place of a chip: for running the scenarios under a debugger or with sanitizers.
 * The chips have a folder each.
 */

#include <stdio.h>
#include <stdlib.h>

#include "port.h"

void machine_print(const char *text) {
  fputs(text, stdout);
}

void machine_exit(int status) {
  fflush(stdout);
  _Exit(status);
}

void machine_stack(uint8_t **lowest, size_t *size) {
  *lowest = NULL;
  *size = 0;
}
